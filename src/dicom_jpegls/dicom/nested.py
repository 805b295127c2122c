"""Pixel Data in the items of sequences, such as icons: made native before the transfer syntax of a dataset changes.

A dataset has one transfer syntax, and Pixel Data in its items is either native or coded in that syntax (PS3.5 A.4). So
what is encapsulated in the old syntax cannot remain. Native pixel data is allowed in items under any transfer syntax.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pydicom.pixels.decoders.base import get_decoder
from pydicom.sequence import Sequence
from pydicom.uid import JPEGLSLossless

from dicom_jpegls._codec import DEFAULT_MAX_SAMPLES
from dicom_jpegls.dicom.codings import coding_of
from dicom_jpegls.dicom.diagnostics import reading
from dicom_jpegls.dicom.fragments import FragmentIndex
from dicom_jpegls.dicom.frames import FrameDecoder
from dicom_jpegls.dicom.pixel_data import (
    encapsulated_frames,
    has_pixel_data,
    image_pixel_of,
    is_encapsulated,
    native_bytes,
    new_samples,
    pixel_bytes,
    set_native,
)
from dicom_jpegls.dicom.rules import attribute_name, decoded_image_pixel
from dicom_jpegls.errors import DatasetError, JPEGLSError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydicom.dataset import Dataset
    from pydicom.uid import UID

    from dicom_jpegls.dicom.rules import ImagePixel


class DecodedItem(NamedTuple):
    """The pixel data of an item of a sequence, decoded."""

    item: Dataset
    pixel_data: bytes
    """Little-endian native samples, without padding."""
    image_pixel: ImagePixel
    """The attributes of the native samples."""


def decode_nested_pixel_data(ds: Dataset, *, max_samples: int = DEFAULT_MAX_SAMPLES) -> list[DecodedItem]:
    """Decode all encapsulated Pixel Data in the items of a dataset's sequences, at any depth; change nothing.

    How a frame is coded is recognised by its bytes, because a dataset that was decompressed by other software may still
    contain icons in its old coding. JPEG-LS is decoded by this package, everything else by pydicom.

    Parameters
    ----------
    ds : pydicom.dataset.Dataset
        A dataset; its own Pixel Data is not considered, and may be absent.
    max_samples : int, optional
        Largest rows x columns x samples of a frame.

    Returns
    -------
    list of DecodedItem
        For `set_nested_pixel_data`; empty if nothing has to be changed.

    Raises
    ------
    DatasetError
        If pixel data of an item cannot be decoded; names the sequences that contain it.
    """
    decoded = []
    for place, item in items_of(ds):
        try:
            if has_pixel_data(item) and is_encapsulated(item):
                decoded.append(_decode_item(item, max_samples))
        except JPEGLSError as error:
            raise DatasetError(f"{place}: {error}") from error
    return decoded


def set_nested_pixel_data(decoded: list[DecodedItem]) -> None:
    """Replace the pixel data of items by native samples, as `decode_nested_pixel_data` returned them."""
    for item, pixel_data, image_pixel in decoded:
        set_native(item, pixel_data, image_pixel)


def items_of(ds: Dataset) -> Iterator[tuple[str, Dataset]]:
    """Yield the items of all sequences at any depth, each with the names of the sequences that contain it."""
    pending = [("", ds)]
    while pending:
        place, parent = pending.pop()
        for tag in list(parent.keys()):
            name = f"{place}{attribute_name(tag)}"
            # Only what may be a sequence is parsed: other values may be such that pydicom cannot parse them.
            if parent.get_item(tag).VR not in ("SQ", "UN", None):
                continue
            with reading(name):
                element = parent[tag]
            if element.VR != "SQ":
                continue
            items = element.value or ()
            if items and not isinstance(items, Sequence):
                raise DatasetError(f"{name} must be a sequence, found {type(items).__name__}")
            for number, item in enumerate(items):
                inside = f"{name}, item {number}"
                yield inside, item
                pending.append((f"{inside}, ", item))


def _decode_item(item: Dataset, max_samples: int) -> DecodedItem:
    image_pixel = image_pixel_of(item)._replace(planar_configuration=None)
    index = FragmentIndex(pixel_bytes(item))
    coding = coding_of(index.first_bytes())
    if coding is None:
        raise DatasetError("Pixel Data (7FE0,0010) is encapsulated, but not as any known coding")
    if coding == JPEGLSLossless:
        return _decode_jpegls(item, image_pixel, max_samples)
    frame_samples = image_pixel.rows * image_pixel.columns * image_pixel.samples_per_pixel
    if not 1 <= frame_samples <= max_samples or image_pixel.number_of_frames > len(index):
        raise DatasetError(
            f"Pixel Data (7FE0,0010): {image_pixel.number_of_frames} frame(s) of {frame_samples} samples in "
            f"{len(index)} fragment(s); at most one frame per fragment and {max_samples} samples are allowed"
        )
    return _decode_by_pydicom(item, image_pixel, coding)


def _decode_jpegls(item: Dataset, image_pixel: ImagePixel, max_samples: int) -> DecodedItem:
    decoder = FrameDecoder(image_pixel, max_samples=max_samples)
    frames = encapsulated_frames(item, image_pixel.number_of_frames)
    streams = [decoder.open(number, frames[number]) for number in range(len(frames))]
    native = decoded_image_pixel(image_pixel, [stream.info for stream in streams])
    samples = new_samples(native)
    for number, stream in enumerate(streams):
        decoder.decode(number, stream, samples[number])
    return DecodedItem(item, native_bytes(samples, native), native)


def _decode_by_pydicom(item: Dataset, image_pixel: ImagePixel, coding: UID) -> DecodedItem:
    with reading(f"Pixel Data (7FE0,0010), coded with {coding.name},"):
        array, properties = get_decoder(coding).as_array(item, raw=True)
        photometric_interpretation = str(properties["photometric_interpretation"])
    native = image_pixel._replace(
        # Subsampled colours are returned with full resolution.
        photometric_interpretation=photometric_interpretation.removesuffix("_422"),
        bits_allocated=array.dtype.itemsize * 8,
        planar_configuration=0 if image_pixel.samples_per_pixel > 1 else None,
    )
    return DecodedItem(item, native_bytes(array, native), native)
