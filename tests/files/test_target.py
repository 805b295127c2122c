"""New files: complete under their name or not there, and what killed processes leave."""

import os

import pytest

import dicom_jpegls.files.target as target_module
from dicom_jpegls.files import NewFile, finish_steps, is_temporary, lock_file, remove_leftovers, temporary_path


def write(target, data, *, replace=False):
    with NewFile(target) as new:
        new.write(data)
        new.sync()
        assert new.is_as_written()
        new.commit(replace=replace)


def test_a_committed_file_has_its_name_and_nothing_else_is_left(tmp_path):
    write(tmp_path / "a", b"new")
    assert (tmp_path / "a").read_bytes() == b"new"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_without_commit_nothing_is_left(tmp_path):
    def write_and_fail():
        with NewFile(tmp_path / "a") as new:
            new.write(b"half")
            raise RuntimeError("a frame failed")

    with pytest.raises(RuntimeError, match="a frame failed"):
        write_and_fail()
    assert list(tmp_path.iterdir()) == []


def not_offered():
    """Return a new function that fails as a system call that a file system does not offer."""

    def fail(*_paths):
        raise PermissionError(1, "Operation not permitted")

    return fail


WAYS = ("_rename_by_system", "_rename_by_link", "_rename_to_placeholder")


@pytest.mark.parametrize("way", WAYS)
def test_an_existing_file_is_replaced_only_on_demand(tmp_path, monkeypatch, way):
    """Also where the system or the file system lacks the other ways."""
    for other in WAYS:
        if other != way:
            monkeypatch.setattr(target_module, other, not_offered())
    write(tmp_path / "b", b"first")
    assert (tmp_path / "b").read_bytes() == b"first"
    with pytest.raises(FileExistsError):
        write(tmp_path / "b", b"other")
    assert (tmp_path / "b").read_bytes() == b"first"
    write(tmp_path / "b", b"other", replace=True)
    assert (tmp_path / "b").read_bytes() == b"other"
    assert [path.name for path in tmp_path.iterdir()] == ["b"]


@pytest.mark.parametrize("way", WAYS)
def test_of_two_writers_of_a_name_one_fails(tmp_path, monkeypatch, way):
    """The other file appears at the last moment, after any check that could be made before."""
    module = target_module
    rename = getattr(module, way)

    def race(path, target):
        target.write_bytes(b"of another program")
        rename(path, target)

    for other in WAYS:
        monkeypatch.setattr(module, other, race if other == way else not_offered())
    with pytest.raises(FileExistsError):
        write(tmp_path / "a", b"ours")
    assert (tmp_path / "a").read_bytes() == b"of another program"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_file_that_changes_on_the_disk_is_noticed(tmp_path):
    with NewFile(tmp_path / "a") as new:
        new.write(b"new")
        new.sync()
        new.path.write_bytes(b"mew")
        assert not new.is_as_written()


@pytest.mark.skipif(os.name != "posix", reason="locks")
def test_leftovers_are_removed_unless_a_process_writes_them(tmp_path):
    leftover = temporary_path(tmp_path / "killed")
    leftover.write_bytes(b"half")
    (tmp_path / "other.tmp").write_bytes(b"of another program")
    with (tmp_path / "other.tmp").open("rb") as file:
        assert lock_file(file)
        assert lock_file(file)
    with NewFile(tmp_path / "in progress") as new:
        assert is_temporary(new.path.name)
        with new.path.open("rb") as file:
            assert not lock_file(file)
        assert remove_leftovers([tmp_path, tmp_path / "missing"]) == 1
        assert new.path.exists()
    assert [path.name for path in tmp_path.iterdir()] == ["other.tmp"]


def test_steps_see_the_error_of_a_sync(tmp_path, monkeypatch):
    def no_space(_new):
        raise OSError(28, "No space left on device")

    def steps():
        with NewFile(tmp_path / "a") as new:
            new.write(b"new")
            try:
                yield new
            except OSError as error:
                return error.strerror
        return "synced"

    assert finish_steps(steps()) == "synced"
    monkeypatch.setattr(NewFile, "sync", no_space)
    assert finish_steps(steps()) == "No space left on device"
    assert list(tmp_path.iterdir()) == []
