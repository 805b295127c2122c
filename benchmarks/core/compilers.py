"""Compare the scan codecs as two compilers build them: how many times as fast the second is as the first.

Usage: python benchmarks/core/compilers.py BUILD-FOLDER OTHER-BUILD-FOLDER IMAGE-FOLDER FRAME-FOLDER [ROUNDS]

Each folder holds a build of the preset bench-core. On processors with lanes, sixteen scans at once are compared, too.
"""

import subprocess
import sys
from pathlib import Path

import dicom_jpegls as jls

COLUMNS = ("encode", "encode in lanes", "decode", "decode in lanes")


def lane_speeds(build, frames):
    """Return the MB/s of the columns for each row of bench_lanes."""
    output = subprocess.run(
        [build / "bench_lanes", build / "libreleased.so", frames, "0.3", "0,1,2,3", "16"],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout
    rows = (line.split() for line in output.partition("\n\n")[0].splitlines()[2:])
    # The last ten are three speeds and two ratios, encoding and decoding; the others say what was coded. CharLS is not
    # compared.
    return {tuple(row[:-10]): [float(row[i]) for i in (-9, -8, -4, -3)] for row in rows}


def main(first, second, images, frames, rounds="25"):
    """Print both tables."""
    subprocess.run([second / "bench", first / "libfast.so", second / "libfast.so", images, rounds], check=True)
    if not jls.charls_build()["lanes"]:
        print("This processor has no lanes.")
        return
    print(f"{'ratio':<24}", *(f"{column:>15}" for column in COLUMNS))
    others = lane_speeds(second, frames)
    for what, speeds in lane_speeds(first, frames).items():
        ratios = (other / speed for other, speed in zip(others[what], speeds, strict=True))
        print(f"{' '.join(what[:2]):<24}", *(f"{ratio:15.2f}" for ratio in ratios))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:5]), *sys.argv[5:])
