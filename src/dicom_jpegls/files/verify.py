"""Decoding every frame of a file, and comparing it with another file or with what was recorded of it."""

from __future__ import annotations

import hashlib
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from pydicom.datadict import tag_for_keyword
from pydicom.errors import InvalidDicomError

from dicom_jpegls._codec import read_info
from dicom_jpegls.array import decode
from dicom_jpegls.dicom import START_OF_IMAGE, CodingStatistics, FrameCoder, keyword_of, without_fill_bytes
from dicom_jpegls.files.differences import first_difference
from dicom_jpegls.files.errors import NotConvertibleError, NotVerifiedError
from dicom_jpegls.files.opening import DEFAULT_READ_OPTIONS, ReadOptions, open_regular, same_contents
from dicom_jpegls.files.source import SourceFile, ignore_frame, little_endian_bytes
from dicom_jpegls.files.steps import finish_steps

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from dicom_jpegls.dicom import CodingOptions, ImagePixel
    from dicom_jpegls.files.steps import Steps


def _tags(*keywords: str) -> frozenset[int]:
    return frozenset(tag_for_keyword(keyword) or 0 for keyword in keywords)


# The attributes that a conversion may change: those of the samples, which are compared as numbers, ...
_IMAGE_PIXEL = _tags("PhotometricInterpretation", "PlanarConfiguration", "BitsAllocated", "BitsStored", "HighBit")
# ... and those that record a loss (PS3.3 C.7.6.1.1.5).
_LOSS = _tags(
    "DerivationCodeSequence",
    "DerivationDescription",
    "ImageType",
    "LossyImageCompression",
    "LossyImageCompressionMethod",
    "LossyImageCompressionRatio",
    "MediaStorageSOPInstanceUID",
    "SOPInstanceUID",
    "SourceImageSequence",
)


# Where a JPEG-LS stream that is a file must begin, after fill bytes.
_START_SIZE = 128


class DecodedFile(NamedTuple):
    """The samples of a file, decoded frame by frame."""

    shape: tuple[int, ...]
    """(rows, columns[, samples]); with more than one frame (frames, rows, columns[, samples])."""
    frames: Iterator[NDArray[Any]]
    image_pixel: ImagePixel | None
    """None for a JPEG-LS stream."""
    source: SourceFile | None
    """None for a JPEG-LS stream."""
    coding: Callable[[], tuple[int, int]]
    """Returns the largest NEAR and the total size of the JPEG-LS streams decoded so far."""


def _open_decoded(path: Path, threads: int, reading: ReadOptions, stack: ExitStack) -> Steps[DecodedFile]:
    """Open a DICOM file or a JPEG-LS stream until a stack is closed; decode large ones frame by frame when asked for.

    Raises
    ------
    NotConvertibleError, JPEGLSError, OSError
        As `compress_file` does.
    """
    stream = read_stream(path, reading)
    if stream is not None:
        image = decode(stream)
        coding = (read_info(stream).near_lossless, len(stream))
        return DecodedFile(image.shape, iter([image]), None, None, lambda: coding)
    source = stack.enter_context(SourceFile(path, reading))
    image_pixel, frames = yield from source.decoded_steps(threads)
    shape: tuple[int, ...] = (image_pixel.rows, image_pixel.columns)
    if image_pixel.samples_per_pixel > 1:
        shape += (image_pixel.samples_per_pixel,)
    if image_pixel.number_of_frames > 1:
        shape = (image_pixel.number_of_frames, *shape)
    return DecodedFile(shape, frames, image_pixel, source, lambda: (source.near_lossless, source.compressed_size))


def read_stream(path: Path, reading: ReadOptions = DEFAULT_READ_OPTIONS) -> bytes | None:
    """Return the contents of a file that is a JPEG-LS stream; None for any other file."""
    with open_regular(path, follow_links=reading.follow_links) as file:
        start = without_fill_bytes(file.read(_START_SIZE))
        return file.read() if start[: len(START_OF_IMAGE)] == START_OF_IMAGE and file.seek(0) == 0 else None


def file_sha256(path: Path, reading: ReadOptions = DEFAULT_READ_OPTIONS) -> str:
    """Return the hash of all bytes of a file, in hexadecimal digits."""
    with open_regular(path, follow_links=reading.follow_links) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Verification(NamedTuple):
    """The result of `verify_file`."""

    shape: tuple[int, ...]
    """See `DecodedFile`; empty if the file is no image, but the same as its reference, byte for byte."""
    statistics: CodingStatistics
    near_lossless: int
    """The largest NEAR of the streams of the file; 0 for native samples."""
    pixels_sha256: str | None
    """See `Conversion`; None if the file is no image."""


