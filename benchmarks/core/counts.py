"""Compare many images in one call with lanes and without, for numbers of images and classes of them, in one thread.

No class and no number must be slower than 0.97 of what it is without lanes: the lowest ratios are listed.

Usage: python benchmarks/core/counts.py [NEAR ...]
"""

import sys
import time

import numpy as np
from export_frames import classes, masked

import dicom_jpegls as jls
from dicom_jpegls import _codec

COUNTS = range(1, 41)
ROUNDS = 20
SIDE = 96
LIMIT = 0.97


def seconds(function):
    """Return the CPU time of a call by this thread, in seconds."""
    begin = time.thread_time()
    function()
    return time.thread_time() - begin


def ratio(function):
    """Return how many times as fast a function is with lanes: of the least of several turns each."""
    least = [float("inf")] * 2
    function()
    for _ in range(ROUNDS):
        for use in (0, 1):
            _codec._use_lanes(bool(use))
            least[use] = min(least[use], seconds(function))
    return least[0] / least[1]


def measure(frames, bits, mode, near):
    """Return, for encoding and decoding, the ratio for each number of images."""
    frames = [np.ascontiguousarray(frame[:SIDE, :SIDE]) for frame in masked(frames, bits)]
    images = [frames[i % len(frames)] for i in range(max(COUNTS))]
    options = {"bits_per_sample": bits, "near_lossless": near, "interleave_mode": mode, "workers": 1}
    streams = jls.encode_many(images, **options)
    return [
        [ratio(lambda n=n: jls.encode_many(images[:n], **options)) for n in COUNTS],
        [ratio(lambda n=n: jls.decode_many(streams[:n], workers=1)) for n in COUNTS],
    ]


def main(near_values):
    """Print the ratios for some numbers of images, the lowest of all and those below the limit."""
    shown = (1, 4, 7, 8, 9, 10, 12, 16, 23, 24, 25, 32, 40)
    print("| image | NEAR | | " + " | ".join(map(str, shown)) + " | lowest |")
    print("|---|---|---|" + "---|" * (len(shown) + 1))
    slow = []
    for near in near_values:
        for name, frames, bits, mode in classes():
            if near and mode == 2:
                continue
            for direction, ratios in zip(("encode", "decode"), measure(frames, bits, mode, near), strict=True):
                cells = [f"{ratios[COUNTS.index(n)]:.2f}" for n in shown]
                print(f"| {name} | {near} | {direction} | " + " | ".join(cells) + f" | {min(ratios):.2f} |", flush=True)
                slow += [
                    f"{name}, NEAR {near}, {direction}, {n} images: {found:.2f}"
                    for n, found in zip(COUNTS, ratios, strict=True)
                    if found < LIMIT
                ]
    print(f"\n{len(slow)} of the ratios are below {LIMIT}", *slow, sep="\n")


if __name__ == "__main__":
    main([int(argument) for argument in sys.argv[1:]] or [0, 2])
