"""Coding one frame at a time: check, clear or clip, convert, encode, verify, decode. All coding goes through here."""

from __future__ import annotations

import warnings
from contextlib import suppress
from dataclasses import dataclass
from itertools import count, repeat
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from pydicom.pixels.processing import convert_color_space
from pydicom.uid import JPEGLSLossless, JPEGLSNearLossless, JPEGLSTransferSyntaxes

from dicom_jpegls._codec import DEFAULT_MAX_SAMPLES, Stream, encode_prepared, items_at_once
from dicom_jpegls.array import (
    decode_stream_into,
    decode_stream_partial,
    decode_streams_into,
    encode_samples,
    new_array,
    prepare_samples,
)
from dicom_jpegls.dicom import rules
from dicom_jpegls.dicom.codings import coding_of
from dicom_jpegls.dicom.pixel_data import native_dtype, new_samples
from dicom_jpegls.errors import ClippedSamplesWarning, DatasetError, JPEGLSError, ParameterError, StreamError
from dicom_jpegls.parallel import map_all
from dicom_jpegls.ranges import (
    clear_unused_bits,
    count_outside,
    count_unused_bits,
    is_within,
    safe_range,
    sample_range,
    sign_extend,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from dicom_jpegls.array import PartialImage
    from dicom_jpegls.dicom.options import CodingOptions
    from dicom_jpegls.dicom.rules import ImagePixel
    from dicom_jpegls.parameters import PresetCodingParameters, StreamInfo


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
        Samples that were changed because of bits above Bits Stored, by ``unused_bits="clear"`` or ``"clip"``.
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
    as_numbers : bool, optional
        Whether samples are decoded as numbers of Bits Stored bits: bits above them are masked, or the sign is extended.
        By default all bits of a stream are kept, as native pixel data can hold them (PS3.5 8.1.1): signs are extended
        from the precision of the stream.
    preset_coding_parameters : PresetCodingParameters, optional
        What streams without an LSE segment with such parameters are decoded with; see `decode`.

    Attributes
    ----------
    image_pixel : ImagePixel
        The same.

    Raises
    ------
    DatasetError
        If decoded samples cannot have the memory layout that the attributes describe.
    """

    def __init__(
        self,
        image_pixel: ImagePixel,
        *,
        max_samples: int = DEFAULT_MAX_SAMPLES,
        as_numbers: bool = False,
        preset_coding_parameters: PresetCodingParameters | None = None,
    ) -> None:
        rules.check_native_layout(image_pixel)
        self.image_pixel = image_pixel
        self._one_frame = image_pixel._replace(number_of_frames=1)
        self._max_samples = max_samples
        self._as_numbers = as_numbers
        self._preset_coding_parameters = preset_coding_parameters

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
        ParameterError
            If a preset coding parameter is out of range.
        """
        with _NamingFrame(index):
            try:
                stream = Stream(
                    frame,
                    max_samples=self._max_samples,
                    partial=partial,
                    preset_coding_parameters=self._preset_coding_parameters,
                )
            except StreamError as error:
                _name_coding(error, frame)
                raise
            rules.check_stream(stream.info, self.image_pixel)
            if self._as_numbers:
                self._check_high_bit(stream.info)
            return stream

    def _check_high_bit(self, info: StreamInfo) -> None:
        """Check that the numbers are the lowest bits, if the stream has more than Bits Stored."""
        bits_stored, high_bit = self.image_pixel.bits_stored, self.image_pixel.high_bit
        if info.bits_per_sample > bits_stored and high_bit != bits_stored - 1:
            raise rules.attribute_error(
                "high_bit",
                high_bit,
                f"it must be one less than Bits Stored, {bits_stored}, because the JPEG-LS stream's samples have "
                f"{info.bits_per_sample} bits; decompress keeps all of them",
            )

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
        with _NamingFrame(index):
            decode_stream_into(stream, out, workers)
        if self._as_numbers:
            self._limit_to_bits_stored(out, stream.info)
        return out

    def decode_many(
        self,
        indices: Sequence[int],
        streams: Sequence[Stream],
        outs: Sequence[NDArray[Any]] | None = None,
        *,
        workers: int,
    ) -> Sequence[NDArray[Any]]:
        """Decode several opened streams as `decode` does, many at a time where that is faster.

        Parameters
        ----------
        indices : sequence of int
            The numbers of the frames.
        streams : sequence of Stream
            As returned by `open`.
        outs : sequence of numpy.ndarray, optional
            Arrays (rows, columns[, samples]) for the samples; new ones by default.
        workers : int
            Number of threads, at most the number of frames.

        Returns
        -------
        sequence of numpy.ndarray
            The decoded frames.

        Raises
        ------
        InvalidStreamError
            If a stream is damaged: for the first of these. The others are decoded nevertheless.
        ParameterError
            If an array does not fit.
        """
        if outs is None:
            outs = [new_samples(self._one_frame)[0] for _ in streams]
        errors = decode_streams_into(streams, outs, workers)
        for index, stream, out, error in zip(indices, streams, outs, errors, strict=True):
            if error is not None:
                self.decode(index, stream, out)  # raises the error again, with the number of the frame
            if self._as_numbers:
                self._limit_to_bits_stored(out, stream.info)
        return outs

    def open_and_decode(
        self, frames: Sequence[tuple[int, bytes | memoryview]], *, workers: int = 1
    ) -> Iterable[tuple[Stream, NDArray[Any]]]:
        """Open and decode consecutive frames, together where that is faster; an error is raised in its frame's turn.

        Parameters
        ----------
        frames : sequence of (int, bytes or memoryview)
            The numbers of the frames, and their streams, possibly with padding.
        workers : int, optional
            Number of threads that decode restart intervals and planes of a frame that is decoded alone.

        Returns
        -------
        iterable of (Stream, numpy.ndarray)
            The stream and the samples of each frame.
        """
        if len(frames) > 1:
            with suppress(JPEGLSError):
                streams = [self.open(index, frame) for index, frame in frames]
                samples = self.decode_many([index for index, _ in frames], streams, workers=1)
                return zip(streams, samples, strict=True)

        def decode_alone(item: tuple[int, bytes | memoryview]) -> tuple[Stream, NDArray[Any]]:
            index, frame = item
            stream = self.open(index, frame)
            return stream, self.decode(index, stream, workers=workers)

        # One frame is decoded here, by the thread that calls, and several when they are asked for.
        return [decode_alone(frames[0])] if len(frames) == 1 else map(decode_alone, frames)

    def _limit_to_bits_stored(self, samples: NDArray[Any], info: StreamInfo) -> None:
        """Make numbers of Bits Stored bits of decoded samples, in place."""
        bits_stored, precision = self.image_pixel.bits_stored, info.bits_per_sample
        if not self.image_pixel.is_signed:
            # In an array of a signed dtype, the sign was extended from the precision.
            if precision > bits_stored or samples.dtype.kind == "i":
                samples &= (1 << min(bits_stored, precision)) - 1
        elif precision > bits_stored:
            sign_extend(samples, bits_stored)

    def decode_partial(self, index: int | None, stream: Stream, out: NDArray[Any], fill_value: int) -> PartialImage:
        """Decode the undamaged lines of a stream that was opened for this; see `dicom_jpegls.decode_partial`."""
        with _NamingFrame(index):
            partial = decode_stream_partial(stream, out, fill_value)
        if self._as_numbers:
            self._limit_to_bits_stored(out, stream.info)
            if partial.error is not None:
                np.copyto(out, fill_value, where=~partial.good_lines[:, np.newaxis])
        return partial


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
        The image that is encoded; differs from `native` after a colour conversion, or if Bits Allocated is reduced.
    precision : int
        The sample precision of the streams; see `rules.coded_precision`.
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
        if rules.can_reduce_bits_allocated(self.coded) and (options.reduce_bits_allocated or options.near_lossless):
            self.coded = self.coded._replace(bits_allocated=8)
        rules.check_near_lossless(options.near_lossless, self.coded.bits_stored)
        self.precision = rules.coded_precision(
            self.coded, near_lossless=options.near_lossless, keep_unused_bits=options.unused_bits == "keep"
        )
        self._interleave_mode = rules.interleave_mode(image_pixel.samples_per_pixel, options.planar_configuration)
        frame_samples = image_pixel.rows * image_pixel.columns * image_pixel.samples_per_pixel
        self.decoder = FrameDecoder(self.coded, max_samples=frame_samples)

    @property
    def converts(self) -> bool:
        """Whether colours are converted."""
        return self.coded.photometric_interpretation != self.native.photometric_interpretation

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
            If there are samples with bits above Bits Stored and the options do not say what to do with them, or samples
            that near-lossless coding may turn into the opposite limit and they are not to be clipped. Names all these
            frames.
        """
        counts = [self._count_samples(frame) for frame in frames]
        if not any(map(any, counts)):
            return counts
        numbers = repeat(None) if first is None else count(first)
        numbered = list(zip(numbers, counts, strict=False))
        unused = {number: found.unused_bits for number, found in numbered if found.unused_bits}
        total = sum(unused.values())
        if unused and self.options.unused_bits == "error":
            raise DatasetError(
                f"Pixel Data (7FE0,0010): {total} sample(s) in {_format_frames(list(unused))} have bits "
                f"set above Bits Stored, {self.native.bits_stored}, perhaps an overlay or padding: "
                f"{self._unused_bits_advice}"
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
    def _unused_bits_advice(self) -> str:
        change = "unused_bits='clip' moves the numbers to the nearest limit, 'clear' removes these bits"
        if self.options.near_lossless or self.converts:
            return change
        return f"unused_bits='keep' codes all bits, so that decompress restores them and readers mask them; {change}"

    @property
    def _safe_range(self) -> tuple[int, int]:
        return safe_range(self.native.bits_stored, self.options.near_lossless)

    def _count_samples(self, frame: NDArray[Any]) -> SampleCounts:
        unused = overflow = 0
        if self.options.unused_bits != "keep":
            unused = self._count_unused_bits(frame)
        if self.native.is_signed and self.options.near_lossless and not is_within(frame, *self._safe_range):
            overflow = count_outside(self._within_bits_stored(frame), *self._safe_range)
        return SampleCounts(unused, overflow)

    def _count_unused_bits(self, frame: NDArray[Any]) -> int:
        bits_stored = self.native.bits_stored
        lowest, highest = sample_range(bits_stored, self.native.is_signed)
        outside = count_outside(frame, lowest, highest)
        # If signs are not extended, negative numbers look like large ones. But in one frame either all are extended or
        # none, so that beside extended ones they are large, as those of a lossy source that overshoots.
        if not outside or self.options.unused_bits == "clip" or ((frame < 0) & (frame >= lowest)).any():
            return outside
        return count_unused_bits(frame, clear_unused_bits(frame, bits_stored), bits_stored)

    def _within_bits_stored(self, frame: NDArray[Any]) -> NDArray[Any]:
        """Return samples as numbers of Bits Stored bits: cleared, or clipped if the options say so."""
        if self.options.unused_bits == "clip":
            limits = sample_range(self.native.bits_stored, self.native.is_signed)
            return frame.astype(frame.dtype.newbyteorder("=")).clip(*limits)
        return clear_unused_bits(frame, self.native.bits_stored)

    def prepare(self, frame: NDArray[Any], counts: SampleCounts) -> NDArray[Any]:
        """Return the samples that are encoded for a native frame: changed and converted as necessary."""
        samples = frame
        # Clipping compares numbers, so the sign has to be extended over the unused bits before.
        if counts.unused_bits or counts.overflow:
            samples = self._within_bits_stored(samples)
        if counts.overflow:
            samples = samples.clip(*self._safe_range)
        if self.converts:
            eight_bits = _scaled_to_8_bits(samples, self.native.bits_stored)
            return convert_color_space(
                eight_bits, self.native.photometric_interpretation, self.coded.photometric_interpretation
            )
        return samples.astype(native_dtype(self.coded)) if self.coded != self.native else samples

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
        with _NamingFrame(index):
            stream = encode_samples(
                samples,
                bits_per_sample=self.precision,
                near_lossless=self.options.near_lossless,
                interleave_mode=self._interleave_mode,
                restart_interval=self.options.restart_interval,
                workers=workers,
            )
        decoded, largest_error = None, None
        if self.options.verify:
            decoded, largest_error = self.verify(index, stream, samples, workers=workers)
        return CodedFrame(stream, decoded, self._statistics(stream, counts, largest_error))

    @property
    def can_encode_many(self) -> bool:
        """Whether `encode_many` may be faster than `encode` for each frame: lossless, one sample per pixel."""
        return self.native.samples_per_pixel == 1 and not self.options.near_lossless

    def encode_many(
        self, first: int, frames: Sequence[NDArray[Any]], *, counts: Sequence[SampleCounts], workers: int
    ) -> list[CodedFrame]:
        """Encode consecutive native frames as `encode` does, many at a time where that is faster.

        Parameters
        ----------
        first : int
            The number of the first frame, for error messages.
        frames : sequence of numpy.ndarray
            Native samples (rows, columns[, samples]) of any byte order.
        counts : sequence of SampleCounts
            As returned by `check_samples` for these frames.
        workers : int
            Number of threads, at most the number of frames.

        Raises
        ------
        JPEGLSError
            If verification fails.
        """
        numbers = range(len(frames))
        samples = map_all(lambda number: self.prepare(frames[number], counts[number]), numbers, workers)
        images = [
            prepare_samples(
                prepared,
                bits_per_sample=self.precision,
                near_lossless=self.options.near_lossless,
                interleave_mode=self._interleave_mode,
                restart_interval=self.options.restart_interval,
            )
            for prepared in samples
        ]
        streams = encode_prepared(images, workers=workers)
        decoded: list[NDArray[Any] | None] = [None] * len(frames)
        errors: list[int | None] = [None] * len(frames)
        if self.options.verify:
            results = [new_array(prepared.shape, native_dtype(self.coded)) for prepared in samples]
            opened = [self.decoder.open(first + number, streams[number]) for number in numbers]
            self.decoder.decode_many([first + number for number in numbers], opened, results, workers=workers)
            decoded = [*results]
            errors = map_all(
                lambda number: self._largest_error(first + number, results[number], samples[number]), numbers, workers
            )
        statistics = map(self._statistics, streams, counts, errors)
        return list(map(CodedFrame, streams, decoded, statistics))

    def _statistics(self, stream: bytes, counts: SampleCounts, largest_error: int | None) -> CodingStatistics:
        return CodingStatistics(
            frame_count=1,
            native_size=self.native.frame_size,
            compressed_size=len(stream),
            cleared_samples=counts.unused_bits,
            clipped_samples=counts.overflow,
            largest_error=largest_error,
        )

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
        decoded = new_array(samples.shape, native_dtype(self.coded))
        self.decoder.decode(index, self.decoder.open(index, stream), decoded, workers=workers)
        return decoded, self._largest_error(index, decoded, samples)

    def _largest_error(self, index: int | None, decoded: NDArray[Any], samples: NDArray[Any]) -> int:
        """Compare decoded samples with those that were encoded; see `verify`."""
        if np.array_equal(decoded, samples):
            return 0
        # The sign may not have been extended over the unused bits.
        expected = clear_unused_bits(samples, self.precision)
        error = int(np.abs(decoded.astype(np.int32) - expected).max())
        if error > self.options.near_lossless:
            with _NamingFrame(index):
                raise JPEGLSError(
                    f"verification failed: the largest error is {error}, NEAR is {self.options.near_lossless}"
                )
        return error

    def warn_if_clipped(self, statistics: CodingStatistics, *, stacklevel: int) -> None:
        """Issue a `ClippedSamplesWarning` if samples were clipped; `stacklevel` as seen by the caller."""
        if statistics.clipped_samples:
            lowest, highest = self._safe_range
            message = f"{statistics.clipped_samples} signed sample(s) clipped to {lowest} to {highest}"
            warnings.warn(message, ClippedSamplesWarning, stacklevel=stacklevel + 1)


# Frames that a worker codes together take no more bytes than this, where they come one after another.
_MEMORY_PER_WORKER = 2**23


def frames_at_once(image_pixel: ImagePixel, count: int, workers: int) -> int:
    """Return how many of `count` frames a worker should code together, if they come one after another."""
    # The attributes may not have been checked yet.
    most = max(1, _MEMORY_PER_WORKER // max(1, image_pixel.frame_size))
    return items_at_once(min(count, _MEMORY_PER_WORKER), workers, most)


def _scaled_to_8_bits(samples: NDArray[Any], bits: int) -> NDArray[np.uint8]:
    """Return unsigned samples of some bits with a precision of 8: the largest number becomes 255."""
    if bits >= 8:
        return (samples >> (bits - 8)).astype(np.uint8)
    highest = (1 << bits) - 1
    return ((samples.astype(np.uint16) * 255 + highest // 2) // highest).astype(np.uint8)


def _name_coding(error: StreamError, frame: bytes | memoryview) -> None:
    """Add to the message of an error what the frame is coded with, if that is not JPEG-LS."""
    coding = coding_of(frame)
    if coding is not None and coding != JPEGLSLossless:
        found = f"the frame is coded with {coding.name} ({coding}), not with JPEG-LS as Transfer Syntax UID (0002,0010)"
        error.args = (f"{error}; {found} says", *error.args[1:])


class _NamingFrame:
    """Names Pixel Data and the frame, if it is known, in the message of an error that is not about an argument.

    A class, because `contextlib.contextmanager` costs as much as decoding hundreds of samples.
    """

    def __init__(self, index: int | None) -> None:
        self._index = index

    def __enter__(self) -> None:
        pass

    def __exit__(self, _type: object, error: BaseException | None, _traceback: object) -> None:
        if isinstance(error, JPEGLSError) and not isinstance(error, ParameterError):
            place = "Pixel Data (7FE0,0010)" + ("" if self._index is None else f", frame {self._index}")
            error.args = (f"{place}: {error}", *error.args[1:])


def _format_frames(numbers: Sequence[int | None]) -> str:
    if list(numbers) == [None]:
        return "the frame"
    return f"frame(s) {format_numbers([number for number in numbers if number is not None])}"


def format_numbers(numbers: Sequence[int]) -> str:
    """Return the first ten of some numbers as text, and how many more there are."""
    shown = ", ".join(str(number) for number in numbers[:10])
    return shown if len(numbers) <= 10 else f"{shown} and {len(numbers) - 10} more"
