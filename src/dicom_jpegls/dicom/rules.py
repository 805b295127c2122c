"""The Image Pixel attributes and what JPEG-LS allows for them (PS3.5 8.2.3): a table and pure functions, no I/O."""

from __future__ import annotations

import reprlib
from typing import TYPE_CHECKING, NamedTuple

from pydicom.datadict import dictionary_description, dictionary_has_tag, tag_for_keyword
from pydicom.tag import Tag

from dicom_jpegls._codec import DEFAULT_MAX_DIMENSION, check_precision
from dicom_jpegls.errors import DatasetError, ParameterError
from dicom_jpegls.parameters import InterleaveMode, StreamInfo

if TYPE_CHECKING:
    from collections.abc import Iterable

# Native pixel data has a 32-bit length that is even and not FFFFFFFFH (PS3.5 7.1).
_MAXIMUM_NATIVE_LENGTH = 2**32 - 2


class ImagePixel(NamedTuple):
    """The Image Pixel attributes that coding depends on (PS3.3 C.7.6.3)."""

    rows: int
    columns: int
    samples_per_pixel: int
    photometric_interpretation: str
    bits_allocated: int
    bits_stored: int
    high_bit: int
    pixel_representation: int
    planar_configuration: int | None = None
    """None if there is one sample per pixel."""
    number_of_frames: int = 1

    @property
    def bytes_allocated(self) -> int:
        """Bytes of a sample in native pixel data."""
        return self.bits_allocated // 8

    @property
    def frame_size(self) -> int:
        """Bytes of a frame in native pixel data, without padding."""
        return self.rows * self.columns * self.samples_per_pixel * self.bytes_allocated

    @property
    def is_signed(self) -> bool:
        """Whether samples are two's complement numbers."""
        return self.pixel_representation == 1


class ValidImagePixel(NamedTuple):
    """A row of the table of Image Pixel parameters that the JPEG-LS transfer syntaxes allow."""

    photometric_interpretation: tuple[str, ...]
    samples_per_pixel: int
    pixel_representation: tuple[int, ...]
    planar_configuration: tuple[int | None, ...]
    bits_allocated: tuple[int, ...]
    bits_stored: range
    near_lossless: bool
    """Whether the near-lossless transfer syntax allows it."""


# PS3.5 8.2.3, table 8.2.3-1.
VALID_IMAGE_PIXEL = (
    ValidImagePixel(("MONOCHROME1", "MONOCHROME2"), 1, (0, 1), (None,), (8, 16), range(2, 17), True),
    ValidImagePixel(("PALETTE COLOR",), 1, (0,), (None,), (8, 16), range(2, 17), False),
    ValidImagePixel(("RGB",), 3, (0,), (0, 1), (8, 16), range(2, 17), True),
    ValidImagePixel(("YBR_FULL",), 3, (0,), (0, 1), (8,), range(2, 9), True),
)


def keyword_of(name: str) -> str:
    """Return the keyword of an attribute of `ImagePixel`: ``"bits_stored"`` is Bits Stored, ``BitsStored``."""
    return name.title().replace("_", "")


def attribute_error(name: str, value: object, allowed: str) -> DatasetError:
    """Return the error for an attribute of `ImagePixel` whose value is not allowed."""
    found = "is absent" if value is None else f"is {reprlib.repr(value)}"
    return DatasetError(f"{attribute_name(keyword_of(name))} {found}; {allowed}")


def attribute_name(attribute: str | int) -> str:
    """Return the name and the tag of an attribute, by its keyword or tag.

    Examples
    --------
    >>> attribute_name("BitsStored"), attribute_name(0x00091001)
    ('Bits Stored (0028,0101)', 'Private attribute (0009,1001)')
    """
    tag = Tag((tag_for_keyword(attribute) or 0) if isinstance(attribute, str) else attribute)
    if dictionary_has_tag(tag):
        name = dictionary_description(tag)
    else:
        name = "Private attribute" if tag.is_private else "Unknown attribute"
    return f"{name} ({tag.group:04X},{tag.element:04X})"


