"""Pixel data of every kind, as it is read from datasets and written into them."""

import struct

import numpy as np
import pydicom
import pytest
from pydicom.encaps import encapsulate, generate_fragments, generate_frames

import dicom_jpegls as jls
from dicom_jpegls.dicom import fragments
from support.dicom_files import TEST_FILES, check_refused, little_endian, make_dataset, random_frames, read


def count_fragments(ds):
    return len(list(generate_fragments(ds.PixelData))) - 1  # the first item is the offset table


@pytest.mark.parametrize("offset_table", ["basic", "extended", "empty"])
def test_offset_tables_are_written(offset_table):
    frames = random_frames((3, 5, 6), 12)
    ds = make_dataset(frames, bits_stored=12)
    jls.compress(ds, offset_table=offset_table)
    streams = list(generate_frames(ds.PixelData, number_of_frames=3))
    offsets = [0, len(streams[0]) + 8, len(streams[0]) + len(streams[1]) + 16]
    (basic_size,) = struct.unpack_from("<L", ds.PixelData, 4)
    if offset_table == "basic":
        assert struct.unpack_from("<3L", ds.PixelData, 8) == tuple(offsets)
        assert "ExtendedOffsetTable" not in ds
    else:
        assert basic_size == 0
    if offset_table == "extended":
        assert struct.unpack("<3Q", ds.ExtendedOffsetTable) == tuple(offsets)
        assert struct.unpack("<3Q", ds.ExtendedOffsetTableLengths) == tuple(len(stream) for stream in streams)
    assert count_fragments(ds) == 3
    np.testing.assert_array_equal(ds.pixel_array, frames)


def test_extended_offset_table_from_4_gib_on(monkeypatch):
    monkeypatch.setattr(fragments, "MAXIMUM_BASIC_OFFSET", 100)
    ds = make_dataset(random_frames((3, 25, 26), 12), bits_stored=12)
    jls.compress(ds)
    assert "ExtendedOffsetTable" in ds


def three_frames():
    frames = random_frames((3, 25, 26), 12)
    ds = make_dataset(frames, bits_stored=12)
    jls.compress(ds)
    return ds, frames, list(generate_frames(ds.PixelData, number_of_frames=3))


@pytest.mark.parametrize("table", [True, False])
@pytest.mark.parametrize("parts", [2, 5])
def test_frames_split_over_fragments(parts, table):
    ds, frames, streams = three_frames()
    ds.PixelData = encapsulate(streams, fragments_per_frame=parts, has_bot=table)
    assert count_fragments(ds) == 3 * parts
    np.testing.assert_array_equal(jls.pixel_array(ds), frames)
    jls.decompress(ds)
    np.testing.assert_array_equal(ds.pixel_array, frames)


@pytest.mark.patched_charls
@pytest.mark.parametrize("table", [True, False])
@pytest.mark.parametrize("number", [None, 0, 1, 2])
@pytest.mark.parametrize("function", [jls.pixel_array, jls.decompress, lambda ds: jls.pixel_array_partial(ds).array])
def test_of_more_frames_the_declared_ones_are_read(table, number, function):
    ds, frames, streams = three_frames()
    ds.NumberOfFrames = number
    ds.PixelData = encapsulate(streams, has_bot=table)
    match = rf"Number of Frames \(0028,0008\) is {number or 1}; Pixel Data holds 3 frames: the rest is ignored"
    with pytest.warns(jls.DatasetWarning, match=match) as caught:
        array = function(ds)
    assert caught[0].filename == __file__
    if array is None:
        array = np.frombuffer(ds.PixelData, "<u2").reshape(-1, 25, 26)
    np.testing.assert_array_equal(array.reshape(-1, 25, 26), frames[: number or 1])


@pytest.mark.parametrize("number", [None, 1, 2])
def test_of_more_native_frames_the_declared_ones_are_coded(number):
    frames = random_frames((3, 5, 6), 12)
    ds = make_dataset(frames, bits_stored=12)
    ds.NumberOfFrames = number
    with pytest.warns(jls.DatasetWarning, match=rf"is {number or 1}; Pixel Data has 180 bytes, 3 frames of 60 bytes"):
        jls.compress(ds)
    np.testing.assert_array_equal(jls.pixel_array(ds).reshape(-1, 5, 6), frames[: number or 1])


@pytest.mark.filterwarnings("error::dicom_jpegls.DatasetWarning")
@pytest.mark.parametrize("attribute", ["NumberOfFrames", "HighBit"])
def test_the_warning_can_be_made_an_error(attribute):
    for compressed in (False, True):
        ds = make_dataset(random_frames((3, 5, 6), 12), bits_stored=12)
        if compressed:
            jls.compress(ds)
        delattr(ds, attribute)
        check_refused(jls.decompress if compressed else jls.compress, ds, jls.DatasetWarning, "is 1; |is absent; taken")


def test_high_bit_may_be_absent():
    frames = random_frames((2, 5, 6), 12)
    ds = make_dataset(frames, bits_stored=12)
    del ds.HighBit
    match = r"High Bit \(0028,0102\) is absent; taken to be 11, one less than Bits Stored"
    with pytest.warns(jls.DatasetWarning, match=match):
        jls.compress(ds)
    assert ds.HighBit == 11
    del ds.HighBit
    with pytest.warns(jls.DatasetWarning, match=match):
        np.testing.assert_array_equal(jls.pixel_array(ds), frames)


