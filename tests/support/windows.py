"""What Windows forbids, forbidden here: renaming, replacing and deleting files that are open in this process."""

import errno
import os
import stat

import dicom_jpegls.files.target as target_module

OPEN = 32  # ERROR_SHARING_VIOLATION
DENIED = 5  # ERROR_ACCESS_DENIED


def open_paths():
    """Return the files that this process has open."""
    paths = set()
    for entry in os.scandir("/proc/self/fd"):
        try:
            paths.add(os.readlink(entry.path))
        except FileNotFoundError:  # that of the scan
            continue
    return paths


def forbid_what_windows_forbids(monkeypatch):
    """Let functions of `os` fail as on Windows, and files be named as there; on Windows, leave them as they are.

    Python opens files there without the right to share them for deletion, which renaming needs, too.
    """
    if os.name == "nt":
        return
    real = {name: getattr(os, name) for name in ("rename", "replace", "unlink")}

    def refuse(code, path):
        raise PermissionError(errno.EACCES, f"[WinError {code}]", os.fspath(path))

    def check(path, code=OPEN):
        if os.path.realpath(path) in open_paths():
            refuse(code, path)

    def check_replaceable(path):
        check(path, DENIED)
        if os.path.exists(path) and not os.stat(path).st_mode & stat.S_IWRITE:
            refuse(DENIED, path)

    def rename(source, target):
        check(source)
        if os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, "[WinError 183]", os.fspath(target))
        real["rename"](source, target)

    def replace(source, target):
        check(source)
        check_replaceable(target)
        real["replace"](source, target)

    def unlink(path, *, dir_fd=None):
        assert dir_fd is None
        check_replaceable(path)
        check(path)
        real["unlink"](path)

    monkeypatch.setattr(os, "rename", rename)
    monkeypatch.setattr(os, "replace", replace)
    monkeypatch.setattr(os, "unlink", unlink)
    monkeypatch.setattr(os, "remove", unlink)
    for name in ("fchown", "listxattr", "getxattr", "setxattr", "sched_getaffinity", "O_NOFOLLOW", "O_NONBLOCK"):
        monkeypatch.delattr(os, name)
    monkeypatch.setattr(target_module, "_fcntl", None)
    monkeypatch.setattr(target_module, "_msvcrt", ByteLocks())
    monkeypatch.setattr(target_module, "_rename_by_system", lambda path, target: path.rename(target))


class ByteLocks:
    """The module msvcrt: locks of bytes, each held by one open file."""

    LK_NBLCK = 2

    def __init__(self):
        self.holders = {}

    def locking(self, handle, mode, count):
        assert mode == self.LK_NBLCK
        status = os.fstat(handle)
        start = os.lseek(handle, 0, os.SEEK_CUR)
        for byte in range(start, start + count):
            key = status.st_dev, status.st_ino, byte
            if self.holders.get(key, handle) != handle and self._is_open(self.holders[key], key):
                raise PermissionError(errno.EACCES, "Permission denied")
            self.holders[key] = handle

    @staticmethod
    def _is_open(handle, key):
        try:
            status = os.fstat(handle)
        except OSError:
            return False
        return (status.st_dev, status.st_ino) == key[:2]
