"""Work for several cores: the one place that knows of threads. The codec releases the GIL."""

from __future__ import annotations

import operator
import os
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from dicom_jpegls.errors import ParameterError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Future

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def worker_count(workers: int | None) -> int:
    """Check the option `workers`; None means one for each core that this process may use."""
    if workers is None:
        if hasattr(os, "process_cpu_count"):  # Python 3.13
            return os.process_cpu_count() or 1
        if hasattr(os, "sched_getaffinity"):
            return len(os.sched_getaffinity(0))
        return os.cpu_count() or 1
    try:
        count = operator.index(workers)
    except TypeError:
        raise ParameterError(f"workers: a whole number or None is needed, found {workers!r}") from None
    if count < 1:
        raise ParameterError(f"workers: {count}; 1 or more is allowed, or None for one per core")
    return count


def map_in_order(function: Callable[[_Item], _Result], items: Iterable[_Item], workers: int) -> Iterator[_Result]:
    """Call a function for each item, so many at once, and give the results in the items' order.

    At most twice as many items as workers are taken and not yet given back, so memory stays bounded. After an exception
    or Ctrl-C, or when the iterator is closed, nothing new is started, and what runs is waited for: it uses buffers.
    One worker is the calling thread.
    """
    if workers == 1:
        yield from map(function, items)
        return
    executor = ThreadPoolExecutor(workers, thread_name_prefix="dicom_jpegls")
    pending: deque[Future[_Result]] = deque()
    try:
        for item in items:
            pending.append(executor.submit(function, item))
            if len(pending) == 2 * workers:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        try:
            executor.shutdown(wait=True, cancel_futures=True)
        except KeyboardInterrupt:  # while it waits
            executor.shutdown(wait=True, cancel_futures=True)
            raise
