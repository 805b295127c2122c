"""The exceptions that this package raises."""


class JPEGLSError(Exception):
    """Base class of all errors of this package.

    Attributes
    ----------
    code : int
        The kind of error: one that the codec reports (below 1000), one of this package's own stream checks (1000 to
        1999), or an argument refused by the C API (from 2000). Stable for use in programs: it does not depend on the
        version of CharLS.
    """

    code: int = 14  # unexpected_failure

    def __init__(self, message: str, code: int | None = None) -> None:
        super().__init__(message)
        if code is not None:
            self.code = code


class StreamError(JPEGLSError):
    """A JPEG-LS stream that cannot be decoded.

    Attributes
    ----------
    offset : int or None
        Position of the fault, in bytes from the start of the stream; None if the decoder does not report it.
    marker : int or None
        The marker of the segment at that position, for example ``0xFFF7``; None if there is none.
    """

    offset: int | None = None
    marker: int | None = None

    def __init__(
        self,
        message: str,
        code: int | None = None,
        offset: int | None = None,
        marker: int | None = None,
    ) -> None:
        super().__init__(message, code)
        self.offset = offset
        self.marker = marker


class InvalidStreamError(StreamError, ValueError):
    """The stream is damaged, truncated, malicious or not a JPEG-LS stream."""

    code = 5  # invalid_data


class UnsupportedStreamError(StreamError, NotImplementedError):
    """The stream may be valid, but uses a part of JPEG-LS that this package cannot decode."""

    code = 2  # parameter_not_supported


class ParameterError(JPEGLSError, ValueError):
    """An argument of the caller has a value that is not allowed. The message names the argument."""

    code = 1  # invalid_argument


class DatasetError(JPEGLSError, ValueError):
    """An attribute or the pixel data of a dataset cannot be coded. The message names the attribute."""

    code = 1  # invalid_argument


class BufferTooSmallError(JPEGLSError, ValueError):
    """A destination buffer is too small for the result. The message says how many bytes are needed."""

    code = 3  # destination_too_small


class ClippedSamplesWarning(UserWarning):
    """Signed samples were clipped to the range that near-lossless coding is safe for (`signed_overflow="clip"`)."""


class DatasetWarning(UserWarning):
    """A dataset does not conform to the standard, but what is meant is clear: it is read as every decoder reads it."""


class AssumedThresholdsWarning(UserWarning):
    """A stream was decoded with the default thresholds of an encoder that does not follow the standard.

    The message names the encoder; `StreamInfo.default_thresholds` does, too.
    """


class UnpatchedCharLSWarning(RuntimeWarning):
    """The package is linked to an installed CharLS, which lacks this package's patches (see SECURITY.md).

    Issued once, at import. To silence it, filter by the message before the import or from outside:
    ``PYTHONWARNINGS="ignore:dicom_jpegls is linked to an unpatched CharLS"``.
    """
