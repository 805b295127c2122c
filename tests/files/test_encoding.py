"""The bytes before and after Pixel Data: whatever a file holds is in the new one, or the file fails."""

import struct

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import (
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGLSLossless,
    SecondaryCaptureImageStorage,
)

import dicom_jpegls as jls
from dicom_jpegls.dicom import CodingOptions, item_header
from dicom_jpegls.files import NotVerifiedError, SourceFile, compress_file, decompress_file, verify_file, writer
from dicom_jpegls.files.elements import ElementReader
from support.dicom_files import TEST_FILES, make_dataset, random_frames
from support.raw_elements import (
    SEQUENCE_END,
    UNDEFINED,
    dataset_bytes,
    dicom_file,
    explicit,
    image_elements,
    implicit,
    item,
)
from support.single_files import compressed

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:pydicom")

SAMPLES = random_frames((1, 20, 16), 12)[0]
PATIENT_ID = 0x00100020
NAME = 0x00100010


def converted(tmp_path, data, **options):
    """Compress a file of some bytes and return the new dataset; it is the same as the old one by `verify_file`, too."""
    source, target = tmp_path / "source.dcm", tmp_path / "jls.dcm"
    source.write_bytes(data)
    compress_file(source, target, **options)
    verify_file(target, source)
    ds = pydicom.dcmread(target)
    np.testing.assert_array_equal(jls.pixel_array(ds), SAMPLES)
    return ds


@pytest.mark.parametrize("big_endian", [False, True])
def test_what_follows_pixel_data_stays(tmp_path, big_endian):
    ds = make_dataset(random_frames((1, 9, 9), 12), bits_stored=12, big_endian=big_endian)
    padding = Dataset()
    padding.DataSetTrailingPadding = bytes(6)
    ds.update(padding)
    _, result = compressed(ds, tmp_path)
    assert result.DataSetTrailingPadding == bytes(6)
    decompress_file(tmp_path / "jls.dcm", tmp_path / "again.dcm")
    again = pydicom.dcmread(tmp_path / "again.dcm")
    assert again.DataSetTrailingPadding == bytes(6)
    assert again.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian


@pytest.mark.parametrize("padding", [1, 7, 8, 512])
def test_zeros_after_pixel_data_are_no_fault(tmp_path, padding):
    converted(tmp_path, dicom_file(ExplicitVRLittleEndian, dataset_bytes(image_elements(SAMPLES)) + bytes(padding)))


def test_attributes_in_front_of_the_pixels_are_copied_byte_for_byte(tmp_path):
    source = TEST_FILES / "CT_small.dcm"
    compress_file(source, tmp_path / "jls.dcm")
    decompress_file(tmp_path / "jls.dcm", tmp_path / "again.dcm")
    data, again = source.read_bytes(), (tmp_path / "again.dcm").read_bytes()
    start = data.index(b"\x08\x00\x05\x00CS")
    assert again.endswith(data[start:])
    # File Meta Information but for the transfer syntax and its own length, too.
    for keyword in ("MediaStorageSOPInstanceUID", "ImplementationClassUID", "SourceApplicationEntityTitle"):
        assert pydicom.dcmread(tmp_path / "again.dcm").file_meta[keyword] == pydicom.dcmread(source).file_meta[keyword]


def test_elements_out_of_order_and_duplicates_are_kept(tmp_path):
    elements = image_elements(SAMPLES)
    first = explicit(0x00080060, "CS", b"CT")
    lost = explicit(PATIENT_ID, "LO", b"BEFORE") + explicit(0x00080060, "CS", b"MR")
    body = dataset_bytes(elements, (NAME, explicit(NAME, "PN", b"A^B ")))
    ds = converted(tmp_path, dicom_file(ExplicitVRLittleEndian, lost + first + body))
    assert (ds.PatientID, ds.PatientName) == ("BEFORE", "A^B")
    assert lost + first + explicit(NAME, "PN", b"A^B ") in (tmp_path / "jls.dcm").read_bytes()
    compress_file(tmp_path / "source.dcm", tmp_path / "source.dcm")
    assert pydicom.dcmread(tmp_path / "source.dcm").PatientID == "BEFORE"


def test_duplicates_of_what_the_image_depends_on_are_refused(tmp_path):
    elements = image_elements(SAMPLES)
    rows = explicit(0x00280010, "US", struct.pack("<H", 10))
    (tmp_path / "a.dcm").write_bytes(dicom_file(ExplicitVRLittleEndian, rows + dataset_bytes(elements)))
    with pytest.raises(jls.DatasetError, match=r"Rows \(0028,0010\) is 20; but it is there 2 times"):
        compress_file(tmp_path / "a.dcm", tmp_path / "b.dcm")


