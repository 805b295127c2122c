"""Whole pydicom datasets: compress and decompress in place, and decode into arrays."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np
from pydicom.uid import ExplicitVRLittleEndian

from dicom_jpegls._codec import DEFAULT_MAX_SAMPLES, Stream
from dicom_jpegls.array import new_array
from dicom_jpegls.dicom.fragments import offset_tables
from dicom_jpegls.dicom.frames import CodingStatistics, FrameCoder, FrameDecoder, frames_at_once
from dicom_jpegls.dicom.lossy_attributes import coded_attributes, update_attributes
from dicom_jpegls.dicom.nested import decode_nested_pixel_data, set_nested_pixel_data
from dicom_jpegls.dicom.options import CodingKeywords, CodingOptions
from dicom_jpegls.dicom.pixel_data import (
    NewPixelData,
    array_frames,
    encapsulated_frames,
    has_pixel_data,
    image_pixel_of,
    is_big_endian,
    little_endian_words,
    native_dtype,
    native_frames,
    require_dataset,
    require_jpegls,
    require_native,
    require_pixel_data,
    set_encapsulated,
    set_native,
    set_transfer_syntax,
)
from dicom_jpegls.dicom.rules import decoded_image_pixel
from dicom_jpegls.errors import ParameterError
from dicom_jpegls.parallel import map_all, map_blocks_in_order, worker_count
from dicom_jpegls.ranges import sample_range

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray
    from pydicom.dataset import Dataset

    from dicom_jpegls.dicom.fragments import Frames
    from dicom_jpegls.dicom.rules import ImagePixel
    from dicom_jpegls.parameters import PresetCodingParameters


def compress(
    ds: Dataset,
    transfer_syntax_uid: str | None = None,
    arr: NDArray[Any] | None = None,
    *,
    options: CodingOptions | None = None,
    workers: int | None = None,
    **keywords: Unpack[CodingKeywords],
) -> CodingStatistics:
    """Compress a dataset's pixel data with JPEG-LS, in place.

    Parameters
    ----------
    ds : pydicom.dataset.Dataset
        A dataset with native (uncompressed) Pixel Data and ``ds.file_meta.TransferSyntaxUID``, or without either if
        `arr` is passed.
    transfer_syntax_uid : str, optional
        JPEG-LS Lossless (1.2.840.10008.1.2.4.80) or Near-lossless (1.2.840.10008.1.2.4.81). By default Lossless, or
        Near-lossless if `near_lossless` is not 0.
    arr : numpy.ndarray, optional
        Samples to compress instead of the dataset's Pixel Data, which may be absent or of any transfer syntax. Shape
        (rows, columns[, samples]), or (frames, rows, columns[, samples]) for more than one frame, as the attributes of
        the dataset say; any integer dtype. The samples must fit the dataset's Bits Allocated and Pixel Representation.
    options : CodingOptions, optional
        How to code the frames.
    workers : int or None, optional
        Number of threads that encode: several frames at a time, or the restart intervals and planes of a single frame.
        None, the default, is one per core; 1 is the calling thread. The result does not depend on it, unless
        `restart_interval` is "auto".
    **keywords
        Attributes of `CodingOptions`, which replace those of `options`: near_lossless, planar_configuration,
        photometric_interpretation, signed_overflow, unused_bits, reduce_bits_allocated, offset_table, lossy_attributes,
        restart_interval and verify.

    Returns
    -------
    CodingStatistics
        Sizes, the number of samples that were changed before encoding, and, if verified, the largest error.

    Raises
    ------
    ParameterError
        If an option is not allowed, or not for this dataset.
    DatasetError
        If JPEG-LS does not allow the attributes (PS3.5 8.2.3), or the pixel data does not fit them or the options.
    JPEGLSError
        If verification fails.
    TypeError
        If `ds` is not a dataset, `arr` no array, or there is no such option.

        If any of these is raised, the dataset is left unchanged.

    Warns
    -----
    ClippedSamplesWarning
        If samples were clipped, as ``signed_overflow="clip"`` allows.
    DatasetWarning
        If High Bit is absent, or Pixel Data has more frames than Number of Frames.

    Notes
    -----
    Changes Pixel Data (one fragment for each frame), the offset tables, the transfer syntax, and for colour Planar
    Configuration, which is 0 in a compressed dataset whatever the interleave mode of its streams (PS3.5 8.2.3). If Bits
    Allocated is 16 and Bits Stored at most 8, near-lossless compression changes Bits Allocated to 8, and the precision
    of lossless streams is larger than Bits Stored: no decoder tested reads that incorrectly (docs/interoperability.md).
    A big-endian dataset becomes little-endian throughout. Encapsulated Pixel Data in items of sequences, such as icons,
    becomes native, which is allowed under any transfer syntax (PS3.5 A.4).

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
    options = CodingOptions(**keywords) if options is None else replace(options, **keywords)
    workers = worker_count(workers)
    require_dataset(ds)
    if arr is None:
        require_native(ds)
    elif not has_pixel_data(ds) and ("FloatPixelData" in ds or "DoubleFloatPixelData" in ds):
        require_pixel_data(ds)
    image_pixel = image_pixel_of(ds)
    if arr is not None and image_pixel.samples_per_pixel > 1:
        image_pixel = image_pixel._replace(planar_configuration=0)
    coder = FrameCoder(image_pixel, options, transfer_syntax_uid)
    native = native_frames(ds, coder.native) if arr is None else array_frames(arr, coder.native)
    nested = decode_nested_pixel_data(ds)
    # All frames before the first is encoded, so that an error names every frame that has such samples.
    counts = coder.check_samples(native)
    at_once, workers_of_frame = _share_workers(workers, len(native))

    def encode_frame(index: int) -> tuple[bytes, CodingStatistics]:
        coded = coder.encode(index, native[index], counts=counts[index], workers=workers_of_frame)
        return coded.stream, coded.statistics

    if coder.can_encode_many and len(native) > workers:
        coded = []
        for part in parts(len(native), workers):
            frames = coder.encode_many(part.start, list(native[part]), counts=counts[part], workers=workers)
            coded += [(frame.stream, frame.statistics) for frame in frames]
    else:
        coded = map_all(encode_frame, range(len(native)), at_once)
    statistics = sum((part for _, part in coded), start=CodingStatistics())
    changes = coded_attributes(ds, coder, statistics.ratio)
    coder.warn_if_clipped(statistics, stacklevel=2)
    streams = [stream for stream, _ in coded]
    tables = offset_tables([len(stream) for stream in streams], options.offset_table)
    swapped = little_endian_words(ds) if is_big_endian(ds) else []
    # Everything that can fail is done.
    for element, value in swapped:
        element.value = value
    set_nested_pixel_data(nested)
    set_encapsulated(ds, streams, coder.transfer_syntax_uid, tables)
    update_attributes(ds, changes)
    return statistics


