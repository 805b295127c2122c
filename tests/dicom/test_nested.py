"""Pixel Data in the items of sequences: readable by everyone after compressing and decompressing."""

import copy
import io
import shutil
import subprocess

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.pixels import get_encoder
from pydicom.uid import JPEGLSLossless, RLELossless

import dicom_jpegls as jls
from dicom_jpegls.dicom import decode_nested_pixel_data, set_nested_pixel_data
from support.dicom_files import check_refused, little_endian, make_dataset, random_frames, read

FRAMES = random_frames((2, 9, 7), 12)
GREY = random_frames((1, 6, 5), 8)
COLOUR = random_frames((1, 6, 5, 3), 8)


def icon(pixels, coding=None, **options):
    """Make an item with pixel data, native or in a coding."""
    ds = make_dataset(pixels, bits_stored=8)
    del ds.SOPClassUID, ds.SOPInstanceUID
    if coding == JPEGLSLossless:
        jls.compress(ds, **options)
    elif coding is not None:
        stream = get_encoder(coding).encode(ds, **options)
        ds.PixelData = encapsulate([stream])
        ds["PixelData"].VR = "OB"
        ds["PixelData"].is_undefined_length = True
    item = Dataset()
    item.update(ds)
    return item


def nested_dataset(item, depth=1):
    ds = make_dataset(FRAMES, bits_stored=12)
    for level in range(depth - 1):
        outer = Dataset()
        outer.add_new((0x0009, 0x0010), "LO", f"LEVEL {level}")
        outer.add_new((0x0009, 0x1001), "SQ", [item])
        item = outer
    ds.IconImageSequence = [item]
    return ds


def nested_item(ds, depth=1):
    (item,) = ds.IconImageSequence
    for _ in range(depth - 1):
        (item,) = item[0x0009, 0x1001].value
    return item


def written_and_read(ds):
    buffer = io.BytesIO()
    ds.save_as(buffer, enforce_file_format=True)
    buffer.seek(0)
    return pydicom.dcmread(buffer)


def check_native(item, pixels):
    assert not item["PixelData"].is_undefined_length
    assert item.PixelData == little_endian(pixels)
    if pixels.ndim == 4:
        assert item.PlanarConfiguration == 0


CODINGS = pytest.mark.parametrize("coding", [None, RLELossless, JPEGLSLossless])
DEPTHS = pytest.mark.parametrize("depth", [1, 3])
PIXELS = pytest.mark.parametrize("pixels", [GREY, COLOUR], ids=["grey", "colour"])


@CODINGS
@DEPTHS
@PIXELS
def test_nested_pixel_data_becomes_native(coding, depth, pixels):
    ds = written_and_read(nested_dataset(icon(pixels, coding), depth))
    jls.compress(ds)
    ds = written_and_read(ds)
    check_native(nested_item(ds, depth), pixels)
    np.testing.assert_array_equal(jls.pixel_array(ds), FRAMES)
    jls.decompress(ds)
    ds = written_and_read(ds)
    check_native(nested_item(ds, depth), pixels)
    np.testing.assert_array_equal(ds.pixel_array, FRAMES)


@DEPTHS
@PIXELS
@pytest.mark.parametrize("near_lossless", [0, 2])
def test_jpegls_icons_are_decompressed_with_their_dataset(depth, pixels, near_lossless):
    item = icon(pixels, JPEGLSLossless, near_lossless=near_lossless)
    ds = nested_dataset(icon(pixels), depth)
    jls.compress(ds)
    inner = nested_item(ds, depth)
    inner.clear()
    inner.update(item)
    ds = written_and_read(ds)
    jls.decompress(ds)
    found = np.frombuffer(nested_item(ds, depth).PixelData, np.uint8).reshape(pixels.shape)
    assert np.abs(found.astype(int) - pixels).max() == near_lossless
    assert not decode_nested_pixel_data(ds)


def test_an_icon_that_was_not_read_from_a_file():
    item = icon(GREY, RLELossless)
    item["PixelData"].is_undefined_length = False
    ds = nested_dataset(item)
    jls.compress(ds)
    check_native(nested_item(ds), GREY)


def test_native_samples_that_look_like_an_item_are_native():
    pixels = GREY.copy()
    pixels[0, 0, :4] = 0xFE, 0xFF, 0x00, 0xE0
    ds = nested_dataset(icon(pixels))
    assert decode_nested_pixel_data(ds) == []
    jls.compress(ds)
    check_native(nested_item(ds), pixels)


def test_a_jpeg_icon_with_subsampled_colours():
    source = read("SC_rgb_dcmtk_+eb+cy+s2.dcm")
    item = Dataset()
    item.update({e.tag: e for e in source if e.tag.group in (0x0028, 0x7FE0)})
    expected = pydicom.pixels.pixel_array(source, raw=True)
    assert item.PhotometricInterpretation == "YBR_FULL_422"
    ds = nested_dataset(item)
    jls.compress(ds)
    check_native(nested_item(ds), expected[np.newaxis])
    assert nested_item(ds).PhotometricInterpretation == "YBR_FULL"


