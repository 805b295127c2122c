"""How commands end: signals, closed and full outputs, unexpected errors, and what is left behind."""

import io
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest

from dicom_jpegls import batch
from dicom_jpegls.cli import commands, progress
from dicom_jpegls.cli.status import ExitStatus
from support.archive_tree import check_result, files_below, start_job, wait_for_records
from support.command_line import one_line, run_cli
from support.dicom_files import TEST_FILES

CT = TEST_FILES / "CT_small.dcm"

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals and pipes")


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize(
    ("name", "kill"), [("SIGINT", "killpg"), ("SIGTERM", "kill"), ("SIGTERM", "killpg"), ("SIGHUP", "kill")]
)
def test_signals_end_a_job_with_its_summary(tree, tmp_path, name, kill, workers):
    process = start_job("compress", tree[0], tmp_path / "jls", "--workers", workers, stdout=subprocess.PIPE)
    wait_for_records(tmp_path / "jls", 5)
    getattr(os, kill)(process.pid, getattr(signal, name))
    output, errors = process.communicate(timeout=30)
    assert process.returncode == ExitStatus.INTERRUPTED, errors
    assert "Interrupted: the same command continues from here." in output
    assert "Summary" in output
    assert "Traceback" not in errors
    assert not [name for name in files_below(tmp_path / "jls") if name.endswith("-tmp")]
    batch.transcode([tree[0]], tmp_path / "jls", workers=1)
    check_result(tree, tmp_path / "jls")


# A command that hangs where nothing can interrupt it but the signal handler itself.
HANGING = """
import os, signal, sys, time
from dicom_jpegls.batch import pool
from dicom_jpegls.__main__ import main

def hang(job, on_frame):
    arrived, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer)
    print("hangs", flush=True)
    os.read(arrived, 1)
    print("interrupted", flush=True)
    while True:
        try:
            time.sleep(60)
        except KeyboardInterrupt:
            pass

pool.job_steps = hang
main(["compress", *sys.argv[1:], "--workers", "1", "--quiet"])
"""


def test_a_second_interrupt_ends_at_once(tmp_path):
    (tmp_path / "tree").mkdir()
    shutil.copy(CT, tmp_path / "tree" / "a")
    arguments = [sys.executable, "-c", HANGING, tmp_path / "tree", tmp_path / "jls"]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout.readline() == "hangs\n"
            process.send_signal(signal.SIGINT)
            assert process.stdout.readline() == "interrupted\n"  # otherwise the two may arrive as one
            time.sleep(0.3)
            assert process.poll() is None
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=10)
        finally:
            process.kill()
    assert process.returncode == ExitStatus.INTERRUPTED
    assert errors == ""


@pytest.mark.parametrize("command", ["compress", "verify", "info"])
def test_an_interrupt_of_a_single_file(tmp_path, monkeypatch, command):
    def interrupted(*_arguments, **_options):
        raise KeyboardInterrupt

    for name in ("compress_file", "verify_one", "describe_file"):
        monkeypatch.setattr(commands, name, interrupted)
    arguments = [CT, tmp_path / "a"] if command == "compress" else [CT]
    assert one_line(run_cli(command, *arguments, status=ExitStatus.INTERRUPTED)) == "dicom-jpegls: interrupted"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_a_closed_pipe_ends_a_job_quietly(tree, tmp_path, options):
    command = ["compress", tree[0], tmp_path / "jls", "--workers", 2, *options]
    process = start_job(*command, stdout=subprocess.PIPE)
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read().count("Traceback") == 0
    assert process.wait(30) == ExitStatus.OUTPUT_CLOSED
    process.stderr.close()
    assert not [name for name in files_below(tmp_path / "jls") if name.endswith("-tmp")]
    batch.transcode([tree[0]], tmp_path / "jls", workers=1)
    check_result(tree, tmp_path / "jls")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
