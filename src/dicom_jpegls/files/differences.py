"""Comparing the elements of two files, whatever their transfer syntaxes: nothing may be lost in a conversion."""

from __future__ import annotations

from itertools import zip_longest
from typing import TYPE_CHECKING, TypeAlias

from pydicom import DataElement, Dataset
from pydicom.tag import BaseTag

from dicom_jpegls.dicom import decode_nested_pixel_data, little_endian_words, set_nested_pixel_data
from dicom_jpegls.files.elements import PIXEL_DATA
from dicom_jpegls.files.encoding import OLD_PIXEL_ELEMENTS, explicit_vr, little_endian_value

if TYPE_CHECKING:
    from collections.abc import Container, Iterator

    from dicom_jpegls.files.elements import Element, ElementReader
    from dicom_jpegls.files.source import SourceFile

# What describes the samples of Pixel Data, and may differ in an item of a sequence whose Pixel Data was decoded:
# Photometric Interpretation, Planar Configuration, Bits Allocated, and High Bit where it is absent.
_PIXEL_ATTRIBUTES = frozenset((0x00280004, 0x00280006, 0x00280100, 0x00280102))

# What is added to File Meta Information that lacks it (PS3.10 7.1), and the transfer syntax.
_COMPLETED_META = frozenset((0x00020001, 0x00020002, 0x00020003, 0x00020012))
_TRANSFER_SYNTAX = 0x00020010

_Place: TypeAlias = tuple[int, ...]


def first_difference(
    first: SourceFile, second: SourceFile, ignored: Container[int], *, compares_nested: bool = True
) -> str | None:
    """Return the first element, other than Pixel Data, that two files do not have alike.

    Parameters
    ----------
    first, second : SourceFile
        The files.
    ignored : container of int
        Tags that are not compared, besides group lengths, offset tables and the transfer syntax. The second file may
        have more File Meta Information, if that of the first is not complete.
    compares_nested : bool, optional
        Whether Pixel Data in items of sequences is decoded and compared where its bytes differ.

    Returns
    -------
    str or None
        What differs; None if all elements are there, as often and in the same order if they are there more than once,
        with the same bytes in their values.

    Raises
    ------
    DatasetError
        If a file is damaged.
    """
    if first.preamble and first.preamble != second.preamble:
        return f"the preamble {'differs' if second.preamble else 'is missing'}"
    is_copied = _has_same_dataset(first, second)
    expected = _compared(first, ignored, with_dataset=not is_copied)
    added = _COMPLETED_META - {element.tag for _, element in expected}
    found = [pair for pair in _compared(second, ignored, with_dataset=not is_copied) if pair[1].tag not in added]
    for pair, other_pair in zip_longest(expected, found):
        if pair is None or (other_pair is not None and other_pair[1].tag < pair[1].tag):
            return f"element {other_pair[1].name} was added"
        if other_pair is None or pair[1].tag < other_pair[1].tag:
            return f"element {pair[1].name} is missing"
        (reader, element), (other_reader, other) = pair, other_pair
        may_be_alike = _is_copied(reader, element) and _is_copied(other_reader, other)
        if may_be_alike and reader.read(element.start, element.end) == other_reader.read(other.start, other.end):
            continue
        if list(_values(reader, [element], ())) == list(_values(other_reader, [other], ())):
            continue
        if not (has_pixel_data(first, element) and has_pixel_data(second, other)):
            return f"element {element.name} differs"
        if list(_values(reader, [element], (), with_pixels=False)) != list(
            _values(other_reader, [other], (), with_pixels=False)
        ):
            return f"element {element.name} differs, not only in its pixel data"
        if compares_nested and nested_samples(first, element) != nested_samples(second, other):
            return f"the pixel data in element {element.name} differs"
    return None


