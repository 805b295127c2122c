"""Other packages that code JPEG-LS. They have wheels for few platforms, and what uses a missing one is skipped."""

import importlib

import pytest


class Missing:
    """A package that is not installed."""

    def __init__(self, name):
        self._name = name

    def __getattr__(self, attribute):
        if attribute.startswith("_") and attribute != "__file__":  # pytest looks at all names of a module
            raise AttributeError(attribute)
        pytest.skip(f"{self._name} is not installed")


def peer(name):
    """Import a package; whoever uses an attribute of a missing one is skipped."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return Missing(name)


imagecodecs = peer("imagecodecs")
jpeg_ls = peer("jpeg_ls")
libjpeg = peer("libjpeg")
