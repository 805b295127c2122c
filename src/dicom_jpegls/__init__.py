"""JPEG-LS for DICOM: streams, buffers, arrays and pydicom datasets."""

from dicom_jpegls._codec import (
    __version__,
    charls_build,
    decode_into,
    encode_into,
    max_encoded_size,
    read_info,
)
from dicom_jpegls.array import PartialImage, decode, encode
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
    PresetCodingParameters,
    SpiffColorSpace,
    SpiffCompressionType,
    SpiffHeader,
    SpiffProfileId,
    SpiffResolutionUnits,
    StreamInfo,
)

__all__ = [
    "BufferTooSmallError",
    "ClippedSamplesWarning",
    "ColorTransformation",
    "CompressionResult",
    "FrameInfo",
    "InterleaveMode",
    "InvalidStreamError",
    "JPEGLSError",
    "ParameterError",
    "PartialImage",
    "PartialPixels",
    "PresetCodingParameters",
    "SpiffColorSpace",
    "SpiffCompressionType",
    "SpiffHeader",
    "SpiffProfileId",
    "SpiffResolutionUnits",
    "StreamError",
    "StreamInfo",
    "UnpatchedCharLSWarning",
    "UnsupportedStreamError",
    "__version__",
    "charls_build",
    "compress",
    "decode",
    "decode_into",
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