def check_image_pixel(image_pixel: ImagePixel, *, near_lossless: bool = False) -> None:
    """Check that an image may be coded with a JPEG-LS transfer syntax.

    Parameters
    ----------
    image_pixel : ImagePixel
        The attributes of the uncompressed image.
    near_lossless : bool, optional
        Whether the transfer syntax is JPEG-LS Near-lossless.

    Raises
    ------
    DatasetError
        For the first attribute that is not allowed (PS3.5 table 8.2.3-1); names the attribute, its value and what is
        allowed.

    Examples
    --------
    >>> image_pixel = ImagePixel(512, 512, 1, "MONOCHROME2", 16, 12, 11, 0)
    >>> check_image_pixel(image_pixel)
    >>> check_image_pixel(image_pixel._replace(bits_stored=17))
    Traceback (most recent call last):
        ...
    dicom_jpegls.errors.DatasetError: Bits Stored (0028,0101) is 17; MONOCHROME2 in JPEG-LS allows 2 to 16
    """
    photometric_interpretation = image_pixel.photometric_interpretation
    rows = {
        name: row
        for row in VALID_IMAGE_PIXEL
        for name in row.photometric_interpretation
        if row.near_lossless or not near_lossless
    }
    if photometric_interpretation not in rows:
        syntax = "JPEG-LS Near-lossless" if near_lossless else "JPEG-LS"
        allowed_names = f"{syntax} allows {', '.join(rows)}"
        raise attribute_error("photometric_interpretation", photometric_interpretation, allowed_names)
    valid = rows[photometric_interpretation]
    for name, allowed in (
        ("samples_per_pixel", (valid.samples_per_pixel,)),
        ("pixel_representation", valid.pixel_representation),
        ("planar_configuration", valid.planar_configuration),
        ("bits_allocated", valid.bits_allocated),
        ("bits_stored", valid.bits_stored),
    ):
        value = getattr(image_pixel, name)
        if value not in allowed:
            raise attribute_error(name, value, f"{photometric_interpretation} in JPEG-LS allows {_format(allowed)}")
    if image_pixel.bits_stored > image_pixel.bits_allocated:
        raise attribute_error(
            "bits_stored", image_pixel.bits_stored, f"it cannot exceed Bits Allocated, {image_pixel.bits_allocated}"
        )
    if image_pixel.high_bit != image_pixel.bits_stored - 1:
        raise attribute_error(
            "high_bit", image_pixel.high_bit, f"it must be one less than Bits Stored, {image_pixel.bits_stored}"
        )
    for name in ("rows", "columns"):
        value = getattr(image_pixel, name)
        # Rows and Columns are of VR US (PS3.3 C.7.6.3), and the codec's default limit is DICOM's.
        if not 1 <= value <= DEFAULT_MAX_DIMENSION:
            raise attribute_error(name, value, f"1 to {DEFAULT_MAX_DIMENSION} is allowed")
    check_number_of_frames(image_pixel)


def check_number_of_frames(image_pixel: ImagePixel) -> None:
    """Check that there is a frame."""
    if image_pixel.number_of_frames < 1:
        raise attribute_error("number_of_frames", image_pixel.number_of_frames, "1 or more is allowed")


def _format(values: tuple[int | None, ...] | range) -> str:
    if isinstance(values, range):
        return f"{values[0]} to {values[-1]}"
    return " or ".join("no value" if value is None else str(value) for value in values)


def check_native_layout(image_pixel: ImagePixel) -> None:
    """Check the attributes that determine the layout and the numbers of decoded samples; the stream has the rest."""
    for name in ("bits_allocated", "pixel_representation"):
        value = getattr(image_pixel, name)
        if not any(value in getattr(row, name) for row in VALID_IMAGE_PIXEL):
            allowed = sorted({choice for row in VALID_IMAGE_PIXEL for choice in getattr(row, name)})
            raise attribute_error(name, value, f"JPEG-LS allows {_format(tuple(allowed))}")
    if not 1 <= image_pixel.bits_stored <= image_pixel.bits_allocated:
        raise attribute_error(
            "bits_stored", image_pixel.bits_stored, f"1 to Bits Allocated, {image_pixel.bits_allocated}, is allowed"
        )
    check_number_of_frames(image_pixel)


def check_near_lossless(near_lossless: int, bits_stored: int) -> None:
    """Check NEAR against the precision (T.87 C.2.3); raises `ParameterError`."""
    try:
        check_precision(bits_stored, near_lossless)
    except ParameterError as error:
        raise ParameterError(f"{error} for Bits Stored (0028,0101) {bits_stored}") from None


