"""The SPIFF header that a JPEG-LS stream may start with (ISO/IEC 10918-3 annex F). DICOM does not use it."""

from enum import IntEnum
from typing import NamedTuple


class SpiffProfileId(IntEnum):
    """Application profile of a SPIFF header (ISO/IEC 10918-3 F.1.2)."""

    NONE = 0
    CONTINUOUS_TONE_BASE = 1
    CONTINUOUS_TONE_PROGRESSIVE = 2
    BI_LEVEL_FACSIMILE = 3
    CONTINUOUS_TONE_FACSIMILE = 4


class SpiffColorSpace(IntEnum):
    """Colour space of a SPIFF header (ISO/IEC 10918-3 F.2.1.1)."""

    BI_LEVEL_BLACK = 0
    YCBCR_ITU_BT_709_VIDEO = 1
    NONE = 2
    YCBCR_ITU_BT_601_1_RGB = 3
    YCBCR_ITU_BT_601_1_VIDEO = 4
    GRAYSCALE = 8
    PHOTO_YCC = 9
    RGB = 10
    CMY = 11
    CMYK = 12
    YCCK = 13
    CIE_LAB = 14
    BI_LEVEL_WHITE = 15


class SpiffCompressionType(IntEnum):
    """Compression type of a SPIFF header (ISO/IEC 10918-3 F.2.1.1, T.87 annex F)."""

    UNCOMPRESSED = 0
    MODIFIED_HUFFMAN = 1
    MODIFIED_READ = 2
    MODIFIED_MODIFIED_READ = 3
    JBIG = 4
    JPEG = 5
    JPEG_LS = 6


class SpiffResolutionUnits(IntEnum):
    """Unit of a SPIFF header's resolutions (ISO/IEC 10918-3 F.2.1.1)."""

    ASPECT_RATIO = 0
    DOTS_PER_INCH = 1
    DOTS_PER_CENTIMETER = 2


class SpiffHeader(NamedTuple):
    """Still Picture Interchange File Format header (ISO/IEC 10918-3 annex F).

    When writing, ``width``, ``height``, ``component_count`` and ``bits_per_sample`` may be left 0; the values of
    the image are then written. When reading, a number that is not a member of its enumeration stays a plain ``int``.
    """

    color_space: int = SpiffColorSpace.NONE
    resolution_units: int = SpiffResolutionUnits.ASPECT_RATIO
    vertical_resolution: int = 1
    horizontal_resolution: int = 1
    profile_id: int = SpiffProfileId.NONE
    compression_type: int = SpiffCompressionType.JPEG_LS
    width: int = 0
    height: int = 0
    component_count: int = 0
    bits_per_sample: int = 0
