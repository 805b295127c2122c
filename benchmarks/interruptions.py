"""Interrupt jobs at random moments, in every way, and check what is left behind.

Usage: python benchmarks/interruptions.py [--rounds N] [--files N] [--seed N] [--ways WAY ...]

Each round compresses a tree in a new process, interrupts it after a random time (Ctrl-C to the process group, SIGTERM,
SIGKILL, a reader of its output that ends, a limit of the size of files, a full disk, a Dask scheduler that is killed),
and checks: it ends within 30 seconds with a documented exit status, without a traceback, and so do its processes; no
file is half-written and no temporary file is left (but after SIGKILL); the same job then completes the tree, and
verification compares it with the originals. Prints the counts. The full disk is a file system in memory, which needs
root.
"""

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import pydicom

from dicom_jpegls import batch

TEST_FILES = Path(pydicom.__file__).parent / "data" / "test_files"
NAMES = ("CT_small.dcm", "MR_small.dcm", "examples_rgb_color.dcm", "MR_small_RLE.dcm", "rtplan.dcm", "README.txt")
COMMAND = (sys.executable, "-m", "dicom_jpegls")
TIMEOUT = 30
DASK_EXIT_STATUSES = {0, 9}
SECONDS_PER_FILE = 0.003


def make_tree(folder: Path, count: int) -> None:
    """Write files of several kinds, some folders of them."""
    for number in range(count):
        path = folder / f"{number % 7}" / f"{number}"
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(TEST_FILES / NAMES[number % len(NAMES)], path)


def start(*arguments: object, **options: object) -> "subprocess.Popen[str]":
    """Start the command in a process group."""
    return subprocess.Popen(
        [*COMMAND, *map(str, arguments)], stderr=subprocess.PIPE, text=True, start_new_session=True, **options
    )


def wait_for_start(target: Path, process: "subprocess.Popen[str]") -> None:
    """Wait until the first record is written, so that the moments are spread over the work."""
    journal = target / ".dicom-jpegls.jsonl"
    while process.poll() is None and not (journal.exists() and journal.stat().st_size):
        time.sleep(0.005)


def wait_while_it_runs(tree: Path, moment: float) -> None:
    """Wait for some part, from 0 to 1, of about the time that a job takes."""
    time.sleep(moment * sum(path.is_file() for path in tree.rglob("*")) * SECONDS_PER_FILE)


def interrupt_by_signal(number: int, to_group: bool, statuses: set[int]):
    """Return a way to interrupt a job."""

    def interrupt(tree: Path, target: Path, moment: float) -> tuple[int, str, set[int]]:
        process = start("compress", tree, target, "--workers", random.choice((1, 2)), stdout=subprocess.DEVNULL)
        wait_for_start(target, process)
        wait_while_it_runs(tree, moment)
        if process.poll() is None:
            (os.killpg if to_group else os.kill)(process.pid, number)
        _, errors = process.communicate(timeout=TIMEOUT)
        return process.returncode, errors, statuses

    return interrupt


def close_output(tree: Path, target: Path, moment: float) -> tuple[int, str, set[int]]:
    """Read some of the output, as `head` does."""
    process = start("compress", tree, target, "--workers", 2, "--json", stdout=subprocess.PIPE)
    for _ in range(int(moment * 50)):
        process.stdout.readline()
    process.stdout.close()
    errors = process.stderr.read()
    return process.wait(TIMEOUT), errors, {0, 141}


def limit_file_size(tree: Path, target: Path, moment: float) -> tuple[int, str, set[int]]:
    """Limit the size of files: writing fails for some files or for the journal."""
    limit = 2 + int(moment * 30)
    script = f'ulimit -f {limit}; exec "$@"'
    command = ["bash", "-c", script, "bash", *COMMAND, "compress", "--workers", "2", str(tree), str(target)]
    result = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, timeout=TIMEOUT * 2)
    return result.returncode, result.stderr, {0, 3, 7, 8}


def fill_disk(tree: Path, target: Path, moment: float) -> tuple[int, str, set[int]]:
    """Write to a file system that is full after some of the files, and has room again when the job has ended."""
    target.mkdir()
    kibibytes = sum(path.stat().st_size for path in tree.rglob("*") if path.is_file()) // 1024
    options = f"size={20 + int(moment * kibibytes / 2)}k"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", target], check=True)
    process = start("compress", tree, target, "--workers", random.choice((1, 2)), stdout=subprocess.DEVNULL)
    _, errors = process.communicate(timeout=TIMEOUT * 2)
    subprocess.run(["mount", "-o", f"remount,size={4 * kibibytes + 4096}k", target], check=True)
    return process.returncode, errors, {0, 3, 7, 8}


