"""The ways in which a file can fail, and how they are reported."""

from __future__ import annotations

from pydicom.errors import InvalidDicomError

from dicom_jpegls.errors import DatasetError, JPEGLSError


class NothingToDoError(Exception):
    """The file already has the wanted transfer syntax."""


class NotConvertibleError(DatasetError):
    """The file is sound, but has no image, or none that can be coded."""


class NotVerifiedError(JPEGLSError):
    """The samples or the written bytes are not what they should be."""


def describe_error(error: BaseException) -> str:
    """Return in one line what went wrong with a file."""
    if isinstance(error, InvalidDicomError):
        return "not a DICOM file (no 'DICM' prefix)"
    if isinstance(error, OSError):
        text = error.strerror or str(error)
    elif isinstance(error, JPEGLSError):
        text = str(error)
    elif isinstance(error, MemoryError):
        text = f"not enough memory {error}"
    else:  # pydicom reads damaged files until something breaks
        text = f"cannot be read as DICOM: {type(error).__name__}: {error}"
    return " ".join(text.split())