def _has_same_dataset(first: SourceFile, second: SourceFile) -> bool:
    """Whether all elements before Pixel Data are the same bytes, as they are where nothing had to change."""
    # The first bytes show whether VRs are implicit.
    is_same_order = first.reader.is_little_endian == second.reader.is_little_endian
    return is_same_order and first.dataset_bytes() == second.dataset_bytes()


def _compared(
    source: SourceFile, ignored: Container[int], *, with_dataset: bool
) -> list[tuple[ElementReader, Element]]:
    pairs = [(source.meta_reader, element) for element in source.meta if element.tag != _TRANSFER_SYNTAX]
    elements = [*source.elements, *source.trailing] if with_dataset else source.trailing
    pairs += [(source.reader, element) for element in elements]
    compared = [
        (reader, element)
        for reader, element in pairs
        if not (element.tag in ignored or element.tag in OLD_PIXEL_ELEMENTS or element.is_group_length)
    ]
    return sorted(compared, key=lambda pair: pair[1].tag)  # equal tags keep their order


def _is_copied(reader: ElementReader, element: Element) -> bool:
    return reader.is_little_endian and not element.is_implicit


def _values(
    reader: ElementReader, elements: list[Element], place: _Place, *, with_pixels: bool = True
) -> Iterator[tuple[_Place, bytes]]:
    """Yield the place and the value, in little-endian order, of each element and of those in its items."""
    is_image = not with_pixels and any(element.tag == PIXEL_DATA for element in elements)
    for element in sorted(elements, key=lambda element: element.tag):
        if element.is_group_length or (
            is_image and (element.tag in _PIXEL_ATTRIBUTES or element.tag in OLD_PIXEL_ELEMENTS | {PIXEL_DATA})
        ):
            continue
        inside = (*place, element.tag)
        if not element.is_sequence:
            yield inside, little_endian_value(reader, element, explicit_vr(element.vr, is_signed=False))
            continue
        yield inside, b""
        for number, (_, inner) in enumerate(reader.items(element, len(place) // 2)):
            yield (*inside, number), b""
            yield from _values(reader, inner, (*inside, number), with_pixels=with_pixels)


def has_pixel_data(source: SourceFile, element: Element) -> bool:
    """Whether an element is a sequence that may have Pixel Data in one of its items, at any depth."""
    tag = b"\xe0\x7f\x10\x00" if source.reader.is_little_endian else b"\x7f\xe0\x00\x10"
    return element.is_sequence and tag in source.reader.read(element.value, element.end)


def native_sequences(source: SourceFile) -> list[DataElement]:
    """Return the sequences that have encapsulated Pixel Data in an item, with native pixel data instead.

    Raises
    ------
    DatasetError
        If it cannot be decoded.
    """
    changed = []
    for element in source.key_elements:
        if (element.vr == "SQ" or element.is_undefined) and has_pixel_data(source, element):
            ds, is_decoded = _native_sequence(source, element)
            if is_decoded:
                changed.append(ds[BaseTag(element.tag)])
    return changed


def _native_sequence(source: SourceFile, element: Element) -> tuple[Dataset, bool]:
    """Return a dataset with one sequence of a file, whose pixel data is native, and whether it was decoded for that."""
    ds = source.dataset([element])
    if "PixelRepresentation" in source.ds:  # for elements that are US or SS
        ds.PixelRepresentation = source.ds.PixelRepresentation
    if not source.reader.is_little_endian:
        for word, value in little_endian_words(ds):
            word.value = value
        ds.set_original_encoding(False, True)
    with source.noting_warnings():
        decoded = decode_nested_pixel_data(ds)
    set_nested_pixel_data(decoded)
    return ds, bool(decoded)


def nested_samples(source: SourceFile, element: Element) -> list[bytes]:
    """Return the native pixel data of all items of a sequence, at any depth."""
    ds, _ = _native_sequence(source, element)
    samples = []
    ds.walk(lambda _, inner: samples.append(inner.value) if inner.tag == PIXEL_DATA else None)
    return samples
