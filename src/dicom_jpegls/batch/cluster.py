"""Many files on a Dask cluster."""

from __future__ import annotations

import logging
import os
import secrets
import time
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any

from dicom_jpegls._codec import __version__
from dicom_jpegls.batch.jobs import failure, run_job
from dicom_jpegls.batch.plan import JobQueue

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from distributed import Client

    from dicom_jpegls.batch.jobs import Job
    from dicom_jpegls.batch.records import Record

# How many files are submitted for each core, so that none is idle.
_FILES_PER_CORE = 2

# How often a task is repeated after its worker died.
_RETRIES = 3

# Seconds to wait for the scheduler, and for the answers of the workers.
_TIMEOUT = 10

# Seconds without any worker after which the job ends. Until then a new one can replace those that were lost.
_WORKERLESS_TIME = 60.0

# Seconds between two looks at the cluster, and between two reports of a task.
_INTERVAL = 0.5

# Seconds between two looks at the results.
_POLL_INTERVAL = 0.01


class ClusterError(Exception):
    """The Dask cluster cannot run the job."""


def _version() -> str:
    """Return the version of this package on a worker."""
    return __version__


def run_on_dask(
    jobs: Sequence[Job],
    dask: str | Client,
    on_record: Callable[[Record], None],
    on_notice: Callable[[str], None] = lambda _message: None,
    on_progress: Callable[[int], None] = lambda _size: None,
) -> None:
    """Run jobs on a cluster.

    Parameters
    ----------
    jobs : sequence of Job
        What to do.
    dask : str or distributed.Client
        The cluster, or the address of its scheduler.
    on_record : callable
        Called with the record of each file as it completes.
    on_notice : callable, optional
        Called with a message while there are no workers.
    on_progress : callable, optional
        Called regularly with the number of native bytes processed so far.

    Raises
    ------
    ClusterError
        If the scheduler cannot be reached or goes away, there are no workers for a minute, or a worker does not have
        this version of the package.
    """
    from distributed import Client

    with ExitStack() as stack:
        client = dask if isinstance(dask, Client) else stack.enter_context(_connected(dask))
        _wait_for_workers(client, on_notice)
        _check_workers(client)
        _Run(client, jobs, on_record, on_notice, on_progress).run()


def _connected(address: str) -> Client:
    from distributed import Client

    # The package logs each lost connection with a traceback; what matters becomes a ClusterError.
    for name in [name for name in logging.root.manager.loggerDict if name.partition(".")[0] == "distributed"]:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    client: Client = Client.__new__(Client)
    try:
        Client.__init__(client, address, timeout=_TIMEOUT)  # type: ignore[no-untyped-call]
    except (OSError, ValueError, TypeError) as error:  # a timeout is an OSError
        # A client that failed closes itself when it is collected. If that happens while another one starts, it waits
        # for a lock that its own thread holds, without end.
        with suppress(Exception):
            client.close()  # type: ignore[no-untyped-call]
        raise ClusterError(f"no Dask scheduler at {address}: {_one_line(error)}") from None
    return client


def _wait_for_workers(client: Client, on_notice: Callable[[str], None]) -> None:
    end = time.monotonic() + _WORKERLESS_TIME
    told = False
    while not _cores(client):
        if not told:
            on_notice("waiting for workers of the Dask cluster")
            told = True
        if time.monotonic() > end:
            raise ClusterError(f"the Dask cluster has had no workers for {_WORKERLESS_TIME:.0f} s")
        time.sleep(_INTERVAL)


def _cores(client: Client) -> dict[str, int]:
    """Return the cores of each worker."""
    if client.status != "running":
        raise ClusterError("the connection to the Dask scheduler was lost")
    try:
        return dict(client.ncores())  # type: ignore[no-untyped-call]
    except (OSError, RuntimeError) as error:
        raise ClusterError(f"the Dask scheduler does not answer: {_one_line(error)}") from None


