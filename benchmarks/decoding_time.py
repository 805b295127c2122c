"""Measure the worst decoding time: nanoseconds per sample and byte, by size and kind of content; and the worst memory.

Usage: python benchmarks/decoding_time.py [--write]

Intact streams of every kind, and the same with flipped bits, whether they decode or not; and inputs with as much
structure as possible in few bytes (tests/support/costly_inputs.py), with the peak of resident memory, on Linux. If the
time is linear in samples plus bytes for any input, the figures of a kind do not change as the input grows. Each is the
least processor time of several runs. ``--write`` puts the tables into docs/security.md.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from interoperability import markdown_table, replace_marked
from numpy.typing import NDArray

import dicom_jpegls as jls

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from support.costly_inputs import COSTLY_INPUTS, measure
from support.jls_streams import make_image

DOCUMENT = Path(__file__).parents[1] / "docs" / "security.md"
SIZES = (128, 512, 1024)
RUNS = 5
DAMAGED = 5  # streams with flipped bits
FLIPS = 4
COSTLY_SIZES = (500_000, 2_000_000)  # bytes


def images(size: int) -> Iterator[tuple[str, NDArray[Any], dict[str, Any]]]:
    """Yield the images of a size, each with a name and its encoding options."""
    for kind in ("noise", "extremes", "flat", "runs"):
        for bits in (8, 16):
            yield f"{kind}, {bits} bits", make_image(kind, (size, size), bits), {"bits_per_sample": bits}
    yield "noise, colour by sample", make_image("noise", (size, size, 3), 8), {"interleave_mode": 2}
    yield "noise, a restart marker each line", make_image("noise", (size, size), 8), {"restart_interval": 1}


def damaged(stream: bytes, seed: int) -> bytes:
    """Return the stream with some bits of the entropy-coded data flipped."""
    random = np.random.default_rng(seed)
    changed = bytearray(stream)
    begin = stream.index(b"\xff\xda") + 10  # after the shortest scan header
    for bit in random.integers(8 * begin, 8 * (len(stream) - 2), FLIPS):
        changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def least_time(decode: Callable[..., Any], stream: bytes, out: NDArray[Any]) -> float:
    """Return the least processor time of decoding or failing, in seconds."""
    best = float("inf")
    for _ in range(RUNS):
        start = time.process_time()
        with contextlib.suppress(jls.StreamError):
            decode(stream, out=out)
        best = min(best, time.process_time() - start)
    return best


def costly_table() -> str:
    """Measure the costly inputs and return the table."""
    smaller, larger = (measure(dict.fromkeys(COSTLY_INPUTS, size), RUNS) for size in COSTLY_SIZES)
    rows = []
    for name in COSTLY_INPUTS:
        row = [name, f"{larger[name].input_size / 1e6:.1f}", f"{larger[name].output_size / 1e6:.1f}"]
        for input_size, output_size, _, seconds in (smaller[name], larger[name]):
            row.append(f"{seconds * 1e9 / (input_size + output_size):.0f}")
        input_size, output_size, peak, _ = larger[name]
        rows.append([*row, f"{peak / 1e6:.1f}", f"{peak / (input_size + output_size):.2f}"])
    header = [
        "input",
        "MB in",
        "MB out",
        f"ns / (sample + byte), {COSTLY_SIZES[0] / 1e6} MB",
        f"{COSTLY_SIZES[1] / 1e6} MB",
        "peak, MB",
        "peak / (in + out)",
    ]
    return markdown_table(header, rows)


def main() -> None:
    """Measure every kind at every size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help=f"update {DOCUMENT.name}")
    arguments = parser.parse_args()
    costly = costly_table()
    print(costly)
    rows: dict[str, list[str]] = {}
    for size in SIZES:
        for name, image, options in images(size):
            sound = jls.encode(image, **options)
            decode = functools.partial(jls.decode, workers=1)
            for label, streams, function in (
                (name, [sound], decode),
                (f"{name}, flipped bits", [damaged(sound, seed) for seed in range(DAMAGED)], decode),
                (f"{name}, flipped bits, in part", [damaged(sound, 0)], jls.decode_partial),
            ):
                out = np.empty_like(image)
                worst = max(least_time(function, s, out) / (image.size + len(s)) for s in streams)
                rows.setdefault(label, [label]).append(f"{worst * 1e9:.1f}")
    content = markdown_table(["ns / (sample + byte)", *(f"{size} x {size}" for size in SIZES)], list(rows.values()))
    print(content)
    if arguments.write:
        replace_marked(DOCUMENT, content, "decoding time")
        replace_marked(DOCUMENT, costly, "costly inputs")


if __name__ == "__main__":
    main()
