"""What may be opened: links, pipes, devices and sockets are refused at once."""

import os
import socket
import stat
import threading
from pathlib import Path

import numpy as np
import pytest

from dicom_jpegls.files import (
    NewFile,
    ReadOptions,
    compress_file,
    copy_steps,
    decompress_file,
    describe_error,
    finish_steps,
    open_regular,
    verify_file,
)
from support.dicom_files import make_dataset, random_frames
from support.links import make_link
from support.single_files import written

pytestmark = pytest.mark.skipif(os.name != "posix", reason="kinds of files that only POSIX has")


def image(path):
    return written(make_dataset(random_frames((1, 20, 10), 12), bits_stored=12), path)


def make_fifo(folder):
    os.mkfifo(folder / "special")
    return folder / "special"


def make_socket(folder):
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(folder / "special"))
    return folder / "special"


def make_folder(folder):
    (folder / "special").mkdir()
    return folder / "special"


def make_link_to_image(folder):
    make_link(folder / "special", image(folder / "image.dcm"))
    return folder / "special"


def make_link_to_device(folder):
    make_link(folder / "special", "/dev/zero")
    return folder / "special"


SPECIAL_FILES = {
    "fifo": (make_fifo, "a FIFO, not a regular file"),
    "socket": (make_socket, "a socket, not a regular file"),
    "folder": (make_folder, "a folder, not a regular file"),
    "device": (lambda _folder: "/dev/zero", "a character device, not a regular file"),
    "link": (make_link_to_image, "a symbolic link, which is followed only if asked for"),
    "link to a device": (make_link_to_device, "a symbolic link"),
}


@pytest.mark.parametrize("kind", SPECIAL_FILES)
def test_no_function_waits_for_or_reads_what_is_no_regular_file(tmp_path, monkeypatch, kind):
    monkeypatch.chdir(tmp_path)  # names of sockets are short
    make, message = SPECIAL_FILES[kind]
    path = Path(make(tmp_path))
    names = sorted(os.listdir(tmp_path))
    calls = {
        "compress": lambda: compress_file(path, tmp_path / "new"),
        "decompress": lambda: decompress_file(path, tmp_path / "new"),
        "verify": lambda: verify_file(path),
        "copy": lambda: finish_steps(copy_steps(path, tmp_path / "new", force=False)),
    }
    for name, call in calls.items():
        with pytest.raises(OSError, match=message) as caught:
            call()
        assert describe_error(caught.value, path).startswith(message), name
        assert sorted(os.listdir(tmp_path)) == names, name


