"""Partial decoding: what is left of damaged and truncated pixel data."""

from __future__ import annotations

import os
import warnings
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.uid import ExplicitVRLittleEndian

from dicom_jpegls._codec import DEFAULT_MAX_SAMPLES, Stream, check_partial_decoding
from dicom_jpegls.array import check_fill_value
from dicom_jpegls.dicom.dataset import open_pixel_data, output_array, select_frames
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
    from dicom_jpegls.parameters import PresetCodingParameters

# The tag of Pixel Data, (7FE0,0010), in little-endian order. With VR and length it takes 12 bytes.
_PIXEL_DATA = b"\xe0\x7f\x10\x00"
_PIXEL_DATA_HEADER_SIZE = 12


class PartialPixels(NamedTuple):
    """What could be decoded of a dataset's damaged pixel data."""

    array: NDArray[Any]
    """As returned by `pixel_array`, with `fill_value` in the lines that are not good."""
    good_lines: NDArray[np.bool_]
    """Shape (rows,) or (rows, samples), after a frame axis if the array has one: True for each line that was decoded
    before a fault was found; see `PartialImage`."""
    errors: dict[int, JPEGLSError]
    """The first fault of each damaged frame, by its number."""


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
    frames, out, workers, max_samples, preset_coding_parameters
        See `pixel_array`. Each frame is decoded by one thread.

    Returns
    -------
    PartialPixels
        The array, the lines that are good, and the faults; no faults if the pixel data is valid.

    Raises
    ------
    DatasetError
        If the dataset is not compressed with JPEG-LS, its attributes are not valid, or it is not certain which frame is
        which.
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
    streams, errors = _open_frames(decoder, encoded, numbers)
    array = output_array(decoder.image_pixel, len(numbers), is_single, out)
    target = array[np.newaxis] if is_single else array
    good_lines = _decode_all(decoder, numbers, streams, target, fill_value, workers, errors)
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
    workers, max_samples, preset_coding_parameters
        See `decompress`. Each frame is decoded by one thread.

    Returns
    -------
    PartialPixels
        The array, the lines that are good, and the faults.

    Raises
    ------
    DatasetError, ParameterError, TypeError, JPEGLSError
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
    numbers = range(len(encoded))
    streams, errors = _open_frames(decoder, encoded, numbers)
    native = decoded_image_pixel(decoder.image_pixel, [stream.info for stream in streams if stream is not None])
    nested = decode_nested_pixel_data(ds, max_samples=max_samples)
    samples = new_samples(native)
    good_lines = _decode_all(decoder, numbers, streams, samples, fill_value, workers, errors)
    changes = Dataset()
    if errors:
        changes = changed_image_attributes(ds, _describe_damage(good_lines, errors, fill_value))
    pixel_data = native_bytes(samples, native)
    set_nested_pixel_data(nested)
    set_native(ds, pixel_data, native)
    set_transfer_syntax(ds, ExplicitVRLittleEndian)
    update_attributes(ds, changes)
    is_single = len(samples) == 1
    return PartialPixels(samples[0] if is_single else samples, good_lines[0] if is_single else good_lines, errors)


def _check_fill_value(decoder: FrameDecoder, fill_value: int) -> None:
    check_fill_value(fill_value, decoder.image_pixel.bits_allocated, decoder.image_pixel.is_signed)


def _open_frames(
    decoder: FrameDecoder, frames: Frames, numbers: Sequence[int]
) -> tuple[list[Stream | None], dict[int, JPEGLSError]]:
    """Open the streams of some frames: None, and an error, for a frame of which nothing can be decoded."""
    streams: dict[int, Stream | None] = {}
    errors: dict[int, JPEGLSError] = {}
    for index in sorted(set(numbers)):
        try:
            streams[index] = decoder.open(index, frames[index], partial=True)
        except JPEGLSError as error:
            streams[index] = None
            errors[index] = error
    return [streams[index] for index in numbers], errors


def _decode_all(
    decoder: FrameDecoder,
    numbers: Sequence[int],
    streams: Sequence[Stream | None],
    array: NDArray[Any],
    fill_value: int,
    workers: int,
    errors: dict[int, JPEGLSError],
) -> NDArray[np.bool_]:
    """Decode each stream into an array (frames, rows, columns[, samples]), add errors, return the good lines."""
    good_lines = np.zeros((*array.shape[:2], *array.shape[3:]), np.bool_)

    def decode_frame(position: int) -> None:
        index, stream = numbers[position], streams[position]
        if stream is None:
            array[position] = fill_value
            return
        _, good_lines[position], error = decoder.decode_partial(index, stream, array[position], fill_value)
        if error is not None:
            errors[index] = error

    map_all(decode_frame, range(len(streams)), max(1, min(workers, len(streams))))
    return good_lines


def _describe_damage(good_lines: NDArray[np.bool_], errors: dict[int, JPEGLSError], fill_value: int) -> str:
    lines = good_lines.all(axis=2) if good_lines.ndim == 3 else good_lines
    missing = lines.size - int(np.count_nonzero(lines))
    return (
        f"Decoded from damaged JPEG-LS data: {missing} of {lines.size} lines, in frame(s) "
        f"{format_numbers(sorted(errors))}, could not be decoded and have the value {fill_value}"
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
