"""Reports, logs, and shell completion: what a job leaves beside its files."""

import csv
import os
import re
import shutil
import subprocess
import sys

import pytest

from dicom_jpegls.batch import Action, Record, Status, Summary
from dicom_jpegls.cli.report import write_report
from dicom_jpegls.cli.status import ExitStatus
from dicom_jpegls.dicom import CodingStatistics
from support.command_line import run_cli
from support.dicom_files import TEST_FILES
from support.links import make_link

CT = TEST_FILES / "CT_small.dcm"
MR = TEST_FILES / "MR_small.dcm"
# A name that HTML must not have as it is, and its text there.
BROKEN, ESCAPED = ("cut <b>", "cut &lt;b&gt;") if os.name != "nt" else ("cut &b;", "cut &amp;b;")


@pytest.fixture
def tree(tmp_path):
    folder = tmp_path / "tree"
    folder.mkdir()
    for name in ("ct1", "ct2"):
        shutil.copy(CT, folder / name)
    shutil.copy(MR, folder / "mr")
    (folder / BROKEN).write_bytes(CT.read_bytes()[:-5000])
    (folder / "text").write_text("no image")
    return folder


def test_a_report_as_csv(tree, tmp_path):
    report = tmp_path / "report.csv"
    run_cli("compress", tree, tmp_path / "jls", "--report", report, status=ExitStatus.SOME_FAILED)
    with report.open(newline="") as file:
        rows = {(row["section"], row["name"]): row for row in csv.DictReader(file)}
    assert rows["status", "compressed"]["files"] == "3"
    assert rows["status", "failed"]["files"] == rows["status", "copied"]["files"] == "1"
    assert rows["modality", "CT"]["files"] == "2"
    assert int(rows["modality", "CT"]["source_bytes"]) == 2 * CT.stat().st_size
    written = sum((tmp_path / "jls" / name).stat().st_size for name in ("ct1", "ct2"))
    assert int(rows["modality", "CT"]["target_bytes"]) == written
    assert rows["modality", "MR"]["files"] == "1"
    (failure,) = (name for section, name in rows if section == "failure")
    assert failure.startswith("Pixel Data (7FE0,0010)")


def test_a_report_as_html(tree, tmp_path):
    report = tmp_path / "report.html"
    run_cli("compress", tree, tmp_path / "jls", "--report", report, status=ExitStatus.SOME_FAILED)
    text = report.read_text(encoding="utf-8")
    assert "<h2>Failures by reason</h2>" in text
    assert "<h2>Savings by modality</h2>" in text
    assert ESCAPED in text
    assert BROKEN not in text
    assert "<b>" not in text


def test_names_in_a_report_are_only_text(tmp_path):
    summary = Summary()
    hostile = '=1+1<script>alert("&")</script>\x1b[31m\n'
    summary.add(Record(Action.COMPRESS, hostile, hostile, None, Status.FAILED, hostile))
    record = Record(Action.COMPRESS, "a", "a", "b", Status.COMPRESSED, modality="@<i>")
    summary.add(record._replace(source_size=10, target_size=5, statistics=CodingStatistics()))
    write_report(tmp_path / "a.html", summary)
    text = (tmp_path / "a.html").read_text()
    assert "&lt;script&gt;alert(&quot;&amp;&quot;)" in text
    assert not re.search("<script|<i>|\x1b", text)
    write_report(tmp_path / "a.csv", summary)
    with (tmp_path / "a.csv").open(newline="") as file:
        names = [name for _, name, *_ in csv.reader(file)]
    assert not [name for name in names if name.startswith(("=", "@"))]
    assert "\x1b" not in "".join(names)


@pytest.mark.parametrize("report", ["report.pdf", "missing/report.html"])
def test_a_report_that_cannot_be_written_is_refused_first(tree, tmp_path, report):
    result = run_cli("compress", tree, tmp_path / "jls", "--report", tmp_path / report, status=ExitStatus.WRONG_USAGE)
    assert "--report" in result.stderr
    assert not (tmp_path / "jls").exists()


def test_a_log_has_a_line_for_each_file(tree, tmp_path):
    log = tmp_path / "log"
    for _ in range(2):
        run_cli("compress", tree, tmp_path / "jls", "--log-file", log, status=ExitStatus.SOME_FAILED)
    lines = log.read_text().splitlines()
    assert all(re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d{4} (\w+)", line) for line in lines), lines
    assert [line.split()[1] for line in lines].count("compressed") == 3
    assert sum(f"failed {tree / BROKEN}: Pixel Data" in line for line in lines) == 2
    assert len(lines) == 6


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
@pytest.mark.parametrize("option", ["--log-file", "--report"])
def test_a_full_disk_names_the_log_or_report(tree, tmp_path, option):
    path = tmp_path / "full.html"
    make_link(path, "/dev/full")
    result = run_cli("compress", tree, tmp_path / "jls", option, path, status=ExitStatus.FILE_ERROR)
    assert f"{path}: No space left on device" in result.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shell_completion(shell):
    environment = {**os.environ, "_DICOM_JPEGLS_COMPLETE": f"{shell}_source"}
    command = [sys.executable, "-c", "from dicom_jpegls.__main__ import main; main()"]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert f"_DICOM_JPEGLS_COMPLETE={shell}_complete" in result.stdout
