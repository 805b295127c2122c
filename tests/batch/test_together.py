"""Small files whose frames are coded together: in full lanes, each with its own result, error and record."""

import shutil
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pydicom
import pytest

from dicom_jpegls import JPEGLSError, batch
from dicom_jpegls.batch import Action, Status, pool, read_records
from dicom_jpegls.batch.jobs import CancelledError
from dicom_jpegls.dicom import FrameCoder, FrameDecoder
from dicom_jpegls.files import FRAMES_TOGETHER, SIZE_TOGETHER, NewFile, SharedCoding, code_together
from dicom_jpegls.files.steps import can_share
from support.dicom_files import make_dataset, random_frames

COUNT = 2 * FRAMES_TOGETHER + 3


def write_series(folder, count=COUNT, bits_stored=12, frames=1):
    """Write files with the same attributes, and each with its own samples."""
    folder.mkdir(exist_ok=True)
    for number in range(count):
        ds = make_dataset(random_frames((frames, 9, 11), bits_stored, seed=number), bits_stored=bits_stored)
        ds.save_as(folder / f"{bits_stored}-{number:02}", enforce_file_format=True)
    return folder


def note_calls(monkeypatch, owner, name, size):
    """Note how many frames each call of a method gets."""
    original, sizes = getattr(owner, name), []

    def noting(self, *arguments, **options):
        sizes.append(size(arguments))
        return original(self, *arguments, **options)

    monkeypatch.setattr(owner, name, noting)
    return sizes


def noted_encodings(monkeypatch):
    return note_calls(monkeypatch, FrameCoder, "encode_many", lambda arguments: len(arguments[1]))


def noted_decodings(monkeypatch):
    return note_calls(monkeypatch, FrameDecoder, "open_and_decode", lambda arguments: len(arguments[0]))


def failures(summary):
    return {record.name: record.reason for record in summary.failures}


def test_a_series_is_coded_in_full_groups_and_verified(tmp_path, monkeypatch):
    series = write_series(tmp_path / "series")
    encodings, decodings = noted_encodings(monkeypatch), noted_decodings(monkeypatch)
    summary = batch.transcode([series], tmp_path / "jls", workers=1)
    assert summary.counts == {Status.COMPRESSED: COUNT}
    assert encodings == [FRAMES_TOGETHER, FRAMES_TOGETHER, COUNT % FRAMES_TOGETHER]
    summary = batch.transcode([tmp_path / "jls"], series, Action.VERIFY, workers=1)
    assert summary.counts == {Status.VERIFIED: COUNT}
    assert summary.compared == {"reference": COUNT, "records": COUNT}
    summary = batch.transcode([tmp_path / "jls"], tmp_path / "native", Action.DECOMPRESS, workers=1)
    assert summary.counts == {Status.DECOMPRESSED: COUNT}
    assert decodings == 2 * [FRAMES_TOGETHER, FRAMES_TOGETHER, COUNT % FRAMES_TOGETHER]
    for path in series.iterdir():
        assert (tmp_path / "native" / path.name).read_bytes() == path.read_bytes()


def test_the_result_is_that_of_each_file_alone(tmp_path):
    series = write_series(tmp_path / "series", 5)
    batch.transcode([series], tmp_path / "jls", workers=1)
    records = {record.name: record for record in read_records(tmp_path / "jls" / batch.JOURNAL_NAME)}
    for job in batch.plan([series], tmp_path / "alone"):
        (tmp_path / "alone").mkdir(exist_ok=True)
        alone, together = batch.run_job(job), records[job.name]
        assert (tmp_path / "alone" / job.name).read_bytes() == (tmp_path / "jls" / job.name).read_bytes()
        assert (alone.statistics, alone.target_sha256) == (together.statistics, together.target_sha256)
        assert alone.pixels_sha256_after == together.pixels_sha256_after


