"""The pixel data of a dataset: its attributes, its native samples, its encapsulated frames, and replacing it."""

from __future__ import annotations

import operator
import reprlib
import sys
from io import BufferedIOBase
from typing import TYPE_CHECKING, Any

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    UID,
    ExplicitVRBigEndian,
    JPEGLSLossless,
    JPEGLSNearLossless,
    JPEGLSTransferSyntaxes,
    UncompressedTransferSyntaxes,
)

from dicom_jpegls._codec import NewBytes, check_size
from dicom_jpegls.array import new_array
from dicom_jpegls.dicom.codings import coding_of
from dicom_jpegls.dicom.diagnostics import reading, warn_of_dataset
from dicom_jpegls.dicom.fragments import ITEM_TAG, FragmentIndex, Frames, OffsetTables, encapsulate
from dicom_jpegls.dicom.rules import ImagePixel, attribute_error, attribute_name, keyword_of
from dicom_jpegls.errors import DatasetError, ParameterError
from dicom_jpegls.ranges import is_within, sample_range

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pydicom.dataelem import DataElement

_PIXEL_DATA = 0x7FE00010

# Bytes of a word in the VRs whose values pydicom keeps in the byte order of the file (PS3.5 6.2 and 7.3).
_WORD_SIZES = {"OW": 2, "OF": 4, "OL": 4, "OD": 8, "OV": 8}


def require_dataset(ds: Dataset) -> None:
    """Raise the error for an argument that is not a dataset, such as a path."""
    if not isinstance(ds, Dataset):
        raise TypeError(
            f"ds: must be a pydicom.dataset.Dataset, not {type(ds).__name__}: read a file with pydicom.dcmread(path)"
        )


def value_of(ds: Dataset, keyword: str) -> Any:
    """Return the value of an attribute; None if it is absent or empty.

    Raises
    ------
    DatasetError
        If pydicom cannot parse the value.
    """
    with reading(attribute_name(keyword)):
        value = ds.get(keyword)
        return None if isinstance(value, str) and not value else value


def transfer_syntax_of(ds: Dataset) -> UID:
    """Return the transfer syntax, which must be present."""
    meta = getattr(ds, "file_meta", None)
    value = value_of(meta, "TransferSyntaxUID") if isinstance(meta, Dataset) else None
    if value is None:
        raise DatasetError(
            "Transfer Syntax UID (0002,0010) is absent; set ds.file_meta.TransferSyntaxUID to the pixel data's coding"
        )
    if not isinstance(value, str):
        raise DatasetError(f"Transfer Syntax UID (0002,0010) is {reprlib.repr(value)}; must be one UID")
    return value if isinstance(value, UID) else UID(value)


def is_big_endian(ds: Dataset) -> bool:
    """Return whether the transfer syntax is Explicit VR Big Endian; there may be none."""
    meta = getattr(ds, "file_meta", None)
    return isinstance(meta, Dataset) and value_of(meta, "TransferSyntaxUID") == ExplicitVRBigEndian


def require_native(ds: Dataset) -> None:
    """Raise the error for a dataset whose pixel data is not native."""
    uid = transfer_syntax_of(ds)
    if uid not in UncompressedTransferSyntaxes:
        raise DatasetError(
            f"Transfer Syntax UID (0002,0010) is {uid.name} ({uid}); only native pixel data can be "
            "compressed: decompress it first"
        )
    require_pixel_data(ds)
    if is_encapsulated(ds):
        raise DatasetError(
            f"Pixel Data (7FE0,0010) is encapsulated, although Transfer Syntax UID (0002,0010) is {uid.name}: "
            f"{_found_coding(ds)}"
        )


def require_jpegls(ds: Dataset) -> None:
    """Raise the error for a dataset whose pixel data is not coded with JPEG-LS."""
    uid = transfer_syntax_of(ds)
    if uid not in JPEGLSTransferSyntaxes:
        found = ""
        if uid in UncompressedTransferSyntaxes and has_pixel_data(ds) and is_encapsulated(ds):
            found = f", although Pixel Data (7FE0,0010) is encapsulated: {_found_coding(ds)}"
        raise DatasetError(
            f"Transfer Syntax UID (0002,0010) is {uid.name} ({uid}){found}; must be {JPEGLSLossless} (JPEG-LS "
            f"Lossless) or {JPEGLSNearLossless} (JPEG-LS Near-lossless)"
        )