def test_jpeg_2000_is_decoded_by_pydicom_if_it_can():
    source = read("MR_small_jp2klossless.dcm")
    try:
        expected = source.pixel_array
    except RuntimeError:
        pytest.skip("no decoder for JPEG 2000 is installed")
    item = Dataset()
    item.update({e.tag: e for e in source if e.tag.group in (0x0028, 0x7FE0)})
    ds = nested_dataset(item)
    jls.compress(ds)
    assert nested_item(ds).PixelData == little_endian(expected)


def test_native_icons_of_a_big_endian_dataset_are_swapped():
    pixels = random_frames((1, 4, 6), 12)
    ds = make_dataset(FRAMES, bits_stored=12, big_endian=True)
    item = Dataset()
    item.update(make_dataset(pixels, bits_stored=12, big_endian=True))
    ds.IconImageSequence = [item]
    ds = written_and_read(ds)
    jls.compress(ds)
    ds = written_and_read(ds)
    check_native(nested_item(ds), pixels)


@pytest.mark.parametrize(
    ("damage", "match"),
    [
        (lambda item: setattr(item, "PixelData", encapsulate([b"\x01\x02" * 40])), "not as any known coding"),
        (lambda item: setattr(item, "PixelData", b"nothing encapsulated"), "not as any known coding"),
        (lambda item: delattr(item, "Rows"), r"Rows \(0028,0010\) is absent"),
        (lambda item: setattr(item, "Rows", 60000), "cannot be read"),
        (lambda item: setattr(item, "NumberOfFrames", 2**31 - 1), "at most one frame per fragment"),
    ],
)
@DEPTHS
def test_what_cannot_be_decoded_is_named_with_its_sequences(damage, match, depth):
    item = icon(GREY, RLELossless)
    damage(item)
    item["PixelData"].is_undefined_length = True
    path = r"Icon Image Sequence \(0088,0200\), item 0"
    path += r", Private attribute \(0009,1001\), item 0" * (depth - 1)
    ds = nested_dataset(item, depth)
    check_refused(jls.compress, ds, jls.DatasetError, f"^{path}: .*{match}")


def test_a_damaged_jpegls_icon_leaves_the_dataset_unchanged():
    ds = nested_dataset(icon(GREY))
    jls.compress(ds)
    item = icon(GREY, JPEGLSLossless)
    item.PixelData = item.PixelData[:-6] + bytes(6)
    item["PixelData"].is_undefined_length = True
    ds.IconImageSequence = [item]
    check_refused(jls.decompress, ds, jls.DatasetError, "^Icon Image Sequence .*, item 0: Pixel Data .*, frame 0: ")


def test_a_failure_of_the_image_leaves_the_icon_unchanged():
    ds = nested_dataset(icon(GREY, RLELossless))
    ds.BitsStored, ds.HighBit = 4, 3
    check_refused(jls.compress, ds, jls.DatasetError, "bits set above")


def test_for_datasets_whose_own_pixel_data_is_elsewhere():
    ds = nested_dataset(icon(GREY, RLELossless))
    del ds.PixelData
    before = copy.deepcopy(ds)
    decoded = decode_nested_pixel_data(ds)
    assert ds == before
    set_nested_pixel_data(decoded)
    check_native(nested_item(ds), GREY)
    assert decode_nested_pixel_data(ds) == []


# --- Other readers ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("tool", "options"), [("dcmdjpls", []), ("gdcmconv", ["--raw"])])
@CODINGS
def test_other_programs_read_the_whole_file(tool, options, coding, tmp_path):
    if shutil.which(tool) is None:
        pytest.skip(f"{tool} is not installed")
    ds = nested_dataset(icon(GREY, coding))
    jls.compress(ds)
    source, target = tmp_path / "source.dcm", tmp_path / "target.dcm"
    ds.save_as(source)
    done = subprocess.run([tool, *options, source, target], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = pydicom.dcmread(target)
    np.testing.assert_array_equal(found.pixel_array, FRAMES)
    np.testing.assert_array_equal(np.frombuffer(nested_item(found).PixelData, np.uint8), GREY.ravel())


@pytest.mark.parametrize("value", ["0", 5, b"\0\0"])
def test_what_is_no_sequence_is_refused(value):
    ds = pydicom.Dataset()
    ds.PatientComments = "text"
    ds["PatientComments"].VR = "SQ"
    ds["PatientComments"]._value = value
    with pytest.raises(jls.DatasetError, match=r"Patient Comments \(0010,4000\) must be a sequence, found"):
        decode_nested_pixel_data(ds)
