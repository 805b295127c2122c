"""Inputs with as much structure as possible in few bytes, by which bounds of time and memory are measured."""

import contextlib
import copy
import json
import os
import struct
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

import dicom_jpegls as jls
from dicom_jpegls.dicom import item_header
from support.dicom_files import make_dataset
from support.jls_streams import (
    COM,
    EOI,
    RST0,
    SOI,
    encode_image,
    frame_header,
    make_image,
    restart_interval,
    scan_header,
    segment,
)
from support.memory import peak_of

MAXIMUM_HEIGHT = 65535
RUN, BROKEN = b"\x80", b"\x01"  # a line of zeros, and a code without its end
MARKERS = [bytes([0xFF, RST0 + i]) for i in range(8)]


class Work(NamedTuple):
    """What is measured."""

    run: Callable[[], object]
    input_size: int  # bytes
    output_size: int  # bytes of samples and of marks for lines


def _stream(*segments):
    return b"".join((SOI, *segments, EOI))


def _refused(function, *arguments, **options):
    with contextlib.suppress(jls.JPEGLSError):
        return function(*arguments, **options)
    return None


def _planes(components, height, interval, lost=None):
    """Planes of one column, each line a restart interval of the same bytes, without each `lost`th restart marker."""
    ids = range(1, components + 1)
    lines = [interval + MARKERS[i % 8] for i in range(height - 1) if lost is None or i % lost]
    scan = b"".join([*lines, interval])
    return _stream(restart_interval(1), frame_header(1, height, ids=ids), *(scan_header((i,)) + scan for i in ids))


def _partial(stream, samples, lines):
    return Work(lambda: _refused(jls.decode_partial, stream), len(stream), samples + lines)