def _check_workers(client: Client) -> None:
    """Check that each worker has the package, in this version."""
    try:
        found = client.run(_version, on_error="return")
    except Exception as error:
        raise ClusterError(f"the workers of the Dask cluster cannot be asked: {_one_line(error)}") from None
    for address, version in found.items():
        if isinstance(version, ModuleNotFoundError):
            raise ClusterError(f"the Dask worker {address} does not have dicom-jpegls {__version__}: {version}")
        if isinstance(version, Exception):
            raise ClusterError(f"the Dask worker {address} cannot be used: {_one_line(version)}")
        if version != __version__:
            raise ClusterError(f"the Dask worker {address} has dicom-jpegls {version}; {__version__} is needed")


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__


def _run_and_report(job: Job, topic: str) -> Record:
    """Run a job on a worker, and report its progress to the client."""
    from distributed import get_worker

    worker = get_worker()
    unreported = 0
    last = time.monotonic()

    def on_frame(size: int) -> None:
        nonlocal unreported, last
        unreported += size
        now = time.monotonic()
        if now - last > _INTERVAL:
            worker.log_event(topic, unreported)
            unreported, last = 0, now

    record = run_job(job, on_frame)
    worker.log_event(topic, unreported)
    return record


class _Run:
    """The tasks of a job on a cluster."""

    def __init__(
        self,
        client: Client,
        jobs: Sequence[Job],
        on_record: Callable[[Record], None],
        on_notice: Callable[[str], None],
        on_progress: Callable[[int], None],
    ) -> None:
        from distributed import as_completed

        self._client = client
        self._waiting = JobQueue(jobs)
        self._on_record = on_record
        self._on_notice = on_notice
        self._on_progress = on_progress
        self._running: dict[Any, Job] = {}
        self._completed = as_completed(loop=client.loop)  # type: ignore[no-untyped-call]
        self._topic = f"dicom-jpegls-{secrets.token_hex(8)}"
        self._size = 0

    def run(self) -> None:
        """Submit the jobs and take their results."""
        # Not all files at once: the scheduler's memory would grow with the archive.
        max_running = _FILES_PER_CORE * max(1, sum(_cores(self._client).values()))
        self._client.subscribe_topic(self._topic, self._add_progress)  # type: ignore[no-untyped-call]
        try:
            while self._waiting or self._running:
                while self._waiting and len(self._running) < max_running:
                    self._submit(self._waiting.take())
                self._wait(self._completed.has_ready)
                self._take_result(next(self._completed))
        finally:
            with suppress(Exception):  # the cluster may be gone, and its tasks with it
                self._client.cancel(list(self._running))  # type: ignore[no-untyped-call]
                self._client.unsubscribe_topic(self._topic)  # type: ignore[no-untyped-call]

    def _add_progress(self, event: tuple[float, int]) -> None:
        self._size += event[1]

    def _submit(self, job: Job) -> None:
        # A worker has another current folder.
        remote = job._replace(
            source=os.path.abspath(job.source),
            target=os.path.abspath(job.target) if job.target is not None else None,
        )
        future = self._client.submit(_run_and_report, remote, self._topic, pure=False, retries=_RETRIES)
        self._running[future] = job
        self._completed.add(future)  # type: ignore[no-untyped-call]

    def _take_result(self, future: Any) -> None:
        job = self._running.pop(future)
        if future.status != "error":
            self._wait(future.done)  # a result that was lost with its worker is made again
        try:
            record = future.result(timeout=_TIMEOUT)
        except Exception as error:
            if future.status != "error":
                raise ClusterError(f"the Dask cluster failed: {_one_line(error)}") from None
            record = failure(job, f"Dask could not complete the task: {_one_line(error)}")
        self._on_record(record._replace(source=job.source, target=job.target))

    def _wait(self, is_done: Callable[[], bool]) -> None:
        """Wait for something, as long as the cluster has workers."""
        look = time.monotonic() + _INTERVAL
        while not is_done():
            time.sleep(_POLL_INTERVAL)
            if time.monotonic() > look:
                self._on_progress(self._size)
                _wait_for_workers(self._client, self._on_notice)
                look = time.monotonic() + _INTERVAL
