"""Count how streams without preset coding parameters are decoded: sound ones, those of other encoders, damaged ones.

Usage: python benchmarks/default_thresholds.py [--seconds 60] [--seed 0] [--smallest 1]

Images of several kinds and sizes are encoded with the standard's default thresholds and with those of other encoders
(`DefaultThresholds`), the presets are taken out of the streams, and the streams are decoded, whole and damaged. Printed
are, for each kind of stream, how many were decoded exactly, refused, decoded wrongly with the standard's thresholds,
and decoded wrongly with those of another encoder.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from collections import Counter
from pathlib import Path

import numpy as np

import dicom_jpegls as jls

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from codec.test_default_thresholds import encode_variant, without_presets
from support.jls_streams import IMAGE_KINDS, encode_image, make_image

OUTCOMES = ("exact", "refused", "wrong, standard", "wrong, other")
SIZES = (1, 2, 3, 5, 8, 16, 40, 96)


def outcome(stream: bytes, image: np.ndarray) -> str:
    """Decode a stream and return what came of it."""
    memory = np.empty_like(image)
    try:
        info = jls.decode_into(stream, memory)
    except jls.StreamError:
        return "refused"
    if np.array_equal(memory, image):
        return "exact"
    return "wrong, standard" if info.default_thresholds == jls.DefaultThresholds.STANDARD else "wrong, other"


def damages(stream: bytes, random: np.random.Generator) -> dict[str, bytes]:
    """Damage the entropy-coded data of a stream in several ways."""
    begin = stream.index(b"\xff\xda") + 10
    length = len(stream) - 2 - begin
    if length < 3:
        return {}
    cut = begin + int(random.integers(1, length))
    bit = 8 * begin + int(random.integers(0, 8 * length))
    flipped = bytearray(stream)
    flipped[bit // 8] ^= 1 << bit % 8
    return {
        "bit flipped": bytes(flipped),
        "truncated": stream[:cut] + b"\xff\xd9",
        "truncated, zeros": stream[:cut] + bytes(len(stream) - 2 - cut) + b"\xff\xd9",
        "byte missing": stream[: cut - 1] + stream[cut:],
    }


def main() -> None:
    """Print the counts as a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--smallest", type=int, default=1, help="smallest number of rows and of columns")
    options = parser.parse_args()
    warnings.simplefilter("ignore", jls.AssumedThresholdsWarning)
    random = np.random.default_rng(options.seed)
    sizes = [size for size in SIZES if size >= options.smallest]
    counts: dict[str, Counter[str]] = {}
    end = time.monotonic() + options.seconds
    while time.monotonic() < end:
        bits = int(random.choice([6, 7, 13, 14, 15, 16]))
        rows, columns = (int(size) for size in random.choice(sizes, 2))
        image = make_image(str(random.choice(IMAGE_KINDS)), (rows, columns), bits)
        image = image ^ random.integers(0, 2, image.shape).astype(image.dtype)  # a different one each time
        variant = jls.DefaultThresholds.CHARLS_1 if bits < 8 else jls.DefaultThresholds.JAI
        streams = {
            "standard": without_presets(encode_image(image, bits=bits)),
            variant.encoder: encode_variant(image, variant, bits),
        }
        for encoder, stream in streams.items():
            counts.setdefault(f"{encoder}, whole", Counter())[outcome(stream, image)] += 1
        for damage, stream in damages(streams["standard"], random).items():
            counts.setdefault(f"standard, {damage}", Counter())[outcome(stream, image)] += 1
    print(f"| stream | {' | '.join(OUTCOMES)} |")
    print("|---|" + "---|" * len(OUTCOMES))
    for name, count in sorted(counts.items()):
        print(f"| {name} | {' | '.join(str(count[kind]) for kind in OUTCOMES)} |")


if __name__ == "__main__":
    main()
