"""Whole pydicom datasets: compress and decompress in place, and decode into one array."""

from __future__ import annotations

import contextlib
import operator
import os
import struct
import warnings
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, overload

import numpy as np
from pydicom import dcmread
from pydicom.dataset import Dataset, FileDataset
from pydicom.pixels.processing import convert_color_space
from pydicom.uid import (
    ExplicitVRLittleEndian,
    JPEGLSLossless,
    JPEGLSNearLossless,
    JPEGLSTransferSyntaxes,
    UncompressedTransferSyntaxes,
)

from dicom_jpegls import _codec
from dicom_jpegls.array import (
    check_fill_value,
    check_signed_overflow,
    decode,
    decode_stream_into,
    decode_stream_partial,
    encode_samples,
)
from dicom_jpegls.dicom import rules
from dicom_jpegls.dicom.lossy_attributes import changed_image_attributes, derived_attributes
from dicom_jpegls.dicom.pixel_data import (
    encapsulated_frames,
    forget_old_pixels,
    image_pixel_of,
    native_dtype,
    native_frames,
    native_shape,
    native_vr,
    partial_frames,
    require_jpegls,
    require_pixel_data,
    set_encapsulated,
    transfer_syntax_of,
)
from dicom_jpegls.dicom.rules import ImagePixel
from dicom_jpegls.errors import JPEGLSError, ParameterError
from dicom_jpegls.parallel import map_all, map_in_order, worker_count
from dicom_jpegls.ranges import (
    clear_unused_bits,
    count_outside,
    count_unused_bits,
    is_within,
    safe_range,
    sample_range,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from dicom_jpegls.parameters import InterleaveMode, StreamInfo

# The tag of Pixel Data, (7FE0,0010), in little-endian order. With VR and length it takes 12 bytes.
_PIXEL_DATA = b"\xe0\x7f\x10\x00"

# Native pixel data has a 32-bit length that is even and not FFFFFFFFH (PS3.5 7.1).
_MAXIMUM_NATIVE_LENGTH = 2**32 - 2


class CompressionResult(NamedTuple):
    """What `compress` did to a dataset."""

    frame_count: int
    native_size: int
    """Bytes of the native pixel data, without padding."""
    compressed_size: int
    """Bytes of all streams."""
    clipped_samples: int
    """Signed samples that ``signed_overflow="clip"`` moved."""
    cleared_samples: int
    """Samples that lost bits above Bits Stored to ``unused_bits="clear"``."""
    largest_error: int | None
    """The largest absolute error of a sample, against what was encoded; None unless verified."""


def compress(
    ds: Dataset,
    transfer_syntax_uid: str = JPEGLSLossless,
    *,
    near_lossless: int = 0,
    planar_configuration: int | None = None,
    photometric_interpretation: str | None = None,
    signed_overflow: str = "error",
    unused_bits: str = "error",
    offset_table: str = "basic",
    lossy_attributes: bool = True,
    verify: bool = False,
    restart_interval: int | Literal["auto"] | None = None,
    workers: int | None = None,
) -> CompressionResult:
    """Compress a dataset's pixel data with JPEG-LS, in place.

    Parameters
    ----------
    ds : pydicom.dataset.Dataset
        A dataset with native (uncompressed) Pixel Data and ``ds.file_meta.TransferSyntaxUID``.
    transfer_syntax_uid : str, optional
        JPEG-LS Lossless (1.2.840.10008.1.2.4.80, default) or Near-lossless (1.2.840.10008.1.2.4.81).
    near_lossless : int, optional
        Largest absolute error of a sample, for Near-lossless only: 0 to min(255, (2**BitsStored - 1) // 2).
    planar_configuration : int, optional
        0 codes colour by pixel (sample interleave), which every decoder reads; 1 by plane (interleave mode
        none). By default as the dataset's native data lies.
    photometric_interpretation : {"RGB", "YBR_FULL"}, optional
        Convert the colours first, which loses information: RGB and YBR_FULL of 8 bits into each other, RGB of 9
        to 16 bits scaled down into YBR_FULL of 8 bits.
    signed_overflow : {"error", "clip"}, optional
        What to do with signed samples that near-lossless coding may turn into the opposite end of the range:
        those closer to an end than `near_lossless`. "clip" moves them to the nearest safe value.
    unused_bits : {"error", "clear"}, optional
        What to do with bits above Bits Stored, such as an overlay in the high bits. The extension of a sign is
        no such bit. "clear" loses them.
    offset_table : {"basic", "extended", "empty"}, optional
        Which table says where the frames begin; from 4 GiB on it is the extended one instead of the basic one.
    lossy_attributes : bool, optional
        Whether to record that samples were changed for good, and to give the dataset a new SOP Instance UID
        (PS3.3 C.7.6.1.1.5). Lossless compression records nothing.
    verify : bool, optional
        Decode every frame and compare it before the dataset is changed.
    restart_interval : int or "auto", optional
        Lines between restart markers, with which one large frame is coded by several workers; see `encode`. Some
        viewers cannot read such streams (docs/interoperability.md): keep it for archives whose readers are known.
    workers : int or None, optional
        How many threads encode: frames at once, or of a single frame its strips and planes. None, the default, for
        one per core; 1 for the calling thread. The dataset is the same, except for ``restart_interval="auto"``.

    Returns
    -------
    CompressionResult
        Sizes, and how many samples were changed before encoding.

    Raises
    ------
    ParameterError
        If the attributes or the options are not allowed with JPEG-LS (PS3.5 8.2.3), or the pixel data does
        not fit the attributes.
    JPEGLSError
        If verification fails. After any error the dataset is as it was.

    Notes
    -----
    Changes Pixel Data (one fragment for each frame), the offset tables, the transfer syntax, and for colour Planar
    Configuration, which is 0 in a compressed dataset however its streams are interleaved (PS3.5 8.2.3). A
    big-endian dataset becomes little-endian throughout.

    Examples
    --------
    >>> import dicom_jpegls as jls
    >>> from pydicom import examples
    >>> ds = examples.ct
    >>> jls.compress(ds).compressed_size
    14160
    >>> ds.file_meta.TransferSyntaxUID.name
    'JPEG-LS Lossless Image Compression'
    """
    _check_option("offset_table", offset_table, ("basic", "extended", "empty"))
    source = transfer_syntax_of(ds)
    if source not in UncompressedTransferSyntaxes:
        raise ParameterError(
            f"Transfer Syntax UID (0002,0010) is {source.name} ({source}); only native pixel data can be "
            "compressed: decompress it first"
        )
    require_pixel_data(ds)
    coding = plan_coding(
        image_pixel_of(ds),
        transfer_syntax_uid,
        near_lossless=near_lossless,
        planar_configuration=planar_configuration,
        photometric_interpretation=photometric_interpretation,
        signed_overflow=signed_overflow,
        unused_bits=unused_bits,
    )
    native = native_frames(ds, coding.native)
    cleared = count_unused(native, coding)
    clipped = count_overflowing(native, coding)

    workers = worker_count(workers)
    workers_of_frame = max(1, workers // len(native))

    def code_frame(index: int) -> tuple[bytes, int]:
        samples = prepare_frame(native[index], coding, cleared=bool(cleared), clipped=bool(clipped))
        stream = encode_frame(index, samples, coding, restart_interval, workers_of_frame)
        return stream, verify_frame(index, stream, samples, coding)[1] if verify else 0

    coded = map_all(code_frame, range(len(native)), min(workers, len(native)))
    streams = [stream for stream, _ in coded]
    result = CompressionResult(
        frame_count=len(streams),
        native_size=coding.native.frame_size * len(streams),
        compressed_size=sum(len(stream) for stream in streams),
        clipped_samples=clipped,
        cleared_samples=cleared,
        largest_error=max(error for _, error in coded) if verify else None,
    )
    changes = coded_attributes(
        ds, coding, ratio=result.native_size / result.compressed_size, lossy_attributes=lossy_attributes
    )
    set_encapsulated(ds, streams, transfer_syntax_uid, offset_table)
    update_attributes(ds, changes)
    return result


class Coding(NamedTuple):
    """How a dataset's samples are to be coded, checked against the rules before the first frame."""

    transfer_syntax_uid: str
    native: ImagePixel
    """The image as it is."""
    coded: ImagePixel
    """The image that is encoded: another one after a colour conversion."""
    near_lossless: int
    interleave_mode: InterleaveMode
    signed_overflow: str
    unused_bits: str

    @property
    def converts(self) -> bool:
        """Whether colours are converted."""
        return self.coded != self.native


def plan_coding(
    image_pixel: ImagePixel,
    transfer_syntax_uid: str,
    *,
    near_lossless: int = 0,
    planar_configuration: int | None = None,
    photometric_interpretation: str | None = None,
    signed_overflow: str = "error",
    unused_bits: str = "error",
) -> Coding:
    """Check an image and the options, which are those of `compress`, and decide how to code it.

    Raises
    ------
    ParameterError
        If the attributes or the options are not allowed with JPEG-LS (PS3.5 8.2.3).
    """
    rules.check_unused_bits(unused_bits)
    check_signed_overflow(signed_overflow)
    _check_option("planar_configuration", planar_configuration, (None, 0, 1))
    _check_option("transfer_syntax_uid", transfer_syntax_uid, tuple(JPEGLSTransferSyntaxes))
    if near_lossless and transfer_syntax_uid != JPEGLSNearLossless:
        raise ParameterError(
            f"near_lossless: {near_lossless} is allowed only with the transfer syntax JPEG-LS Near-lossless, "
            f"{JPEGLSNearLossless}"
        )
    rules.check_image_pixel(image_pixel, near_lossless=transfer_syntax_uid == JPEGLSNearLossless)
    converts = photometric_interpretation not in (None, image_pixel.photometric_interpretation)
    coded = rules.converted(image_pixel, str(photometric_interpretation)) if converts else image_pixel
    rules.check_near_lossless(near_lossless, coded.bits_stored)
    mode = rules.interleave_mode(
        coded.samples_per_pixel, coded.planar_configuration if planar_configuration is None else planar_configuration
    )
    return Coding(transfer_syntax_uid, image_pixel, coded, near_lossless, mode, signed_overflow, unused_bits)


def prepare_frame(frame: NDArray[Any], coding: Coding, *, cleared: bool, clipped: bool) -> NDArray[Any]:
    """Give the samples that are encoded for a frame: without unused bits, clipped and converted as need be."""
    samples = frame
    if cleared or clipped:
        samples = clear_unused_bits(samples, coding.native.bits_stored)
    if clipped:
        samples = samples.clip(*safe_range(coding.native.bits_stored, coding.near_lossless))
    if coding.converts:
        samples = _converted_samples(samples, coding.native, coding.coded)
    return samples


def encode_frame(
    index: int,
    samples: NDArray[Any],
    coding: Coding,
    restart_interval: int | Literal["auto"] | None = None,
    workers: int = 1,
) -> bytes:
    """Encode the prepared samples of a frame."""
    with _naming_frame(index):
        return encode_samples(
            samples,
            bits_per_sample=coding.coded.bits_stored,
            near_lossless=coding.near_lossless,
            interleave_mode=coding.interleave_mode,
            restart_interval=restart_interval,
            workers=workers,
        )


def coded_attributes(ds: Dataset, coding: Coding, *, ratio: float, lossy_attributes: bool) -> Dataset:
    """Give the attributes that change with the samples: those of a colour conversion, and those of a loss."""
    changes = Dataset()
    if coding.converts:
        changes.PhotometricInterpretation = coding.coded.photometric_interpretation
        changes.BitsAllocated, changes.BitsStored = coding.coded.bits_allocated, coding.coded.bits_stored
        changes.HighBit = coding.coded.high_bit
    if lossy_attributes and (coding.near_lossless or coding.converts):
        changes.update(_lossy_attributes(ds, coding, ratio))
    return changes


def update_attributes(ds: Dataset, changes: Dataset) -> None:
    """Put changed attributes into a dataset, and a new SOP Instance UID also into its File Meta Information."""
    ds.update(changes)
    if "SOPInstanceUID" in changes:
        ds.file_meta.MediaStorageSOPInstanceUID = changes.SOPInstanceUID


def _lossy_attributes(ds: Dataset, coding: Coding, ratio: float) -> Dataset:
    steps = []
    if coding.converts:
        native, coded = coding.native, coding.coded
        scaling = f", {native.bits_stored} bits scaled down to 8" if native.bits_stored > 8 else ""
        steps.append(f"{native.photometric_interpretation} converted to {coded.photometric_interpretation}{scaling}")
    if coding.near_lossless:
        steps.append(f"JPEG-LS near-lossless compression, largest error {coding.near_lossless}, ratio {ratio:.3f}")
    return derived_attributes(ds, steps, near_lossless=coding.near_lossless, ratio=ratio)


def _check_option(name: str, value: object, allowed: tuple[object, ...]) -> None:
    if value not in allowed:
        raise ParameterError(f"{name}: {value!r}; {', '.join(repr(choice) for choice in allowed)} are allowed")


def count_unused(frames: NDArray[Any], coding: Coding, *, first: int = 0) -> int:
    """Count the samples with bits above Bits Stored, and refuse them unless they are to be cleared."""
    bits_stored = coding.native.bits_stored
    lowest, highest = sample_range(bits_stored, coding.native.is_signed)
    counts: dict[int, int] = {}
    for index, frame in enumerate(frames, first):
        if not is_within(frame, lowest, highest):
            count = count_unused_bits(frame, clear_unused_bits(frame, bits_stored), bits_stored)
            if count:
                counts[index] = count
    if counts and coding.unused_bits == "error":
        raise rules.unused_bits_error(sum(counts.values()), f"frame(s) {_some(list(counts))}", bits_stored)
    return sum(counts.values())


def count_overflowing(frames: NDArray[Any], coding: Coding, *, first: int = 0) -> int:
    """Count the samples that near-lossless coding may turn into the opposite end, and refuse them unless clipped."""
    near_lossless, bits_stored = coding.near_lossless, coding.native.bits_stored
    if near_lossless == 0 or not coding.native.is_signed:
        return 0
    lowest, highest = safe_range(bits_stored, near_lossless)
    counts: dict[int, int] = {}
    for index, frame in enumerate(frames, first):
        if not is_within(frame, lowest, highest):
            count = count_outside(clear_unused_bits(frame, bits_stored), lowest, highest)
            if count:
                counts[index] = count
    if counts and coding.signed_overflow == "error":
        raise ParameterError(
            f"Pixel Data (7FE0,0010): {sum(counts.values())} signed sample(s) in frame(s) {_some(list(counts))} lie "
            f"outside {lowest} to {highest}, which is safe for Bits Stored {bits_stored} with near_lossless "
            f"{near_lossless}; they may come back with the opposite sign: lower near_lossless, or "
            "signed_overflow='clip' moves them into that range"
        )
    return sum(counts.values())


def _some(frames: list[int]) -> str:
    shown = ", ".join(str(frame) for frame in frames[:10])
    return shown if len(frames) <= 10 else f"{shown} and {len(frames) - 10} more"


def _converted_samples(samples: NDArray[Any], image_pixel: ImagePixel, coded: ImagePixel) -> NDArray[Any]:
    """Convert the colours of a frame, scaled down to 8 bits first."""
    eight_bits = (samples >> (image_pixel.bits_stored - coded.bits_stored)).astype(np.uint8)
    return convert_color_space(eight_bits, image_pixel.photometric_interpretation, coded.photometric_interpretation)


def verify_frame(index: int, stream: bytes, samples: NDArray[Any], coding: Coding) -> tuple[NDArray[Any], int]:
    """Decode a frame's stream; gives its samples and their largest error. An error above NEAR ends the compression."""
    native_order = clear_unused_bits(samples, coding.coded.bits_stored)
    with _naming_frame(index):
        decoded = decode(stream, out=np.empty_like(native_order, order="C"))
        error = int(np.abs(decoded.astype(np.int32) - native_order).max())
        if error > coding.near_lossless:
            raise JPEGLSError(f"verification failed: the largest error is {error}, NEAR is {coding.near_lossless}")
    return decoded, error


class PartialPixels(NamedTuple):
    """What could be read of a dataset's damaged pixel data."""

    array: NDArray[Any] | None
    """As `pixel_array` gives it; `fill_value` where a line is not good. None from `decompress`."""
    good_lines: NDArray[np.bool_]
    """Shape (rows,) or (rows, samples), with a frame axis in front where the array has one: which lines were decoded
    before a fault was found; see `PartialImage`."""
    errors: dict[int, JPEGLSError]
    """The first fault of each damaged frame, by its number."""


def decompress(
    ds: Dataset,
    *,
    workers: int | None = None,
    max_samples: int = _codec.DEFAULT_MAX_SAMPLES,
    on_error: Literal["raise", "partial"] = "raise",
    fill_value: int = 0,
) -> PartialPixels | None:
    """Decompress a dataset's JPEG-LS pixel data, in place; its transfer syntax is then Explicit VR Little Endian.

    Parameters
    ----------
    ds : pydicom.dataset.Dataset
        A dataset with JPEG-LS compressed Pixel Data.
    workers : int or None, optional
        How many threads decode; see `pixel_array`.
    max_samples : int, optional
        Largest rows x columns x samples of a frame; see `decode`.
    on_error : {"raise", "partial"}, optional
        "partial" decodes the lines of damaged frames that can be decoded. If there are others, the dataset says so as
        one that was derived from the damaged one: Image Type, Derivation Description, a new SOP Instance UID.
    fill_value : int, optional
        For "partial": the sample in all other lines.

    Returns
    -------
    None or PartialPixels
        For "partial": which lines are good, and the faults.

    Raises
    ------
    ParameterError
        If the dataset is not compressed with JPEG-LS, or its attributes do not fit the streams.
    InvalidStreamError, UnsupportedStreamError
        If a frame cannot be decoded. In every case the dataset is then as it was.

    Notes
    -----
    The samples take as many bits as Bits Allocated says. Planar Configuration is set to how they lie, by
    plane if the streams' interleave mode is none.

    Examples
    --------
    >>> import dicom_jpegls as jls
    >>> from pydicom import examples
    >>> ds = examples.ct
    >>> pixels = ds.PixelData
    >>> _ = jls.compress(ds)
    >>> jls.decompress(ds)
    >>> ds.PixelData == pixels
    True
    """
    decoding = _Decoding(ds, workers, max_samples, on_error, fill_value)
    streams = decoding.open_frames(range(decoding.image_pixel.number_of_frames))
    native = decoded_image_pixel(decoding.image_pixel, [stream.info for stream in streams if stream])
    samples: NDArray[Any] = np.empty(native_shape(native), native_dtype(native))
    decoding.decode_frames(streams, samples.transpose(0, 2, 3, 1) if native.planar_configuration == 1 else samples)
    pixel_data = samples.astype(samples.dtype.newbyteorder("<"), copy=False).tobytes()
    changes = Dataset()
    if decoding.errors:
        changes = changed_image_attributes(ds, decoding.description())

    element = ds["PixelData"]
    element.value = pixel_data + b"\0" * (len(pixel_data) % 2)
    element.VR = native_vr(native)
    element.is_undefined_length = False
    if native.planar_configuration is not None:
        ds.PlanarConfiguration = native.planar_configuration
    forget_old_pixels(ds)
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    update_attributes(ds, changes)
    return PartialPixels(None, decoding.good_lines, decoding.errors) if on_error == "partial" else None


def decoded_image_pixel(image_pixel: ImagePixel, infos: Iterable[StreamInfo]) -> ImagePixel:
    """Give the attributes of the decompressed image: the samples lie as in the streams, if all are alike.

    Raises
    ------
    ParameterError
        If native pixel data cannot hold so much.
    """
    if image_pixel.frame_size * image_pixel.number_of_frames > _MAXIMUM_NATIVE_LENGTH:
        raise ParameterError(
            f"Pixel Data (7FE0,0010): {image_pixel.number_of_frames} frames of {image_pixel.frame_size} bytes exceed "
            f"what native pixel data can hold, {_MAXIMUM_NATIVE_LENGTH} bytes: keep the dataset compressed"
        )
    lies = {rules.planar_configuration(info) for info in infos}
    otherwise = None if image_pixel.samples_per_pixel == 1 else 0
    return image_pixel._replace(planar_configuration=lies.pop() if len(lies) == 1 else otherwise)


@overload
def pixel_array(
    ds: Dataset,
    *,
    frames: int | Iterable[int] | None = None,
    out: NDArray[Any] | None = None,
    workers: int | None = None,
    max_samples: int = ...,
    on_error: Literal["raise"] = "raise",
    fill_value: int = 0,
) -> NDArray[Any]: ...


@overload
def pixel_array(
    ds: Dataset,
    *,
    frames: int | Iterable[int] | None = None,
    out: NDArray[Any] | None = None,
    workers: int | None = None,
    max_samples: int = ...,
    on_error: Literal["partial"],
    fill_value: int = 0,
) -> PartialPixels: ...


def pixel_array(
    ds: Dataset,
    *,
    frames: int | Iterable[int] | None = None,
    out: NDArray[Any] | None = None,
    workers: int | None = None,
    max_samples: int = _codec.DEFAULT_MAX_SAMPLES,
    on_error: Literal["raise", "partial"] = "raise",
    fill_value: int = 0,
) -> NDArray[Any] | PartialPixels:
    """Decode a dataset's JPEG-LS pixel data, each frame straight into its place in one array.

    Parameters
    ----------
    ds : pydicom.dataset.Dataset
        A dataset with JPEG-LS compressed Pixel Data.
    frames : int or iterable of int, optional
        Which frames to decode, counted from 0; all by default. A single number gives an array without a
        frame axis.
    out : numpy.ndarray, optional
        Where to put the samples, of the shape below and an integer dtype of at least Bits Allocated bits.
    workers : int or None, optional
        How many threads decode: frames at once, or of a single frame its restart intervals and planes. None, the
        default, for one per core; 1 for the calling thread.
    max_samples : int, optional
        Largest rows x columns x samples of a frame; see `decode`.
    on_error : {"raise", "partial"}, optional
        "partial" decodes the lines of damaged frames that can be decoded; see `read_truncated` for files that end
        too early.
    fill_value : int, optional
        For "partial": the sample in all other lines.

    Returns
    -------
    numpy.ndarray
        Shape (rows, columns) or (rows, columns, samples), and with more than one frame, or if `frames` is an
        iterable, (frames, rows, columns[, samples]). The dtype has Bits Allocated bits and is signed where
        Pixel Representation is 1. Colours are not converted.
    PartialPixels
        For "partial", of sound pixel data, too: the array, which lines are good, and the faults.

    Raises
    ------
    ParameterError
        If the dataset is not compressed with JPEG-LS, its attributes do not fit the streams, there is no such
        frame, or `out` does not fit.
    InvalidStreamError, UnsupportedStreamError
        If a frame cannot be decoded.

    Examples
    --------
    >>> import dicom_jpegls as jls
    >>> from pydicom import examples
    >>> ds = examples.ct
    >>> expected = ds.pixel_array
    >>> _ = jls.compress(ds)
    >>> bool((jls.pixel_array(ds) == expected).all())
    True
    """
    decoding = _Decoding(ds, workers, max_samples, on_error, fill_value)
    image_pixel = decoding.image_pixel
    count = image_pixel.number_of_frames
    wanted: Sequence[int] = range(count)  # no list: the count is not yet checked
    if frames is not None:
        wanted = _wanted_frames(frames if isinstance(frames, Iterable) else [frames], count)
    single = count == 1 if frames is None else not isinstance(frames, Iterable)
    streams = decoding.open_frames(wanted)
    shape = native_shape(image_pixel._replace(number_of_frames=len(wanted), planar_configuration=0))
    if out is not None and not isinstance(out, np.ndarray):
        raise TypeError(f"out: a numpy.ndarray is needed, not {type(out).__name__}")
    array: NDArray[Any] = np.empty(shape[1:] if single else shape, native_dtype(image_pixel)) if out is None else out
    if array.shape != (shape[1:] if single else shape):
        raise ParameterError(f"out: shape {array.shape}; {shape[1:] if single else shape} is needed")
    decoding.decode_frames(streams, array[np.newaxis] if single else array)
    if on_error == "partial":
        good_lines = decoding.good_lines[0] if single else decoding.good_lines
        return PartialPixels(array, good_lines, decoding.errors)
    return array


def iter_frames(
    ds: Dataset,
    *,
    frames: Iterable[int] | None = None,
    workers: int | None = None,
    max_samples: int = _codec.DEFAULT_MAX_SAMPLES,
) -> Iterator[NDArray[Any]]:
    """Decode a dataset's JPEG-LS frames one after another, while the next ones are decoded ahead.

    Parameters
    ----------
    ds : pydicom.dataset.Dataset
        A dataset with JPEG-LS compressed Pixel Data.
    frames : iterable of int, optional
        Which frames to decode, counted from 0; all by default.
    workers : int or None, optional
        How many threads decode ahead; None, the default, for one per core. At most twice as many frames are decoded and
        not yet given out. 1 decodes in the calling thread, when the frame is asked for.
    max_samples : int, optional
        Largest rows x columns x samples of a frame; see `decode`.

    Yields
    ------
    numpy.ndarray
        Shape (rows, columns) or (rows, columns, samples), dtype as that of `pixel_array`.

    Raises
    ------
    ParameterError, InvalidStreamError, UnsupportedStreamError
        As `pixel_array` does: at once if the dataset is not one that can be decoded, and in its turn for a frame.

    Examples
    --------
    >>> import dicom_jpegls as jls
    >>> from pydicom import examples
    >>> ds = examples.ct
    >>> _ = jls.compress(ds)
    >>> [frame.shape for frame in jls.iter_frames(ds)]
    [(128, 128)]
    """
    decoding = _Decoding(ds, workers, max_samples, "raise", 0)
    count = decoding.image_pixel.number_of_frames
    wanted = range(count) if frames is None else _wanted_frames(frames, count)
    return decoding.iterate(wanted)


class _Decoding:
    """The frames of a dataset on their way into an array, and what went wrong with them."""

    def __init__(self, ds: Dataset, workers: int | None, max_samples: int, on_error: str, fill_value: int) -> None:
        _check_option("on_error", on_error, ("raise", "partial"))
        self._workers = worker_count(workers)
        require_jpegls(ds)
        require_pixel_data(ds)
        self.image_pixel = image_pixel_of(ds)
        rules.check_native_layout(self.image_pixel)
        self.errors: dict[int, JPEGLSError] = {}
        self.good_lines: NDArray[np.bool_] = np.empty(0, np.bool_)
        self._ds = ds
        self._max_samples = max_samples
        self._partial = on_error == "partial"
        self._fill_value = fill_value
        self._numbers: Sequence[int] = ()
        if self._partial:
            check_fill_value(fill_value, self.image_pixel.bits_allocated, self.image_pixel.is_signed)

    def open_frames(self, numbers: Sequence[int]) -> list[_codec.Stream | None]:
        """Inspect the streams of frames and compare them with the attributes, before anything is allocated for them.

        Of "partial", None for a frame of which nothing can be read.
        """
        self._numbers = numbers
        frames = (partial_frames if self._partial else encapsulated_frames)(self._ds, self.image_pixel)
        selected = numbers if isinstance(numbers, range) else set(numbers)
        streams: dict[int, _codec.Stream | None] = {}
        for index, frame in frames:
            if index in selected:
                try:
                    streams[index] = open_frame(index, frame, self.image_pixel, self._max_samples, self._partial)
                except JPEGLSError as error:
                    if not self._partial:
                        raise
                    streams[index] = None
                    self.errors[index] = error
        return [streams[index] for index in numbers]

    def decode_frames(self, streams: list[_codec.Stream | None], array: NDArray[Any]) -> None:
        """Decode each stream into its place in an array (frames, rows, columns[, samples])."""
        if self._partial:
            self.good_lines = np.zeros((*array.shape[:2], *array.shape[3:]), np.bool_)
        workers_of_frame = max(1, self._workers // max(1, len(streams)))

        def decode_one(place: int) -> None:
            index, stream = self._numbers[place], streams[place]
            if stream is None:
                array[place] = self._fill_value
            elif self._partial:
                with _naming_frame(index):
                    _, self.good_lines[place], error = decode_stream_partial(stream, array[place], self._fill_value)
                if error is not None:
                    self.errors[index] = error
            else:
                decode_frame(index, stream, array[place], workers_of_frame)

        map_all(decode_one, range(len(streams)), max(1, min(self._workers, len(streams))))

    def iterate(self, numbers: Iterable[int]) -> Iterator[NDArray[Any]]:
        """Decode frames in this order, some of them ahead."""
        frames = dict(encapsulated_frames(self._ds, self.image_pixel))
        shape = native_shape(self.image_pixel._replace(planar_configuration=0))[1:]

        def decode_one(index: int) -> NDArray[Any]:
            stream = open_frame(index, frames[index], self.image_pixel, self._max_samples)
            array: NDArray[Any] = np.empty(shape, native_dtype(self.image_pixel))
            decode_frame(index, stream, array, max(1, self._workers // len(frames)))
            return array

        return map_in_order(decode_one, numbers, self._workers)

    def description(self) -> str:
        """Say in words what is missing."""
        lines = self.good_lines.all(axis=2) if self.good_lines.ndim == 3 else self.good_lines
        missing = lines.size - int(np.count_nonzero(lines))
        return (
            f"Decoded from damaged JPEG-LS data: {missing} of {lines.size} lines, in frame(s) "
            f"{_some(sorted(self.errors))}, could not be decoded and hold {self._fill_value}"
        )


def read_truncated(path: str | os.PathLike[str]) -> FileDataset:
    """Read a DICOM file that ends within its JPEG-LS pixel data, which `pydicom.dcmread` would leave out.

    Parameters
    ----------
    path : str or os.PathLike
        The file. One that is whole is read, too.

    Returns
    -------
    pydicom.dataset.FileDataset
        The dataset, with as much of Pixel Data as there is, for ``pixel_array(ds, on_error="partial")``.

    Raises
    ------
    ParameterError
        If the file ends before its pixel data, or that is not JPEG-LS.
    OSError, pydicom.errors.InvalidDicomError
        If the file cannot be read, or is no DICOM file.

    Examples
    --------
    >>> import dicom_jpegls as jls
    >>> from pydicom import examples
    >>> path = getfixture("tmp_path") / "truncated.dcm"
    >>> ds = examples.ct
    >>> _ = jls.compress(ds)
    >>> ds.save_as(path)
    >>> _ = path.write_bytes(path.read_bytes()[:-2000])
    >>> pixels = jls.pixel_array(jls.read_truncated(path), on_error="partial")
    >>> int(pixels.good_lines.sum()), str(pixels.errors[0])[-50:]
    (108, 'EOI marker (FFD9): it is truncated (at byte 12306)')
    """
    too_short = ParameterError(f"{os.fspath(path)}: the file ends before Pixel Data (7FE0,0010)")
    try:
        with warnings.catch_warnings(), open(path, "rb") as file:
            warnings.simplefilter("ignore")  # of the truncation, among others
            ds = dcmread(file)
            if "PixelData" in ds:
                return ds
            file.seek(0)
            ds = dcmread(file, stop_before_pixels=True)
            rest = file.read()
    except struct.error as error:  # the file ends within the header of an element
        raise too_short from error
    require_jpegls(ds)
    if rest[:4] != _PIXEL_DATA or len(rest) < 12:
        raise too_short
    ds.add_new("PixelData", "OB", rest[12:])
    ds["PixelData"].is_undefined_length = True
    return ds


def _wanted_frames(frames: Iterable[int], count: int) -> list[int]:
    wanted = []
    for frame in frames:
        index = operator.index(frame)
        if not 0 <= index < count:
            raise ParameterError(f"frames: {index}; the dataset has frames 0 to {count - 1}")
        wanted.append(index)
    return wanted


@contextlib.contextmanager
def _naming_frame(index: int) -> Iterator[None]:
    """Put the frame's number in front of an error's message."""
    try:
        yield
    except JPEGLSError as error:
        error.args = (f"Pixel Data (7FE0,0010), frame {index}: {error}", *error.args[1:])
        raise


def open_frame(
    index: int,
    frame: bytes | memoryview,
    image_pixel: ImagePixel,
    max_samples: int = _codec.DEFAULT_MAX_SAMPLES,
    partial: bool = False,
) -> _codec.Stream:
    """Inspect a frame's stream and compare it with the attributes, before anything is allocated for it."""
    with _naming_frame(index):
        stream = _codec.Stream(frame, max_samples=max_samples, partial=partial)
        rules.check_stream(stream.info, image_pixel)
        return stream


def decode_frame(index: int, stream: _codec.Stream, out: NDArray[Any], workers: int = 1) -> None:
    """Decode a frame's stream into its place."""
    with _naming_frame(index):
        decode_stream_into(stream, out, workers)