@pytest.mark.parametrize("command", [["info"], ["info", "--json"], ["verify"]])
def test_a_full_output_is_named(tmp_path, command):
    shutil.copy(CT, tmp_path / "a")
    for source in (tmp_path, tmp_path / "a"):
        with open("/dev/full", "w") as full:
            result = subprocess.run(
                [sys.executable, "-m", "dicom_jpegls", *command, source],
                stdout=full,
                stderr=subprocess.PIPE,
                text=True,
                check=False,
            )
        assert result.stderr == "dicom-jpegls: output: No space left on device\n"
        assert result.returncode == ExitStatus.FILE_ERROR


def test_an_unexpected_error_is_told_as_such(tmp_path, monkeypatch):
    def broken(*_arguments, **_options):
        raise RuntimeError("no such thing\nat all")

    monkeypatch.setattr(commands, "compress_file", broken)
    line = one_line(run_cli("compress", CT, tmp_path / "a", status=ExitStatus.UNEXPECTED))
    assert "unexpected error (--debug shows where): RuntimeError: no such thing at all" in line
    result = run_cli("--debug", "compress", CT, tmp_path / "a", status=ExitStatus.UNEXPECTED)
    assert 'raise RuntimeError("no such thing' in result.stderr


def test_an_unexpected_error_of_a_file_in_a_tree(tmp_path, monkeypatch, caplog):
    shutil.copy(CT, tmp_path / "a")

    def broken(*_arguments, **_options):
        raise RuntimeError("no such thing")

    monkeypatch.setattr("dicom_jpegls.batch.jobs.compress_steps", broken)
    caplog.handler.setLevel(0)  # of pytest only: --debug sets the level of the package
    result = run_cli(
        "--debug", "compress", tmp_path / "*", tmp_path / "jls", "--workers", 1, status=ExitStatus.ALL_FAILED
    )
    assert "unexpected RuntimeError: no such thing" in result.stderr
    assert "Traceback" in caplog.text


def test_failures_are_grouped_by_reason(tmp_path):
    (tmp_path / "tree").mkdir()
    for number in range(5):
        (tmp_path / "tree" / f"cut{number}").write_bytes(CT.read_bytes()[: -5000 - number])
    (tmp_path / "tree" / "other").write_bytes(CT.read_bytes()[:1500])
    result = run_cli("compress", tmp_path / "tree", tmp_path / "jls", "--workers", 1, status=ExitStatus.ALL_FAILED)
    lines = [" ".join(line.replace("│", " ").split()) for line in result.stdout.splitlines()]
    assert "6 failed" in lines
    first = next(index for index, line in enumerate(lines) if line.startswith("5 Pixel Data"))
    assert [line.rpartition("/")[2] for line in lines[first + 1 : first + 5]] == ["cut0", "cut1", "cut2", "and 2 more"]
    assert any(line.startswith("1 the file ends after 1500 bytes") for line in lines)


@pytest.mark.parametrize("width", [40, 80, 200])
def test_the_bar_fits(width):
    console = progress.Console(width=width, force_terminal=True, file=io.StringIO(), color_system=None)
    display = progress.BarDisplay(console=console)
    jobs = [batch.Job(batch.Action.COMPRESS, "a", str(CT), "b")] * 12345
    with console.capture() as capture:
        display.summary.counts[batch.Status.COMPRESSED] = 6000
        display.summary.counts[batch.Status.FAILED] = 12
        display.workload.files, display.workload.size = len(jobs), 10**9
        display.workload._finished_size = 5 * 10**8
        display.progress.update(display._task, total=10**9, completed=5 * 10**8)
        console.print(display.progress.make_tasks_table(display.progress.tasks))
    (line,) = capture.get().rstrip("\n").split("\n")
    assert len(line) <= width
    assert "50 %" in line
    assert "6012/12345 (12 failed)" in line
    assert ("left" in line) == (width >= 80)


def test_a_dumb_terminal_gets_lines():
    dumb = progress.Console(force_terminal=True, _environ={"TERM": "dumb"})
    assert not progress.has_bars(dumb)
    assert progress.has_bars(progress.Console(force_terminal=True, _environ={"TERM": "xterm"}))


def test_tables_in_a_pipe_have_whole_names(tmp_path):
    name = "x" * 200
    (tmp_path / name).mkdir()
    shutil.copy(CT, tmp_path / name / name)
    assert f"{name}/{name}" in run_cli("info", tmp_path).stdout
