"""Files converted frame by frame: every way in which pixel data lies in a file, and little memory for large ones."""

import json
import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, generate_frames, get_frame
from pydicom.pixels.utils import pixel_array as native_pixel_array
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGLSLossless,
    JPEGLSNearLossless,
)

import dicom_jpegls as jls
from dicom_jpegls.batch import Options
from dicom_jpegls.files.convert import NotVerifiedError, compress_file, decompress_file, verify_file
from dicom_jpegls.files.source import NotConvertibleError, SourceFile
from dicom_jpegls.files.target import NewFile
from support.dicom_files import JPEGLS_FILES, NATIVE_FILES, TEST_FILES, make_dataset, random_frames, read

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:pydicom")


def written(ds, path):
    ds.save_as(path, enforce_file_format=True)
    return path


def compressed(ds, tmp_path, **options):
    threads = options.pop("threads", 1)
    outcome = compress_file(
        written(ds, tmp_path / "native.dcm"), tmp_path / "jls.dcm", Options(**options), threads=threads
    )
    return outcome, pydicom.dcmread(tmp_path / "jls.dcm")


@pytest.mark.parametrize("name", NATIVE_FILES)
def test_files_become_what_whole_datasets_become(tmp_path, name):
    for near_lossless in (0, 2):
        ds = read(name)
        if near_lossless and ds.PhotometricInterpretation == "PALETTE COLOR":
            continue
        target = tmp_path / f"{near_lossless}.dcm"
        options = Options(near_lossless=near_lossless, signed_overflow="clip")
        outcome = compress_file(TEST_FILES / name, target, options)
        uid = JPEGLSNearLossless if near_lossless else JPEGLSLossless
        result = jls.compress(ds, uid, near_lossless=near_lossless, signed_overflow="clip", verify=True)
        streamed = pydicom.dcmread(target)
        assert streamed.PixelData == ds.PixelData
        assert streamed.file_meta.TransferSyntaxUID == uid
        assert (outcome.frames, outcome.native_size) == (result.frame_count, result.native_size)
        assert (outcome.compressed_size, outcome.largest_error) == (result.compressed_size, result.largest_error)
        assert (outcome.clipped_samples or 0) == result.clipped_samples
        for other in (streamed, ds):
            if near_lossless:
                del other.SOPInstanceUID
        # What is copied byte for byte keeps even retired group lengths, which pydicom does not write.
        streamed.remove_private_tags()
        ds.remove_private_tags()
        for element in list(streamed):
            if element.tag.element == 0:
                del streamed[element.tag]
        for element in list(ds):
            if element.tag.element == 0:
                del ds[element.tag]
        assert streamed == ds

        decompress_file(target, tmp_path / "native.dcm", Options(force=True))
        jls.decompress(ds)
        assert pydicom.dcmread(tmp_path / "native.dcm").PixelData == ds.PixelData


@pytest.mark.parametrize("name", JPEGLS_FILES)
def test_jpegls_files_of_others_are_decompressed(tmp_path, name):
    decompress_file(TEST_FILES / name, tmp_path / "native.dcm", Options())
    native = pydicom.dcmread(tmp_path / "native.dcm")
    np.testing.assert_array_equal(native_pixel_array(native, raw=True), jls.pixel_array(read(name)))
    assert verify_file(tmp_path / "native.dcm", TEST_FILES / name).outcome.largest_error == 0


@pytest.mark.parametrize(
    ("name", "photometric_interpretation"),
    [
        ("MR_small_RLE.dcm", "MONOCHROME2"),
        ("SC_rgb_rle_16bit_2frame.dcm", "RGB"),
    ],
)
def test_files_coded_otherwise_are_decoded_first(tmp_path, name, photometric_interpretation):
    compress_file(TEST_FILES / name, tmp_path / "jls.dcm", Options())
    ds = pydicom.dcmread(tmp_path / "jls.dcm")
    assert ds.PhotometricInterpretation == photometric_interpretation
    np.testing.assert_array_equal(jls.pixel_array(ds), native_pixel_array(read(name), raw=True))


def test_subsampled_colours_of_jpeg_become_whole_ones(tmp_path):
    pytest.importorskip("PIL")
    source = TEST_FILES / "SC_rgb_dcmtk_+eb+cy+np.dcm"
    before = read(source.name)
    assert before.PhotometricInterpretation == "YBR_FULL_422"
    compress_file(source, tmp_path / "jls.dcm", Options())
    ds = pydicom.dcmread(tmp_path / "jls.dcm")
    assert (ds.PhotometricInterpretation, ds.LossyImageCompression) == ("YBR_FULL", "01")
    np.testing.assert_array_equal(jls.pixel_array(ds), native_pixel_array(before, raw=True))


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
    outcome, result = compressed(ds, tmp_path, threads=threads)
    assert outcome.frames == shape[0]
    np.testing.assert_array_equal(jls.pixel_array(result), pixels)
    decompress_file(tmp_path / "jls.dcm", tmp_path / "again.dcm", Options())
    again = pydicom.dcmread(tmp_path / "again.dcm")
    np.testing.assert_array_equal(native_pixel_array(again, raw=True), pixels)


@pytest.mark.parametrize("uid", [ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian])
def test_other_encodings_of_the_dataset(tmp_path, uid):
    pixels = random_frames((3, 20, 10), 12)
    ds = make_dataset(pixels, bits_stored=12)
    ds.file_meta.TransferSyntaxUID = uid
    ds.PatientName = "Someone"
    _, result = compressed(ds, tmp_path)
    np.testing.assert_array_equal(jls.pixel_array(result), pixels)
    assert (result.PatientName, result.SOPInstanceUID) == ("Someone", ds.SOPInstanceUID)


