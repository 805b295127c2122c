"""Whole trees: every file once, and on from where a job stopped, whatever stopped it."""

import hashlib
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.pixels.utils import pixel_array as native_pixel_array

import dicom_jpegls as jls
from dicom_jpegls import batch
from dicom_jpegls.batch import JOURNAL_NAME, Options, Status
from dicom_jpegls.cli.status import ExitStatus
from dicom_jpegls.dicom import CodingOptions
from support.archive_tree import check_result, files_below, is_native_image, records_of, start_job, wait_for_records
from support.command_line import run_cli
from support.dicom_files import TEST_FILES
from support.links import make_link

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:pydicom")

CT = TEST_FILES / "CT_small.dcm"


def test_a_tree_there_and_back_bit_for_bit(tree, tmp_path):
    folder, broken = tree
    result = run_cli("compress", folder, tmp_path / "jls", "--workers", 2, status=ExitStatus.SOME_FAILED)
    check_result(tree, tmp_path / "jls")
    for name in broken:
        assert str(folder / name) in result.stderr
    records = {record["name"]: record for record in records_of(tmp_path / "jls")}
    assert len(records) == len(records_of(tmp_path / "jls")) == len(files_below(folder))
    assert {name for name, record in records.items() if record["status"] == "failed"} == broken
    assert all(record["reason"] for record in records.values() if record["status"] not in ("compressed",))
    for record in records.values():
        if record["status"] == "compressed":
            samples = native_pixel_array(pydicom.dcmread(record["source"]), raw=True)
            digest = hashlib.sha256(samples.astype(samples.dtype.newbyteorder("<")).tobytes()).hexdigest()
            expected = {
                "pixels_sha256_before": digest,
                "pixels_sha256_after": digest,
                "largest_error": 0,
                "near_lossless": 0,
                "native_size": samples.nbytes,
                "ratio": pytest.approx(samples.nbytes / record["compressed_size"], abs=1e-4),
                "target_size": Path(record["target"]).stat().st_size,
            }
            assert record | expected == record, record["name"]

    run_cli("verify", tmp_path / "jls", "--workers", 1)
    result = run_cli("verify", tmp_path / "jls", folder, "--workers", 1, status=ExitStatus.SOME_FAILED)
    assert {line.split(": ")[0] for line in result.stderr.splitlines()} == {
        str(tmp_path / "jls" / name) for name in broken
    }
    run_cli("decompress", tmp_path / "jls", tmp_path / "native", "--workers", 1)
    for name, path in files_below(tmp_path / "native").items():
        if is_native_image(folder / name) and is_native_image(path):
            before, after = pydicom.dcmread(folder / name), pydicom.dcmread(path)
            samples, expected = native_pixel_array(after, raw=True), native_pixel_array(before, raw=True)
            np.testing.assert_array_equal(samples, expected, err_msg=name)
            if before.file_meta.TransferSyntaxUID == after.file_meta.TransferSyntaxUID:
                assert len(before.PixelData) - len(after.PixelData) in (0, 128), name  # one file has padding
                assert before.PixelData.startswith(after.PixelData), name


