"""Reading a DICOM file frame by frame: only a few of its frames are in memory at a time."""

from __future__ import annotations

import os
import struct
import warnings
import zlib
from contextlib import contextmanager
from functools import cached_property, lru_cache, partial
from itertools import islice
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, cast

import numpy as np
from pydicom import Dataset
from pydicom.charset import convert_encodings, default_encoding
from pydicom.dataelem import DataElement, RawDataElement, empty_value_for_VR
from pydicom.dataset import FileMetaDataset
from pydicom.errors import InvalidDicomError
from pydicom.pixels.decoders.base import get_decoder
from pydicom.tag import BaseTag, Tag
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGLSTransferSyntaxes,
    UncompressedTransferSyntaxes,
)

from dicom_jpegls.dicom import (
    SEQUENCE_DELIMITER,
    FragmentIndex,
    FrameDecoder,
    ImagePixel,
    attribute_error,
    check_native_layout,
    check_native_length,
    coding_of,
    decoded_image_pixel,
    frames_at_once,
    has_swapped_bytes,
    image_pixel_of,
    keyword_of,
    native_samples,
    no_pixel_data_error,
)
from dicom_jpegls.errors import DatasetError, DatasetWarning, JPEGLSError
from dicom_jpegls.files.elements import PIXEL_DATA, UNDEFINED_LENGTH, Element, ElementReader
from dicom_jpegls.files.encoding import OLD_PIXEL_ELEMENTS
from dicom_jpegls.files.errors import NotConvertibleError
from dicom_jpegls.files.opening import DEFAULT_READ_OPTIONS, InflatedFile, ReadOptions, open_regular
from dicom_jpegls.files.steps import SharedCoding, can_share
from dicom_jpegls.parallel import map_blocks_in_order
from dicom_jpegls.parameters import DefaultThresholds

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path
    from types import TracebackType

    from numpy.typing import NDArray

    from dicom_jpegls._codec import Stream
    from dicom_jpegls.files.steps import Steps
    from dicom_jpegls.parameters import StreamInfo

# Elements of group 7FE0 before which reading stops.
_PIXEL_ELEMENTS = {0x7FE00008: "FloatPixelData", 0x7FE00009: "DoubleFloatPixelData", PIXEL_DATA: "PixelData"}
# The attributes of `ImagePixel` by their tags.
_IMAGE_PIXEL = {int(Tag(keyword_of(name))): name for name in ImagePixel._fields}
# Ends the names of photometric interpretations whose chrominance has half the columns.
_SUBSAMPLED = "_422"

# PS3.10 7.1: a preamble and "DICM". Some files begin with the File Meta Information.
_PREAMBLE_SIZE = 128
_PREFIX = b"DICM"
_META_GROUP = 0x0002
_META_LENGTH = 0x00020000
_TRANSFER_SYNTAX = 0x00020010
_MODALITY = 0x00080060
# Of those with a 16-bit length, the elements that every conversion looks at.
_KEY_TAGS = frozenset((*_IMAGE_PIXEL, _MODALITY, *OLD_PIXEL_ELEMENTS, *_PIXEL_ELEMENTS))

_PIXEL_DATA_TAG = struct.pack("<HH", PIXEL_DATA >> 16, PIXEL_DATA & 0xFFFF)

# Frames deflated one by one (PS3.5 A.4.13), which pydicom 3.0 does not know.
_DEFLATED_IMAGE_FRAME = UID("1.2.840.10008.1.2.8.1")


class _OtherGroups:
    """The tags of all elements but those of the File Meta Information."""

    def __contains__(self, tag: object) -> bool:
        return isinstance(tag, int) and tag >> 16 != _META_GROUP


_OTHER_GROUPS = _OtherGroups()


class DecodedPixelData(NamedTuple):
    """The native samples of a file, whatever its transfer syntax."""

    image_pixel: ImagePixel
    frames: Iterator[NDArray[Any]]
    """Each of shape (rows, columns[, samples])."""