def decompress(
    ds: Dataset,
    *,
    workers: int | None = None,
    max_samples: int = DEFAULT_MAX_SAMPLES,
    preset_coding_parameters: PresetCodingParameters | None = None,
) -> None:
    """Decompress a dataset's JPEG-LS pixel data, in place; its transfer syntax becomes Explicit VR Little Endian.

    Parameters
    ----------
    ds : pydicom.dataset.Dataset
        A dataset with JPEG-LS compressed Pixel Data.
    workers : int or None, optional
        Number of threads that decode; see `pixel_array`.
    max_samples : int, optional
        Largest rows x columns x samples of a frame; see `decode`.
    preset_coding_parameters : PresetCodingParameters, optional
        What streams without an LSE segment with such parameters are decoded with, if their encoder did not follow the
        standard; see `decode`.

    Raises
    ------
    DatasetError
        If the dataset is not compressed with JPEG-LS, or its attributes do not fit the streams.
    InvalidStreamError, UnsupportedStreamError
        If a frame cannot be decoded; `decompress_partial` keeps what can be.
    ParameterError
        If an argument is out of range.
    TypeError
        If `ds` is not a dataset.

        If any of these is raised, the dataset is left unchanged.

    Warns
    -----
    AssumedThresholdsWarning
        If a frame was decoded with the default thresholds of another encoder; see `decode`.
    DatasetWarning
        If High Bit is absent, or Pixel Data has more frames than Number of Frames.

    Notes
    -----
    The samples have Bits Allocated bits, with all bits of the streams, also those above Bits Stored. Planar
    Configuration is set to their order: by plane if the interleave mode of all streams is none. YBR_FULL_422 becomes
    YBR_FULL, because the components of JPEG-LS streams are whole. Encapsulated Pixel Data in items of sequences, such
    as icons, becomes native, too.

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
    workers = worker_count(workers)
    decoder, frames = open_pixel_data(ds, max_samples, preset_coding_parameters)
    numbers = range(len(frames))
    streams = OpenStreams(decoder, frames)
    infos = (streams.open(index).info for index in numbers)
    orders = {info.interleave_mode: info for info in infos}  # all else is the same for all frames
    native = decoded_image_pixel(decoder.image_pixel, orders.values())
    nested = decode_nested_pixel_data(ds, max_samples=max_samples)
    pixel_data = NewPixelData(native)
    _decode_all(decoder, numbers, streams, pixel_data.samples, workers)
    set_nested_pixel_data(nested)
    set_native(ds, pixel_data.finish(), native)
    set_transfer_syntax(ds, ExplicitVRLittleEndian)


def pixel_array(
    ds: Dataset,
    *,
    frames: int | Iterable[int] | None = None,
    out: NDArray[Any] | None = None,
    workers: int | None = None,
    max_samples: int = DEFAULT_MAX_SAMPLES,
    preset_coding_parameters: PresetCodingParameters | None = None,
) -> NDArray[Any]:
    """Decode a dataset's JPEG-LS pixel data, each frame directly into one output array.

    Parameters
    ----------
    ds : pydicom.dataset.Dataset
        A dataset with JPEG-LS compressed Pixel Data.
    frames : int or iterable of int, optional
        The frames to decode, counted from 0; all by default. A single number returns an array without a frame axis.
    out : numpy.ndarray, optional
        Array for the samples, of the shape below and an integer dtype of at least Bits Allocated bits that can hold all
        numbers of Bits Stored bits, signed if Pixel Representation is 1.
    workers : int or None, optional
        Number of threads that decode: several frames at a time, or the restart intervals and planes of a single frame.
        None, the default, is one per core; 1 is the calling thread.
    max_samples : int, optional
        Largest rows x columns x samples of a frame; see `decode`.
    preset_coding_parameters : PresetCodingParameters, optional
        What streams without an LSE segment with such parameters are decoded with, if their encoder did not follow the
        standard; see `decode`.

    Returns
    -------
    numpy.ndarray
        Shape (rows, columns) or (rows, columns, samples), and with more than one frame, or if `frames` is an
        iterable, (frames, rows, columns[, samples]). The dtype has Bits Allocated bits and is signed if Pixel
        Representation is 1. The samples are numbers of Bits Stored bits: what the streams hold above them, such as an
        overlay, is not part of them; `decompress` keeps it. Colours are not converted.

    Raises
    ------
    DatasetError
        If the dataset is not compressed with JPEG-LS, or its attributes do not fit the streams.
    InvalidStreamError, UnsupportedStreamError
        If a frame cannot be decoded; `pixel_array_partial` returns what can be.
    ParameterError
        If there is no such frame, `out` does not fit, or another argument is out of range.
    TypeError
        If `ds` is not a dataset.

    Warns
    -----
    AssumedThresholdsWarning, DatasetWarning
        As `decompress`.

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
    workers = worker_count(workers)
    decoder, encoded = open_pixel_data(ds, max_samples, preset_coding_parameters, as_numbers=True)
    numbers, is_single = select_frames(frames, len(encoded))
    streams = OpenStreams(decoder, encoded)
    for index in distinct(numbers):
        streams.open(index)
    array = output_array(decoder.image_pixel, len(numbers), is_single, out)
    target = array[np.newaxis] if is_single else array
    _decode_all(decoder, numbers, streams, target, workers)
    return array