def _found_coding(ds: Dataset) -> str:
    """Return what the first frame of encapsulated pixel data is coded with, for an error message."""
    index = FragmentIndex(pixel_bytes(ds))
    coding = coding_of(index.first_bytes())
    if coding is None:
        return "how its frames are coded is not known"
    return f"its frames are coded with {coding.name}; set ds.file_meta.TransferSyntaxUID to that"


def require_pixel_data(ds: Dataset) -> None:
    """Raise the error for a dataset without Pixel Data."""
    if not has_pixel_data(ds):
        other = [name for name in ("FloatPixelData", "DoubleFloatPixelData") if name in ds]
        if not other and "Rows" in ds and transfer_syntax_of(ds) not in UncompressedTransferSyntaxes:
            raise DatasetError(
                "Pixel Data (7FE0,0010) is absent from the dataset: pydicom.dcmread leaves it out if the file is "
                "truncated; dicom_jpegls.read_truncated returns what there is"
            )
        raise no_pixel_data_error(other[0] if other else None)


def has_pixel_data(ds: Dataset) -> bool:
    """Return whether a dataset, or an item of a sequence, has Pixel Data."""
    return "PixelData" in ds


def no_pixel_data_error(other: str | None) -> DatasetError:
    """Return the error for a dataset without Pixel Data; `other` is the keyword of what it has instead."""
    found = f"it has {other}, which JPEG-LS cannot code" if other else "it is no image"
    return DatasetError(f"Pixel Data (7FE0,0010) is absent from the dataset: {found}")


def image_pixel_of(ds: Dataset) -> ImagePixel:
    """Return the Image Pixel attributes of a dataset, or of an item of a sequence.

    Raises
    ------
    DatasetError
        If a required attribute is absent, or one is not an integer.

    Warns
    -----
    DatasetWarning
        If High Bit is absent; it is one less than Bits Stored (PS3.5 8.1.1).
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
            if name != "high_bit":
                raise attribute_error(name, None, "an image needs it")
            values[name] = values["bits_stored"] - 1
            warn_of_dataset(
                f"{attribute_name('HighBit')} is absent; taken to be {values[name]}, one less than Bits Stored"
            )
    # It has no meaning for one sample per pixel, but some files contain it.
    if values["samples_per_pixel"] > 1:
        values["planar_configuration"] = _value(ds, "planar_configuration")
    # It may be absent, empty or 0 in single-frame images.
    return ImagePixel(number_of_frames=_value(ds, "number_of_frames") or 1, **values)


def image_pixel_changes(ds: Dataset, image_pixel: ImagePixel) -> Dataset:
    """Return the attributes of the samples that a dataset, or an item of a sequence, lacks or has otherwise."""
    changes = Dataset()
    for name in ("photometric_interpretation", "bits_allocated", "bits_stored", "high_bit", "planar_configuration"):
        keyword, value = keyword_of(name), getattr(image_pixel, name)
        if value is not None and ds.get(keyword) != value:
            setattr(changes, keyword, value)
    return changes


def _value(ds: Dataset, name: str) -> Any:
    """Return the value of an attribute, an integer or the one that is a string; None if it is absent or empty."""
    value = value_of(ds, keyword_of(name))
    if value is None:
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
    return _by_pixel(new_array(_memory_shape(image_pixel), native_dtype(image_pixel)), image_pixel)


class NewPixelData:
    """Native pixel data that are decoded directly into the value of Pixel Data.

    Parameters
    ----------
    image_pixel : ImagePixel
        The attributes of the image.

    Attributes
    ----------
    samples : numpy.ndarray
        Uninitialised, shape (frames, rows, columns[, samples]).
    """

    def __init__(self, image_pixel: ImagePixel) -> None:
        size = image_pixel.frame_size * image_pixel.number_of_frames
        self._bytes = NewBytes(check_size(size + size % 2))
        content = np.frombuffer(self._bytes, np.uint8)  # type: ignore[call-overload]  # no __buffer__ before Python 3.12
        content[size:] = 0  # the padding
        self._in_memory = content[:size].view(native_dtype(image_pixel))
        self.samples: NDArray[Any] = _by_pixel(self._in_memory.reshape(_memory_shape(image_pixel)), image_pixel)

    def finish(self) -> bytes:
        """Return the value of Pixel Data; the samples must not be used after that."""
        if sys.byteorder == "big":
            self._in_memory.byteswap(inplace=True)
        return self._bytes.content


def native_bytes(samples: NDArray[Any], image_pixel: ImagePixel) -> bytes:
    """Return samples (frames, rows, columns[, samples]) as little-endian native pixel data, without padding."""
    in_memory = samples.transpose(0, 3, 1, 2) if image_pixel.planar_configuration == 1 else samples
    return in_memory.astype(in_memory.dtype.newbyteorder("<"), copy=False).tobytes()


def native_vr(image_pixel: ImagePixel) -> str:
    """Return the VR of native pixel data in Explicit VR Little Endian (PS3.5 A.2)."""
    return "OB" if image_pixel.bits_allocated <= 8 else "OW"


def native_frames(ds: Dataset, image_pixel: ImagePixel) -> NDArray[Any]:
    """Return native pixel data as an array (frames, rows, columns[, samples]) that shares the dataset's memory."""
    data = pixel_bytes(ds)
    check_native_length(len(data), image_pixel)
    return native_samples(data, image_pixel, transfer_syntax_of(ds), ds["PixelData"].VR)