class SourceFile:
    """A DICOM file, open for reading; Pixel Data stays in the file.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    options : ReadOptions, optional
        What may be read.
    needs_image : bool, optional
        Whether a file without Pixel Data is refused.
    copied_from : SourceFile, optional
        A file that the elements were copied from: where the bytes are the same, they are not parsed again.

    Attributes
    ----------
    transfer_syntax : pydicom.uid.UID
        Of the dataset; Explicit VR Little Endian if it was deflated.
    reader, meta_reader : ElementReader
        Read the elements of the dataset, and of the File Meta Information.
    meta : list of Element
        The File Meta Information.
    dataset_start, dataset_end : int
        Where the dataset begins, and where Pixel Data does; in a deflated file positions after inflating.
    preamble : bytes
        128 bytes; none if the file begins with the File Meta Information.
    warnings : list of str
        What does not conform to the standard, and how it was read.
    vr : str
        Of Pixel Data.
    near_lossless : int
        The largest NEAR of the JPEG-LS streams decoded so far.
    compressed_size : int
        Bytes of the JPEG-LS streams decoded so far.

    Raises
    ------
    NotConvertibleError
        If it has no Pixel Data, or cannot be read because its transfer syntax is not known.
    DatasetError
        If it has no transfer syntax, or ends inside an element.
    pydicom.errors.InvalidDicomError
        If it is not a DICOM file.
    OSError
        If it cannot be read, or is not a regular file.
    """

    def __init__(
        self,
        path: Path,
        options: ReadOptions = DEFAULT_READ_OPTIONS,
        *,
        needs_image: bool = True,
        copied_from: SourceFile | None = None,
    ) -> None:
        self.near_lossless = self.compressed_size = 0
        self.warnings: list[str] = []
        self._file: BinaryIO = open_regular(path, follow_links=options.follow_links)
        self._handle = self._file.fileno()
        try:
            self._read(options, needs_image, copied_from)
        except BaseException:
            self.close()
            raise

    def _read(self, options: ReadOptions, needs_image: bool, copied_from: SourceFile | None) -> None:
        size: int | None = os.fstat(self._handle).st_size
        self.reader = self.meta_reader = ElementReader(self._file, size=size)
        start = self._read_meta()
        uid = self._uid
        if not uid:
            raise DatasetError("Transfer Syntax UID (0002,0010) is absent")
        self.transfer_syntax = uid
        self._is_deflated = uid == DeflatedExplicitVRLittleEndian
        if self._is_deflated:
            self.transfer_syntax = ExplicitVRLittleEndian
            self._file.seek(start)
            self._file = cast("BinaryIO", InflatedFile(self._file, options.max_inflated_size))
            start, size = 0, None
        if self._is_deflated or uid == ExplicitVRBigEndian:
            self.reader = ElementReader(self._file, is_little_endian=uid != ExplicitVRBigEndian, size=size)
        self.dataset_start = start
        self.dataset_end = -1 if copied_from is None else self._end_of_copy(copied_from)
        if self.dataset_end < 0:
            # Little-endian elements are copied without looking at each.
            keep = _KEY_TAGS if self.reader.is_little_endian else None
            self.key_elements, self.dataset_end = self._scan(keep)
        self.has_pixel_data = self._find_pixel_data(self.dataset_end, needs_image)

    def _end_of_copy(self, other: SourceFile) -> int:
        """Return where Pixel Data begins, after the same bytes, and so elements, as in another file; or else -1."""
        data = other.dataset_bytes()
        end = self.dataset_start + len(data)
        is_copy = (
            self.reader.is_little_endian == other.reader.is_little_endian
            and self.reader.read(self.dataset_start, end) == data
            and self.reader.read(end, end + len(_PIXEL_DATA_TAG)) == _PIXEL_DATA_TAG
        )
        return end if is_copy else -1

    @cached_property
    def elements(self) -> list[Element]:
        """The dataset up to Pixel Data."""
        return self._scan(None)[0]

    @cached_property
    def key_elements(self) -> list[Element]:
        """Those elements of the dataset that not every conversion could copy as they are, or that it looks at."""
        return self.elements

    def _scan(self, keep: frozenset[int] | None) -> tuple[list[Element], int]:
        """Find elements up to Pixel Data, and the position after them."""
        try:
            return self.reader.scan(
                self.dataset_start,
                is_implicit=self.transfer_syntax == ImplicitVRLittleEndian,
                stop=_PIXEL_ELEMENTS,
                keep=keep,
            )
        except DatasetError:
            self._require_known_transfer_syntax()
            raise

    def dataset_bytes(self) -> bytes:
        """Return all elements up to Pixel Data as they are in the file."""
        return self.reader.read(self.dataset_start, self.dataset_end)

    @cached_property
    def file_meta(self) -> FileMetaDataset:
        """The File Meta Information."""
        with reading_dataset():
            return FileMetaDataset(_raw_elements(self.meta_reader, self.meta))

    def _meta_value(self, tag: int) -> Any:
        """Return the value of an element of the File Meta Information, the last of duplicates; None if it is absent."""
        found = [element for element in self.meta if element.tag == tag]
        if not found:
            return None
        value = self.meta_reader.read(found[-1].value, found[-1].end)
        if found[-1].vr == "UI" and b"\\" not in value:
            return _uid_of(value)
        return Dataset(_raw_elements(self.meta_reader, found))[tag].value

    @cached_property
    def ds(self) -> Dataset:
        """Everything before Pixel Data, and the File Meta Information."""
        ds = self.dataset(self.elements)
        ds.file_meta = self.file_meta
        return ds

    def dataset(self, elements: list[Element]) -> Dataset:
        """Return some of the elements as a pydicom dataset."""
        ds = Dataset(_raw_elements(self.reader, elements))
        with reading_dataset():
            character_set = ds.get("SpecificCharacterSet") or default_encoding
            is_implicit = bool(self.elements) and self.elements[0].is_implicit
            ds.set_original_encoding(is_implicit, self.reader.is_little_endian, convert_encodings(character_set))
        return ds

    def _read_meta(self) -> int:
        """Read the File Meta Information, and return the position after it."""
        start = self.reader.read(0, _PREAMBLE_SIZE + len(_PREFIX))
        self.preamble, position = b"", 0
        if start.endswith(_PREFIX):
            self.preamble, position = start[:_PREAMBLE_SIZE], len(start)
        elif not start.startswith(struct.pack("<H", _META_GROUP)) or not start[4:6].isalpha():
            raise InvalidDicomError
        self.meta, end = self.reader.scan(position, stop=_OTHER_GROUPS)
        with reading_dataset():
            self._uid: UID | None = self._meta_value(_TRANSFER_SYNTAX)
            # What follows is not readable if it is deflated, and may look like another element.
            if self._uid == DeflatedExplicitVRLittleEndian and self.meta[0].tag == _META_LENGTH:
                end = self.meta[0].end + int(self._meta_value(_META_LENGTH))
        return end

    def _require_known_transfer_syntax(self) -> None:
        """Raise the error for a transfer syntax whose frames cannot be decoded."""
        uid = self.transfer_syntax
        if uid in (*UncompressedTransferSyntaxes, *JPEGLSTransferSyntaxes, _DEFLATED_IMAGE_FRAME):
            return
        try:
            get_decoder(uid)
        except NotImplementedError:
            name = "it" if uid.name == uid else uid.name
            raise NotConvertibleError(
                f"Transfer Syntax UID (0002,0010) is {uid}; pydicom cannot decode {name}"
            ) from None

    def _find_pixel_data(self, start: int, needs_image: bool) -> bool:
        header = self.reader.read(start, start + 12)
        order = "<" if self.reader.is_little_endian else ">"
        group, number = struct.unpack_from(f"{order}HH", header) if len(header) == 12 else (0, 0)
        keyword = _PIXEL_ELEMENTS.get(group << 16 | number)
        if keyword != "PixelData":
            if needs_image:
                raise NotConvertibleError(str(no_pixel_data_error(keyword)))
            return False
        # Some files switch to implicit VR here. The two letters of a VR, read as a length, would be an odd one.
        self.vr = header[4:6].decode("latin-1")
        explicit = self.vr in ("OB", "OW", "UN")
        if not explicit:
            self.vr = "OW"
        self._length: int = struct.unpack_from(f"{order}L", header, 8 if explicit else 4)[0]
        self._offset = start + (12 if explicit else 8)
        return True

    def __enter__(self) -> SourceFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def fileno(self) -> int:
        """Return the descriptor of the open file."""
        return self._handle

    def close(self) -> None:
        """Close the file; frames can no longer be read."""
        self._file.close()

    @cached_property
    def image_pixel(self) -> ImagePixel:
        """The Image Pixel attributes.

        Raises
        ------
        DatasetError
            If one is absent, not valid, or there more than once.
        """
        tags = [element.tag for element in self.key_elements if element.tag in _IMAGE_PIXEL]
        for tag in tags:
            if tags.count(tag) > 1:
                name = _IMAGE_PIXEL[tag]
                raise attribute_error(name, self.ds.get(keyword_of(name)), f"but it is there {tags.count(tag)} times")
        with reading_dataset():
            image_pixel, found = _image_pixel_of_elements(self.image_pixel_elements)
        for message, category in found:
            if issubclass(category, DatasetWarning):
                self._note(message)
            else:
                warnings.warn(message, category, stacklevel=2)
        return image_pixel

    @cached_property
    def image_pixel_elements(self) -> tuple[DataElement | RawDataElement, ...]:
        """The Image Pixel attributes; equal, and with an equal hash, for files that have the same ones."""
        elements = [element for element in self.key_elements if element.tag in _IMAGE_PIXEL]
        return tuple(_raw_elements(self.reader, elements).values())

    @property
    def modality(self) -> str | None:
        """Modality (0008,0060), in printable ASCII, of at most 16 characters as the standard allows; or None."""
        for element in self.key_elements:
            if element.tag == _MODALITY:
                value = self.reader.read(element.value, min(element.end, element.value + 16)).strip(b" \0")
                text = value.decode("ascii", "replace")
                return text if text.isprintable() and text else None
        return None

    @contextmanager
    def noting_warnings(self) -> Iterator[None]:
        """Keep the warnings about the dataset as a part of the result."""
        with warnings.catch_warnings(record=True) as caught, reading_dataset():
            warnings.simplefilter("always", DatasetWarning)
            yield
        for warning in caught:
            if not issubclass(warning.category, DatasetWarning):
                warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
            else:
                self._note(str(warning.message))

    def _note(self, warning: str) -> None:
        if warning not in self.warnings:
            self.warnings.append(warning)

    @property
    def pixel_data_size(self) -> int:
        """Bytes of the value of Pixel Data; of encapsulated data with the headers of its items."""
        if self._is_deflated:  # its end is not known before all is inflated
            return self._length
        end = self._fragments.end if self._is_encapsulated else self._offset + self._length
        return min(end, self._size) - self._offset

    @cached_property
    def _size(self) -> int:
        return self._file.seek(0, 2)

    @property
    def _is_encapsulated(self) -> bool:
        return self._length == UNDEFINED_LENGTH

    @cached_property
    def _fragments(self) -> FragmentIndex:
        return FragmentIndex(self._file, self._offset)

    def check_encapsulation(self) -> None:
        """Check that Pixel Data is encapsulated if the transfer syntax is a compressed one, and only then.

        Raises
        ------
        DatasetError
            If not; says what the pixel data is.
        """
        if self._is_encapsulated == (self.transfer_syntax not in UncompressedTransferSyntaxes):
            return
        if self._is_encapsulated:
            coding = coding_of(self._fragments.first_bytes())
            found = f"encapsulated and coded {'in an unknown way' if coding is None else f'with {coding.name}'}"
        else:
            found = "native (not encapsulated)"
        raise DatasetError(
            f"Pixel Data (7FE0,0010) is {found}, although Transfer Syntax UID (0002,0010) is "
            f"{self.transfer_syntax.name}: correct that"
        )

    def decoded(self, threads: int = 1, *, as_numbers: bool = False) -> DecodedPixelData:
        """Return the samples of all frames, each decoded when it is asked for, JPEG-LS ahead on threads.

        Parameters
        ----------
        threads : int, optional
            How many JPEG-LS frames are decoded at a time.
        as_numbers : bool, optional
            Whether samples of JPEG-LS streams are limited to Bits Stored; by default they keep all their bits.

        Raises
        ------
        NotConvertibleError
            If it is not an image that JPEG-LS can code, or there is no decoder for it.
        DatasetError
            If Pixel Data does not fit the attributes.
        """
        self._require_known_transfer_syntax()
        image_pixel = self.image_pixel
        _check_has_samples(image_pixel)
        if self.transfer_syntax in UncompressedTransferSyntaxes:
            if image_pixel.photometric_interpretation.endswith(_SUBSAMPLED):
                raise NotConvertibleError(
                    str(
                        attribute_error(
                            "photometric_interpretation",
                            image_pixel.photometric_interpretation,
                            "JPEG-LS cannot code subsampled colours",
                        )
                    )
                )
            return DecodedPixelData(image_pixel, self.native_frames(image_pixel))
        if self.transfer_syntax in JPEGLSTransferSyntaxes:
            return self._decoded_jpegls(image_pixel, threads, as_numbers)
        if self.transfer_syntax == _DEFLATED_IMAGE_FRAME:
            return DecodedPixelData(image_pixel, self._deflated_frames(image_pixel))
        return self._decoded_by_pydicom(image_pixel)

    def native_frames(self, image_pixel: ImagePixel) -> Iterator[NDArray[Any]]:
        """Return the frames of native pixel data, each read when it is asked for."""
        self.check_encapsulation()
        with self.noting_warnings():
            check_native_length(self.pixel_data_size, image_pixel)
        return self._read_native_frames(image_pixel)

    def _read_native_frames(self, image_pixel: ImagePixel) -> Iterator[NDArray[Any]]:
        one = image_pixel._replace(number_of_frames=1)
        size = one.frame_size
        for index in range(image_pixel.number_of_frames):
            start = index * size
            if has_swapped_bytes(one, self.transfer_syntax, self.vr):
                begin = start & ~1
                words = np.frombuffer(self._bytes(begin, (start + size + 1 & ~1) - begin), np.uint16).byteswap()
                yield native_samples(words.tobytes()[start - begin :], one, ExplicitVRLittleEndian, self.vr)[0]
            else:
                yield native_samples(self._bytes(start, size), one, self.transfer_syntax, self.vr)[0]

    def _bytes(self, start: int, size: int) -> bytes:
        """Read a part of native pixel data, whose padding byte may be missing."""
        data = self.reader.read(self._offset + start, self._offset + start + size)
        if len(data) < size - 1:
            raise DatasetError("Pixel Data (7FE0,0010) became shorter while it was read: the file was changed")
        return data.ljust(size, b"\0")

    def stream_infos(self, image_pixel: ImagePixel) -> Iterator[StreamInfo]:
        """Inspect the JPEG-LS stream of each frame and check it against the attributes; decode nothing."""
        decoder = FrameDecoder(image_pixel)
        for index, stream in enumerate(self.streams(image_pixel)):
            yield decoder.open(index, stream).info

    def streams(self, image_pixel: ImagePixel) -> Sequence[bytes | memoryview]:
        """Return the coded frames, each read when it is asked for."""
        self.check_encapsulation()
        with self.noting_warnings():
            return self._fragments.frames(image_pixel.number_of_frames, self.ds.get("ExtendedOffsetTable") or b"")

    def _deflated_frames(self, image_pixel: ImagePixel) -> Iterator[NDArray[Any]]:
        one = image_pixel._replace(number_of_frames=1)
        for index, stream in enumerate(self.streams(image_pixel)):
            try:
                # A frame may have a padding byte.
                data = zlib.decompressobj(-zlib.MAX_WBITS).decompress(stream, one.frame_size + 2)
            except zlib.error as error:
                raise DatasetError(f"Pixel Data (7FE0,0010), frame {index}: {error}") from None
            if not one.frame_size <= len(data) <= one.frame_size + 1:
                raise DatasetError(
                    f"Pixel Data (7FE0,0010), frame {index}: inflates to {len(data)} bytes or more; "
                    f"{one.frame_size} are needed"
                )
            yield native_samples(data, one, ExplicitVRLittleEndian, "OB")[0]

    def _decoded_jpegls(self, image_pixel: ImagePixel, threads: int, as_numbers: bool) -> DecodedPixelData:
        infos = self.stream_infos(image_pixel)
        # Only colours can be by pixel in some streams and by plane in others; then all must be inspected.
        native = decoded_image_pixel(image_pixel, infos if image_pixel.samples_per_pixel > 1 else islice(infos, 1))
        return DecodedPixelData(native, self._jpegls_frames(native, threads, as_numbers))

    def decoded_steps(self, threads: int = 1) -> Steps[DecodedPixelData]:
        """Do what `decoded` does, but decode a small JPEG-LS file now, together with others."""
        decoded = self.decoded(threads)
        image_pixel = decoded.image_pixel
        frames = image_pixel.number_of_frames
        size = self.dataset_end + frames * image_pixel.frame_size
        if threads > 1 or self.transfer_syntax not in JPEGLSTransferSyntaxes or not can_share(frames, size):
            return decoded
        items = list(enumerate(self.streams(image_pixel)))
        results = yield SharedCoding(_decode_frames, _frame_decoder(image_pixel), items, size)
        return DecodedPixelData(image_pixel, self._noting_streams(results))

    def _jpegls_frames(self, image_pixel: ImagePixel, threads: int, as_numbers: bool) -> Iterator[NDArray[Any]]:
        decoder = FrameDecoder(image_pixel, as_numbers=as_numbers)
        items = enumerate(self.streams(image_pixel))
        at_once = frames_at_once(image_pixel, image_pixel.number_of_frames, threads)
        return self._noting_streams(map_blocks_in_order(partial(_decode_frames, decoder), items, threads, at_once))

    def _noting_streams(self, frames: Iterable[tuple[tuple[Stream, NDArray[Any]], int]]) -> Iterator[NDArray[Any]]:
        """Yield the samples of decoded frames, and note what their streams are."""
        for (stream, frame), size in frames:
            info = stream.info
            self.near_lossless = max(self.near_lossless, info.near_lossless)
            self.compressed_size += size
            if info.default_thresholds != DefaultThresholds.STANDARD:
                self._note(
                    "Pixel Data (7FE0,0010) has no preset coding parameters, and was decoded with the default "
                    f"thresholds of {info.default_thresholds.encoder}, because those of the standard do not fit"
                )
            yield frame

    def _decoded_by_pydicom(self, image_pixel: ImagePixel) -> DecodedPixelData:
        """Decode with pydicom, one frame at a time, from the file."""
        decoder = get_decoder(self.transfer_syntax)
        if not decoder.is_available:
            raise NotConvertibleError(
                f"{self.transfer_syntax.name}: pydicom needs one of {', '.join(decoder.missing_dependencies)}"
            )
        ds = Dataset()
        ds.update(self.ds)
        ds.file_meta = self.ds.file_meta
        self._file.seek(self._offset)
        ds.add_new(0x7FE00010, "OB", self._file)
        frames = decoder.iter_array(ds, raw=True)
        fault = f"pydicom cannot decode {self.transfer_syntax.name}"
        with reading_dataset(fault):
            first, properties = next(frames)
        decoded = image_pixel._replace(
            # pydicom returns subsampled colours (JPEG) with full resolution.
            photometric_interpretation=str(properties["photometric_interpretation"]).removesuffix(_SUBSAMPLED),
            bits_allocated=first.dtype.itemsize * 8,
            planar_configuration=0 if image_pixel.samples_per_pixel > 1 else None,
        )

        def all_frames() -> Iterator[NDArray[Any]]:
            count = 1
            yield first
            while count < image_pixel.number_of_frames:
                with reading_dataset(fault):
                    following = next(frames, None)
                if following is None:
                    break
                count += 1
                yield following[0]
            if count < image_pixel.number_of_frames:
                raise attribute_error(
                    "number_of_frames", image_pixel.number_of_frames, f"Pixel Data holds {count} frame(s)"
                )

        return DecodedPixelData(decoded, all_frames())

    @cached_property
    def trailing(self) -> list[Element]:
        """The elements after Pixel Data, such as Data Set Trailing Padding.

        Raises
        ------
        DatasetError
            If there is a second Pixel Data element, or bytes that are no elements.
        """
        end = self._offset + self._length
        if self._is_encapsulated:
            end = self._fragments.end + len(SEQUENCE_DELIMITER)
        elements, _ = self.reader.scan(end) if end < self._size else ([], end)
        if any(element.tag in _PIXEL_ELEMENTS for element in elements):
            raise DatasetError("there is a second Pixel Data element after Pixel Data (7FE0,0010)")
        return elements


