"""Encapsulated pixel data (PS3.5 A.4): its items, which fragments belong to which frame, and offset tables."""

from __future__ import annotations

import struct
from array import array
from collections.abc import Sequence
from itertools import accumulate, chain
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, TypeAlias

import numpy as np

from dicom_jpegls._codec import read_info
from dicom_jpegls.dicom.diagnostics import warn_of_dataset
from dicom_jpegls.dicom.rules import attribute_error, attribute_name
from dicom_jpegls.errors import DatasetError, StreamError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

    from dicom_jpegls.dicom.options import OffsetTable

# The first bytes of a JPEG-LS stream (T.87 C.1.1).
START_OF_IMAGE = b"\xff\xd8"

# How a stream may begin instead: with any number of bytes FF before the one of its first marker (T.81 B.1.1.2).
_FILL_BYTES = b"\xff\xff"

# Encapsulated pixel data is always little-endian (PS3.5 A.4): the tag, element before group in one number, and the
# length of the value.
_HEADER = struct.Struct("<LL")
_ITEM = 0xE000FFFE
ITEM_TAG = struct.pack("<L", _ITEM)
_SEQUENCE_DELIMITATION = 0xE0DDFFFE
_UNDEFINED_LENGTH = 0xFFFFFFFF

_HEADER_AND_START = _HEADER.size + len(START_OF_IMAGE)

# Offsets in the Basic Offset Table have 32 bits (PS3.5 A.4). This constant alone decides when the extended one is used.
MAXIMUM_BASIC_OFFSET = 2**32 - 1

SEQUENCE_DELIMITER = _HEADER.pack(_SEQUENCE_DELIMITATION, 0)

Data: TypeAlias = bytes | memoryview