def small_segments(size):
    stream = _stream(segment(COM) * (size // 4), frame_header(1, 1), scan_header(), RUN)
    return Work(lambda: jls.decode(stream, workers=1), len(stream), 1)


def intervals(size):
    height, components = MAXIMUM_HEIGHT, max(1, min(255, size // (3 * MAXIMUM_HEIGHT)))
    stream = _planes(components, height, RUN)
    return Work(lambda: jls.decode(stream, workers=1), len(stream), height * components)


def damaged_intervals(size):
    components = max(1, min(255, size // (3 * MAXIMUM_HEIGHT)))
    height = min(MAXIMUM_HEIGHT, size // 3)
    return _partial(_planes(components, height, BROKEN), height * components, height * components)


def damaged_intervals_in_planes(size):
    height = min(MAXIMUM_HEIGHT, size // (3 * 255))
    return _partial(_planes(255, height, BROKEN), height * 255, height * 255)


def damaged_order_of_markers(size):
    # With more markers missing it takes less time, since what lies between is dropped in one piece.
    height = min(MAXIMUM_HEIGHT, max(2, size // (3 * 255)))
    return _partial(_planes(255, height, BROKEN, lost=50), height * 255, height * 255)


def damaged_columns(size):
    image = make_image("noise", (min(MAXIMUM_HEIGHT, size), 1), 8)
    return _cut(encode_image(image), image)


def damaged_image(size):
    image = make_image("extremes", (int(size**0.5), int(size**0.5)), 16)
    return _cut(encode_image(image, bits=16), image)


def _cut(stream, image):
    return _partial(stream[: len(stream) * 9 // 10], image.size, len(image))


def _dataset(data, frames, rows=1, columns=1):
    ds = make_dataset(np.zeros((1, 4, 4), np.uint8), bits_stored=8)
    jls.compress(ds)
    ds.Rows, ds.Columns, ds.NumberOfFrames = rows, columns, frames
    ds.PixelData = item_header(0) + data
    return ds


def _item(value):
    return item_header(len(value)) + value


TINY = _stream(frame_header(1, 1), scan_header(), RUN)
HEADERS = TINY[:-3]


def _work_on_dataset(function, ds, lines):
    def run():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _refused(function, ds)

    samples = ds.NumberOfFrames * ds.Rows * ds.Columns
    tables = len(ds.get("ExtendedOffsetTable") or b"")
    return Work(run, len(ds.PixelData) + tables, samples + (lines and ds.NumberOfFrames * ds.Rows))


def tiny_frames(function, lines=0):
    def make(size):
        item = _item(TINY + b"\0")
        return _work_on_dataset(function, _dataset(item * (size // len(item)), size // len(item)), lines)

    return make


def iterate(ds):
    return sum(1 for _ in jls.iter_frames(ds, workers=1))


def damaged_tiny_frames(size):
    items = _item(TINY + b"\0") + _item(HEADERS + BROKEN + b"\0") * (size // (8 + len(HEADERS) + 2))
    count = 1 + size // (8 + len(HEADERS) + 2)
    return _work_on_dataset(pixel_array_partial, _dataset(items, count), True)


def starts_of_frames(size):
    items = _item(TINY + b"\0") + _item(SOI) * (size // 10)
    return _work_on_dataset(pixel_array_partial, _dataset(items, 1 + size // 10), True)


def missing_frames(size):
    items = _item(TINY + b"\0" * (size - len(TINY)))
    return _work_on_dataset(pixel_array_partial, _dataset(items, size), True)


def pixel_array_partial(ds):
    return jls.pixel_array_partial(ds, workers=1)


def pixel_array(ds):
    return jls.pixel_array(ds, workers=1)


def decompress(ds):
    return jls.decompress(copy.deepcopy(ds), workers=1)


def empty_fragments(size):
    return _work_on_dataset(pixel_array, _dataset(_item(TINY + b"\0") + _item(b"") * (size // 8), 1), 0)


def fragments_of_bytes(size):
    image = make_image("noise", (int((size / 10) ** 0.5),) * 2, 8)
    stream = encode_image(image)
    items = b"".join(map(_item, (stream[i : i + 2] for i in range(0, len(stream), 2))))
    return _work_on_dataset(pixel_array, _dataset(items, 1, *image.shape), 0)


def fragments_without_starts(size):
    return _work_on_dataset(pixel_array, _dataset(_item(b"\1") * (size // 9), 1 + size // 9), 0)


def offset_tables(kind, size):
    entry = 4 if kind == "basic" else 8
    count = size // (9 + entry)
    offsets = np.arange(0, 9 * count, 9, f"<u{entry}").tobytes()
    ds = _dataset(b"", count)
    ds.PixelData = (_item(offsets) if kind == "basic" else item_header(0)) + _item(b"\1") * count
    if kind == "extended":
        ds.ExtendedOffsetTable = offsets
    return _work_on_dataset(pixel_array, ds, 0)


def basic_offset_table(size):
    return offset_tables("basic", size)


def extended_offset_table(size):
    return offset_tables("extended", size)


def offset_table_alone(size):
    ds = _dataset(b"", size // 4)
    ds.PixelData = _item(struct.pack("<L", 0) * (size // 4)) + _item(b"\1")
    return _work_on_dataset(pixel_array, ds, 0)


# By what they consist of.
COSTLY_INPUTS: dict[str, Callable[[int], Work]] = {
    "segments of 4 bytes": small_segments,
    "restart intervals of one sample": intervals,
    "the same, each damaged, in part": damaged_intervals,
    "255 planes of such damaged intervals, in part": damaged_intervals_in_planes,
    "the same with one of 50 restart markers missing, in part": damaged_order_of_markers,
    "an image of one column, truncated, in part": damaged_columns,
    "a 16-bit image of extremes, truncated, in part": damaged_image,
    "frames of one sample: `pixel_array`": tiny_frames(pixel_array),
    "frames of one sample: `decompress`": tiny_frames(decompress),
    "frames of one sample: `iter_frames`": tiny_frames(iterate),
    "frames of one sample, in part": tiny_frames(pixel_array_partial, 1),
    "frames of one sample, damaged, in part": damaged_tiny_frames,
    "frames of 2 bytes, in part": starts_of_frames,
    "missing frames, in part": missing_frames,
    "empty fragments": empty_fragments,
    "fragments of 2 bytes": fragments_of_bytes,
    "fragments of one byte, no stream": fragments_without_starts,
    "a Basic Offset Table, fragments of one byte": basic_offset_table,
    "an Extended Offset Table, fragments of one byte": extended_offset_table,
    "a Basic Offset Table, one fragment": offset_table_alone,
}


class Measurement(NamedTuple):
    """What an input costs."""

    input_size: int  # bytes
    output_size: int
    peak: int  # bytes of resident memory beyond the input
    seconds: float  # the least processor time of some runs


def measure(sizes, runs=0):
    """Measure inputs of some sizes, by name; each in a process of its own, so that none finds free memory of others."""
    arguments = [sys.executable, "-m", __name__, json.dumps(sizes), str(runs)]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
    done = subprocess.run(arguments, env=environment, stdout=subprocess.PIPE, check=True)
    return {name: Measurement(*values) for name, *values in map(json.loads, done.stdout.splitlines())}


def _measure(name, size, runs):
    COSTLY_INPUTS[name](1000).run()  # whatever is done only once
    work = COSTLY_INPUTS[name](size)
    peak = peak_of(work.run)
    times = []
    for _ in range(runs):
        start = time.process_time()
        work.run()
        times.append(time.process_time() - start)
    return Measurement(work.input_size, work.output_size, peak, min(times, default=0.0))


def main():
    for name, size in json.loads(sys.argv[1]).items():
        child = os.fork()
        if child == 0:
            print(json.dumps([name, *_measure(name, size, int(sys.argv[2]))]), flush=True)
            os._exit(0)
        if os.waitpid(child, 0)[1] != 0:
            raise RuntimeError(f"{name}: the process has failed")


if __name__ == "__main__":
    main()
