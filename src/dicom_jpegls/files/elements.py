"""The elements of a dataset as bytes in a file: where each one is, whatever its value means (PS3.5 7)."""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from pydicom.datadict import dictionary_VR, private_dictionary_VR
from pydicom.valuerep import EXPLICIT_VR_LENGTH_32, STANDARD_VR

from dicom_jpegls.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

# The length of sequences, items and encapsulated pixel data that end with a delimiter (PS3.5 7.5).
UNDEFINED_LENGTH = 0xFFFFFFFF

PIXEL_DATA = 0x7FE00010
ITEM = 0xFFFEE000
ITEM_DELIMITATION = 0xFFFEE00D
_SEQUENCE_DELIMITATION = 0xFFFEE0DD
_HEADER_SIZE = 8  # of items, delimiters and elements with an implicit VR

# The names of VRs by their letters: those with a 32-bit length after two reserved bytes, and those with 16 bits.
_LONG_VRS = {str(vr).encode(): str(vr) for vr in EXPLICIT_VR_LENGTH_32}
_SHORT_VRS = {str(vr).encode(): str(vr) for vr in STANDARD_VR if vr not in EXPLICIT_VR_LENGTH_32}

# Sequences of images and documents have fewer than ten levels; the limit is far from that of Python's stack.
_MAXIMUM_DEPTH = 64

# Greater than any position in a file.
_NO_END = 2**63

# Small files are read at once.
_BLOCK = 2**16


def tag_name(tag: int) -> str:
    """Return a tag as it is usually written."""
    return f"({tag >> 16:04X},{tag & 0xFFFF:04X})"


class Element(NamedTuple):
    """An element, by its positions in the file."""

    tag: int
    """Group times 65536 plus element number."""
    vr: str
    """As in the file; of implicit elements that of the dictionary, which may leave a choice ("US or SS")."""
    is_implicit: bool
    start: int
    value: int
    """Where the value begins, after the header."""
    end: int
    """The position after the value and its delimiter."""
    is_undefined: bool
    """Whether the length is undefined, and a delimiter ends the value."""

    @property
    def name(self) -> str:
        """The tag as it is usually written."""
        return tag_name(self.tag)

    @property
    def is_group_length(self) -> bool:
        """Whether the value is the length of the group, which is retired but in File Meta Information."""
        return self.tag & 0xFFFF == 0

    @property
    def is_sequence(self) -> bool:
        """Whether the value consists of datasets in items. Unknown elements that need a delimiter do (PS3.5 6.2.2)."""
        return self.vr == "SQ" or (self.is_undefined and self.vr == "UN" and self.tag != PIXEL_DATA)


class Item(NamedTuple):
    """An item of a sequence."""

    start: int
    end: int
    """The position after the elements."""
    is_undefined: bool


