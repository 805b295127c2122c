"""The display of a job: lines, JSON, or only failures."""

import json
import shutil

import pytest

from dicom_jpegls.cli.status import ExitStatus
from support.command_line import run_cli
from support.dicom_files import TEST_FILES

CT = TEST_FILES / "CT_small.dcm"


@pytest.mark.parametrize("options", [[], ["--quiet"], ["--json"]])
def test_what_is_shown(tmp_path, options):
    (tmp_path / "tree").mkdir()
    shutil.copy(CT, tmp_path / "tree" / "a")
    (tmp_path / "tree" / "b").write_bytes(CT.read_bytes()[:-5000])
    arguments = (tmp_path / "tree", tmp_path / "jls", "--workers", 1, *options)
    result = run_cli("compress", *arguments, status=ExitStatus.SOME_FAILED)
    lines = result.stdout.splitlines()
    if options == ["--json"]:
        *records, last = map(json.loads, lines)
        assert {record["status"] for record in records} == {"compressed", "failed"}
        assert last["summary"]["compressed"] == last["summary"]["failed"] == 1
        assert last["summary"]["interrupted"] is False
        assert result.stderr == ""
    else:
        assert f"{tmp_path}/tree/b: Pixel Data" in result.stderr
        assert (lines == []) == (options == ["--quiet"])
    if not options:
        assert lines[0].startswith("2 file(s), ")
        assert any("32.8 kB native, 14.2 kB JPEG-LS, ratio 2.31" in line for line in lines)
