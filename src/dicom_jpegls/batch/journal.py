"""The journal of a job: the records of its files, from which an interrupted job continues."""

from __future__ import annotations

import errno
import os
import stat
from functools import lru_cache
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from dicom_jpegls.batch.records import Record, Status
from dicom_jpegls.files import lock_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from types import TracebackType

    from dicom_jpegls.batch.jobs import Job

# In the folder that a job writes to.
JOURNAL_NAME = ".dicom-jpegls.jsonl"

# Bytes of a line; a record with two paths of the greatest length, each character escaped, is shorter.
_LONGEST_LINE = 2**17

# So many bad lines are named.
_BAD_LINES_SHOWN = 5

# Links are not followed, and a FIFO in the place of a journal does not block.
_OPEN_FLAGS = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
_OPEN_FLAGS |= getattr(os, "O_BINARY", 0)


class JournalError(Exception):
    """The journal of a job cannot be used."""


class JournalInUseError(JournalError):
    """Another job is writing to the same journal."""


class BadLine(NamedTuple):
    """A line of a journal that is not a record, and is ignored."""

    number: int
    reason: str


class Journal:
    """A file of records, one JSON object per line; the last record of each file is the valid one.

    Parameters
    ----------
    path : pathlib.Path
        Created if it does not exist; its folder must exist.

    Raises
    ------
    JournalInUseError
        If another process has it open for writing.
    JournalError
        If it is not a regular file with a single name: a link, for example.
    OSError
        If it cannot be read or written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = _open_regular(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, "a+b")
        try:
            if not lock_file(self._file):
                raise JournalInUseError(f"{path}: another job is writing here")
            if self._file.seek(0, os.SEEK_END) and self._last_byte() != b"\n":
                self._file.write(b"\n")  # ends a line that was cut off when a job was killed
        except BaseException:
            self._file.close()
            raise

    def _last_byte(self) -> bytes:
        self._file.seek(-1, os.SEEK_END)
        return self._file.read(1)

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._write(self._sync_and_close)

    def _sync_and_close(self) -> None:
        with self._file:
            self._file.flush()
            os.fsync(self._file.fileno())

    def read(self, bad_lines: list[BadLine]) -> Iterator[Record]:
        """Read all records, as `read_records` does, before any is added."""
        return _read_lines(self._file, bad_lines)

    def add(self, record: Record) -> None:
        """Append a record and flush it."""
        record = record._replace(
            source=canonical_path(record.source),
            target=canonical_path(record.target) if record.target is not None else None,
        )
        line = record.to_json().encode() + b"\n"
        self._write(lambda: (self._file.write(line), self._file.flush()))

    def _write(self, action: Callable[[], object]) -> None:
        """Do something with the file, and name it if that fails."""
        try:
            action()
        except OSError as error:
            error.filename = str(self.path)
            raise


def is_done(job: Job, record: Record | None) -> bool:
    """Whether a file was done with the same options, and neither it nor its target has changed since.

    Parameters
    ----------
    job : Job
        What to do with the file.
    record : Record or None
        What the journal has for it. The journal of a job in place is part of a tree that anybody may have made: the
        file itself is looked at, too.
    """
    if record is None or record.status is Status.FAILED or record.options != job.options_text():
        return False
    if job.in_place:
        unchanged = _is_unchanged(job.source, record.target_size, record.target_mtime_ns)
        return unchanged and record.status not in (Status.PASSED, Status.SKIPPED) and job.is_converted()
    if record.source != canonical_path(job.source):
        return False
    if not _is_unchanged(job.source, record.source_size, record.source_mtime_ns):
        return False
    if record.status is Status.SKIPPED:
        return True
    return job.target is not None and _is_unchanged(job.target, record.target_size, record.target_mtime_ns)


def _open_regular(path: Path, flags: int, mode: str) -> BinaryIO:
    """Open a file that is no link, device or FIFO, and has no second name in another folder."""
    try:
        handle = os.open(path, flags | _OPEN_FLAGS, 0o666)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EMLINK, errno.ENXIO) or path.is_dir():
            raise JournalError(f"{path}: a journal must be a regular file, not a link, folder or device") from None
        raise
    status = os.fstat(handle)
    if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1 or path.is_symlink():  # Windows has no O_NOFOLLOW
        os.close(handle)
        raise JournalError(f"{path}: a journal must be a regular file with a single name, not a link or device")
    return open(handle, mode)  # type: ignore[return-value]


def check_is_journal(path: Path) -> None:
    """Check that a file which a caller has named is a journal, empty or not there: lines will be added to it.

    Raises
    ------
    JournalError
        If it is another file.
    """
    if path.is_file() and not path.is_symlink():
        with _open_regular(path, os.O_RDONLY, "rb") as file:
            if file.read(1) not in (b"", b"{"):
                raise JournalError(f"{path}: exists and is no journal; nothing was added to it")


def _read_lines(file: BinaryIO, bad_lines: list[BadLine]) -> Iterator[Record]:
    """Read records from the start of a file; other lines, such as one that was cut off, are noted."""
    file.seek(0)
    number = 0
    while line := file.readline(_LONGEST_LINE):
        number += 1
        reason = None
        if len(line) == _LONGEST_LINE and not line.endswith(b"\n"):
            reason = f"longer than {_LONGEST_LINE} bytes"
            while line and not line.endswith(b"\n"):
                line = file.readline(_LONGEST_LINE)
        elif line.strip():
            try:
                yield Record.from_json(line.decode("ascii"))
            except ValueError as error:
                reason = str(error)
        if reason is not None:
            bad_lines.append(BadLine(number, reason))


def read_records(path: Path, bad_lines: list[BadLine] | None = None) -> Iterator[Record]:
    """Read the records of a journal, in the order in which they were written.

    Parameters
    ----------
    path : pathlib.Path
        The journal.
    bad_lines : list of BadLine, optional
        Lines that are ignored are added to it.

    Raises
    ------
    JournalError
        If it is not a regular file with a single name.
    OSError
        If it cannot be read.
    """
    with _open_regular(path, os.O_RDONLY, "rb") as file:
        yield from _read_lines(file, bad_lines if bad_lines is not None else [])


def describe_bad_lines(path: Path, bad_lines: list[BadLine]) -> list[str]:
    """Return a message for each of the first bad lines of a journal, and one for the others."""
    messages = [f"{path}: line {line.number} is ignored: {line.reason}" for line in bad_lines[:_BAD_LINES_SHOWN]]
    if len(bad_lines) > _BAD_LINES_SHOWN:
        messages.append(f"{path}: {len(bad_lines) - _BAD_LINES_SHOWN} more lines are ignored")
    return messages


def canonical_path(path: str) -> str:
    """Return the absolute path of a file, with links resolved in its folder but not in its own name."""
    folder, name = os.path.split(path)
    if not os.path.isabs(folder):
        folder = os.path.abspath(folder)  # by the current folder, which may change
    return os.path.join(_real_folder(folder), name)


@lru_cache(maxsize=1024)
def _real_folder(folder: str) -> str:
    return os.path.realpath(folder)


def _is_unchanged(path: str, size: int | None, mtime_ns: int | None) -> bool:
    try:
        status = os.lstat(path)
    except OSError:
        return False
    return (status.st_size, status.st_mtime_ns) == (size, mtime_ns)
