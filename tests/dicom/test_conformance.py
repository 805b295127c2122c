"""Compressing a dataset that conforms to its information object definition adds no error."""

import copy
import shutil
import subprocess
from collections import Counter

import pytest

import dicom_jpegls as jls
from support.iod_datasets import DATASETS


def errors_of(ds, path):
    """Return the errors that the validator of dicom3tools finds in a dataset."""
    ds.save_as(path, enforce_file_format=True)
    done = subprocess.run(["dciodvfy", path], capture_output=True, text=True, check=False, errors="replace")
    lines = (done.stdout + done.stderr).splitlines()
    assert not any(line.startswith("Error - Dicom dataset read failed") for line in lines), lines
    return Counter(line for line in lines if line.startswith("Error"))


@pytest.mark.parametrize("near_lossless", [0, 2])
@pytest.mark.parametrize("name", DATASETS)
def test_compressing_adds_no_error(name, near_lossless, tmp_path):
    if shutil.which("dciodvfy") is None:
        pytest.skip("dciodvfy is not installed")
    ds = DATASETS[name]()
    before = errors_of(ds, tmp_path / "before.dcm")
    jls.compress(ds, near_lossless=near_lossless)
    added = errors_of(ds, tmp_path / "after.dcm") - before
    assert not added, "\n".join(sorted(added))


@pytest.mark.parametrize("place", ["SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"])
@pytest.mark.parametrize("name", ["enhanced_ct", "enhanced_mr"])
def test_every_frame_is_derived_from_a_near_lossless_image(name, place):
    ds = DATASETS[name]()
    (shared,) = ds.SharedFunctionalGroupsSequence
    tag = next(element.tag for element in shared if "FrameTypeSequence" in element.keyword)
    groups = [shared]
    if place.startswith("PerFrame"):
        groups = list(ds.PerFrameFunctionalGroupsSequence)
        for group in groups:
            group.add_new(tag, "SQ", [copy.deepcopy(shared[tag].value[0])])
        del shared[tag]
    jls.compress(ds, lossy_attributes=False, near_lossless=2)
    assert {tuple(group[tag].value[0].FrameType) for group in ds[place].value} == {
        ("ORIGINAL", "PRIMARY", "VOLUME", "NONE")
    }
    jls.decompress(ds)
    jls.compress(ds, near_lossless=2)
    assert {tuple(group[tag].value[0].FrameType) for group in ds[place].value} == {
        ("DERIVED", "PRIMARY", "VOLUME", "NONE")
    }
    assert ds.ImageType[0] == "DERIVED"
