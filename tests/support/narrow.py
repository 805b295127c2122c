"""A process of 32 bits, as far as it can be had in one of 64: no object and no read is larger than its addresses."""

import io
import sys

import dicom_jpegls.files.opening as opening_module
import dicom_jpegls.files.source as source_module

LARGEST = 2**31 - 1


class NarrowFile(io.BufferedReader):
    """A file whose sizes are those of a process of 32 bits."""

    def read(self, size=-1, /):
        if size is not None and size > LARGEST:
            raise OverflowError("Python int too large to convert to C ssize_t")
        return super().read(size)


def narrow_files(monkeypatch):
    """Let files be read as by a process of 32 bits."""

    def open_narrow(path, **options):
        return NarrowFile(opening_module.open_regular(path, **options).detach())

    monkeypatch.setattr(source_module, "open_regular", open_narrow)


def narrow_memory(monkeypatch, largest):
    """Let no object have more bytes than `largest`."""
    monkeypatch.setattr(sys, "maxsize", largest)
