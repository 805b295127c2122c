"""The bytes of a new file before and after Pixel Data, as Explicit VR Little Endian: copied but for what changes."""

from __future__ import annotations

import struct
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
from pydicom import Dataset
from pydicom.charset import default_encoding
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.uid import PYDICOM_IMPLEMENTATION_UID
from pydicom.valuerep import EXPLICIT_VR_LENGTH_32

from dicom_jpegls.dicom import SEQUENCE_DELIMITER
from dicom_jpegls.errors import DatasetError
from dicom_jpegls.files.elements import ITEM, ITEM_DELIMITATION, UNDEFINED_LENGTH, tag_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dicom_jpegls.files.elements import Element, ElementReader
    from dicom_jpegls.files.source import SourceFile

# What describes the old pixel data: the length of its group, offset tables, and the length of all fragments.
OLD_PIXEL_ELEMENTS = frozenset((0x7FE00000, 0x7FE00001, 0x7FE00002, 0x7FE00003))

_PREAMBLE_SIZE = 128
_PREFIX = b"DICM"
_META_LENGTH = struct.Struct("<HH2sHL")
_SHORT_HEADER = struct.Struct("<HH2sH")
_LONG_HEADER = struct.Struct("<HH2sHL")
_ITEM_HEADER = struct.Struct("<HHL")
_PIXEL_REPRESENTATION = 0x00280103

# Of File Meta Information.
_FILE_META_INFORMATION_VERSION = 0x00020001
_UIDS = (("SOPClassUID", 0x00020002), ("SOPInstanceUID", 0x00020003))  # the same as those of the dataset
_TRANSFER_SYNTAX = 0x00020010
_IMPLEMENTATION_CLASS_UID = 0x00020012

# Bytes of a number in the VRs whose values depend on the byte order (PS3.5 7.3).
_NUMBER_SIZES = {
    **dict.fromkeys(("AT", "OW", "SS", "US"), 2),
    **dict.fromkeys(("FL", "OF", "OL", "SL", "UL"), 4),
    **dict.fromkeys(("FD", "OD", "OV", "SV", "UV"), 8),
}

_CHUNK = 2**20


def encode_head(source: SourceFile, transfer_syntax_uid: str, changes: Dataset) -> Iterator[bytes]:
    """Yield everything before Pixel Data.

    Parameters
    ----------
    source : SourceFile
        The old file. Its elements are copied, in their order; the values of implicit and of big-endian elements, too,
        with an explicit VR and in the other byte order.
    transfer_syntax_uid : str
        Of the new file.
    changes : pydicom.dataset.Dataset
        The elements that are replaced or added.

    Raises
    ------
    DatasetError
        If an element that changes is there more than once, or a value cannot be written.
    """
    meta = b"".join(_merge(source.meta_reader, source.meta, _meta_changes(source, transfer_syntax_uid, changes)))
    start = (source.preamble or bytes(_PREAMBLE_SIZE)) + _PREFIX
    yield start + _META_LENGTH.pack(2, 0, b"UL", 4, len(meta)) + meta
    if changes:
        character_set = source.ds.get("SpecificCharacterSet")
        yield from _merge(source.reader, source.elements, _encoded(changes, character_set))
    else:
        yield from _merge(source.reader, source.key_elements, {}, source.dataset_start, source.dataset_end)


def encode_trailing(source: SourceFile) -> Iterator[bytes]:
    """Yield everything after Pixel Data."""
    return _merge(source.reader, source.trailing, {})


def _meta_changes(source: SourceFile, transfer_syntax_uid: str, changes: Dataset) -> dict[int, bytes]:
    """Return the elements of the File Meta Information that change, and those that are missing (PS3.10 7.1)."""
    present = {element.tag for element in source.meta}
    values: dict[str, str | bytes] = {}
    for name, tag in _UIDS:
        value = source.ds.get(name) if tag not in present else None
        if changes and name in changes:
            value = changes[name].value
        if value:
            values[f"MediaStorage{name}"] = value
    if _FILE_META_INFORMATION_VERSION not in present:
        values["FileMetaInformationVersion"] = b"\0\1"
    if _IMPLEMENTATION_CLASS_UID not in present:
        values["ImplementationClassUID"] = PYDICOM_IMPLEMENTATION_UID
    uid = transfer_syntax_uid.encode("ascii")
    uid += b"\0" * (len(uid) % 2)
    changed = {_TRANSFER_SYNTAX: _SHORT_HEADER.pack(2, 0x10, b"UI", len(uid)) + uid}
    if values:  # a dataset costs much for a small file
        meta = Dataset()
        for name, value in values.items():
            setattr(meta, name, value)
        changed |= _encoded(meta, None)
    return changed


def _encoded(changes: Dataset, character_set: str | None) -> dict[int, bytes]:
    return {int(element.tag): _encode(element, character_set) for element in changes}