def iter_frames(
    ds: Dataset,
    *,
    frames: Iterable[int] | None = None,
    workers: int | None = None,
    max_samples: int = DEFAULT_MAX_SAMPLES,
    preset_coding_parameters: PresetCodingParameters | None = None,
) -> Iterator[NDArray[Any]]:
    """Decode a dataset's JPEG-LS frames one after another, while later ones are decoded ahead.

    Parameters
    ----------
    ds : pydicom.dataset.Dataset
        A dataset with JPEG-LS compressed Pixel Data.
    frames : iterable of int, optional
        The frames to decode, counted from 0; all by default.
    workers : int or None, optional
        Number of threads that decode ahead; None, the default, is one per core. 1 decodes in the calling thread. Each
        decodes up to 16 frames together, of at most 8 MiB, if that is faster, and at most twice as many as all workers
        decode at a time are decoded and not yet returned.
    max_samples : int, optional
        Largest rows x columns x samples of a frame; see `decode`.
    preset_coding_parameters : PresetCodingParameters, optional
        What streams without an LSE segment with such parameters are decoded with, if their encoder did not follow the
        standard; see `decode`.

    Yields
    ------
    numpy.ndarray
        Shape (rows, columns) or (rows, columns, samples), dtype as that of `pixel_array`.

    Raises
    ------
    DatasetError, ParameterError, InvalidStreamError, UnsupportedStreamError, TypeError
        As `pixel_array`: at the call if the dataset cannot be decoded, and in its turn for a frame.

    Examples
    --------
    >>> import dicom_jpegls as jls
    >>> from pydicom import examples
    >>> ds = examples.ct
    >>> _ = jls.compress(ds)
    >>> [frame.shape for frame in jls.iter_frames(ds)]
    [(128, 128)]
    """
    workers = worker_count(workers)
    decoder, encoded = open_pixel_data(ds, max_samples, preset_coding_parameters, as_numbers=True)
    numbers, _ = select_frames(frames, len(encoded))
    _, workers_of_frame = _share_workers(workers, len(encoded))

    def decode_frames(indices: list[int]) -> Iterator[NDArray[Any]]:
        frames = [(index, encoded[index]) for index in indices]
        return (samples for _, samples in decoder.open_and_decode(frames, workers=workers_of_frame))

    at_once = frames_at_once(decoder.image_pixel, max(0, len(numbers) - workers), workers)
    if at_once == 1:
        return map_blocks_in_order(decode_frames, numbers, workers, 1)

    def in_order() -> Iterator[NDArray[Any]]:
        # The first frames alone, so that a caller soon has one.
        yield from map_blocks_in_order(decode_frames, numbers[:workers], workers, 1)
        yield from map_blocks_in_order(decode_frames, numbers[workers:], workers, at_once)

    return in_order()


