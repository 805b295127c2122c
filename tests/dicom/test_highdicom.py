"""highdicom, which codes its frames with pydicom, runs on this package once it is registered."""

import datetime

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.encaps import generate_frames
from pydicom.sr.codedict import codes
from pydicom.uid import JPEGLSLossless, generate_uid

import dicom_jpegls as jls
from dicom_jpegls.dicom import FrameCoder
from support.dicom_files import TEST_FILES, random_frames

hd = pytest.importorskip("highdicom")


@pytest.fixture
def encoded(monkeypatch):
    """Register this package and count the frames that it encodes."""
    shapes = []
    original = FrameCoder.encode

    def encode(coder, index, frame, **options):
        shapes.append(frame.shape)
        return original(coder, index, frame, **options)

    monkeypatch.setattr(FrameCoder, "encode", encode)
    jls.register()
    yield shapes
    jls.unregister()


def test_a_fractional_segmentation(encoded, tmp_path):
    source = dcmread(TEST_FILES / "CT_small.dcm")
    source.FrameOfReferenceUID = generate_uid()
    source.PositionReferenceIndicator = ""
    mask = (np.indices((128, 128)).sum(axis=0) / 254).astype(np.float32)
    algorithm = hd.AlgorithmIdentificationSequence("ramp", codes.cid7162.ArtificialIntelligence, "1")
    description = hd.seg.SegmentDescription(
        1,
        "liver",
        codes.SCT.Organ,
        codes.SCT.Liver,
        hd.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm,
    )
    segmentation = hd.seg.Segmentation(
        [source],
        mask[np.newaxis],
        hd.seg.SegmentationTypeValues.FRACTIONAL,
        [description],
        generate_uid(),
        1,
        generate_uid(),
        1,
        "maker",
        "model",
        "1",
        "serial",
        transfer_syntax_uid=JPEGLSLossless,
    )
    assert encoded == [(128, 128)]
    segmentation.save_as(tmp_path / "segmentation.dcm")
    again = hd.seg.segread(tmp_path / "segmentation.dcm")
    assert again.file_meta.TransferSyntaxUID == JPEGLSLossless
    pixels = again.get_pixels_by_source_instance([source.SOPInstanceUID], combine_segments=False)
    np.testing.assert_allclose(pixels[0, :, :, 0], mask, atol=1 / 255)


@pytest.mark.parametrize(("shape", "photometric"), [((20, 30), "MONOCHROME2"), ((20, 30, 3), "RGB")])
def test_a_secondary_capture_image(encoded, shape, photometric):
    pixels = random_frames(shape, 8)
    image = hd.sc.SCImage(
        pixels,
        photometric,
        8,
        hd.CoordinateSystemNames.PATIENT,
        generate_uid(),
        generate_uid(),
        1,
        generate_uid(),
        1,
        "maker",
        patient_orientation=("L", "P"),
        study_date=datetime.date(2020, 1, 2),
        transfer_syntax_uid=JPEGLSLossless,
    )
    assert encoded == [shape]
    (stream,) = generate_frames(image.PixelData, number_of_frames=1)
    np.testing.assert_array_equal(jls.decode(stream), pixels)
    np.testing.assert_array_equal(image.pixel_array, pixels)
