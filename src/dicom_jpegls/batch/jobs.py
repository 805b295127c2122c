"""One file of a job: what to do with it, doing it, and the record of the result."""

from __future__ import annotations

import json
import logging
import os
import stat
import time
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias, get_args

from pydicom.errors import InvalidDicomError
from pydicom.uid import JPEGLSTransferSyntaxes, UncompressedTransferSyntaxes

from dicom_jpegls.batch.records import Action, Record, Status
from dicom_jpegls.batch.verification import verification_steps
from dicom_jpegls.dicom import CodingOptions, FrameCoder, image_pixel_of
from dicom_jpegls.errors import DatasetError, ParameterError
from dicom_jpegls.files import (
    DEFAULT_READ_OPTIONS,
    NotConvertibleError,
    NothingToDoError,
    ReadOptions,
    SourceFile,
    compress_steps,
    copy_steps,
    decompress_steps,
    describe_error,
    file_sha256,
    finish_steps,
    ignore_frame,
    needs_recoding,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from dicom_jpegls.files import Conversion, Steps

_LOGGER = logging.getLogger(__name__)

NonConvertible: TypeAlias = Literal["copy", "skip"]


class CancelledError(Exception):
    """The job was stopped from outside."""


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
    recode: bool = False
    """Whether JPEG-LS files are coded again where `compress_file` does so; by default they are passed through."""
    copy_failed: bool = False
    """Whether files that fail are copied byte for byte, unless in place. They still count as failed."""
    reading: ReadOptions = DEFAULT_READ_OPTIONS
    """What may be read."""

    def __post_init__(self) -> None:
        if self.non_convertible not in get_args(NonConvertible):
            raise ParameterError(f"non_convertible: must be 'copy' or 'skip', found {self.non_convertible!r}")


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
    expected: Record | None = None
    """For `Action.VERIFY`, the record of the job that wrote the file, if it is known."""
    root: str | None = None
    """The folder that the name of the target is relative to."""
    error: str | None = None
    """Why the file cannot be processed, if that is known already."""

    @property
    def in_place(self) -> bool:
        """Whether the file is replaced."""
        return self.action is not Action.VERIFY and self.target == self.source

    def is_converted(self) -> bool:
        """Whether the source has a transfer syntax that the action would leave as it is."""
        wanted = JPEGLSTransferSyntaxes if self.action is Action.COMPRESS else UncompressedTransferSyntaxes
        try:
            with SourceFile(Path(self.source), self.options.reading) as source:
                return source.transfer_syntax in wanted
        except Exception:  # the job will report it
            return False

    def options_text(self) -> str:
        """Return the options that the result depends on, for comparison with a record."""
        return _options_text(self.action, self.options)


@lru_cache(maxsize=16)
def _options_text(action: Action, options: Options) -> str:
    coding = asdict(options.coding)
    del coding["verify"]  # frames are always verified
    values = {"action": action, "non_convertible": options.non_convertible, **coding}
    if options.recode:
        values["recode"] = True
    return json.dumps(values)


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
    """Do what `run_job` does, in steps; see `Steps`.

    All calls of `on_frame` come before the first new file.
    """
    start = time.perf_counter()
    values: dict[str, Any] = {}
    reason: str | None
    try:
        problem = _stat_source(job, values)
        if problem is not None:
            status, reason = problem
        elif job.action is Action.VERIFY:
            status, reason = yield from verification_steps(job, on_frame, values)
        else:
            status, reason = yield from _convert_steps(job, on_frame, values)
        if status in (Status.PASSED, Status.COPIED) and not job.in_place and job.target is not None:
            yield from _copy_steps(job)
        keeps = status is not Status.SKIPPED or (job.in_place and "source_size" in values)
        if keeps and job.action is not Action.VERIFY and job.target is not None and status is not Status.FAILED:
            target = os.lstat(job.target)
            values |= {"target_size": target.st_size, "target_mtime_ns": target.st_mtime_ns}
            if "target_sha256" not in values:
                values["target_sha256"] = file_sha256(Path(job.target))
    except CancelledError:
        raise
    except Exception as error:
        _LOGGER.debug("%s", job.source, exc_info=True)
        status, reason = Status.FAILED, describe_error(error, job.source)
        if job.options.copy_failed and job.error is None and not isinstance(error, FileExistsError):
            reason += yield from _copy_failed_steps(job)
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


def _stat_source(job: Job, values: dict[str, Any]) -> tuple[Status, str] | None:
    """Add size and time of the source to the values of its record; return a result if it must not be read."""
    if job.error is not None:
        return Status.FAILED, job.error
    source = os.lstat(job.source)
    if stat.S_ISREG(source.st_mode):
        values |= {"source_size": source.st_size, "source_mtime_ns": source.st_mtime_ns}
        return None
    what = "a symbolic link, which is not followed" if stat.S_ISLNK(source.st_mode) else "not a regular file"
    if job.expected is not None or (job.action is Action.VERIFY and job.target is not None):
        return Status.FAILED, f"is {what}; the records or the reference have a file"
    return Status.SKIPPED, f"is {what}"


def _convert_steps(
    job: Job, on_frame: Callable[[int], None], values: dict[str, Any]
) -> Steps[tuple[Status, str | None]]:
    """Convert the file of a job and add what was found to the values of its record."""
    source, target, options = Path(job.source), Path(job.target or job.source), job.options
    try:
        conversion: Conversion
        if job.action is Action.COMPRESS:
            conversion = yield from compress_steps(
                source,
                target,
                options.coding,
                force=options.force,
                threads=job.threads,
                on_frame=on_frame,
                reading=options.reading,
                recode=options.recode,
            )
            status = Status.COMPRESSED
        else:
            conversion = yield from decompress_steps(
                source,
                target,
                force=options.force,
                threads=job.threads,
                on_frame=on_frame,
                reading=options.reading,
            )
            status = Status.DECOMPRESSED
        values |= {name: value for name, value in conversion._asdict().items() if name in Record._fields}
        return status, "; ".join(conversion.warnings) or None
    except NothingToDoError as error:
        return Status.PASSED, str(error)
    except (NotConvertibleError, InvalidDicomError) as error:
        return _unconverted_status(job), describe_error(error, job.source)


def _copy_steps(job: Job) -> Steps[str]:
    assert job.target is not None
    return copy_steps(Path(job.source), Path(job.target), force=job.options.force, reading=job.options.reading)


def _copy_failed_steps(job: Job) -> Steps[str]:
    """Copy a file that failed; return what to add to the reason."""
    if job.action is Action.VERIFY or job.in_place or job.target is None:
        return ""
    try:
        yield from _copy_steps(job)
    except CancelledError:
        raise
    except Exception as error:
        return f"; not copied: {describe_error(error, job.source)}"
    return "; copied as it is"


def _unconverted_status(job: Job) -> Status:
    return Status.COPIED if job.options.non_convertible == "copy" and not job.in_place else Status.SKIPPED


def predict(job: Job) -> Record:
    """Return what `run_job` would do with a file, by its attributes; nothing is decoded or written."""
    values: dict[str, Any] = {}
    try:
        problem = _stat_source(job, values)
        status, reason = problem if problem is not None else _predicted_status(job)
        writes = not job.in_place and status is not Status.SKIPPED and job.target is not None
        if writes and not job.options.force and job.target is not None and os.path.lexists(job.target):
            reason = "the target exists; it is kept, and the file fails, unless it is the same or --force is used"
    except Exception as error:
        status, reason = Status.FAILED, describe_error(error, job.source)
    return Record(job.action, job.name, job.source, job.target, status, reason, **values)


def _predicted_status(job: Job) -> tuple[Status, str | None]:
    wanted = JPEGLSTransferSyntaxes if job.action is Action.COMPRESS else UncompressedTransferSyntaxes
    try:
        with SourceFile(Path(job.source), job.options.reading) as source:
            recodes = job.action is Action.COMPRESS and job.options.recode
            if source.transfer_syntax in wanted and not (recodes and needs_recoding(source, job.options.coding)):
                return Status.PASSED, f"its transfer syntax is {source.transfer_syntax.name} already"
            if job.action is Action.COMPRESS:
                _check_codable(source, job.options.coding)
                return Status.COMPRESSED, None
            if source.transfer_syntax not in JPEGLSTransferSyntaxes:
                raise NotConvertibleError(f"its transfer syntax is {source.transfer_syntax.name}")
            return Status.DECOMPRESSED, None
    except (NotConvertibleError, InvalidDicomError) as error:
        return _unconverted_status(job), describe_error(error, job.source)


def _check_codable(source: SourceFile, options: CodingOptions) -> None:
    image_pixel = image_pixel_of(source.ds)
    try:
        FrameCoder(image_pixel, options)
    except DatasetError as error:
        raise NotConvertibleError(str(error)) from error
