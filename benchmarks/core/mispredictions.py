"""Instructions and simulated mispredictions per sample, counted by valgrind's cachegrind.

Usage: python benchmarks/core/mispredictions.py BENCH RELEASED-LIBRARY FAST-LIBRARY IMAGE-FOLDER [IMAGE ...]

Each figure is the difference between two runs on one image, so that everything else the program does cancels out.
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

IMAGES = ("ct-12-bit", "ct-16-bit-signed", "us-green", "gray-8-bit-runs", "us-rgb-8-bit", "ct-12-bit-near")


def count(bench, library, folder, image, direction, repetitions):
    """Return the instructions and the mispredicted branches of a run."""
    with tempfile.TemporaryDirectory() as scratch:
        command = ["valgrind", "--tool=cachegrind", "--cache-sim=no", "--branch-sim=yes"]
        command += [f"--cachegrind-out-file={scratch}/out", bench, library, "once", folder]
        result = subprocess.run(
            [*command, image, direction, str(repetitions)], check=True, capture_output=True, text=True
        )

    def number(label):
        return int(re.search(rf"{label}[^:]*:\s+([\d,]+)", result.stderr)[1].replace(",", ""))

    return number("I\\s+refs"), number("Mispredicts")


def per_sample(bench, library, folder, image, direction, samples):
    """Return instructions and mispredictions per sample for coding the image once."""
    few, more = (count(bench, library, folder, image, direction, repetitions) for repetitions in (1, 3))
    return [(b - a) / 2 / samples for a, b in zip(few, more, strict=True)]


def main(bench, released, fast, folder, *images):
    """Print a table."""
    lines = [line.split() for line in (Path(folder) / "images.txt").read_text().splitlines()]
    samples = {line[0]: int(line[2]) * int(line[3]) * int(line[5]) for line in lines}
    print("| image | | instructions, CharLS | ours | mispredictions, CharLS | ours |\n|---|---|---|---|---|---|")
    for image in images or IMAGES:
        for direction in ("encode", "decode"):
            before, after = (
                per_sample(bench, library, folder, image, direction, samples[image]) for library in (released, fast)
            )
            figures = [
                f"{value:.{digits}f}"
                for pair, digits in zip(zip(before, after, strict=True), (0, 2), strict=True)
                for value in pair
            ]
            print("|", " | ".join([image, direction, *figures]), "|", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
