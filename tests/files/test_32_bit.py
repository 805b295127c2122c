"""Lengths of 2 GiB and more, which a process of 32 bits can neither read nor hold."""

import io
import struct
import zlib
from contextlib import suppress

import numpy as np
import pydicom
import pytest
from pydicom.uid import DeflatedExplicitVRLittleEndian, JPEGLSLossless

import dicom_jpegls as jls
from dicom_jpegls import _codec
from dicom_jpegls.dicom import FragmentIndex
from dicom_jpegls.errors import DatasetError
from dicom_jpegls.files import SourceFile, compress_file, decompress_file
from dicom_jpegls.files.opening import InflatedFile
from support.dicom_files import TEST_FILES, make_dataset, random_frames, read
from support.narrow import NarrowFile, narrow_files, narrow_memory

LENGTHS = (2**31, 0xFEFFFFFE, 0xFEFFFFFF, 0xFFFFFFFE)


def with_length(path, target, item, length):
    """Change the length of an item of Pixel Data of a file, counted from the Basic Offset Table."""
    data = bytearray(path.read_bytes())
    position = data.index(b"\xe0\x7f\x10\x00") + 12
    for _ in range(item):
        position += 8 + struct.unpack_from("<L", data, position + 4)[0]
    struct.pack_into("<L", data, position + 4, length)
    target.write_bytes(data)
    return target


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("item", [0, 1])
@pytest.mark.parametrize("name", ["MR_small_jpeg_ls_lossless.dcm", "MR_small_RLE.dcm"])
def test_the_length_of_a_fragment(tmp_path, monkeypatch, name, item, length):
    narrow_files(monkeypatch)
    path = with_length(TEST_FILES / name, tmp_path / "a.dcm", item, length)
    is_jpegls = "jpeg_ls" in name
    target = tmp_path / "b.dcm"
    if is_jpegls and item == 1:  # what is there of the only fragment is a whole stream
        decompress_file(path, target)
        np.testing.assert_array_equal(pydicom.dcmread(target).pixel_array, jls.pixel_array(read(name)))
    else:
        with pytest.raises(jls.JPEGLSError):
            (decompress_file if is_jpegls else compress_file)(path, target)
        assert not target.exists()


@pytest.mark.parametrize("length", LENGTHS)
def test_the_length_of_a_fragment_in_a_file_object(length):
    items = struct.pack("<HHLHHL", 0xFFFE, 0xE000, 0, 0xFFFE, 0xE000, length) + b"\xff\xd8data"
    index = FragmentIndex(NarrowFile(io.BytesIO(b"before" + items)), len(b"before"))
    assert len(index) == 1
    assert index.read(0, 1) == b"\xff\xd8data" == index.first_bytes()


@pytest.mark.parametrize("length", LENGTHS)
def test_the_length_of_an_element(tmp_path, monkeypatch, length):
    """Before Pixel Data, in the File Meta Information and after Pixel Data."""
    narrow_files(monkeypatch)
    source = TEST_FILES / "CT_small.dcm"
    data = source.read_bytes()
    for number, position in enumerate((data.index(b"\x08\x00\x05\x00CS"), 132, len(data))):
        path = tmp_path / f"{number}.dcm"
        path.write_bytes(data[:position] + struct.pack("<HH2sHL", 9, 0x1001, b"OB", 0, length) + data[position:])
        with pytest.raises((jls.JPEGLSError, pydicom.errors.InvalidDicomError)):
            compress_file(path, tmp_path / "new.dcm")
    assert not (tmp_path / "new.dcm").exists()


@pytest.mark.parametrize("length", LENGTHS)
def test_the_length_of_native_pixel_data(tmp_path, monkeypatch, length):
    narrow_files(monkeypatch)
    data = (TEST_FILES / "CT_small.dcm").read_bytes()
    position = data.index(b"\xe0\x7f\x10\x00OW") + 8
    path = tmp_path / "a.dcm"
    path.write_bytes(data[:position] + struct.pack("<L", length) + data[position + 4 :])
    ds = pydicom.dcmread(TEST_FILES / "CT_small.dcm")
    with SourceFile(path) as source:  # too long a length changes nothing: what follows is missing
        assert source.pixel_data_size >= len(ds.PixelData)
        (frame,) = source.decoded().frames
    np.testing.assert_array_equal(frame, ds.pixel_array)


@pytest.mark.parametrize("size", [2**31, 2**40])
def test_an_inflated_file(size):
    file = InflatedFile(io.BytesIO(zlib.compress(b"contents", wbits=-15)), 2**33)
    file.seek(3)
    assert file.read(size) == b"tents"
    assert file.read(size) == b""
    file.seek(2**64)
    assert file.read(size) == b""


def test_a_deflated_dataset(tmp_path):
    """A length in it is not taken for what is there."""
    data = (TEST_FILES / "image_dfl.dcm").read_bytes()
    ds = pydicom.dcmread(TEST_FILES / "image_dfl.dcm")
    assert ds.file_meta.TransferSyntaxUID == DeflatedExplicitVRLittleEndian
    start = 132 + 12 + ds.file_meta.FileMetaInformationGroupLength
    inflated = zlib.decompress(data[start:], wbits=-15)
    long = struct.pack("<HH2sHL", 8, 1, b"OB", 0, 0xFEFFFFFE) + inflated
    (tmp_path / "a.dcm").write_bytes(data[:start] + zlib.compress(long, wbits=-15))
    with pytest.raises(DatasetError):
        compress_file(tmp_path / "a.dcm", tmp_path / "b.dcm")


@pytest.mark.parametrize("workers", [1, 2])
def test_images_larger_than_memory_can_be(monkeypatch, workers):
    image = random_frames((1, 16, 16), 16)[0]
    stream = jls.encode(image)
    ds = make_dataset(image[np.newaxis], bits_stored=16)
    jls.compress(ds)
    calls = {
        "decode": lambda: jls.decode(stream, workers=workers),
        "Stream.decode": lambda: _codec.Stream(stream).decode(workers=workers),
        "pixel_array": lambda: jls.pixel_array(ds, workers=workers),
        "decompress": lambda: jls.decompress(ds, workers=workers),
        "encode": lambda: jls.encode(image, workers=workers),
        "encode with restart markers": lambda: jls.encode(image, restart_interval=1, workers=workers),
    }
    refused = set()
    for name, call in calls.items():
        with monkeypatch.context() as context, suppress(MemoryError):
            narrow_memory(context, 100)
            call()
            continue
        refused.add(name)
    assert refused == set(calls)
    assert ds.file_meta.TransferSyntaxUID == JPEGLSLossless
