"""The exceptions that this package raises."""


class JPEGLSError(Exception):
    """Base class of all errors of this package.

    Attributes
    ----------
    code : int
        What went wrong, as a number: one of CharLS's ``charls_jpegls_errc`` values (below 1000), or
        one of this package's own stream checks (1000 and above). Stable for use in programs.
    """

    code: int = 14  # CHARLS_JPEGLS_ERRC_UNEXPECTED_FAILURE

    def __init__(self, message: str, code: int | None = None) -> None:
        super().__init__(message)
        if code is not None:
            self.code = code


class StreamError(JPEGLSError):
    """A JPEG-LS stream that cannot be decoded.

    Attributes
    ----------
    offset : int or None
        Where in the stream the fault is, in bytes from its start; None where the decoder does not say.
    marker : int or None
        The marker of the segment at that place, for example ``0xFFF7``; None where there is none.
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
    """The stream is damaged, truncated, hostile, or no JPEG-LS stream at all."""

    code = 5  # CHARLS_JPEGLS_ERRC_INVALID_ENCODED_DATA


class UnsupportedStreamError(StreamError, NotImplementedError):
    """The stream may be sound, but uses a part of JPEG-LS that cannot be decoded here."""

    code = 2  # CHARLS_JPEGLS_ERRC_PARAMETER_VALUE_NOT_SUPPORTED


class ParameterError(JPEGLSError, ValueError):
    """An argument of the caller has a value that is not allowed. The message names the argument."""

    code = 1  # CHARLS_JPEGLS_ERRC_INVALID_ARGUMENT


class DatasetError(JPEGLSError, ValueError):
    """An attribute or the pixel data of a dataset cannot be coded. The message names the attribute."""

    code = 1  # CHARLS_JPEGLS_ERRC_INVALID_ARGUMENT


class BufferTooSmallError(JPEGLSError, ValueError):
    """A destination buffer cannot hold the result. The message says how many bytes are needed."""

    code = 3  # CHARLS_JPEGLS_ERRC_DESTINATION_BUFFER_TOO_SMALL


class ClippedSamplesWarning(UserWarning):
    """Signed samples were moved away from the ends of their range, as `signed_overflow="clip"` asks."""


class DatasetWarning(UserWarning):
    """A dataset does not conform to the standard, but what is meant is clear: it is read as every decoder reads it."""


class UnpatchedCharLSWarning(RuntimeWarning):
    """The package is linked to an installed CharLS, which lacks this package's patches (see SECURITY.md).

    Issued once, at import. To silence it, filter by the message before the import or from outside:
    ``PYTHONWARNINGS="ignore:dicom_jpegls is linked to an unpatched CharLS"``.
    """
