"""Coding one frame at a time: check, clear or clip, convert, encode, verify, decode. All coding goes through here."""

from __future__ import annotations

import contextlib
import warnings
from dataclasses import dataclass
from itertools import count, repeat
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from pydicom.pixels.processing import convert_color_space
from pydicom.uid import JPEGLSNearLossless, JPEGLSTransferSyntaxes

from dicom_jpegls._codec import DEFAULT_MAX_SAMPLES, Stream
from dicom_jpegls.array import decode_stream_into, decode_stream_partial, encode_samples
from dicom_jpegls.dicom import rules
from dicom_jpegls.dicom.pixel_data import native_dtype, new_samples
from dicom_jpegls.errors import ClippedSamplesWarning, DatasetError, JPEGLSError, ParameterError
from dicom_jpegls.ranges import (
    clear_unused_bits,
    count_outside,
    count_unused_bits,
    is_within,
    safe_range,
    sample_range,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from dicom_jpegls.array import PartialImage
    from dicom_jpegls.dicom.options import CodingOptions
    from dicom_jpegls.dicom.rules import ImagePixel


@dataclass(frozen=True, kw_only=True, slots=True)
class CodingStatistics:
    """Sizes and changes of the frames that were encoded. The statistics of several parts can be added.

    Attributes
    ----------
    frame_count : int
        Number of frames.
    native_size : int
        Bytes of the native frames, without padding.
    compressed_size : int
        Bytes of the JPEG-LS streams.
    cleared_samples : int
        Samples that lost bits above Bits Stored to ``unused_bits="clear"``.
    clipped_samples : int
        Signed samples that were changed by ``signed_overflow="clip"``.
    largest_error : int or None
        Largest absolute difference between decoded samples and those that were encoded; None unless verified.
    """

    frame_count: int = 0
    native_size: int = 0
    compressed_size: int = 0
    cleared_samples: int = 0
    clipped_samples: int = 0
    largest_error: int | None = None

    def __add__(self, other: CodingStatistics) -> CodingStatistics:
        errors = [error for error in (self.largest_error, other.largest_error) if error is not None]
        return CodingStatistics(
            frame_count=self.frame_count + other.frame_count,
            native_size=self.native_size + other.native_size,
            compressed_size=self.compressed_size + other.compressed_size,
            cleared_samples=self.cleared_samples + other.cleared_samples,
            clipped_samples=self.clipped_samples + other.clipped_samples,
            largest_error=max(errors, default=None),
        )

    @property
    def ratio(self) -> float:
        """Native size divided by compressed size; there must be a frame."""
        return self.native_size / self.compressed_size


class SampleCounts(NamedTuple):
    """The samples of a frame that have to be changed before it is encoded."""

    unused_bits: int
    """Samples with bits above Bits Stored."""
    overflow: int
    """Signed samples that near-lossless coding may turn into the opposite limit of their range."""


class CodedFrame(NamedTuple):
    """A frame as `FrameCoder.encode` returns it."""

    stream: bytes
    """A JPEG-LS stream of even length."""
    decoded: NDArray[Any] | None
    """The samples of the decoded stream; None unless verified."""
    statistics: CodingStatistics


class FrameDecoder:
    """Decodes the frames of an image. Immutable: any number of threads may use it.

    Parameters
    ----------
    image_pixel : ImagePixel
        The attributes of the dataset. If Planar Configuration is 1, new arrays are made by plane in memory.
    max_samples : int, optional
        Largest rows x columns x samples of a frame; see `decode`.

    Attributes
    ----------
    image_pixel : ImagePixel
        The same.

    Raises
    ------
    DatasetError
        If decoded samples cannot have the memory layout that the attributes describe.
    """

    def __init__(self, image_pixel: ImagePixel, *, max_samples: int = DEFAULT_MAX_SAMPLES) -> None:
        rules.check_native_layout(image_pixel)
        self.image_pixel = image_pixel
        self._one_frame = image_pixel._replace(number_of_frames=1)
        self._max_samples = max_samples

    def open(self, index: int | None, frame: bytes | memoryview, *, partial: bool = False) -> Stream:
        """Inspect a frame's stream and compare it with the attributes, before anything is allocated for it.

        Parameters
        ----------
        index : int or None
            The number of the frame, for error messages; None if it is not known.
        frame : bytes or memoryview
            The stream, possibly with padding.
        partial : bool, optional
            Whether the stream may be damaged or truncated, for `decode_partial`.

        Raises
        ------
        InvalidStreamError, UnsupportedStreamError
            If the stream cannot be decoded.
        DatasetError
            If it is not a frame of the image.
        """
        with naming_frame(index):
            stream = Stream(frame, max_samples=self._max_samples, partial=partial)
            rules.check_stream(stream.info, self.image_pixel)
            return stream

    def decode(
        self, index: int | None, stream: Stream, out: NDArray[Any] | None = None, *, workers: int = 1
    ) -> NDArray[Any]:
        """Decode an opened stream.

        Parameters
        ----------
        index : int or None
            The number of the frame, for error messages.
        stream : Stream
            As returned by `open`.
        out : numpy.ndarray, optional
            Array (rows, columns[, samples]) for the samples; a new one by default.
        workers : int, optional
            Number of threads that decode restart intervals and planes.

        Returns
        -------
        numpy.ndarray
            Shape (rows, columns[, samples]). A new array has Bits Allocated bits and is signed if Pixel Representation
            is 1.

        Raises
        ------
        InvalidStreamError
            If the stream is damaged.
        ParameterError
            If `out` does not fit.
        """
        if out is None:
            out = new_samples(self._one_frame)[0]
        with naming_frame(index):
            return decode_stream_into(stream, out, workers)

    def decode_partial(self, index: int | None, stream: Stream, out: NDArray[Any], fill_value: int) -> PartialImage:
        """Decode the undamaged lines of a stream that was opened for this; see `dicom_jpegls.decode_partial`."""
        with naming_frame(index):
            return decode_stream_partial(stream, out, fill_value)


class FrameCoder:
    """Encodes, verifies and decodes the frames of an image in one way. Immutable: any number of threads may use it.

    Parameters
    ----------
    image_pixel : ImagePixel
        The attributes of the native image.
    options : CodingOptions
        How to code it.
    transfer_syntax_uid : str, optional
        JPEG-LS Lossless or Near-lossless; by default that of the options.

    Attributes
    ----------
    native : ImagePixel
        The image as it is.
    coded : ImagePixel
        The image that is encoded; differs from `native` after a colour conversion.
    options : CodingOptions
        The same.
    transfer_syntax_uid : pydicom.uid.UID
        The transfer syntax of the compressed image.
    decoder : FrameDecoder
        Decodes the coded frames.

    Raises
    ------
    DatasetError
        If JPEG-LS does not allow the attributes (PS3.5 8.2.3).
    ParameterError
        If an option is not allowed for this image, or does not fit the transfer syntax.

    Examples
    --------
    >>> import numpy as np
    >>> from dicom_jpegls.dicom import CodingOptions, ImagePixel
    >>> image_pixel = ImagePixel(2, 3, 1, "MONOCHROME2", 16, 12, 11, 0)
    >>> coder = FrameCoder(image_pixel, CodingOptions(verify=True))
    >>> coded = coder.encode(0, np.full((2, 3), 7, np.uint16))
    >>> coded.statistics.largest_error
    0
    >>> coder.decoder.decode(0, coder.decoder.open(0, coded.stream))
    array([[7, 7, 7],
           [7, 7, 7]], dtype=uint16)
    """

    def __init__(self, image_pixel: ImagePixel, options: CodingOptions, transfer_syntax_uid: str | None = None) -> None:
        wanted = options.transfer_syntax_uid if transfer_syntax_uid is None else transfer_syntax_uid
        uid = next((uid for uid in JPEGLSTransferSyntaxes if uid == wanted), None)
        if uid is None:
            allowed = " or ".join(f"{choice} ({choice.name})" for choice in JPEGLSTransferSyntaxes)
            raise ParameterError(f"transfer_syntax_uid: must be {allowed}, found {wanted!r}")
        if options.near_lossless and uid != JPEGLSNearLossless:
            raise ParameterError(
                f"near_lossless: {options.near_lossless} is allowed only with the transfer syntax {JPEGLSNearLossless} "
                f"(JPEG-LS Near-lossless), found {uid}"
            )
        rules.check_image_pixel(image_pixel, near_lossless=uid == JPEGLSNearLossless)
        self.transfer_syntax_uid = uid
        self.options = options
        self.native = self.coded = image_pixel
        target = options.photometric_interpretation
        if target is not None and target != image_pixel.photometric_interpretation:
            self.coded = rules.converted(image_pixel, target)
        rules.check_near_lossless(options.near_lossless, self.coded.bits_stored)
        self._interleave_mode = rules.interleave_mode(
            image_pixel.samples_per_pixel,
            image_pixel.planar_configuration if options.planar_configuration is None else options.planar_configuration,
        )
        frame_samples = image_pixel.rows * image_pixel.columns * image_pixel.samples_per_pixel
        self.decoder = FrameDecoder(self.coded, max_samples=frame_samples)

    @property
    def converts(self) -> bool:
        """Whether colours are converted."""
        return self.coded != self.native

    def check_samples(self, frames: Iterable[NDArray[Any]], first: int | None = 0) -> list[SampleCounts]:
        """Count the samples that have to be changed, and refuse them unless the options say how.

        Parameters
        ----------
        frames : iterable of numpy.ndarray
            Native frames (rows, columns[, samples]).
        first : int or None, optional
            The number of the first frame, for the error message; None if it is not known.

        Raises
        ------
        DatasetError
            If there are samples with bits above Bits Stored and they are not to be cleared, or samples that
            near-lossless coding may turn into the opposite limit and they are not to be clipped. Names all these
            frames.
        """
        counts = [self._count_samples(frame) for frame in frames]
        numbers = repeat(None) if first is None else count(first)
        numbered = list(zip(numbers, counts, strict=False))
        unused = {number: found.unused_bits for number, found in numbered if found.unused_bits}
        total = sum(unused.values())
        if unused and self.options.unused_bits == "error":
            raise DatasetError(
                f"Pixel Data (7FE0,0010): {total} sample(s) in {_format_frames(list(unused))} have bits "
                f"set above Bits Stored, {self.native.bits_stored}, perhaps an overlay: unused_bits='clear' encodes "
                "the samples without them"
            )
        overflow = {number: found.overflow for number, found in numbered if found.overflow}
        total = sum(overflow.values())
        if overflow and self.options.signed_overflow == "error":
            lowest, highest = self._safe_range
            raise DatasetError(
                f"Pixel Data (7FE0,0010): {total} signed sample(s) in {_format_frames(list(overflow))} "
                f"are outside {lowest} to {highest}, the safe range for Bits Stored {self.native.bits_stored} and "
                f"near_lossless {self.options.near_lossless}; they may be decoded with the opposite sign: lower "
                "near_lossless, or use signed_overflow='clip' to move them into that range"
            )
        return counts

    @property
    def _safe_range(self) -> tuple[int, int]:
        return safe_range(self.native.bits_stored, self.options.near_lossless)

    def _count_samples(self, frame: NDArray[Any]) -> SampleCounts:
        bits_stored, is_signed = self.native.bits_stored, self.native.is_signed
        unused = overflow = 0
        if not is_within(frame, *sample_range(bits_stored, is_signed)):
            unused = count_unused_bits(frame, clear_unused_bits(frame, bits_stored), bits_stored)
        if is_signed and self.options.near_lossless and not is_within(frame, *self._safe_range):
            overflow = count_outside(clear_unused_bits(frame, bits_stored), *self._safe_range)
        return SampleCounts(unused, overflow)

    def prepare(self, frame: NDArray[Any], counts: SampleCounts) -> NDArray[Any]:
        """Return the samples that are encoded for a native frame: cleared, clipped and converted as necessary."""
        samples = frame
        # Clipping compares numbers, so the sign has to be extended over the unused bits before.
        if counts.unused_bits or counts.overflow:
            samples = clear_unused_bits(samples, self.native.bits_stored)
        if counts.overflow:
            samples = samples.clip(*self._safe_range)
        if self.converts:
            eight_bits = (samples >> (self.native.bits_stored - self.coded.bits_stored)).astype(np.uint8)
            samples = convert_color_space(
                eight_bits, self.native.photometric_interpretation, self.coded.photometric_interpretation
            )
        return samples

    def encode(
        self, index: int | None, frame: NDArray[Any], *, counts: SampleCounts | None = None, workers: int = 1
    ) -> CodedFrame:
        """Encode a native frame, and verify it if the options say so.

        Parameters
        ----------
        index : int or None
            The number of the frame, for error messages; None if it is not known.
        frame : numpy.ndarray
            Native samples (rows, columns[, samples]) of any byte order.
        counts : SampleCounts, optional
            As returned by `check_samples` for this frame; checked here by default.
        workers : int, optional
            Number of threads that code restart intervals and planes.

        Raises
        ------
        DatasetError
            See `check_samples`.
        JPEGLSError
            If verification fails.
        """
        if counts is None:
            (counts,) = self.check_samples([frame], index)
        samples = self.prepare(frame, counts)
        with naming_frame(index):
            stream = encode_samples(
                samples,
                bits_per_sample=self.coded.bits_stored,
                near_lossless=self.options.near_lossless,
                interleave_mode=self._interleave_mode,
                restart_interval=self.options.restart_interval,
                workers=workers,
            )
        decoded, largest_error = None, None
        if self.options.verify:
            decoded, largest_error = self.verify(index, stream, samples, workers=workers)
        statistics = CodingStatistics(
            frame_count=1,
            native_size=self.native.frame_size,
            compressed_size=len(stream),
            cleared_samples=counts.unused_bits,
            clipped_samples=counts.overflow,
            largest_error=largest_error,
        )
        return CodedFrame(stream, decoded, statistics)

    def verify(
        self, index: int | None, stream: bytes, samples: NDArray[Any], *, workers: int = 1
    ) -> tuple[NDArray[Any], int]:
        """Decode a stream and compare it with the samples that `prepare` returned.

        Returns
        -------
        numpy.ndarray, int
            The decoded samples, and their largest absolute error.

        Raises
        ------
        JPEGLSError
            If the error exceeds NEAR.
        """
        decoded = np.empty(samples.shape, native_dtype(self.coded))
        self.decoder.decode(index, self.decoder.open(index, stream), decoded, workers=workers)
        if np.array_equal(decoded, samples):
            return decoded, 0
        # The sign may not have been extended over the unused bits.
        expected = clear_unused_bits(samples, self.coded.bits_stored)
        error = int(np.abs(decoded.astype(np.int32) - expected).max())
        if error > self.options.near_lossless:
            with naming_frame(index):
                raise JPEGLSError(
                    f"verification failed: the largest error is {error}, NEAR is {self.options.near_lossless}"
                )
        return decoded, error

    def warn_if_clipped(self, statistics: CodingStatistics, *, stacklevel: int) -> None:
        """Issue a `ClippedSamplesWarning` if samples were clipped; `stacklevel` as seen by the caller."""
        if statistics.clipped_samples:
            lowest, highest = self._safe_range
            message = f"{statistics.clipped_samples} signed sample(s) clipped to {lowest} to {highest}"
            warnings.warn(message, ClippedSamplesWarning, stacklevel=stacklevel + 1)


@contextlib.contextmanager
def naming_frame(index: int | None) -> Iterator[None]:
    """Name Pixel Data and the frame, if it is known, in the message of an error that is not about an argument."""
    try:
        yield
    except ParameterError:
        raise
    except JPEGLSError as error:
        place = "Pixel Data (7FE0,0010)" + ("" if index is None else f", frame {index}")
        error.args = (f"{place}: {error}", *error.args[1:])
        raise


def _format_frames(numbers: Sequence[int | None]) -> str:
    if list(numbers) == [None]:
        return "the frame"
    return f"frame(s) {format_numbers([number for number in numbers if number is not None])}"


def format_numbers(numbers: Sequence[int]) -> str:
    """Return the first ten of some numbers as text, and how many more there are."""
    shown = ", ".join(str(number) for number in numbers[:10])
    return shown if len(numbers) <= 10 else f"{shown} and {len(numbers) - 10} more"
