"""Finding files by folders and patterns, and choosing their targets."""

import shutil

import pytest

from dicom_jpegls import batch
from support.dicom_files import TEST_FILES

CT = TEST_FILES / "CT_small.dcm"


def test_sources_patterns_and_names(tmp_path):
    for name in ("x/1/a.dcm", "x/2/a.dcm", "x/2/b.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(CT, tmp_path / name)
    names = {file.name for file in batch.find_files([tmp_path / "x"])}
    assert names == {"1/a.dcm", "2/a.dcm", "2/b.txt"}
    assert {file.name for file in batch.find_files([f"{tmp_path}/x/**/*.dcm"])} == {"1/a.dcm", "2/a.dcm"}
    assert {file.name for file in batch.find_files([f"{tmp_path}/*/2/?.txt"])} == {"x/2/b.txt"}
    with pytest.raises(FileNotFoundError, match="No file matches"):
        batch.find_files([f"{tmp_path}/*.nothing"])
    with pytest.raises(batch.PlanError, match=r"would both be written to .*: pass their common parent directory"):
        batch.plan([tmp_path / "x/1", tmp_path / "x/2"], tmp_path / "out")
    # A target inside the source is no source.
    batch.transcode([tmp_path], tmp_path / "out", workers=1)
    assert batch.transcode([tmp_path], tmp_path / "out", workers=1).done_before == 3
