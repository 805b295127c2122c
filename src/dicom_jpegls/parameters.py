"""The records and enumerations that describe a JPEG-LS stream.

Names and numbers are those of ITU-T T.87 and of CharLS. The records are named tuples: immutable,
comparable and cheap to make, since each decoded frame gets one.
"""

from enum import IntEnum
from typing import NamedTuple


class InterleaveMode(IntEnum):
    """How the components of a colour image are laid out in its scans (T.87 C.2.3, ILV)."""

    NONE = 0
    """One scan for each component: colour by plane."""
    LINE = 1
    """One scan, a line of each component in turn."""
    SAMPLE = 2
    """One scan, a sample of each component in turn: colour by pixel."""


class ColorTransformation(IntEnum):
    """Reversible colour transformations of HP's encoder, no part of the standard and not for DICOM."""

    NONE = 0
    HP1 = 1
    HP2 = 2
    HP3 = 3


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

    When writing, ``width``, ``height``, ``component_count`` and ``bits_per_sample`` may be left 0 and
    are then those of the image. When reading, a number that names no member of an enumeration stays a
    plain ``int``.
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


class PresetCodingParameters(NamedTuple):
    """JPEG-LS preset coding parameters (T.87 C.2.4.1.1); 0 stands for the default value.

    CharLS codes rightly only ``maximum_sample_value`` 2**P - 1, ``reset_value`` 3 to 255, and in
    sample interleave ``reset_value`` 64: anything else is refused.
    """

    maximum_sample_value: int = 0
    threshold1: int = 0
    threshold2: int = 0
    threshold3: int = 0
    reset_value: int = 0


class FrameInfo(NamedTuple):
    """The frame header of a JPEG-LS stream (T.87 C.2.2)."""

    width: int
    """Samples in a line: DICOM's Columns."""
    height: int
    """Lines: DICOM's Rows."""
    bits_per_sample: int
    """Sample precision P, 2 to 16: DICOM's Bits Stored."""
    component_count: int
    """DICOM's Samples per Pixel."""


class StreamInfo(NamedTuple):
    """What the markers of a JPEG-LS stream say."""

    width: int
    """Samples in a line: DICOM's Columns."""
    height: int
    """Lines: DICOM's Rows."""
    bits_per_sample: int
    """Sample precision P, 2 to 16: DICOM's Bits Stored."""
    component_count: int
    """DICOM's Samples per Pixel."""
    interleave_mode: InterleaveMode
    near_lossless: int
    """NEAR: the largest absolute error of a sample, 0 for lossless; the largest of all scans."""
    color_transformation: ColorTransformation
    preset_coding_parameters: PresetCodingParameters
    """The parameters in force for the first scan, defaults filled in."""
    restart_interval: int
    """Lines between restart markers; 0 where there are none."""
    spiff_header: SpiffHeader | None
    comments: tuple[bytes, ...]
    """The data of each COM segment."""
    application_data: tuple[tuple[int, bytes], ...]
    """Number (0 to 15) and data of each APPn segment that holds neither a SPIFF header nor its end
    nor a colour transformation."""
    size: int
    """Bytes from SOI to EOI."""
    trailing_size: int = 0
    """Bytes in the buffer behind EOI that belong to no stream; padding with 00 or FF at the end does not count."""

    @property
    def frame_info(self) -> FrameInfo:
        """The part that says what the decoded image is like."""
        return FrameInfo(*self[:4])

    @property
    def lossless(self) -> bool:
        """Whether decoding gives back the encoder's samples exactly (NEAR is 0)."""
        return self.near_lossless == 0