@lru_cache(maxsize=64)  # the files of a series have the same attributes
def _check_has_samples(image_pixel: ImagePixel) -> None:
    """Check the attributes that all decoded samples depend on."""
    for name in ("rows", "columns", "number_of_frames"):
        if getattr(image_pixel, name) < 1:
            raise attribute_error(name, getattr(image_pixel, name), "1 or more is allowed")
    try:
        check_native_layout(image_pixel)
    except DatasetError as error:
        raise NotConvertibleError(str(error)) from error


def read_attributes(path: Path, reading: ReadOptions = DEFAULT_READ_OPTIONS) -> Dataset:
    """Return the attributes of a file before Pixel Data, and its File Meta Information; it need not be an image.

    Unlike `pydicom.dcmread`, it opens regular files only, and inflates no more of a deflated dataset than is allowed.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    reading : ReadOptions, optional
        What may be read.

    Raises
    ------
    DatasetError
        If it has no transfer syntax, ends inside an element, or is damaged in another way.
    pydicom.errors.InvalidDicomError
        If it is not a DICOM file.
    OSError
        If it cannot be read, or is not a regular file.
    """
    with SourceFile(path, reading, needs_image=False) as source:
        return source.ds


@lru_cache(maxsize=64)  # the files of a series have the same attributes, and can be decoded together
def _frame_decoder(image_pixel: ImagePixel) -> FrameDecoder:
    return FrameDecoder(image_pixel)


