"""Process many files, each of them once, and continue where an interrupted job stopped."""

from __future__ import annotations

import os
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from dicom_jpegls.batch.cluster import run_on_dask
from dicom_jpegls.batch.jobs import Action, Options, Status, run_job
from dicom_jpegls.batch.journal import JOURNAL_NAME, Journal, read_records
from dicom_jpegls.batch.plan import plan
from dicom_jpegls.batch.pool import ProcessPool
from dicom_jpegls.files import remove_leftovers, sync_folder
from dicom_jpegls.parallel import worker_count

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from distributed import Client

    from dicom_jpegls.batch.jobs import Job, Record


class Summary:
    """The results of a job.

    Attributes
    ----------
    counts : collections.Counter
        Files by `Status`.
    done_before : int
        Files that an earlier job has done.
    reasons : collections.Counter
        How often files were copied, skipped or passed through, by (status, reason).
    failures : list of Record
        The files that failed.
    native_size, compressed_size : int
        Bytes of the native pixel data and of the JPEG-LS streams of the converted files.
    source_size, target_size : int
        Bytes of the files, before and after.
    """

    def __init__(self) -> None:
        self.counts: Counter[Status] = Counter()
        self.done_before = 0
        self.reasons: Counter[tuple[Status, str]] = Counter()
        self.failures: list[Record] = []
        self.native_size = self.compressed_size = self.source_size = self.target_size = 0

    @property
    def succeeded(self) -> int:
        """Files that did not fail."""
        return self.done_before + self.counts.total() - self.counts[Status.FAILED]

    def add(self, record: Record) -> None:
        """Add the result for a file."""
        self.counts[record.status] += 1
        if record.status is Status.FAILED:
            self.failures.append(record)
            return
        if record.reason:
            self.reasons[record.status, record.reason] += 1
        if record.statistics is not None:
            self.native_size += record.statistics.native_size
            self.compressed_size += record.statistics.compressed_size or 0
        if record.target_size is not None:
            self.source_size += record.source_size or 0
            self.target_size += record.target_size


class Observer:
    """Is told how a job proceeds; derive from it and override what you need."""

    def on_plan(self, jobs: Sequence[Job], done_before: int) -> None:
        """Take the jobs to do and the number of files that an earlier job has done; called once."""

    def on_record(self, record: Record) -> None:
        """Take the record of a file."""

    def on_progress(self, size: int) -> None:
        """Take the number of native bytes processed so far; called regularly, but not on a cluster."""


def transcode(
    sources: Iterable[str | os.PathLike[str]],
    target: str | os.PathLike[str] | None,
    action: Action = Action.COMPRESS,
    options: Options | None = None,
    *,
    workers: int | None = None,
    dask: str | Client | None = None,
    records: str | os.PathLike[str] | None = None,
    observer: Observer | None = None,
) -> Summary:
    """Compress, decompress or verify many files, and continue where an earlier call stopped.

    Parameters
    ----------
    sources : iterable of str or path
        Files, folders and patterns; see `find_files`.
    target : str or path, optional
        The folder for the same tree; None converts in place. For `Action.VERIFY` what to compare with, or None.
    action : Action, optional
        What to do.
    options : Options, optional
        How to do it.
    workers : int or None, optional
        Processes; None, the default, for one per core. 1 works in the calling process. If there are fewer files than
        workers, frames of a file are coded on threads.
    dask : str or distributed.Client, optional
        A cluster to run on, or the address of its scheduler. Its workers must see the same files under the same names.
    records : str or path, optional
        The journal; by default a file `.dicom-jpegls.jsonl` in the target, or in the first source when in place.
    observer : Observer, optional
        Is told how the job proceeds.

    Returns
    -------
    Summary
        The results. No error of a single file ends the job.

    Raises
    ------
    ParameterError
        If `workers` is not allowed. No file is read or written then.
    FileNotFoundError, PlanError
        See `plan`.
    JournalInUseError
        If another job writes to the same journal.
    KeyboardInterrupt
        After an interrupt; what was done is in the journal, and no file is partly written.
    """
    workers = worker_count(workers)
    observer = observer or Observer()
    sources = list(sources)
    jobs = plan(sources, target, action, options)
    if action is Action.VERIFY and target is None:
        jobs = _with_recorded_hashes(jobs, sources)
    summary = Summary()
    folders = sorted({Path(job.target).parent for job in jobs if job.target})
    with ExitStack() as stack:
        journal: Journal | None = None
        to_do = jobs
        if action is not Action.VERIFY:
            for folder in folders:
                folder.mkdir(parents=True, exist_ok=True)
            path = Path(records) if records is not None else _journal_path(sources, target)
            path.parent.mkdir(parents=True, exist_ok=True)
            journal = stack.enter_context(Journal(path))
            remove_leftovers(folders)
            to_do = [job for job in jobs if not journal.is_done(job)]
        summary.done_before = len(jobs) - len(to_do)
        observer.on_plan(to_do, summary.done_before)

        def handle(record: Record) -> None:
            if journal is not None:
                journal.add(record)
            summary.add(record)
            observer.on_record(record)

        if dask is not None:
            run_on_dask(to_do, dask, handle)
        else:
            _run_locally(to_do, workers, handle, observer.on_progress)
        if action is not Action.VERIFY:
            remove_leftovers(folders)  # left by workers that were killed during this job
            for folder in folders:
                sync_folder(folder)
    return summary


def _with_recorded_hashes(jobs: list[Job], sources: Sequence[str | os.PathLike[str]]) -> list[Job]:
    """Add the hashes of the samples from the journals of the jobs that wrote the files."""
    recorded: dict[str, str | None] = {}
    for source in sources:
        journal = Path(source) / JOURNAL_NAME
        if journal.is_file():
            recorded |= {
                os.path.abspath(record.target): record.pixels_sha256_after
                for record in read_records(journal)
                if record.target is not None
            }
    return [job._replace(expected_sha256=recorded.get(os.path.abspath(job.source))) for job in jobs]


def _journal_path(sources: Sequence[str | os.PathLike[str]], target: str | os.PathLike[str] | None) -> Path:
    if target is not None:
        return Path(target) / JOURNAL_NAME
    first = Path(sources[0])
    return (first if first.is_dir() else first.parent) / JOURNAL_NAME


def _run_locally(
    jobs: Sequence[Job], workers: int, on_record: Callable[[Record], None], on_progress: Callable[[int], None]
) -> None:
    jobs = [job._replace(threads=max(1, workers // len(jobs))) for job in jobs]
    if workers > 1 and len(jobs) > 1:
        ProcessPool(min(workers, len(jobs)), on_record, on_progress).run(jobs)
        return
    total = 0

    def count_frame(size: int) -> None:
        nonlocal total
        total += size
        on_progress(total)

    for job in jobs:
        on_record(run_job(job, count_frame))