def open_pixel_data(
    ds: Dataset,
    max_samples: int,
    preset_coding_parameters: PresetCodingParameters | None = None,
    *,
    as_numbers: bool = False,
    partial: bool = False,
) -> tuple[FrameDecoder, Frames]:
    """Return the decoder for a dataset's frames, and their streams.

    Parameters
    ----------
    ds : pydicom.dataset.Dataset
        A dataset with JPEG-LS compressed Pixel Data.
    max_samples : int
        Largest rows x columns x samples of a frame.
    preset_coding_parameters : PresetCodingParameters, optional
        See `FrameDecoder`.
    as_numbers : bool, optional
        Whether samples are numbers within Bits Stored; see `FrameDecoder`.
    partial : bool, optional
        Whether the pixel data may be damaged or truncated.

    Raises
    ------
    DatasetError
        If the dataset is not compressed with JPEG-LS, or its frames cannot be found.
    TypeError
        If `ds` is not a dataset.
    """
    require_dataset(ds)
    require_jpegls(ds)
    require_pixel_data(ds)
    # Planar Configuration says nothing about compressed pixel data (PS3.5 8.2.3).
    image_pixel = image_pixel_of(ds)._replace(planar_configuration=None)
    decoder = FrameDecoder(
        image_pixel,
        max_samples=max_samples,
        as_numbers=as_numbers,
        preset_coding_parameters=preset_coding_parameters,
    )
    return decoder, encapsulated_frames(ds, decoder.image_pixel.number_of_frames, partial=partial)


def select_frames(frames: int | Iterable[int] | None, count: int) -> tuple[Sequence[int], bool]:
    """Return the numbers of the wanted frames, and whether the array of them has no frame axis."""
    if frames is None:
        return range(count), count == 1
    numbers = [operator.index(frame) for frame in (frames if isinstance(frames, Iterable) else [frames])]
    for number in numbers:
        if not 0 <= number < count:
            raise ParameterError(f"frames: must be 0 to {count - 1} for this dataset, found {number}")
    return numbers, not isinstance(frames, Iterable)