def _decode_frames(
    decoder: FrameDecoder, items: list[tuple[int, bytes | memoryview]]
) -> Iterable[tuple[tuple[Stream, NDArray[Any]], int]]:
    """Decode frames, given by their numbers and streams; return with each the size of its stream."""
    return zip(decoder.open_and_decode(items), (len(data) for _, data in items), strict=True)


@lru_cache(maxsize=256)  # the files of a series have the same ones
def _image_pixel_of_elements(
    elements: tuple[DataElement | RawDataElement, ...],
) -> tuple[ImagePixel, tuple[tuple[str, type[Warning]], ...]]:
    """Return the Image Pixel attributes, and the warnings about them."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        image_pixel = image_pixel_of(dataset_of(elements))
    return image_pixel, tuple((str(warning.message), warning.category) for warning in caught)


def dataset_of(elements: Iterable[DataElement | RawDataElement]) -> Dataset:
    """Return elements as a pydicom dataset."""
    return Dataset({element.tag: element for element in elements})


@lru_cache(maxsize=256)
def _uid_of(value: bytes) -> UID:
    return UID(value.decode("latin-1").rstrip("\0 "))


# The same object for a tag: that of pydicom compares others slowly, and the attributes of a series are compared.
_tag_of = lru_cache(maxsize=4096)(BaseTag)


def _raw_elements(reader: ElementReader, elements: list[Element]) -> dict[BaseTag, DataElement | RawDataElement]:
    """Return elements for a pydicom dataset, which parses a value when it is asked for it; the last of duplicates."""
    raw: dict[BaseTag, DataElement | RawDataElement] = {}
    for element in elements:
        tag = _tag_of(element.tag)
        vr = "SQ" if element.is_sequence else None if element.is_implicit else element.vr
        value = reader.read(element.value, element.end) or empty_value_for_VR(vr, raw=True)
        length = UNDEFINED_LENGTH if element.is_undefined else element.end - element.value
        raw[tag] = RawDataElement(
            tag, vr, length, cast("bytes | None", value), 0, element.is_implicit, reader.is_little_endian
        )
    return raw


@contextmanager
def reading_dataset(fault: str = "cannot be read as DICOM") -> Iterator[None]:
    """Turn whatever pydicom raises for a damaged dataset into an error of the dataset, with `fault` before it."""
    try:
        yield
    except (JPEGLSError, MemoryError, OSError, Warning):
        raise
    except Exception as error:
        raise DatasetError(f"{fault}: {type(error).__name__}: {error}") from error


def little_endian_bytes(samples: NDArray[Any]) -> memoryview:
    """Return samples as little-endian bytes in C order, without a copy where possible."""
    return np.ascontiguousarray(samples, samples.dtype.newbyteorder("<")).reshape(-1).view(np.uint8).data


def file_size(path: str) -> int:
    """Return the size of a file in bytes, 0 if it cannot be read."""
    try:
        return os.stat(path).st_size
    except OSError:
        return 0


def ignore_frame(_size: int) -> None:
    """Do nothing after a frame, the default of `on_frame`."""
