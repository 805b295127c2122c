"""Leaves the doctests of the sources to installations from here, for development: elsewhere there is no compiled module."""

import importlib.util
from pathlib import Path

_found = importlib.util.find_spec("dicom_jpegls")
_sources = Path(__file__).parent / "src"
collect_ignore = [] if _found and _found.origin and Path(_found.origin).is_relative_to(_sources) else ["src/dicom_jpegls"]