def test_duplicates_of_what_changes_are_refused(tmp_path):
    image_type = explicit(0x00080008, "CS", b"ORIGINAL\\PRIMARY")
    (tmp_path / "a.dcm").write_bytes(
        dicom_file(ExplicitVRLittleEndian, image_type * 2 + dataset_bytes(image_elements(SAMPLES)))
    )
    compress_file(tmp_path / "a.dcm", tmp_path / "lossless.dcm")
    with pytest.raises(jls.DatasetError, match=r"\(0008,0008\) is there 2 times, and must change"):
        compress_file(tmp_path / "a.dcm", tmp_path / "b.dcm", jls.CodingOptions(near_lossless=1))


@pytest.mark.parametrize("is_compressed", [False, True])
def test_a_second_pixel_data_element_is_refused(tmp_path, is_compressed):
    elements = image_elements(SAMPLES)
    second = elements[0x7FE00010]
    uid = ExplicitVRLittleEndian
    if is_compressed:
        stream = jls.encode(SAMPLES, bits_per_sample=12)
        value = item_header(0) + item_header(len(stream)) + stream + SEQUENCE_END
        elements[0x7FE00010] = explicit(0x7FE00010, "OB", value, length=UNDEFINED)
        uid = JPEGLSLossless
    (tmp_path / "a.dcm").write_bytes(dicom_file(uid, dataset_bytes(elements) + second))
    with pytest.raises(jls.DatasetError, match="there is a second Pixel Data element"):
        (decompress_file if is_compressed else compress_file)(tmp_path / "a.dcm", tmp_path / "b.dcm")
    assert not (tmp_path / "b.dcm").exists()


def test_what_is_no_element_after_pixel_data_is_refused(tmp_path):
    (tmp_path / "a.dcm").write_bytes(
        dicom_file(ExplicitVRLittleEndian, dataset_bytes(image_elements(SAMPLES)) + b"rest")
    )
    with pytest.raises(jls.DatasetError, match="inside the header of an element: it is truncated"):
        compress_file(tmp_path / "a.dcm", tmp_path / "b.dcm")


LAST = 0x7FDF0010  # before Pixel Data

LOSSES = {
    "an element": lambda data: data.replace(explicit(NAME, "PN", b"A^B "), b""),
    "an element added at the end": lambda data: data + explicit(LAST, "LO", b"1 "),
    "a value": lambda data: data.replace(b"A^B ", b"A^C "),
    "an added element": lambda data: data.replace(
        explicit(NAME, "PN", b"A^B "), explicit(NAME, "PN", b"A^B ") + explicit(PATIENT_ID, "LO", b"1 ")
    ),
}


@pytest.mark.parametrize("loss", LOSSES)
def test_a_loss_is_found_before_the_file_gets_its_name(tmp_path, monkeypatch, loss):
    """Whatever the reason might be."""
    encode = writer.encode_head
    monkeypatch.setattr(writer, "encode_head", lambda *arguments: [LOSSES[loss](b"".join(encode(*arguments)))])
    data = dataset_bytes(image_elements(SAMPLES), (NAME, explicit(NAME, "PN", b"A^B ")))
    (tmp_path / "a.dcm").write_bytes(dicom_file(ExplicitVRLittleEndian, data))
    with pytest.raises(
        NotVerifiedError,
        match=r"verification failed: element \((0010,00[12]0|7FDF,0010)\) (is missing|differs|was added)",
    ):
        compress_file(tmp_path / "a.dcm", tmp_path / "b.dcm")
    assert [path.name for path in tmp_path.iterdir()] == ["a.dcm"]


@pytest.mark.parametrize("written", [b"", struct.pack("<HH2s2xL", 0xFFFC, 0xFFFC, b"OB", 2) + b"ab"])
def test_a_loss_after_pixel_data_is_found(tmp_path, monkeypatch, written):
    monkeypatch.setattr(writer, "encode_trailing", lambda *_arguments: [written])
    with pytest.raises(NotVerifiedError, match=r"element \(FFFC,FFFC\) (is missing|differs)"):
        compress_file(TEST_FILES / "CT_small.dcm", tmp_path / "b.dcm")
    assert list(tmp_path.iterdir()) == []


def test_what_is_copied_is_parsed_once(tmp_path, monkeypatch):
    scans, seeks = [], []
    scan, seek = SourceFile._scan, ElementReader.read

    def counted_scan(source, keep):
        scans.append(keep is None)
        return scan(source, keep)

    def counted_read(reader, start, end):
        block = reader._block
        data = seek(reader, start, end)
        if reader._block is not block:
            seeks.append(start)
        return data

    monkeypatch.setattr(SourceFile, "_scan", counted_scan)
    monkeypatch.setattr(ElementReader, "read", counted_read)
    compress_file(TEST_FILES / "CT_small.dcm", tmp_path / "lossless.dcm")
    assert scans == [False]
    assert seeks == [0, 0]  # the old file and the new one are read at once
    compress_file(TEST_FILES / "CT_small.dcm", tmp_path / "near.dcm", CodingOptions(near_lossless=1))
    assert scans[1:] == [False, True, False, True]  # all elements of both are compared


