"""DICOM's Image Pixel attributes and what they mean for JPEG-LS: pure functions and one table, no I/O."""

from __future__ import annotations

from typing import NamedTuple

from dicom_jpegls.errors import ParameterError
from dicom_jpegls.parameters import InterleaveMode, StreamInfo

# Of a DICOM image: Rows and Columns are of VR US (PS3.3 C.7.6.3).
MAXIMUM_DIMENSION = 65535


class ImagePixel(NamedTuple):
    """The Image Pixel attributes that coding depends on (PS3.3 C.7.6.3), for native pixel data."""

    rows: int
    columns: int
    samples_per_pixel: int
    photometric_interpretation: str
    bits_allocated: int
    bits_stored: int
    high_bit: int
    pixel_representation: int
    planar_configuration: int | None = None
    """None where there is one sample per pixel."""
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

# Names and tags as people know them from viewers and the standard.
_ATTRIBUTES = {
    "rows": "Rows (0028,0010)",
    "columns": "Columns (0028,0011)",
    "samples_per_pixel": "Samples per Pixel (0028,0002)",
    "photometric_interpretation": "Photometric Interpretation (0028,0004)",
    "planar_configuration": "Planar Configuration (0028,0006)",
    "number_of_frames": "Number of Frames (0028,0008)",
    "bits_allocated": "Bits Allocated (0028,0100)",
    "bits_stored": "Bits Stored (0028,0101)",
    "high_bit": "High Bit (0028,0102)",
    "pixel_representation": "Pixel Representation (0028,0103)",
}


def attribute_error(name: str, value: object, allowed: str) -> ParameterError:
    """Make the error for an attribute (given in snake case) whose value is not allowed."""
    found = "is absent" if value is None else f"is {value!r}"
    return ParameterError(f"{_ATTRIBUTES[name]} {found}; {allowed}")


def unused_bits_error(count: int, place: str, bits_stored: int) -> ParameterError:
    """Make the error for samples with bits above Bits Stored."""
    return ParameterError(
        f"Pixel Data (7FE0,0010): {count} sample(s) in {place} have bits set above Bits Stored, {bits_stored}, perhaps "
        "an overlay: unused_bits='clear' encodes the rest without them"
    )


def check_unused_bits(unused_bits: str) -> None:
    """Check the option of that name."""
    if unused_bits not in ("error", "clear"):
        raise ParameterError(f"unused_bits: {unused_bits!r}; 'error' and 'clear' are allowed")


def check_image_pixel(image_pixel: ImagePixel, *, near_lossless: bool = False) -> None:
    """Check that an image may be coded with a JPEG-LS transfer syntax.

    Parameters
    ----------
    image_pixel : ImagePixel
        The attributes of the uncompressed image.
    near_lossless : bool, optional
        Whether it is for the near-lossless transfer syntax.

    Raises
    ------
    ParameterError
        For the first attribute that is not allowed (PS3.5 table 8.2.3-1); names it, its value and what is.

    Examples
    --------
    >>> image_pixel = ImagePixel(512, 512, 1, "MONOCHROME2", 16, 12, 11, 0)
    >>> check_image_pixel(image_pixel)
    >>> check_image_pixel(image_pixel._replace(bits_stored=17))
    Traceback (most recent call last):
        ...
    dicom_jpegls.errors.ParameterError: Bits Stored (0028,0101) is 17; MONOCHROME2 in JPEG-LS allows 2 to 16
    """
    photometric_interpretation = image_pixel.photometric_interpretation
    rows = [row for row in VALID_IMAGE_PIXEL if photometric_interpretation in row.photometric_interpretation]
    if not rows:
        names = ", ".join(name for row in VALID_IMAGE_PIXEL for name in row.photometric_interpretation)
        raise attribute_error("photometric_interpretation", photometric_interpretation, f"JPEG-LS allows {names}")
    valid = rows[0]
    if near_lossless and not valid.near_lossless:
        names = ", ".join(
            name for row in VALID_IMAGE_PIXEL if row.near_lossless for name in row.photometric_interpretation
        )
        raise attribute_error(
            "photometric_interpretation", photometric_interpretation, f"JPEG-LS Near-lossless allows {names}"
        )
    for name, allowed in (
        ("samples_per_pixel", (valid.samples_per_pixel,)),
        ("pixel_representation", valid.pixel_representation),
        ("planar_configuration", valid.planar_configuration),
        ("bits_allocated", valid.bits_allocated),
        ("bits_stored", valid.bits_stored),
    ):
        value = getattr(image_pixel, name)
        if value not in allowed:
            raise attribute_error(name, value, f"{photometric_interpretation} in JPEG-LS allows {_list(allowed)}")
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
        if not 1 <= value <= MAXIMUM_DIMENSION:
            raise attribute_error(name, value, f"1 to {MAXIMUM_DIMENSION} is allowed")
    if image_pixel.number_of_frames < 1:
        raise attribute_error("number_of_frames", image_pixel.number_of_frames, "1 or more is allowed")


