"""On a Dask cluster: every file exactly once, also when a worker dies in the middle of the job."""

import json
import os
import shutil
import signal
import time

import pytest

from dicom_jpegls import batch
from dicom_jpegls.batch import JOURNAL_NAME, Observer, Options, Status
from dicom_jpegls.dicom import CodingOptions
from support.archive_tree import files_below, make_tree
from support.dicom_files import TEST_FILES

distributed = pytest.importorskip("distributed")

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def cluster():
    with (
        distributed.LocalCluster(
            n_workers=3, threads_per_worker=1, host="127.0.0.1", dashboard_address=None, silence_logs=50
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


def wait_until(condition):
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def kill_workers(cluster, count):
    """End some workers with results that nobody has fetched, and wait until the scheduler has noticed."""
    pids = dict(list(cluster.run(os.getpid).items())[:count])
    wait_until(lambda: not any(cluster.processing().values()))
    for pid in pids.values():
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not pids.keys() & cluster.run_on_scheduler(lambda dask_scheduler: set(dask_scheduler.workers)))


# With all of them, results are lost, and nobody is there to make them again at once.
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