def test_several_series_at_a_time_fill_groups_of_their_own(tmp_path, monkeypatch):
    folder = tmp_path / "mixed"
    folder.mkdir()
    for number in range(FRAMES_TOGETHER):
        for bits_stored in (8, 12, 16):
            write_series(folder / f"{number}", 1, bits_stored)
    encodings = noted_encodings(monkeypatch)
    summary = batch.transcode([folder], tmp_path / "jls", workers=1)
    assert summary.counts == {Status.COMPRESSED: 3 * FRAMES_TOGETHER}
    assert encodings == 3 * [FRAMES_TOGETHER]


def test_files_with_some_frames_share_too(tmp_path, monkeypatch):
    series = write_series(tmp_path / "series", 6, frames=5)
    encodings = noted_encodings(monkeypatch)
    batch.transcode([series], tmp_path / "jls", workers=1)
    assert encodings == [20, 10]
    for path in series.iterdir():
        expected = pydicom.dcmread(path).pixel_array
        assert np.array_equal(pydicom.dcmread(tmp_path / "jls" / path.name).pixel_array, expected)


def test_an_error_of_one_file_touches_no_other(tmp_path):
    series = write_series(tmp_path / "series")
    ds = pydicom.dcmread(series / "12-07")
    ds.PixelData = np.full((9, 11), 4096, "<u2").tobytes() + b"\0" * (9 * 11 * 2 % 2)
    ds.save_as(series / "12-07")
    summary = batch.transcode([series], tmp_path / "jls", workers=1)
    assert list(failures(summary)) == ["12-07"]
    assert "bits set above Bits Stored" in failures(summary)["12-07"]
    archive = {path.name: path.read_bytes() for path in (tmp_path / "jls").iterdir() if path.name != batch.JOURNAL_NAME}
    assert sorted(archive) == sorted(path.name for path in series.iterdir() if path.name != "12-07")
    data = archive["12-03"]
    start = data.index(b"\xff\xda") + 20
    (tmp_path / "jls" / "12-03").write_bytes(data[:start] + b"\xff\xd9" * 20 + data[start + 40 :])
    for action, target, status in (
        (Action.DECOMPRESS, "native", Status.DECOMPRESSED),
        (Action.VERIFY, None, Status.VERIFIED),
    ):
        summary = batch.transcode([tmp_path / "jls"], target and tmp_path / target, action, workers=1)
        assert summary.counts == {status: COUNT - 2, Status.FAILED: 1}
        assert list(failures(summary)) == ["12-03"]
    assert sorted(path.name for path in (tmp_path / "native").iterdir() if path.name != batch.JOURNAL_NAME) == sorted(
        archive.keys() - {"12-03"}
    )


def test_a_frame_that_is_not_verified_fails_only_its_file(tmp_path, monkeypatch):
    series = write_series(tmp_path / "series")
    wrong = pydicom.dcmread(series / "12-20").pixel_array
    original = FrameCoder._largest_error

    def largest_error(self, index, decoded, samples):
        if np.array_equal(samples, wrong):
            raise JPEGLSError(f"frame {index}: verification failed")
        return original(self, index, decoded, samples)

    monkeypatch.setattr(FrameCoder, "_largest_error", largest_error)
    summary = batch.transcode([series], tmp_path / "jls", workers=1)
    assert failures(summary) == {"12-20": "frame 0: verification failed"}
    assert summary.counts == {Status.COMPRESSED: COUNT - 1, Status.FAILED: 1}


