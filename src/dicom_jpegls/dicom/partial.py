"""Partial decoding: what is left of damaged and truncated pixel data."""

from __future__ import annotations

import os
import warnings
from bisect import bisect_left
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.uid import ExplicitVRLittleEndian

from dicom_jpegls._codec import DEFAULT_MAX_SAMPLES, check_partial_decoding
from dicom_jpegls.array import check_fill_value
from dicom_jpegls.dicom.dataset import OpenStreams, distinct, open_pixel_data, output_array, parts, select_frames
from dicom_jpegls.dicom.frames import FrameDecoder, format_numbers
from dicom_jpegls.dicom.lossy_attributes import changed_image_attributes, update_attributes
from dicom_jpegls.dicom.nested import decode_nested_pixel_data, set_nested_pixel_data
from dicom_jpegls.dicom.pixel_data import (
    native_bytes,
    new_samples,
    require_jpegls,
    set_native,
    set_transfer_syntax,
)
from dicom_jpegls.dicom.rules import decoded_image_pixel
from dicom_jpegls.errors import DatasetError, JPEGLSError
from dicom_jpegls.parallel import map_all, worker_count

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray
    from pydicom.dataset import FileDataset

    from dicom_jpegls.dicom.fragments import Frames
    from dicom_jpegls.parameters import PresetCodingParameters, StreamInfo

# The tag of Pixel Data, (7FE0,0010), in little-endian order. With VR and length it takes 12 bytes.
_PIXEL_DATA = b"\xe0\x7f\x10\x00"
_PIXEL_DATA_HEADER_SIZE = 12

# The longest run of pixels that one bit stands for (T.87 A.7.1, J[31] = 15).
_LONGEST_RUN = 2**15

# A fault takes some 500 bytes of memory, and the damaged frame that it is about, perhaps 10 bytes of pixel data.
_MAXIMUM_ERRORS = 10_000


class PartialPixels(NamedTuple):
    """What could be decoded of a dataset's damaged pixel data."""

    array: NDArray[Any]
    """As returned by `pixel_array`, with `fill_value` in the lines that are not good."""
    good_lines: NDArray[np.bool_]
    """Shape (rows,) or (rows, samples), after a frame axis if the array has one: True for each line that was decoded
    before a fault was found; see `PartialImage`."""
    errors: dict[int, JPEGLSError]
    """The first fault of each damaged frame, by its number, in order; of the first 10000 damaged frames only."""


def pixel_array_partial(
    ds: Dataset,
    *,
    frames: int | Iterable[int] | None = None,
    out: NDArray[Any] | None = None,
    fill_value: int = 0,
    workers: int | None = None,
    max_samples: int = DEFAULT_MAX_SAMPLES,
    preset_coding_parameters: PresetCodingParameters | None = None,
) -> PartialPixels:
    """Decode the undamaged lines of a dataset's JPEG-LS pixel data, which may be damaged or truncated.

    Parameters
    ----------
    ds : pydicom.dataset.Dataset
        A dataset with JPEG-LS compressed Pixel Data, for example from `read_truncated`.
    fill_value : int, optional
        The sample value of all other lines.
    max_samples : int, optional
        Largest rows x columns x samples of a frame; also the most samples of all frames together for which Pixel Data
        has too few bytes.
    frames, out, workers, preset_coding_parameters
        See `pixel_array`. Each frame is decoded by one thread.

    Returns
    -------
    PartialPixels
        The array, the lines that are good, and the faults; no faults if the pixel data is valid.

    Raises
    ------
    DatasetError
        If the dataset is not compressed with JPEG-LS, its attributes are not valid, it is not certain which frame is
        which, or more than `max_samples` samples are missing.
    InvalidStreamError, UnsupportedStreamError
        If no line can be decoded because the headers of all frames are damaged or not supported.
    ParameterError
        If there is no such frame, `out` does not fit, `fill_value` is not in the range of the samples, or another
        argument is out of range.
    TypeError
        If `ds` is not a dataset.
    JPEGLSError
        If the package is linked to an unpatched CharLS, which does not notice all damage.

    Examples
    --------
    >>> import dicom_jpegls as jls
    >>> from pydicom import examples
    >>> ds = examples.ct
    >>> _ = jls.compress(ds)
    >>> ds.PixelData = ds.PixelData[:8000]
    >>> array, good_lines, errors = jls.pixel_array_partial(ds)
    >>> array.shape, int(good_lines.sum()), list(errors)
    ((128, 128), 66, [0])
    """
    check_partial_decoding()
    workers = worker_count(workers)
    decoder, encoded = open_pixel_data(ds, max_samples, preset_coding_parameters, as_numbers=True, partial=True)
    _check_fill_value(decoder, fill_value)
    numbers, is_single = select_frames(frames, len(encoded))
    damaged = _DamagedFrames(decoder, encoded, numbers)
    damaged.open(max_samples)
    array = output_array(decoder.image_pixel, len(numbers), is_single, out)
    good_lines, errors = damaged.decode(array[np.newaxis] if is_single else array, fill_value, workers)
    return PartialPixels(array, good_lines[0] if is_single else good_lines, errors)


