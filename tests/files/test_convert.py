"""Files compressed and decompressed frame by frame, in little memory."""

import json
import os
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.encaps import generate_frames, get_frame
from pydicom.pixels.utils import pixel_array as native_pixel_array
from pydicom.uid import (
    ExplicitVRLittleEndian,
)

import dicom_jpegls as jls
from dicom_jpegls.dicom import CodingOptions
from dicom_jpegls.errors import InvalidStreamError
from dicom_jpegls.files import (
    NewFile,
    NotConvertibleError,
    NothingToDoError,
    NotVerifiedError,
    compress_file,
    decompress_file,
    verify_file,
)
from support.dicom_files import JPEGLS_FILES, NATIVE_FILES, TEST_FILES, make_dataset, random_frames, read
from support.single_files import compressed, written

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:pydicom")


def without_copied_differences(ds):
    """Remove what differs between bytes that are copied and a dataset that pydicom writes: retired group lengths."""
    ds.remove_private_tags()
    for element in list(ds):
        if element.tag.element == 0:
            del ds[element.tag]
    return ds


@pytest.mark.filterwarnings("ignore::dicom_jpegls.errors.ClippedSamplesWarning")
@pytest.mark.parametrize("near_lossless", [0, 2])
@pytest.mark.parametrize("name", NATIVE_FILES)
def test_files_become_what_whole_datasets_become(tmp_path, name, near_lossless):
    ds = read(name)
    if near_lossless and ds.PhotometricInterpretation == "PALETTE COLOR":
        with pytest.raises(NotConvertibleError, match="PALETTE COLOR"):
            compress_file(TEST_FILES / name, tmp_path / "jls.dcm", CodingOptions(near_lossless=near_lossless))
        return
    target = tmp_path / "jls.dcm"
    options = CodingOptions(near_lossless=near_lossless, signed_overflow="clip", verify=True)
    conversion = compress_file(TEST_FILES / name, target, options)
    result = jls.compress(ds, options.transfer_syntax_uid, options=options)
    streamed = pydicom.dcmread(target)
    assert streamed.PixelData == ds.PixelData
    assert streamed.file_meta.TransferSyntaxUID == options.transfer_syntax_uid
    assert conversion.statistics == result
    assert conversion.near_lossless == near_lossless
    for other in (streamed, ds):
        if near_lossless:
            del other.SOPInstanceUID
    assert without_copied_differences(streamed) == without_copied_differences(ds)

    decompress_file(target, tmp_path / "native.dcm")
    jls.decompress(ds)
    assert pydicom.dcmread(tmp_path / "native.dcm").PixelData == ds.PixelData


@pytest.mark.parametrize("name", JPEGLS_FILES)
def test_jpegls_files_of_others_are_decompressed(tmp_path, name):
    decompress_file(TEST_FILES / name, tmp_path / "native.dcm")
    native = pydicom.dcmread(tmp_path / "native.dcm")
    np.testing.assert_array_equal(native_pixel_array(native, raw=True), jls.pixel_array(read(name)))
    assert verify_file(tmp_path / "native.dcm", TEST_FILES / name).statistics.largest_error == 0


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("big_endian", [False, True])
@pytest.mark.parametrize("shape", [(5, 3, 3), (4, 6, 5, 3)])
def test_many_frames_on_threads(tmp_path, shape, big_endian, threads):
    """Frames of odd length in big-endian words share a word with the next one."""
    pixels = random_frames(shape, 8)
    ds = make_dataset(pixels, bits_stored=8, planar_configuration=1, big_endian=big_endian)
    if big_endian:
        ds["PixelData"].VR = "OW"
        data = ds.PixelData
        ds.PixelData = np.frombuffer(data, np.uint16).byteswap().tobytes()
    conversion, result = compressed(ds, tmp_path, threads=threads)
    assert conversion.statistics.frame_count == shape[0]
    np.testing.assert_array_equal(jls.pixel_array(result), pixels)
    decompress_file(tmp_path / "jls.dcm", tmp_path / "again.dcm")
    again = pydicom.dcmread(tmp_path / "again.dcm")
    np.testing.assert_array_equal(native_pixel_array(again, raw=True), pixels)


@pytest.mark.parametrize("table", ["basic", "extended", "empty"])
def test_offset_tables(tmp_path, table):
    pixels = random_frames((4, 30, 20), 12)
    _, result = compressed(make_dataset(pixels, bits_stored=12), tmp_path, offset_table=table)
    frames = list(generate_frames(result.PixelData, number_of_frames=4))
    tables = None
    if table == "extended":
        tables = (result.ExtendedOffsetTable, result.ExtendedOffsetTableLengths)
    assert ("ExtendedOffsetTable" in result) == (table == "extended")
    assert struct.unpack_from("<L", result.PixelData, 4)[0] == (16 if table == "basic" else 0)
    for index in range(4):
        frame = get_frame(result.PixelData, index, extended_offsets=tables, number_of_frames=4)
        assert frame == frames[index], index
        np.testing.assert_array_equal(jls.decode(frame), pixels[index], err_msg=f"frame {index}")
    decompress_file(tmp_path / "jls.dcm", tmp_path / "again.dcm")
    assert "ExtendedOffsetTable" not in pydicom.dcmread(tmp_path / "again.dcm")


