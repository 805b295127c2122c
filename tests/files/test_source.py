"""Every way in which pixel data is stored in a file."""

import struct

import numpy as np
import pydicom
import pytest
from pydicom.encaps import encapsulate, generate_frames
from pydicom.pixels.utils import pixel_array as native_pixel_array
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

import dicom_jpegls as jls
from dicom_jpegls.files import NotConvertibleError, ReadOptions, SourceFile, compress_file, decompress_file
from support.dicom_files import TEST_FILES, make_dataset, random_frames, read
from support.single_files import compressed, written

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:pydicom")


@pytest.mark.parametrize(
    ("name", "photometric_interpretation"),
    [
        ("MR_small_RLE.dcm", "MONOCHROME2"),
        ("SC_rgb_rle_16bit_2frame.dcm", "RGB"),
    ],
)
def test_files_coded_otherwise_are_decoded_first(tmp_path, name, photometric_interpretation):
    compress_file(TEST_FILES / name, tmp_path / "jls.dcm")
    ds = pydicom.dcmread(tmp_path / "jls.dcm")
    assert ds.PhotometricInterpretation == photometric_interpretation
    np.testing.assert_array_equal(jls.pixel_array(ds), native_pixel_array(read(name), raw=True))


def test_subsampled_colours_of_jpeg_become_whole_ones(tmp_path):
    pytest.importorskip("PIL")
    source = TEST_FILES / "SC_rgb_dcmtk_+eb+cy+np.dcm"
    before = read(source.name)
    assert before.PhotometricInterpretation == "YBR_FULL_422"
    compress_file(source, tmp_path / "jls.dcm")
    ds = pydicom.dcmread(tmp_path / "jls.dcm")
    assert (ds.PhotometricInterpretation, ds.LossyImageCompression) == ("YBR_FULL", "01")
    np.testing.assert_array_equal(jls.pixel_array(ds), native_pixel_array(before, raw=True))


@pytest.mark.parametrize("uid", [ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian])
def test_other_encodings_of_the_dataset(tmp_path, uid):
    pixels = random_frames((3, 20, 10), 12)
    ds = make_dataset(pixels, bits_stored=12)
    ds.file_meta.TransferSyntaxUID = uid
    ds.PatientName = "Someone"
    _, result = compressed(ds, tmp_path)
    np.testing.assert_array_equal(jls.pixel_array(result), pixels)
    assert (result.PatientName, result.SOPInstanceUID) == ("Someone", ds.SOPInstanceUID)


def deflated(tmp_path, pixels, bits_stored):
    ds = make_dataset(pixels, bits_stored=bits_stored)
    ds.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    return written(ds, tmp_path / "deflated.dcm")


def test_deflated_data_that_inflates_beyond_the_option_is_refused(tmp_path):
    path = deflated(tmp_path, np.zeros((1, 200, 100), np.uint8), 8)
    with pytest.raises(jls.DatasetError, match="the deflated dataset inflates to more than 10000 bytes"):
        compress_file(path, tmp_path / "jls.dcm", reading=ReadOptions(max_inflated_size=10_000))
    compress_file(path, tmp_path / "jls.dcm", reading=ReadOptions(max_inflated_size=30_000))


def test_large_deflated_data_is_bounded_by_its_ratio(tmp_path, monkeypatch):
    monkeypatch.setattr("dicom_jpegls.files.opening._INFLATED_AT_ANY_RATIO", 100_000)
    path = deflated(tmp_path, np.zeros((20, 200, 100), np.uint8), 8)
    ratio = 20 * 200 * 100 / path.stat().st_size
    monkeypatch.setattr("dicom_jpegls.files.opening._MAXIMUM_RATIO", int(ratio / 2))
    with pytest.raises(jls.DatasetError, match="inflates to more than .* bytes, the limit for its size"):
        compress_file(path, tmp_path / "jls.dcm")
    assert not (tmp_path / "jls.dcm").exists()


def test_attributes_of_deflated_data_are_read_without_inflating_the_pixels(tmp_path):
    path = deflated(tmp_path, np.zeros((40, 1000, 100), np.uint8), 8)
    with SourceFile(path, ReadOptions(max_inflated_size=2**17)) as source:
        assert (source.ds.Rows, source.pixel_data_size) == (1000, 4_000_000)
        frames = source.native_frames(source.image_pixel)
        assert not next(frames).any()
        with pytest.raises(jls.DatasetError, match="inflates to more than 131072 bytes"):
            list(frames)


@pytest.mark.parametrize("damage", ["cut", "changed"])
def test_damaged_deflated_data_is_refused(tmp_path, damage):
    path = deflated(tmp_path, random_frames((1, 50, 50), 12), 12)
    data = bytearray(path.read_bytes())
    if damage == "cut":
        del data[-1000:]
    else:
        meta_length = struct.unpack_from("<L", data, 140)[0]
        data[144 + meta_length] = 0x07  # a block of the reserved type (RFC 1951 3.2.3)
    path.write_bytes(data)
    with pytest.raises(jls.DatasetError, match="the deflated dataset is (cut off|damaged)"):
        compress_file(path, tmp_path / "jls.dcm")
    assert not (tmp_path / "jls.dcm").exists()


def test_frames_in_several_fragments_are_put_together(tmp_path):
    pixels = random_frames((3, 30, 20), 12)
    ds = make_dataset(pixels, bits_stored=12)
    jls.compress(ds)
    ds.PixelData = encapsulate(list(generate_frames(ds.PixelData, number_of_frames=3)), fragments_per_frame=3)
    path = written(ds, tmp_path / "jls.dcm")
    decompress_file(path, tmp_path / "native.dcm")
    np.testing.assert_array_equal(pydicom.dcmread(tmp_path / "native.dcm").pixel_array, pixels)


def test_float_pixel_data_is_named(tmp_path):
    ds = make_dataset(random_frames((1, 10, 10), 12), bits_stored=12)
    del ds.PixelData
    ds.FloatPixelData = bytes(400)
    with pytest.raises(NotConvertibleError, match="it has FloatPixelData, which JPEG-LS cannot code"):
        SourceFile(written(ds, tmp_path / "a.dcm"))


def test_empty_fragments_before_the_first_stream_are_skipped(tmp_path):
    """The same index finds the frames of datasets in memory and of files."""
    pixels = random_frames((1, 30, 20), 12)
    ds = make_dataset(pixels, bits_stored=12)
    jls.compress(ds)
    (stream,) = generate_frames(ds.PixelData, number_of_frames=1)
    items = (b"", b"", stream)  # the first one is the offset table
    ds.PixelData = b"".join(struct.pack("<HHL", 0xFFFE, 0xE000, len(item)) + item for item in items)
    path = written(ds, tmp_path / "jls.dcm")
    np.testing.assert_array_equal(jls.pixel_array(pydicom.dcmread(path)), pixels[0])
    decompress_file(path, tmp_path / "native.dcm")
    np.testing.assert_array_equal(pydicom.dcmread(tmp_path / "native.dcm").pixel_array, pixels[0])