def output_array(image_pixel: ImagePixel, count: int, is_single: bool, out: NDArray[Any] | None) -> NDArray[Any]:
    """Return the array for some frames, by default a new one; check the caller's."""
    shape: tuple[int, ...] = (count, image_pixel.rows, image_pixel.columns)
    if image_pixel.samples_per_pixel > 1:
        shape += (image_pixel.samples_per_pixel,)
    if is_single:
        shape = shape[1:]
    if out is None:
        return new_array(shape, native_dtype(image_pixel))
    if not isinstance(out, np.ndarray):
        raise TypeError(f"out: must be a numpy.ndarray, not {type(out).__name__}")
    if out.shape != shape:
        raise ParameterError(f"out: shape must be {shape}, found {out.shape}")
    lowest, highest = sample_range(image_pixel.bits_stored, image_pixel.is_signed)
    if out.dtype.kind not in "ui" or not np.iinfo(out.dtype).min <= lowest <= highest <= np.iinfo(out.dtype).max:
        raise ParameterError(f"out: must have an integer dtype that can hold {lowest} to {highest}, found {out.dtype}")
    return out


# An opened stream takes so much memory, and so much more for each COM or APPn segment.
_STREAM_SIZE = 1024  # bytes
_ANNOTATION_SIZE = 100


class OpenStreams:
    """The streams of a dataset's frames, all of which are opened before one is decoded.

    Those that would take more memory than the decoded frame are closed, and opened again when they are decoded.

    Parameters
    ----------
    decoder : FrameDecoder
        Opens the streams.
    frames : Frames
        The bytes of the frames.
    partial : bool, optional
        Whether the streams may be damaged or truncated.
    """

    def __init__(self, decoder: FrameDecoder, frames: Frames, *, partial: bool = False) -> None:
        self._decoder = decoder
        self._frames = frames
        self._partial = partial
        self._kept: dict[int, Stream] = {}

    def open(self, index: int) -> Stream:
        """Open the stream of a frame for the first time; raises what `FrameDecoder.open` does."""
        stream = self[index]
        annotations = len(stream.info.comments) + len(stream.info.application_data)
        if _STREAM_SIZE + _ANNOTATION_SIZE * annotations <= self._decoder.image_pixel.frame_size:
            self._kept[index] = stream
        return stream

    def __getitem__(self, index: int) -> Stream:
        stream = self._kept.get(index)
        return self._decoder.open(index, self._frames[index], partial=self._partial) if stream is None else stream


def distinct(numbers: Sequence[int]) -> Sequence[int]:
    """Return the numbers of frames in order, each once."""
    return numbers if isinstance(numbers, range) else sorted(set(numbers))


def _decode_all(
    decoder: FrameDecoder, numbers: Sequence[int], streams: OpenStreams, array: NDArray[Any], workers: int
) -> None:
    """Decode each frame into an array (frames, rows, columns[, samples])."""
    at_once, workers_of_frame = _share_workers(workers, len(numbers))

    def decode_frame(position: int) -> None:
        index = numbers[position]
        decoder.decode(index, streams[index], array[position], workers=workers_of_frame)

    if len(numbers) <= workers:
        map_all(decode_frame, range(len(numbers)), at_once)
        return
    for part in parts(len(numbers), workers):
        indices = numbers[part]
        decoder.decode_many(indices, [streams[index] for index in indices], list(array[part]), workers=workers)


# So many frames are coded together for each worker: all lanes are filled four times, and only so many copies of frames,
# where these are needed, are in memory at once.
_FRAMES_PER_WORKER = 64


def parts(count: int, workers: int) -> Iterator[slice]:
    """Yield the frames that are coded together."""
    size = _FRAMES_PER_WORKER * workers
    return (slice(first, first + size) for first in range(0, count, size))


def _share_workers(workers: int, frame_count: int) -> tuple[int, int]:
    """Return how many frames are coded at a time, and the number of workers of each."""
    at_once = max(1, min(workers, frame_count))
    return at_once, workers // at_once
