"""Elements are found where they are, in every encoding; damaged datasets are refused, whatever their form."""

import io
import struct

import pydicom
import pytest

import dicom_jpegls as jls
from dicom_jpegls.files.elements import ElementReader
from support.dicom_files import NATIVE_FILES, TEST_FILES
from support.raw_elements import ITEM_END, SEQUENCE_END, UNDEFINED, explicit, implicit, item

NAME = 0x00100010
SEQUENCE = 0x00081140
PRIVATE = 0x00091001


def scan(data, **keywords):
    return ElementReader(io.BytesIO(data), is_little_endian=keywords.pop("is_little_endian", True)).scan(0, **keywords)


def found(data, **keywords):
    elements, end = scan(data, **keywords)
    assert end == len(data)
    return [(hex(element.tag), element.vr, data[element.value : element.end]) for element in elements]


def test_short_and_long_headers_and_unknown_vrs():
    data = explicit(NAME, "PN", b"A^B ") + explicit(PRIVATE, "UN", b"1234") + explicit(0x00111001, "ZZ", b"56")
    assert found(data) == [("0x100010", "PN", b"A^B "), ("0x91001", "UN", b"1234"), ("0x111001", "ZZ", b"56")]


def test_some_elements_are_passed_over():
    """Those with a short header that nobody asks for; damage is found in them, too."""
    short = explicit(NAME, "PN", b"A^B ") + explicit(0x00100020, "LO", b"7 ")
    data = short + explicit(0x00100030, "DA", b"20000101") + implicit(0x00100040, b"F ")
    data += explicit(0x00100050, "OB", b"12") + explicit(0x00100060, "SH", b"x" * 60_000)
    data += explicit(0x00100070, "SH", b"y" * 20_000) + explicit(0x00100080, "SH", b"z ")
    kept, end = scan(data, keep=frozenset((0x00100020, 0x00100080)))
    assert end == len(data)
    assert [element.tag & 0xFF for element in kept] == [0x20, 0x40, 0x50, 0x80]
    assert set(kept) < set(scan(data)[0])
    with pytest.raises(jls.DatasetError, match=r"inside the value of \(0010,0020\): it is truncated"):
        scan(short[:-1], keep=frozenset())
    with pytest.raises(jls.DatasetError, match=r"\(0010,0020\) ends 1 bytes after its item"):
        scan(short, end=len(short) - 1, keep=frozenset())


@pytest.mark.parametrize("undefined_items", [False, True])
@pytest.mark.parametrize(
    "encode", [lambda tag, vr, value: explicit(tag, vr, value), lambda tag, _, value: implicit(tag, value)]
)
def test_sequences_of_undefined_length_end_at_their_delimiter(encode, undefined_items):
    inner = implicit if encode(NAME, "PN", b"")[4:6] != b"PN" else None
    header = implicit(SEQUENCE, b"", length=UNDEFINED) if inner else explicit(SEQUENCE, "SQ", b"", length=UNDEFINED)
    innermost = header + item(encode(NAME, "PN", b"A^B "), undefined=undefined_items) + SEQUENCE_END
    data = header + item(innermost, undefined=undefined_items) + item(b"") + SEQUENCE_END + encode(NAME, "PN", b"C ")
    elements, end = scan(data, is_implicit=bool(inner))
    assert (end, [element.tag for element in elements]) == (len(data), [SEQUENCE, NAME])
    reader = ElementReader(io.BytesIO(data))
    (_, first), (_, second) = reader.items(elements[0])
    assert ([element.tag for element in first], second) == ([SEQUENCE], [])
    ((_, names),) = reader.items(first[0], 1)
    assert [reader.read(name.value, name.end) for name in names] == [b"A^B "]