def test_a_link_to_a_fifo_is_refused_even_if_links_are_followed(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    make_link(tmp_path / "link", tmp_path / "fifo")
    with pytest.raises(OSError, match="a FIFO, not a regular file"):
        open_regular(tmp_path / "link", follow_links=True)


def test_a_file_that_becomes_a_fifo_after_the_first_look_is_refused(tmp_path, monkeypatch):
    path = image(tmp_path / "image.dcm")
    opened = os.open

    def swapped(name, *arguments, **keywords):
        path.unlink()
        os.mkfifo(path)
        monkeypatch.undo()
        return opened(name, *arguments, **keywords)

    monkeypatch.setattr(os, "open", swapped)
    result = []
    # In a thread, so that a call that waits for a writer is a failure and not a hang.
    thread = threading.Thread(target=lambda: result.append(_error_of(open_regular, path)), daemon=True)
    thread.start()
    thread.join(10)
    assert "a FIFO" in result[0]


def _error_of(function, *arguments):
    try:
        function(*arguments)
    except OSError as error:
        return str(error)
    return None


def test_links_are_followed_if_asked_for_but_never_in_place(tmp_path):
    link = make_link_to_image(tmp_path)
    before = (tmp_path / "image.dcm").read_bytes()
    reading = ReadOptions(follow_links=True)
    compress_file(link, tmp_path / "jls.dcm", reading=reading)
    verify_file(tmp_path / "jls.dcm", link, reading=reading)
    for options in (reading, ReadOptions()):
        with pytest.raises(OSError, match="a symbolic link"):
            compress_file(link, link, force=True, reading=options)
    assert link.is_symlink()
    assert (tmp_path / "image.dcm").read_bytes() == before


def test_files_with_other_names_are_not_replaced_in_place(tmp_path):
    path = image(tmp_path / "image.dcm")
    os.link(path, tmp_path / "other name.dcm")
    before = path.read_bytes()
    with pytest.raises(OSError, match="has 2 hard links, which replacing it would separate") as caught:
        compress_file(path, path)
    assert describe_error(caught.value).startswith(str(path))
    # The other name as the target is the same file.
    with pytest.raises(OSError, match="has 2 hard links"):
        compress_file(path, tmp_path / "other name.dcm", force=True)
    assert path.read_bytes() == (tmp_path / "other name.dcm").read_bytes() == before
    compress_file(path, tmp_path / "new.dcm")


def test_a_target_that_is_a_link_is_replaced_and_not_followed(tmp_path):
    path = image(tmp_path / "image.dcm")
    (tmp_path / "victim").write_bytes(b"keep")
    make_link(tmp_path / "target", tmp_path / "victim")
    with pytest.raises(FileExistsError):
        compress_file(path, tmp_path / "target")
    with pytest.raises(FileExistsError):
        finish_steps(copy_steps(path, tmp_path / "target", force=False))
    assert (tmp_path / "target").is_symlink()
    compress_file(path, tmp_path / "target", force=True)
    assert not (tmp_path / "target").is_symlink()
    assert (tmp_path / "victim").read_bytes() == b"keep"


def convert(source, target):
    compress_file(source, target)


def copy(source, target):
    finish_steps(copy_steps(source, target, force=False))


def replace(source, target):
    compress_file(source, source)
    source.rename(target)


@pytest.mark.parametrize("function", [convert, copy, replace])
def test_copies_and_conversions_take_what_the_file_system_knows_alike(tmp_path, function):
    path = image(tmp_path / "image.dcm")
    try:
        os.setxattr(path, "user.origin", b"scanner 1")
        attributes = {"user.origin": b"scanner 1"}
    except OSError:  # a file system without extended attributes
        attributes = {}
    os.utime(path, ns=(1_000_000_001, 2_000_000_002))
    path.chmod(0o6754 | stat.S_ISVTX)
    function(path, tmp_path / "new.dcm")
    status = (tmp_path / "new.dcm").stat()
    assert oct(stat.S_IMODE(status.st_mode)) == oct(0o754)  # without setuid, setgid and sticky
    assert status.st_mtime_ns == 2_000_000_002
    assert {name: os.getxattr(tmp_path / "new.dcm", name) for name in attributes} == attributes


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give files away")
def test_the_owner_is_kept_where_that_is_allowed(tmp_path):
    path = image(tmp_path / "image.dcm")
    os.chown(path, 12345, 23456)
    compress_file(path, tmp_path / "jls.dcm")
    copy(path, tmp_path / "copy.dcm")
    for name in ("jls.dcm", "copy.dcm"):
        status = (tmp_path / name).stat()
        assert (status.st_uid, status.st_gid) == (12345, 23456), name


def test_only_the_owner_can_read_a_temporary_file(tmp_path):
    previous = os.umask(0)
    try:
        with NewFile(tmp_path / "new") as new:
            new.write(b"private")
            assert oct(stat.S_IMODE(new.path.stat().st_mode)) == oct(0o600)
    finally:
        os.umask(previous)


def test_a_temporary_name_that_exists_is_not_opened(tmp_path, monkeypatch):
    (tmp_path / "victim").write_bytes(b"keep")
    temporary = tmp_path / "temporary"
    monkeypatch.setattr("dicom_jpegls.files.target.temporary_path", lambda _target: temporary)
    make_link(temporary, tmp_path / "victim")
    with pytest.raises(FileExistsError):
        NewFile(tmp_path / "new")
    assert (tmp_path / "victim").read_bytes() == b"keep"


def test_errors_name_the_file_that_has_them(tmp_path, monkeypatch):
    path = image(tmp_path / "image.dcm")
    with pytest.raises(FileNotFoundError) as caught:
        compress_file(tmp_path / "missing.dcm", tmp_path / "jls.dcm")
    assert describe_error(caught.value, tmp_path / "missing.dcm") == "No such file or directory"
    with pytest.raises(OSError, match="No such file") as caught:
        compress_file(path, tmp_path / "no folder" / "jls.dcm")
    assert str(tmp_path / "no folder") in describe_error(caught.value, path)
    target = tmp_path / "jls.dcm"

    def no_space(*_arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(OSError, match="No space") as caught:
        compress_file(path, target)
    assert describe_error(caught.value, path) == f"{target}: No space left on device"
    assert sorted(os.listdir(tmp_path)) == ["image.dcm"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a device that is always full")
def test_a_full_disk_is_told_of_the_target(tmp_path, monkeypatch):
    """Large writes fail at once, small ones when they are flushed."""
    target = tmp_path / "new"
    monkeypatch.setattr("dicom_jpegls.files.target.create_private", lambda _path: open("/dev/full", "w+b"))  # noqa: SIM115

    def write(size):
        with NewFile(target) as new:
            new.write(bytes(size))
            new.sync()

    for size in (1, 2**20):
        with pytest.raises(OSError, match="No space left") as caught:
            write(size)
        assert describe_error(caught.value) == f"{target}: No space left on device", size


def test_an_unexpected_error_is_told_as_such():
    assert describe_error(KeyError("x")) == "unexpected KeyError: 'x'"
    assert describe_error(np.exceptions.AxisError("axis")).startswith("unexpected AxisError")
