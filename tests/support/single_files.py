"""Datasets written to files, and compressed there."""

import pydicom

from dicom_jpegls.dicom import CodingOptions
from dicom_jpegls.files import compress_file


def written(ds, path):
    """Write a dataset to a file and return its path."""
    ds.save_as(path, enforce_file_format=True)
    return path


def compressed(ds, folder, *, threads=1, **options):
    """Write native.dcm, compress it to jls.dcm, and return what was done and the new dataset."""
    source = written(ds, folder / "native.dcm")
    conversion = compress_file(source, folder / "jls.dcm", CodingOptions(**options), threads=threads)
    return conversion, pydicom.dcmread(folder / "jls.dcm")
