"""JPEG-LS for DICOM: streams, buffers, arrays and pydicom datasets."""

from dicom_jpegls._codec import (
    __version__,
    charls_build,
    decode_into,
    encode_into,
    max_encoded_size,
    read_info,
)
from dicom_jpegls.array import decode, encode
from dicom_jpegls.dataset import compress, decompress, pixel_array
from dicom_jpegls.errors import (
    BufferTooSmallError,
    InvalidStreamError,
    JPEGLSError,
    ParameterError,
    StreamError,
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
    "ColorTransformation",
    "FrameInfo",
    "InterleaveMode",
    "InvalidStreamError",
    "JPEGLSError",
    "ParameterError",
    "PresetCodingParameters",
    "SpiffColorSpace",
    "SpiffCompressionType",
    "SpiffHeader",
    "SpiffProfileId",
    "SpiffResolutionUnits",
    "StreamError",
    "StreamInfo",
    "UnsupportedStreamError",
    "__version__",
    "charls_build",
    "compress",
    "decode",
    "decode_into",
    "decompress",
    "encode",
    "encode_into",
    "max_encoded_size",
    "pixel_array",
    "read_info",
]