def array_frames(array: NDArray[Any], image_pixel: ImagePixel) -> NDArray[Any]:
    """Check the caller's samples against the attributes; return them as an array (frames, rows, columns[, samples]).

    Raises
    ------
    ParameterError
        If the shape or the dtype does not fit, or a sample does not fit into Bits Allocated.
    TypeError
        If it is not an array.
    """
    if not isinstance(array, np.ndarray):
        raise TypeError(f"arr: must be a numpy.ndarray, not {type(array).__name__}")
    shape = _memory_shape(image_pixel._replace(planar_configuration=0))
    if array.shape != shape and (image_pixel.number_of_frames > 1 or array.shape != shape[1:]):
        raise ParameterError(
            f"arr: shape must be {shape if image_pixel.number_of_frames > 1 else shape[1:]} for the dataset's "
            f"attributes, found {array.shape}"
        )
    dtype = native_dtype(image_pixel)
    if array.dtype.kind not in "ui":
        raise ParameterError(f"arr: must have an integer dtype, found {array.dtype}")
    if not is_within(array, *sample_range(image_pixel.bits_allocated, image_pixel.is_signed)):
        raise ParameterError(
            f"arr: samples must be within {dtype.name}, by Bits Allocated (0028,0100) {image_pixel.bits_allocated} and "
            f"Pixel Representation (0028,0103) {image_pixel.pixel_representation}, found {array.min()} to {array.max()}"
        )
    return array.astype(dtype, copy=False).reshape(shape)


