"""The pixel data of a dataset: its attributes, its native samples, its encapsulated frames, and replacing it."""

from __future__ import annotations

import operator
from io import BufferedIOBase
from typing import TYPE_CHECKING, Any

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import UID, ExplicitVRLittleEndian, JPEGLSLossless, JPEGLSNearLossless, JPEGLSTransferSyntaxes

from dicom_jpegls.dicom.fragments import FragmentIndex, Frames, encapsulate, offset_tables
from dicom_jpegls.dicom.rules import ImagePixel, attribute_error, keyword_of
from dicom_jpegls.errors import DatasetError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pydicom.dataelem import DataElement

    from dicom_jpegls.dicom.options import OffsetTable

# Bytes of a word in the VRs whose values pydicom keeps in the byte order of the file (PS3.5 6.2 and 7.3).
_WORD_SIZES = {"OW": 2, "OF": 4, "OL": 4, "OD": 8, "OV": 8}


def require_dataset(ds: Dataset) -> None:
    """Raise the error for an argument that is not a dataset, such as a path."""
    if not isinstance(ds, Dataset):
        raise TypeError(
            f"ds: must be a pydicom.dataset.Dataset, not {type(ds).__name__}: read a file with pydicom.dcmread(path)"
        )


def transfer_syntax_of(ds: Dataset) -> UID:
    """Return the transfer syntax, which must be present."""
    uid: UID | None = getattr(getattr(ds, "file_meta", None), "TransferSyntaxUID", None)
    if not uid:
        raise DatasetError(
            "Transfer Syntax UID (0002,0010) is absent; set ds.file_meta.TransferSyntaxUID to the pixel data's coding"
        )
    return uid


def require_jpegls(ds: Dataset) -> None:
    """Raise the error for a dataset whose pixel data is not coded with JPEG-LS."""
    uid = transfer_syntax_of(ds)
    if uid not in JPEGLSTransferSyntaxes:
        raise DatasetError(
            f"Transfer Syntax UID (0002,0010) is {uid.name} ({uid}); must be {JPEGLSLossless} (JPEG-LS Lossless) or "
            f"{JPEGLSNearLossless} (JPEG-LS Near-lossless)"
        )


def require_pixel_data(ds: Dataset) -> None:
    """Raise the error for a dataset without Pixel Data."""
    if "PixelData" not in ds:
        other = [name for name in ("FloatPixelData", "DoubleFloatPixelData") if name in ds]
        raise no_pixel_data_error(other[0] if other else None)


def no_pixel_data_error(other: str | None) -> DatasetError:
    """Return the error for a dataset without Pixel Data; `other` is the keyword of what it has instead."""
    found = f"it has {other}, which JPEG-LS cannot code" if other else "it is no image"
    return DatasetError(f"Pixel Data (7FE0,0010) is absent from the dataset: {found}")


def image_pixel_of(ds: Dataset) -> ImagePixel:
    """Return the Image Pixel attributes of a dataset.

    Raises
    ------
    DatasetError
        If a required attribute is absent, or one is not an integer.
    """
    values: dict[str, Any] = {}
    for name in (
        "rows",
        "columns",
        "samples_per_pixel",
        "photometric_interpretation",
        "bits_allocated",
        "bits_stored",
        "high_bit",
        "pixel_representation",
    ):
        values[name] = _value(ds, name)
        if values[name] is None:
            raise attribute_error(name, None, "an image needs it")
    # It has no meaning for one sample per pixel, but some files contain it.
    if values["samples_per_pixel"] > 1:
        values["planar_configuration"] = _value(ds, "planar_configuration")
    # It may be absent, empty or 0 in single-frame images.
    return ImagePixel(number_of_frames=_value(ds, "number_of_frames") or 1, **values)


def _value(ds: Dataset, name: str) -> Any:
    """Return the value of an attribute, an integer or the one that is a string; None if it is absent or empty."""
    value = ds.get(keyword_of(name))
    if value is None or value == "":
        return None
    if name == "photometric_interpretation":
        return str(value)
    try:
        return operator.index(value)
    except TypeError:
        raise attribute_error(name, value, "must be an integer") from None


