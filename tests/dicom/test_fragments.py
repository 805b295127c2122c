"""Which fragments are which frame: the same for bytes in memory and for files."""

import io
import struct
import tracemalloc

import numpy as np
import pytest
from pydicom.encaps import encapsulate as pydicom_encapsulate
from pydicom.encaps import encapsulate_extended

import dicom_jpegls as jls
from dicom_jpegls.dicom import SEQUENCE_DELIMITER, FragmentIndex, fragments, item_header, offset_tables
from support.dicom_files import make_dataset, random_frames

FRAMES = random_frames((3, 5, 6), 12)
STREAMS = [jls.encode(frame, bits_per_sample=12) for frame in FRAMES]
TABLE = struct.pack("<3L", 0, len(STREAMS[0]) + 8, len(STREAMS[0]) + len(STREAMS[1]) + 16)
EXTENDED_TABLE = struct.pack("<3Q", *struct.unpack("<3L", TABLE))
NO_SOI = [b"\0\0" + stream[2:] for stream in STREAMS]
FIRST, SECOND, THIRD = STREAMS


def items(*values):
    return b"".join(item_header(len(value)) + value for value in values)


def in_memory(data):
    return FragmentIndex(data)


def in_a_file(data):
    return FragmentIndex(io.BytesIO(b"DICM" + data + b"trailing"[: 0 if data[-8:] != SEQUENCE_DELIMITER else 8]), 4)


SOURCES = pytest.mark.parametrize("index", [in_memory, in_a_file])


@SOURCES
@pytest.mark.parametrize("end", [b"", SEQUENCE_DELIMITER], ids=["without end", "delimited"])
@pytest.mark.parametrize(
    ("data", "expected"),
    [
        pytest.param(items(b"", *STREAMS), STREAMS, id="one fragment each"),
        pytest.param(items(TABLE, *STREAMS), STREAMS, id="with a table"),
        pytest.param(items(b"", FIRST), [FIRST], id="a single frame"),
        pytest.param(items(b"", b"", FIRST), [FIRST], id="an empty first fragment"),
        pytest.param(items(b"", b"", b"", *STREAMS), STREAMS, id="empty first fragments of several frames"),
        pytest.param(items(b"", FIRST, b"", SECOND, b"", b"", THIRD, b""), STREAMS, id="empty fragments between"),
        pytest.param(
            items(b"", FIRST[:10], FIRST[10:], SECOND, THIRD[:2], THIRD[2:8], THIRD[8:]), STREAMS, id="split frames"
        ),
        pytest.param(items(struct.pack("<3L", 0, 10, 7), *STREAMS), STREAMS, id="a table of other offsets"),
        pytest.param(items(TABLE[:5], *STREAMS), STREAMS, id="a table of the wrong length"),
        pytest.param(
            items(TABLE, FIRST, NO_SOI[1], THIRD), [FIRST, NO_SOI[1], THIRD], id="starts damaged, with a table"
        ),
        pytest.param(
            items(TABLE, NO_SOI[0], SECOND, THIRD), [NO_SOI[0], SECOND, THIRD], id="first start damaged, with a table"
        ),
        pytest.param(
            items(b"", FIRST, NO_SOI[1], THIRD), [FIRST, NO_SOI[1], THIRD], id="starts damaged, one fragment each"
        ),
        pytest.param(items(b"", b"", NO_SOI[0], SECOND), [NO_SOI[0], SECOND], id="starts damaged, empty first"),
        pytest.param(items(b"", NO_SOI[0][:20], NO_SOI[0][20:]), [NO_SOI[0]], id="start damaged, single frame"),
        pytest.param(items(b"", FIRST[:1], FIRST[1:]), [FIRST], id="start in two fragments"),
    ],
)
def test_frames(index, data, expected, end):
    found = index(data + end)
    frames = found.frames(len(expected))
    assert [bytes(frame) for frame in frames] == expected
    assert found.end == len(data) + (0 if index is in_memory else 4)
    assert [bytes(frame) for frame in found.partial_frames(len(expected))] == expected


@SOURCES
def test_an_extended_offset_table_is_used_where_starts_are_damaged(index):
    data = items(b"", FIRST, NO_SOI[1][:30], NO_SOI[1][30:], THIRD)
    first, second, third = struct.unpack("<3Q", EXTENDED_TABLE)
    frames = index(data).frames(3, struct.pack("<3Q", first, second, third + 8))
    assert [bytes(frame) for frame in frames] == [FIRST, NO_SOI[1], THIRD]
    with pytest.raises(jls.DatasetError, match="Pixel Data holds 2 frame"):
        index(data).frames(3, EXTENDED_TABLE)  # one of the offsets is inside a fragment
    with pytest.raises(jls.DatasetError, match="Pixel Data holds 2 frame"):
        index(data).frames(3, b"\xff" * 24)


@SOURCES
@pytest.mark.parametrize("count", [4, 5, 2**31 - 1])
def test_fewer_frames_than_declared_are_refused(index, count):
    with pytest.raises(jls.DatasetError, match=rf"Number of Frames \(0028,0008\) is {count}; Pixel Data holds 3 frame"):
        index(items(TABLE, *STREAMS)).frames(count)


