"""Leaves the doctests of the sources to installations for development: elsewhere the compiled module is not here."""

import importlib.util
from pathlib import Path

_found = importlib.util.find_spec("dicom_jpegls")
_here = _found and _found.origin and Path(_found.origin).is_relative_to(Path(__file__).parent / "src")
collect_ignore = [] if _here else ["src/dicom_jpegls"]
