"""On a Dask cluster: every file exactly once, also when a worker dies in the middle of the job."""

import gc
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import ExitStack

import numpy as np
import pytest

from dicom_jpegls import batch
from dicom_jpegls.batch import JOURNAL_NAME, Observer, Options, Status
from dicom_jpegls.batch import cluster as cluster_module
from dicom_jpegls.cli.status import ExitStatus
from dicom_jpegls.dicom import CodingOptions
from support.archive_tree import files_below, make_tree, start_job, wait_for_records
from support.command_line import one_line, run_cli
from support.dicom_files import TEST_FILES, make_dataset

distributed = pytest.importorskip("distributed")

WORKERS = 3

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def started_cluster():
    with (
        distributed.LocalCluster(
            n_workers=WORKERS, threads_per_worker=1, host="127.0.0.1", dashboard_address=None, silence_logs=50
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


@pytest.fixture
def cluster(started_cluster):
    """The client of a cluster with all of its workers, also if the test before has killed some."""
    started_cluster.wait_for_workers(WORKERS, timeout=60)
    return started_cluster


def wait_until(condition):
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_jobs_fit_delayed(tmp_path, cluster):
    dask = pytest.importorskip("dask")
    for name in ("a", "b"):
        shutil.copy(TEST_FILES / "CT_small.dcm", tmp_path / name)
    (tmp_path / "jls").mkdir()
    jobs = batch.plan(
        [tmp_path / "a", tmp_path / "b"], tmp_path / "jls", options=Options(CodingOptions(near_lossless=1))
    )
    records = dask.compute(*(dask.delayed(batch.run_job)(job) for job in jobs), scheduler=cluster)
    assert [(record.name, record.status, record.statistics.largest_error) for record in records] == [
        ("a", Status.COMPRESSED, 1),
        ("b", Status.COMPRESSED, 1),
    ]


def small_tree(folder, count=4):
    folder.mkdir()
    for number in range(count):
        shutil.copy(TEST_FILES / "CT_small.dcm", folder / f"{number}")
    return folder


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:1", "no address", "http://x:y", "inproc://nothing", ""])
def test_a_bad_address_is_told_in_one_line(tmp_path, address, monkeypatch):
    monkeypatch.setattr(cluster_module, "_TIMEOUT", 1)
    start = time.monotonic()
    result = run_cli(
        "compress",
        "--quiet",
        "--dask",
        address,
        small_tree(tmp_path / "tree"),
        tmp_path / "jls",
        status=ExitStatus.CLUSTER_ERROR,
    )
    assert time.monotonic() - start < 15
    assert "no Dask scheduler at" in one_line(result)


def test_a_client_that_fails_is_closed(tmp_path, cluster):
    """One that closes itself later, when it is collected, can block the start of the next one."""
    gc.disable()
    try:
        with pytest.raises(batch.ClusterError, match="no Dask scheduler"):
            batch.transcode([TEST_FILES / "CT_small.dcm"], tmp_path / "jls", dask="no address")
    finally:
        gc.enable()
    clients = [found for found in gc.get_objects() if isinstance(found, distributed.Client) and found is not cluster]
    assert {client.status for client in clients} <= {"closed"}


def test_a_cluster_without_workers_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(cluster_module, "_WORKERLESS_TIME", 1.0)
    with distributed.LocalCluster(n_workers=0, host="127.0.0.1", dashboard_address=None, silence_logs=50) as empty:
        result = run_cli(
            "compress",
            "--dask",
            empty.scheduler_address,
            small_tree(tmp_path / "tree"),
            tmp_path / "jls",
            status=ExitStatus.CLUSTER_ERROR,
        )
    assert "waiting for workers" in result.stderr
    assert "has had no workers for 1 s" in result.stderr
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    ("answer", "text"),
    [("0.0.1", "has dicom-jpegls 0.0.1; "), (ModuleNotFoundError("No module named 'x'"), "does not have dicom-jpegls")],
)
def test_workers_of_another_version_are_refused(tmp_path, cluster, monkeypatch, answer, text):
    monkeypatch.setattr(distributed.Client, "run", lambda *_arguments, **_options: {"tcp://worker": answer})
    with pytest.raises(batch.ClusterError, match=text):
        batch.transcode([small_tree(tmp_path / "tree")], tmp_path / "jls", dask=cluster)
    assert set(files_below(tmp_path / "jls")) == set()


def test_relative_paths_and_progress(tmp_path, cluster, monkeypatch):
    small_tree(tmp_path / "tree")
    monkeypatch.chdir(tmp_path)
    sizes = []

    class Watching(Observer):
        def on_progress(self, size):
            sizes.append(size)

    monkeypatch.setattr(cluster_module, "_INTERVAL", 0.01)
    summary = batch.transcode(["tree"], "jls", dask=cluster, observer=Watching())
    assert summary.counts == {Status.COMPRESSED: 4}
    assert sizes == sorted(sizes)
    assert batch.transcode([tmp_path / "tree"], tmp_path / "jls", workers=1).done_before == 4
    summary = batch.transcode(["jls"], "tree", batch.Action.VERIFY, dask=cluster)
    assert summary.compared == {"reference": 4, "records": 4}


def test_the_progress_of_a_large_file_moves_with_its_frames(tmp_path, monkeypatch):
    pixels = np.zeros((20, 32, 32), np.uint8)
    make_dataset(pixels, bits_stored=8).save_as(tmp_path / "a", enforce_file_format=True)
    events = []

    class Worker:
        def log_event(self, topic, size):
            events.append((topic, size))

    monkeypatch.setattr(distributed, "get_worker", Worker)
    monkeypatch.setattr(cluster_module, "_INTERVAL", 0)
    (job,) = batch.plan([tmp_path / "a"], tmp_path / "jls")
    (tmp_path / "jls").mkdir()
    assert cluster_module._run_and_report(job, "topic").status is Status.COMPRESSED
    assert events == [("topic", 1024)] * 20 + [("topic", 0)]


def test_a_scheduler_that_dies_is_told(tmp_path):
    tree = small_tree(tmp_path / "tree", 40)
    script = [
        sys.executable,
        "-m",
        "distributed.cli.dask_scheduler",
        "--host",
        "127.0.0.1",
        "--port",
        "0",
        "--no-dashboard",
    ]
    script += ["--scheduler-file", str(tmp_path / "scheduler.json")]
    with ExitStack() as stack:
        run = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        scheduler = stack.enter_context(subprocess.Popen(script, **run))
        stack.callback(scheduler.kill)
        wait_until((tmp_path / "scheduler.json").exists)
        time.sleep(0.2)
        address = json.loads((tmp_path / "scheduler.json").read_text())["address"]
        command = [
            sys.executable,
            "-m",
            "distributed.cli.dask_worker",
            address,
            "--nthreads",
            "1",
            "--no-dashboard",
            "--no-nanny",
        ]
        worker = stack.enter_context(subprocess.Popen([*command, "--local-directory", str(tmp_path / "w")], **run))
        stack.callback(worker.kill)
        job = start_job("compress", "--dask", address, tree, tmp_path / "jls", "--quiet")
        wait_for_records(tmp_path / "jls", 3)
        scheduler.kill()
        _, errors = job.communicate(timeout=40)
    assert job.returncode == ExitStatus.CLUSTER_ERROR, errors
    assert "Traceback" not in errors
    lines = [line for line in errors.splitlines() if "waiting for workers" not in line]
    assert len(lines) == 1, errors
    assert lines[0].startswith("dicom-jpegls: --dask: ")
    summary = batch.transcode([tree], tmp_path / "jls", workers=1)
    assert summary.done_before >= 3
    assert summary.counts[Status.FAILED] == 0
    assert len(files_below(tmp_path / "jls")) == 40


def kill_workers(cluster, count):
    """End some workers with results that nobody has fetched, and wait until the scheduler has noticed."""
    pids = dict(list(cluster.run(os.getpid).items())[:count])
    wait_until(lambda: not any(cluster.processing().values()))
    for pid in pids.values():
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not pids.keys() & cluster.run_on_scheduler(lambda dask_scheduler: set(dask_scheduler.workers)))