@pytest.mark.parametrize("name", ["CT_small.dcm", "MR_small_implicit.dcm", "SC_rgb_rle.dcm", "examples_overlay.dcm"])
def test_a_copy_has_the_same_elements_without_parsing(tmp_path, name):
    with SourceFile(TEST_FILES / name) as source:
        with SourceFile(TEST_FILES / name, copied_from=source) as copy:
            assert "elements" not in vars(copy)
            assert copy.has_pixel_data
            assert (copy.elements, copy.trailing, copy.vr) == (source.elements, source.trailing, source.vr)
        data = bytearray((TEST_FILES / name).read_bytes())
        data[source.elements[-1].end - 1] ^= 1
        (tmp_path / "other.dcm").write_bytes(data)
        with SourceFile(tmp_path / "other.dcm", copied_from=source) as other:
            assert "key_elements" in vars(other)


CURVE_DATA = 0x50003000
SMALLEST = 0x00280106
LUT_DATA = 0x00283006
SEQUENCE = 0x00081140


def test_implicit_datasets_get_vrs_and_keep_their_bytes(tmp_path):
    """Retired and ambiguous VRs, private elements, values that are too long for their VR, and nested sequences."""
    undefined = implicit(SEQUENCE, b"", length=UNDEFINED)
    nested = (
        undefined + item(implicit(0x00081155, b"1.2.3.4 ") + implicit(SMALLEST, b"\1\0"), undefined=True) + SEQUENCE_END
    )
    private = implicit(0x00091099, b"", length=UNDEFINED) + item(nested) + SEQUENCE_END
    long_text = b"x" * 70_000
    more = {
        SEQUENCE: implicit(SEQUENCE, item(implicit(0x00081155, b"5.6 ") + implicit(0x00080000, bytes(4)))),
        0x00090010: implicit(0x00090010, b"SOMEONE "),
        0x00091001: implicit(0x00091001, b"\1\2\3"),
        0x00091099: private,
        0x00080000: implicit(0x00080000, struct.pack("<L", 12345)),
        0x00104000: implicit(0x00104000, long_text),
        0x00181314: implicit(0x00181314, b"not a number"),
        SMALLEST: implicit(SMALLEST, b"\7\0"),
        LUT_DATA: implicit(LUT_DATA, b"\1\0\2\0"),
        0x50000005: implicit(0x50000005, b"\1\0"),
        CURVE_DATA: implicit(CURVE_DATA, b"\1\2\3\4"),
        0x7FDF1111: implicit(0x7FDF1111, b"odd"),
    }
    body = dataset_bytes(image_elements(SAMPLES, element=implicit), *more.items())
    ds = converted(tmp_path, dicom_file(ImplicitVRLittleEndian, body))
    vrs = {tag: ds.get_item(tag).VR for tag in ds.keys()}  # noqa: SIM118
    assert (vrs[CURVE_DATA], vrs[SMALLEST], vrs[LUT_DATA], vrs[0x00091001]) == ("OW", "US", "OW", "UN")
    assert (ds[CURVE_DATA].value, ds[SMALLEST].value, ds[LUT_DATA].value) == (b"\1\2\3\4", 7, b"\1\0\2\0")
    assert ds.get_item(0x00104000).value == long_text
    assert ds.get_item(0x00181314).value == b"not a number"
    assert ds[0x00091099].value[0][SEQUENCE].value[0].ReferencedSOPInstanceUID == "1.2.3.4"
    assert ds[0x00091099].value[0][SEQUENCE].value[0].SmallestImagePixelValue == 1
    assert ds[SEQUENCE].value[0].ReferencedSOPInstanceUID == "5.6"
    assert 0x00080000 not in ds  # the length of a group of other elements
    assert ds.get_item(0x7FDF1111).value == b"odd"


def test_implicit_datasets_under_a_compressed_syntax(tmp_path):
    stream = jls.encode(SAMPLES, bits_per_sample=12)
    elements = image_elements(SAMPLES, element=implicit)
    value = item_header(0) + item_header(len(stream)) + stream + SEQUENCE_END
    elements[0x7FE00010] = implicit(0x7FE00010, value, length=UNDEFINED)
    body = dataset_bytes(elements, (CURVE_DATA, implicit(CURVE_DATA, b"\1\2")))
    (tmp_path / "a.dcm").write_bytes(dicom_file(JPEGLSLossless, body))
    decompress_file(tmp_path / "a.dcm", tmp_path / "b.dcm")
    verify_file(tmp_path / "b.dcm", tmp_path / "a.dcm")
    ds = pydicom.dcmread(tmp_path / "b.dcm")
    np.testing.assert_array_equal(ds.pixel_array, SAMPLES)
    assert ds[CURVE_DATA].value == b"\1\2"


