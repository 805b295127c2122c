"""The display of a job: lines, JSON, or only failures."""

import io
import json
import re
import shutil

import numpy as np
import pytest
from rich.console import Console

from dicom_jpegls.batch import Action, Job, run_job
from dicom_jpegls.cli import commands, progress
from dicom_jpegls.cli.progress import BarDisplay
from dicom_jpegls.cli.status import ExitStatus
from dicom_jpegls.files import compress_file
from support.command_line import run_cli
from support.dicom_files import TEST_FILES, make_dataset

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
        assert f"{tmp_path / 'tree' / 'b'}: Pixel Data" in result.stderr
        assert (lines == []) == (options == ["--quiet"])
    if not options:
        assert lines[0].startswith("2 file(s), ")
        assert any("32.8 kB native, 14.2 kB JPEG-LS, ratio 2.31" in line for line in lines)


def frames_file(path, count):
    """Write a file of some frames that are large enough for a bar of its own."""
    frames = np.zeros((count, 64, 64), np.uint16)
    make_dataset(frames, bits_stored=12).save_as(path, enforce_file_format=True)
    return path


class Terminal:
    """A terminal of some width; takes the place of the consoles that a command makes."""

    def __init__(self, monkeypatch, width, term="xterm"):
        monkeypatch.setenv("TERM", term)
        self.file = io.StringIO()
        self.console = Console(file=self.file, force_terminal=True, width=width)
        for module in (commands, progress):
            monkeypatch.setattr(module, "Console", lambda **_options: self.console)

    @property
    def lines(self):
        """What was drawn, without control sequences."""
        text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", self.file.getvalue())
        return [line.strip() for line in re.split(r"[\r\n]", text) if line.strip()]


@pytest.mark.parametrize("width", [40, 80, 120])
def test_the_bar_fits_the_terminal(tmp_path, monkeypatch, width):
    terminal = Terminal(monkeypatch, width)
    display = BarDisplay(console=terminal.console)
    with display:
        display.on_found(1000)
        display.progress.refresh()
        jobs = [Job(Action.COMPRESS, str(i), str(CT), str(tmp_path / str(i))) for i in range(4)]
        display.on_plan(jobs, 0)
        for job in jobs[:3]:
            display.on_record(run_job(job))
            display.progress.refresh()
        display.on_notice("a message")
    assert any("1000 files found" in line for line in terminal.lines), terminal.lines
    assert any("3/4" in line and "75 %" in line for line in terminal.lines), terminal.lines
    assert any("files/s" in line for line in terminal.lines) == (width >= 80)
    assert "dicom-jpegls: a message" in terminal.lines
    assert max(map(len, terminal.lines)) <= width


@pytest.mark.parametrize("width", [40, 80])
def test_the_progress_of_a_single_large_file(tmp_path, monkeypatch, width):
    terminal = Terminal(monkeypatch, width)
    monkeypatch.setattr(progress, "_LARGE_FILE", 8 * 8192)
    drawn = []
    with progress.single_file_progress(16 * 8192, shown=True) as on_frame:
        compress_file(
            frames_file(tmp_path / "a", 16), tmp_path / "b", on_frame=lambda size: drawn.append(on_frame(size))
        )
    assert len(drawn) == 16
    assert any("100 %" in line for line in terminal.lines), terminal.lines
    assert max(map(len, terminal.lines)) <= width
    terminal.file.truncate(0)
    for size, shown in ((8, True), (16 * 8192, False)):
        with progress.single_file_progress(size, shown=shown) as on_frame:
            on_frame(size)
    assert terminal.lines == []


def test_a_single_large_file_on_the_command_line(tmp_path, monkeypatch):
    terminal = Terminal(monkeypatch, 80)
    monkeypatch.setattr(progress, "_LARGE_FILE", 8192)
    path = frames_file(tmp_path / "a", 4)
    run_cli("compress", path, tmp_path / "b")
    assert any("100 %" in line for line in terminal.lines), terminal.lines
    terminal.file.truncate(0)
    run_cli("decompress", tmp_path / "b", tmp_path / "c", "--quiet")
    assert terminal.lines == []


@pytest.mark.parametrize("width", [40, 80])
def test_a_dumb_terminal_gets_lines(tmp_path, monkeypatch, width):
    terminal = Terminal(monkeypatch, width, "dumb")
    (tmp_path / "tree").mkdir()
    name = "a" * 100
    (tmp_path / "tree" / name).write_bytes(CT.read_bytes()[:-5000])
    shutil.copy(CT, tmp_path / "tree" / "b")
    result = run_cli("compress", tmp_path / "tree", tmp_path / "jls", status=ExitStatus.SOME_FAILED)
    assert terminal.lines == []
    assert "\x1b" not in result.output
    assert result.stdout.startswith("2 file(s), ")
    assert name in result.stderr  # not cut off
