"""Whole trees: every file once, nothing half-written, and on from where a job stopped, whatever stopped it."""

import errno
import hashlib
import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pydicom
import pytest
from click.testing import CliRunner
from pydicom.pixels.utils import pixel_array as native_pixel_array

import dicom_jpegls as jls
from dicom_jpegls import batch
from dicom_jpegls.batch import Action, Options, Status
from dicom_jpegls.batch import run as run_module
from dicom_jpegls.cli.commands import ExitStatus, cli
from dicom_jpegls.files.target import NewFile
from support.archive_tree import BROKEN_KINDS, files_below, is_native_image, make_tree, run_or_die
from support.dicom_files import TEST_FILES

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:pydicom")

CT = TEST_FILES / "CT_small.dcm"
JOURNAL = ".dicom-jpegls.jsonl"
COUNT, BROKEN = 62, 10


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    folder = tmp_path_factory.mktemp("archive") / "tree"
    broken = make_tree(folder, COUNT, BROKEN)
    assert len(broken) == BROKEN == len(BROKEN_KINDS)
    return folder, broken


def run(*arguments, status=ExitStatus.SUCCESS):
    result = CliRunner().invoke(cli, [str(argument) for argument in arguments])
    assert result.exit_code == status, result.output
    return result


def records_of(folder):
    return [json.loads(line) for line in (folder / JOURNAL).read_text().splitlines()]


def check_result(tree, target):
    """The target has the whole tree but the broken files, each of them right."""
    folder, broken = tree
    sources, targets = files_below(folder), files_below(target)
    assert set(targets) == set(sources) - broken
    for name, path in targets.items():
        if path.read_bytes() == sources[name].read_bytes():
            continue
        before, after = pydicom.dcmread(sources[name]), pydicom.dcmread(path)
        assert after.file_meta.TransferSyntaxUID == pydicom.uid.JPEGLSLossless
        np.testing.assert_array_equal(native_pixel_array(before, raw=True), jls.pixel_array(after))
        assert before.SOPInstanceUID == after.SOPInstanceUID


def test_a_tree_there_and_back_bit_for_bit(tree, tmp_path):
    folder, broken = tree
    result = run("compress", folder, tmp_path / "jls", "--workers", 2, status=ExitStatus.SOME_FAILED)
    check_result(tree, tmp_path / "jls")
    for name in broken:
        assert str(folder / name) in result.stderr
    records = {record["name"]: record for record in records_of(tmp_path / "jls")}
    assert len(records) == len(records_of(tmp_path / "jls")) == COUNT
    assert {name for name, record in records.items() if record["status"] == "failed"} == broken
    assert all(record["reason"] for record in records.values() if record["status"] not in ("compressed",))
    for record in records.values():
        if record["status"] == "compressed":
            samples = native_pixel_array(pydicom.dcmread(record["source"]), raw=True)
            digest = hashlib.sha256(samples.astype(samples.dtype.newbyteorder("<")).tobytes()).hexdigest()
            assert record["pixels_sha256_before"] == record["pixels_sha256_after"] == digest
            assert record["largest_error"] == 0
            assert record["native_size"] == samples.nbytes
            assert record["ratio"] == pytest.approx(samples.nbytes / record["compressed_size"], abs=1e-4)
            assert record["target_size"] == Path(record["target"]).stat().st_size

    run("verify", tmp_path / "jls", "--workers", 1)
    run("verify", tmp_path / "jls", folder, "--workers", 1)
    run("decompress", tmp_path / "jls", tmp_path / "native", "--workers", 1)
    for name, path in files_below(tmp_path / "native").items():
        if is_native_image(folder / name) and is_native_image(path):
            before, after = pydicom.dcmread(folder / name), pydicom.dcmread(path)
            np.testing.assert_array_equal(native_pixel_array(before, raw=True), native_pixel_array(after, raw=True))
            if before.file_meta.TransferSyntaxUID == after.file_meta.TransferSyntaxUID:
                assert len(before.PixelData) - len(after.PixelData) in (0, 128)  # one file has padding
                assert before.PixelData.startswith(after.PixelData)


