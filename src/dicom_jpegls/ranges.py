"""Ranges of sample values: limits of a precision, signs and unused bits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def sample_range(bits_per_sample: int, signed: bool) -> tuple[int, int]:
    """Return the smallest and the largest value of a precision."""
    if signed:
        return -(1 << (bits_per_sample - 1)), (1 << (bits_per_sample - 1)) - 1
    return 0, (1 << bits_per_sample) - 1


def safe_range(bits_per_sample: int, near_lossless: int) -> tuple[int, int]:
    """Return the range of signed samples that near-lossless coding keeps within NEAR.

    JPEG-LS codes the two's complement bits as unsigned numbers, in which the largest positive and the smallest negative
    number are neighbours. A sample closer than NEAR to either may be decoded as the other.
    """
    lowest, highest = sample_range(bits_per_sample, True)
    return lowest + near_lossless, highest - near_lossless


def is_within(samples: NDArray[Any], lowest: int, highest: int) -> bool:
    """Return whether all samples are within a range. Only the limits that the dtype can exceed are compared."""
    smallest, largest = sample_range(8 * samples.dtype.itemsize, samples.dtype.kind == "i")
    # The reductions themselves: for a small image, the methods of the array take as long again.
    return bool(
        (highest >= largest or np.maximum.reduce(samples, axis=None) <= highest)
        and (lowest <= smallest or np.minimum.reduce(samples, axis=None) >= lowest)
    )


def count_outside(samples: NDArray[Any], lowest: int, highest: int) -> int:
    """Count the samples outside a range."""
    if is_within(samples, lowest, highest):
        return 0
    return int(np.count_nonzero((samples < lowest) | (samples > highest)))


def first_outside(samples: NDArray[Any], lowest: int, highest: int) -> tuple[int, tuple[int, ...]]:
    """Return value and position of the first sample outside a range; there must be one."""
    flat = int(np.argmax((samples < lowest) | (samples > highest)))
    position = tuple(int(i) for i in np.unravel_index(flat, samples.shape))
    return int(samples[position]), position


def sign_extend(samples: NDArray[Any], bits_per_sample: int) -> None:
    """Sign-extend two's complement numbers of a precision to the array's signed dtype, in place."""
    unused = samples.dtype.itemsize * 8 - bits_per_sample
    if unused:
        np.left_shift(samples, unused, out=samples)
        np.right_shift(samples, unused, out=samples)


def clear_unused_bits(samples: NDArray[Any], bits_per_sample: int) -> NDArray[Any]:
    """Return a copy in native byte order, in which zeros or the sign's extension replace the bits above a precision."""
    cleared = samples.astype(samples.dtype.newbyteorder("="))
    if cleared.dtype.kind == "i":
        sign_extend(cleared, bits_per_sample)
    else:
        cleared &= (1 << bits_per_sample) - 1
    return cleared


def count_unused_bits(samples: NDArray[Any], cleared: NDArray[Any], bits_per_sample: int) -> int:
    """Count the samples with bits above a precision that are neither zeros nor the sign's extension."""
    mask = (1 << bits_per_sample) - 1
    return int(np.count_nonzero((samples != cleared) & (samples != (cleared & mask))))
