"""The example for Orthanc, where that is installed: files are sent, returned and shown without a difference."""

import os
import shutil
import subprocess
import sys

import pytest

from support.commands import ENVIRONMENT, ROOT

pytest.importorskip("pynetdicom")

if shutil.which("Orthanc", path=f"{os.environ['PATH']}{os.pathsep}/usr/sbin") is None:
    pytest.skip("Orthanc is not installed", allow_module_level=True)


def test_files_come_back_and_are_shown_as_they_were_sent(tmp_path):
    command = [sys.executable, ROOT / "examples/orthanc/round_trip.py", tmp_path]
    result = subprocess.run(list(map(str, command)), env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    assert len(lines) == 8
    assert all(line.endswith("same bytes, samples, picture") for line in lines)
    pictures = sorted(tmp_path.glob("*.png"))
    assert len(pictures) == 8
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in pictures)
