"""Functions that only users need: the tools of the package work in steps, and read files themselves."""

import shutil

import pytest
from pydicom import dcmread
from pydicom.errors import InvalidDicomError

from dicom_jpegls.files import copy_file, file_sha256, read_attributes
from support.dicom_files import TEST_FILES
from support.links import make_link


def test_copy_file(tmp_path):
    source, target = TEST_FILES / "rtplan.dcm", tmp_path / "copy.dcm"
    digest = copy_file(source, target)
    assert target.read_bytes() == source.read_bytes()
    assert digest == file_sha256(target)
    assert copy_file(source, target) == digest  # again: it is there
    with pytest.raises(FileExistsError):
        copy_file(TEST_FILES / "CT_small.dcm", target)
    assert file_sha256(target) == digest
    copy_file(TEST_FILES / "CT_small.dcm", target, force=True)
    assert target.read_bytes() == (TEST_FILES / "CT_small.dcm").read_bytes()


@pytest.mark.parametrize("name", ["CT_small.dcm", "MR_small_bigendian.dcm", "rtplan.dcm", "image_dfl.dcm"])
def test_read_attributes(name):
    ds, expected = read_attributes(TEST_FILES / name), dcmread(TEST_FILES / name, stop_before_pixels=True)
    assert ds == expected
    assert ds.file_meta == expected.file_meta
    assert "PixelData" not in ds


def test_read_attributes_of_something_else(tmp_path):
    with pytest.raises(InvalidDicomError):
        read_attributes(TEST_FILES / "README.txt")
    shutil.copy(TEST_FILES / "CT_small.dcm", tmp_path / "ct.dcm")
    make_link(tmp_path / "link.dcm", tmp_path / "ct.dcm")
    with pytest.raises(OSError, match="symbolic link"):
        read_attributes(tmp_path / "link.dcm")
