"""Switches of the codec that tests set for a while."""

import contextlib

from dicom_jpegls import _codec


@contextlib.contextmanager
def _switched(switch, use):
    before = switch(use)
    try:
        yield
    finally:
        switch(before)


def lanes(use):
    """Code sixteen scans at a time, or one after another."""
    return _switched(_codec._use_lanes, use)


def scan_codecs(use):
    """Use this package's scan codecs, or those of CharLS."""
    return _switched(_codec._use_scan_codecs, use)