def native_dtype(image_pixel: ImagePixel) -> np.dtype[Any]:
    """Return the dtype of the samples in native pixel data, in native byte order."""
    return np.dtype(f"{'i' if image_pixel.is_signed else 'u'}{image_pixel.bytes_allocated}")


def _memory_shape(image_pixel: ImagePixel) -> tuple[int, ...]:
    frames, rows, columns = image_pixel.number_of_frames, image_pixel.rows, image_pixel.columns
    samples = image_pixel.samples_per_pixel
    if samples == 1:
        return (frames, rows, columns)
    if image_pixel.planar_configuration == 1:
        return (frames, samples, rows, columns)
    return (frames, rows, columns, samples)


def _by_pixel(samples: NDArray[Any], image_pixel: ImagePixel) -> NDArray[Any]:
    """Return samples in the order of native pixel data as a view (frames, rows, columns[, samples])."""
    return samples.transpose(0, 2, 3, 1) if image_pixel.planar_configuration == 1 else samples


def new_samples(image_pixel: ImagePixel) -> NDArray[Any]:
    """Return an uninitialised array (frames, rows, columns[, samples]) in the memory layout of native pixel data."""
    samples: NDArray[Any] = np.empty(_memory_shape(image_pixel), native_dtype(image_pixel))
    return _by_pixel(samples, image_pixel)


def native_bytes(samples: NDArray[Any], image_pixel: ImagePixel) -> bytes:
    """Return samples (frames, rows, columns[, samples]) as little-endian native pixel data, without padding."""
    in_memory = samples.transpose(0, 3, 1, 2) if image_pixel.planar_configuration == 1 else samples
    return in_memory.astype(in_memory.dtype.newbyteorder("<"), copy=False).tobytes()


def native_vr(image_pixel: ImagePixel) -> str:
    """Return the VR of native pixel data in Explicit VR Little Endian (PS3.5 A.2)."""
    return "OB" if image_pixel.bits_allocated <= 8 else "OW"


def native_frames(ds: Dataset, image_pixel: ImagePixel) -> NDArray[Any]:
    """Return native pixel data as an array (frames, rows, columns[, samples]) that shares the dataset's memory."""
    data = _pixel_bytes(ds)
    check_native_length(len(data), image_pixel)
    return native_samples(data, image_pixel, transfer_syntax_of(ds), ds["PixelData"].VR)


def check_native_length(length: int, image_pixel: ImagePixel) -> None:
    """Check that native pixel data of some bytes contains all frames, and not one more."""
    needed = image_pixel.frame_size * image_pixel.number_of_frames
    if length < needed:
        raise DatasetError(
            f"Pixel Data (7FE0,0010) has {length} bytes; {image_pixel.number_of_frames} frame(s) of "
            f"{image_pixel.rows} rows, {image_pixel.columns} columns, {image_pixel.samples_per_pixel} sample(s) of "
            f"{image_pixel.bits_allocated} bits need {needed}: it is truncated"
        )
    if length - needed - needed % 2 >= image_pixel.frame_size:
        raise attribute_error(
            "number_of_frames",
            image_pixel.number_of_frames,
            f"Pixel Data has {length} bytes, {length // image_pixel.frame_size} frames of "
            f"{image_pixel.frame_size} bytes",
        )


def has_swapped_bytes(image_pixel: ImagePixel, transfer_syntax: UID, vr: str) -> bool:
    """Return whether native pixel data consists of big-endian words of two 8-bit samples each (PS3.5 8.1.1)."""
    return image_pixel.bits_allocated == 8 and vr == "OW" and not transfer_syntax.is_little_endian