def remove(target: Path) -> None:
    """Remove the results of a round."""
    if target.is_mount():
        subprocess.run(["umount", target], check=True)
    shutil.rmtree(target, ignore_errors=True)


def kill_scheduler(tree: Path, target: Path, moment: float) -> tuple[int, str, set[int]]:
    """Run on a cluster whose scheduler is killed."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        run = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        module = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0"]
        file = folder / "scheduler.json"
        scheduler = subprocess.Popen([*module, "--no-dashboard", "--scheduler-file", str(file)], **run)
        stack.callback(scheduler.wait)
        stack.callback(scheduler.kill)
        while not file.exists() or not file.read_text():
            time.sleep(0.02)
        address = json.loads(file.read_text())["address"]
        module = [sys.executable, "-m", "distributed.cli.dask_worker", address, "--nthreads", "1", "--no-nanny"]
        worker = subprocess.Popen([*module, "--no-dashboard", "--local-directory", str(folder)], **run)
        stack.callback(worker.wait)
        stack.callback(worker.kill)
        process = start("compress", tree, target, "--dask", address, stdout=subprocess.DEVNULL)
        wait_for_start(target, process)
        wait_while_it_runs(tree, moment)
        scheduler.kill()
        _, errors = process.communicate(timeout=TIMEOUT)
        worker.kill()
        worker.wait()
        return process.returncode, errors, DASK_EXIT_STATUSES


WAYS = {
    "Ctrl-C": interrupt_by_signal(signal.SIGINT, True, {0, 130}),
    "SIGTERM": interrupt_by_signal(signal.SIGTERM, False, {0, 130}),
    "SIGTERM to all": interrupt_by_signal(signal.SIGTERM, True, {0, 130}),
    "SIGKILL": interrupt_by_signal(signal.SIGKILL, False, {0, -9}),
    "closed pipe": close_output,
    "file size": limit_file_size,
    "full disk": fill_disk,
    "lost scheduler": kill_scheduler,
}


def check(way: str, tree: Path, target: Path, result: tuple[int, str, set[int]]) -> list[str]:
    """Return what is wrong after an interruption."""
    status, errors, allowed = result
    faults = []
    if status not in allowed:
        faults.append(f"exit status {status}: {errors[-500:]}")
    if "Traceback" in errors:
        faults.append(f"traceback: {errors[-1500:]}")
    if way not in ("SIGKILL", "lost scheduler"):
        faults += [f"left {path}" for path in target.rglob("*.dicom-jpegls-tmp")]
    for sources, other, action in (([tree], target, batch.Action.COMPRESS), ([target], tree, batch.Action.VERIFY)):
        try:
            summary = batch.transcode(sources, other, action, workers=1)
        except Exception as error:
            faults.append(f"{action} afterwards: {error}")
        else:
            faults += [f"{action} afterwards: {record.source}: {record.reason}" for record in summary.failures]
    faults += [f"left after resuming {path}" for path in target.rglob("*.dicom-jpegls-tmp")]
    return faults


def main() -> None:
    """Run all rounds."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--files", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--ways", nargs="*", default=list(WAYS), choices=list(WAYS))
    arguments = parser.parse_args()
    random.seed(arguments.seed)
    warnings.simplefilter("ignore")
    batch.silence_pydicom()
    faults = 0
    with tempfile.TemporaryDirectory() as name:
        tree = Path(name) / "tree"
        make_tree(tree, arguments.files)
        for way in arguments.ways:
            statuses: Counter[int] = Counter()
            for _ in range(arguments.rounds):
                target = Path(name) / "target"
                try:
                    result = WAYS[way](tree, target, random.random())
                except subprocess.TimeoutExpired as hanging:
                    print(f"{way}: {hanging}", flush=True)
                    sys.exit(1)
                statuses[result[0]] += 1
                for fault in check(way, tree, target, result):
                    faults += 1
                    print(f"{way}: {fault}", flush=True)
                remove(target)
            print(f"{way}: {arguments.rounds} rounds, exit statuses {dict(statuses)}", flush=True)
    print(f"{faults} fault(s)")
    sys.exit(faults > 0)


if __name__ == "__main__":
    main()
