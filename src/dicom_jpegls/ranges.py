"""The numbers in arrays of samples: what a precision can hold, signs, and bits that should not be there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def sample_range(bits_per_sample: int, signed: bool) -> tuple[int, int]:
    """Give the least and the greatest number that a precision can hold."""
    if signed:
        return -(1 << (bits_per_sample - 1)), (1 << (bits_per_sample - 1)) - 1
    return 0, (1 << bits_per_sample) - 1


def safe_range(bits_per_sample: int, near_lossless: int) -> tuple[int, int]:
    """Give the range of signed samples that near-lossless coding keeps within NEAR.

    JPEG-LS codes the two's complement bits as unsigned numbers, in which the greatest number and the least are
    neighbours: closer to either than NEAR, a sample may come back as the opposite end.
    """
    lowest, highest = sample_range(bits_per_sample, True)
    return lowest + near_lossless, highest - near_lossless


def is_within(samples: NDArray[Any], lowest: int, highest: int) -> bool:
    """Whether no sample lies outside a range. Looks only at the ends that the dtype can exceed."""
    limits = np.iinfo(samples.dtype)
    return bool(
        (highest >= limits.max or samples.max() <= highest) and (lowest <= limits.min or samples.min() >= lowest)
    )


def count_outside(samples: NDArray[Any], lowest: int, highest: int) -> int:
    """Count the samples outside a range."""
    if is_within(samples, lowest, highest):
        return 0
    return int(np.count_nonzero((samples < lowest) | (samples > highest)))


def first_outside(samples: NDArray[Any], lowest: int, highest: int) -> tuple[int, tuple[int, ...]]:
    """Give value and position of the first sample outside a range; there must be one."""
    flat = int(np.argmax((samples < lowest) | (samples > highest)))
    position = tuple(int(i) for i in np.unravel_index(flat, samples.shape))
    return int(samples[position]), position


def sign_extend(samples: NDArray[Any], bits_per_sample: int) -> None:
    """Make two's complement numbers of some bits into those of the array's signed dtype, in place."""
    unused = samples.dtype.itemsize * 8 - bits_per_sample
    if unused:
        np.left_shift(samples, unused, out=samples)
        np.right_shift(samples, unused, out=samples)


def clear_unused_bits(samples: NDArray[Any], bits_per_sample: int) -> NDArray[Any]:
    """Give a copy, in native byte order, without the bits above a precision: zeros, or the sign's extension."""
    cleared = samples.astype(samples.dtype.newbyteorder("="))
    if cleared.dtype.kind == "i":
        sign_extend(cleared, bits_per_sample)
    else:
        cleared &= (1 << bits_per_sample) - 1
    return cleared


def count_unused_bits(samples: NDArray[Any], cleared: NDArray[Any], bits_per_sample: int) -> int:
    """Count the samples that have bits above a precision; the sign's extension and zeros are no such bits."""
    mask = (1 << bits_per_sample) - 1
    return int(np.count_nonzero((samples != cleared) & (samples != (cleared & mask))))
