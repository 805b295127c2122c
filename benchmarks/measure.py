"""What all measurements share: images, timing, memory, and facts about the machine.

Contenders work on the same image in one process and take turns, and the shortest call of each counts: other processes
can slow a call down but never speed it up. Ratios therefore hold even on a busy machine, if there are enough turns.
"""

from __future__ import annotations

import multiprocessing
import os
import platform
import re
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydicom import examples

Array = NDArray[Any]

Contender = Callable[[int], float]
"""Makes a number of calls and returns the shortest time, in nanoseconds."""

MEBIBYTE = 1 << 20


# Images


class Case(NamedTuple):
    """An image, (rows, columns) or (rows, columns, samples), and how it is measured."""

    name: str
    image: Array
    bits_per_sample: int
    calls: int
    """The number of calls in one turn."""

    @property
    def arguments(self) -> dict[str, int]:
        """The keyword arguments for `encode_into`."""
        height, width = self.image.shape[:2]
        component_count = self.image.shape[2] if self.image.ndim == 3 else 1
        return {
            "width": width,
            "height": height,
            "component_count": component_count,
            "bits_per_sample": self.bits_per_sample,
        }


def real_cases() -> list[Case]:
    """Return real images from the pydicom wheel, cropped or tiled to size."""
    ct = examples.ct.pixel_array  # signed 16 bits
    tiled = np.tile(ct, (4, 4))
    rgb = np.tile(examples.rgb_color.pixel_array, (3, 2, 1))[:512, :512]
    twelve_bits = (tiled.astype(np.int32) + 1024).clip(0, 4095).astype(np.uint16)
    return [
        Case("32 x 32, 16 bits", np.ascontiguousarray(ct[48:80, 48:80]).view(np.uint16), 16, 2000),
        Case("32 x 32, 8 bits", np.ascontiguousarray(rgb[100:132, 100:132, 0]), 8, 2000),
        Case("512 x 512, 16 bits", tiled.view(np.uint16), 16, 8),
        Case("512 x 512, 12 bits", twelve_bits, 12, 8),
        Case("512 x 512 RGB, 8 bits", np.ascontiguousarray(rgb), 8, 5),
    ]


