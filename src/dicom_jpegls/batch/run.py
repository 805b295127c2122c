"""Process many files, each of them once, and continue where an interrupted job stopped."""

from __future__ import annotations

import os
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dicom_jpegls.batch.cluster import run_on_dask
from dicom_jpegls.batch.expectations import plan_verification
from dicom_jpegls.batch.jobs import Options, predict
from dicom_jpegls.batch.journal import (
    JOURNAL_NAME,
    BadLine,
    Journal,
    check_is_journal,
    describe_bad_lines,
    is_done,
    read_records,
)
from dicom_jpegls.batch.plan import Selection, plan
from dicom_jpegls.batch.pool import ProcessPool, deferred_interrupts, run_overlapping
from dicom_jpegls.batch.records import Action, Status, root_of
from dicom_jpegls.files import is_temporary, remove_leftovers, sync_folder
from dicom_jpegls.parallel import worker_count

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from distributed import Client

    from dicom_jpegls.batch.jobs import Job
    from dicom_jpegls.batch.plan import Plan
    from dicom_jpegls.batch.records import Record


# Seconds for which an interrupted job waits for workers that were ended with it.
_ENDING_TIME = 5.0


@dataclass
class Savings:
    """The sizes of some converted files, before and after."""

    files: int = 0
    source_size: int = 0
    target_size: int = 0

    def add(self, record: Record) -> None:
        """Add a file."""
        self.files += 1
        self.source_size += record.source_size or 0
        self.target_size += record.target_size or 0


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
        Bytes of the new files, and of the files that they were made from.
    read_size : int
        Bytes of all files that did not fail.
    cleared_samples, clipped_samples : int
        Samples that were changed because the options allow it; see `CodingOptions`.
    modalities : dict
        The `Savings` of the converted files, by Modality (0008,0060); "unknown" without one.
    compared : collections.Counter
        How many of the verified files were compared with the "reference", with the "records", or "only decoded".
    """

    def __init__(self) -> None:
        self.counts: Counter[Status] = Counter()
        self.done_before = 0
        self.reasons: Counter[tuple[Status, str]] = Counter()
        self.failures: list[Record] = []
        self.native_size = self.compressed_size = self.source_size = self.target_size = 0
        self.read_size = self.cleared_samples = self.clipped_samples = 0
        self.compared: Counter[str] = Counter()
        self.modalities: dict[str, Savings] = {}

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
            self.cleared_samples += record.statistics.cleared_samples
            self.clipped_samples += record.statistics.clipped_samples
        if record.status is Status.VERIFIED:
            self.compared.update(record.compared_with or ("only decoded",))
        self.read_size += record.source_size or 0
        if record.target_size is not None:
            self.source_size += record.source_size or 0
            self.target_size += record.target_size
            if record.status in (Status.COMPRESSED, Status.DECOMPRESSED):
                self.modalities.setdefault(record.modality or "unknown", Savings()).add(record)


class Observer:
    """Is told how a job proceeds; derive from it and override what you need."""

    def on_found(self, count: int) -> None:
        """Take the number of files found so far, while the sources are listed."""

    def on_plan(self, jobs: Sequence[Job], done_before: int) -> None:
        """Take the jobs to do and the number of files that an earlier job has done; called once."""

    def on_record(self, record: Record) -> None:
        """Take the record of a file."""

    def on_notice(self, message: str) -> None:
        """Take a message about the job as a whole, such as a line of a journal that is ignored."""

    def on_progress(self, size: int) -> None:
        """Take the number of native bytes processed so far; called regularly."""


def transcode(
    sources: Iterable[str | os.PathLike[str]],
    target: str | os.PathLike[str] | None,
    action: Action = Action.COMPRESS,
    options: Options | None = None,
    *,
    selection: Selection | None = None,
    workers: int | None = None,
    dask: str | Client | None = None,
    records: str | os.PathLike[str] | None = None,
    dry_run: bool = False,
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
    selection : Selection, optional
        Which files of the sources; by default all.
    workers : int or None, optional
        Processes; None, the default, for one per core. 1 works in the calling process. If there are fewer files than
        workers, frames of a file are coded on threads.
    dask : str or distributed.Client, optional
        A cluster to run on, or the address of its scheduler. Its workers must see the same files under the same names.
    records : str or path, optional
        The journal; by default a file `.dicom-jpegls.jsonl` in the target, or in each source folder when in place.
    dry_run : bool, optional
        Whether to write nothing, and to report what would be done.
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
        See `plan` and `plan_verification`.
    JournalError
        If the journal cannot be used; `JournalInUseError` if another job writes to it.
    ClusterError
        If the cluster cannot be used, or fails.
    OSError
        If the journal cannot be written.
    KeyboardInterrupt
        After an interrupt; what was done is in the journal, and no file is partly written.
    """
    workers = worker_count(workers)
    observer = observer or Observer()
    summary = Summary()

    def handle(record: Record) -> None:
        summary.add(record)
        observer.on_record(record)

    def run(jobs: Sequence[Job], on_record: Callable[[Record], None]) -> None:
        if dask is not None:
            run_on_dask(jobs, dask, on_record, observer.on_notice, observer.on_progress)
        else:
            _run_locally(jobs, workers, on_record, observer.on_progress)

    if action is Action.VERIFY:
        to_verify = plan_verification(
            sources,
            target,
            selection,
            options=options,
            records=records,
            on_notice=observer.on_notice,
            on_found=observer.on_found,
        )
        observer.on_plan(to_verify, 0)
        run(to_verify, handle)
        return summary
    jobs = plan(sources, target, action, options, selection, on_found=observer.on_found)
    with ExitStack() as stack:
        journals = Journals(jobs, records, stack, observer.on_notice, read_only=dry_run)
        to_do = journals.to_do(jobs)
        summary.done_before = len(jobs) - len(to_do)
        observer.on_plan(to_do, summary.done_before)
        if dry_run:
            for job in to_do:
                handle(predict(job))
            return summary

        def handle_and_keep(record: Record) -> None:
            journals.add(record)
            handle(record)

        folders = _Folders(follow_links=selection is not None and selection.follow_links)
        for job in to_do:
            folders.prepare(job)
        to_do = to_do.changed(folders.prepare)
        remove_leftovers(folders.made)
        try:
            run(to_do, handle_and_keep)
        except BaseException:
            _wait_for_leftovers(folders.made)
            raise
        remove_leftovers(folders.made)  # of workers that were killed
        for folder in folders.made:
            sync_folder(folder)
    return summary