class ElementReader:
    """Finds elements in a file and reads their values.

    Parameters
    ----------
    file : binary file
        It must be possible to seek in it. Only one thread at a time may use it.
    is_little_endian : bool, optional
        The byte order of the dataset.
    size : int, optional
        Bytes of the file: no damaged length then reserves memory, or is more than a process of 32 bits can ask for. A
        file without it must bound what is read itself.
    """

    def __init__(self, file: BinaryIO, *, is_little_endian: bool = True, size: int | None = None) -> None:
        order = "<" if is_little_endian else ">"
        self.is_little_endian = is_little_endian
        self._file = file
        self._size = size
        self._tag = struct.Struct(f"{order}HH")
        self._short = struct.Struct(f"{order}H")
        self._long = struct.Struct(f"{order}L")
        self._header = struct.Struct(f"{order}HH2sH")
        self._quick_header = struct.Struct(f"{order}L2sH")
        self._block = b""
        self._block_start = 0
        self._is_last = False  # whether the file ends with the block

    def read(self, start: int, end: int) -> bytes:
        """Return the bytes from `start` up to, but not including, `end`, fewer at the end of the file."""
        if self._size is not None and end > self._size:
            end = max(start, self._size)
        offset = start - self._block_start
        if offset < 0 or (end - self._block_start > len(self._block) and not self._is_last):
            self._file.seek(start)
            if end - start > _BLOCK:
                return self._file.read(end - start)
            self._block, self._block_start, offset = self._file.read(_BLOCK), start, 0
            self._is_last = len(self._block) < _BLOCK
        return self._block[offset : offset + end - start]

    def scan(
        self,
        start: int,
        end: int | None = None,
        *,
        is_implicit: bool = False,
        stop: Container[int] = (),
        keep: frozenset[int] | None = None,
        depth: int = 0,
    ) -> tuple[list[Element], int]:
        """Find the elements of a dataset.

        Parameters
        ----------
        start : int
            The position of the first element.
        end : int, optional
            The position after the last one. By default that of an Item Delimitation Item, or of the file.
        is_implicit : bool, optional
            Whether VRs should be implicit. The first element shows whether they are: files of the other kind exist, and
            implicit items in explicit datasets (PS3.5 6.2.2). So do single implicit elements in explicit datasets.
        stop : container of int, optional
            Tags of elements that end the search.
        keep : frozenset of int, optional
            The tags to which elements with an explicit VR and a 16-bit length are limited; by default all are returned.
            Must have those of `stop`.
        depth : int, optional
            How many sequences the dataset is in.

        Returns
        -------
        list of Element, int
            The elements, and the position where the search ended: of a delimiter, of an element that stops it, or of
            the end.

        Raises
        ------
        DatasetError
            If the bytes are not elements, or end inside one.
        """
        found: list[Element] = []
        creators: dict[int, str] = {}
        letters = self.read(start, start + 6)[4:]
        if letters and (depth == 0 or not is_implicit):
            is_implicit = not _is_vr(letters)
        position, tag = start, 0
        # The loop is much of the time for a small file: it avoids calls, and looks at headers in the block itself.
        unpack, new_element, append = self._header.unpack_from, tuple.__new__, found.append
        short_vrs: Mapping[bytes, str] = {} if is_implicit else _SHORT_VRS
        short_vr = short_vrs.get
        block, block_start, last_offset = b"", position, -1
        limit = _NO_END if end is None else end
        unpack_quickly = self._quick_header.unpack_from
        noted = _tags_as_read(keep, self.is_little_endian) if keep is not None and end is None else None
        while position < limit:
            offset = position - block_start
            if offset > last_offset:
                header = self.read(position, position + 12)
                if len(header) < _HEADER_SIZE:
                    self._check_end(position, header, tag)
                    break
                block, block_start, last_offset = self._block, self._block_start, len(self._block) - 12
                offset = position - block_start
            if noted is not None:  # pass over elements that nobody asks for
                passed = -1
                while offset <= last_offset:
                    tag_as_read, letters, length = unpack_quickly(block, offset)
                    if tag_as_read in noted or letters not in short_vrs:
                        break
                    passed = offset
                    offset += _HEADER_SIZE + length
                if passed >= 0:
                    group, number = self._tag.unpack_from(block, passed)
                    tag, position = group << 16 | number, block_start + offset
                    if offset > last_offset:
                        continue
            group, number, letters, length = unpack(block, offset)
            tag = group << 16 | number
            if tag in stop or tag == ITEM_DELIMITATION:
                break
            vr = short_vr(letters)
            if vr is not None:  # as for nearly all
                after = position + _HEADER_SIZE + length
                if keep is None or tag in keep:
                    append(new_element(Element, (tag, vr, False, position, position + _HEADER_SIZE, after, False)))
            else:
                element = self._element(position, tag, block[offset : offset + 12], is_implicit, creators, depth)
                if element.is_implicit and group & 1 and 0x10 <= number <= 0xFF:
                    creator = self.read(element.value, min(element.end, element.value + 64))
                    creators[tag] = creator.decode("latin-1")
                append(element)
                after = element.end
            if after > limit:
                raise DatasetError(f"element {tag_name(tag)} ends {after - limit} bytes after its item: damaged")
            position = after
        return found, position

    def _element(
        self, position: int, tag: int, header: bytes, is_implicit: bool, creators: dict[int, str], depth: int
    ) -> Element:
        letters = header[4:6]
        is_implicit = is_implicit or not _is_vr(letters)
        value = position + _HEADER_SIZE
        if is_implicit:
            vr = _vr_of(tag, creators.get(tag >> 16 << 16 | (tag & 0xFFFF) >> 8) if tag >> 16 & 1 else None)
            length: int = self._long.unpack_from(header, 4)[0]
        else:
            vr = letters.decode()
            if letters in _LONG_VRS:
                if len(header) < 12:
                    raise DatasetError(f"the file ends inside the header of the element at byte {position}")
                length = self._long.unpack_from(header, 8)[0]
                value += 4
            else:
                length = self._short.unpack_from(header, 6)[0]
        if length != UNDEFINED_LENGTH:
            return Element(tag, vr, is_implicit, position, value, value + length, False)
        _, end = self._scan_items(value, None, is_implicit, depth, tag_name(tag))
        return Element(tag, vr, is_implicit, position, value, end, True)

    def items(self, element: Element, depth: int = 0) -> list[tuple[Item, list[Element]]]:
        """Return the items of a sequence and their elements; `depth` is that of the dataset that contains it."""
        end = None if element.is_undefined else element.end
        found, _ = self._scan_items(element.value, end, element.is_implicit, depth, element.name)
        return [
            (item, self.scan(item.start, item.end, is_implicit=element.is_implicit, depth=depth + 1)[0])
            for item in found
        ]

    def _scan_items(
        self, position: int, end: int | None, is_implicit: bool, depth: int, name: str
    ) -> tuple[list[Item], int]:
        """Find the items of a sequence, or of encapsulated pixel data, and the position after its delimiter."""
        if depth >= _MAXIMUM_DEPTH:
            raise DatasetError(f"element {name} is in {depth} sequences; at most {_MAXIMUM_DEPTH - 1} levels are read")
        found: list[Item] = []
        while end is None or position < end:
            header = self.read(position, position + _HEADER_SIZE)
            if len(header) < _HEADER_SIZE:
                raise DatasetError(f"the file ends inside element {name}, which has no delimiter: it is truncated")
            group, number = self._tag.unpack_from(header)
            tag = group << 16 | number
            length: int = self._long.unpack_from(header, 4)[0]
            start = position + _HEADER_SIZE
            if tag == _SEQUENCE_DELIMITATION:
                return found, start
            if tag != ITEM:
                raise DatasetError(
                    f"element {name}: ({group:04X},{number:04X}) at byte {position}; (FFFE,E000) begins an item"
                )
            if length == UNDEFINED_LENGTH:
                _, item_end = self.scan(start, is_implicit=is_implicit, depth=depth + 1)
                position = item_end + _HEADER_SIZE
            else:
                position = item_end = start + length
            if end is not None and position > end:
                raise DatasetError(f"element {name}: the item at byte {start} ends after its sequence: damaged")
            found.append(Item(start, item_end, length == UNDEFINED_LENGTH))
        return found, position

    def _check_end(self, position: int, rest: bytes, tag: int) -> None:
        """Check that the file ends after the element that was found last; zeros after it are padding."""
        size = self._file.seek(0, 2)
        if any(rest):
            raise DatasetError(f"the file ends after {size} bytes inside the header of an element: it is truncated")
        if position > size:
            raise DatasetError(f"the file ends after {size} bytes inside the value of {tag_name(tag)}: it is truncated")


@lru_cache(maxsize=16)
def _tags_as_read(tags: frozenset[int], is_little_endian: bool) -> frozenset[int]:
    """Return tags, and that of an Item Delimitation Item, as they are read like a number of 32 bits."""
    all_tags = (*tags, ITEM_DELIMITATION)
    return frozenset((tag & 0xFFFF) << 16 | tag >> 16 for tag in all_tags) if is_little_endian else frozenset(all_tags)


def _is_vr(letters: bytes) -> bool:
    """Whether two bytes can be a VR. As a part of a length they would be one of 16 kB or more."""
    return letters.isalpha() and letters.isupper()


@lru_cache(maxsize=4096)
def _vr_of(tag: int, creator: str | None) -> str:
    """Return the VR of the dictionary, UN for an unknown element."""
    group, number = tag >> 16, tag & 0xFFFF
    if number == 0:
        return "UL"
    if group & 1 and 0x10 <= number <= 0xFF:
        return "LO"
    try:
        if not group & 1:
            return str(dictionary_VR(tag))
        return "UN" if creator is None else str(private_dictionary_VR(tag, creator.rstrip(" \0")))
    except KeyError:
        return "UN"
