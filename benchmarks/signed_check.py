"""What guarding signed samples against near-lossless overflow costs, as a part of the encoding time.

Usage: python benchmarks/signed_check.py
"""

import time
from collections.abc import Callable

import numpy as np
from pydicom import examples

from dicom_jpegls.array import encode_samples
from dicom_jpegls.samples import is_within, safe_range


def minimum(function: Callable[[], object], runs: int) -> float:
    """Give the shortest of some runs, in seconds."""
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)


def main() -> None:
    """Print a row for each NEAR: the real CT slice of the pydicom wheel, tiled to 512 x 512."""
    image = np.tile(examples.ct.pixel_array, (4, 4)).astype(np.int16)
    for near_lossless in (1, 3, 10):
        encoding = minimum(lambda near=near_lossless: encode_samples(image, bits_per_sample=16, near_lossless=near), 15)
        lowest, highest = safe_range(16, near_lossless)
        checking = minimum(lambda low=lowest, high=highest: is_within(image, low, high), 200)
        part = checking / encoding
        print(f"NEAR {near_lossless}: encode {encoding * 1e3:.2f} ms, check {checking * 1e3:.3f} ms, {part:.2%}")


if __name__ == "__main__":
    main()
