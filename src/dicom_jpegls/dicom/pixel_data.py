"""The pixel data of a dataset: what describes it, its frames, native or encapsulated, and how it is replaced."""

from __future__ import annotations

import operator
import struct
from io import BufferedIOBase
from typing import TYPE_CHECKING, Any

import numpy as np
from pydicom.encaps import encapsulate, encapsulate_extended, generate_frames, parse_fragments
from pydicom.uid import UID, JPEGLSLossless, JPEGLSNearLossless, JPEGLSTransferSyntaxes

from dicom_jpegls import _codec
from dicom_jpegls.dicom import rules
from dicom_jpegls.dicom.rules import ImagePixel
from dicom_jpegls.errors import ParameterError, StreamError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray
    from pydicom.dataelem import DataElement
    from pydicom.dataset import Dataset

# Bytes of a word in the VRs whose values pydicom keeps as they lie in the file (PS3.5 6.2 and 7.3).
_WORD_SIZES = {"OW": 2, "OF": 4, "OL": 4, "OD": 8, "OV": 8}

# A JPEG-LS stream starts so (T.87 C.1.1).
_START_OF_IMAGE = b"\xff\xd8"

# The tag of an item, (FFFE,E000), in little-endian order (PS3.5 A.4).
_ITEM = b"\xfe\xff\x00\xe0"

# The 32-bit offsets of the Basic Offset Table end here (PS3.5 A.4).
_MAXIMUM_BASIC_OFFSET = 2**32 - 1


def transfer_syntax_of(ds: Dataset) -> UID:
    """Read the transfer syntax, which must be there."""
    uid: UID | None = getattr(getattr(ds, "file_meta", None), "TransferSyntaxUID", None)
    if not uid:
        raise ParameterError(
            "Transfer Syntax UID (0002,0010) is absent; set ds.file_meta.TransferSyntaxUID to the pixel data's coding"
        )
    return uid


def require_jpegls(ds: Dataset) -> None:
    """Raise the error for a dataset whose pixel data is not coded with JPEG-LS."""
    uid = transfer_syntax_of(ds)
    if uid not in JPEGLSTransferSyntaxes:
        raise ParameterError(
            f"Transfer Syntax UID (0002,0010) is {uid.name} ({uid}); {JPEGLSLossless} (JPEG-LS Lossless) or "
            f"{JPEGLSNearLossless} (JPEG-LS Near-lossless) is needed"
        )


def require_pixel_data(ds: Dataset) -> None:
    """Raise the error for a dataset without Pixel Data."""
    if "PixelData" not in ds:
        other = [name for name in ("FloatPixelData", "DoubleFloatPixelData") if name in ds]
        raise no_pixel_data_error(other[0] if other else None)


def no_pixel_data_error(other: str | None) -> ParameterError:
    """Make the error for a dataset without Pixel Data; `other` is the keyword of what it has instead."""
    found = f"it has {other}, which JPEG-LS cannot code" if other else "it is no image"
    return ParameterError(f"Pixel Data (7FE0,0010) is absent from the dataset: {found}")


def image_pixel_of(ds: Dataset) -> ImagePixel:
    """Read the Image Pixel attributes; those that must be there, are."""
    values: dict[str, Any] = {}
    for name, keyword in (
        ("rows", "Rows"),
        ("columns", "Columns"),
        ("samples_per_pixel", "SamplesPerPixel"),
        ("photometric_interpretation", "PhotometricInterpretation"),
        ("bits_allocated", "BitsAllocated"),
        ("bits_stored", "BitsStored"),
        ("high_bit", "HighBit"),
        ("pixel_representation", "PixelRepresentation"),
    ):
        values[name] = _value(ds, name, keyword)
        if values[name] is None:
            raise rules.attribute_error(name, None, "an image needs it")
    # Of one sample per pixel the attribute says nothing, and some files have it all the same.
    if values["samples_per_pixel"] > 1:
        values["planar_configuration"] = _value(ds, "planar_configuration", "PlanarConfiguration")
    # Absent, empty and 0 all occur for single-frame images.
    return ImagePixel(number_of_frames=_value(ds, "number_of_frames", "NumberOfFrames") or 1, **values)


def _value(ds: Dataset, name: str, keyword: str) -> Any:
    """Read an attribute that is a single number, or the one that is a string; None for absent and for empty."""
    value = ds.get(keyword)
    if value is None or value == "":
        return None
    if name == "photometric_interpretation":
        return str(value)
    try:
        return operator.index(value)
    except TypeError:
        raise rules.attribute_error(name, value, "a whole number is needed") from None


def native_dtype(image_pixel: ImagePixel) -> np.dtype[Any]:
    """Give the native-endian dtype of the samples in native pixel data."""
    return np.dtype(f"{'i' if image_pixel.is_signed else 'u'}{image_pixel.bytes_allocated}")