def _wait_for_leftovers(folders: Sequence[Path]) -> None:
    """Delete temporary files; workers that are still ending, in a sync for example, hold theirs for a moment."""
    end = time.monotonic() + _ENDING_TIME
    while folders:
        remove_leftovers(folders)
        folders = [folder for folder in folders if any(map(is_temporary, os.listdir(folder)))]
        if time.monotonic() > end:
            break
        time.sleep(_ENDING_TIME / 100 if folders else 0)


def _run_locally(
    jobs: Sequence[Job], workers: int, on_record: Callable[[Record], None], on_progress: Callable[[int], None]
) -> None:
    if len(jobs) < workers:
        jobs = [job._replace(threads=workers // len(jobs)) for job in jobs]
    if workers > 1 and len(jobs) > 1:
        ProcessPool(min(workers, len(jobs)), on_record, on_progress).run(jobs)
        return
    total = 0
    with deferred_interrupts() as raise_interrupt:

        def count_frame(size: int) -> None:
            nonlocal total
            total += size
            on_progress(total)
            raise_interrupt()

        run_overlapping(jobs, count_frame, on_record)


class Journals:
    """The journals of a job: one, or one for each tree when in place.

    Parameters
    ----------
    jobs : Plan
        What to do; their targets are below their roots.
    given : str or path, optional
        The journal for all of them.
    stack : contextlib.ExitStack
        Closes the journals.
    on_notice : callable
        Called with a message about each line that is ignored.
    read_only : bool
        Whether to create, lock and write nothing.
    """

    def __init__(
        self,
        jobs: Plan,
        given: str | os.PathLike[str] | None,
        stack: ExitStack,
        on_notice: Callable[[str], None],
        *,
        read_only: bool,
    ) -> None:
        self._given = Path(given) if given is not None else None
        self._stack = stack
        self._on_notice = on_notice
        self._read_only = read_only
        self._journals: dict[str, Journal] = {}
        # Of the records nothing is kept but whether a job is done: there may be a million.
        self._done = bytearray(len(jobs))
        self._other_roots: dict[str, str] = {}  # by source, if the record does not show the root
        hashes = np.empty(len(jobs), np.int64)
        roots: dict[str, None] = {}  # in their order
        for number, job in enumerate(jobs):
            root = str(job.root)
            roots[root] = None
            hashes[number] = hash((root, job.name))
            if root_of(job.name, job.target) != root:
                self._other_roots[job.source] = root
        order = np.argsort(hashes)
        hashes = hashes[order]
        for root in roots:
            for record in self._open(Path(root)):
                key = hash((root, record.name))
                position = int(hashes.searchsorted(key))
                while position < len(hashes) and hashes[position] == key:
                    number = int(order[position])
                    job = jobs[number]
                    if (job.root, job.name) == (root, record.name):
                        self._done[number] = is_done(job, record)
                    position += 1

    def _open(self, root: Path) -> Iterator[Record]:
        """Open the journal of a tree, and yield its records, the last of a file last."""
        path = self._given or root / JOURNAL_NAME
        bad_lines: list[BadLine] = []
        records: Iterable[Record] = ()
        if self._read_only:
            if os.path.lexists(path):
                records = read_records(path, bad_lines)
        elif self._given is not None and self._journals:
            self._journals[str(root)] = next(iter(self._journals.values()))
            records = read_records(path)  # its bad lines are known
        else:
            make_folder(root)
            make_folder(path.parent)
            if self._given is not None:
                check_is_journal(path)
            journal = self._journals[str(root)] = self._stack.enter_context(Journal(path))
            records = journal.read(bad_lines)
        real_root = os.path.realpath(root) if self._given is not None else None
        yield from (record for record in records if real_root in (None, record.root))
        for message in describe_bad_lines(path, bad_lines):
            self._on_notice(message)

    def to_do(self, jobs: Plan) -> Plan:
        """Return the jobs whose files no earlier job has done."""
        return jobs.without(self._done)

    def add(self, record: Record) -> None:
        """Append a record to the journal of its tree."""
        self._journals[self._other_roots.get(record.source) or str(record.root)].add(record)


class _Folders:
    """The folders of the targets below their roots, made when they are needed, and not through links."""

    def __init__(self, *, follow_links: bool) -> None:
        self._follow_links = follow_links
        self._errors: dict[str, str | None] = {}

    def prepare(self, job: Job) -> Job:
        """Make the folder of a target; return the job, with an error if that is not possible."""
        if job.target is None or job.root is None or job.error is not None:
            return job
        folder = job.root
        error = None
        for part in (".", *job.name.split("/")[:-1]):
            folder = os.path.join(folder, part) if part != "." else folder
            if folder not in self._errors:
                self._errors[folder] = self._make(folder, is_root=part == ".")
            error = self._errors[folder]
            if error is not None:
                break
        return job if error is None else job._replace(error=error)

    def _make(self, folder: str, *, is_root: bool) -> str | None:
        try:
            if not is_root and not self._follow_links and os.path.islink(folder):
                return f"{folder} is a symbolic link, which is not followed: nothing is written there"
            if not os.path.isdir(folder):
                os.mkdir(folder)
        except OSError as error:
            return f"{folder}: {error.strerror}"
        return None

    @property
    def made(self) -> list[Path]:
        """The folders that can have targets."""
        return [Path(folder) for folder, error in self._errors.items() if error is None]


def make_folder(folder: Path) -> None:
    """Make a folder and those above it; without recursion, since trees can be deeper than Python's stack."""
    missing = []
    while not folder.is_dir():
        missing.append(folder)
        folder = folder.parent
    for folder in reversed(missing):
        folder.mkdir(exist_ok=True)
