"""Switches of the codec that tests set for a while."""

import contextlib

from dicom_jpegls import _codec


@contextlib.contextmanager
def lanes(use):
    """Code sixteen scans at a time, or one after another."""
    before = _codec._use_lanes(use)
    try:
        yield
    finally:
        _codec._use_lanes(before)
