"""Decoding every frame of a file, and comparing it with another file or with a recorded hash."""

from __future__ import annotations

import hashlib
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from dicom_jpegls._codec import read_info
from dicom_jpegls.array import decode
from dicom_jpegls.dicom import START_OF_IMAGE, CodingStatistics
from dicom_jpegls.files.errors import NotVerifiedError
from dicom_jpegls.files.source import SourceFile, ignore_frame, little_endian_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray


class DecodedFile(NamedTuple):
    """The samples of a file, decoded frame by frame."""

    shape: tuple[int, ...]
    """(rows, columns[, samples]); with more than one frame (frames, rows, columns[, samples])."""
    frames: Iterator[NDArray[Any]]
    coding: Callable[[], tuple[int, int]]
    """Returns the largest NEAR and the total size of the JPEG-LS streams decoded so far."""


@contextmanager
def open_decoded(path: Path, threads: int = 1) -> Iterator[DecodedFile]:
    """Open a DICOM file or a JPEG-LS stream, and decode each frame when it is asked for.

    Raises
    ------
    NotConvertibleError, JPEGLSError, OSError
        As `compress_file` does.
    """
    stream = read_stream(path)
    if stream is not None:
        image = decode(stream)
        yield DecodedFile(image.shape, iter([image]), lambda: (read_info(stream).near_lossless, len(stream)))
        return
    with SourceFile(path) as source:
        image_pixel, frames, _ = source.decoded(threads)
        shape: tuple[int, ...] = (image_pixel.rows, image_pixel.columns)
        if image_pixel.samples_per_pixel > 1:
            shape += (image_pixel.samples_per_pixel,)
        if image_pixel.number_of_frames > 1:
            shape = (image_pixel.number_of_frames, *shape)
        yield DecodedFile(shape, frames, lambda: (source.near_lossless, source.compressed_size))


def read_stream(path: Path) -> bytes | None:
    """Return the contents of a file that is a JPEG-LS stream; None for any other file."""
    with path.open("rb") as file:
        return file.read() if file.read(2) == START_OF_IMAGE and file.seek(0) == 0 else None


class Verification(NamedTuple):
    """The result of `verify_file`."""

    shape: tuple[int, ...]
    """See `DecodedFile`."""
    statistics: CodingStatistics
    near_lossless: int
    """The largest NEAR of the streams of the file; 0 for native samples."""
    pixels_sha256: str
    """See `Conversion`."""


def verify_file(
    path: Path,
    reference: Path | None = None,
    *,
    expected_sha256: str | None = None,
    threads: int = 1,
    on_frame: Callable[[int], None] = ignore_frame,
) -> Verification:
    """Decode every frame of a file, and compare its samples with those of another file or with their hash.

    Parameters
    ----------
    path : pathlib.Path
        A DICOM file or a JPEG-LS stream.
    reference : pathlib.Path, optional
        The file to compare with.
    expected_sha256 : str, optional
        The hash to compare with; see `Conversion`.
    threads : int, optional
        How many frames are decoded at a time.
    on_frame : callable, optional
        See `compress_file`.

    Raises
    ------
    NotVerifiedError
        If the shapes differ, a sample differs by more than the NEAR of the streams of the file, or the hash differs.
    NotConvertibleError, JPEGLSError, OSError
        As `compress_file` does.
    """
    with ExitStack() as stack:
        decoded = stack.enter_context(open_decoded(path, threads))
        expected: DecodedFile | None = None
        if reference is not None:
            expected = stack.enter_context(open_decoded(reference))
            if decoded.shape != expected.shape:
                raise NotVerifiedError(f"shape {decoded.shape}; that of {reference} is {expected.shape}")
        digest = hashlib.sha256()
        frames = size = largest_error = 0
        for frame in decoded.frames:
            digest.update(little_endian_bytes(frame))
            if expected is not None:
                difference = frame.astype(np.int32) - next(expected.frames)
                largest_error = max(largest_error, int(np.abs(difference).max()))
            frames += 1
            size += frame.nbytes
            on_frame(frame.nbytes)
        near_lossless, compressed_size = decoded.coding()
    if largest_error > near_lossless:
        raise NotVerifiedError(f"largest error against {reference} is {largest_error}; NEAR is {near_lossless}")
    if expected_sha256 not in (None, digest.hexdigest()):
        raise NotVerifiedError("its samples are not those that were recorded when it was written")
    statistics = CodingStatistics(
        frame_count=frames,
        native_size=size,
        compressed_size=compressed_size,
        largest_error=largest_error if reference else None,
    )
    return Verification(decoded.shape, statistics, near_lossless, digest.hexdigest())
