"""What a frame is coded with, recognised by its first bytes."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from pydicom.uid import (
    HTJ2K,
    JPEG2000,
    UID,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLSLossless,
    RLELossless,
)

from dicom_jpegls.dicom.fragments import without_fill_bytes

if TYPE_CHECKING:
    from dicom_jpegls.dicom.fragments import Data

# Start of frame markers of JPEG (T.81 table B.1) and of JPEG-LS (T.87 C.1.1), without the FF that begins a marker. The
# UIDs are those whose decoders read all streams of the kind. There is none for progressive JPEG in use.
_START_OF_FRAME = {
    0xC0: JPEGBaseline8Bit,
    0xC1: JPEGExtended12Bit,
    0xC2: UID("1.2.840.10008.1.2.4.55"),
    0xC3: JPEGLossless,
    0xF7: JPEGLSLossless,
}
_START_OF_SCAN = 0xDA

_JPEG_START = b"\xff\xd8"
_JPEG_2000_START = b"\xff\x4f\xff\x51"  # SOC and SIZ (T.800 A.4.1 and A.5.1)
_JP2_START = b"\x00\x00\x00\x0cjP  "
_CAPABILITIES = b"\xff\x50"  # the CAP marker of High-Throughput JPEG 2000 (T.814 A.3), after SIZ

# The header of an RLE frame: the number of segments and their offsets (PS3.5 G.5).
_RLE_HEADER = struct.Struct("<16L")


def coding_of(frame: Data) -> UID | None:
    """Return the transfer syntax that a frame's first bytes are those of; None if they are those of no known one.

    It is `JPEGLSLossless` for near-lossless JPEG-LS, too, and `JPEG2000` for lossless JPEG 2000.

    Examples
    --------
    >>> import dicom_jpegls as jls
    >>> import numpy as np
    >>> coding_of(jls.encode(np.zeros((2, 3), np.uint8))).name
    'JPEG-LS Lossless Image Compression'
    """
    data = memoryview(without_fill_bytes(frame))
    if data[:2] == _JPEG_START:
        return _coding_of_jpeg(data)
    if data[:4] == _JPEG_2000_START and len(data) >= 6:
        end_of_size = 4 + int.from_bytes(data[4:6], "big")
        return HTJ2K if data[end_of_size : end_of_size + 2] == _CAPABILITIES else JPEG2000
    if data[:8] == _JP2_START:
        return JPEG2000
    return RLELossless if _is_rle(data) else None


def _coding_of_jpeg(data: memoryview) -> UID | None:
    """Return the coding by the first start of frame marker, before the first scan."""
    position = len(_JPEG_START)
    while position + 4 <= len(data) and data[position] == 0xFF:
        marker = data[position + 1]
        if marker == 0xFF:  # a fill byte (T.81 B.1.1.2)
            position += 1
        elif marker in _START_OF_FRAME:
            return _START_OF_FRAME[marker]
        elif marker == _START_OF_SCAN:
            break
        else:
            position += 2 + int.from_bytes(data[position + 2 : position + 4], "big")
    return None


def _is_rle(data: memoryview) -> bool:
    if len(data) < _RLE_HEADER.size:
        return False
    count, *offsets = _RLE_HEADER.unpack_from(data)
    if not 1 <= count <= len(offsets) or offsets[0] != _RLE_HEADER.size:
        return False
    used, unused = offsets[:count], offsets[count:]
    return used == sorted(used) and used[-1] <= len(data) and not any(unused)
