"""Files that get their name only once they are complete, synced and checked."""

from __future__ import annotations

import ctypes
import errno
import hashlib
import os
import secrets
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

from dicom_jpegls.files.opening import NamingFile, open_flags, open_regular

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import TracebackType

# For locks, on POSIX and on Windows.
_fcntl: Any = import_module("fcntl") if os.name == "posix" else None
_msvcrt: Any = import_module("msvcrt") if os.name == "nt" else None

# Ends the names of temporary files, and of no other program's files.
_SUFFIX = ".dicom-jpegls-tmp"

# Characters of the target's name in that of its temporary file. With four bytes each, 255 bytes are enough.
_START = 50

_CHUNK = 2**20

# A small file is written at once.
_BUFFER_SIZE = 2**16

# Windows locks bytes, which nobody else can then read: this one is after the end of any journal, and within the 32-bit
# positions of its C library.
_LOCKED_BYTE = 2**31 - 2

_CREATE_FLAGS = open_flags("O_RDWR", "O_CREAT", "O_EXCL", "O_NOFOLLOW", "O_CLOEXEC", "O_BINARY")

# Of renameat2 (Linux) and renamex_np (macOS).
_AT_FDCWD = -100
_RENAME_NOREPLACE = 1
_RENAME_EXCL = 4


class OpenFile(Protocol):
    """An open file: of Python, or a `SourceFile`."""

    def fileno(self) -> int:
        """Return its descriptor."""

    def close(self) -> None:
        """Close it; closing it again has no effect."""


class NewFile:
    """A temporary file beside its target. `commit` renames it to the target; without that it is deleted at the end.

    Only its owner can read it until then.

    Parameters
    ----------
    target : pathlib.Path
        The final name of the file.
    like : OpenFile, optional
        The file that it is made from, whose permissions, owner, time stamps and extended attributes it takes. `commit`
        closes it, since it may be the target.

    Attributes
    ----------
    path : pathlib.Path
        The temporary file.
    """

    def __init__(self, target: Path, *, like: OpenFile | None = None) -> None:
        self._target = target
        self._like = like
        self.path = temporary_path(target)
        with NamingFile(target):
            self._file = create_private(self.path)
        self._digest = hashlib.sha256()
        if os.name == "posix":  # so that remove_leftovers of another process keeps it; Windows deletes no open file
            lock_file(self._file)

    def __enter__(self) -> NewFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with suppress(OSError):  # a full disk may be reported only here
            self._file.close()
        try:
            self.path.unlink(missing_ok=True)
        except PermissionError:
            self.path.chmod(0o600)  # Windows deletes no read-only file either
            self.path.unlink(missing_ok=True)

    @property
    def sha256(self) -> str:
        """The hash of what was written, in hexadecimal digits."""
        return self._digest.hexdigest()

    def write(self, data: bytes | memoryview) -> None:
        """Append bytes."""
        self._digest.update(data)
        with NamingFile(self._target):
            self._file.write(data)

    def copy(self, source: BinaryIO) -> None:
        """Append the rest of another file."""
        while chunk := source.read(_CHUNK):
            self.write(chunk)

    def sync(self) -> None:
        """Wait until all written bytes are on the disk."""
        with NamingFile(self._target):
            self._file.flush()
            os.fsync(self._file.fileno())

    def is_as_written(self) -> bool:
        """Read the file back and compare it with what was written."""
        digest = hashlib.sha256()
        with NamingFile(self._target):
            self._file.flush()
            self._file.seek(0)
            while chunk := self._file.read(_CHUNK):
                digest.update(chunk)
        return digest.digest() == self._digest.digest()

    def commit(self, *, replace: bool) -> None:
        """Rename the synced file to its target; `sync_folder` makes the new name durable.

        Both this file and the one that it is made from are closed before: Windows renames no open file, and replaces
        none.

        Raises
        ------
        FileExistsError
            If the target exists and `replace` is false.
        """
        with NamingFile(self._target):
            if self._like is None:
                self._file.close()
            else:
                status = _copy_status(self._like.fileno(), self._file.fileno())
                self._like.close()
                self._file.close()  # may set the time of the last change
                os.utime(self.path, ns=(status.st_atime_ns, status.st_mtime_ns))
                # After the times, with which wine makes a file writable. Not setuid, setgid and sticky: they would give
                # the rights of whoever runs this to a file from elsewhere.
                self.path.chmod(status.st_mode & 0o777)
            if replace:
                self.path.replace(self._target)
            else:
                _rename_without_replacing(self.path, self._target)