def test_a_second_run_does_only_what_failed_or_changed(tree, tmp_path):
    folder, broken = tree
    shutil.copytree(folder, tmp_path / "tree")
    first = batch.transcode([tmp_path / "tree"], tmp_path / "jls", workers=1)
    again = batch.transcode([tmp_path / "tree"], tmp_path / "jls", workers=1)
    assert first.done_before == 0
    assert again.done_before == COUNT - BROKEN
    assert again.counts == {Status.FAILED: BROKEN}

    compressed = [record for record in records_of(tmp_path / "jls") if record["status"] == "compressed"]
    os.utime(compressed[0]["source"])
    Path(compressed[1]["target"]).unlink()
    with open(compressed[2]["target"], "ab") as file:
        file.write(b"\0\0")
    result = batch.transcode([tmp_path / "tree"], tmp_path / "jls", workers=1)
    # The first file's result is there and the same; the third one's is somebody else's now.
    assert result.counts == {Status.COMPRESSED: 2, Status.FAILED: BROKEN + 1}
    foreign = {record.name: record for record in result.failures}[compressed[2]["name"]]
    assert "exists and is another file: --force replaces it" in foreign.reason
    forced = batch.transcode([tmp_path / "tree"], tmp_path / "jls", options=Options(force=True), workers=1)
    assert forced.counts == {Status.COMPRESSED: 1, Status.FAILED: BROKEN}
    check_result((tmp_path / "tree", broken), tmp_path / "jls")
    other_options = batch.transcode(
        [tmp_path / "tree"], tmp_path / "jls", options=Options(near_lossless=1, force=True), workers=1
    )
    assert other_options.done_before == 0


def test_lossy_files_are_not_made_twice(tmp_path):
    """Each lossy compression makes a new SOP Instance UID; a lost record must not make a second instance."""
    shutil.copy(CT, tmp_path / "a.dcm")
    options = Options(near_lossless=2)
    batch.transcode([tmp_path / "a.dcm"], tmp_path / "jls", options=options)
    written = (tmp_path / "jls" / "a.dcm").read_bytes()
    (tmp_path / "jls" / JOURNAL).unlink()
    summary = batch.transcode([tmp_path / "a.dcm"], tmp_path / "jls", options=options)
    assert summary.counts == {Status.COMPRESSED: 1}
    assert (tmp_path / "jls" / "a.dcm").read_bytes() == written
    (record,) = records_of(tmp_path / "jls")
    assert (record["near_lossless"], record["largest_error"]) == (2, 2)
    assert record["pixels_sha256_before"] != record["pixels_sha256_after"]