def test_a_single_frame_split_over_fragments():
    ds, frames, streams = three_frames()
    ds.NumberOfFrames = 1
    ds.PixelData = encapsulate(streams[:1], fragments_per_frame=4)
    np.testing.assert_array_equal(jls.pixel_array(ds), frames[0])


def test_a_wrong_basic_offset_table_does_not_matter():
    ds, frames, _ = three_frames()
    data = bytearray(ds.PixelData)
    struct.pack_into("<3L", data, 8, 0, 10, 7)
    ds.PixelData = bytes(data)
    np.testing.assert_array_equal(jls.pixel_array(ds), frames)


def test_a_wrong_extended_offset_table_does_not_matter():
    ds, frames, _ = three_frames()
    ds.ExtendedOffsetTable = struct.pack("<3Q", 5, 6, 7)
    ds.ExtendedOffsetTableLengths = struct.pack("<3Q", 1, 2, 3)
    np.testing.assert_array_equal(jls.pixel_array(ds), frames)


def test_odd_fragments_and_padding_behind_a_frame():
    ds, frames, streams = three_frames()
    padded = [stream + padding for stream, padding in zip(streams, (b"\0\0", b"\0" * 5, b"\0"), strict=True)]
    items = b"".join(b"\xfe\xff\x00\xe0" + struct.pack("<L", len(frame)) + frame for frame in padded)
    ds.PixelData = b"\xfe\xff\x00\xe0\0\0\0\0" + items
    np.testing.assert_array_equal(jls.pixel_array(ds), frames)


def test_a_truncated_fragment_is_named():
    ds, _, streams = three_frames()
    ds.PixelData = encapsulate(streams)[:-30]
    with pytest.raises(jls.InvalidStreamError, match=r"Pixel Data \(7FE0,0010\)"):
        jls.pixel_array(ds)


@pytest.mark.parametrize("function", [jls.pixel_array, jls.decompress])
@pytest.mark.parametrize(
    ("number", "match"),
    [
        (4, r"Number of Frames \(0028,0008\) is 4; Pixel Data holds 3 frame"),
        (-1, r"Number of Frames \(0028,0008\) is -1; 1 or more is allowed"),
    ],
)
def test_a_wrong_number_of_frames_is_refused(function, number, match):
    ds, _, _ = three_frames()
    if number is None:
        del ds.NumberOfFrames
    else:
        ds.NumberOfFrames = number
    check_refused(function, ds, jls.DatasetError, match)


@pytest.mark.parametrize("number", [None, 0, ""])
def test_a_single_frame_needs_no_number_of_frames(number):
    frames = random_frames((1, 5, 6), 12)
    ds = make_dataset(frames, bits_stored=12)
    if number is not None:
        ds.NumberOfFrames = number
    jls.compress(ds)
    np.testing.assert_array_equal(jls.pixel_array(ds), frames[0])
    jls.decompress(ds)
    assert len(ds.PixelData) == frames.nbytes


# --- Kinds of pixel data ---------------------------------------------------------------------------------------------


def test_deferred_pixel_data_is_read():
    expected = read("CT_small.dcm").pixel_array
    ds = pydicom.dcmread(TEST_FILES / "CT_small.dcm", defer_size=1024)
    jls.compress(ds)
    np.testing.assert_array_equal(jls.pixel_array(ds), expected)


def test_pixel_data_in_a_file_like_object(tmp_path):
    frames = random_frames((1, 50, 60), 12)
    path = tmp_path / "pixels"
    path.write_bytes(little_endian(frames))
    ds = make_dataset(frames, bits_stored=12)
    with path.open("rb") as file:
        ds.PixelData = file
        jls.compress(ds)
    np.testing.assert_array_equal(jls.pixel_array(ds), frames[0])


@pytest.mark.parametrize(
    ("name", "match"),
    [
        ("rtdose.dcm", r"Bits Allocated \(0028,0100\) is 32"),
        ("liver_1frame.dcm", r"Bits Allocated \(0028,0100\) is 1"),
        ("rtplan.dcm", r"Pixel Data \(7FE0,0010\) is absent"),
        ("SC_ybr_full_422_uncompressed.dcm", r"Photometric Interpretation \(0028,0004\) is 'YBR_FULL_422'"),
        ("badVR.dcm", r"Number of Frames \(0028,0008\) is '1A'; must be an integer"),
    ],
)
def test_what_jpegls_cannot_hold_is_named(name, match):
    with pytest.raises(jls.DatasetError, match=match):
        jls.compress(read(name))


@pytest.mark.parametrize("keyword", ["FloatPixelData", "DoubleFloatPixelData"])
def test_float_pixels_are_named(keyword):
    ds = make_dataset(random_frames((1, 4, 4), 8), bits_stored=8)
    del ds.PixelData
    setattr(ds, keyword, bytes(128))
    check_refused(jls.compress, ds, jls.DatasetError, f"it has {keyword}, which JPEG-LS cannot code")


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 1, 9), (3, 9, 1), (1, 3, 3), (5, 1, 3), (1, 1, 1, 3), (3, 3, 3, 3)])
@pytest.mark.parametrize("bits_stored", [8, 12])
def test_odd_sizes(shape, bits_stored):
    frames = random_frames(shape, bits_stored)
    ds = make_dataset(frames, bits_stored=bits_stored)
    native = ds.PixelData
    jls.compress(ds, verify=True)
    for stream in generate_fragments(ds.PixelData):
        assert len(stream) % 2 == 0, len(stream)
    jls.decompress(ds)
    assert ds.PixelData == native
