"""Many files: on the processes of this machine or on a Dask cluster, each of them once, whatever happens to it."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import sys
import threading
import warnings
from collections import Counter, deque
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, ThreadPoolExecutor, wait
from concurrent.futures import CancelledError as CancelledFutureError
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, contextmanager, suppress
from itertools import pairwise
from multiprocessing.connection import wait as wait_for_sentinels
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydicom.uid import UncompressedTransferSyntaxes

from dicom_jpegls.batch.plan import plan
from dicom_jpegls.batch.records import JOURNAL_NAME, Action, Job, Journal, Options, Part, Record, Status, read_records
from dicom_jpegls.dicom.pixel_data import image_pixel_of
from dicom_jpegls.files.convert import CancelledError, encode_part, job_steps, no_tick, run_job
from dicom_jpegls.files.source import SourceFile
from dicom_jpegls.files.target import remove_leftovers, sync_folder, temporary_path
from dicom_jpegls.parallel import worker_count

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from multiprocessing.context import BaseContext
    from multiprocessing.sharedctypes import Synchronized
    from multiprocessing.synchronize import Event
    from types import FrameType

    from distributed import Client

    from dicom_jpegls.files.convert import Steps

# How often progress is looked at, in seconds.
_INTERVAL = 0.1

# How many files wait for each worker, so that none is idle.
_QUEUED_FOR_EACH_WORKER = 2

# Small files go to a worker together, up to so many and so many bytes.
_TOGETHER = 16
_SIZE_TOGETHER = 2**23

# How many new files of a worker the disk may be writing while it goes on with the next.
_SYNCING = 4

# Files from twice this size on are coded in parts, if there is a cluster: less is not worth the writing and reading.
_PART_SIZE = 2**27

# How often a Dask task is tried again after its worker died.
_RETRIES = 3


_SILENCE = logging.NullHandler()


class Summary:
    """What came of all files.

    Attributes
    ----------
    counts : collections.Counter
        Files by `Status`.
    done_before : int
        Files that an earlier job has done and verified.
    reasons : collections.Counter
        How often files were copied, skipped or passed through, by (status, reason).
    failures : list of Record
        Those that failed.
    native_size, compressed_size : int
        Bytes of the native pixel data and of the streams of the converted files.
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
        """Count a record."""
        self.counts[record.status] += 1
        if record.status is Status.FAILED:
            self.failures.append(record)
            return
        if record.reason:
            self.reasons[record.status, record.reason] += 1
        self.native_size += record.native_size or 0
        self.compressed_size += record.compressed_size or 0
        if record.target_size is not None:
            self.source_size += record.source_size or 0
            self.target_size += record.target_size


