"""What there is to do for each file, what came of it, and the journal from which a job goes on."""

from __future__ import annotations

import json
import os
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

from dicom_jpegls.files.target import lock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import TracebackType

# Beside the files that a job writes.
JOURNAL_NAME = ".dicom-jpegls.jsonl"


class Action(StrEnum):
    """What is done to files."""

    COMPRESS = "compress"
    DECOMPRESS = "decompress"
    VERIFY = "verify"


class Status(StrEnum):
    """What came of a file."""

    COMPRESSED = "compressed"
    DECOMPRESSED = "decompressed"
    VERIFIED = "verified"
    PASSED = "passed through"
    """It was as wanted already; copied byte for byte unless in place."""
    COPIED = "copied"
    """It cannot be converted and was copied byte for byte."""
    SKIPPED = "skipped"
    """It cannot be converted and was left out."""
    FAILED = "failed"


class Options(NamedTuple):
    """How files are converted; the first seven are those of `dicom_jpegls.compress`."""

    near_lossless: int = 0
    planar_configuration: int | None = None
    photometric_interpretation: str | None = None
    signed_overflow: str = "error"
    unused_bits: str = "error"
    offset_table: str = "basic"
    lossy_attributes: bool = True
    others: str = "copy"
    """What to do with files that cannot be converted: "copy" or "skip"."""
    force: bool = False
    """Whether to replace files that are there."""


class Part(NamedTuple):
    """Some frames of a large file, coded into a file of their own by one of the tasks that share the work."""

    path: str
    lengths: list[int]
    """Bytes of each stream; they lie one behind the other."""


class Job(NamedTuple):
    """One file, and what to do to it. Can be pickled: it goes to other processes and machines."""

    action: Action
    name: str
    """Of the file within its tree."""
    source: str
    target: str | None = None
    """The file to write, the source itself in place; for `Action.VERIFY` the file to compare with, if any."""
    options: Options = Options()
    threads: int = 1
    parts: tuple[Part, ...] = ()
    """All frames, if other tasks have coded them."""
    expected_sha256: str | None = None
    """Of the pixels, for `Action.VERIFY`: as the record of the job that wrote the file has it."""

    @property
    def in_place(self) -> bool:
        """Whether the file is replaced."""
        return self.target == self.source

    def options_text(self) -> str:
        """Give the options that the result depends on, for comparison with a record."""
        options = self.options._asdict()
        del options["force"]
        return json.dumps({"action": self.action, **options})


class Record(NamedTuple):
    """What came of a file: a line of the journal.

    The hashes of pixels are of all native samples, little-endian, by pixel (Planar Configuration 0), each in as many
    bits as Bits Allocated says.
    """

    action: Action
    name: str
    source: str
    target: str | None
    status: Status
    reason: str | None = None
    source_size: int | None = None
    source_mtime_ns: int | None = None
    target_size: int | None = None
    target_mtime_ns: int | None = None
    frames: int | None = None
    native_size: int | None = None
    """Bytes of the native pixel data."""
    compressed_size: int | None = None
    """Bytes of all JPEG-LS streams."""
    ratio: float | None = None
    near_lossless: int | None = None
    largest_error: int | None = None
    clipped_samples: int | None = None
    cleared_samples: int | None = None
    pixels_sha256_before: str | None = None
    pixels_sha256_after: str | None = None
    seconds: float | None = None
    options: str | None = None

    def to_json(self) -> str:
        """Give the record as a line of JSON, without what it does not know."""
        return json.dumps({name: value for name, value in self._asdict().items() if value is not None})

    @classmethod
    def from_json(cls, line: str) -> Record:
        """Read a line of JSON.

        Raises
        ------
        ValueError
            If it is no such line, for example a torn one.
        """
        try:
            values: dict[str, Any] = json.loads(line)
            values["action"] = Action(values["action"])
            values["status"] = Status(values["status"])
            return cls(**values)
        except (KeyError, TypeError) as error:
            raise ValueError(f"no record: {error}") from error


class JournalInUseError(Exception):
    """Another job writes the same journal."""


class Journal:
    """A file of records, one JSON object a line; the last one of a file counts.

    Parameters
    ----------
    path : pathlib.Path
        Made if it is not there; its folder must be.

    Raises
    ------
    JournalInUseError
        If another process has it open for writing.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("a+b")
        if not lock(self._file):
            self._file.close()
            raise JournalInUseError(f"{path}: another job is writing here")
        self.records = {record.name: record for record in read_records(path)}
        if self._file.tell() and self._last_byte() != b"\n":
            self._file.write(b"\n")  # behind a line that was torn when a job was killed

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
        """Write a record, at once."""
        self.records[record.name] = record
        self._file.write(record.to_json().encode() + b"\n")
        self._file.flush()

    def is_done(self, job: Job) -> bool:
        """Whether a file was done and verified with the same options, and neither it nor the result changed since."""
        record = self.records.get(job.name)
        if record is None or record.status == Status.FAILED or record.options != job.options_text():
            return False
        if (record.source, record.target) != (job.source, job.target):
            return False
        if job.in_place:
            return _is_as_recorded(job.source, record.target_size, record.target_mtime_ns)
        if not _is_as_recorded(job.source, record.source_size, record.source_mtime_ns):
            return False
        if record.status == Status.SKIPPED:
            return True
        return job.target is not None and _is_as_recorded(job.target, record.target_size, record.target_mtime_ns)


def read_records(path: Path) -> Iterator[Record]:
    """Read the records of a journal, except torn ones."""
    with path.open("rb") as file:
        for line in file:
            try:
                yield Record.from_json(line.decode())
            except ValueError:
                continue


def _is_as_recorded(path: str, size: int | None, mtime_ns: int | None) -> bool:
    try:
        stat = os.stat(path)
    except OSError:
        return False
    return (stat.st_size, stat.st_mtime_ns) == (size, mtime_ns)
