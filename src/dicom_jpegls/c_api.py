"""The include path for extensions in C, C++ or Cython that use this package."""

from pathlib import Path


def get_include() -> str:
    """Return the folder for a compiler's include path.

    It contains ``dicom_jpegls/dicom_jpegls.h``, with which C and C++ code use the codec without linking, and which
    ``from dicom_jpegls cimport _codec`` includes.

    Returns
    -------
    str
        An absolute path.

    Examples
    --------
    >>> import dicom_jpegls as jls
    >>> from pathlib import Path
    >>> Path(jls.get_include(), "dicom_jpegls", "dicom_jpegls.h").is_file()
    True
    """
    return str(Path(__file__).resolve().parent / "include")