def transcode(
    sources: Iterable[str | os.PathLike[str]],
    target: str | os.PathLike[str] | None,
    action: Action = Action.COMPRESS,
    options: Options | None = None,
    *,
    workers: int | None = None,
    dask: str | Client | None = None,
    records: str | os.PathLike[str] | None = None,
    on_plan: Callable[[Sequence[Job], int], None] | None = None,
    on_record: Callable[[Record], None] | None = None,
    on_bytes: Callable[[int], None] | None = None,
    summary: Summary | None = None,
) -> Summary:
    """Compress, decompress or verify many files, and go on where an earlier call stopped.

    Parameters
    ----------
    sources : iterable of str or path
        Files, folders and patterns; see `find_files`.
    target : str or path, optional
        The folder that gets the same tree; None converts in place. For `Action.VERIFY` what to compare with, or None.
    action : Action, optional
        What to do.
    options : Options, optional
        How to do it.
    workers : int, optional
        Processes; by default one for each core. 1 works in this process. If there are fewer files than workers, frames
        of a file are coded on threads.
    dask : str or distributed.Client, optional
        A cluster to run on, or the address of its scheduler. Its workers need the same files under the same names.
    records : str or path, optional
        The journal; by default a file `.dicom-jpegls.jsonl` in the target, or in the first source when in place.
    on_plan : callable, optional
        Called once with the jobs that are to be done and the number of those that an earlier call has done.
    on_record : callable, optional
        Called with the record of each file.
    on_bytes : callable, optional
        Called now and then with the native bytes that were coded so far.
    summary : Summary, optional
        One to count in, which is then known also after an interrupt.

    Returns
    -------
    Summary
        What came of them. No exception of a single file ends the job.

    Raises
    ------
    FileNotFoundError, PlanError
        See `plan`.
    JournalInUseError
        If another job writes the same journal.
    KeyboardInterrupt
        After an interrupt; what was done is in the journal, and nothing is half-written.
    """
    sources = list(sources)
    jobs = plan(sources, target, action, options)
    if action is Action.VERIFY and target is None:
        jobs = _with_recorded_hashes(jobs, sources)
    summary = summary or Summary()
    folders = sorted({Path(job.target).parent for job in jobs if job.target})
    with ExitStack() as stack:
        journal: Journal | None = None
        if action is not Action.VERIFY:
            for folder in folders:
                folder.mkdir(parents=True, exist_ok=True)
            path = Path(records) if records is not None else _journal_path(sources, target)
            path.parent.mkdir(parents=True, exist_ok=True)
            journal = stack.enter_context(Journal(path))
            remove_leftovers(folders)
            todo = [job for job in jobs if not journal.is_done(job)]
        else:
            todo = jobs
        summary.done_before = len(jobs) - len(todo)
        if on_plan is not None:
            on_plan(todo, summary.done_before)

        def handle(record: Record) -> None:
            if journal is not None:
                journal.add(record)
            summary.add(record)
            if on_record is not None:
                on_record(record)

        if dask is not None:
            _run_on_dask(todo, dask, handle)
        else:
            _run_locally(todo, worker_count(workers), handle, on_bytes or no_tick)
        if action is not Action.VERIFY:
            remove_leftovers(folders)  # of workers that a killed job left behind, for a moment
            for folder in folders:
                sync_folder(folder)
    return summary