# The last test of the cluster, since a busy machine may take long to start workers again. With all of them, results are
# lost, and nobody is there to make them again at once.
@pytest.mark.parametrize("killed", [1, 3])
def test_every_file_once_though_workers_die(tmp_path, cluster, killed):
    broken = make_tree(tmp_path / "tree", 48, 6)
    alone = batch.transcode([tmp_path / "tree"], tmp_path / "alone", workers=1)
    seen = []

    class Killing(Observer):
        def on_record(self, record):
            seen.append(record)
            if len(seen) == 10:
                kill_workers(cluster, killed)

    summary = batch.transcode([tmp_path / "tree"], tmp_path / "jls", dask=cluster, observer=Killing())
    assert summary.counts == alone.counts
    lines = [json.loads(line) for line in (tmp_path / "jls" / JOURNAL_NAME).read_text().splitlines()]
    assert len(lines) == len({line["name"] for line in lines}) == len(seen) == 48
    assert {line["name"] for line in lines if line["status"] == "failed"} == broken
    results, expected = files_below(tmp_path / "jls"), files_below(tmp_path / "alone")
    assert {name: path.read_bytes() for name, path in results.items()} == {
        name: path.read_bytes() for name, path in expected.items()
    }
    again = batch.transcode([tmp_path / "tree"], tmp_path / "jls", dask=cluster.scheduler.address)
    assert again.counts == {Status.FAILED: 6}
    assert again.done_before == 42
