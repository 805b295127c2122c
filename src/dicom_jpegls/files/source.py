"""Reading a DICOM file frame by frame: only a few of its frames are in memory at a time."""

from __future__ import annotations

import os
import struct
import zlib
from functools import cached_property
from itertools import islice
from tempfile import SpooledTemporaryFile
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, cast

import numpy as np
from pydicom import Dataset, FileDataset, dcmread
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.filereader import read_dataset, read_file_meta_info
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    JPEGLSTransferSyntaxes,
    UncompressedTransferSyntaxes,
)
from pydicom.valuerep import EXPLICIT_VR_LENGTH_32

from dicom_jpegls.dicom import (
    SEQUENCE_DELIMITER,
    FragmentIndex,
    FrameDecoder,
    attribute_error,
    check_native_layout,
    check_native_length,
    decoded_image_pixel,
    has_swapped_bytes,
    image_pixel_of,
    native_samples,
    no_pixel_data_error,
)
from dicom_jpegls.errors import DatasetError
from dicom_jpegls.files.errors import NotConvertibleError
from dicom_jpegls.parallel import map_in_order

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import TracebackType

    from numpy.typing import NDArray
    from pydicom.uid import UID

    from dicom_jpegls.dicom import ImagePixel
    from dicom_jpegls.parameters import StreamInfo

# Elements of group 7FE0 before which reading stops.
_PIXEL_ELEMENTS = {0x0008: "FloatPixelData", 0x0009: "DoubleFloatPixelData", 0x0010: "PixelData"}
# Ends the names of photometric interpretations whose chrominance has half the columns.
_SUBSAMPLED = "_422"
# The length of encapsulated pixel data (PS3.5 A.4).
UNDEFINED_LENGTH = 0xFFFFFFFF

# The File Meta Information begins with its length, after a preamble of 128 bytes and "DICM" (PS3.10 7.1).
_META_LENGTH = struct.Struct("<132s4s2sHL")
_META_LENGTH_TAG = b"\x02\x00\x00\x00"

# Deflated data may inflate to native pixel data of the largest length, and as much again of everything else.
MAXIMUM_INFLATED_SIZE = 2**33
_INFLATED_IN_MEMORY = 2**24
_CHUNK = 2**20


class DecodedPixelData(NamedTuple):
    """The native samples of a file, whatever its transfer syntax."""

    image_pixel: ImagePixel
    frames: Iterator[NDArray[Any]]
    """Each of shape (rows, columns[, samples])."""
    attributes: Dataset
    """The attributes that describe these samples and differ from those of the dataset."""