def decompress_partial(
    ds: Dataset,
    *,
    fill_value: int = 0,
    workers: int | None = None,
    max_samples: int = DEFAULT_MAX_SAMPLES,
    preset_coding_parameters: PresetCodingParameters | None = None,
) -> PartialPixels:
    """Decompress the undamaged lines of a dataset's JPEG-LS pixel data, in place.

    If lines are missing, the dataset is marked as derived from the damaged one: Image Type, Derivation Description, a
    new SOP Instance UID.

    Parameters
    ----------
    ds : pydicom.dataset.Dataset
        A dataset with JPEG-LS compressed Pixel Data, for example from `read_truncated`.
    fill_value : int, optional
        The sample value of all lines that cannot be decoded.
    max_samples : int, optional
        See `pixel_array_partial`.
    workers, preset_coding_parameters
        See `decompress`. Each frame is decoded by one thread.

    Returns
    -------
    PartialPixels
        The array, the lines that are good, and the faults.

    Raises
    ------
    DatasetError, ParameterError, TypeError, InvalidStreamError, UnsupportedStreamError, JPEGLSError
        As `pixel_array_partial`. If any of these is raised, the dataset is left unchanged.

    Examples
    --------
    >>> import dicom_jpegls as jls
    >>> from pydicom import examples
    >>> ds = examples.ct
    >>> _ = jls.compress(ds)
    >>> ds.PixelData = ds.PixelData[:8000]
    >>> _ = jls.decompress_partial(ds)
    >>> ds.DerivationDescription
    'Decoded from damaged JPEG-LS data: 62 of 128 lines, in frame(s) 0, could not be decoded and have the value 0'
    """
    check_partial_decoding()
    workers = worker_count(workers)
    decoder, encoded = open_pixel_data(ds, max_samples, preset_coding_parameters, partial=True)
    _check_fill_value(decoder, fill_value)
    damaged = _DamagedFrames(decoder, encoded, range(len(encoded)))
    native = decoded_image_pixel(decoder.image_pixel, damaged.open(max_samples))
    nested = decode_nested_pixel_data(ds, max_samples=max_samples)
    samples = new_samples(native)
    good_lines, errors = damaged.decode(samples, fill_value, workers)
    changes = Dataset()
    if not good_lines.all():
        changes = changed_image_attributes(ds, _describe_damage(good_lines, fill_value))
    pixel_data = native_bytes(samples, native)
    set_nested_pixel_data(nested)
    set_native(ds, pixel_data, native)
    set_transfer_syntax(ds, ExplicitVRLittleEndian)
    update_attributes(ds, changes)
    is_single = len(samples) == 1
    return PartialPixels(samples[0] if is_single else samples, good_lines[0] if is_single else good_lines, errors)


def _check_fill_value(decoder: FrameDecoder, fill_value: int) -> None:
    check_fill_value(fill_value, decoder.image_pixel.bits_allocated, decoder.image_pixel.is_signed)


