"""On a Dask cluster: every file exactly once, also when a worker dies in the middle of the job."""

import json
import os
import shutil
import signal
import time

import pytest

from dicom_jpegls import batch
from dicom_jpegls.batch import JOURNAL_NAME, Observer, Options, Status
from dicom_jpegls.batch import cluster as cluster_module
from dicom_jpegls.batch import jobs as jobs_module
from dicom_jpegls.dicom import CodingOptions
from support.archive_tree import files_below, make_tree
from support.dicom_files import TEST_FILES, make_dataset, random_frames

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


@pytest.mark.parametrize("near_lossless", [0, 2])
def test_frames_of_a_large_file_are_divided_among_tasks(tmp_path, cluster, monkeypatch, near_lossless):
    pixels = random_frames((11, 40, 30), 12)
    make_dataset(pixels, bits_stored=12).save_as(tmp_path / "a", enforce_file_format=True)
    bad = make_dataset(pixels, bits_stored=11)
    bad.save_as(tmp_path / "b", enforce_file_format=True)
    monkeypatch.setattr(jobs_module, "FRAME_RANGE_SIZE", 3 * 40 * 30 * 2)
    options = Options(CodingOptions(near_lossless=near_lossless, lossy_attributes=False))
    divided = []
    ranges = cluster_module.frame_ranges

    def noted(job, most):
        divided.append((job.name, [part[:2] for part in ranges(job, most)]))
        return ranges(job, most)

    monkeypatch.setattr(cluster_module, "frame_ranges", noted)
    summary = batch.transcode([tmp_path / "a", tmp_path / "b"], tmp_path / "jls", options=options, dask=cluster)
    assert divided == [("a", [(0, 3), (3, 7), (7, 11)]), ("b", [(0, 3), (3, 7), (7, 11)])]
    assert summary.counts == {Status.COMPRESSED: 1, Status.FAILED: 1}
    assert "in frame(s) 0 have bits set above Bits Stored, 11" in summary.failures[0].reason
    batch.transcode([tmp_path / "a"], tmp_path / "alone", options=options, workers=1)
    assert (tmp_path / "jls" / "a").read_bytes() == (tmp_path / "alone" / "a").read_bytes()
    assert set(files_below(tmp_path / "jls")) == {"a"}
    together, alone = (
        {record.name: record for record in batch.read_records(tmp_path / folder / JOURNAL_NAME)}["a"]
        for folder in ("jls", "alone")
    )
    assert together.pixels_sha256_after == alone.pixels_sha256_after
    assert together.statistics == alone.statistics
    assert together.statistics.largest_error == near_lossless


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
