"""How faults of a dataset reach the caller: as errors of this package, or as warnings about the caller's line."""

from __future__ import annotations

import contextlib
import sys
import warnings
from typing import TYPE_CHECKING

from dicom_jpegls.errors import DatasetError, DatasetWarning, JPEGLSError

if TYPE_CHECKING:
    from collections.abc import Iterator

_PACKAGE = __name__.partition(".")[0]


@contextlib.contextmanager
def reading(name: str) -> Iterator[None]:
    """Raise a `DatasetError` that names an attribute, for whatever pydicom raises when it parses or decodes its value.

    Values are parsed when they are first asked for, and the exceptions for invalid ones are of many types.
    """
    try:
        yield
    except (JPEGLSError, MemoryError, OSError, Warning):
        raise
    except Exception as error:
        raise DatasetError(f"{name} cannot be read: {type(error).__name__}: {error}") from error


def warn_of_dataset(message: str) -> None:
    """Issue a `DatasetWarning` for the line outside of this package that called it."""
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == _PACKAGE:
        frame, level = frame.f_back, level + 1
    warnings.warn(message, DatasetWarning, stacklevel=level)