def test_large_files_get_an_extended_table(tmp_path, monkeypatch):
    monkeypatch.setattr("dicom_jpegls.dicom.fragments.MAXIMUM_BASIC_OFFSET", 100)
    _, result = compressed(make_dataset(random_frames((2, 30, 20), 12), bits_stored=12), tmp_path)
    assert len(result.ExtendedOffsetTable) == len(result.ExtendedOffsetTableLengths) == 16


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        ({"BitsStored": 5, "HighBit": 4}, jls.DatasetError, r"in frame\(s\) 0, 1 have bits set above Bits Stored, 5"),
        ({"NumberOfFrames": 3}, jls.DatasetError, "need 600: it is truncated"),
        ({"BitsAllocated": 32}, NotConvertibleError, r"Bits Allocated \(0028,0100\) is 32"),
        ({"BitsStored": 1, "HighBit": 0}, NotConvertibleError, r"Bits Stored \(0028,0101\) is 1"),
        ({"Rows": 0}, jls.DatasetError, r"Rows \(0028,0010\) is 0; 1 or more is allowed"),
        ({"PhotometricInterpretation": "YBR_FULL_422"}, NotConvertibleError, "cannot code subsampled colours"),
    ],
)
def test_what_cannot_be_converted_is_named_and_leaves_nothing(tmp_path, change, error, match):
    ds = make_dataset(4095 - random_frames((2, 10, 10), 12), bits_stored=12)
    for keyword, value in change.items():
        setattr(ds, keyword, value)
    with pytest.raises(error, match=match):
        compressed(ds, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["native.dcm"]


def test_a_file_that_is_written_wrongly_does_not_get_its_name(tmp_path, monkeypatch):
    """A disk may write something else than it was told."""
    ds = make_dataset(random_frames((2, 30, 20), 12), bits_stored=12)
    sync = NewFile.sync

    def damaged(new):
        sync(new)
        data = bytearray(new.path.read_bytes())
        data[-100] ^= 1
        new.path.write_bytes(data)

    monkeypatch.setattr(NewFile, "sync", damaged)
    with pytest.raises(NotVerifiedError, match="reads back differently"):
        compressed(ds, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["native.dcm"]
    monkeypatch.undo()
    compressed(ds, tmp_path)
    monkeypatch.setattr(NewFile, "sync", damaged)
    with pytest.raises(NotVerifiedError, match="reads back differently"):
        decompress_file(tmp_path / "jls.dcm", tmp_path / "again.dcm")
    assert not (tmp_path / "again.dcm").exists()


def test_a_source_that_changes_meanwhile_is_refused(tmp_path):
    path = written(make_dataset(random_frames((2, 30, 20), 12), bits_stored=12), tmp_path / "native.dcm")

    def touch(_size):
        os.utime(path, ns=(1, 1))

    with pytest.raises(NotVerifiedError, match="the source changed while it was read"):
        compress_file(path, path, on_frame=touch)
    assert pydicom.dcmread(path).file_meta.TransferSyntaxUID == ExplicitVRLittleEndian


# Reads a native file of 240 MB and writes one as large: a second program, so that its memory is its own.
MEMORY = """
import json, pathlib, resource, sys
from dicom_jpegls.files import compress_file, decompress_file
source, folder = map(pathlib.Path, sys.argv[1:])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
conversion = compress_file(source, folder / "jls.dcm", threads=2)
decompress_file(folder / "jls.dcm", folder / "again.dcm")
print(json.dumps([before, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, conversion.statistics.frame_count]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="kilobytes as Linux counts them")
def test_memory_does_not_grow_with_the_file(tmp_path):
    frames, size = 120, 1000 * 1000 * 2
    ds = make_dataset(np.zeros((1, 1000, 1000), np.uint16), bits_stored=12)
    ds.NumberOfFrames = frames
    path = written(ds, tmp_path / "native.dcm")
    header = bytearray(path.read_bytes()[:-size])
    header[-4:] = (frames * size).to_bytes(4, "little")
    with path.open("wb") as file:
        file.write(header)
        file.truncate(len(header) + frames * size)
    assert path.stat().st_size > 240e6
    command = [sys.executable, "-c", MEMORY, path, tmp_path]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    before, after, count = json.loads(output)
    assert count == frames
    assert after - before < 60_000  # kB; a few frames of 2 MB
    assert Path(tmp_path / "again.dcm").stat().st_size == path.stat().st_size
    for left in tmp_path.iterdir():
        left.unlink()


def test_what_is_jpegls_already_is_left_without_a_look_at_its_streams(tmp_path):
    ds = read("CT_small.dcm")
    jls.compress(ds)
    start = ds.PixelData.index(b"\xff\xd8") + 2
    ds.PixelData = ds.PixelData[:start] + b"\0" * 8 + ds.PixelData[start + 8 :]
    ds.save_as(tmp_path / "damaged.dcm")
    with pytest.raises(InvalidStreamError):
        jls.pixel_array(ds)
    with pytest.raises(NothingToDoError, match=r"already$"):
        compress_file(tmp_path / "damaged.dcm", tmp_path / "new.dcm")
    assert not (tmp_path / "new.dcm").exists()