@SOURCES
@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("table", [b"", TABLE])
def test_of_more_frames_the_declared_ones_are_read(index, count, table):
    with pytest.warns(jls.DatasetWarning, match=rf"is {count}; Pixel Data holds 3 frames: the rest is ign") as caught:
        frames = index(items(table, *STREAMS)).frames(count)
    assert [bytes(frame) for frame in frames] == STREAMS[:count]
    assert [warning.filename for warning in caught] == [__file__]


@SOURCES
@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (b"", "it has no item"),
        (SEQUENCE_DELIMITER, "it has no item"),
        (b"nothing encapsulated", r"tag \(6F6E,6874\) at byte .*: it may be native, under a wrong Transfer Syntax"),
        (items(b"", FIRST) + b"\xfe\xff\x00\xe0\x01", "ends inside the header of the item"),
        (items(b"") + b"\xfe\xff\x00\xe0\xff\xff\xff\xff" + FIRST, "undefined length"),
        (items(b"", FIRST) + b"garbage!", "tag"),
    ],
)
def test_faults_of_the_structure(index, data, fault):
    found = index(data)
    with pytest.raises(jls.DatasetError, match=rf"Pixel Data \(7FE0,0010\) is not validly encapsulated: .*{fault}"):
        found.frames(1)


@SOURCES
@pytest.mark.parametrize("size", range(1, len(THIRD) + 8, 7))
def test_truncated_data_is_read_as_far_as_it_goes(index, size):
    data = items(TABLE, *STREAMS)[:-size]
    frames = index(data).partial_frames(3)
    assert len(frames) == 3
    assert [bytes(frame) for frame in frames] == [FIRST, SECOND, THIRD[:-size]]


@SOURCES
def test_missing_frames_have_no_bytes(index):
    assert [bytes(frame) for frame in index(items(b"", *STREAMS)).partial_frames(5)] == [*STREAMS, b"", b""]
    with pytest.raises(IndexError):
        index(items(b"", *STREAMS)).frames(3)[3]


@SOURCES
def test_partial_frames_are_refused_if_it_is_not_certain_which_is_which(index):
    joined = items(b"", FIRST + b"\0\0" + SECOND, THIRD)  # the start of the second frame is not the start of a fragment
    with pytest.raises(jls.DatasetError, match="Pixel Data holds 2 frame"):
        index(joined).partial_frames(3)
    with pytest.raises(jls.DatasetError, match="Pixel Data holds 3 frame"):
        index(items(b"", *STREAMS)).partial_frames(2**31 - 1)


def test_a_frame_in_very_many_fragments():
    stream = jls.encode(random_frames((90, 80), 12), bits_per_sample=12)
    data = items(b"", stream[:2], *(bytes([byte]) for byte in stream[2:]), *([b""] * 20000))
    (frame,) = FragmentIndex(data).frames(1)
    assert frame == stream


def test_the_memory_of_an_index_is_bounded_by_that_of_the_items():
    data = items(b"", *([b""] * 200_000), b"\1", *([b""] * 200_000))
    tracemalloc.start()
    try:
        (frame,) = FragmentIndex(data).frames(1)
        assert frame == b"\1"
        with pytest.raises(jls.DatasetError, match="holds 0 frame"):
            FragmentIndex(data).frames(2, bytes(16))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 5 * len(data), peak / len(data)


def test_bytes_in_memory_are_not_copied():
    data = items(TABLE, *STREAMS)
    frames = FragmentIndex(data).frames(3)
    assert all(isinstance(frame, memoryview) and frame.obj is data for frame in frames)


def test_an_empty_first_fragment_in_a_dataset():
    ds = make_dataset(FRAMES[:1], bits_stored=12)
    jls.compress(ds)
    ds.PixelData = items(b"", b"", FIRST)
    np.testing.assert_array_equal(jls.pixel_array(ds), FRAMES[0])
    jls.decompress(ds)
    np.testing.assert_array_equal(ds.pixel_array, FRAMES[0])


# --- Writing ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["basic", "extended", "empty"])
def test_tables_and_items_are_those_of_pydicom(kind):
    tables = offset_tables([len(stream) for stream in STREAMS], kind)
    data = fragments.encapsulate(STREAMS, tables)
    if kind == "extended":
        assert (data, *tables.extended) == encapsulate_extended(STREAMS)
    else:
        assert data == pydicom_encapsulate(STREAMS, has_bot=kind == "basic")
        assert tables.extended is None


@pytest.mark.parametrize(("last", "is_extended"), [(2**32 - 1, False), (2**32, True)])
def test_the_extended_table_replaces_the_basic_one_if_an_offset_needs_more_than_32_bits(last, is_extended):
    tables = offset_tables([2**31 - 8, last - 2**31 - 8, 10], "basic")
    assert (tables.extended is not None) == is_extended
    if is_extended:
        assert tables.basic == item_header(0)
        assert struct.unpack("<3Q", tables.extended[0]) == (0, 2**31, last)
    else:
        assert struct.unpack("<3L", tables.basic[8:]) == (0, 2**31, last)


def test_a_fragment_that_is_too_long_is_refused():
    assert item_header(2**32 - 2) == b"\xfe\xff\x00\xe0\xfe\xff\xff\xff"
    with pytest.raises(jls.DatasetError, match="a fragment of 4294967295 bytes"):
        item_header(2**32 - 1)