def _merge(
    reader: ElementReader,
    elements: list[Element],
    changed: dict[int, bytes],
    start: int | None = None,
    end: int | None = None,
) -> Iterator[bytes]:
    """Yield elements in their order, changed ones replaced, and new ones before the first with a greater tag.

    What is between `start` and `end`, by default those of the elements, but is not in one of them, is copied.
    """
    if start is None:
        start = elements[0].start if elements else 0
    if end is None:
        end = elements[-1].end if elements else start
    changed_groups = {tag >> 16 for tag in changed}
    present = Counter(element.tag for element in elements) if changed else {}
    for tag in changed:
        if present.get(tag, 0) > 1:
            raise DatasetError(f"{tag_name(tag)} is there {present[tag]} times, and must change")
    new = sorted(changed.keys() - present.keys(), reverse=True)
    is_signed: bool | None = None
    is_little_endian = reader.is_little_endian
    for element in elements:
        tag, _, is_implicit, element_start, _, element_end, _ = element
        is_copied = is_little_endian and not is_implicit
        is_dropped = tag in OLD_PIXEL_ELEMENTS or (
            not tag & 0xFFFF and (not is_copied or tag >> 16 in changed_groups)  # the length of a group
        )
        is_next = not new or tag < new[-1]
        if is_copied and is_next and not is_dropped and tag not in changed:
            continue
        yield from _read_chunks(reader, start, element_start)
        start = element_end
        while new and new[-1] < tag:
            yield changed[new.pop()]
        if tag in changed:
            yield changed[tag]
        elif not is_dropped:
            if is_signed is None:
                is_signed = _is_signed(reader, elements, default=False)
            yield encode_element(reader, element, is_signed=is_signed)
    yield from _read_chunks(reader, start, end)
    yield from (changed[tag] for tag in reversed(new))


def _read_chunks(reader: ElementReader, start: int, end: int) -> Iterator[bytes]:
    for position in range(start, end, _CHUNK):
        yield reader.read(position, min(position + _CHUNK, end))


def _encode(element: object, character_set: str | None) -> bytes:
    """Return an element of a pydicom dataset in bytes."""
    output = DicomBytesIO()
    output.is_implicit_VR, output.is_little_endian = False, True
    ds = Dataset()
    ds.add(element)  # type: ignore[arg-type]  # iterating over a dataset yields elements
    write_dataset(output, ds, character_set or default_encoding)
    return output.getvalue()


def encode_element(reader: ElementReader, element: Element, *, is_signed: bool, depth: int = 0) -> bytes:
    """Return an element in Explicit VR Little Endian: as it is if it has this form already.

    Parameters
    ----------
    reader : ElementReader
        Reads the element.
    element : Element
        Where it is.
    is_signed : bool
        Whether Pixel Representation is 1, for elements that are US or SS.
    depth : int, optional
        How many sequences it is in.
    """
    if reader.is_little_endian and not element.is_implicit:
        return reader.read(element.start, element.end)
    if element.is_sequence:
        value = b"".join(_encode_items(reader, element, is_signed, depth))
        if element.is_undefined:
            value += SEQUENCE_DELIMITER
        return _header(element, "SQ", len(value)) + value
    vr = explicit_vr(element.vr, is_signed=is_signed)
    value = little_endian_value(reader, element, vr)
    return _header(element, vr, len(value)) + value


def _encode_items(reader: ElementReader, element: Element, is_signed: bool, depth: int) -> Iterator[bytes]:
    for item, elements in reader.items(element, depth):
        item_is_signed = _is_signed(reader, elements, default=is_signed)
        encoded = b"".join(
            encode_element(reader, inner, is_signed=item_is_signed, depth=depth + 1)
            for inner in elements
            if not inner.is_group_length
        )
        yield _ITEM_HEADER.pack(ITEM >> 16, ITEM & 0xFFFF, UNDEFINED_LENGTH if item.is_undefined else len(encoded))
        yield encoded
        if item.is_undefined:
            yield _ITEM_HEADER.pack(ITEM_DELIMITATION >> 16, ITEM_DELIMITATION & 0xFFFF, 0)


def _header(element: Element, vr: str, length: int) -> bytes:
    group, number = element.tag >> 16, element.tag & 0xFFFF
    if element.is_undefined:
        length = UNDEFINED_LENGTH
    elif length >= UNDEFINED_LENGTH:
        raise DatasetError(f"element {element.name}: {length} bytes in Explicit VR exceed the largest length")
    if vr not in EXPLICIT_VR_LENGTH_32:
        if length <= 0xFFFF:
            return _SHORT_HEADER.pack(group, number, vr.encode(), length)
        vr = "UN"  # PS3.5 6.2.2: for values that are too long for the length of their VR
    return _LONG_HEADER.pack(group, number, vr.encode(), 0, length)


def explicit_vr(vr: str, *, is_signed: bool) -> str:
    """Return the VR that is written for one of the dictionary, which may leave a choice."""
    if vr == "US or SS":
        return "SS" if is_signed else "US"
    # The others are "OB or OW", "US or OW" and "US or SS or OW": words in an implicit dataset (PS3.5 A.1).
    return "OW" if " or " in vr else vr


def little_endian_value(reader: ElementReader, element: Element, vr: str) -> bytes:
    """Return the value of an element that is no sequence, in little-endian byte order.

    Raises
    ------
    DatasetError
        If it is not a whole number of numbers.
    """
    value = reader.read(element.value, element.end)
    size = _NUMBER_SIZES.get(vr, 1)
    if reader.is_little_endian or size == 1 or element.is_undefined:
        return value
    if len(value) % size:
        raise DatasetError(f"element {element.name} has {len(value)} bytes; {vr} needs a multiple of {size}")
    return np.frombuffer(value, f"u{size}").byteswap().tobytes()


def _is_signed(reader: ElementReader, elements: list[Element], *, default: bool) -> bool:
    """Return whether Pixel Representation of a dataset is 1, if it has one."""
    for element in elements:
        if element.tag == _PIXEL_REPRESENTATION:
            value = reader.read(element.value, element.end)
            return value[: 1 if reader.is_little_endian else 2] in (b"\1", b"\0\1")
    return default