class SourceFile:
    """A DICOM file, open for reading; Pixel Data stays in the file.

    Attributes
    ----------
    ds : pydicom.dataset.FileDataset
        Everything before Pixel Data.
    transfer_syntax : pydicom.uid.UID
        Of the dataset; Explicit VR Little Endian if it was deflated.
    vr : str
        Of Pixel Data.
    near_lossless : int
        The largest NEAR of the JPEG-LS streams decoded so far.
    compressed_size : int
        Bytes of the JPEG-LS streams decoded so far.

    Raises
    ------
    NotConvertibleError
        If it has no Pixel Data.
    DatasetError
        If it has no transfer syntax, or ends inside an attribute.
    pydicom.errors.InvalidDicomError
        If it is not a DICOM file.
    OSError
        If it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.near_lossless = self.compressed_size = 0
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
            raise DatasetError("Transfer Syntax UID (0002,0010) is absent")
        self.transfer_syntax: UID = ExplicitVRLittleEndian if uid == DeflatedExplicitVRLittleEndian else uid
        self._order = "<" if self.transfer_syntax.is_little_endian else ">"
        self._find_pixel_data()

    def _inflate(self, path: Path, start: bytes) -> None:
        """Inflate a deflated dataset into an unnamed temporary file, which is then read like any other."""
        meta = read_file_meta_info(path)
        _, tag, _, _, length = _META_LENGTH.unpack_from(start)
        if meta.get("TransferSyntaxUID") != DeflatedExplicitVRLittleEndian:
            self.ds = dcmread(self._file, stop_before_pixels=True)
            return
        if tag != _META_LENGTH_TAG:
            raise NotConvertibleError(
                "File Meta Information Group Length (0002,0000) is absent, so that the deflated dataset cannot be found"
            )
        deflated, self._file = self._file, cast("BinaryIO", SpooledTemporaryFile(max_size=_INFLATED_IN_MEMORY))  # noqa: SIM115
        with deflated:
            deflated.seek(_META_LENGTH.size + length)
            inflater = zlib.decompressobj(-zlib.MAX_WBITS)
            while not inflater.eof and (chunk := inflater.unconsumed_tail or deflated.read(_CHUNK)):
                self._file.write(inflater.decompress(chunk, _CHUNK))
                if self._file.tell() > MAXIMUM_INFLATED_SIZE:
                    raise DatasetError(f"the deflated dataset inflates to more than {MAXIMUM_INFLATED_SIZE} bytes")
        self._file.seek(0)
        dataset = read_dataset(self._file, False, True, stop_when=lambda tag, _vr, _length: _is_pixel_element(tag))
        self.ds = FileDataset(str(path), dataset, start[:128], meta, is_implicit_VR=False, is_little_endian=True)

    def _find_pixel_data(self) -> None:
        start = self._file.tell()
        header = self._file.read(12)
        group, element = struct.unpack_from(f"{self._order}HH", header) if len(header) == 12 else (None, None)
        keyword = _PIXEL_ELEMENTS.get(element) if group == 0x7FE0 and element is not None else None
        if keyword != "PixelData":
            self._check_end(start)
            raise NotConvertibleError(str(no_pixel_data_error(keyword)))
        # Some files switch to implicit VR here. The two letters of a VR, read as a length, would be an odd one.
        self.vr = header[4:6].decode("latin-1")
        explicit = self.vr in ("OB", "OW", "UN")
        if not explicit:
            self.vr = "OW"
        self._length: int = struct.unpack_from(f"{self._order}L", header, 8 if explicit else 4)[0]
        self._head_end = start
        self._offset = start + (12 if explicit else 8)
        self._size = self._file.seek(0, 2)

    def _check_end(self, end: int) -> None:
        """Check that a file without Pixel Data was not truncated before it."""
        if not self.ds:
            return
        last: DataElement | RawDataElement = self.ds.get_item(max(self.ds.keys()))
        if isinstance(last, RawDataElement) and len(last.value or b"") < last.length < UNDEFINED_LENGTH:
            raise DatasetError(f"the file ends after {end} bytes inside the value of {last.tag}: it is truncated")

    def __enter__(self) -> SourceFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; frames can no longer be read."""
        self._file.close()

    def head(self) -> bytes | None:
        """Return the bytes between the File Meta Information and Pixel Data, if they can be copied to another file.

        That is, if they are Explicit VR Little Endian and have no elements that depend on Pixel Data (offset tables,
        the length of its group).
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
        """Bytes of the value of Pixel Data; of encapsulated data with the headers of its items."""
        end = self._fragments.end if self._is_encapsulated else self._offset + self._length
        return min(end, self._size) - self._offset

    @property
    def _is_encapsulated(self) -> bool:
        return self._length == UNDEFINED_LENGTH

    @cached_property
    def _fragments(self) -> FragmentIndex:
        return FragmentIndex(self._file, self._offset)

    def decoded(self, threads: int = 1) -> DecodedPixelData:
        """Return the samples of all frames, each decoded when it is asked for, JPEG-LS ahead on threads.

        Parameters
        ----------
        threads : int, optional
            How many JPEG-LS frames are decoded at a time.

        Raises
        ------
        NotConvertibleError
            If it is not an image that JPEG-LS can code, or there is no decoder for it.
        DatasetError
            If Pixel Data does not fit the attributes.
        """
        image_pixel = image_pixel_of(self.ds)
        for name in ("rows", "columns", "number_of_frames"):
            if getattr(image_pixel, name) < 1:
                raise attribute_error(name, getattr(image_pixel, name), "1 or more is allowed")
        try:
            check_native_layout(image_pixel)
        except DatasetError as error:
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
            return DecodedPixelData(image_pixel, self.native_frames(image_pixel), Dataset())
        if self.transfer_syntax in JPEGLSTransferSyntaxes:
            return self._decoded_jpegls(image_pixel, threads)
        return self._decoded_by_pydicom(image_pixel)

    def native_frames(self, image_pixel: ImagePixel, first: int = 0, last: int | None = None) -> Iterator[NDArray[Any]]:
        """Read the frames of native pixel data from `first` up to, but not including, `last`."""
        if self._is_encapsulated:
            raise DatasetError(
                "Pixel Data (7FE0,0010) has an undefined length, which only a compressed transfer syntax allows"
            )
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
        """Read a part of native pixel data, whose padding byte may be missing."""
        self._file.seek(self._offset + start)
        data = self._file.read(size)
        if len(data) < size - 1:
            raise DatasetError("Pixel Data (7FE0,0010) became shorter while it was read: the file was changed")
        return data.ljust(size, b"\0")

    def stream_infos(self, image_pixel: ImagePixel) -> Iterator[StreamInfo]:
        """Inspect the JPEG-LS stream of each frame and check it against the attributes; decode nothing."""
        decoder = FrameDecoder(image_pixel)
        for index, stream in enumerate(self.streams(image_pixel)):
            yield decoder.open(index, stream).info

    def streams(self, image_pixel: ImagePixel) -> Iterator[bytes | memoryview]:
        """Read the JPEG-LS stream of each frame."""
        if not self._is_encapsulated:
            raise DatasetError("Pixel Data (7FE0,0010) is not encapsulated, as compressed data must be")
        yield from self._fragments.frames(image_pixel.number_of_frames, self.ds.get("ExtendedOffsetTable") or b"")

    def _decoded_jpegls(self, image_pixel: ImagePixel, threads: int) -> DecodedPixelData:
        infos = self.stream_infos(image_pixel)
        # Only colours can be by pixel in some streams and by plane in others; then all must be inspected.
        native = decoded_image_pixel(image_pixel, infos if image_pixel.samples_per_pixel > 1 else islice(infos, 1))
        return DecodedPixelData(native, self._jpegls_frames(native, threads), Dataset())

    def _jpegls_frames(self, image_pixel: ImagePixel, threads: int) -> Iterator[NDArray[Any]]:
        decoder = FrameDecoder(image_pixel)

        def decode(item: tuple[int, bytes | memoryview]) -> tuple[NDArray[Any], StreamInfo, int]:
            index, data = item
            stream = decoder.open(index, data)
            return decoder.decode(index, stream), stream.info, len(data)

        for frame, info, size in map_in_order(decode, enumerate(self.streams(image_pixel)), threads):
            self.near_lossless = max(self.near_lossless, info.near_lossless)
            self.compressed_size += size
            yield frame

    def _decoded_by_pydicom(self, image_pixel: ImagePixel) -> DecodedPixelData:
        """Decode with pydicom, one frame at a time, from the file."""
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
        # pydicom returns subsampled colours (JPEG) with full resolution.
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

        return DecodedPixelData(decoded, all_frames(), attributes)

    def trailing(self) -> Dataset:
        """Read the elements after Pixel Data, such as Data Set Trailing Padding."""
        end = self._offset + self._length
        if self._is_encapsulated:
            end = self._fragments.end + len(SEQUENCE_DELIMITER)
        if end >= self._size:
            return Dataset()
        self._file.seek(end)
        implicit = self.transfer_syntax.is_implicit_VR
        return read_dataset(self._file, implicit, self.transfer_syntax.is_little_endian)


def _is_pixel_element(tag: int) -> bool:
    return tag >> 16 == 0x7FE0 and tag & 0xFFFF in _PIXEL_ELEMENTS


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
