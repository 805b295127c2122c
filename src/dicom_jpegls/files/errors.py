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


def describe_error(error: BaseException, path: object = None) -> str:
    """Return in one line what went wrong with a file.

    Parameters
    ----------
    error : BaseException
        The error.
    path : pathlib.Path or str, optional
        The file that the line will be about. An error of the system with another file names that one.
    """
    if isinstance(error, InvalidDicomError):
        text = "not a DICOM file (no 'DICM' prefix and no File Meta Information)"
    elif isinstance(error, OSError):
        text = error.strerror or str(error)
        if error.filename is not None and str(error.filename) != str(path):
            text = f"{error.filename}: {text}"
    elif isinstance(error, (JPEGLSError, NothingToDoError)):
        text = str(error)
    elif isinstance(error, MemoryError):
        text = f"not enough memory {error}"
    else:
        text = f"unexpected {type(error).__name__}: {error}"
    return " ".join(text.split())