def _with_recorded_hashes(jobs: list[Job], sources: Sequence[str | os.PathLike[str]]) -> list[Job]:
    """Add the pixel hashes that the jobs which wrote the files left in journals beside them."""
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
    jobs: Sequence[Job], workers: int, handle: Callable[[Record], None], on_bytes: Callable[[int], None]
) -> None:
    threads = max(1, workers // len(jobs)) if jobs else 1
    waiting = deque(job._replace(threads=threads) for job in jobs)
    if workers == 1 or len(jobs) <= 1:
        total = 0

        def tick(size: int) -> None:
            nonlocal total
            total += size
            on_bytes(total)

        for job in waiting:
            handle(run_job(job, tick))
        return
    pool = _Pool(min(workers, len(jobs)), handle, on_bytes)
    while waiting:
        # When a process dies, so do those of all files in hand. These files get a process for one at a time: only the
        # file that kills it again is given up.
        suspects = pool.run(waiting)
        while suspects:
            for job in pool.run(suspects, alone=True):
                reason = "its worker process died twice, the second time alone: perhaps out of memory"
                handle(Record(job.action, job.name, job.source, job.target, Status.FAILED, reason))


def _next_jobs(waiting: deque[Job], workers: int) -> list[Job]:
    """Take the next files for a worker: a large one, or several small ones."""
    jobs = [waiting.popleft()]
    most = min(_TOGETHER, len(waiting) // (_QUEUED_FOR_EACH_WORKER * workers))
    size = _size(jobs[0])
    while len(jobs) <= most and (size := size + _size(waiting[0])) < _SIZE_TOGETHER:
        jobs.append(waiting.popleft())
    return jobs


def _size(job: Job) -> int:
    try:
        return os.stat(job.source).st_size
    except OSError:
        return 0


class _Pool:
    """Processes that work on files, and are replaced when one of them dies."""

    def __init__(self, workers: int, handle: Callable[[Record], None], on_bytes: Callable[[int], None]) -> None:
        self._context = _process_context()
        self._workers = workers
        self._handle = handle
        self._on_bytes = on_bytes
        self._stop = self._context.Event()
        self._bytes = self._context.Value("q", 0)

    def run(self, waiting: deque[Job], *, alone: bool = False) -> deque[Job]:
        """Do the files that wait until there are no more, or a process dies; gives the files in hand then."""
        executor = ProcessPoolExecutor(
            1 if alone else self._workers,
            mp_context=self._context,
            initializer=_start_worker,
            initargs=(self._stop, self._bytes),
        )
        most = 1 if alone else self._workers * _QUEUED_FOR_EACH_WORKER
        running: dict[Future[list[Record]], list[Job]] = {}
        in_hand: deque[Job] = deque()
        with _deferred_interrupts() as raise_interrupt:
            try:
                while (waiting or running) and not in_hand:
                    raise_interrupt()
                    while waiting and len(running) < most and not in_hand:
                        jobs = [waiting.popleft()] if alone else _next_jobs(waiting, self._workers)
                        try:
                            with _blocked_interrupts():  # may start a worker
                                running[executor.submit(_run_in_worker, jobs)] = jobs
                        except BrokenProcessPool:
                            in_hand.extend(jobs)
                    done, _ = wait(running, _INTERVAL, FIRST_COMPLETED)
                    self._collect(done, running, in_hand)
                    self._on_bytes(self._bytes.value)
            except BaseException:
                self._stop.set()
                executor.shutdown(cancel_futures=True)
                self._collect(list(running), running, in_hand)
                raise
            executor.shutdown()
            self._collect(list(running), running, in_hand)
        return in_hand

    def _collect(
        self,
        done: Iterable[Future[list[Record]]],
        running: dict[Future[list[Record]], list[Job]],
        in_hand: deque[Job],
    ) -> None:
        """Take the results of what is done: of all, once the executor was shut down.

        `wait` must not be asked then, for it waits for ever for what `shutdown` cancelled.
        """
        for future in done:
            jobs = running.pop(future)
            try:
                for record in future.result():
                    self._handle(record)
            except BrokenProcessPool:
                in_hand.extend(jobs)
            except CancelledFutureError:
                pass


def _process_context() -> BaseContext:
    """Give the way to start processes: not as copies of this one, which may have threads.

    Where there can be, a server that has loaded this package and does nothing else is copied. It starts with the first
    job and ends with this process.
    """
    if sys.platform != "linux":
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    return context


@contextmanager
def _deferred_interrupts() -> Iterator[Callable[[], None]]:
    """Let Ctrl-C act only where the function that this gives is called, and at the end.

    Anywhere else in a process pool, it can leave a lock held or a process that nobody knows of, and the pool hangs.
    Blocking the signal in this thread would not do: any other thread takes it then, and it is raised in this one.
    """
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield lambda: None  # Python raises nothing here
        return
    came = False

    def note(_number: int, _frame: FrameType | None) -> None:
        nonlocal came
        came = True

    def raise_interrupt() -> None:
        nonlocal came
        if came:
            came = False
            before(signal.SIGINT, None)

    signal.signal(signal.SIGINT, note)
    try:
        yield raise_interrupt
    finally:
        signal.signal(signal.SIGINT, before)
    raise_interrupt()


@contextmanager
def _blocked_interrupts() -> Iterator[None]:
    """Start processes with Ctrl-C blocked: it would end them before they can ignore it."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


_tick: Callable[[int], None] = no_tick


def _start_worker(stop: Event, counter: Synchronized[int]) -> None:
    global _tick  # of this process

    def tick(size: int) -> None:
        with counter.get_lock():
            counter.value += size
        if stop.is_set():
            raise CancelledError

    _tick = tick
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent says when to stop
    silence_pydicom()
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def silence_pydicom() -> None:
    """Let pydicom not write to standard error: of a file's oddities, those that matter become a reason."""
    warnings.filterwarnings("ignore", module="pydicom")
    logging.getLogger("pydicom").addHandler(_SILENCE)


def _end_with(sentinel: int) -> None:
    """End this process with its parent; a killed parent cannot say it."""
    wait_for_sentinels([sentinel])
    os._exit(1)


def _run_in_worker(jobs: Sequence[Job]) -> list[Record]:
    """Do some files, and go on with the next while the disk writes."""
    records: list[Record] = []
    syncing: deque[tuple[Steps[Record], Future[None]]] = deque()

    def go_on(steps: Steps[Record], error: BaseException | None = None) -> None:
        try:
            new = next(steps) if error is None else steps.throw(error)
        except StopIteration as end:
            records.append(end.value)
        else:
            syncing.append((steps, syncer.submit(new.sync)))

    def finish_oldest() -> None:
        steps, synced = syncing.popleft()
        go_on(steps, synced.exception())

    with ThreadPoolExecutor(_SYNCING) as syncer:
        with suppress(CancelledError):  # what is coded counts, also when the next one is stopped
            for job in jobs:
                _tick(0)
                go_on(job_steps(job, _tick))
                while len(syncing) == _SYNCING or (syncing and syncing[0][1].done()):
                    finish_oldest()
        while syncing:
            finish_oldest()
    return records


def _run_on_dask(jobs: Sequence[Job], dask: str | Client, handle: Callable[[Record], None]) -> None:
    """Give the files to a cluster, a few more than it can work on, and take each result as it comes."""
    from distributed import Client, as_completed

    with ExitStack() as stack:
        client = dask if isinstance(dask, Client) else stack.enter_context(Client(dask))  # type: ignore[no-untyped-call]
        waiting = deque(jobs)
        running: dict[Any, Job] = {}
        completed = as_completed()  # type: ignore[no-untyped-call]

        cores = max(1, sum(client.ncores().values()))

        def submit() -> None:
            job = waiting.popleft()
            parts = [
                client.submit(encode_part, job, *part, pure=False, retries=_RETRIES)
                for part in frame_ranges(job, _QUEUED_FOR_EACH_WORKER * cores)
            ]
            if parts:
                future = client.submit(_join, job, parts, pure=False, retries=_RETRIES)
            else:
                future = client.submit(run_job, job, pure=False, retries=_RETRIES)
            running[future] = job
            completed.add(future)  # type: ignore[no-untyped-call]

        try:
            for _ in range(min(len(waiting), _QUEUED_FOR_EACH_WORKER * cores)):
                submit()
            for future in completed:
                job = running.pop(future)
                try:
                    record = future.result()  # waits, if it was lost with its worker meanwhile and is made again
                except Exception as error:
                    if future.status != "error":
                        raise  # the cluster failed, not this file
                    reason = f"Dask gave it up: {error}"
                    record = Record(job.action, job.name, job.source, job.target, Status.FAILED, reason)
                handle(record)
                if waiting:
                    submit()
        except BaseException:
            client.cancel(list(running))
            raise


def frame_ranges(job: Job, most: int) -> list[tuple[int, int, str]]:
    """Divide the frames of a large native file among tasks: the arguments of `encode_part`, none if it does not pay."""
    if job.action is not Action.COMPRESS or job.target is None:
        return []
    try:
        if os.stat(job.source).st_size < 2 * _PART_SIZE:
            return []
        with SourceFile(Path(job.source)) as source:
            if source.transfer_syntax not in UncompressedTransferSyntaxes:
                return []
            frames = image_pixel_of(source.ds).number_of_frames
            count = min(most, frames, source.pixel_data_size // _PART_SIZE)
    except Exception:  # the job itself will say why
        return []
    ends = [frames * number // count for number in range(count + 1)] if count > 1 else []
    return [(first, last, str(temporary_path(Path(job.target)))) for first, last in pairwise(ends)]


def _join(job: Job, parts: list[Part | None]) -> Record:
    """Put a file together from its parts, or do all of it if there is not each of them."""
    known = [part for part in parts if part is not None and os.path.exists(part.path)]
    try:
        return run_job(job._replace(parts=tuple(known)) if len(known) == len(parts) else job)
    finally:
        for part in known:
            Path(part.path).unlink(missing_ok=True)
