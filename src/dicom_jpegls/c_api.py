"""What extensions written in C, C++ or Cython need to be compiled against this package."""

from pathlib import Path


def get_include() -> str:
    """Give the folder for a compiler's include path.

    It holds ``dicom_jpegls/dicom_jpegls.h``, by which C and C++ code reach the codec without linking, and which
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
