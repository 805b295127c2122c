"""Exit statuses, one line for each failure, and what is left behind."""

import ctypes
import os
import shutil

import pydicom
import pytest
from pydicom.uid import (
    MPEG2MPML,
    JPEGLSLossless,
)

import dicom_jpegls as jls
from dicom_jpegls.batch import JOURNAL_NAME
from dicom_jpegls.cli.status import ExitStatus
from support.command_line import one_line, run_cli
from support.dicom_files import TEST_FILES, make_dataset, random_frames

CT = TEST_FILES / "CT_small.dcm"
# Windows says it in the language of the system.
NOT_FOUND = "No such file" if os.name != "nt" else ctypes.FormatError(2).rstrip(".")


def not_dicom(folder):
    path = folder / "notes.txt"
    path.write_text("not an image")
    return path


def no_pixel_data(_):
    return TEST_FILES / "rtplan.dcm"


def truncated(_):
    return TEST_FILES / "MR_truncated.dcm"


def compressed_otherwise(folder):
    ds = pydicom.dcmread(TEST_FILES / "JPEG2000.dcm")
    ds.file_meta.TransferSyntaxUID = MPEG2MPML
    ds.save_as(folder / "video.dcm")
    return folder / "video.dcm"


def damaged_header(folder):
    path = folder / "damaged.dcm"
    path.write_bytes(CT.read_bytes()[:200] + bytes(50))
    return path


def missing(folder):
    return folder / "nothing-here.dcm"


def already_there(folder):
    run_cli("compress", CT, folder / "there.dcm")
    return folder / "there.dcm"


@pytest.mark.parametrize(
    ("make", "status", "text"),
    [
        (not_dicom, ExitStatus.NOT_CONVERTIBLE, "not a DICOM file"),
        (no_pixel_data, ExitStatus.NOT_CONVERTIBLE, "Pixel Data (7FE0,0010) is absent"),
        (truncated, ExitStatus.NOT_CONVERTIBLE, "it is truncated"),
        (compressed_otherwise, ExitStatus.NOT_CONVERTIBLE, "pydicom cannot decode MPEG2 Main Profile"),
        (damaged_header, ExitStatus.NOT_CONVERTIBLE, "damaged.dcm: "),
        (missing, ExitStatus.FILE_ERROR, NOT_FOUND),
        (already_there, ExitStatus.NOTHING_TO_DO, "its transfer syntax is JPEG-LS Lossless"),
    ],
)
def test_what_cannot_be_compressed_gets_one_line_and_leaves_nothing(tmp_path, make, status, text):
    source = make(tmp_path)
    before = sorted(tmp_path.iterdir())
    line = one_line(run_cli("compress", source, tmp_path / "out.dcm", status=status))
    assert text in line
    assert str(source) in line
    assert sorted(tmp_path.iterdir()) == before


def test_decompressing_native_files_is_nothing_to_do(tmp_path):
    line = one_line(run_cli("decompress", CT, tmp_path / "out.dcm", status=ExitStatus.NOTHING_TO_DO))
    assert "uncompressed already" in line
    assert list(tmp_path.iterdir()) == []


def test_an_existing_target_is_kept_without_force(tmp_path):
    target = tmp_path / "a.dcm"
    target.write_bytes(b"precious")
    assert "--force replaces it" in one_line(run_cli("compress", CT, target, status=ExitStatus.TARGET_EXISTS))
    assert target.read_bytes() == b"precious"
    run_cli("compress", "--force", CT, target)
    assert pydicom.dcmread(target).file_meta.TransferSyntaxUID == JPEGLSLossless
    assert [path.name for path in tmp_path.iterdir()] == ["a.dcm"]


def test_a_target_folder_that_is_missing_is_a_file_error(tmp_path):
    line = one_line(run_cli("compress", CT, tmp_path / "none" / "out.dcm", status=ExitStatus.FILE_ERROR))
    assert "out.dcm: No such file" in line


def test_a_failing_write_leaves_nothing(tmp_path, monkeypatch):
    def no_space(*_args, **_options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", no_space)
    line = one_line(run_cli("compress", CT, tmp_path / "out.dcm", status=ExitStatus.FILE_ERROR))
    assert "No space left on device" in line
    assert list(tmp_path.iterdir()) == []


def test_damaged_streams_in_a_dicom_file(tmp_path):
    ds = make_dataset(random_frames((1, 20, 20), 12), bits_stored=12)
    jls.compress(ds)
    ds.PixelData = ds.PixelData.replace(b"\xff\xf7", b"\xff\xc0")
    ds.save_as(tmp_path / "damaged.dcm", enforce_file_format=True)
    line = one_line(run_cli("verify", tmp_path / "damaged.dcm", status=ExitStatus.NOT_VERIFIED))
    assert "coded with JPEG Baseline (Process 1)" in line
    run_cli("decompress", tmp_path / "damaged.dcm", tmp_path / "out.dcm", status=ExitStatus.NOT_CONVERTIBLE)
    assert [path.name for path in tmp_path.iterdir()] == ["damaged.dcm"]


def test_a_wrong_option_leaves_nothing(tmp_path):
    (tmp_path / "tree").mkdir()
    shutil.copy(CT, tmp_path / "tree" / "a")
    before = sorted(tmp_path.rglob("*"))
    for options in (["--near-lossless", 256], ["--near-lossless", -1], ["--signed-overflow", "clipp"]):
        for source in (CT, tmp_path / "tree"):
            result = run_cli("compress", *options, source, tmp_path / "out", status=ExitStatus.WRONG_USAGE)
            assert options[0].strip("-").replace("-", "_") in result.stderr.replace("-", "_"), options
    assert sorted(tmp_path.rglob("*")) == before


def test_near_above_what_the_precision_of_all_files_allows(tmp_path):
    (tmp_path / "tree").mkdir()
    shutil.copy(TEST_FILES / "examples_rgb_color.dcm", tmp_path / "tree" / "rgb")
    result = run_cli(
        "compress", "--near-lossless", 200, tmp_path / "tree", tmp_path / "out", status=ExitStatus.ALL_FAILED
    )
    assert "near_lossless: 200 is not in the range 0 to 127" in result.stderr
    assert [path.name for path in (tmp_path / "out").iterdir()] == [JOURNAL_NAME]


def test_wrong_usage():
    run_cli("compress", CT, status=ExitStatus.WRONG_USAGE)
    run_cli("compress", "--near-lossless", 256, CT, "x", status=ExitStatus.WRONG_USAGE)


def test_every_exit_status_is_documented():
    text = run_cli("--help").output
    for status in ExitStatus:
        assert f"\n    {status:d}  " in text


def test_usage_and_exit_statuses_of_many_files(tmp_path):
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "a").write_bytes(CT.read_bytes()[:-5000])
    run_cli("compress", tmp_path / "bad", tmp_path / "out", status=ExitStatus.ALL_FAILED)
    shutil.copy(CT, tmp_path / "bad" / "b")
    run_cli("compress", tmp_path / "bad", tmp_path / "out", "--workers", 1, status=ExitStatus.SOME_FAILED)
    (tmp_path / "bad" / "a").unlink()
    run_cli("compress", tmp_path / "bad", tmp_path / "out")
    run_cli("compress", tmp_path / "none", tmp_path / "bad", tmp_path / "out", status=ExitStatus.FILE_ERROR)
    run_cli("compress", "--in-place", status=ExitStatus.WRONG_USAGE)
    run_cli("compress", "--dask", "tcp://127.0.0.1:1", CT, tmp_path / "c.dcm", status=ExitStatus.WRONG_USAGE)
