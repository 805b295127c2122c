"""Attributes that mark a dataset as derived after a change of its samples (PS3.3 C.7.6.1.1.5)."""

from __future__ import annotations

import copy
from itertools import chain
from typing import TYPE_CHECKING, Any

from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.sequence import Sequence
from pydicom.uid import generate_uid

from dicom_jpegls.dicom.diagnostics import reading
from dicom_jpegls.dicom.nested import items_of
from dicom_jpegls.dicom.pixel_data import image_pixel_changes, value_of
from dicom_jpegls.dicom.rules import attribute_name
from dicom_jpegls.errors import DatasetError

if TYPE_CHECKING:
    from dicom_jpegls.dicom.frames import FrameCoder

# Codes of DCM (PS3.16, context groups 7203 and 7202).
_LOSSY_COMPRESSION = ("113040", "Lossy Compression")
_UNCOMPRESSED_PREDECESSOR = ("121320", "Uncompressed predecessor")

# JPEG-LS in Lossy Image Compression Method (PS3.3 C.7.6.1.1.5.1).
_METHOD = "ISO_14495_1"

# The functional groups of enhanced multi-frame images (PS3.3 C.7.6.16). Those of some kinds of images have Frame Type.
_FUNCTIONAL_GROUPS = ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence")

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
    # Planar Configuration is 0 whatever the interleave mode is (PS3.5 8.2.3).
    planar_configuration = 0 if coder.coded.samples_per_pixel > 1 else None
    changes = image_pixel_changes(ds, coder.coded._replace(planar_configuration=planar_configuration))
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
        _append(changes, ds, "LossyImageCompressionRatio", f"{ratio:.3f}"[:16])
        _append(changes, ds, "LossyImageCompressionMethod", _METHOD)
        _append_item(changes, ds, "DerivationCodeSequence", _code(*_LOSSY_COMPRESSION))

    changes.update(changed_image_attributes(ds, "; ".join(steps)))
    uid = value_of(ds, "SOPInstanceUID")
    if uid:
        source = Dataset()
        with reading("SOP Class UID (0008,0016) or SOP Instance UID (0008,0018)"):
            source.ReferencedSOPClassUID = value_of(ds, "SOPClassUID") or ""
            source.ReferencedSOPInstanceUID = uid
        source.PurposeOfReferenceCodeSequence = Sequence([_code(*_UNCOMPRESSED_PREDECESSOR)])
        _append_item(changes, ds, "SourceImageSequence", source)
    return changes


def changed_image_attributes(ds: Dataset, description: str) -> Dataset:
    """Return the attributes that state that a dataset has become a different image.

    Returns
    -------
    pydicom.dataset.Dataset
        Image Type, and in enhanced multi-frame images Frame Type of each frame; Derivation Description (after the text
        that is there); and a new SOP Instance UID.
    """
    changes = Dataset()
    changes.ImageType = ["DERIVED", *(_values(ds, "ImageType")[1:] or ["PRIMARY"])]
    for keyword in _FUNCTIONAL_GROUPS:
        groups = _derived_frame_types(ds, keyword)
        if groups is not None:
            setattr(changes, keyword, groups)
    texts = [str(text) for text in (value_of(ds, "DerivationDescription"), description) if text]
    changes.DerivationDescription = "; ".join(texts)[:_MAXIMUM_SHORT_TEXT]
    changes.SOPInstanceUID = generate_uid()
    return changes


def _derived_frame_types(ds: Dataset, keyword: str) -> Sequence | None:
    """Return the functional groups with all Frame Types derived; None if none has to be changed (PS3.3 C.8.16.1)."""
    groups = _items(ds, keyword)
    if not any(_originals(item) for item in groups):
        return None
    with reading(attribute_name(keyword)):
        groups = copy.deepcopy(groups)
    for frame in chain.from_iterable(map(_originals, groups)):
        frame.FrameType = ["DERIVED", *_values(frame, "FrameType")[1:]]
    return Sequence(groups)


def _originals(functional_groups: Dataset) -> list[Dataset]:
    """Return the items in the functional groups of a frame that state that it is not derived."""
    return [item for _, item in items_of(functional_groups) if _values(item, "FrameType")[:1] == ["ORIGINAL"]]


def _values(ds: Dataset, keyword: str) -> list[Any]:
    value = value_of(ds, keyword)
    if value is None:
        return []
    return list(value) if isinstance(value, MultiValue) else [value]


def _append(changes: Dataset, ds: Dataset, keyword: str, value: str) -> None:
    with reading(attribute_name(keyword)):
        setattr(changes, keyword, [*_values(ds, keyword), value])


def _items(ds: Dataset, keyword: str) -> list[Dataset]:
    value = value_of(ds, keyword)
    if value is None:
        return []
    if not isinstance(value, Sequence):
        raise DatasetError(f"{attribute_name(keyword)} must be a sequence, found {type(value).__name__}")
    return list(value)


def _append_item(changes: Dataset, ds: Dataset, keyword: str, item: Dataset) -> None:
    setattr(changes, keyword, Sequence([*_items(ds, keyword), item]))


def _code(value: str, meaning: str) -> Dataset:
    code = Dataset()
    code.CodeValue = value
    code.CodingSchemeDesignator = "DCM"
    code.CodeMeaning = meaning
    return code