def native_shape(image_pixel: ImagePixel) -> tuple[int, ...]:
    """Give the shape of native pixel data as it lies in memory."""
    frames, rows, columns = image_pixel.number_of_frames, image_pixel.rows, image_pixel.columns
    samples = image_pixel.samples_per_pixel
    if samples == 1:
        return (frames, rows, columns)
    if image_pixel.planar_configuration == 1:
        return (frames, samples, rows, columns)
    return (frames, rows, columns, samples)


def native_vr(image_pixel: ImagePixel) -> str:
    """Give the VR of native pixel data in Explicit VR Little Endian (PS3.5 A.2)."""
    return "OB" if image_pixel.bits_allocated <= 8 else "OW"


def native_frames(ds: Dataset, image_pixel: ImagePixel) -> NDArray[Any]:
    """Give native pixel data as an array (frames, rows, columns[, samples]) on the bytes of the dataset."""
    data = _pixel_bytes(ds)
    check_native_length(len(data), image_pixel)
    return native_samples(data, image_pixel, transfer_syntax_of(ds), ds["PixelData"].VR)


def check_native_length(length: int, image_pixel: ImagePixel) -> None:
    """Check that native pixel data of some bytes holds all frames, and not one more."""
    needed = image_pixel.frame_size * image_pixel.number_of_frames
    if length < needed:
        raise ParameterError(
            f"Pixel Data (7FE0,0010) has {length} bytes; {image_pixel.number_of_frames} frame(s) of "
            f"{image_pixel.rows} rows, {image_pixel.columns} columns, {image_pixel.samples_per_pixel} sample(s) of "
            f"{image_pixel.bits_allocated} bits need {needed}: it is truncated"
        )
    if length - needed - needed % 2 >= image_pixel.frame_size:
        raise rules.attribute_error(
            "number_of_frames",
            image_pixel.number_of_frames,
            f"Pixel Data has {length} bytes, {length // image_pixel.frame_size} frames of "
            f"{image_pixel.frame_size} bytes",
        )


def has_swapped_bytes(image_pixel: ImagePixel, transfer_syntax: UID, vr: str) -> bool:
    """Whether native pixel data is of big-endian words of two 8-bit samples each (PS3.5 8.1.1)."""
    return not transfer_syntax.is_little_endian and image_pixel.bits_allocated == 8 and vr == "OW"