def moved(image: Array, frame_count: int, size: int) -> Array:
    """Return frames of an image, repeated to a size and each moved a few samples further."""
    tiled = np.tile(image, (-(-size // image.shape[0]), -(-size // image.shape[1])))[:size, :size]
    return np.stack([np.roll(tiled, (3 * i, 7 * i), axis=(0, 1)) for i in range(frame_count)])


def moved_ct(frame_count: int, size: int = 512) -> NDArray[np.int16]:
    """Return frames of a real CT slice of the pydicom wheel: signed, 16 bits."""
    return moved(examples.ct.pixel_array, frame_count, size)


def series(frame_count: int, size: int = 512) -> list[Case]:
    """Return series of equal frames: a real CT slice and a real MR slice, moved, and synthetic CT of two precisions."""
    mr = examples.overlay.pixel_array.astype(np.uint16)
    synthetic = synthetic_ct(frame_count, size)
    twelve_bits = (synthetic.astype(np.int32) + 1024).clip(0, 4095).astype(np.uint16)
    return [
        Case("CT, 16 bits", moved_ct(frame_count, size).view(np.uint16), 16, 1),
        Case("MR, 12 bits", moved(mr, frame_count, size), 12, 1),
        Case("synthetic CT, 16 bits", synthetic.view(np.uint16), 16, 1),
        Case("synthetic CT, 12 bits", twelve_bits, 12, 1),
    ]


def smooth(rows: int, columns: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return a body with soft organs, without noise: 0 outside, about 1 inside."""
    y, x = np.ogrid[-1 : 1 : rows * 1j, -1 : 1 : columns * 1j]
    body = np.where((y / 0.8) ** 2 + (x / 0.9) ** 2 < 1, 0.8, 0.0)
    for _ in range(12):
        (at_y, at_x), (high, wide) = rng.uniform(-0.5, 0.5, 2), rng.uniform(0.05, 0.3, 2)
        body = body + rng.uniform(-0.3, 0.3) * np.exp(-(((y - at_y) / high) ** 2) - ((x - at_x) / wide) ** 2)
    return body


def synthetic_ct(frame_count: int, size: int = 512) -> NDArray[np.int16]:
    """Return frames that resemble a CT: signed, air and a body, noise of 12 HU."""
    rng = np.random.default_rng(5)
    frames = [
        -1000 + 1300 * smooth(size, size, rng) + rng.normal(0, 12, (size, size)) for _ in range(frame_count)
    ]  # fmt: skip
    return np.rint(frames).astype(np.int16)


def synthetic_dx(size: int = 4096) -> NDArray[np.uint16]:
    """Return an image that resembles a digital X-ray: 12 bits, large, smooth, some noise."""
    rng = np.random.default_rng(6)
    image = 300 + 2600 * smooth(size, size, rng) + rng.normal(0, 6, (size, size))
    return np.rint(image).clip(0, 4095).astype(np.uint16)


# Time


class Timing(NamedTuple):
    """The shortest call in nanoseconds, and the relative difference between the shortest of odd and of even turns."""

    best: float
    noise: float


def python_calls(function: Callable[..., object], prepare: Callable[[], Any] | None = None) -> Contender:
    """Return a contender for a Python function; `prepare` returns its argument and is not timed."""

    def contender(calls: int) -> float:
        best = float("inf")
        for _ in range(calls):
            arguments = () if prepare is None else (prepare(),)
            start = time.perf_counter_ns()
            result = function(*arguments)
            best = min(best, time.perf_counter_ns() - start)
            del result, arguments
        return best

    return contender


def compare(contenders: dict[str, Contender], calls: int, rounds: int) -> dict[str, Timing]:
    """Time contenders in turn."""
    turns: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(max(2, rounds)):
        for name, contender in contenders.items():
            found = contender(calls)
            if found < 0:
                raise RuntimeError(f"{name}: CharLS's code {-found:.0f}")
            turns[name].append(found)
    timings = {}
    for name, found_times in turns.items():
        halves = min(found_times[::2]), min(found_times[1::2])
        timings[name] = Timing(min(halves), max(halves) / min(halves) - 1)
    return timings


# Memory


def can_measure_memory() -> bool:
    """Return whether the peak of resident memory can be reset, as on Linux."""
    return os.access("/proc/self/clear_refs", os.W_OK)


def peak_memory(function: Callable[[Path], object], source: Path, warm_up: Path) -> int:
    """Return the largest increase of resident memory that a function causes in a separate process, in bytes.

    The function reads its input from a file and returns its output; both count. It is called with another file first,
    so that what is loaded and allocated only once does not count.
    """
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as executor:
        return executor.submit(_peak_memory, function, source, warm_up).result()


def _peak_memory(function: Callable[[Path], object], source: Path, warm_up: Path) -> int:
    function(warm_up)
    before = _status("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")
    result = function(source)
    peak = _status("VmHWM") - before
    del result
    return peak


def _status(name: str) -> int:
    found = re.search(rf"^{name}:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
    if found is None:
        raise OSError(f"/proc/self/status has no {name}")
    return int(found[1]) * 1024


# The machine


def machine_facts() -> str:
    """Describe the machine."""
    processor = platform.processor() or platform.machine()
    information = Path("/proc/cpuinfo")
    if information.exists():
        found = re.search(r"^model name\s*:\s*(.*)$", information.read_text(), re.MULTILINE)
        processor = found[1].strip() if found else processor
    return (
        f"{core_count()} cores of {processor} ({platform.machine()}), {platform.system()}, "
        f"CPython {platform.python_version()}"
    )


def core_count() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
