"""The bytes of a new file before and after Pixel Data, as Explicit VR Little Endian."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset, write_file_meta_info
from pydicom.uid import UID

from dicom_jpegls.dicom import little_endian_words, update_attributes

if TYPE_CHECKING:
    from pydicom import Dataset

    from dicom_jpegls.files.source import SourceFile


def encode_head(source: SourceFile, transfer_syntax_uid: str, changes: Dataset) -> bytes:
    """Return everything before Pixel Data, byte for byte as in the source if nothing in the dataset changes."""
    ds = source.ds
    unchanged = all(element == ds.get(element.tag) for element in changes) and _has_its_uids(ds)
    head = source.head() if unchanged else None
    ds.file_meta.TransferSyntaxUID = UID(transfer_syntax_uid)
    output = _new_output()
    if head is not None:
        output.write((ds.preamble or bytes(128)) + b"DICM")
        write_file_meta_info(output, ds.file_meta, enforce_standard=True)
        return output.getvalue() + head
    _make_little_endian(ds, source.transfer_syntax)
    for tag in [tag for tag in ds.keys() if tag >> 16 == 0x7FE0]:  # noqa: SIM118  # offset tables
        del ds[tag]
    update_attributes(ds, changes)
    ds.save_as(output, enforce_file_format=True)
    return output.getvalue()


def encode_trailing(source: SourceFile) -> bytes:
    """Return everything after Pixel Data."""
    trailing = source.trailing()
    _make_little_endian(trailing, source.transfer_syntax)
    output = _new_output()
    write_dataset(output, trailing)
    return output.getvalue()


def _new_output() -> DicomBytesIO:
    output = DicomBytesIO()
    output.is_implicit_VR, output.is_little_endian = False, True
    return output


def _has_its_uids(ds: Dataset) -> bool:
    """Whether the File Meta Information names the same class and instance as the dataset."""
    uids = [(ds.file_meta.get(f"MediaStorage{name}"), ds.get(name)) for name in ("SOPClassUID", "SOPInstanceUID")]
    return all(meta is not None and meta == uid for meta, uid in uids)


def _make_little_endian(ds: Dataset, transfer_syntax: UID) -> None:
    if not transfer_syntax.is_little_endian:
        for element, value in little_endian_words(ds):
            element.value = value
        ds.set_original_encoding(False, True)