def _copy_status(source: int, target: int) -> os.stat_result:
    """Copy owner and extended attributes from one open file to another; return the status of the first."""
    status = os.fstat(source)
    if hasattr(os, "fchown"):
        with suppress(PermissionError):  # only root may change the owner
            os.fchown(target, status.st_uid, status.st_gid)
    if hasattr(os, "listxattr"):
        with suppress(OSError):  # a file system without them
            for name in os.listxattr(source):
                # Labels and capabilities belong to the program that wrote a file, not to its contents.
                if not name.startswith(("security.", "trusted.")):
                    with suppress(OSError):
                        os.setxattr(target, name, os.getxattr(source, name))
    return status


def create_private(path: Path) -> BinaryIO:
    """Create a file that only its owner can read, and open it for writing and reading.

    Raises
    ------
    OSError
        If there is something of this name already, even a link to nowhere, or it cannot be created.
    """
    return os.fdopen(os.open(path, _CREATE_FLAGS, 0o600), "w+b", _BUFFER_SIZE)


def _rename_without_replacing(path: Path, target: Path) -> None:
    """Rename a file in one step that fails if the target exists."""
    for rename in (_rename_by_system, _rename_by_link, _rename_to_placeholder):
        try:
            rename(path, target)
        except FileExistsError:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target)) from None
        except OSError:
            # The system or the file system may not offer it. An error of another kind is also that of the last way.
            if rename is _rename_to_placeholder:
                raise
        else:
            return


def _system_rename() -> Callable[[bytes, bytes], int] | None:
    """Return the function of the C library that renames a file unless the target exists: on Linux and macOS."""
    library = ctypes.CDLL(None, use_errno=True) if os.name == "posix" else None
    linux: Callable[..., int] | None = getattr(library, "renameat2", None)
    macos: Callable[..., int] | None = getattr(library, "renamex_np", None)
    if linux is not None:
        return lambda path, target: linux(_AT_FDCWD, path, _AT_FDCWD, target, _RENAME_NOREPLACE)
    if macos is not None:
        return lambda path, target: macos(path, target, _RENAME_EXCL)
    return None


_RENAME = _system_rename()


def _rename_by_system(path: Path, target: Path) -> None:
    if os.name == "nt":
        path.rename(target)
    elif _RENAME is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    elif _RENAME(os.fsencode(path), os.fsencode(target)) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def _rename_by_link(path: Path, target: Path) -> None:
    os.link(path, target)  # the temporary name is removed at the end


def _rename_to_placeholder(path: Path, target: Path) -> None:
    """Take the name with an empty file, and replace that; without hard links there is no other way."""
    os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    try:
        path.replace(target)
    except BaseException:
        target.unlink()
        raise


def lock_file(file: BinaryIO) -> bool:
    """Lock a file until it is closed or this process ends; return False if it is open and locked elsewhere.

    To be called once for an open file: a second call returns False on Windows, and True on POSIX.
    """
    try:
        if _fcntl is not None:
            _fcntl.flock(file, _fcntl.LOCK_EX | _fcntl.LOCK_NB)
        else:
            _lock_byte(file.fileno())
    except (BlockingIOError, PermissionError):  # of POSIX, of Windows
        return False
    except OSError as error:  # a file system without locks; but wine gives no number where another process has the lock
        return error.errno != 0
    return True


def _lock_byte(handle: int) -> None:
    """Lock a byte after the end of a file."""
    position = os.lseek(handle, 0, os.SEEK_CUR)
    os.lseek(handle, _LOCKED_BYTE, os.SEEK_SET)
    try:
        _msvcrt.locking(handle, _msvcrt.LK_NBLCK, 1)
    finally:
        os.lseek(handle, position, os.SEEK_SET)


def sync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on the disk, where the system offers it."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def temporary_path(target: Path) -> Path:
    """Return an unused name for a temporary file beside a target."""
    return target.parent / f".{target.name[:_START]}.{secrets.token_hex(6)}{_SUFFIX}"


def is_temporary(name: str) -> bool:
    """Whether a file name is that of a temporary file."""
    return name.endswith(_SUFFIX)


def remove_leftovers(folders: Iterable[Path]) -> int:
    """Delete temporary files that a killed process left in some folders; return their number.

    Those of other users, and those that a process still writes, are left.
    """
    count = 0
    for folder in folders:
        with suppress(FileNotFoundError), os.scandir(folder) as entries:
            for entry in entries:
                if is_temporary(entry.name) and entry.is_file(follow_symlinks=False):
                    with suppress(FileNotFoundError, PermissionError):
                        with open_regular(Path(entry.path)) as file:
                            is_left = lock_file(file)  # its writer has ended, and nobody else writes to it
                        if is_left:  # and closed, without which Windows does not delete it
                            os.unlink(entry.path)
                            count += 1
    return count