def verify_file(
    path: Path,
    reference: Path | None = None,
    *,
    expected_sha256: str | None = None,
    options: CodingOptions | None = None,
    threads: int = 1,
    on_frame: Callable[[int], None] = ignore_frame,
    reading: ReadOptions = DEFAULT_READ_OPTIONS,
) -> Verification:
    """Decode every frame of a file, and compare it with another file or its samples with their hash.

    Parameters
    ----------
    path : pathlib.Path
        A DICOM file or a JPEG-LS stream.
    reference : pathlib.Path, optional
        The file to compare with: all samples, and all elements but those that a conversion changes. Files that are no
        images, or none that can be decoded, must have the same bytes.
    expected_sha256 : str, optional
        The hash of the samples to compare with; see `Conversion`.
    options : CodingOptions, optional
        How the file was made from the reference: samples that were cleared, clipped or converted are compared with what
        had to become of them. By default nothing but NEAR is allowed.
    threads : int, optional
        How many frames are decoded at a time.
    on_frame : callable, optional
        See `compress_file`.
    reading : ReadOptions, optional
        What may be read.

    Raises
    ------
    NotVerifiedError
        If the shapes differ, a sample differs by more than the NEAR of the streams of the file, an element is missing,
        was added or differs, the bytes of a copy differ, or the hash differs.
    NotConvertibleError, JPEGLSError, OSError
        As `compress_file` does.
    """
    return finish_steps(
        verify_steps(
            path,
            reference,
            expected_sha256=expected_sha256,
            options=options,
            threads=threads,
            on_frame=on_frame,
            reading=reading,
        )
    )


def verify_steps(
    path: Path,
    reference: Path | None = None,
    *,
    expected_sha256: str | None = None,
    options: CodingOptions | None = None,
    threads: int = 1,
    on_frame: Callable[[int], None] = ignore_frame,
    reading: ReadOptions = DEFAULT_READ_OPTIONS,
) -> Steps[Verification]:
    """Do what `verify_file` does, in steps; see `Steps`."""
    try:
        return (yield from _verify_steps(path, reference, expected_sha256, options, threads, on_frame, reading))
    except (NotConvertibleError, InvalidDicomError) as error:
        if reference is None:
            raise
        if not same_contents(path, reference, follow_links=reading.follow_links):
            raise NotVerifiedError(
                f"is not a copy of {reference}, and cannot be compared as an image: {error}"
            ) from None
        return Verification((), CodingStatistics(), 0, None)


def _verify_steps(
    path: Path,
    reference: Path | None,
    expected_sha256: str | None,
    options: CodingOptions | None,
    threads: int,
    on_frame: Callable[[int], None],
    reading: ReadOptions,
) -> Steps[Verification]:
    with ExitStack() as stack:
        decoded = yield from _open_decoded(path, threads, reading, stack)
        expected: DecodedFile | None = None
        prepare: _Preparation | None = None
        if reference is not None:
            expected = yield from _open_decoded(reference, 1, reading, stack)
            if decoded.shape != expected.shape:
                raise NotVerifiedError(f"shape {decoded.shape}; that of {reference} is {expected.shape}")
            if options is not None and expected.image_pixel is not None:
                prepare = _Preparation(expected.image_pixel, options)
        digest = hashlib.sha256()
        frames = size = largest_error = 0
        for frame in decoded.frames:
            digest.update(little_endian_bytes(frame))
            if expected is not None:
                samples = next(expected.frames)
                if prepare is not None:
                    samples = prepare(samples)
                largest_error = max(largest_error, _largest_error(frame, samples))
            frames += 1
            size += frame.nbytes
            on_frame(frame.nbytes)
        near_lossless, compressed_size = decoded.coding()
        if largest_error > near_lossless:
            raise NotVerifiedError(f"largest error against {reference} is {largest_error}; NEAR is {near_lossless}")
        if expected_sha256 not in (None, digest.hexdigest()):
            raise NotVerifiedError("its samples are not those that were recorded when it was written")
        if expected is not None and decoded.source is not None and expected.source is not None:
            is_lossy = near_lossless > 0 or (prepare is not None and prepare.coder.converts)
            ignored = _IMAGE_PIXEL | _LOSS if is_lossy else _IMAGE_PIXEL
            difference = _image_pixel_difference(
                prepare.coder.coded if prepare is not None else expected.image_pixel, decoded.image_pixel
            ) or first_difference(expected.source, decoded.source, ignored)
            if difference is not None:
                raise NotVerifiedError(f"compared with {reference}, {difference}")
    statistics = CodingStatistics(
        frame_count=frames,
        native_size=size,
        compressed_size=compressed_size,
        cleared_samples=prepare.cleared if prepare is not None else 0,
        clipped_samples=prepare.clipped if prepare is not None else 0,
        largest_error=largest_error if reference else None,
    )
    return Verification(decoded.shape, statistics, near_lossless, digest.hexdigest())


class _Preparation:
    """Changes the samples of a reference as they were changed before they were coded, and counts them."""

    def __init__(self, image_pixel: ImagePixel, options: CodingOptions) -> None:
        self.coder = FrameCoder(image_pixel, options)
        self.cleared = self.clipped = 0

    def __call__(self, frame: NDArray[Any]) -> NDArray[Any]:
        (counts,) = self.coder.check_samples([frame], None)
        self.cleared += counts.unused_bits
        self.clipped += counts.overflow
        return self.coder.prepare(frame, counts)


def _image_pixel_difference(expected: ImagePixel | None, found: ImagePixel | None) -> str | None:
    """Return the first attribute of decoded samples that is not as expected; their order does not matter."""
    if expected is None or found is None:
        return None
    for name, value, other in zip(expected._fields, expected, found, strict=True):
        if name != "planar_configuration" and value != other:
            return f"{keyword_of(name)} is {other!r} instead of {value!r}"
    return None


def _largest_error(frame: NDArray[Any], expected: NDArray[Any]) -> int:
    if np.array_equal(frame, expected):
        return 0
    return int(np.abs(frame.astype(np.int32) - expected).max())