def _list(values: tuple[int | None, ...] | range) -> str:
    if isinstance(values, range):
        return f"{values[0]} to {values[-1]}"
    return " or ".join("no value" if value is None else str(value) for value in values)


def check_native_layout(image_pixel: ImagePixel) -> None:
    """Check the attributes that say how decoded samples lie in memory; the rest is the stream's to say."""
    for name, allowed in (("bits_allocated", (8, 16)), ("pixel_representation", (0, 1))):
        value = getattr(image_pixel, name)
        if value not in allowed:
            raise attribute_error(name, value, f"JPEG-LS allows {_list(allowed)}")
    if image_pixel.number_of_frames < 1:
        raise attribute_error("number_of_frames", image_pixel.number_of_frames, "1 or more is allowed")


def check_near_lossless(near_lossless: int, bits_stored: int) -> None:
    """Check NEAR against the precision (T.87 C.2.3): 0 to min(255, (2**bits_stored - 1) // 2)."""
    highest = min(255, ((1 << bits_stored) - 1) // 2)
    if not 0 <= near_lossless <= highest:
        raise ParameterError(
            f"near_lossless: {near_lossless} is not in the range 0 to {highest} that Bits Stored {bits_stored} allows"
        )


def converted(image_pixel: ImagePixel, photometric_interpretation: str) -> ImagePixel:
    """Give the attributes of an image after a colour conversion.

    RGB and YBR_FULL of 8 bits convert into each other; RGB of 9 to 16 bits is scaled down to YBR_FULL of 8 bits.

    Raises
    ------
    ParameterError
        If there is no such conversion.
    """
    wanted = (image_pixel.photometric_interpretation, photometric_interpretation)
    if wanted not in (("RGB", "YBR_FULL"), ("YBR_FULL", "RGB")):
        raise ParameterError(
            f"photometric_interpretation: {photometric_interpretation!r} cannot be made from "
            f"{image_pixel.photometric_interpretation!r}; RGB and YBR_FULL can be made from each other"
        )
    if image_pixel.bits_stored < 8:
        raise attribute_error("bits_stored", image_pixel.bits_stored, "colours are converted from 8 bits on")
    return image_pixel._replace(
        photometric_interpretation=photometric_interpretation, bits_allocated=8, bits_stored=8, high_bit=7
    )


def interleave_mode(samples_per_pixel: int, planar_configuration: int | None) -> InterleaveMode:
    """Choose the interleave mode: by sample for colour by pixel, none for colour by plane and for one sample."""
    if samples_per_pixel > 1 and planar_configuration == 0:
        return InterleaveMode.SAMPLE
    return InterleaveMode.NONE


def planar_configuration(info: StreamInfo) -> int | None:
    """Say how the samples of a decoded stream lie: 1 by plane, 0 by pixel, None with one sample per pixel."""
    if info.component_count == 1:
        return None
    return 1 if info.interleave_mode == InterleaveMode.NONE else 0


def check_stream(info: StreamInfo, image_pixel: ImagePixel) -> None:
    """Check that a stream holds a frame of the image that the attributes describe.

    Raises
    ------
    ParameterError
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