def test_implicit_elements_in_explicit_datasets():
    """Some programs write single ones, and sequences of VR UN have implicit items (PS3.5 6.2.2)."""
    unknown = (
        explicit(PRIVATE, "UN", b"", length=UNDEFINED) + item(implicit(NAME, b"A "), undefined=True) + SEQUENCE_END
    )
    data = implicit(0x00080005, b"ISO_IR 100") + explicit(0x00080060, "CS", b"CT") + unknown
    assert [vr for _, vr, _ in found(explicit(0x00080000, "UL", bytes(4)) + data)] == ["UL", "CS", "CS", "UN"]
    elements, _ = scan(unknown)
    ((_, (name,)),) = ElementReader(io.BytesIO(unknown)).items(elements[0])
    assert (name.vr, name.is_implicit) == ("PN", True)


def test_the_first_element_shows_the_encoding():
    assert found(explicit(NAME, "PN", b"A "), is_implicit=True) == [("0x100010", "PN", b"A ")]
    assert found(implicit(NAME, b"A ")) == [("0x100010", "PN", b"A ")]


def test_vrs_of_private_elements_come_from_their_creator():
    creator = implicit(0x00190010, b"SIEMENS MR HEADER ")
    data = creator + implicit(0x00191008, b"AB") + implicit(0x00191099, b"AB") + implicit(0x00211008, b"AB")
    assert [vr for _, vr, _ in found(data, is_implicit=True)] == ["LO", "CS", "UN", "UN"]


DAMAGED = {
    "cut in a header": (explicit(NAME, "PN", b"A ")[:6], "inside the header of an element"),
    "cut in a long header": (explicit(PRIVATE, "UN", b"")[:10], "inside the header of"),
    "cut in a value": (explicit(NAME, "PN", b"A^B ", length=40), "inside the value of .0010,0010.: it is truncated"),
    "no delimiter": (explicit(SEQUENCE, "SQ", item(b""), length=UNDEFINED), r"\(0008,1140\), which has no delimiter"),
    "no item": (explicit(SEQUENCE, "SQ", bytes(8) + SEQUENCE_END, length=UNDEFINED), r"\(0000,0000\) at byte 12"),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_damaged_datasets_are_refused(case):
    data, message = DAMAGED[case]
    with pytest.raises(jls.DatasetError, match=message):
        scan(data)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (item(explicit(NAME, "PN", b"A^B ", length=400)), "damaged"),
        (struct.pack("<HHL", 0xFFFE, 0xE000, 1000), "ends after its sequence"),
    ],
)
def test_items_that_are_longer_than_their_sequence_are_refused(value, message):
    data = explicit(SEQUENCE, "SQ", value) + explicit(NAME, "PN", bytes(500))
    elements, _ = scan(data)
    with pytest.raises(jls.DatasetError, match=message):
        ElementReader(io.BytesIO(data)).items(elements[0])


@pytest.mark.parametrize("levels", [60, 10_000])
def test_deeply_nested_sequences_end_in_an_error_and_not_in_that_of_the_stack(levels):
    start = explicit(SEQUENCE, "SQ", b"", length=UNDEFINED) + struct.pack("<HHL", 0xFFFE, 0xE000, UNDEFINED)
    data = start * levels + (ITEM_END + SEQUENCE_END) * levels
    if levels < 64:
        assert [element.end for element in scan(data)[0]] == [len(data)]
    else:
        with pytest.raises(jls.DatasetError, match=r"\(0008,1140\) is in 64 sequences; at most 63 levels are read"):
            scan(data)


@pytest.mark.filterwarnings("ignore::UserWarning:pydicom")
@pytest.mark.parametrize(
    "name", [*NATIVE_FILES, "JPEG2000.dcm", "dicomdirtests/DICOMDIR", "rtplan.dcm", "meta_missing_tsyntax.dcm"]
)
def test_pydicom_finds_the_same_elements(name):
    from dicom_jpegls.files import SourceFile

    ds = pydicom.dcmread(TEST_FILES / name, stop_before_pixels=True)
    if "TransferSyntaxUID" not in ds.file_meta:
        with pytest.raises(jls.DatasetError, match="Transfer Syntax UID"):
            SourceFile(TEST_FILES / name, needs_image=False)
        return
    with SourceFile(TEST_FILES / name, needs_image=False) as source:
        assert [element.tag for element in source.elements] == list(ds.keys())
        assert source.ds == ds
        assert source.ds.file_meta == ds.file_meta
