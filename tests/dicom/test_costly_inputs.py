"""The memory that an input takes is bounded by its size and that of its samples, whatever it consists of."""

import pytest

from support.costly_inputs import COSTLY_INPUTS, measure
from support.memory import HAS_PEAK

SIZE = 300_000  # bytes
LARGEST_FACTOR = 4  # of the bytes of input and output
CONSTANT = 1_500_000
ERRORS = 7_500_000  # 10000 of them


@pytest.mark.skipif(not HAS_PEAK, reason="the system does not report the peak of resident memory")
def test_peak_of_memory():
    found = measure(dict.fromkeys(COSTLY_INPUTS, SIZE) | {"segments of 4 bytes": 4 * SIZE})
    assert list(found) == list(COSTLY_INPUTS)
    for name, (input_size, output_size, peak, _) in found.items():
        has_errors = "frames" in name and "in part" in name
        constant = ERRORS if has_errors else CONSTANT
        assert peak < LARGEST_FACTOR * (input_size + output_size) + constant, (name, input_size, output_size, peak)
