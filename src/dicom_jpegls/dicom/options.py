"""The options for coding the frames of a dataset: one record, checked when it is created."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, TypedDict, get_args

import numpy as np
from pydicom.uid import UID, JPEGLSLossless, JPEGLSNearLossless

from dicom_jpegls._codec import MAXIMUM_RESTART_INTERVAL, check_precision
from dicom_jpegls.errors import ParameterError

PlanarConfiguration: TypeAlias = Literal[0, 1]
PhotometricInterpretation: TypeAlias = Literal["RGB", "YBR_FULL"]
SignedOverflow: TypeAlias = Literal["error", "clip"]
UnusedBits: TypeAlias = Literal["error", "keep", "clear", "clip"]
OffsetTable: TypeAlias = Literal["basic", "extended", "empty"]
RestartInterval: TypeAlias = int | Literal["auto"]

# Precision of the samples for which NEAR has its largest range (T.87 C.2.3).
_MAXIMUM_BITS_STORED = 16

_CHOICES: dict[str, tuple[Any, ...]] = {
    "planar_configuration": get_args(PlanarConfiguration),
    "photometric_interpretation": (None, *get_args(PhotometricInterpretation)),
    "signed_overflow": get_args(SignedOverflow),
    "unused_bits": get_args(UnusedBits),
    "reduce_bits_allocated": (True, False),
    "offset_table": get_args(OffsetTable),
    "lossy_attributes": (True, False),
    "verify": (True, False),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class CodingOptions:
    """How the frames of a dataset are to be coded.

    Every value is checked here, whether or not it will matter for a dataset. Only what depends on a dataset is checked
    later, by `FrameCoder`: the range of NEAR for its Bits Stored, and whether its colours can be converted.

    Attributes
    ----------
    near_lossless : int
        NEAR, the largest absolute error of a sample: 0 (lossless) to min(255, (2**BitsStored - 1) // 2).
    planar_configuration : {0, 1}
        0 codes colour by pixel (sample interleave), which all DICOM software tested reads; 1 by plane (interleave mode
        none), which several programs read incorrectly without an error (docs/interoperability.md).
    photometric_interpretation : {None, "RGB", "YBR_FULL"}
        Convert colours to this before coding, which loses information: RGB and YBR_FULL of 8 bits into each other, RGB
        of 2 to 16 bits, scaled to 8, to YBR_FULL. None keeps them.
    signed_overflow : {"error", "clip"}
        How to handle signed samples closer than NEAR to a limit of their range, which may be decoded as the opposite
        limit. "clip" moves them to the nearest safe value.
    unused_bits : {"error", "keep", "clear", "clip"}
        How to handle bits above Bits Stored, such as an overlay in the high bits. Sign extension is not counted among
        them, nor its absence. "keep" codes all Bits Allocated bits of every sample, lossless only: readers mask them,
        and `decompress` restores them. "clear" removes them. "clip" moves numbers of Bits Allocated bits that are too
        large, such as those of a lossy source that overshoots, to the nearest limit of Bits Stored.
    reduce_bits_allocated : bool
        Whether an image of at most 8 Bits Stored in 16 Bits Allocated is coded with 8 Bits Allocated, which makes the
        streams about a tenth smaller. Near-lossless coding always does so: with 16 Bits Allocated, either several
        programs cannot read the streams, or decoded samples can exceed Bits Stored.
    offset_table : {"basic", "extended", "empty"}
        The table of the positions of the frames. The extended one replaces the basic one where that cannot hold the
        offsets.
    lossy_attributes : bool
        Whether to record a loss of information and to generate a new SOP Instance UID (PS3.3 C.7.6.1.1.5). Lossless
        compression records nothing.
    restart_interval : int, "auto" or None
        Lines between restart markers, 1 to 65535, with which several workers can code one large frame; see `encode`.
        Some viewers cannot read such streams (docs/interoperability.md): use it for archives whose readers are known.
    verify : bool
        Whether to decode every frame and compare it with what was encoded.

    Raises
    ------
    ParameterError
        If a value is not allowed; names the option, the value and what is allowed.

    Examples
    --------
    >>> CodingOptions(near_lossless=2).transfer_syntax_uid.name
    'JPEG-LS Lossy (Near-Lossless) Image Compression'
    >>> CodingOptions(signed_overflow="clipp")
    Traceback (most recent call last):
        ...
    dicom_jpegls.errors.ParameterError: signed_overflow: must be 'error' or 'clip', found 'clipp'
    """

    near_lossless: int = 0
    planar_configuration: PlanarConfiguration = 0
    photometric_interpretation: PhotometricInterpretation | None = None
    signed_overflow: SignedOverflow = "error"
    unused_bits: UnusedBits = "error"
    reduce_bits_allocated: bool = False
    offset_table: OffsetTable = "basic"
    lossy_attributes: bool = True
    restart_interval: RestartInterval | None = None
    verify: bool = False

    def __post_init__(self) -> None:
        check_precision(_MAXIMUM_BITS_STORED, self.near_lossless)
        # Plain Python values, so that the record can be written as JSON.
        object.__setattr__(self, "near_lossless", operator.index(self.near_lossless))
        object.__setattr__(self, "restart_interval", _restart_interval(self.restart_interval))
        for name, allowed in _CHOICES.items():
            value = getattr(self, name)
            choice = _choice(name, value, allowed)
            if choice is not value:
                object.__setattr__(self, name, choice)
        if self.unused_bits == "keep":
            for name in ("near_lossless", "photometric_interpretation", "reduce_bits_allocated"):
                if value := getattr(self, name):
                    raise ParameterError(
                        f"unused_bits: 'keep' codes all bits unchanged, which {name}={value!r} does not allow; use "
                        "'clear' or 'clip'"
                    )

    @property
    def transfer_syntax_uid(self) -> UID:
        """The transfer syntax for these options: JPEG-LS Lossless, or Near-lossless if NEAR is not 0."""
        return JPEGLSNearLossless if self.near_lossless else JPEGLSLossless


class CodingKeywords(TypedDict, total=False):
    """The keywords of functions that take the attributes of `CodingOptions` one by one."""

    near_lossless: int
    planar_configuration: PlanarConfiguration
    photometric_interpretation: PhotometricInterpretation | None
    signed_overflow: SignedOverflow
    unused_bits: UnusedBits
    reduce_bits_allocated: bool
    offset_table: OffsetTable
    lossy_attributes: bool
    restart_interval: RestartInterval | None
    verify: bool


def _choice(name: str, value: object, allowed: tuple[Any, ...]) -> Any:
    """Return the allowed value that equals a value. Only scalars are compared: arrays and lists equal none of them."""
    if isinstance(value, (str, int, np.generic, type(None))) and value in allowed:
        return allowed[allowed.index(value)]
    *others, last = map(repr, allowed)
    raise ParameterError(f"{name}: must be {', '.join(others)} or {last}, found {value!r}")


def _restart_interval(value: RestartInterval | None) -> RestartInterval | None:
    if value is None or (isinstance(value, str) and value == "auto"):
        return value
    try:
        lines = operator.index(value)
    except TypeError:
        lines = 0
    if not 1 <= lines <= MAXIMUM_RESTART_INTERVAL:
        raise ParameterError(
            f"restart_interval: must be 1 to {MAXIMUM_RESTART_INTERVAL} lines, 'auto' or None, found {value!r}"
        )
    return lines