class _DamagedFrames:
    """Some frames of a dataset, which may be damaged.

    Parameters
    ----------
    decoder : FrameDecoder
        Opens and decodes the streams.
    frames : Frames
        The bytes of all frames.
    numbers : sequence of int
        The frames that are wanted.
    """

    def __init__(self, decoder: FrameDecoder, frames: Frames, numbers: Sequence[int]) -> None:
        self._decoder = decoder
        self._numbers = numbers
        self._found = frames.found
        self._streams = OpenStreams(decoder, frames, partial=True)
        self._is_open = np.zeros(len(frames), np.bool_)
        self._errors: dict[int, JPEGLSError] = {}

    def open(self, max_samples: int) -> Iterable[StreamInfo]:
        """Open the streams, before anything is allocated for them; return the properties of those that can be opened.

        The properties are the same for all streams of the same order of samples, so only one of each is returned.

        Raises
        ------
        DatasetError
            If more samples than `max_samples` are missing.
        JPEGLSError
            If no stream can be opened.
        """
        image_pixel = self._decoder.image_pixel
        samples_of_frame = image_pixel.rows * image_pixel.columns * image_pixel.samples_per_pixel
        samples_of_byte = 8 * min(image_pixel.columns, _LONGEST_RUN) * image_pixel.samples_per_pixel
        infos: dict[int, StreamInfo] = {}
        wanted = distinct(self._numbers)
        missing = samples_of_frame * len(wanted)
        found_count = bisect_left(wanted, self._found)
        for index in wanted[:found_count]:
            try:
                info = self._streams.open(index).info
            except JPEGLSError as error:
                _add_error(self._errors, index, error)
                continue
            self._is_open[index] = True
            infos[info.interleave_mode] = info
            missing -= min(samples_of_frame, info.size * samples_of_byte)
        for index in wanted[found_count : found_count + _MAXIMUM_ERRORS]:
            message = f"Pixel Data (7FE0,0010), frame {index}: the frame is missing, the data ends before it"
            _add_error(self._errors, index, DatasetError(message))
        if self._errors and not infos:
            raise self._errors[min(self._errors)]
        if missing > max_samples:
            raise DatasetError(
                f"Pixel Data (7FE0,0010) is too short for {missing} samples of {len(wanted)} frame(s) of "
                f"{image_pixel.rows} rows, {image_pixel.columns} columns and {image_pixel.samples_per_pixel} sample(s) "
                f"per pixel; max_samples allows {max_samples} to be missing: use a larger max_samples, or decode fewer "
                "frames at a time"
            )
        return infos.values()

    def decode(
        self, array: NDArray[Any], fill_value: int, workers: int
    ) -> tuple[NDArray[np.bool_], dict[int, JPEGLSError]]:
        """Decode into an array (frames, rows, columns[, samples]); return the good lines and the errors."""
        good_lines = np.zeros((*array.shape[:2], *array.shape[3:]), np.bool_)

        def decode_frame(position: int) -> JPEGLSError | None:
            index = self._numbers[position]
            stream = self._streams[index]
            _, good_lines[position], error = self._decoder.decode_partial(index, stream, array[position], fill_value)
            return error

        errors: dict[int, JPEGLSError] = {}
        all_frames = isinstance(self._numbers, range)
        is_open = self._is_open if all_frames else self._is_open[np.array(self._numbers, np.intp)]
        positions = np.flatnonzero(is_open)
        for part in parts(len(positions), workers):
            some = positions[part].tolist()
            for position, error in zip(some, map_all(decode_frame, some, workers), strict=True):
                if error is not None:
                    _add_error(errors, self._numbers[position], error)
        np.copyto(array, fill_value, where=np.expand_dims(~is_open, tuple(range(1, array.ndim))))
        return good_lines, dict(sorted((self._errors | errors).items())[:_MAXIMUM_ERRORS])


def _add_error(errors: dict[int, JPEGLSError], index: int, error: JPEGLSError) -> None:
    if len(errors) < _MAXIMUM_ERRORS:
        errors[index] = error.with_traceback(None)  # which would keep the variables of all functions in it


def _describe_damage(good_lines: NDArray[np.bool_], fill_value: int) -> str:
    lines = good_lines.all(axis=2) if good_lines.ndim == 3 else good_lines
    missing = lines.size - int(np.count_nonzero(lines))
    damaged = np.flatnonzero(~np.all(lines, axis=1)).tolist()
    return (
        f"Decoded from damaged JPEG-LS data: {missing} of {lines.size} lines, in frame(s) {format_numbers(damaged)}, "
        f"could not be decoded and have the value {fill_value}"
    )


def read_truncated(path: str | os.PathLike[str]) -> FileDataset:
    """Read a DICOM file that ends within its JPEG-LS pixel data, which `pydicom.dcmread` would leave out.

    Parameters
    ----------
    path : str or os.PathLike
        The file. A complete one is read, too.

    Returns
    -------
    pydicom.dataset.FileDataset
        The dataset, with as much of Pixel Data as there is, for `pixel_array_partial`.

    Raises
    ------
    DatasetError
        If the file ends before its pixel data, or that is not JPEG-LS.
    OSError, pydicom.errors.InvalidDicomError
        If the file cannot be read, or is not a DICOM file.

    Examples
    --------
    >>> import dicom_jpegls as jls
    >>> from pydicom import examples
    >>> path = getfixture("tmp_path") / "truncated.dcm"
    >>> ds = examples.ct
    >>> _ = jls.compress(ds)
    >>> ds.save_as(path)
    >>> _ = path.write_bytes(path.read_bytes()[:-2000])
    >>> pixels = jls.pixel_array_partial(jls.read_truncated(path))
    >>> int(pixels.good_lines.sum()), list(pixels.errors)
    (108, [0])
    """
    too_short = DatasetError(f"{os.fspath(path)}: the file ends before Pixel Data (7FE0,0010), or cannot be parsed")
    try:
        with warnings.catch_warnings(), open(path, "rb") as file:
            warnings.simplefilter("ignore")  # of the truncation, among others
            with suppress(OverflowError):  # a damaged length, more than a process of 32 bits can ask for
                ds = dcmread(file)
                if "PixelData" in ds:
                    return ds
            file.seek(0)
            ds = dcmread(file, stop_before_pixels=True)
            rest = file.read()
    except (InvalidDicomError, OSError, MemoryError):
        raise
    except Exception as error:  # for a file that ends within an element, it depends on the place
        raise too_short from error
    require_jpegls(ds)
    if not rest.startswith(_PIXEL_DATA) or len(rest) < _PIXEL_DATA_HEADER_SIZE:
        raise too_short
    ds.add_new("PixelData", "OB", rest[_PIXEL_DATA_HEADER_SIZE:])
    ds["PixelData"].is_undefined_length = True
    return ds
