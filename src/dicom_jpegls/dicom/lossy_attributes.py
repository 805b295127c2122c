"""What a dataset has to say about itself once its samples are no longer the original ones (PS3.3 C.7.6.1.1.5)."""

from __future__ import annotations

from typing import Any

from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.sequence import Sequence
from pydicom.uid import generate_uid

# Codes of DCM (PS3.16, context groups 7203 and 7202).
_LOSSY_COMPRESSION = ("113040", "Lossy Compression")
_UNCOMPRESSED_PREDECESSOR = ("121320", "Uncompressed predecessor")

# JPEG-LS in Lossy Image Compression Method (PS3.3 C.7.6.1.1.5.1).
_METHOD = "ISO_14495_1"

# Derivation Description is of VR ST (PS3.5 6.2).
_MAXIMUM_SHORT_TEXT = 1024


def derived_attributes(ds: Dataset, steps: list[str], *, near_lossless: int, ratio: float) -> Dataset:
    """Give the attributes with which a dataset says that its samples were changed for good.

    Parameters
    ----------
    ds : pydicom.dataset.Dataset
        The dataset as it is; not changed.
    steps : list of str
        What was done, for Derivation Description.
    near_lossless : int
        Largest absolute error of the compression; 0 if only something else lost information.
    ratio : float
        Size of the native pixel data by that of the streams.

    Returns
    -------
    pydicom.dataset.Dataset
        Lossy Image Compression, Image Type, Derivation Description, Source Image Sequence and a new SOP Instance UID;
        if `near_lossless` is not 0 also Lossy Image Compression Ratio and Method, behind the values that are there,
        and Derivation Code Sequence.
    """
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
    """Give the attributes with which a dataset says that it is another image than it was, for whatever reason.

    Returns
    -------
    pydicom.dataset.Dataset
        Image Type, Derivation Description (behind the text that is there) and a new SOP Instance UID.
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
