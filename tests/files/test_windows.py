"""Files on Windows, which renames, replaces and deletes no open file; here functions of `os` forbid it likewise."""

import os
import shutil

import pydicom
import pytest

import dicom_jpegls.files.target as target_module
from dicom_jpegls.batch import JOURNAL_NAME, Journal, JournalInUseError, transcode
from dicom_jpegls.dicom import CodingOptions
from dicom_jpegls.files import (
    NewFile,
    NotVerifiedError,
    compress_file,
    copy_steps,
    decompress_file,
    finish_steps,
    lock_file,
    remove_leftovers,
    temporary_path,
)
from support.dicom_files import TEST_FILES
from support.windows import forbid_what_windows_forbids

pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning:pydicom"),
    pytest.mark.skipif(os.name != "nt" and not os.path.isdir("/proc/self/fd"), reason="no list of open files"),
]

SOURCES = ("CT_small.dcm", "MR_small_bigendian.dcm", "image_dfl.dcm", "MR_small_RLE.dcm")


@pytest.fixture(autouse=True)
def windows(monkeypatch):
    forbid_what_windows_forbids(monkeypatch)


@pytest.mark.parametrize("open_file", ["source", "target"])
def test_the_rules_of_windows_are_in_force(tmp_path, open_file):
    paths = {name: tmp_path / name for name in ("source", "target")}
    for path in paths.values():
        path.write_bytes(b"")
    with paths[open_file].open("rb"), pytest.raises(PermissionError):
        paths["source"].replace(paths["target"])
    with paths[open_file].open("rb"), pytest.raises(PermissionError):
        paths[open_file].unlink()


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("name", SOURCES)
def test_a_file_is_replaced_after_it_was_closed(tmp_path, name, threads):
    path = tmp_path / "a.dcm"
    shutil.copy(TEST_FILES / name, path)
    before = path.stat().st_mtime_ns
    conversion = compress_file(path, path, threads=threads)
    assert pydicom.dcmread(path).file_meta.TransferSyntaxUID == CodingOptions().transfer_syntax_uid
    back = decompress_file(path, path, threads=threads)
    assert back.pixels_sha256_after == conversion.pixels_sha256_before
    assert path.stat().st_mtime_ns == before
    assert [path.name for path in tmp_path.iterdir()] == ["a.dcm"]


@pytest.mark.parametrize("name", SOURCES)
def test_new_files_are_renamed_after_they_were_closed(tmp_path, name):
    source, target = TEST_FILES / name, tmp_path / "a.dcm"
    conversion = compress_file(source, target)
    assert compress_file(source, target).target_sha256 == conversion.target_sha256  # the same is there already
    with pytest.raises(FileExistsError):
        compress_file(source, target, CodingOptions(near_lossless=1))
    compress_file(source, target, CodingOptions(near_lossless=1), force=True)
    finish_steps(copy_steps(source, tmp_path / "copy", force=False))
    finish_steps(copy_steps(source, tmp_path / "copy", force=False))
    finish_steps(copy_steps(source, target, force=True))
    assert target.read_bytes() == (tmp_path / "copy").read_bytes() == source.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.dcm", "copy"]


def test_a_file_that_another_program_has_open_stays_as_it_is(tmp_path):
    path = tmp_path / "a.dcm"
    shutil.copy(TEST_FILES / "CT_small.dcm", path)
    before = path.read_bytes()
    with path.open("rb"), pytest.raises(PermissionError) as raised:
        compress_file(path, path)
    assert raised.value.filename == str(path)
    assert path.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["a.dcm"]


def test_nothing_is_left_of_a_new_file_that_is_read_only(tmp_path):
    source, target = tmp_path / "source.dcm", tmp_path / "target.dcm"
    shutil.copy(TEST_FILES / "CT_small.dcm", source)
    source.chmod(0o444)
    target.write_bytes(b"other")
    with pytest.raises(FileExistsError):
        compress_file(source, target)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["source.dcm", "target.dcm"]
    target.unlink()
    compress_file(source, target)
    assert target.stat().st_mode & 0o777 == 0o444


def test_nothing_is_left_after_a_failed_verification(tmp_path, monkeypatch):
    monkeypatch.setattr(NewFile, "is_as_written", lambda _new: False)
    with pytest.raises(NotVerifiedError):
        compress_file(TEST_FILES / "CT_small.dcm", tmp_path / "a.dcm")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("in_place", [False, True])
def test_a_tree(tmp_path, in_place):
    folder = tmp_path / "tree"
    folder.mkdir()
    for name in SOURCES:
        shutil.copy(TEST_FILES / name, folder)
    (folder / "notes.txt").write_text("no image")
    target = None if in_place else tmp_path / "target"
    for _ in range(2):  # the second time nothing is to be done
        summary = transcode([folder], target, workers=1)
        assert not summary.failures
    for name in SOURCES:
        ds = pydicom.dcmread((target or folder) / name)
        assert ds.file_meta.TransferSyntaxUID == CodingOptions().transfer_syntax_uid, name
    expected = {*SOURCES, "notes.txt", JOURNAL_NAME} if in_place else {*SOURCES, "notes.txt"}
    assert {path.name for path in folder.iterdir()} == expected


def test_locks(tmp_path):
    """Of bytes that nobody reads, and with the position in the file kept."""
    path = tmp_path / "a"
    path.write_bytes(b"0123456789")
    with path.open("r+b") as first, path.open("r+b") as second:
        first.seek(3)
        assert lock_file(first)
        assert first.tell() == 3
        assert first.read(2) == b"34"
        assert not lock_file(second)
    with path.open("rb") as third:
        assert lock_file(third)
    assert path.read_bytes() == b"0123456789"


def test_a_journal_has_one_writer(tmp_path):
    path = tmp_path / JOURNAL_NAME
    with Journal(path), pytest.raises(JournalInUseError):
        Journal(path)
    with Journal(path) as journal:
        assert list(journal.read([])) == []


def test_leftovers_are_removed_unless_they_are_being_written(tmp_path):
    temporary_path(tmp_path / "killed").write_bytes(b"half")
    with NewFile(tmp_path / "in progress") as new:
        assert remove_leftovers([tmp_path]) == 1
        assert [path.name for path in tmp_path.iterdir()] == [new.path.name]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("number", "expected"),
    [pytest.param(22, True, id="a file system without locks"), pytest.param(0, False, id="held by another, in wine")],
)
def test_what_is_no_error_of_permission(tmp_path, monkeypatch, number, expected):
    def refuse(*_arguments):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(target_module._msvcrt, "locking", refuse)
    with (tmp_path / "a").open("wb") as file:
        assert lock_file(file) == expected
