"""One file of a job: what to do with it, doing it, and the record of the result."""

from __future__ import annotations

import json
import os
import time
from dataclasses import asdict, dataclass, field, fields
from enum import StrEnum
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias, get_args

from pydicom.errors import InvalidDicomError
from pydicom.uid import UncompressedTransferSyntaxes

from dicom_jpegls.dicom import CodingOptions, CodingStatistics, image_pixel_of
from dicom_jpegls.errors import JPEGLSError, ParameterError
from dicom_jpegls.files import (
    EncodedFrames,
    NotConvertibleError,
    NothingToDoError,
    SourceFile,
    compress_steps,
    copy_steps,
    decompress_steps,
    describe_error,
    encode_frames,
    finish_steps,
    ignore_frame,
    temporary_path,
    verify_file,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from dicom_jpegls.files import Conversion, Steps

# Bytes of a frame range that is worth a separate task; files of less than twice this size are not divided.
FRAME_RANGE_SIZE = 2**27


NonConvertible: TypeAlias = Literal["copy", "skip"]


class CancelledError(Exception):
    """The job was stopped from outside."""


class Action(StrEnum):
    """What is done with files."""

    COMPRESS = "compress"
    DECOMPRESS = "decompress"
    VERIFY = "verify"


class Status(StrEnum):
    """The result for a file."""

    COMPRESSED = "compressed"
    DECOMPRESSED = "decompressed"
    VERIFIED = "verified"
    PASSED = "passed through"
    """It already had the wanted transfer syntax; copied byte for byte unless in place."""
    COPIED = "copied"
    """It cannot be converted and was copied byte for byte."""
    SKIPPED = "skipped"
    """It cannot be converted and was left out."""
    FAILED = "failed"


@dataclass(frozen=True)
class Options:
    """How the files of a job are converted.

    Raises
    ------
    ParameterError
        If a value is not allowed.
    """

    coding: CodingOptions = field(default_factory=CodingOptions)
    """How images are compressed."""
    non_convertible: NonConvertible = "copy"
    """What to do with files that cannot be converted."""
    force: bool = False
    """Whether to replace existing files."""

    def __post_init__(self) -> None:
        if self.non_convertible not in get_args(NonConvertible):
            raise ParameterError(f"non_convertible: must be 'copy' or 'skip', found {self.non_convertible!r}")


def statistics_values(statistics: CodingStatistics) -> dict[str, int | float]:
    """Return statistics for JSON: the values that are known, and the compression ratio."""
    values = {name: value for name, value in asdict(statistics).items() if value is not None}
    if statistics.compressed_size:
        values["ratio"] = round(statistics.ratio, 4)
    return values


class Job(NamedTuple):
    """One file and what to do with it. Can be pickled, for other processes and machines."""

    action: Action
    name: str
    """The name of the file within its tree."""
    source: str
    target: str | None = None
    """The file to write, equal to `source` in place; for `Action.VERIFY` the file to compare with, if any."""
    options: Options = Options()
    threads: int = 1
    encoded: tuple[EncodedFrames, ...] = ()
    """All frames in order, if other tasks have encoded them."""
    expected_sha256: str | None = None
    """For `Action.VERIFY`, the hash of the samples from the record of the job that wrote the file."""

    @property
    def in_place(self) -> bool:
        """Whether the file is replaced."""
        return self.target == self.source

    def options_text(self) -> str:
        """Return the options that the result depends on, for comparison with a record."""
        coding = asdict(self.options.coding)
        del coding["verify"]  # frames are always verified
        return json.dumps({"action": self.action, "non_convertible": self.options.non_convertible, **coding})


class Record(NamedTuple):
    """The result for a file: a line of the journal.

    The hashes are of all native samples, little-endian, colour-by-pixel (Planar Configuration 0), each of Bits
    Allocated bits.
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
    statistics: CodingStatistics | None = None
    near_lossless: int | None = None
    pixels_sha256_before: str | None = None
    pixels_sha256_after: str | None = None
    seconds: float | None = None
    options: str | None = None

    def to_json(self) -> str:
        """Return the record as a line of JSON, with the statistics inline and without unknown values."""
        values = {name: value for name, value in self._asdict().items() if value is not None}
        if self.statistics is not None:
            values |= statistics_values(values.pop("statistics"))
        return json.dumps(values)

    @classmethod
    def from_json(cls, line: str) -> Record:
        """Read a line of JSON.

        Raises
        ------
        ValueError
            If it is not such a line, for example one that was cut off.
        """
        try:
            values: dict[str, Any] = json.loads(line)
            values.pop("ratio", None)
            names = [item.name for item in fields(CodingStatistics) if item.name in values]
            if names:
                values["statistics"] = CodingStatistics(**{name: values.pop(name) for name in names})
            values["action"] = Action(values["action"])
            values["status"] = Status(values["status"])
            return cls(**values)
        except (KeyError, TypeError) as error:
            raise ValueError(f"not a record: {error}") from error


def failure(job: Job, reason: str) -> Record:
    """Return the record of a file that failed outside `run_job`."""
    return Record(job.action, job.name, job.source, job.target, Status.FAILED, reason)


def run_job(job: Job, on_frame: Callable[[int], None] = ignore_frame) -> Record:
    """Process one file and report the result; no error of the file is raised.

    A plain function of a picklable argument: it fits ``dask.delayed``, ``dask.bag.Bag.map`` and any pool.

    Parameters
    ----------
    job : Job
        As returned by `plan`.
    on_frame : callable, optional
        Called after each frame with its size in bytes (of native samples).

    Returns
    -------
    Record
        With the status and, after a failure, the reason.

    Raises
    ------
    CancelledError
        If `on_frame` raises it to stop the work. The target is then unchanged.
    """
    return finish_steps(job_steps(job, on_frame))


def job_steps(job: Job, on_frame: Callable[[int], None]) -> Steps[Record]:
    """Do what `run_job` does, in steps between which the caller syncs the new file.

    All calls of `on_frame` come before the first step.
    """
    start = time.perf_counter()
    values: dict[str, Any] = {}
    try:
        stat = os.stat(job.source)
        values = {"source_size": stat.st_size, "source_mtime_ns": stat.st_mtime_ns}
        status, reason = yield from _convert_steps(job, on_frame, values)
        if status in (Status.PASSED, Status.COPIED) and not job.in_place and job.target is not None:
            yield from copy_steps(Path(job.source), Path(job.target), force=job.options.force)
        if status is not Status.SKIPPED and job.action is not Action.VERIFY and job.target is not None:
            stat = os.stat(job.target)
            values |= {"target_size": stat.st_size, "target_mtime_ns": stat.st_mtime_ns}
    except CancelledError:
        raise
    except Exception as error:
        status, reason = Status.FAILED, describe_error(error)
    seconds = round(time.perf_counter() - start, 4)
    return Record(
        job.action,
        job.name,
        job.source,
        job.target,
        status,
        reason,
        **values,
        seconds=seconds,
        options=job.options_text(),
    )


def _convert_steps(
    job: Job, on_frame: Callable[[int], None], values: dict[str, Any]
) -> Steps[tuple[Status, str | None]]:
    """Convert or verify the file of a job and add what was found to the values of its record."""
    source, target, options = Path(job.source), Path(job.target or job.source), job.options
    try:
        if job.action is Action.VERIFY:
            reference = Path(job.target) if job.target is not None else None
            verification = verify_file(
                source, reference, expected_sha256=job.expected_sha256, threads=job.threads, on_frame=on_frame
            )
            values |= {
                "statistics": verification.statistics,
                "near_lossless": verification.near_lossless,
                "pixels_sha256_after": verification.pixels_sha256,
            }
            return Status.VERIFIED, None
        conversion: Conversion
        if job.action is Action.COMPRESS:
            conversion = yield from compress_steps(
                source,
                target,
                options.coding,
                force=options.force,
                threads=job.threads,
                encoded=job.encoded,
                on_frame=on_frame,
            )
            status = Status.COMPRESSED
        else:
            conversion = yield from decompress_steps(
                source, target, force=options.force, threads=job.threads, on_frame=on_frame
            )
            status = Status.DECOMPRESSED
        values |= {name: value for name, value in conversion._asdict().items() if name in Record._fields}
        return status, None
    except NothingToDoError as error:
        return Status.PASSED, str(error)
    except (NotConvertibleError, InvalidDicomError) as error:
        copies = options.non_convertible == "copy" and job.action is not Action.VERIFY and not job.in_place
        return (Status.COPIED if copies else Status.SKIPPED), describe_error(error)


def frame_ranges(job: Job, max_count: int) -> list[tuple[int, int, str]]:
    """Divide the frames of a large native file into ranges that separate tasks can encode.

    Parameters
    ----------
    job : Job
        What to do with the whole file.
    max_count : int
        The largest number of ranges.

    Returns
    -------
    list of tuple of (int, int, str)
        The arguments of `encode_frame_range` after the job. Empty if the file is too small, or not native.
    """
    if job.action is not Action.COMPRESS or job.target is None:
        return []
    try:
        if os.stat(job.source).st_size < 2 * FRAME_RANGE_SIZE:
            return []
        with SourceFile(Path(job.source)) as source:
            if source.transfer_syntax not in UncompressedTransferSyntaxes:
                return []
            frames = image_pixel_of(source.ds).number_of_frames
            count = min(max_count, frames, source.pixel_data_size // FRAME_RANGE_SIZE)
    except Exception:  # run_job will report it
        return []
    ends = [frames * number // count for number in range(count + 1)] if count > 1 else []
    return [(first, last, str(temporary_path(Path(job.target)))) for first, last in pairwise(ends)]


def encode_frame_range(job: Job, first: int, last: int, path: str) -> EncodedFrames | None:
    """Encode a range of the frames of a file into a temporary file.

    Parameters
    ----------
    job : Job
        What to do with the whole file.
    first, last : int
        The first frame, and the one after the last.
    path : str
        The file for the streams.

    Returns
    -------
    EncodedFrames or None
        None if a frame cannot be encoded: `run_job`, which then encodes all frames itself, reports the reason.
    """
    try:
        return encode_frames(Path(job.source), job.options.coding, range(first, last), Path(path))
    except (JPEGLSError, OSError):
        return None


def join_frame_ranges(job: Job, ranges: Iterable[EncodedFrames | None]) -> Record:
    """Run a job with the frame ranges that other tasks have encoded, or from the start if one is missing."""
    ranges = list(ranges)
    found = [part for part in ranges if part is not None and os.path.exists(part.path)]
    try:
        return run_job(job._replace(encoded=tuple(found)) if len(found) == len(ranges) else job)
    finally:
        for part in found:
            Path(part.path).unlink(missing_ok=True)
