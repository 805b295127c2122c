"""Work for several threads: the only module that starts any. The codec releases the GIL."""

from __future__ import annotations

import itertools
import operator
import os
import threading
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, TypeVar

from dicom_jpegls.errors import ParameterError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
    from concurrent.futures import Future

# More threads than any machine has use for, and so few that numbers of tasks computed from it stay small.
MAXIMUM_WORKERS = 512

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def worker_count(workers: int | None) -> int:
    """Check the option `workers` and return it, at most `MAXIMUM_WORKERS`.

    None stands for the number of cores that this process may use.
    """
    return min(_requested_workers(workers), MAXIMUM_WORKERS)


def _requested_workers(workers: int | None) -> int:
    if workers is None:
        if hasattr(os, "process_cpu_count"):  # Python 3.13
            return os.process_cpu_count() or 1
        if hasattr(os, "sched_getaffinity"):
            return len(os.sched_getaffinity(0))
        return os.cpu_count() or 1
    try:
        count = operator.index(workers)
    except TypeError:
        raise ParameterError(f"workers: must be an integer or None, found {workers!r}") from None
    if count < 1:
        raise ParameterError(f"workers: must be at least 1, or None for one per core, found {count}")
    return count


def map_in_order(function: Callable[[_Item], _Result], items: Iterable[_Item], workers: int) -> Generator[_Result]:
    """Call a function for each item in `workers` threads, and yield the results in the items' order.

    At most twice as many items as workers are taken and not yet yielded, which bounds the memory. After an exception or
    Ctrl-C, or when the iterator is closed, no new call is started, and running ones are waited for: they use buffers.
    One worker is the calling thread.
    """
    if workers == 1:
        yield from map(function, items)
        return
    pending: deque[Future[_Result]] = deque()
    with _threads(workers) as executor:
        for item in items:
            pending.append(executor.submit(function, item))
            if len(pending) == 2 * workers:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()


def map_blocks_in_order(
    function: Callable[[list[_Item]], Iterable[_Result]], items: Iterable[_Item], workers: int, size: int
) -> Iterator[_Result]:
    """As `map_in_order`, for a function of up to `size` consecutive items that returns an iterable of their results."""
    iterator = iter(items)
    blocks = iter(lambda: list(itertools.islice(iterator, size)), [])
    with closing(map_in_order(function, blocks, workers)) as blocks_of_results:
        for results in blocks_of_results:
            yield from results


def map_all(function: Callable[[_Item], _Result], items: Sequence[_Item], workers: int) -> list[_Result]:
    """Call a function for each item in `workers` threads, and return the results in the items' order.

    The calling thread is one of the workers, and each worker takes the next item itself: faster than `map_in_order`,
    whose items go through the calling thread. After an exception or Ctrl-C no new call is started and running ones are
    waited for. Of several exceptions, that of the first item is raised. There are never more threads than items.
    """
    workers = min(workers, len(items))
    if workers <= 1:
        return list(map(function, items))
    results: dict[int, _Result] = {}
    failures: dict[int, Exception] = {}
    numbers = iter(range(len(items)))
    lock = threading.Lock()
    stop = False

    def work() -> None:
        while not (stop or failures):
            with lock:
                number = next(numbers, None)
            if number is None:
                return
            try:
                results[number] = function(items[number])
            except Exception as error:
                failures[number] = error

    with _threads(workers - 1) as executor:
        try:
            others = [executor.submit(work) for _ in range(workers - 1)]
            work()
        finally:
            stop = True  # if it is interrupted; otherwise all items are taken
    for other in others:
        if not other.cancelled():  # it had not begun when all items were taken
            other.result()
    if failures:
        raise failures[min(failures)]
    return [results[number] for number in range(len(items))]


_numbers = itertools.count()


@contextmanager
def _threads(count: int) -> Iterator[ThreadPoolExecutor]:
    prefix = f"dicom_jpegls-{next(_numbers)}"
    executor = ThreadPoolExecutor(count, thread_name_prefix=prefix)
    try:
        yield executor
    finally:
        try:
            executor.shutdown(wait=True, cancel_futures=True)
        except KeyboardInterrupt:  # while it waits
            executor.shutdown(wait=True, cancel_futures=True)
            raise
        finally:
            # An executor that is interrupted while it starts a thread does not know of the thread, and does not wait.
            while any(thread.name.startswith(f"{prefix}_") for thread in threading.enumerate()):
                time.sleep(0.001)