def converted(image_pixel: ImagePixel, photometric_interpretation: str) -> ImagePixel:
    """Return the attributes of an image after a colour conversion.

    RGB and YBR_FULL of 8 bits are converted into each other; RGB of 2 to 16 bits is scaled to 8 bits and converted to
    YBR_FULL.

    Raises
    ------
    ParameterError
        If there is no such conversion.
    """
    found = image_pixel.photometric_interpretation
    if (found, photometric_interpretation) not in (("RGB", "YBR_FULL"), ("YBR_FULL", "RGB")):
        raise ParameterError(
            f"photometric_interpretation: {found} cannot be converted to {photometric_interpretation!r}; RGB and "
            "YBR_FULL can be converted into each other"
        )
    if found == "YBR_FULL" and image_pixel.bits_stored != 8:
        raise ParameterError(
            f"photometric_interpretation: YBR_FULL of Bits Stored (0028,0101) {image_pixel.bits_stored} cannot be "
            f"converted to {photometric_interpretation!r}; 8 bits can be"
        )
    return image_pixel._replace(
        photometric_interpretation=photometric_interpretation, bits_allocated=8, bits_stored=8, high_bit=7
    )


def can_reduce_bits_allocated(image_pixel: ImagePixel) -> bool:
    """Return whether 8 Bits Allocated are enough although there are 16."""
    return image_pixel.bits_allocated == 16 and image_pixel.bits_stored <= 8


def coded_precision(image_pixel: ImagePixel, *, near_lossless: int, keep_unused_bits: bool) -> int:
    """Return the sample precision of the streams for an image: Bits Stored, if there is no reason for more.

    In lossless streams it is at least 9 if Bits Allocated is 16. Decoders return one byte for each sample of a
    precision of up to 8 bits, and several programs then take them for samples of Bits Allocated. (Near-lossless decoded
    samples could exceed Bits Stored in a larger precision.)
    """
    if keep_unused_bits:
        return image_pixel.bits_allocated
    if near_lossless:
        return image_pixel.bits_stored
    return max(image_pixel.bits_stored, image_pixel.bits_allocated - 7)


def interleave_mode(samples_per_pixel: int, planar_configuration: int | None) -> InterleaveMode:
    """Return the interleave mode: sample for colour by pixel, none for colour by plane and for one sample per pixel."""
    if samples_per_pixel > 1 and planar_configuration == 0:
        return InterleaveMode.SAMPLE
    return InterleaveMode.NONE


def planar_configuration(info: StreamInfo) -> int | None:
    """Return the order of the samples of a decoded stream: 1 by plane, 0 by pixel, None for one sample per pixel."""
    if info.component_count == 1:
        return None
    return 1 if info.interleave_mode == InterleaveMode.NONE else 0


def decoded_image_pixel(image_pixel: ImagePixel, infos: Iterable[StreamInfo]) -> ImagePixel:
    """Return the attributes of the decompressed image: in the streams' order of samples, if all have the same.

    JPEG-LS streams have whole components, so what was labelled YBR_FULL_422 becomes YBR_FULL.

    Raises
    ------
    DatasetError
        If native pixel data cannot be so large.
    """
    if image_pixel.frame_size * image_pixel.number_of_frames > _MAXIMUM_NATIVE_LENGTH:
        raise DatasetError(
            f"Pixel Data (7FE0,0010): {image_pixel.number_of_frames} frames of {image_pixel.frame_size} bytes exceed "
            f"the largest native pixel data, {_MAXIMUM_NATIVE_LENGTH} bytes: keep the dataset compressed"
        )
    photometric_interpretation = image_pixel.photometric_interpretation
    if photometric_interpretation == "YBR_FULL_422":
        photometric_interpretation = "YBR_FULL"
    orders = {planar_configuration(info) for info in infos}
    mixed = None if image_pixel.samples_per_pixel == 1 else 0
    return image_pixel._replace(
        photometric_interpretation=photometric_interpretation,
        planar_configuration=orders.pop() if len(orders) == 1 else mixed,
    )


def check_stream(info: StreamInfo, image_pixel: ImagePixel) -> None:
    """Check that a stream contains a frame of the image that the attributes describe.

    Its precision may be less than Bits Stored, and more, up to Bits Allocated: some encoders code all allocated bits.

    Raises
    ------
    DatasetError
        If they disagree; names the attribute and both values.
    """
    for name, found in (
        ("rows", info.height),
        ("columns", info.width),
        ("samples_per_pixel", info.component_count),
    ):
        value = getattr(image_pixel, name)
        if value != found:
            raise attribute_error(name, value, f"the JPEG-LS stream has {found}")
    if info.bits_per_sample > image_pixel.bits_allocated:
        raise attribute_error(
            "bits_allocated",
            image_pixel.bits_allocated,
            f"the JPEG-LS stream's samples have {info.bits_per_sample} bits",
        )
