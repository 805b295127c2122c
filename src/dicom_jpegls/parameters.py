"""The records and enumerations that describe a JPEG-LS stream.

Names and numbers are those of ITU-T T.87 and of CharLS. The records are named tuples: immutable, comparable and cheap
to create, since one is created for each decoded frame.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray
    from typing_extensions import Buffer

    from dicom_jpegls.spiff import SpiffHeader

    # NumPy declares the buffer protocol only for Python 3.12 and later.
    BufferLike: TypeAlias = Buffer | NDArray[Any]


class InterleaveMode(IntEnum):
    """The order of the components of a colour image in its scans (T.87 C.2.3, ILV)."""

    NONE = 0
    """One scan for each component: colour by plane."""
    LINE = 1
    """One scan, a line of each component in turn."""
    SAMPLE = 2
    """One scan, a sample of each component in turn: colour by pixel."""


class ColorTransformation(IntEnum):
    """Reversible colour transformations of HP's encoder. They are not part of the standard and not allowed in DICOM."""

    NONE = 0
    HP1 = 1
    HP2 = 2
    HP3 = 3


class DefaultThresholds(IntEnum):
    """Whose default thresholds hold in a stream without preset coding parameters (T.87 C.2.4.1.1.1)."""

    STANDARD = 0
    JAI = 1
    """Java Advanced Imaging's, as in dcm4chee 2: 13 to 16 bits, lossless. MAXVAL is not limited to 4095."""
    CHARLS_1 = 2
    """CharLS's before version 2, as in DCMTK: less than 8 bits. The formula is that for MAXVAL from 128 on."""

    @property
    def encoder(self) -> str:
        """The encoder in words."""
        return ("the standard", "Java Advanced Imaging (dcm4chee 2)", "CharLS 1 (DCMTK)")[self]


class PresetCodingParameters(NamedTuple):
    """JPEG-LS preset coding parameters (T.87 C.2.4.1.1); 0 stands for the default value.

    CharLS codes correctly only ``maximum_sample_value`` 2**P - 1 and ``reset_value`` 3 to 255 (in sample interleave
    only 64). Other values are refused.
    """

    maximum_sample_value: int = 0
    threshold1: int = 0
    threshold2: int = 0
    threshold3: int = 0
    reset_value: int = 0


class OptionalSegments(NamedTuple):
    """The marker segments that an encoder writes only on request.

    Values are checked when the image is encoded.
    """

    color_transformation: int = ColorTransformation.NONE
    """Only for 3 components of 8 or 16 bits, lossless and interleaved. Not part of the standard; not allowed in DICOM.
    Written as an APP8 segment."""
    preset_coding_parameters: PresetCodingParameters | None = None
    """None for the defaults of the standard. Written as an LSE segment; the defaults are written only below 8 bits per
    sample, where other decoders assume other ones."""
    spiff_header: SpiffHeader | None = None
    """Written before everything else, as an APP8 segment."""
    comments: Iterable[BufferLike] = ()
    """Content of COM segments, at most 65533 bytes each."""
    application_data: Iterable[tuple[int, BufferLike]] = ()
    """Number (0 to 15) and content of APPn segments, at most 65533 bytes each."""


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
    """The content of a JPEG-LS stream's marker segments."""

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
    """NEAR: the largest absolute error of a sample, 0 for lossless; the largest of all scans. If there is a colour
    transformation, of a sample before that is undone, which can make the error larger."""
    color_transformation: ColorTransformation
    """The one that the samples have gone through. NONE also where a stream names one that has no effect: on planes and
    on images of one component."""
    preset_coding_parameters: PresetCodingParameters
    """The parameters of the first scan, with defaults filled in."""
    restart_interval: int
    """Lines between restart markers; 0 if there are none."""
    spiff_header: SpiffHeader | None
    comments: tuple[bytes, ...]
    """The content of each COM segment; of COM and APPn segments together, only the first 4096 are kept."""
    application_data: tuple[tuple[int, bytes], ...]
    """Number (0 to 15) and content of each APPn segment, except a SPIFF header, the end of a SPIFF directory and a
    colour transformation."""
    size: int
    """Bytes from SOI to EOI."""
    trailing_size: int = 0
    """Bytes in the buffer after EOI, without padding by 00 or FF at the end."""
    default_thresholds: DefaultThresholds = DefaultThresholds.STANDARD
    """Whose thresholds the samples were decoded with; STANDARD until then, and if the stream or the caller has given
    them."""

    @property
    def frame_info(self) -> FrameInfo:
        """Dimensions, precision and number of components of the decoded image."""
        return FrameInfo(*self[:4])

    @property
    def lossless(self) -> bool:
        """Whether the decoded samples are exactly those that were encoded (NEAR is 0)."""
        return self.near_lossless == 0