def check_native_length(length: int, image_pixel: ImagePixel) -> None:
    """Check that native pixel data of some bytes contains all frames.

    Raises
    ------
    DatasetError
        If it is too short.

    Warns
    -----
    DatasetWarning
        If there are bytes for more frames, which are ignored.
    """
    needed = image_pixel.frame_size * image_pixel.number_of_frames
    if length < needed:
        raise DatasetError(
            f"Pixel Data (7FE0,0010) has {length} bytes; {image_pixel.number_of_frames} frame(s) of "
            f"{image_pixel.rows} rows, {image_pixel.columns} columns, {image_pixel.samples_per_pixel} sample(s) of "
            f"{image_pixel.bits_allocated} bits need {needed}: it is truncated"
        )
    if length - needed - needed % 2 >= image_pixel.frame_size:
        warn_of_dataset(
            f"{attribute_name('NumberOfFrames')} is {image_pixel.number_of_frames}; Pixel Data has {length} bytes, "
            f"{length // image_pixel.frame_size} frames of {image_pixel.frame_size} bytes: the rest is ignored"
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
    index = FragmentIndex(pixel_bytes(ds))
    offsets = value_of(ds, "ExtendedOffsetTable") or b""
    if not isinstance(offsets, bytes):
        raise attribute_error("extended_offset_table", offsets, "must be bytes")
    return (index.partial_frames if partial else index.frames)(count, offsets)


def pixel_bytes(ds: Dataset) -> bytes:
    """Return the value of Pixel Data, which pydicom may keep in a file-like object."""
    with reading("Pixel Data (7FE0,0010)"):
        value = ds["PixelData"].value
        if isinstance(value, BufferedIOBase):
            value.seek(0)
            return value.read()
    if value is None:
        return b""
    if not isinstance(value, (bytes, bytearray)):
        raise DatasetError(f"Pixel Data (7FE0,0010) must be bytes, found {type(value).__name__}")
    return bytes(value)


def is_encapsulated(ds: Dataset) -> bool:
    """Return whether Pixel Data is encapsulated, whatever the transfer syntax is.

    That is, if it had an undefined length in a file (PS3.5 A.4). In a dataset that was not read from one, it begins
    with an item and has not the length of the native samples.
    """
    with reading("Pixel Data (7FE0,0010)"):
        if ds["PixelData"].is_undefined_length:
            return True
    data = pixel_bytes(ds)
    if not data.startswith(ITEM_TAG):
        return False
    image_pixel = image_pixel_of(ds)
    size = image_pixel.frame_size * image_pixel.number_of_frames
    return len(data) not in (size, size + size % 2)


def set_encapsulated(ds: Dataset, streams: list[bytes], transfer_syntax_uid: UID, tables: OffsetTables) -> None:
    """Replace the pixel data by one fragment for each frame."""
    _set_pixel_data(ds, encapsulate(streams, tables), "OB", is_encapsulated=True)
    if tables.extended is not None:
        ds.ExtendedOffsetTable, ds.ExtendedOffsetTableLengths = tables.extended
    set_transfer_syntax(ds, transfer_syntax_uid)


def set_native(ds: Dataset, pixel_data: bytes, image_pixel: ImagePixel) -> None:
    """Replace the pixel data of a dataset, or of an item of a sequence, by little-endian native samples."""
    _set_pixel_data(ds, pixel_data + b"\0" * (len(pixel_data) % 2), native_vr(image_pixel), is_encapsulated=False)
    ds.update(image_pixel_changes(ds, image_pixel))


def set_transfer_syntax(ds: Dataset, uid: UID) -> None:
    """Set the transfer syntax of a dataset, whose values are those of a little-endian one."""
    if getattr(ds, "file_meta", None) is None:
        ds.file_meta = FileMetaDataset()
    if is_big_endian(ds):
        ds.set_original_encoding(False, True)
    ds.file_meta.TransferSyntaxUID = uid


def _set_pixel_data(ds: Dataset, value: bytes, vr: str, *, is_encapsulated: bool) -> None:
    """Set Pixel Data, and remove what describes the old one: offset tables and pydicom's cached array."""
    for keyword in ("ExtendedOffsetTable", "ExtendedOffsetTableLengths"):
        if keyword in ds:
            del ds[keyword]
    ds._pixel_array = None
    ds._pixel_id = {}
    ds.add_new("PixelData", vr, value)
    ds["PixelData"].is_undefined_length = is_encapsulated


def little_endian_words(ds: Dataset) -> list[tuple[DataElement, bytes]]:
    """Return the elements that pydicom would leave in big-endian order in a little-endian dataset, and new values.

    Not Pixel Data of the dataset itself, but that of items of sequences if it is native.
    """
    swapped = []
    with reading("the big-endian dataset"):
        for element in ds.iterall():  # also makes pydicom parse all numbers that it has not read yet
            size = _WORD_SIZES.get(element.VR)
            if not size or not element.value or element.is_undefined_length:
                continue
            if element is ds.get(_PIXEL_DATA):
                continue
            words = np.frombuffer(element.value, f">u{size}")
            swapped.append((element, words.astype(f"<u{size}").tobytes()))
    return swapped
