"""Attributes that mark a dataset as derived after a change of its samples (PS3.3 C.7.6.1.1.5)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.sequence import Sequence
from pydicom.uid import generate_uid

from dicom_jpegls.dicom.rules import keyword_of

if TYPE_CHECKING:
    from dicom_jpegls.dicom.frames import FrameCoder

# Codes of DCM (PS3.16, context groups 7203 and 7202).
_LOSSY_COMPRESSION = ("113040", "Lossy Compression")
_UNCOMPRESSED_PREDECESSOR = ("121320", "Uncompressed predecessor")

# JPEG-LS in Lossy Image Compression Method (PS3.3 C.7.6.1.1.5.1).
_METHOD = "ISO_14495_1"

# Derivation Description is of VR ST (PS3.5 6.2).
_MAXIMUM_SHORT_TEXT = 1024


def coded_attributes(ds: Dataset, coder: FrameCoder, ratio: float) -> Dataset:
    """Return the attributes that change with the samples: those that describe them, and those of a loss.

    Parameters
    ----------
    ds : pydicom.dataset.Dataset
        The dataset before the change; not modified.
    coder : FrameCoder
        What encoded its frames.
    ratio : float
        Size of the native pixel data divided by the size of the streams.
    """
    changes = Dataset()
    for name in ("photometric_interpretation", "bits_allocated", "bits_stored", "high_bit"):
        value = getattr(coder.coded, name)
        if value != getattr(coder.native, name):
            setattr(changes, keyword_of(name), value)
    if coder.options.lossy_attributes and (coder.options.near_lossless or coder.converts):
        changes.update(_derived_attributes(ds, coder, ratio))
    return changes


def update_attributes(ds: Dataset, changes: Dataset) -> None:
    """Set changed attributes in a dataset, and a new SOP Instance UID also in its File Meta Information."""
    ds.update(changes)
    if "SOPInstanceUID" in changes:
        ds.file_meta.MediaStorageSOPInstanceUID = changes.SOPInstanceUID


def _derived_attributes(ds: Dataset, coder: FrameCoder, ratio: float) -> Dataset:
    """Return the attributes that state a loss of information.

    Lossy Image Compression, Image Type, Derivation Description, Source Image Sequence and a new SOP Instance UID; for
    near-lossless coding also Derivation Code Sequence, and Lossy Image Compression Ratio and Method after the values
    that are there.
    """
    near_lossless = coder.options.near_lossless
    steps = []
    if coder.converts:
        native, coded = coder.native, coder.coded
        scaling = f", {native.bits_stored} bits scaled to 8" if native.bits_stored != 8 else ""
        steps.append(f"{native.photometric_interpretation} converted to {coded.photometric_interpretation}{scaling}")
    if near_lossless:
        steps.append(f"JPEG-LS near-lossless compression, largest error {near_lossless}, ratio {ratio:.3f}")
    changes = Dataset()
    changes.LossyImageCompression = "01"
    if near_lossless:
        changes.LossyImageCompressionRatio = [*_values(ds, "LossyImageCompressionRatio"), f"{ratio:.3f}"[:16]]
        changes.LossyImageCompressionMethod = [*_values(ds, "LossyImageCompressionMethod"), _METHOD]
        changes.DerivationCodeSequence = Sequence([*_items(ds, "DerivationCodeSequence"), _code(*_LOSSY_COMPRESSION)])

    changes.update(changed_image_attributes(ds, "; ".join(steps)))
    if ds.get("SOPInstanceUID"):
        source = Dataset()
        source.ReferencedSOPClassUID = ds.get("SOPClassUID", "")
        source.ReferencedSOPInstanceUID = ds.SOPInstanceUID
        source.PurposeOfReferenceCodeSequence = Sequence([_code(*_UNCOMPRESSED_PREDECESSOR)])
        changes.SourceImageSequence = Sequence([*_items(ds, "SourceImageSequence"), source])
    return changes


def changed_image_attributes(ds: Dataset, description: str) -> Dataset:
    """Return the attributes that state that a dataset has become a different image.

    Returns
    -------
    pydicom.dataset.Dataset
        Image Type, Derivation Description (after the text that is there) and a new SOP Instance UID.
    """
    changes = Dataset()
    changes.ImageType = ["DERIVED", *(_values(ds, "ImageType")[1:] or ["PRIMARY"])]
    texts = [text for text in (ds.get("DerivationDescription"), description) if text]
    changes.DerivationDescription = "; ".join(texts)[:_MAXIMUM_SHORT_TEXT]
    changes.SOPInstanceUID = generate_uid()
    return changes


def _values(ds: Dataset, keyword: str) -> list[Any]:
    value = ds.get(keyword)
    if value is None or value == "":
        return []
    return list(value) if isinstance(value, MultiValue) else [value]


def _items(ds: Dataset, keyword: str) -> list[Dataset]:
    return list(ds.get(keyword) or [])


def _code(value: str, meaning: str) -> Dataset:
    code = Dataset()
    code.CodeValue = value
    code.CodingSchemeDesignator = "DCM"
    code.CodeMeaning = meaning
    return code
