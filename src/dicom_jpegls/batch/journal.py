"""The journal of a job: the records of its files, from which an interrupted job continues."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from dicom_jpegls.batch.jobs import Record, Status
from dicom_jpegls.files import lock_file

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import TracebackType

    from dicom_jpegls.batch.jobs import Job

# In the folder that a job writes to.
JOURNAL_NAME = ".dicom-jpegls.jsonl"


class JournalInUseError(Exception):
    """Another job is writing to the same journal."""


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
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("a+b")
        if not lock_file(self._file):
            self._file.close()
            raise JournalInUseError(f"{path}: another job is writing here")
        self.records = {record.name: record for record in read_records(path)}
        if self._file.tell() and self._last_byte() != b"\n":
            self._file.write(b"\n")  # ends a line that was cut off when a job was killed

    def _last_byte(self) -> bytes:
        self._file.seek(-1, os.SEEK_END)
        return self._file.read(1)

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()

    def add(self, record: Record) -> None:
        """Append a record and flush it."""
        self.records[record.name] = record
        self._file.write(record.to_json().encode() + b"\n")
        self._file.flush()

    def is_done(self, job: Job) -> bool:
        """Whether a file was done with the same options, and neither it nor its target has changed since."""
        record = self.records.get(job.name)
        if record is None or record.status == Status.FAILED or record.options != job.options_text():
            return False
        if (record.source, record.target) != (job.source, job.target):
            return False
        if job.in_place:
            return _is_unchanged(job.source, record.target_size, record.target_mtime_ns)
        if not _is_unchanged(job.source, record.source_size, record.source_mtime_ns):
            return False
        if record.status == Status.SKIPPED:
            return True
        return job.target is not None and _is_unchanged(job.target, record.target_size, record.target_mtime_ns)


def read_records(path: Path) -> Iterator[Record]:
    """Read the records of a journal, except lines that were cut off."""
    with path.open("rb") as file:
        for line in file:
            try:
                yield Record.from_json(line.decode())
            except ValueError:
                continue


def _is_unchanged(path: str, size: int | None, mtime_ns: int | None) -> bool:
    try:
        stat = os.stat(path)
    except OSError:
        return False
    return (stat.st_size, stat.st_mtime_ns) == (size, mtime_ns)
