"""On a Dask cluster: every file exactly once, also when a worker dies in the middle of the job."""

import json
import os
import shutil
import signal

import pytest

from archive_tree import files_below, make_tree
from dicom_files import TEST_FILES
from dicom_jpegls import batch
from dicom_jpegls.batch import Options, Status

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


def test_every_file_once_though_a_worker_dies(tmp_path, cluster):
    broken = make_tree(tmp_path / "tree", 48, 6)
    alone = batch.transcode([tmp_path / "tree"], tmp_path / "alone", workers=1)
    seen = []

    def kill_one(record):
        seen.append(record)
        if len(seen) == 10:
            os.kill(next(iter(cluster.run(os.getpid).values())), signal.SIGKILL)

    summary = batch.transcode([tmp_path / "tree"], tmp_path / "jls", dask=cluster, on_record=kill_one)
    assert summary.counts == alone.counts
    lines = [json.loads(line) for line in (tmp_path / "jls" / ".dicom-jpegls.jsonl").read_text().splitlines()]
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
    jobs = batch.plan([tmp_path / "a", tmp_path / "b"], tmp_path / "jls", options=Options(near_lossless=1))
    records = dask.compute(*(dask.delayed(batch.run_job)(job) for job in jobs), scheduler=cluster)
    assert [(record.name, record.status, record.largest_error) for record in records] == [
        ("a", Status.COMPRESSED, 1),
        ("b", Status.COMPRESSED, 1),
    ]