# Forks a process for each moment at which it is to be killed: lines of the code that reads, writes and renames.
KILLER = """
import os, pathlib, random, shutil, signal, sys, warnings
warnings.simplefilter("ignore")
from dicom_jpegls.batch import Action, Job, Options
from dicom_jpegls.files.convert import run_job
import pydicom.pixels.encoders, pydicom.pixels.decoders

source, folder, in_place = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), sys.argv[3] == "in-place"

def attempt(moment):
    place = folder / str(moment)
    place.mkdir()
    target = place / "image"
    if in_place:
        shutil.copy2(source, target)
    job = Job(Action.COMPRESS, "image", str(target if in_place else source), str(target), Options())
    lines = 0

    def trace(frame, event, _argument):
        nonlocal lines
        if pathlib.Path(frame.f_code.co_filename).parent.name not in ("batch", "files"):
            return None
        if event == "line":
            lines += 1
            if lines == moment:
                os.kill(os.getpid(), signal.SIGKILL)
        return trace

    sys.settrace(trace)
    run_job(job)
    sys.settrace(None)
    return lines

count = attempt(0)
for moment in [*random.Random(1).sample(range(1, count), 22), *range(count - 25, count)]:
    if not (folder / str(moment)).exists():
        pid = os.fork()
        if pid == 0:
            attempt(moment)
            os._exit(0)
        assert os.WIFSIGNALED(os.waitpid(pid, 0)[1])
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
@pytest.mark.parametrize("mode", ["beside", "in-place"])
def test_killed_at_any_moment_a_file_is_whole_or_not_there(tmp_path, mode):
    source = Path(shutil.copy(TEST_FILES / "MR_small.dcm", tmp_path / "image"))
    jls_bytes = compressed_bytes(source, tmp_path / "done")
    command = [sys.executable, "-c", KILLER, source, tmp_path / "killed", mode]
    (tmp_path / "killed").mkdir()
    subprocess.run(command, check=True)
    states = set()
    leftovers = 0
    for folder in (tmp_path / "killed").iterdir():
        image = folder / "image"
        states.add(image.read_bytes() if image.exists() else None)
        leftovers += len([path for path in folder.iterdir() if path != image])
        if mode == "in-place":
            summary = batch.transcode([folder], None, workers=1)
        else:
            summary = batch.transcode([source], folder, workers=1)
        # Where the record alone was lost, the same name is there for the same bytes.
        assert summary.failures == []
        assert image.read_bytes() == jls_bytes
        assert sorted(path.name for path in folder.iterdir()) == [JOURNAL, "image"]
    assert states == {source.read_bytes() if mode == "in-place" else None, jls_bytes}
    assert leftovers > 5


def compressed_bytes(source, folder):
    folder.mkdir()
    run("compress", source, folder / "image")
    return (folder / "image").read_bytes()


def start(*arguments):
    return subprocess.Popen(
        [sys.executable, "-m", "dicom_jpegls", *map(str, arguments)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def wait_for_records(folder, count):
    """Wait until a job has written so many records."""
    journal = folder / JOURNAL
    end = time.monotonic() + 60
    while time.monotonic() < end:
        if journal.exists() and journal.read_bytes().count(b"\n") >= count:
            return
        time.sleep(0.005)
    raise TimeoutError(f"{journal} did not get {count} records")


def test_killed_twice_and_resumed(tree, tmp_path):
    target = tmp_path / "jls"
    for count in (3, 25):
        process = start("compress", tree[0], target, "--workers", 2)
        wait_for_records(target, count)
        process.kill()
        process.wait()
        process.stderr.close()
        for path in files_below(target).values():
            if path.name.endswith(".dicom-jpegls-tmp"):
                continue
            assert path.stat().st_size > 0
    summary = batch.transcode([tree[0]], target, workers=1)
    assert summary.done_before + summary.counts.total() == COUNT
    assert summary.done_before >= 15
    check_result(tree, target)


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_an_interrupt_stops_promptly_and_leaves_a_job_that_goes_on(tree, tmp_path):
    target = tmp_path / "jls"
    process = start("compress", tree[0], target, "--workers", 2, "--json")
    wait_for_records(target, 5)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does, to the workers too
    _, errors = process.communicate(timeout=20)
    assert process.returncode == ExitStatus.INTERRUPTED, errors
    assert "Traceback" not in errors
    assert not [name for name in files_below(target) if name.endswith("-tmp")]
    summary = batch.transcode([tree[0]], target, workers=1)
    assert summary.done_before >= 5 - BROKEN / 2
    check_result(tree, target)


def test_an_interrupt_ends_a_job_that_has_files_queued(tree, tmp_path):
    script = f"""
from dicom_jpegls import batch
from dicom_jpegls.batch import run

def interrupt(record):
    raise KeyboardInterrupt

run._QUEUED_FOR_EACH_WORKER = 20  # more than the pool hands to its workers
run._TOGETHER = 0
try:
    batch.transcode([{str(tree[0])!r}], {str(tmp_path / "jls")!r}, workers=2, on_record=interrupt)
except KeyboardInterrupt:
    print("interrupted")
