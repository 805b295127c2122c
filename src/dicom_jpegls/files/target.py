"""Files that get their name only once they are complete, synced and checked."""

from __future__ import annotations

import os
import secrets
import zlib
from collections.abc import Generator
from contextlib import closing, suppress
from typing import TYPE_CHECKING, BinaryIO, TypeAlias, TypeVar

try:
    import fcntl
except ImportError:  # pragma: no cover  # Windows
    fcntl = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path
    from types import TracebackType

# Ends the names of temporary files, and of no other program's files.
_SUFFIX = ".dicom-jpegls-tmp"

_CHUNK = 2**20


class NewFile:
    """A temporary file beside its target. `commit` renames it to the target; without that it is deleted at the end.

    Parameters
    ----------
    target : pathlib.Path
        The final name of the file.
    like : os.stat_result, optional
        The status of the file to replace, whose permissions, owner and time stamps the new file takes.

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
        lock_file(self._file)  # so that remove_leftovers of another process keeps it

    def __enter__(self) -> NewFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with suppress(OSError):  # a full disk may be reported only here
            self._file.close()
        self.path.unlink(missing_ok=True)

    def write(self, data: bytes | memoryview) -> None:
        """Append bytes and add them to the checksum."""
        self._checksum = zlib.crc32(data, self._checksum)
        self._file.write(data)

    def copy(self, source: BinaryIO) -> None:
        """Append the rest of another file."""
        while chunk := source.read(_CHUNK):
            self.write(chunk)

    def sync(self) -> None:
        """Wait until all written bytes are on the disk."""
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
        """Rename the synced file to its target; `sync_folder` makes the new name durable.

        Raises
        ------
        FileExistsError
            If the target exists and `replace` is false.
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
            _rename_without_replacing(self.path, self._target)


_Result = TypeVar("_Result")

Steps: TypeAlias = Generator[NewFile, None, _Result]
"""Work that yields a new file when it must be synced, continues when that is done, and returns a result."""


def finish_steps(steps: Steps[_Result]) -> _Result:
    """Do all steps of some work, and sync each file that it yields."""
    with closing(steps):
        try:
            new = next(steps)
            while True:
                try:
                    new.sync()
                except OSError as error:
                    new = steps.throw(error)
                else:
                    new = next(steps)
        except StopIteration as end:
            result: _Result = end.value
            return result


def _rename_without_replacing(path: Path, target: Path) -> None:
    try:
        os.link(path, target)  # fails if the target exists; the temporary name is removed on exit
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        if target.exists():
            raise FileExistsError(target) from None
        path.replace(target)


def lock_file(file: BinaryIO) -> bool:
    """Lock a file for this process until it closes the file or ends; return False if another process holds it."""
    if fcntl is not None:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:  # a file system without locks
            pass
    return True


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
    return target.parent / f".{target.name[:100]}.{secrets.token_hex(6)}{_SUFFIX}"


def is_temporary(name: str) -> bool:
    """Whether a file name is that of a temporary file."""
    return name.endswith(_SUFFIX)


def remove_leftovers(folders: Iterable[Path]) -> int:
    """Delete temporary files that a killed process left in some folders; return their number."""
    count = 0
    for folder in folders:
        with suppress(FileNotFoundError), os.scandir(folder) as entries:
            for entry in entries:
                if is_temporary(entry.name) and entry.is_file(follow_symlinks=False):
                    with suppress(FileNotFoundError), open(entry.path, "rb") as file:
                        if lock_file(file):
                            os.unlink(entry.path)
                            count += 1
    return count
