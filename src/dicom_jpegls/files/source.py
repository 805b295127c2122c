"""DICOM files read frame by frame: however large a file is, only a few of its frames are in memory."""

from __future__ import annotations

import struct
import zlib
from functools import cached_property
from itertools import islice, pairwise
from tempfile import SpooledTemporaryFile
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, cast

import numpy as np
from pydicom import Dataset, FileDataset, dcmread
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.encaps import parse_basic_offsets, parse_fragments
from pydicom.filereader import read_dataset, read_file_meta_info
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    JPEGLSTransferSyntaxes,
    UncompressedTransferSyntaxes,
)
from pydicom.valuerep import EXPLICIT_VR_LENGTH_32

from dicom_jpegls.dicom.dataset import decode_frame, decoded_image_pixel, open_frame
from dicom_jpegls.dicom.pixel_data import (
    check_native_length,
    has_swapped_bytes,
    image_pixel_of,
    native_dtype,
    native_samples,
    native_shape,
    no_pixel_data_error,
)
from dicom_jpegls.dicom.rules import attribute_error, check_native_layout
from dicom_jpegls.errors import ParameterError
from dicom_jpegls.parallel import map_in_order

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import TracebackType

    from numpy.typing import NDArray
    from pydicom.uid import UID

    from dicom_jpegls.dicom.rules import ImagePixel
    from dicom_jpegls.parameters import StreamInfo

# Elements of group 7FE0 in front of which reading stops.
_PIXEL_ELEMENTS = {0x0008: "FloatPixelData", 0x0009: "DoubleFloatPixelData", 0x0010: "PixelData"}
# Of the names of photometric interpretations whose chrominance has half the columns.
_SUBSAMPLED = "_422"
_UNDEFINED_LENGTH = 0xFFFFFFFF

# A JPEG-LS stream starts so (T.87 C.1.1).
START_OF_IMAGE = b"\xff\xd8"

# The File Meta Information begins with its length, behind a preamble of 128 bytes and "DICM" (PS3.10 7.1).
_META_LENGTH = struct.Struct("<132s4s2sHL")
_META_LENGTH_TAG = b"\x02\x00\x00\x00"

# Deflated data may inflate to native pixel data of the largest length, and as much again of everything else.
_MAXIMUM_INFLATED_SIZE = 2**33
_INFLATED_IN_MEMORY = 2**24
_CHUNK = 2**20


class NotConvertibleError(ParameterError):
    """The file is sound, but holds no image, or none that can be coded."""


class Decoded(NamedTuple):
    """Native samples of a file, whatever codes them there."""

    image_pixel: ImagePixel
    frames: Iterator[NDArray[Any]]
    """Each of shape (rows, columns[, samples])."""
    attributes: Dataset
    """What the dataset has to say of the samples instead of what it says."""