def native_samples(data: bytes | bytearray, image_pixel: ImagePixel, transfer_syntax: UID, vr: str) -> NDArray[Any]:
    """Give native pixel data as an array (frames, rows, columns[, samples]), on the bytes where that can be."""
    needed = image_pixel.frame_size * image_pixel.number_of_frames
    dtype = native_dtype(image_pixel)
    if has_swapped_bytes(image_pixel, transfer_syntax, vr):
        words = np.frombuffer(data, np.uint16, count=(needed + 1) // 2).byteswap()
        samples = words.view(dtype)[:needed]
    else:
        dtype = dtype.newbyteorder("<" if transfer_syntax.is_little_endian else ">")
        samples = np.frombuffer(data, dtype, count=needed // dtype.itemsize)
    samples = samples.reshape(native_shape(image_pixel))
    return samples.transpose(0, 2, 3, 1) if image_pixel.planar_configuration == 1 else samples


def encapsulated_frames(ds: Dataset, image_pixel: ImagePixel) -> Iterator[tuple[int, bytes | memoryview]]:
    """Give number and bytes of each frame of encapsulated pixel data (PS3.5 A.4), on it where that can be."""
    data = _pixel_bytes(ds)
    count = image_pixel.number_of_frames
    try:
        items = list(_fragments(data))
        if not items:
            raise ValueError("it has no item")
        frames = _frames_by_start(items[1:])  # the first item is the Basic Offset Table
        if len(frames) < count:
            frames = list(_frames_by_table(ds, data, count))
    except (ValueError, struct.error) as error:
        raise ParameterError(f"Pixel Data (7FE0,0010) is not soundly encapsulated: {error}") from error
    if len(frames) != count:
        raise rules.attribute_error("number_of_frames", count, f"Pixel Data holds {len(frames)} frame(s)")
    yield from enumerate(frames)


def partial_frames(ds: Dataset, image_pixel: ImagePixel) -> Iterator[tuple[int, bytes | memoryview]]:
    """Give number and bytes of each frame of pixel data that may end too early; of a missing frame no bytes.

    Raises
    ------
    ParameterError
        If it is not sure which frame is which.
    """
    count = image_pixel.number_of_frames
    try:
        yield from encapsulated_frames(ds, image_pixel)
        return
    except ParameterError:
        data = _pixel_bytes(ds)
        frames = _frames_by_start(_fragments_to_end(data))
        # Where a frame's start is damaged, the frame is at the end of that before it, and the count is wrong. So it is
        # if there are fewer bytes than frames.
        if not len(frames) <= count <= len(data) or not all(_is_one_stream(frame) for frame in frames[:-1]):
            raise
    frames += [b""] * (count - len(frames))
    yield from enumerate(frames)


def _fragments(data: bytes) -> Iterator[memoryview]:
    """Give the items of encapsulated pixel data (PS3.5 A.4) without a copy.

    Raises
    ------
    ValueError
        If it is not soundly encapsulated.
    """
    view = memoryview(data)
    for position in parse_fragments(data)[1]:
        begin = position + 8
        yield view[begin : begin + int.from_bytes(view[position + 4 : begin], "little")]


def _fragments_to_end(data: bytes) -> Iterator[bytes]:
    """Give the fragments of encapsulated pixel data (PS3.5 A.4), the last one as far as it is there."""
    position = 0
    table = True
    while data[position : position + 4] == _ITEM and position + 8 <= len(data):
        begin = position + 8
        position = begin + int.from_bytes(data[position + 4 : begin], "little")
        if not table:
            yield data[begin:position]
        table = False


def _is_one_stream(frame: bytes | memoryview) -> bool:
    try:
        return _codec.read_info(frame, max_samples=2**63 - 1).trailing_size == 0
    except StreamError:
        return False


def _frames_by_start(fragments: Iterable[bytes | memoryview]) -> list[bytes | memoryview]:
    """Put fragments together into frames, each of which starts with SOI, as no later fragment of a frame does.

    So neither a wrong offset table nor a missing one matters. Gives nothing if the first fragment starts otherwise.
    """
    frames: list[list[bytes | memoryview]] = []
    for fragment in fragments:
        if fragment[:2] == _START_OF_IMAGE:
            frames.append([fragment])
        elif frames:
            frames[-1].append(fragment)
        else:
            return []
    return [frame[0] if len(frame) == 1 else b"".join(frame) for frame in frames]


def _frames_by_table(ds: Dataset, data: bytes, count: int) -> Iterator[bytes]:
    tables = None
    if "ExtendedOffsetTable" in ds and "ExtendedOffsetTableLengths" in ds:
        tables = (ds.ExtendedOffsetTable, ds.ExtendedOffsetTableLengths)
    return generate_frames(data, number_of_frames=count, extended_offsets=tables)


def _pixel_bytes(ds: Dataset) -> bytes:
    """Give the value of Pixel Data; pydicom may hold it as a file-like object."""
    value = ds["PixelData"].value
    if isinstance(value, BufferedIOBase):
        value.seek(0)
        return value.read()
    return value  # type: ignore[no-any-return]


def set_encapsulated(ds: Dataset, streams: list[bytes], transfer_syntax_uid: str, offset_table: str) -> None:
    """Replace the pixel data by one fragment for each frame; what can fail comes first."""
    little_endian = [] if transfer_syntax_of(ds).is_little_endian else little_endian_words(ds)
    tables = None
    too_far = sum(len(stream) + 8 for stream in streams[:-1]) > _MAXIMUM_BASIC_OFFSET
    if offset_table == "extended" or (offset_table == "basic" and too_far):
        pixel_data, *tables = encapsulate_extended(streams)
    else:
        pixel_data = encapsulate(streams, has_bot=offset_table == "basic")
    forget_old_pixels(ds)
    if tables:
        ds.ExtendedOffsetTable, ds.ExtendedOffsetTableLengths = tables
    element = ds["PixelData"]
    element.value = pixel_data
    element.VR = "OB"
    element.is_undefined_length = True
    if ds.SamplesPerPixel > 1:
        ds.PlanarConfiguration = 0
    for other, value in little_endian:
        other.value = value
    if not transfer_syntax_of(ds).is_little_endian:
        ds.set_original_encoding(False, True)
    ds.file_meta.TransferSyntaxUID = UID(transfer_syntax_uid)


def little_endian_words(ds: Dataset) -> list[tuple[DataElement, bytes]]:
    """Give what pydicom would leave in big-endian order when a big-endian dataset becomes little-endian."""
    swapped = []
    for element in ds.iterall():  # also makes pydicom interpret all numbers that it has not looked at yet
        size = _WORD_SIZES.get(element.VR)
        if size and element.value and element.keyword != "PixelData":
            words = np.frombuffer(element.value, f">u{size}")
            swapped.append((element, words.astype(f"<u{size}").tobytes()))
    return swapped


def forget_old_pixels(ds: Dataset) -> None:
    """Drop what describes the pixel data that is about to be replaced: offset tables and pydicom's cached array."""
    for keyword in ("ExtendedOffsetTable", "ExtendedOffsetTableLengths"):
        if keyword in ds:
            del ds[keyword]
    ds._pixel_array = None
    ds._pixel_id = {}
