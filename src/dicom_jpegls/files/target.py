"""Files that take their name only once they are whole, synced and checked."""

from __future__ import annotations

import os
import secrets
import zlib
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

try:
    import fcntl
except ImportError:  # pragma: no cover  # Windows
    fcntl = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType

# Of the names of temporary files; nobody else's files end so.
_SUFFIX = ".dicom-jpegls-tmp"

_CHUNK = 2**20


class NewFile:
    """A temporary file beside its target, which `commit` gives the target's name; otherwise it leaves nothing.

    Parameters
    ----------
    target : pathlib.Path
        What the file is to be called.
    like : os.stat_result, optional
        Of the file that it replaces: whose permissions, owner and time stamps it takes.

    Attributes
    ----------
    path : pathlib.Path
        The temporary file.
    """

    def __init__(self, target: Path, *, like: os.stat_result | None = None) -> None:
        self._target = target
        self._like = like
        self.path = temporary_path(target)
        self._file: BinaryIO = self.path.open("xb")
        self._checksum = 0
        lock(self._file)  # says that the file is no leftover

    def __enter__(self) -> NewFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with suppress(OSError):  # a full disk may show only now
            self._file.close()
        self.path.unlink(missing_ok=True)

    def write(self, data: bytes | memoryview) -> None:
        """Write the next bytes."""
        self._checksum = zlib.crc32(data, self._checksum)
        self._file.write(data)

    def copy(self, source: BinaryIO) -> None:
        """Write the rest of another file."""
        while chunk := source.read(_CHUNK):
            self.write(chunk)

    def sync(self) -> None:
        """Put all that was written on the disk."""
        self._file.flush()
        os.fsync(self._file.fileno())

    def is_as_written(self) -> bool:
        """Read the file back and compare it with what was written."""
        checksum = 0
        with self.path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                checksum = zlib.crc32(chunk, checksum)
        return checksum == self._checksum

    def commit(self, *, replace: bool) -> None:
        """Give the synced file its name; `sync_folder` makes that last, too.

        Raises
        ------
        FileExistsError
            If there is a file of that name, and it is not to be replaced.
        """
        if self._like is not None:
            self.path.chmod(self._like.st_mode & 0o7777)
            if hasattr(os, "chown"):
                with suppress(PermissionError):
                    os.chown(self.path, self._like.st_uid, self._like.st_gid)
            os.utime(self.path, ns=(self._like.st_atime_ns, self._like.st_mtime_ns))
        if replace:
            self.path.replace(self._target)
        else:
            _rename_new(self.path, self._target)


def _rename_new(path: Path, target: Path) -> None:
    """Give a file a new name, but never that of a file which came there meanwhile."""
    try:
        os.link(path, target)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        if target.exists():
            raise FileExistsError(target) from None
        path.replace(target)


def lock(file: BinaryIO) -> bool:
    """Take a file for this process, until it ends or closes the file; False if another one has it."""
    if fcntl is not None:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:  # a file system without locks
            pass
    return True


def sync_folder(folder: Path) -> None:
    """Put a folder's names on the disk, where the system can."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def temporary_path(target: Path) -> Path:
    """Give a new name for a temporary file beside a target."""
    return target.parent / f".{target.name[:100]}.{secrets.token_hex(6)}{_SUFFIX}"


def is_temporary(name: str) -> bool:
    """Whether a name is that of a temporary file."""
    return name.endswith(_SUFFIX)


def remove_leftovers(folders: Iterable[Path]) -> int:
    """Delete the temporary files that a killed job left in some folders; gives their number."""
    count = 0
    for folder in folders:
        with suppress(FileNotFoundError), os.scandir(folder) as entries:
            for entry in entries:
                if is_temporary(entry.name) and entry.is_file(follow_symlinks=False):
                    with suppress(FileNotFoundError), open(entry.path, "rb") as file:
                        if lock(file):
                            os.unlink(entry.path)
                            count += 1
    return count
