"""JPEG-LS for DICOM: streams, buffers, arrays and pydicom datasets."""

from dicom_jpegls._codec import (
    __version__,
    charls_build,
    decode_into,
    encode_into,
    max_encoded_size,
    read_info,
)
from dicom_jpegls.array import PartialImage, decode, decode_partial, encode
from dicom_jpegls.c_api import get_include
from dicom_jpegls.compat.pyjpegls import install_as_pyjpegls
from dicom_jpegls.dicom.dataset import (
    CompressionResult,
    PartialPixels,
    compress,
    decompress,
    iter_frames,
    pixel_array,
    read_truncated,
)
from dicom_jpegls.dicom.plugin import register, unregister
from dicom_jpegls.errors import (
    BufferTooSmallError,
    ClippedSamplesWarning,
    DatasetError,
    InvalidStreamError,
    JPEGLSError,
    ParameterError,
    StreamError,
    UnpatchedCharLSWarning,
    UnsupportedStreamError,
)
from dicom_jpegls.parameters import (
    ColorTransformation,
    FrameInfo,
    InterleaveMode,
    OptionalSegments,
    PresetCodingParameters,
    StreamInfo,
)

__all__ = [
    "BufferTooSmallError",
    "ClippedSamplesWarning",
    "ColorTransformation",
    "CompressionResult",
    "DatasetError",
    "FrameInfo",
    "InterleaveMode",
    "InvalidStreamError",
    "JPEGLSError",
    "OptionalSegments",
    "ParameterError",
    "PartialImage",
    "PartialPixels",
    "PresetCodingParameters",
    "StreamError",
    "StreamInfo",
    "UnpatchedCharLSWarning",
    "UnsupportedStreamError",
    "__version__",
    "charls_build",
    "compress",
    "decode",
    "decode_into",
    "decode_partial",
    "decompress",
    "encode",
    "encode_into",
    "get_include",
    "install_as_pyjpegls",
    "iter_frames",
    "max_encoded_size",
    "pixel_array",
    "read_info",
    "read_truncated",
    "register",
    "unregister",
]