def test_a_second_run_does_only_what_failed_or_changed(tree, tmp_path):
    folder, broken = tree
    shutil.copytree(folder, tmp_path / "tree")
    first = batch.transcode([tmp_path / "tree"], tmp_path / "jls", workers=1)
    again = batch.transcode([tmp_path / "tree"], tmp_path / "jls", workers=1)
    assert first.done_before == 0
    assert again.done_before == len(files_below(folder)) - len(broken)
    assert again.counts == {Status.FAILED: len(broken)}

    compressed = [record for record in records_of(tmp_path / "jls") if record["status"] == "compressed"]
    os.utime(compressed[0]["source"])
    Path(compressed[1]["target"]).unlink()
    with open(compressed[2]["target"], "ab") as file:
        file.write(b"\0\0")
    result = batch.transcode([tmp_path / "tree"], tmp_path / "jls", workers=1)
    # The first file's result is there and the same; the third's belongs to somebody else now.
    assert result.counts == {Status.COMPRESSED: 2, Status.FAILED: len(broken) + 1}
    foreign = {record.name: record for record in result.failures}[compressed[2]["name"]]
    assert "exists and is another file: --force replaces it" in foreign.reason
    forced = batch.transcode([tmp_path / "tree"], tmp_path / "jls", options=Options(force=True), workers=1)
    assert forced.counts == {Status.COMPRESSED: 1, Status.FAILED: len(broken)}
    check_result((tmp_path / "tree", broken), tmp_path / "jls")
    other_options = batch.transcode(
        [tmp_path / "tree"], tmp_path / "jls", options=Options(CodingOptions(near_lossless=1), force=True), workers=1
    )
    assert other_options.done_before == 0


def test_lossy_files_are_not_made_twice(tmp_path):
    """Each lossy compression makes a new SOP Instance UID; a lost record must not make a second instance."""
    shutil.copy(CT, tmp_path / "a.dcm")
    options = Options(CodingOptions(near_lossless=2))
    batch.transcode([tmp_path / "a.dcm"], tmp_path / "jls", options=options)
    written = (tmp_path / "jls" / "a.dcm").read_bytes()
    (tmp_path / "jls" / JOURNAL_NAME).unlink()
    summary = batch.transcode([tmp_path / "a.dcm"], tmp_path / "jls", options=options)
    assert summary.counts == {Status.COMPRESSED: 1}
    assert (tmp_path / "jls" / "a.dcm").read_bytes() == written
    (record,) = records_of(tmp_path / "jls")
    assert (record["near_lossless"], record["largest_error"]) == (2, 2)
    assert record["pixels_sha256_before"] != record["pixels_sha256_after"]


def test_killed_twice_and_resumed(tree, tmp_path):
    target = tmp_path / "jls"
    for count in (3, 25):
        process = start_job("compress", tree[0], target, "--workers", 2)
        wait_for_records(target, count)
        process.kill()
        process.wait()
        process.stderr.close()
        for path in files_below(target).values():
            if path.name.endswith(".dicom-jpegls-tmp"):
                continue
            assert path.stat().st_size > 0, path
    summary = batch.transcode([tree[0]], target, workers=1)
    assert summary.done_before + summary.counts.total() == len(files_below(tree[0]))
    assert summary.done_before >= 15
    check_result(tree, target)


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_an_interrupt_stops_promptly_and_leaves_a_job_that_goes_on(tree, tmp_path):
    target = tmp_path / "jls"
    process = start_job("compress", tree[0], target, "--workers", 2, "--json")
    wait_for_records(target, 5)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does, to the workers too
    _, errors = process.communicate(timeout=20)
    assert process.returncode == ExitStatus.INTERRUPTED, errors
    assert "Traceback" not in errors
    assert not [name for name in files_below(target) if name.endswith("-tmp")]
    summary = batch.transcode([tree[0]], target, workers=1)
    assert summary.done_before >= 5 - len(tree[1]) / 2
    check_result(tree, target)


def test_in_place_keeps_time_stamps_and_permissions(tmp_path):
    path = tmp_path / "a"
    shutil.copy(CT, path)
    path.chmod(0o640)
    os.utime(path, ns=(1_000_000_000_123_456_000, 1_100_000_000_654_321_000))
    (tmp_path / "notes.txt").write_text("no image")
    run_cli("compress", "--in-place", tmp_path, "--workers", 1)
    stat = path.stat()
    mode = 0o640 if os.name == "posix" else 0o666  # Windows has only a bit for reading alone
    assert (stat.st_mtime_ns, stat.st_mode & 0o777) == (1_100_000_000_654_321_000, mode)
    np.testing.assert_array_equal(jls.pixel_array(pydicom.dcmread(path)), pydicom.dcmread(CT).pixel_array)
    assert {record["status"] for record in records_of(tmp_path)} == {"compressed", "skipped"}
    assert "done before" in run_cli("compress", "--in-place", tmp_path, "--workers", 1).output
    run_cli("verify", tmp_path, "--workers", 1)
    run_cli("decompress", "--in-place", tmp_path, "--workers", 1)
    assert path.stat().st_mtime_ns == 1_100_000_000_654_321_000
    assert pydicom.dcmread(path).PixelData == pydicom.dcmread(CT).PixelData