"""
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=True)
    assert result.stdout == "interrupted\n"


def test_a_torn_line_of_the_journal_is_done_again(tmp_path):
    shutil.copy(CT, tmp_path / "a")
    shutil.copy(CT, tmp_path / "b")
    batch.transcode([tmp_path / "a", tmp_path / "b"], tmp_path / "jls", workers=1)
    journal = tmp_path / "jls" / JOURNAL
    journal.write_bytes(journal.read_bytes()[:-40])
    summary = batch.transcode([tmp_path / "a", tmp_path / "b"], tmp_path / "jls", workers=1)
    assert (summary.done_before, summary.counts) == (1, {Status.COMPRESSED: 1})
    assert [record.name for record in batch.read_records(journal)] == ["a", "b"]
    assert batch.transcode([tmp_path / "a", tmp_path / "b"], tmp_path / "jls", workers=1).done_before == 2


def test_two_jobs_do_not_write_the_same_tree(tmp_path):
    (tmp_path / "jls").mkdir()
    with batch.Journal(tmp_path / "jls" / JOURNAL):
        line = run("compress", CT, TEST_FILES / "MR_small.dcm", tmp_path / "jls", status=ExitStatus.WRONG_USAGE).stderr
    assert "another job is writing here" in line


def test_a_worker_that_dies_loses_no_file(tree, tmp_path):
    killed = []

    def kill_one(_record):
        if not killed:
            killed.extend(multiprocessing.active_children()[:1])
            killed[0].kill()

    summary = batch.transcode([tree[0]], tmp_path / "jls", workers=2, on_record=kill_one)
    assert len(killed) == 1
    assert summary.counts.total() == COUNT
    assert summary.counts[Status.FAILED] == BROKEN
    assert len(records_of(tmp_path / "jls")) == COUNT
    check_result(tree, tmp_path / "jls")


def test_a_file_that_kills_its_worker_twice_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr(run_module, "_run_in_worker", run_or_die)
    for name in ("a", "b", "c.poison", "d", "e", "f"):
        shutil.copy(CT, tmp_path / name)
    summary = batch.transcode([tmp_path / "*"], tmp_path / "jls", workers=2)
    assert summary.counts == {Status.COMPRESSED: 5, Status.FAILED: 1}
    (failure,) = summary.failures
    assert failure.name == "c.poison"
    assert "its worker process died twice" in failure.reason


def test_in_place_keeps_time_stamps_and_permissions(tmp_path):
    path = tmp_path / "a"
    shutil.copy(CT, path)
    path.chmod(0o640)
    os.utime(path, ns=(1_000_000_000_123_456_000, 1_100_000_000_654_321_000))
    (tmp_path / "notes.txt").write_text("no image")
    run("compress", "--in-place", tmp_path, "--workers", 1)
    stat = path.stat()
    assert (stat.st_mtime_ns, stat.st_mode & 0o777) == (1_100_000_000_654_321_000, 0o640)
    np.testing.assert_array_equal(jls.pixel_array(pydicom.dcmread(path)), pydicom.dcmread(CT).pixel_array)
    assert {record["status"] for record in records_of(tmp_path)} == {"compressed", "skipped"}
    assert "done before" in run("compress", "--in-place", tmp_path, "--workers", 1).output
    run("verify", tmp_path, "--workers", 1)
    run("decompress", "--in-place", tmp_path, "--workers", 1)
    assert path.stat().st_mtime_ns == 1_100_000_000_654_321_000
    assert pydicom.dcmread(path).PixelData == pydicom.dcmread(CT).PixelData


def test_in_place_through_a_link_replaces_the_file_and_not_the_link(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "links").mkdir()
    shutil.copy(CT, tmp_path / "real" / "a")
    (tmp_path / "links" / "a").symlink_to(tmp_path / "real" / "a")
    run("compress", "--in-place", tmp_path / "links")
    assert (tmp_path / "links" / "a").is_symlink()
    assert pydicom.dcmread(tmp_path / "real" / "a").file_meta.TransferSyntaxUID == pydicom.uid.JPEGLSLossless


def test_bit_rot_is_found_by_the_recorded_hash(tmp_path):
    shutil.copy(CT, tmp_path / "a")
    batch.transcode([tmp_path / "a"], tmp_path / "jls")
    other = pydicom.dcmread(CT)
    pixels = bytearray(other.PixelData)
    pixels[1000] ^= 1
    other.PixelData = bytes(pixels)
    jls.compress(other)
    other.save_as(tmp_path / "jls" / "a")
    result = run("verify", tmp_path / "jls", status=ExitStatus.ALL_FAILED)
    assert "its samples are not those that were recorded" in result.stderr


def test_others_are_skipped_on_demand(tree, tmp_path):
    folder, _ = tree
    summary = batch.transcode([folder], tmp_path / "jls", options=Options(others="skip"), workers=1)
    assert summary.counts[Status.SKIPPED] > 5
    assert summary.counts[Status.COPIED] == 0
    for name, path in files_below(tmp_path / "jls").items():
        assert pydicom.dcmread(path).file_meta.TransferSyntaxUID in pydicom.uid.JPEGLSTransferSyntaxes, name
    again = batch.transcode([folder], tmp_path / "jls", options=Options(others="skip"), workers=1)
    assert again.counts == {Status.FAILED: BROKEN}


def test_a_dicomdir_stays_valid(tmp_path):
    """Its file IDs are relative paths, and the tree is mirrored."""
    target = tmp_path / "jls"
    batch.transcode([TEST_FILES / "dicomdirtests"], target, workers=1)
    directory = pydicom.dcmread(target / "DICOMDIR")
    images = [record for record in directory.DirectoryRecordSequence if record.DirectoryRecordType == "IMAGE"]
    assert len(images) > 20
    for record in images:
        image = pydicom.dcmread(target.joinpath(*record.ReferencedFileID))
        assert image.SOPInstanceUID == record.ReferencedSOPInstanceUIDInFile
        assert image.file_meta.TransferSyntaxUID == pydicom.uid.JPEGLSLossless


def test_sources_patterns_and_names(tmp_path):
    for name in ("x/1/a.dcm", "x/2/a.dcm", "x/2/b.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(CT, tmp_path / name)
    names = {file.name for file in batch.find_files([tmp_path / "x"])}
    assert names == {"1/a.dcm", "2/a.dcm", "2/b.txt"}
    assert {file.name for file in batch.find_files([f"{tmp_path}/x/**/*.dcm"])} == {"1/a.dcm", "2/a.dcm"}
    assert {file.name for file in batch.find_files([f"{tmp_path}/*/2/?.txt"])} == {"x/2/b.txt"}
    with pytest.raises(FileNotFoundError, match="No file matches"):
        batch.find_files([f"{tmp_path}/*.nothing"])
    with pytest.raises(batch.PlanError, match="would both become"):
        batch.plan([tmp_path / "x/1", tmp_path / "x/2"], tmp_path / "out")
    # A target inside the source is no source.
    batch.transcode([tmp_path], tmp_path / "out", workers=1)
    assert batch.transcode([tmp_path], tmp_path / "out", workers=1).done_before == 3


def test_usage_and_exit_statuses_of_many_files(tmp_path):
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "a").write_bytes(CT.read_bytes()[:-5000])
    run("compress", tmp_path / "bad", tmp_path / "out", status=ExitStatus.ALL_FAILED)
    shutil.copy(CT, tmp_path / "bad" / "b")
    run("compress", tmp_path / "bad", tmp_path / "out", "--workers", 1, status=ExitStatus.SOME_FAILED)
    (tmp_path / "bad" / "a").unlink()
    run("compress", tmp_path / "bad", tmp_path / "out")
    run("compress", tmp_path / "none", tmp_path / "bad", tmp_path / "out", status=ExitStatus.FILE_ERROR)
    run("compress", "--in-place", status=ExitStatus.WRONG_USAGE)
    run("compress", "--dask", "tcp://127.0.0.1:1", CT, tmp_path / "c.dcm", status=ExitStatus.WRONG_USAGE)


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs a shell that limits file sizes")
def test_a_disk_that_is_full_leaves_whole_files_and_goes_on_later(tmp_path):
    folder = tmp_path / "tree"
    folder.mkdir()
    shutil.copy(CT, folder / "large")  # its streams exceed the limit
    shutil.copy(TEST_FILES / "MR_small.dcm", folder / "small")
    arguments = (
        f'ulimit -f 15; exec "{sys.executable}" -m dicom_jpegls compress --workers 1 "{folder}" "{tmp_path}/jls"'
    )
    result = subprocess.run(["bash", "-c", arguments], capture_output=True, text=True, check=False)
    assert result.returncode == ExitStatus.SOME_FAILED, result.stderr
    assert f"{folder}/large: File too large" in result.stderr
    assert set(files_below(tmp_path / "jls")) == {"small"}
    assert batch.transcode([folder], tmp_path / "jls").counts == {Status.COMPRESSED: 1}


def test_files_without_permission_fail_alone(tmp_path, monkeypatch):
    for name in ("a", "b", "c"):
        shutil.copy(CT, tmp_path / name)
    opened = Path.open

    def guarded(path, *arguments, **options):
        if path.name == "a" or path.name.startswith(".b."):
            raise PermissionError(13, "Permission denied", str(path))
        return opened(path, *arguments, **options)

    monkeypatch.setattr(Path, "open", guarded)
    summary = batch.transcode([tmp_path / "*"], tmp_path / "jls", workers=1)
    assert summary.counts == {Status.COMPRESSED: 1, Status.FAILED: 2}
    assert {record.reason for record in summary.failures} == {"Permission denied"}
    assert set(files_below(tmp_path / "jls")) == {"c"}


@pytest.mark.parametrize("options", [[], ["--quiet"], ["--json"]])
def test_what_is_shown(tmp_path, options):
    (tmp_path / "tree").mkdir()
    shutil.copy(CT, tmp_path / "tree" / "a")
    (tmp_path / "tree" / "b").write_bytes(CT.read_bytes()[:-5000])
    arguments = (tmp_path / "tree", tmp_path / "jls", "--workers", 1, *options)
    result = run("compress", *arguments, status=ExitStatus.SOME_FAILED)
    lines = result.stdout.splitlines()
    if options == ["--json"]:
        *records, last = map(json.loads, lines)
        assert {record["status"] for record in records} == {"compressed", "failed"}
        assert last["summary"]["compressed"] == last["summary"]["failed"] == 1
        assert last["summary"]["interrupted"] is False
        assert result.stderr == ""
    else:
        assert f"{tmp_path}/tree/b: Pixel Data" in result.stderr
        assert (lines == []) == (options == ["--quiet"])
    if not options:
        assert lines[0].startswith("2 file(s), ")
        assert any("32.8 kB native, 14.2 kB JPEG-LS, ratio 2.31" in line for line in lines)


def test_info_of_many_files(tmp_path):
    (tmp_path / "tree").mkdir()
    shutil.copy(CT, tmp_path / "tree" / "a")
    shutil.copy(TEST_FILES / "JPEGLSNearLossless_08.dcm", tmp_path / "tree" / "b")
    table = run("info", tmp_path / "tree").output
    assert "128 x 128" in table
    facts = [json.loads(line) for line in run("info", "--json", tmp_path / "tree").output.splitlines()]
    assert [fact["rows"] for fact in facts] == [128, 45]
    (tmp_path / "tree" / "c").write_text("no image")
    result = run("info", tmp_path / "tree", status=ExitStatus.SOME_FAILED)
    assert "c: is no DICOM file" in result.stderr


def test_workers_go_on_while_the_disk_writes(tmp_path, monkeypatch):
    """The first file is synced only when the second is, too; a disk that is full by then spoils that file alone."""
    (tmp_path / "tree").mkdir()
    for name in "abc":
        shutil.copy(CT, tmp_path / "tree" / name)
    jobs = batch.plan([tmp_path / "tree"], tmp_path / "target")
    (tmp_path / "target").mkdir()
    sync = NewFile.sync
    second_came = threading.Event()

    def slow(new):
        name = new.path.name[1]
        if name == "a":
            assert second_came.wait(30)
        elif name == "b":
            second_came.set()
            raise OSError(errno.ENOSPC, "No space left on device")
        sync(new)

    monkeypatch.setattr(NewFile, "sync", slow)
    records = {record.name: record for record in run_module._run_in_worker(jobs)}
    assert [records[name].status for name in "abc"] == [Status.COMPRESSED, Status.FAILED, Status.COMPRESSED]
    assert "No space left" in records["b"].reason
    assert sorted(path.name for path in (tmp_path / "target").iterdir()) == ["a", "c"]


def test_jobs_can_be_run_by_anything(tmp_path):
    (job,) = batch.plan([CT], tmp_path, Action.COMPRESS, Options(near_lossless=3))
    record = batch.run_job(job)
    assert (record.status, record.largest_error) == (Status.COMPRESSED, 3)
    assert batch.Record.from_json(record.to_json()) == record
