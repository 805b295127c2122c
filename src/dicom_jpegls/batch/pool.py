"""Many files on the processes of this machine, some of which may die; Ctrl-C; syncing while the next ones are coded."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import sys
import threading
import warnings
from collections import deque
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, ThreadPoolExecutor, wait
from concurrent.futures import CancelledError as CancelledFutureError
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from multiprocessing.connection import wait as wait_for_sentinels
from typing import TYPE_CHECKING

from dicom_jpegls.batch.jobs import CancelledError, failure, job_steps
from dicom_jpegls.batch.plan import JobQueue
from dicom_jpegls.files import (
    FRAMES_TOGETHER,
    SIZE_TOGETHER,
    SharedCoding,
    code_together,
    file_size,
    ignore_frame,
    next_step,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from multiprocessing.context import BaseContext
    from multiprocessing.sharedctypes import Synchronized
    from multiprocessing.synchronize import Event
    from types import FrameType

    from dicom_jpegls.batch.jobs import Job
    from dicom_jpegls.batch.records import Record
    from dicom_jpegls.files import NewFile, Steps

# How often progress is reported, in seconds.
_INTERVAL = 0.1

# How many groups of files are submitted for each worker, so that none is idle.
GROUPS_PER_WORKER = 2

# Small files are submitted in groups of up to so many files and bytes: submitting one takes as long as coding it, and
# frames are coded together only within a group.
FILES_PER_GROUP = 4 * FRAMES_TOGETHER
_GROUP_SIZE = SIZE_TOGETHER

# How many new files of a worker may be syncing while it codes the next, and how many of them a thread syncs one after
# the other: handing a file to a thread and back costs much of the time for a small one.
_SYNCING_PER_WORKER = 2 * FRAMES_TOGETHER
_SYNCED_TOGETHER = 4

# How many files of a worker may be open and wait until their frames can be coded with those of others.
_WAITING_PER_WORKER = 64

# What asks a job to end: Ctrl-C, a service manager or batch system, a closed terminal. Without a handler, those but
# Ctrl-C end the process at once.
END_SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))

_SILENCE = logging.NullHandler()


def silence_pydicom() -> None:
    """Keep pydicom from writing to standard error; what matters of a file becomes the reason in its record."""
    warnings.filterwarnings("ignore", module="pydicom")
    logging.getLogger("pydicom").addHandler(_SILENCE)


# What a worker process calls after each frame.
_on_frame: Callable[[int], None] = ignore_frame


def run_overlapping(jobs: Iterable[Job], on_frame: Callable[[int], None], on_record: Callable[[Record], None]) -> None:
    """Run jobs: the frames of small files are coded together, and the next ones while the new files are synced.

    Parameters
    ----------
    jobs : iterable of Job
        What to do.
    on_frame : callable
        See `run_job`; also called with 0 before each file. If it raises, new files that are complete are still synced
        and renamed.
    on_record : callable
        Called with the record of each file, as it is done.
    """
    with ThreadPoolExecutor(_SYNCING_PER_WORKER // _SYNCED_TOGETHER) as syncer:
        overlapping = _Overlapping(syncer, on_record)
        try:
            for job in jobs:
                on_frame(0)
                overlapping.start(job_steps(job, on_frame))
            overlapping.code_all()
        finally:
            overlapping.finish()


class _Overlapping:
    """The files that a worker has begun, each until its next step."""

    def __init__(self, syncer: ThreadPoolExecutor, on_record: Callable[[Record], None]) -> None:
        self._syncer = syncer
        self._on_record = on_record
        self._complete: list[tuple[Steps[Record], NewFile]] = []  # and not synced
        # The outcomes of the files of a thread, and which of them it is.
        self._syncing: deque[tuple[Steps[Record], Future[list[Exception | None]], int]] = deque()
        # By what codes them: the first to be filled are the first to be coded.
        self._waiting: dict[object, list[tuple[Steps[Record], SharedCoding]]] = {}

    def start(self, steps: Steps[Record]) -> None:
        """Begin with a file, and do for others what has become possible."""
        self._proceed(steps)
        self._sync()

    def _proceed(self, steps: Steps[Record], outcome: object = None) -> None:
        try:
            step = next_step(steps, outcome)
        except StopIteration as end:
            self._on_record(end.value)
            return
        if isinstance(step, SharedCoding):
            key = step.function, step.coder
            self._waiting.setdefault(key, []).append((steps, step))
            if sum(len(coding.items) for _, coding in self._waiting[key]) >= FRAMES_TOGETHER:
                self._code(key)
            while self._waits_for_too_many():
                self._code(next(iter(self._waiting)))
        else:
            self._complete.append((steps, step))
            if len(self._complete) == _SYNCED_TOGETHER:
                self._sync()

    def _sync(self) -> None:
        """Sync the files that are complete, and continue with those that were synced meanwhile."""
        if self._complete:
            synced = self._syncer.submit(_sync_all, [new_file for _, new_file in self._complete])
            self._syncing.extend((steps, synced, number) for number, (steps, _) in enumerate(self._complete))
            self._complete = []
        while len(self._syncing) >= _SYNCING_PER_WORKER or (self._syncing and self._syncing[0][1].done()):
            self._finish_oldest()

    def _waits_for_too_many(self) -> bool:
        sizes = [coding.size for group in self._waiting.values() for _, coding in group]
        return len(sizes) > _WAITING_PER_WORKER or sum(sizes) > SIZE_TOGETHER

    def _code(self, key: object) -> None:
        """Code the frames of all files that wait for each other, and continue with these files."""
        group = self._waiting.pop(key)
        outcomes = code_together([coding for _, coding in group])
        try:
            for outcome in outcomes:
                steps, _ = group.pop(0)
                self._proceed(steps, outcome)
        finally:
            _close(group)  # those after one that is interrupted

    def code_all(self) -> None:
        """Code the frames of all files that wait for others."""
        while self._waiting:
            self._code(next(iter(self._waiting)))

    def _finish_oldest(self) -> None:
        steps, synced, number = self._syncing.popleft()
        self._proceed(steps, synced.result()[number])

    def finish(self) -> None:
        """Finish the files that are being synced, and leave those that wait for others."""
        for group in self._waiting.values():
            _close(group)
        self._sync()
        while self._syncing:
            self._finish_oldest()
            self._sync()


def _sync_all(new_files: Sequence[NewFile]) -> list[Exception | None]:
    """Sync files, and return the error of each, or None."""
    errors: list[Exception | None] = []
    for new_file in new_files:
        try:
            new_file.sync()
        except Exception as error:
            errors.append(error)
        else:
            errors.append(None)
    return errors


def _close(group: Iterable[tuple[Steps[Record], SharedCoding]]) -> None:
    for steps, _ in group:
        steps.close()


def run_jobs(jobs: Sequence[Job]) -> list[Record]:
    """Run jobs in a worker process, until it is told to stop."""
    records: list[Record] = []
    with suppress(CancelledError):
        run_overlapping(jobs, _on_frame, records.append)
    return records


class ProcessPool:
    """Processes that run jobs and are replaced if one of them dies.

    Parameters
    ----------
    workers : int
        The number of processes.
    on_record : callable
        Called with the record of each file.
    on_progress : callable
        Called regularly with the number of native bytes processed so far.
    run_group : callable, optional
        What a process does with a group of jobs.
    """

    def __init__(
        self,
        workers: int,
        on_record: Callable[[Record], None],
        on_progress: Callable[[int], None],
        run_group: Callable[[Sequence[Job]], list[Record]] = run_jobs,
    ) -> None:
        self._context = _process_context()
        self._workers = workers
        self._on_record = on_record
        self._on_progress = on_progress
        self._run_group = run_group
        self._stop = self._context.Event()
        self._bytes = self._context.Value("q", 0)

    def run(self, jobs: Sequence[Job]) -> None:
        """Run jobs, each of them once.

        When a process dies, the pool loses all files in flight. Each of these gets a process to itself, so that only
        the file that kills it again is given up.
        """
        waiting = JobQueue(jobs)
        while waiting:
            suspects = JobQueue(self._run_until_death(waiting))
            while suspects:
                for job in self._run_until_death(suspects, alone=True):
                    reason = (
                        "its worker process died twice, the second time with only this file (possibly out of memory)"
                    )
                    self._on_record(failure(job, reason))

    def _run_until_death(self, waiting: JobQueue, *, alone: bool = False) -> list[Job]:
        """Run the waiting jobs until none is left or a process dies; return the jobs that were then in flight."""
        executor = ProcessPoolExecutor(
            1 if alone else self._workers,
            mp_context=self._context,
            initializer=_start_worker,
            initargs=(self._stop, self._bytes),
        )
        max_groups = 1 if alone else self._workers * GROUPS_PER_WORKER
        running: dict[Future[list[Record]], list[Job]] = {}
        in_flight: list[Job] = []
        with deferred_interrupts() as raise_interrupt:
            try:
                while (waiting or running) and not in_flight:
                    raise_interrupt()
                    while waiting and len(running) < max_groups and not in_flight:
                        jobs = [waiting.take()] if alone else self._next_group(waiting)
                        try:
                            with _blocked_interrupts():  # submit may start a process
                                running[executor.submit(self._run_group, jobs)] = jobs
                        except BrokenProcessPool:
                            in_flight.extend(jobs)
                    done, _ = wait(running, _INTERVAL, FIRST_COMPLETED)
                    self._collect(done, running, in_flight)
                    self._on_progress(self._bytes.value)
            except BaseException:
                self._stop.set()
                executor.shutdown(cancel_futures=True)
                self._collect(list(running), running, in_flight)
                raise
            executor.shutdown()
            self._collect(list(running), running, in_flight)
        return in_flight

    def _next_group(self, waiting: JobQueue) -> list[Job]:
        """Take the next jobs for a worker: one large file, or several small ones."""
        jobs = [waiting.take()]
        most = min(FILES_PER_GROUP, len(waiting) // (GROUPS_PER_WORKER * self._workers))
        size = file_size(jobs[0].source)
        while len(jobs) < most and (size := size + file_size(waiting.first.source)) < _GROUP_SIZE:
            jobs.append(waiting.take())
        return jobs

    def _collect(
        self,
        done: Iterable[Future[list[Record]]],
        running: dict[Future[list[Record]], list[Job]],
        in_flight: list[Job],
    ) -> None:
        """Take the results of futures that are done; after the shutdown of the executor, all are.

        `wait` must not be called after the shutdown: it never returns for the futures that `shutdown` cancelled.
        """
        for future in done:
            jobs = running.pop(future)
            try:
                for record in future.result():
                    self._on_record(record)
            except BrokenProcessPool:
                in_flight.extend(jobs)
            except CancelledFutureError:
                pass


def _process_context() -> BaseContext:
    """Return the way to start processes: not by copying this one, which may have threads.

    On Linux, they are copied from a server process that has loaded this package and does nothing else. It starts with
    the first job and ends with this process.
    """
    if sys.platform != "linux":
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    return context


@contextmanager
def deferred_interrupts() -> Iterator[Callable[[], None]]:
    """Let the first signal that ends a job take effect only where the yielded function is called, and at the end.

    Anywhere else in a process pool, it can leave a lock held or a process unknown, and the pool hangs. Blocking the
    signal in this thread is not enough: another thread then receives it, and it is raised in this one. A second signal
    takes effect at once: something hangs.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: None  # Python raises nothing here
        return
    before = {number: handler for number in END_SIGNALS if callable(handler := signal.getsignal(number))}
    received: list[signal.Signals] = []
    raised = False

    def note(number: int, frame: FrameType | None) -> None:
        received.append(signal.Signals(number))
        if len(received) > 1:
            with suppress(KeyboardInterrupt):
                raise_interrupt()  # the first, so that the handler knows that this is the second
            before[received[-1]](number, frame)

    def raise_interrupt() -> None:
        nonlocal raised
        if received and not raised:
            raised = True
            before[received[0]](received[0], None)

    for number in before:
        signal.signal(number, note)
    try:
        yield raise_interrupt
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
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


def _start_worker(stop: Event, counter: Synchronized[int]) -> None:
    global _on_frame  # of this process

    def count_frame(size: int) -> None:
        with counter.get_lock():
            counter.value += size
        if stop.is_set():
            raise CancelledError

    _on_frame = count_frame
    # The parent process says when to stop. A process that SIGTERM ends is replaced, and the executor relies on it.
    for number in END_SIGNALS:
        if number != signal.SIGTERM:
            signal.signal(number, signal.SIG_IGN)
    silence_pydicom()
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with_parent, args=(parent.sentinel,), daemon=True).start()


def _end_with_parent(sentinel: int) -> None:
    """End this process when its parent ends, which may have been killed."""
    wait_for_sentinels([sentinel])
    os._exit(1)