class SourceFile:
    """A DICOM file, open for reading; its Pixel Data stays in the file.

    Attributes
    ----------
    ds : pydicom.dataset.FileDataset
        Everything in front of Pixel Data.
    transfer_syntax : pydicom.uid.UID
        How the dataset is encoded; Explicit VR Little Endian if it was deflated.
    near_lossless : int
        The largest NEAR of the JPEG-LS streams that were decoded so far.
    streams_size : int
        Bytes of the JPEG-LS streams that were decoded so far.

    Raises
    ------
    NotConvertibleError
        If it has no Pixel Data.
    ParameterError
        If it says no transfer syntax, or ends inside an attribute.
    pydicom.errors.InvalidDicomError
        If it is no DICOM file.
    OSError
        If it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.near_lossless = self.streams_size = 0
        self._file: BinaryIO = path.open("rb")
        try:
            self._read(path)
        except BaseException:
            self.close()
            raise

    def _read(self, path: Path) -> None:
        start = self._file.read(4096)
        self._file.seek(0)
        if DeflatedExplicitVRLittleEndian.encode() in start:
            self._inflate(path, start)
        else:
            self.ds = dcmread(self._file, stop_before_pixels=True)
        uid = self.ds.file_meta.get("TransferSyntaxUID")
        if not uid:
            raise ParameterError("Transfer Syntax UID (0002,0010) is absent")
        self.transfer_syntax: UID = ExplicitVRLittleEndian if uid == DeflatedExplicitVRLittleEndian else uid
        self._order = "<" if self.transfer_syntax.is_little_endian else ">"
        self._find_pixel_data()

    def _inflate(self, path: Path, start: bytes) -> None:
        """Put a deflated dataset into a temporary file without a name, so that it can be read like any other."""
        meta = read_file_meta_info(path)
        _, tag, _, _, length = _META_LENGTH.unpack_from(start)
        if meta.get("TransferSyntaxUID") != DeflatedExplicitVRLittleEndian:
            self.ds = dcmread(self._file, stop_before_pixels=True)
            return
        if tag != _META_LENGTH_TAG:
            raise NotConvertibleError("File Meta Information Group Length (0002,0000) is absent, and the rest deflated")
        deflated, self._file = self._file, cast("BinaryIO", SpooledTemporaryFile(max_size=_INFLATED_IN_MEMORY))  # noqa: SIM115
        with deflated:
            deflated.seek(_META_LENGTH.size + length)
            inflater = zlib.decompressobj(-zlib.MAX_WBITS)
            while not inflater.eof and (chunk := inflater.unconsumed_tail or deflated.read(_CHUNK)):
                self._file.write(inflater.decompress(chunk, _CHUNK))
                if self._file.tell() > _MAXIMUM_INFLATED_SIZE:
                    raise ParameterError(f"the deflated dataset has more than {_MAXIMUM_INFLATED_SIZE} bytes")
        self._file.seek(0)
        dataset = read_dataset(self._file, False, True, stop_when=lambda tag, _vr, _length: _is_pixel_element(tag))
        self.ds = FileDataset(str(path), dataset, start[:128], meta, is_implicit_VR=False, is_little_endian=True)

    def _find_pixel_data(self) -> None:
        place = self._file.tell()
        header = self._file.read(12)
        group, element = struct.unpack_from(f"{self._order}HH", header) if len(header) == 12 else (None, None)
        keyword = _PIXEL_ELEMENTS.get(element) if group == 0x7FE0 and element is not None else None
        if keyword != "PixelData":
            self._check_end(place)
            raise NotConvertibleError(str(no_pixel_data_error(keyword)))
        # Some files switch to implicit VR; the two letters of a VR would be an odd length.
        self.vr = header[4:6].decode("latin-1")
        explicit = self.vr in ("OB", "OW", "UN")
        if not explicit:
            self.vr = "OW"
        (self._length,) = struct.unpack_from(f"{self._order}L", header, 8 if explicit else 4)
        self._head_end = place
        self._offset = place + (12 if explicit else 8)
        self._size = self._file.seek(0, 2)

    def _check_end(self, end: int) -> None:
        """See that a file without Pixel Data was not cut off in front of it."""
        if not self.ds:
            return
        last: DataElement | RawDataElement = self.ds.get_item(max(self.ds.keys()))
        if isinstance(last, RawDataElement) and len(last.value or b"") < last.length < _UNDEFINED_LENGTH:
            raise ParameterError(f"the file ends after {end} bytes inside the value of {last.tag}: it is truncated")

    def __enter__(self) -> SourceFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def head(self) -> bytes | None:
        """Read what is between the File Meta Information and Pixel Data, if it can stay as it is in another file.

        That is: as Explicit VR Little Endian, and without elements which depend on Pixel Data (offset tables, the
        length of its group).
        """
        tags = sorted(self.ds.keys())
        if not tags or not self.transfer_syntax.is_little_endian or self.transfer_syntax.is_implicit_VR:
            return None
        if tags[-1] >> 16 == 0x7FE0:
            return None
        first: DataElement | RawDataElement = self.ds.get_item(tags[0])
        value = first.value_tell if isinstance(first, RawDataElement) else first.file_tell
        vr = str(first.VR)
        start = (value or 0) - (12 if vr in EXPLICIT_VR_LENGTH_32 else 8)
        expected = struct.pack("<HH2s", first.tag.group, first.tag.element, vr.encode())
        if not 0 < start < self._head_end:
            return None
        self._file.seek(start)
        head = self._file.read(self._head_end - start)
        return head if head.startswith(expected) else None

    @property
    def pixel_data_size(self) -> int:
        """Bytes of the value of Pixel Data; of encapsulated data with its items."""
        end = self._fragments[1] if self._length == _UNDEFINED_LENGTH else self._offset + self._length
        return min(end, self._size) - self._offset

    def decoded(self, threads: int = 1) -> Decoded:
        """Give the samples of all frames, each of them decoded when it is its turn, JPEG-LS on some threads ahead.

        Raises
        ------
        NotConvertibleError
            If there is no decoder.
        ParameterError
            If Pixel Data does not fit the attributes.
        """
        image_pixel = image_pixel_of(self.ds)
        for name in ("rows", "columns", "number_of_frames"):
            if getattr(image_pixel, name) < 1:
                raise attribute_error(name, getattr(image_pixel, name), "1 or more is allowed")
        try:
            check_native_layout(image_pixel)
        except ParameterError as error:
            raise NotConvertibleError(str(error)) from error
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
            return Decoded(image_pixel, self.native_frames(image_pixel), Dataset())
        if self.transfer_syntax in JPEGLSTransferSyntaxes:
            image_pixel = self.decoded_image_pixel()
            return Decoded(image_pixel, self._jpegls_frames(image_pixel, threads), Dataset())
        return self._decoded_by_pydicom(image_pixel)

    def native_frames(self, image_pixel: ImagePixel, first: int = 0, last: int | None = None) -> Iterator[NDArray[Any]]:
        """Give the frames of native pixel data from `first` up to `last`, which is not among them."""
        if self._length == _UNDEFINED_LENGTH:
            raise ParameterError("Pixel Data (7FE0,0010) has an undefined length, as only compressed data may have")
        check_native_length(self.pixel_data_size, image_pixel)
        one = image_pixel._replace(number_of_frames=1)
        size = one.frame_size
        for index in range(first, image_pixel.number_of_frames if last is None else last):
            start = index * size
            if has_swapped_bytes(one, self.transfer_syntax, self.vr):
                begin = start & ~1
                words = np.frombuffer(self._bytes(begin, (start + size + 1 & ~1) - begin), np.uint16).byteswap()
                yield native_samples(words.tobytes()[start - begin :], one, ExplicitVRLittleEndian, self.vr)[0]
            else:
                yield native_samples(self._bytes(start, size), one, self.transfer_syntax, self.vr)[0]

    def _bytes(self, start: int, size: int) -> bytes:
        """Read a part of Pixel Data that lies inside the file; a byte of padding may be missing."""
        self._file.seek(self._offset + start)
        data = self._file.read(size)
        if len(data) < size - 1:
            raise ParameterError("Pixel Data (7FE0,0010) became shorter while it was read")
        return data.ljust(size, b"\0")

    def decoded_image_pixel(self) -> ImagePixel:
        """Give the attributes of JPEG-LS data once it is decompressed; reads, for colour, all streams."""
        image_pixel = image_pixel_of(self.ds)
        check_native_layout(image_pixel)
        infos = self.infos(image_pixel)
        return decoded_image_pixel(image_pixel, infos if image_pixel.samples_per_pixel > 1 else islice(infos, 1))

    def infos(self, image_pixel: ImagePixel) -> Iterator[StreamInfo]:
        """Read what the JPEG-LS stream of each frame says, and check it against the attributes; decode nothing."""
        for index, stream in enumerate(self.streams(image_pixel)):
            yield open_frame(index, stream, image_pixel).info

    def streams(self, image_pixel: ImagePixel) -> Iterator[bytes]:
        """Give the JPEG-LS stream of each frame.

        A fragment with the start of a stream begins a frame, as no later fragment of one does: neither a wrong offset
        table nor a missing one matters.
        """
        if self._length != _UNDEFINED_LENGTH:
            raise ParameterError("Pixel Data (7FE0,0010) is not encapsulated, as compressed data must be")
        fragments, _ = self._fragments
        starts = [number for number, (_, _, is_start) in enumerate(fragments) if is_start]
        if fragments and starts[:1] != [0]:
            raise ParameterError("Pixel Data (7FE0,0010): its first fragment does not begin with a JPEG-LS stream")
        if len(starts) != image_pixel.number_of_frames:
            raise attribute_error(
                "number_of_frames", image_pixel.number_of_frames, f"Pixel Data holds {len(starts)} frame(s)"
            )
        for first, last in pairwise([*starts, len(fragments)]):
            parts = []
            for offset, length, _ in fragments[first:last]:
                self._file.seek(offset)
                parts.append(self._file.read(length))
            yield b"".join(parts)

    @cached_property
    def _fragments(self) -> tuple[list[tuple[int, int, bool]], int]:
        """Give place and length of each fragment and whether a stream starts there, and where the last one ends."""
        self._file.seek(self._offset)
        try:
            parse_basic_offsets(self._file, endianness=self._order)
            end = self._file.tell()
            _, offsets = parse_fragments(self._file, endianness=self._order)
        except (ValueError, struct.error) as error:
            raise ParameterError(f"Pixel Data (7FE0,0010) is not soundly encapsulated: {error}") from error
        fragments = []
        for offset in offsets:
            self._file.seek(offset + 4)
            length, start = struct.unpack(f"{self._order}L2s", self._file.read(6).ljust(6, b"\0"))
            fragments.append((offset + 8, length, start == START_OF_IMAGE))
            end = offset + 8 + length
        return fragments, end

    def _jpegls_frames(self, image_pixel: ImagePixel, threads: int) -> Iterator[NDArray[Any]]:
        one = image_pixel._replace(number_of_frames=1)

        def decode(item: tuple[int, bytes]) -> tuple[NDArray[Any], StreamInfo, int]:
            index, data = item
            stream = open_frame(index, data, image_pixel)
            samples: NDArray[Any] = np.empty(native_shape(one), native_dtype(one))
            frame = (samples.transpose(0, 2, 3, 1) if one.planar_configuration == 1 else samples)[0]
            decode_frame(index, stream, frame)
            return frame, stream.info, len(data)

        for frame, info, size in map_in_order(decode, enumerate(self.streams(image_pixel)), threads):
            self.near_lossless = max(self.near_lossless, info.near_lossless)
            self.streams_size += size
            yield frame

    def _decoded_by_pydicom(self, image_pixel: ImagePixel) -> Decoded:
        """Let pydicom decode a frame at a time, out of the file."""
        try:
            decoder = get_decoder(self.transfer_syntax)
        except NotImplementedError:
            raise NotConvertibleError(f"pydicom cannot decode {self.transfer_syntax.name}") from None
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
        first, properties = next(frames)
        attributes = Dataset()
        # Subsampled colours (JPEG) have become whole ones.
        photometric_interpretation = str(properties["photometric_interpretation"]).removesuffix(_SUBSAMPLED)
        if photometric_interpretation != image_pixel.photometric_interpretation:
            attributes.PhotometricInterpretation = photometric_interpretation
        decoded = image_pixel._replace(
            photometric_interpretation=photometric_interpretation,
            bits_allocated=first.dtype.itemsize * 8,
            planar_configuration=0 if image_pixel.samples_per_pixel > 1 else None,
        )
        if decoded.bits_allocated != image_pixel.bits_allocated:
            attributes.BitsAllocated = decoded.bits_allocated

        def all_frames() -> Iterator[NDArray[Any]]:
            count = 1
            yield first
            for frame, _ in islice(frames, image_pixel.number_of_frames - 1):
                count += 1
                yield frame
            if count < image_pixel.number_of_frames:
                raise attribute_error(
                    "number_of_frames", image_pixel.number_of_frames, f"Pixel Data holds {count} frame(s)"
                )

        return Decoded(decoded, all_frames(), attributes)

    def trailing(self) -> Dataset:
        """Read what follows Pixel Data, such as Data Set Trailing Padding."""
        encapsulated = self._length == _UNDEFINED_LENGTH
        # Encapsulated data ends with a Sequence Delimitation Item.
        place = self._fragments[1] + 8 if encapsulated else self._offset + self._length
        if place >= self._size:
            return Dataset()
        self._file.seek(place)
        implicit = self.transfer_syntax.is_implicit_VR
        return read_dataset(self._file, implicit, self.transfer_syntax.is_little_endian)


def _is_pixel_element(tag: int) -> bool:
    return tag >> 16 == 0x7FE0 and tag & 0xFFFF in _PIXEL_ELEMENTS