def test_deflated_data_that_inflates_without_end_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("dicom_jpegls.files.source._MAXIMUM_INFLATED_SIZE", 10_000)
    ds = make_dataset(np.zeros((1, 200, 100), np.uint8), bits_stored=8)
    ds.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    with pytest.raises(jls.ParameterError, match="the deflated dataset has more than 10000 bytes"):
        compressed(ds, tmp_path)


def test_cut_off_deflated_data_is_refused(tmp_path):
    ds = make_dataset(random_frames((1, 50, 50), 12), bits_stored=12)
    ds.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    path = written(ds, tmp_path / "native.dcm")
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises((jls.ParameterError, zlib.error)):
        compress_file(path, tmp_path / "jls.dcm", Options())
    assert not (tmp_path / "jls.dcm").exists()


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
        assert frame == frames[index]
        np.testing.assert_array_equal(jls.decode(frame), pixels[index])
    decompress_file(tmp_path / "jls.dcm", tmp_path / "again.dcm", Options())
    assert "ExtendedOffsetTable" not in pydicom.dcmread(tmp_path / "again.dcm")


def test_large_files_get_an_extended_table(tmp_path, monkeypatch):
    monkeypatch.setattr("dicom_jpegls.files.convert._MAXIMUM_SIZE_FOR_BASIC_OFFSETS", 1000)
    _, result = compressed(make_dataset(random_frames((2, 30, 20), 12), bits_stored=12), tmp_path)
    assert len(result.ExtendedOffsetTable) == len(result.ExtendedOffsetTableLengths) == 16


def test_frames_in_several_fragments_are_put_together(tmp_path):
    pixels = random_frames((3, 30, 20), 12)
    ds = make_dataset(pixels, bits_stored=12)
    jls.compress(ds)
    ds.PixelData = encapsulate(list(generate_frames(ds.PixelData, number_of_frames=3)), fragments_per_frame=3)
    path = written(ds, tmp_path / "jls.dcm")
    decompress_file(path, tmp_path / "native.dcm", Options())
    np.testing.assert_array_equal(pydicom.dcmread(tmp_path / "native.dcm").pixel_array, pixels)


@pytest.mark.parametrize("big_endian", [False, True])
def test_what_follows_pixel_data_stays(tmp_path, big_endian):
    ds = make_dataset(random_frames((1, 9, 9), 12), bits_stored=12, big_endian=big_endian)
    padding = Dataset()
    padding.DataSetTrailingPadding = bytes(6)
    ds.update(padding)
    _, result = compressed(ds, tmp_path)
    assert result.DataSetTrailingPadding == bytes(6)
    decompress_file(tmp_path / "jls.dcm", tmp_path / "again.dcm", Options())
    again = pydicom.dcmread(tmp_path / "again.dcm")
    assert again.DataSetTrailingPadding == bytes(6)
    assert again.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian


def test_attributes_in_front_of_the_pixels_are_copied_byte_for_byte(tmp_path):
    source = TEST_FILES / "CT_small.dcm"
    compress_file(source, tmp_path / "jls.dcm", Options())
    decompress_file(tmp_path / "jls.dcm", tmp_path / "again.dcm", Options())
    data, again = source.read_bytes(), (tmp_path / "again.dcm").read_bytes()
    start = data.index(b"\x08\x00\x05\x00CS")
    assert again.endswith(data[start:])


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        ({"BitsStored": 5, "HighBit": 4}, jls.ParameterError, r"in frame\(s\) 0 have bits set above Bits Stored, 5"),
        ({"NumberOfFrames": 3}, jls.ParameterError, "need 600: it is truncated"),
        ({"BitsAllocated": 32}, NotConvertibleError, r"Bits Allocated \(0028,0100\) is 32"),
        ({"BitsStored": 1, "HighBit": 0}, NotConvertibleError, r"Bits Stored \(0028,0101\) is 1"),
        ({"Rows": 0}, jls.ParameterError, r"Rows \(0028,0010\) is 0; 1 or more is allowed"),
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


def test_float_pixel_data_is_named(tmp_path):
    ds = make_dataset(random_frames((1, 10, 10), 12), bits_stored=12)
    del ds.PixelData
    ds.FloatPixelData = bytes(400)
    with pytest.raises(NotConvertibleError, match="it has FloatPixelData, which JPEG-LS cannot code"):
        SourceFile(written(ds, tmp_path / "a.dcm"))


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
        decompress_file(tmp_path / "jls.dcm", tmp_path / "again.dcm", Options())
    assert not (tmp_path / "again.dcm").exists()


def test_a_source_that_changes_meanwhile_is_refused(tmp_path):
    path = written(make_dataset(random_frames((2, 30, 20), 12), bits_stored=12), tmp_path / "native.dcm")

    def touch(_size):
        os.utime(path, ns=(1, 1))

    with pytest.raises(NotVerifiedError, match="it changed while it was read"):
        compress_file(path, path, Options(), tick=touch)
    assert pydicom.dcmread(path).file_meta.TransferSyntaxUID == ExplicitVRLittleEndian


# Reads a native file of 240 MB and writes one as large: a second program, so that its memory is its own.
MEMORY = """
import json, pathlib, resource, sys
from dicom_jpegls.batch import Options
from dicom_jpegls.files.convert import compress_file, decompress_file
source, folder = map(pathlib.Path, sys.argv[1:])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
outcome = compress_file(source, folder / "jls.dcm", Options(), threads=2)
decompress_file(folder / "jls.dcm", folder / "again.dcm", Options())
print(json.dumps([before, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, outcome.frames]))
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