class FragmentIndex:
    """Where the items of encapsulated pixel data are.

    Reads the headers of the items only. Memory: 8 bytes for each fragment, and as much for each that begins a stream.

    Parameters
    ----------
    source : bytes, bytearray, memoryview or binary file
        The value of Pixel Data, or a seekable file that contains it. The index seeks in a file whenever it reads, so
        only one thread at a time may use it.
    start : int, optional
        Position of the first item in the source.

    Attributes
    ----------
    end : int
        Position after the last item, that of the Sequence Delimitation Item; in truncated data after the end of it.
    fault : str or None
        What is wrong with the structure of the items; the items before the fault are indexed.
    """

    def __init__(self, source: bytes | bytearray | memoryview | BinaryIO, start: int = 0) -> None:
        self._read, self._size = _reader(source)
        # Fragments are adjacent: each begins where the previous one ends, the first after the Basic Offset Table.
        self._first = start
        self._ends = array("Q")
        self._stream_starts = array("Q")
        self._basic_table = (0, 0)
        self.fault: str | None = None
        self.end = start
        self._index_items()

    def _index_items(self) -> None:
        header = self._header(self.end)
        if header is None:
            self.fault = self.fault or "it has no item"
            return
        self._basic_table = (self.end + _HEADER.size, header[0])
        self._first = self.end = sum(self._basic_table)
        ends, stream_starts = self._ends, self._stream_starts
        while self.fault is None and (header := self._header(self.end)) is not None:
            length, begins_stream = header
            if begins_stream:
                stream_starts.append(len(ends))
            self.end += _HEADER.size + length
            ends.append(self.end)

    def _header(self, position: int) -> tuple[int, bool] | None:
        """Return the length of the item at a position, and whether it begins with a stream; None if there is none."""
        header = self._read(position, _HEADER_AND_START)
        if len(header) < 4:  # PS3.5 asks for a delimitation item, which pydicom leaves out of the value
            return None
        if len(header) < _HEADER.size:
            self.fault = f"the data ends inside the header of the item at byte {position}"
            return None
        tag, length = _HEADER.unpack_from(header)
        if tag == _SEQUENCE_DELIMITATION:
            return None
        if tag != _ITEM:
            self.fault = f"tag ({tag & 0xFFFF:04X},{tag >> 16:04X}) at byte {position}; (FFFE,E000) begins an item"
            if not self._basic_table[0]:
                self.fault += ": it may be native, under a wrong Transfer Syntax UID (0002,0010)"
            return None
        if length == _UNDEFINED_LENGTH:
            self.fault = f"the item at byte {position} has an undefined length"
            length = max(0, self._size - position - _HEADER.size)
        return length, length >= len(START_OF_IMAGE) and self._begins_stream(
            header[_HEADER.size :], position + _HEADER.size, length
        )

    def _begins_stream(self, first: Data, position: int, length: int) -> bool:
        if first == _FILL_BYTES:
            first = without_fill_bytes(self._read(position, length))[: len(START_OF_IMAGE)]
        return first == START_OF_IMAGE

    def __len__(self) -> int:
        """Return the number of fragments."""
        return len(self._ends)

    def read(self, first: int, last: int) -> Data:
        """Return the bytes of the fragments from `first` up to, but not including, `last`, as far as they are there.

        Bytes in memory are not copied if only one of the fragments has any.
        """
        data: Data = b""
        joined: bytearray | None = None
        end = self._ends[first - 1] if first else self._first
        for next_end in memoryview(self._ends)[first:last]:
            position, length = end + _HEADER.size, next_end - end - _HEADER.size
            end = next_end
            if not length:
                continue
            if not data:
                data = self._read(position, length)
                continue
            if joined is None:
                joined = bytearray(data)
            joined += self._read(position, length)
        return data if joined is None else memoryview(joined)

    def first_bytes(self) -> Data:
        """Return the first fragment that is not empty; no bytes if there is none."""
        return next((data for number in range(len(self)) if (data := self.read(number, number + 1))), b"")

    def frames(self, count: int, extended_offsets: bytes = b"") -> Frames:
        """Assign the fragments to frames.

        A fragment that starts with SOI, perhaps after fill bytes, begins a frame, as no later fragment of a frame does,
        so neither a wrong offset table nor a missing one matters. Only if there are fewer of them than frames, because
        the starts of some streams are damaged, the offset tables are used, and without a usable table one fragment for
        each frame.

        Parameters
        ----------
        count : int
            The value of Number of Frames.
        extended_offsets : bytes, optional
            The value of Extended Offset Table (7FE0,0001).

        Raises
        ------
        DatasetError
            If the items are not a valid structure, or contain fewer frames.

        Warns
        -----
        DatasetWarning
            If there are more frames, which are ignored.
        """
        if self.fault is not None:
            raise DatasetError(f"Pixel Data (7FE0,0010) is not validly encapsulated: {self.fault}")
        starts = self._frames_by_stream()
        found = len(starts)
        if found < count:
            starts = self._frames_by_table(count, extended_offsets)
        if len(starts) < count:
            raise attribute_error("number_of_frames", count, f"Pixel Data holds {found} frame(s)")
        if found > count:
            warn_of_dataset(
                f"{attribute_name('NumberOfFrames')} is {count}; Pixel Data holds {found} frames: the rest is ignored"
            )
        return Frames(self, starts, count)

    def partial_frames(self, count: int, extended_offsets: bytes = b"") -> Frames:
        """Assign the fragments to frames in data that may be damaged or truncated; a missing frame has no bytes.

        Raises
        ------
        DatasetError
            If it is not certain which frame is which.
        """
        try:
            return self.frames(count, extended_offsets)
        except DatasetError:
            starts = self._frames_by_stream()
            frames = Frames(self, starts, count)
            # A frame whose start is damaged is taken for the end of the previous one, and the count is wrong. The count
            # is also wrong if there are fewer bytes than frames.
            is_certain = len(starts) <= count <= self._size and all(
                _is_one_stream(frames[number]) for number in range(len(starts) - 1)
            )
            if not is_certain:
                raise
            return frames

    def _frames_by_stream(self) -> Sequence[int]:
        """Return the first fragment of each frame by the starts of streams; nothing if other bytes come first."""
        if not self._stream_starts:
            return ()
        # The fragments before the first start have no bytes if they are nothing but headers.
        first = self._stream_starts[0]
        if first and self._ends[first - 1] != self._first + first * _HEADER.size:
            return ()
        return self._stream_starts

    def _frames_by_table(self, count: int, extended_offsets: bytes) -> Sequence[int]:
        """Return the first fragment of each frame by a table; nothing if there is no usable table."""
        if count > len(self):
            return ()
        tables: tuple[tuple[Data, str], ...] = ((extended_offsets, "<u8"), (self._read(*self._basic_table), "<u4"))
        for table, dtype in tables:
            if len(table) == count * np.dtype(dtype).itemsize:
                numbers = self._numbers_at(np.frombuffer(table, dtype))
                if numbers is not None:
                    return numbers.data
        if count == 1:
            return (0,)
        ends = np.frombuffer(self._ends, np.uint64)
        is_filled = np.empty(len(self), np.bool_)
        is_filled[0] = ends[0] - self._first > _HEADER.size
        is_filled[1:] = ends[1:] - ends[:-1] > _HEADER.size
        return np.flatnonzero(is_filled).data if np.count_nonzero(is_filled) == count else ()

    def _numbers_at(self, offsets: NDArray[np.integer[Any]]) -> NDArray[np.intp] | None:
        """Return the numbers of the fragments at some offsets from the first; None if one is wrong or out of order."""
        starts = np.zeros(len(self), np.uint64)
        np.subtract(np.frombuffer(self._ends, np.uint64)[:-1], self._first, out=starts[1:])
        numbers = np.searchsorted(starts, offsets).clip(max=len(self) - 1)
        return numbers if (starts[numbers] == offsets).all() and (np.diff(numbers) > 0).all() else None


