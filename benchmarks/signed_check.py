"""What guarding signed samples against near-lossless overflow costs, as a part of the encoding time.

Usage: python benchmarks/signed_check.py
"""

import numpy as np
from measure import compare, python_calls
from pydicom import examples

from dicom_jpegls.array import encode_samples
from dicom_jpegls.ranges import is_within, safe_range


def main() -> None:
    """Print a row for each NEAR: the real CT slice of the pydicom wheel, tiled to 512 x 512."""
    image = np.tile(examples.ct.pixel_array, (4, 4)).astype(np.int16)
    for near_lossless in (1, 3, 10):
        lowest, highest = safe_range(16, near_lossless)
        contenders = {
            "encode": python_calls(
                lambda near=near_lossless: encode_samples(image, bits_per_sample=16, near_lossless=near)
            ),
            "check": python_calls(lambda low=lowest, high=highest: is_within(image, low, high)),
        }
        encoding, checking = (timing.best / 1e6 for timing in compare(contenders, 5, 5).values())
        part = checking / encoding
        print(f"NEAR {near_lossless}: encode {encoding:.2f} ms, check {checking:.3f} ms, {part:.2%}")


if __name__ == "__main__":
    main()
