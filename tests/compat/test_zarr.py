"""A volume in a Zarr store: near-lossless CT, read slice by slice."""

import json

import numpy as np
import pydicom
import pytest

import dicom_jpegls as jls
from support.dicom_files import TEST_FILES, random_frames

zarr = pytest.importorskip("zarr")

from dicom_jpegls.compat.zarr import JPEGLSCodec  # noqa: E402


def create(store, volume, codec, chunks=None):
    """Create an array with a chunk for each slice, and write the volume to it."""
    chunks = chunks or (*(1,) * (volume.ndim - 2), *volume.shape[-2:])
    array = zarr.create_array(
        store, shape=volume.shape, dtype=volume.dtype, chunks=chunks, serializer=codec, compressors=None, filters=None
    )
    array[...] = volume
    return array


def ct_volume():
    """Five slices of a real CT in Hounsfield units, each a bit different."""
    ds = pydicom.dcmread(TEST_FILES / "CT_small.dcm")
    slices = [np.roll(ds.pixel_array, shift, axis=1).astype(np.int16) - 1024 for shift in range(5)]
    return np.stack(slices)


def test_a_near_lossless_ct_volume_is_read_lazily(tmp_path):
    volume = ct_volume()
    create(tmp_path / "ct.zarr", volume, JPEGLSCodec(near_lossless=2))
    for number in (0, 2):  # the others are not read
        (tmp_path / "ct.zarr" / "c" / str(number) / "0" / "0").write_bytes(b"no stream")
    array = zarr.open_array(tmp_path / "ct.zarr", mode="r")  # the codec is found by its entry point
    assert array.shape == volume.shape
    errors = array[3].astype(int) - volume[3]
    assert 0 < np.abs(errors).max() <= 2
    with pytest.raises(jls.InvalidStreamError):
        array[0]


def test_the_metadata_names_the_codec_and_its_options(tmp_path):
    create(tmp_path / "a.zarr", random_frames((2, 8, 9), 12), JPEGLSCodec(near_lossless=1, bits_per_sample=12))
    metadata = json.loads((tmp_path / "a.zarr" / "zarr.json").read_text())
    assert metadata["codecs"] == [
        {"name": "dicom_jpegls", "configuration": {"near_lossless": 1, "bits_per_sample": 12}}
    ]
    stream = (tmp_path / "a.zarr" / "c" / "1" / "0" / "0").read_bytes()
    info = jls.read_info(stream)
    assert (info.near_lossless, info.frame_info) == (1, (9, 8, 12, 1))


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16"])
@pytest.mark.parametrize("shape", [(7, 8), (3, 7, 8), (2, 3, 7, 8)])
def test_lossless_for_each_dtype(shape, dtype):
    info = np.iinfo(dtype)
    volume = np.random.default_rng(1).integers(info.min, info.max, shape, dtype, endpoint=True)
    assert np.array_equal(create({}, volume, JPEGLSCodec())[...], volume)


def test_chunks_smaller_than_a_slice(tmp_path):
    """Those at the edges are filled up."""
    volume = ct_volume()
    array = create(tmp_path / "a.zarr", volume, JPEGLSCodec(), chunks=(1, 50, 100))
    assert np.array_equal(array[...], volume)
    assert np.array_equal(array[4, 40:60, 90:110], volume[4, 40:60, 90:110])


@pytest.mark.parametrize(
    ("dtype", "chunks", "match"),
    [("float32", (1, 8, 9), "dtype"), ("uint32", (1, 8, 9), "dtype"), ("uint8", (2, 8, 9), r"found \(2, 8, 9\)")],
)
def test_what_is_no_image_is_refused_when_the_array_is_created(dtype, chunks, match):
    with pytest.raises(jls.ParameterError, match=match):
        create({}, np.zeros((2, 8, 9), dtype), JPEGLSCodec(), chunks=chunks)


@pytest.mark.parametrize("options", [{"near_lossless": 128}, {"bits_per_sample": 17}, {"bits_per_sample": 4}])
def test_a_wrong_option_is_refused(options):
    with pytest.raises(jls.ParameterError):
        create({}, np.full((1, 8, 9), 200, np.uint8), JPEGLSCodec(**options))


@pytest.mark.parametrize("image", [np.ones((9, 8), np.uint8), np.ones((8, 9), np.uint16)])
def test_a_stream_of_another_image_is_refused(tmp_path, image):
    array = create(tmp_path / "a.zarr", np.ones((1, 8, 9), np.uint8), JPEGLSCodec())
    (tmp_path / "a.zarr" / "c" / "0" / "0" / "0").write_bytes(jls.encode(image))
    with pytest.raises(jls.InvalidStreamError, match="the chunk must be"):
        array[...]
