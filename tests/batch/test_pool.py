"""Processes that die, interrupts, and disks that are slow or full."""

import errno
import multiprocessing
import shutil
import subprocess
import sys
import threading

import pytest

from dicom_jpegls import batch
from dicom_jpegls.batch import Observer, Status, Summary
from dicom_jpegls.batch.pool import ProcessPool, run_jobs
from dicom_jpegls.files import (
    NewFile,
)
from support.archive_tree import (
    check_result,
    files_below,
    records_of,
    run_or_die,
)
from support.dicom_files import TEST_FILES

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:pydicom")

CT = TEST_FILES / "CT_small.dcm"


def test_an_interrupt_ends_a_job_that_has_files_queued(tree, tmp_path):
    script = f"""
from dicom_jpegls import batch
from dicom_jpegls.batch import pool

class Interrupting(batch.Observer):
    def on_record(self, record):
        raise KeyboardInterrupt

pool.GROUPS_PER_WORKER = 20  # more than the executor hands to its processes
pool.FILES_PER_GROUP = 0
try:
    batch.transcode([{str(tree[0])!r}], {str(tmp_path / "jls")!r}, workers=2, observer=Interrupting())
except KeyboardInterrupt:
    print("interrupted")
"""
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=True)
    assert result.stdout == "interrupted\n"


def test_a_worker_that_dies_loses_no_file(tree, tmp_path):
    folder, broken = tree
    killed = []

    class Killing(Observer):
        def on_record(self, _record):
            if not killed:
                killed.extend(multiprocessing.active_children()[:1])
                killed[0].kill()

    summary = batch.transcode([folder], tmp_path / "jls", workers=2, observer=Killing())
    count = len(files_below(folder))
    assert len(killed) == 1
    assert summary.counts.total() == count
    assert summary.counts[Status.FAILED] == len(broken)
    assert len(records_of(tmp_path / "jls")) == count
    check_result(tree, tmp_path / "jls")


def test_a_file_that_kills_its_worker_twice_is_given_up(tmp_path):
    for name in ("a", "b", "c.poison", "d", "e", "f"):
        shutil.copy(CT, tmp_path / name)
    jobs = batch.plan([tmp_path / "*"], tmp_path / "jls")
    (tmp_path / "jls").mkdir()
    summary = Summary()
    ProcessPool(2, summary.add, lambda _size: None, run_or_die).run(jobs)
    assert summary.counts == {Status.COMPRESSED: 5, Status.FAILED: 1}
    (failure,) = summary.failures
    assert failure.name == "c.poison"
    assert "its worker process died twice" in failure.reason


def test_a_worker_continues_while_the_disk_writes(tmp_path, monkeypatch):
    """The first files are synced only when others are, too; a disk that is full by then spoils one file alone."""
    names = "abcdef"  # more than a thread syncs one after the other
    (tmp_path / "tree").mkdir()
    for name in names:
        shutil.copy(CT, tmp_path / "tree" / name)
    jobs = batch.plan([tmp_path / "tree"], tmp_path / "target")
    (tmp_path / "target").mkdir()
    sync = NewFile.sync
    other_came = threading.Event()

    def slow(new):
        name = new.path.name[1]
        if name == "a":
            assert other_came.wait(30)
        elif name == "e":
            other_came.set()
            raise OSError(errno.ENOSPC, "No space left on device")
        sync(new)

    monkeypatch.setattr(NewFile, "sync", slow)
    records = {record.name: record for record in run_jobs(jobs)}
    assert {name for name in names if records[name].status is Status.COMPRESSED} == set("abcdf")
    assert records["e"].status is Status.FAILED
    assert "No space left" in records["e"].reason
    assert sorted(path.name for path in (tmp_path / "target").iterdir()) == list("abcdf")