def test_what_waits_is_bounded(tmp_path, monkeypatch):
    assert can_share(FRAMES_TOGETHER - 1, SIZE_TOGETHER // 8)
    assert not can_share(FRAMES_TOGETHER, 1)  # enough for itself
    assert not can_share(1, SIZE_TOGETHER // 8 + 1)
    series = write_series(tmp_path / "series")
    monkeypatch.setattr(pool, "_WAITING_PER_WORKER", 3)
    encodings = noted_encodings(monkeypatch)
    batch.transcode([series], tmp_path / "by files", workers=1)
    assert encodings == COUNT // 4 * [4] + [COUNT % 4]
    encodings.clear()
    head = (series / "12-00").stat().st_size
    monkeypatch.setattr(pool, "SIZE_TOGETHER", 2 * head)
    batch.transcode([series], tmp_path / "by size", workers=1)
    assert encodings == COUNT // 3 * [3] + [COUNT % 3]


@pytest.mark.parametrize("action", list(Action))
def test_an_interrupt_leaves_files_whole_or_untouched(tmp_path, action):
    series = write_series(tmp_path / "series")
    source, target = series, tmp_path / "target"
    if action is not Action.COMPRESS:
        batch.transcode([series], tmp_path / "jls", workers=1)
        source = tmp_path / "jls"
    calls = []

    def interrupting(size):
        calls.append(size)
        if len(calls) == COUNT:  # the first group is coded, and some of the next files are read
            raise CancelledError

    records = []
    if action is Action.VERIFY:
        jobs = batch.plan_verification([source], series)
    else:
        target.mkdir()
        jobs = batch.plan([source], target, action)
    with pytest.raises(CancelledError):
        pool.run_overlapping(jobs, interrupting, records.append)
    assert 0 < len(records) < COUNT
    assert not any(record.status is Status.FAILED for record in records)
    if target.exists():
        assert {path.name for path in target.iterdir()} == {record.name for record in records}
    shutil.rmtree(source)  # on Windows only if no file is still open


def test_no_file_waits_where_frames_are_coded_on_threads_or_with_loss(tmp_path, monkeypatch):
    series = write_series(tmp_path / "series", 4)
    encodings = noted_encodings(monkeypatch)
    jobs = batch.plan([series], tmp_path / "jls")
    (tmp_path / "jls").mkdir()
    pool.run_overlapping([job._replace(threads=2) for job in jobs], lambda _size: None, lambda _record: None)
    assert encodings == []


def test_shared_coding_gives_each_its_results_or_its_error():
    calls = []

    def double(coder, items):
        calls.append(len(items))
        if None in items:
            raise JPEGLSError(f"{coder}: none")
        return (2 * item for item in items)

    def codings(*lists):
        return [SharedCoding(double, "coder", items, 0) for items in lists]

    assert code_together(codings([1, 2], [], [3])) == [[2, 4], [], [6]]
    assert calls == [3]
    first, second, third = code_together(codings([1], [2, None], [3, 4]))
    assert (first, third) == ([2], [6, 8])
    assert isinstance(second, JPEGLSError)
    assert str(second) == "coder: none"
    assert code_together(codings([5])) == [[10]]


def test_a_file_that_cannot_be_synced_fails_alone(tmp_path, monkeypatch):
    """Several files are synced one after the other by the same thread."""
    series = write_series(tmp_path / "series")
    sync = NewFile.sync

    def failing_sync(new_file):
        if ".12-05." in new_file.path.name:
            raise OSError(5, "Input/output error", str(new_file.path))
        sync(new_file)

    monkeypatch.setattr(NewFile, "sync", failing_sync)
    summary = batch.transcode([series], tmp_path / "jls", workers=1)
    assert summary.counts == {Status.COMPRESSED: COUNT - 1, Status.FAILED: 1}
    assert "Input/output error" in failures(summary)["12-05"]
    assert not (tmp_path / "jls" / "12-05").exists()
    assert len(list((tmp_path / "jls").iterdir())) == COUNT  # with the journal, and without temporary files


def test_a_large_file_is_synced_without_waiting_for_others(tmp_path, monkeypatch):
    """Only files that are coded together are synced by one thread."""
    series = write_series(tmp_path / "series", count=3, frames=FRAMES_TOGETHER)
    submitted = note_calls(monkeypatch, ThreadPoolExecutor, "submit", lambda arguments: len(arguments[1]))
    summary = batch.transcode([series], tmp_path / "jls", workers=1)
    assert summary.counts == {Status.COMPRESSED: 3}
    assert submitted == [1, 1, 1]