def without_fill_bytes(frame: Data) -> Data:
    """Return a frame from its first marker on."""
    if frame[: len(_FILL_BYTES)] != _FILL_BYTES:
        return frame
    after = len(bytes(frame).lstrip(b"\xff"))
    return frame[len(frame) - after - 1 :]


class Frames(Sequence[Data]):
    """The bytes of each frame, read when asked for; those of a missing frame are empty."""

    def __init__(self, index: FragmentIndex, starts: Sequence[int], count: int) -> None:
        self._index = index
        self._starts = starts
        self._count = count

    def __len__(self) -> int:
        return self._count

    @property
    def found(self) -> int:
        """How many of the frames there are; those after them are missing."""
        return min(len(self._starts), self._count)

    def __getitem__(self, number: int) -> Data:  # type: ignore[override]  # no slices
        if not 0 <= number < self._count:
            raise IndexError(number)
        if number >= len(self._starts):
            return b""
        is_last = number + 1 == len(self._starts)
        return self._index.read(self._starts[number], len(self._index) if is_last else self._starts[number + 1])


def _reader(source: bytes | bytearray | memoryview | BinaryIO) -> tuple[Callable[[int, int], Data], int]:
    """Return a function that reads some bytes at a position, fewer at the end of the source, and the source's size."""
    if isinstance(source, (bytes, bytearray, memoryview)):
        view = memoryview(source)
        return lambda position, size: view[position : position + size], len(view)
    file = source
    file_size = file.seek(0, 2)

    def read(position: int, size: int) -> bytes:
        # A damaged length may be more than a process of 32 bits can ask for.
        size = min(size, file_size - position)
        if size <= 0:
            return b""
        file.seek(position)
        return file.read(size)

    return read, file_size


def _is_one_stream(frame: Data) -> bool:
    try:
        return read_info(frame, max_samples=2**63 - 1).trailing_size == 0
    except StreamError:
        return False


class OffsetTables(NamedTuple):
    """Where the frames begin, for one fragment for each frame."""

    basic: bytes
    """The item of the Basic Offset Table, with which the pixel data begins."""
    extended: tuple[bytes, bytes] | None
    """The values of Extended Offset Table and Extended Offset Table Lengths, if they are used."""


def offset_tables(lengths: Sequence[int], kind: OffsetTable) -> OffsetTables:
    """Return the offset tables for fragments of some lengths, each of which is a frame.

    Parameters
    ----------
    lengths : sequence of int
        Bytes of each fragment without its header.
    kind : {"basic", "extended", "empty"}
        Which table is wanted. Instead of the basic one the extended one is returned if an offset exceeds
        `MAXIMUM_BASIC_OFFSET`.
    """
    offsets = [0, *accumulate(_HEADER.size + length for length in lengths[:-1])]
    if kind == "basic" and offsets[-1] <= MAXIMUM_BASIC_OFFSET:
        table = np.array(offsets, "<u4").tobytes()
        return OffsetTables(item_header(len(table)) + table, None)
    extended = (np.array(offsets, "<u8").tobytes(), np.array(lengths, "<u8").tobytes())
    return OffsetTables(item_header(0), None if kind == "empty" else extended)


def item_header(length: int) -> bytes:
    """Return the header of an item.

    Raises
    ------
    DatasetError
        If an item cannot have this length (PS3.5 7.5.1).
    """
    if length >= _UNDEFINED_LENGTH:
        raise DatasetError(f"Pixel Data (7FE0,0010): a fragment of {length} bytes exceeds {_UNDEFINED_LENGTH - 1}")
    return _HEADER.pack(_ITEM, length)


def encapsulate(streams: Iterable[bytes], tables: OffsetTables) -> bytes:
    """Return encapsulated pixel data with one fragment for each frame, without a Sequence Delimitation Item."""
    items = chain.from_iterable((item_header(len(stream)), stream) for stream in streams)
    return b"".join(chain((tables.basic,), items))