def test_big_endian_values_are_swapped_by_their_vr(tmp_path):
    def big(tag, vr, value):
        return explicit(tag, vr, value, order=">")

    icon = big(0x00280106, "US", b"\0\5") + big(0x00281201, "OW", b"\1\2\3\4")
    more = {
        0x00081111: big(0x00081111, "SQ", item(icon, order=">")),
        0x00189087: big(0x00189087, "FD", struct.pack(">d", 2.5)),
        0x00280009: big(0x00280009, "AT", struct.pack(">HH", 0x0018, 0x1063)),
        0x00091001: big(0x00091001, "UN", b"\1\2\3\4"),
    }
    ds = converted(
        tmp_path, dicom_file(ExplicitVRBigEndian, dataset_bytes(image_elements(SAMPLES, order=">"), *more.items()))
    )
    assert (ds[0x00189087].value, ds[0x00280009].value) == (2.5, 0x00181063)
    assert ds[0x00091001].value == b"\1\2\3\4"
    inner = ds[0x00081111].value[0]
    assert (inner.SmallestImagePixelValue, inner[0x00281201].value) == (5, b"\2\1\4\3")


def test_big_endian_values_of_half_a_number_are_refused(tmp_path):
    half = explicit(0x00189087, "FD", bytes(7), order=">")
    body = dataset_bytes(image_elements(SAMPLES, order=">"), (0x00189087, half))
    (tmp_path / "a.dcm").write_bytes(dicom_file(ExplicitVRBigEndian, body))
    with pytest.raises(jls.DatasetError, match=r"\(0018,9087\) has 7 bytes; FD needs a multiple of 8"):
        compress_file(tmp_path / "a.dcm", tmp_path / "b.dcm")


@pytest.mark.parametrize("preamble", [b"", bytes(128) + b"DICM", b"II*\0" + bytes(124) + b"DICM"])
@pytest.mark.parametrize("has_uids", [False, True])
def test_files_without_preamble_and_without_uids(tmp_path, preamble, has_uids):
    more = {NAME: explicit(NAME, "PN", b"A^B ")}
    if has_uids:
        more[0x00080016] = explicit(0x00080016, "UI", SecondaryCaptureImageStorage.encode())
        more[0x00080018] = explicit(0x00080018, "UI", b"1.2.3.4 ")
    body = dataset_bytes(image_elements(SAMPLES), *more.items())
    ds = converted(tmp_path, dicom_file(ExplicitVRLittleEndian, body, preamble=preamble))
    assert ds.preamble == (preamble[:128] or bytes(128))
    # What the dataset has is added to the File Meta Information, and nothing is invented.
    assert ds.file_meta.get("MediaStorageSOPClassUID") == (SecondaryCaptureImageStorage if has_uids else None)
    assert ds.file_meta.FileMetaInformationGroupLength > 0
    assert (ds.PatientName, "SOPClassUID" in ds) == ("A^B", has_uids)


def test_group_lengths_stay_where_their_group_does(tmp_path):
    more = {
        0x00100000: explicit(0x00100000, "UL", struct.pack("<L", 12)),
        NAME: explicit(NAME, "PN", b"A^B "),
        0x00080000: explicit(0x00080000, "UL", struct.pack("<L", 24)),
        0x00080008: explicit(0x00080008, "CS", b"ORIGINAL\\PRIMARY"),
        0x7FE00000: explicit(0x7FE00000, "UL", bytes(4)),
    }
    source = dicom_file(ExplicitVRLittleEndian, dataset_bytes(image_elements(SAMPLES), *more.items()))
    ds = converted(tmp_path, source)
    assert [tag in ds for tag in (0x00080000, 0x00100000, 0x7FE00000)] == [True, True, False]
    compress_file(tmp_path / "source.dcm", tmp_path / "near.dcm", jls.CodingOptions(near_lossless=1))
    verify_file(tmp_path / "near.dcm", tmp_path / "source.dcm")
    near = pydicom.dcmread(tmp_path / "near.dcm")
    assert [tag in near for tag in (0x00080000, 0x00100000, 0x7FE00000)] == [False, True, False]


def test_a_large_value_is_copied_in_parts(tmp_path):
    private = explicit(0x00091001, "OB", bytes(range(256)) * 10_000)
    ds = converted(tmp_path, dicom_file(ExplicitVRLittleEndian, private + dataset_bytes(image_elements(SAMPLES))))
    assert ds[0x00091001].value == bytes(range(256)) * 10_000
