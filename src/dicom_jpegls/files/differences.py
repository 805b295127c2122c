"""Comparing the elements of two files, whatever their transfer syntaxes: nothing may be lost in a conversion."""

from __future__ import annotations

from itertools import zip_longest
from typing import TYPE_CHECKING, TypeAlias

from pydicom import Dataset
from pydicom.tag import BaseTag

from dicom_jpegls.dicom import decode_nested_pixel_data, little_endian_words, set_nested_pixel_data
from dicom_jpegls.files.elements import PIXEL_DATA
from dicom_jpegls.files.encoding import OLD_PIXEL_ELEMENTS, explicit_vr, little_endian_value

if TYPE_CHECKING:
    from collections.abc import Container, Iterator

    from dicom_jpegls.files.elements import Element, ElementReader
    from dicom_jpegls.files.source import SourceFile

# What describes the samples of Pixel Data, and may differ in an item of a sequence whose Pixel Data was decoded:
# Photometric Interpretation, Planar Configuration, Bits Allocated.
_PIXEL_ATTRIBUTES = frozenset((0x00280004, 0x00280006, 0x00280100))

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
        Tags that are not compared, besides group lengths and offset tables.
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
    for element, other in zip_longest(_compared(first, ignored), _compared(second, ignored)):
        if element is None or (other is not None and other.tag < element.tag):
            return f"element {other.name} was added"
        if other is None or element.tag < other.tag:
            return f"element {element.name} is missing"
        if _is_copied(first.reader, element) and _is_copied(second.reader, other):
            if first.reader.read(element.start, element.end) == second.reader.read(other.start, other.end):
                continue
        if list(_values(first.reader, [element], ())) == list(_values(second.reader, [other], ())):
            continue
        if not (has_pixel_data(first, element) and has_pixel_data(second, other)):
            return f"element {element.name} differs"
        if list(_values(first.reader, [element], (), with_pixels=False)) != list(
            _values(second.reader, [other], (), with_pixels=False)
        ):
            return f"element {element.name} differs, not only in its pixel data"
        if compares_nested and nested_samples(first, element) != nested_samples(second, other):
            return f"the pixel data in element {element.name} differs"
    return None


def _compared(source: SourceFile, ignored: Container[int]) -> list[Element]:
    elements = [
        element
        for element in (*source.elements, *source.trailing)
        if not (element.tag in ignored or element.tag in OLD_PIXEL_ELEMENTS or element.is_group_length)
    ]
    return sorted(elements, key=lambda element: element.tag)  # equal tags keep their order


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


def native_sequences(source: SourceFile) -> Dataset:
    """Return the sequences that have encapsulated Pixel Data in an item, with native pixel data instead.

    Raises
    ------
    DatasetError
        If it cannot be decoded.
    """
    changed = Dataset()
    for element in source.elements:
        if has_pixel_data(source, element):
            ds, is_decoded = _native_sequence(source, element)
            if is_decoded:
                changed.add(ds[BaseTag(element.tag)])
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
    decoded = decode_nested_pixel_data(ds)
    set_nested_pixel_data(decoded)
    return ds, bool(decoded)


def nested_samples(source: SourceFile, element: Element) -> list[bytes]:
    """Return the native pixel data of all items of a sequence, at any depth."""
    ds, _ = _native_sequence(source, element)
    samples = []
    ds.walk(lambda _, inner: samples.append(inner.value) if inner.tag == PIXEL_DATA else None)
    return samples