def native_samples(data: bytes | bytearray, image_pixel: ImagePixel, transfer_syntax: UID, vr: str) -> NDArray[Any]:
    """Return native pixel data as an array (frames, rows, columns[, samples]), without a copy where possible."""
    needed = image_pixel.frame_size * image_pixel.number_of_frames
    dtype = native_dtype(image_pixel)
    if has_swapped_bytes(image_pixel, transfer_syntax, vr):
        words = np.frombuffer(data, np.uint16, count=(needed + 1) // 2).byteswap()
        samples = words.view(dtype)[:needed]
    else:
        dtype = dtype.newbyteorder("<" if transfer_syntax.is_little_endian else ">")
        samples = np.frombuffer(data, dtype, count=needed // dtype.itemsize)
    return _by_pixel(samples.reshape(_memory_shape(image_pixel)), image_pixel)


def encapsulated_frames(ds: Dataset, count: int, *, partial: bool = False) -> Frames:
    """Return the bytes of each frame of encapsulated pixel data, without a copy where possible.

    Parameters
    ----------
    ds : pydicom.dataset.Dataset
        The dataset.
    count : int
        The value of Number of Frames.
    partial : bool, optional
        Whether the pixel data may be damaged or truncated.

    Raises
    ------
    DatasetError
        If it is not certain which frame is which, or, unless `partial`, the structure of the pixel data is not valid.
    """
    index = FragmentIndex(_pixel_bytes(ds))
    offsets = ds.get("ExtendedOffsetTable") or b""
    return (index.partial_frames if partial else index.frames)(count, offsets)


def _pixel_bytes(ds: Dataset) -> bytes:
    """Return the value of Pixel Data, which pydicom may keep in a file-like object."""
    value = ds["PixelData"].value
    if isinstance(value, BufferedIOBase):
        value.seek(0)
        return value.read()
    return value or b""


def set_encapsulated(ds: Dataset, streams: list[bytes], transfer_syntax_uid: UID, offset_table: OffsetTable) -> None:
    """Replace the pixel data by one fragment for each frame; everything that can fail comes first."""
    little_endian = [] if transfer_syntax_of(ds).is_little_endian else little_endian_words(ds)
    tables = offset_tables([len(stream) for stream in streams], offset_table)
    pixel_data = encapsulate(streams, tables)
    _set_pixel_data(ds, pixel_data, "OB", is_encapsulated=True)
    if tables.extended is not None:
        ds.ExtendedOffsetTable, ds.ExtendedOffsetTableLengths = tables.extended
    if ds.SamplesPerPixel > 1:
        ds.PlanarConfiguration = 0
    for other, value in little_endian:
        other.value = value
    if not transfer_syntax_of(ds).is_little_endian:
        ds.set_original_encoding(False, True)
    ds.file_meta.TransferSyntaxUID = transfer_syntax_uid


def set_native(ds: Dataset, samples: NDArray[Any], image_pixel: ImagePixel) -> None:
    """Replace the pixel data by samples (frames, rows, columns[, samples]) in Explicit VR Little Endian."""
    pixel_data = native_bytes(samples, image_pixel)
    _set_pixel_data(ds, pixel_data + b"\0" * (len(pixel_data) % 2), native_vr(image_pixel), is_encapsulated=False)
    if image_pixel.planar_configuration is not None:
        ds.PlanarConfiguration = image_pixel.planar_configuration
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian


def _set_pixel_data(ds: Dataset, value: bytes, vr: str, *, is_encapsulated: bool) -> None:
    """Set Pixel Data, and remove what describes the old one: offset tables and pydicom's cached array."""
    for keyword in ("ExtendedOffsetTable", "ExtendedOffsetTableLengths"):
        if keyword in ds:
            del ds[keyword]
    ds._pixel_array = None
    ds._pixel_id = {}
    element = ds["PixelData"]
    element.value = value
    element.VR = vr
    element.is_undefined_length = is_encapsulated


def little_endian_words(ds: Dataset) -> list[tuple[DataElement, bytes]]:
    """Return the elements that pydicom would leave in big-endian order in a little-endian dataset, and new values."""
    swapped = []
    for element in ds.iterall():  # also makes pydicom parse all numbers that it has not read yet
        size = _WORD_SIZES.get(element.VR)
        if size and element.value and element.keyword != "PixelData":
            words = np.frombuffer(element.value, f">u{size}")
            swapped.append((element, words.astype(f"<u{size}").tobytes()))
    return swapped
