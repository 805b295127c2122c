"""Verifying files by themselves, against another file, and against a recorded hash."""

import hashlib

import numpy as np
import pytest

import dicom_jpegls as jls
from dicom_jpegls.files import NotVerifiedError, read_stream, verify_file
from support.dicom_files import little_endian, make_dataset, random_frames
from support.single_files import compressed, written


@pytest.fixture
def files(tmp_path):
    """A native file, the same compressed with NEAR 2, and its samples."""
    pixels = random_frames((3, 20, 10), 12)
    conversion, _ = compressed(make_dataset(pixels, bits_stored=12), tmp_path, near_lossless=2)
    return tmp_path / "native.dcm", tmp_path / "jls.dcm", pixels, conversion


def test_statistics_shape_and_hash_of_a_file(files):
    native, jpegls, pixels, conversion = files
    sizes = []
    verification = verify_file(jpegls, threads=2, on_frame=sizes.append)
    assert verification.shape == pixels.shape
    assert verification.near_lossless == 2
    assert verification.pixels_sha256 == conversion.pixels_sha256_after
    assert verification.statistics.frame_count == 3
    assert verification.statistics.native_size == sum(sizes) == pixels.nbytes
    # The fragments of a frame are padded to an even length, as its stream is.
    assert verification.statistics.compressed_size == conversion.statistics.compressed_size
    assert verification.statistics.largest_error is None
    of_native = verify_file(native)
    assert (
        of_native.pixels_sha256 == conversion.pixels_sha256_before == hashlib.sha256(little_endian(pixels)).hexdigest()
    )
    assert (of_native.near_lossless, of_native.statistics.compressed_size) == (0, 0)


def test_the_reference_may_differ_by_near(files):
    native, jpegls, _, _ = files
    assert verify_file(jpegls, native).statistics.largest_error == 2
    with pytest.raises(NotVerifiedError, match=r"largest error against .*jls\.dcm is 2; NEAR is 0"):
        verify_file(native, jpegls)


def test_another_shape_and_another_hash_are_refused(files, tmp_path):
    _, jpegls, pixels, conversion = files
    other = written(make_dataset(pixels[:2], bits_stored=12), tmp_path / "other.dcm")
    with pytest.raises(NotVerifiedError, match=r"shape \(3, 20, 10\); that of .*other\.dcm is \(2, 20, 10\)"):
        verify_file(jpegls, other)
    verify_file(jpegls, expected_sha256=conversion.pixels_sha256_after)
    with pytest.raises(NotVerifiedError, match="not those that were recorded"):
        verify_file(jpegls, expected_sha256=conversion.pixels_sha256_before)


def test_a_stream_without_a_dataset(tmp_path):
    image = random_frames((1, 20, 10), 12)[0]
    path = tmp_path / "image.jls"
    path.write_bytes(jls.encode(image, bits_per_sample=12, near_lossless=1))
    verification = verify_file(path)
    assert (verification.shape, verification.near_lossless) == ((20, 10), 1)
    assert verification.statistics.compressed_size == path.stat().st_size
    assert read_stream(path) == path.read_bytes()
    np.save(tmp_path / "image.npy", image)
    assert read_stream(tmp_path / "image.npy") is None