def test_in_place_a_link_in_a_tree_is_left_alone_and_one_that_is_named_is_followed(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "links").mkdir()
    shutil.copy(CT, tmp_path / "real" / "a")
    make_link(tmp_path / "links" / "a", tmp_path / "real" / "a")
    assert "is a symbolic link, which is not followed" in run_cli("compress", "--in-place", tmp_path / "links").output
    assert (tmp_path / "real" / "a").read_bytes() == CT.read_bytes()
    run_cli("compress", "--in-place", tmp_path / "links" / "a")
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
    result = run_cli("verify", tmp_path / "jls", status=ExitStatus.ALL_FAILED)
    assert "its samples are not those that were recorded" in result.stderr


def test_non_convertible_files_are_skipped_on_demand(tree, tmp_path):
    folder, broken = tree
    summary = batch.transcode([folder], tmp_path / "jls", options=Options(non_convertible="skip"), workers=1)
    assert summary.counts[Status.SKIPPED] > 5
    assert summary.counts[Status.COPIED] == 0
    for name, path in files_below(tmp_path / "jls").items():
        assert pydicom.dcmread(path).file_meta.TransferSyntaxUID in pydicom.uid.JPEGLSTransferSyntaxes, name
    again = batch.transcode([folder], tmp_path / "jls", options=Options(non_convertible="skip"), workers=1)
    assert again.counts == {Status.FAILED: len(broken)}


def test_a_dicomdir_stays_valid(tmp_path):
    """Its file IDs are relative paths, and the tree is mirrored."""
    target = tmp_path / "jls"
    batch.transcode([TEST_FILES / "dicomdirtests"], target, workers=1)
    directory = pydicom.dcmread(target / "DICOMDIR")
    images = [record for record in directory.DirectoryRecordSequence if record.DirectoryRecordType == "IMAGE"]
    assert len(images) > 20
    for record in images:
        image = pydicom.dcmread(target.joinpath(*record.ReferencedFileID))
        assert image.SOPInstanceUID == record.ReferencedSOPInstanceUIDInFile, record.ReferencedFileID
        assert image.file_meta.TransferSyntaxUID == pydicom.uid.JPEGLSLossless, record.ReferencedFileID


@pytest.mark.skipif(os.name == "nt" or not shutil.which("bash"), reason="needs a shell that limits file sizes")
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
    assert f"{folder}/large: {tmp_path}/jls/large: File too large" in result.stderr
    assert set(files_below(tmp_path / "jls")) == {"small"}
    assert batch.transcode([folder], tmp_path / "jls").counts == {Status.COMPRESSED: 1}


def test_files_without_permission_fail_alone(tmp_path, monkeypatch):
    for name in ("a", "b", "c"):
        shutil.copy(CT, tmp_path / name)
    opened = os.open

    def guarded(path, *arguments, **options):
        if Path(path).name == "a" or Path(path).name.startswith(".b."):
            raise PermissionError(13, "Permission denied", str(path))
        return opened(path, *arguments, **options)

    monkeypatch.setattr(os, "open", guarded)
    summary = batch.transcode([tmp_path / "*"], tmp_path / "jls", workers=1)
    assert summary.counts == {Status.COMPRESSED: 1, Status.FAILED: 2}
    assert {record.reason for record in summary.failures} == {
        "Permission denied",
        f"{tmp_path / 'jls' / 'b'}: Permission denied",
    }
    assert set(files_below(tmp_path / "jls")) == {"c"}
