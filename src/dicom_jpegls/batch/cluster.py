"""Many files on a Dask cluster."""

from __future__ import annotations

from collections import deque
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from dicom_jpegls.batch.jobs import encode_frame_range, failure, frame_ranges, join_frame_ranges, run_job

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from distributed import Client

    from dicom_jpegls.batch.jobs import Job, Record

# How many files are submitted for each core, so that none is idle.
_FILES_PER_CORE = 2

# How often a task is repeated after its worker died.
_RETRIES = 3


def run_on_dask(jobs: Sequence[Job], dask: str | Client, on_record: Callable[[Record], None]) -> None:
    """Run jobs on a cluster.

    Parameters
    ----------
    jobs : sequence of Job
        What to do.
    dask : str or distributed.Client
        The cluster, or the address of its scheduler.
    on_record : callable
        Called with the record of each file as it completes.
    """
    from distributed import Client, as_completed

    with ExitStack() as stack:
        client = dask if isinstance(dask, Client) else stack.enter_context(Client(dask))  # type: ignore[no-untyped-call]
        waiting = deque(jobs)
        running: dict[Any, Job] = {}
        completed = as_completed()  # type: ignore[no-untyped-call]
        # Not all files at once: the scheduler's memory would grow with the archive.
        max_running = _FILES_PER_CORE * max(1, sum(client.ncores().values()))

        def submit() -> None:
            job = waiting.popleft()
            ranges = [
                client.submit(encode_frame_range, job, *frame_range, pure=False, retries=_RETRIES)
                for frame_range in frame_ranges(job, max_running)
            ]
            if ranges:
                future = client.submit(join_frame_ranges, job, ranges, pure=False, retries=_RETRIES)
            else:
                future = client.submit(run_job, job, pure=False, retries=_RETRIES)
            running[future] = job
            completed.add(future)  # type: ignore[no-untyped-call]

        try:
            for _ in range(min(len(waiting), max_running)):
                submit()
            for future in completed:
                job = running.pop(future)
                try:
                    record = future.result()  # waits if the result was lost with its worker and is computed again
                except Exception as error:
                    if future.status != "error":
                        raise  # the cluster failed, not this file
                    record = failure(job, f"Dask could not complete the task: {error}")
                on_record(record)
                if waiting:
                    submit()
        except BaseException:
            client.cancel(list(running))
            raise
