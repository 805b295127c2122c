"""Write frames of several classes of images as raw samples, with a list of them, for lanes.cpp.

Usage: python benchmarks/core/export_frames.py FOLDER
"""

import sys
from pathlib import Path

import numpy as np
from export_images import large_frame, masked, read

sys.path.insert(0, str(Path(__file__).parents[1]))
from measure import synthetic_ct

COUNT = 16
SLICE_COUNT = 40  # of the classes that stand for slices of a dataset, which have a mean of their own


def moved(image, count=COUNT):
    """Make frames of one image, each moved a few samples further."""
    return np.stack([np.roll(image, (3 * i, 7 * i), axis=(0, 1)) for i in range(count)])


def perturbed(image, low, high, count=COUNT):
    """Make frames of one image, moved, with about a third of the samples above the background changed by one."""
    random = np.random.default_rng(1)
    frames = moved(image.astype(np.int32), count)
    changed = (random.random(frames.shape) < 0.3) & (frames > frames.min() + 60)
    return np.where(changed, np.clip(frames + random.integers(-1, 2, frames.shape), low, high), frames)


def impulses():
    """Make frames in which a run is interrupted as often as can be: the worst case for lanes."""
    frames = np.full((COUNT, 512, 512), 1000, np.uint16)
    frames[:, ::2, ::3] = 1001
    return frames


def images():
    """Yield name, frames and bits."""
    random = np.random.default_rng(2)
    ct = read("693_J2KI.dcm")
    ct13 = read("J2K_pixelrep_mismatch.dcm").astype(np.int32)  # two's complement
    ct12 = np.clip((ct13 ^ 4096) - 4096 + 1024, 0, 4095)
    mr = masked(read("examples_overlay.dcm"), 12)
    synthetic = synthetic_ct(SLICE_COUNT)
    yield "ct-16", moved(ct, SLICE_COUNT), 16
    yield "ct-16-perturbed", perturbed(ct, -32768, 32767), 16
    yield "ct-12", perturbed(ct12, 0, 4095, SLICE_COUNT), 12
    yield "mr-12", perturbed(mr, 0, 4095, SLICE_COUNT), 12
    yield "synthetic-16", synthetic, 16
    yield "synthetic-12", np.clip(synthetic.astype(np.int32) + 1024, 0, 4095), 12
    yield "large-12-strips", large_frame().reshape(32, 128, 4096)[:COUNT], 12
    yield "us-8-green", moved(read("examples_jpeg2k.dcm")[..., 1]), 8
    yield "rgb-8-green", moved(read("examples_rgb_color.dcm")[..., 1]), 8
    yield "gray-8-runs", moved(read("image_dfl.dcm")), 8
    yield "ct-16-32x32", ct[160:288, 128:256].reshape(4, 32, 4, 32).swapaxes(1, 2).reshape(COUNT, 32, 32), 16
    yield "ct-16-8x8", ct[160:192, 128:160].reshape(4, 8, 4, 8).swapaxes(1, 2).reshape(COUNT, 8, 8), 16
    yield "noise-12", random.integers(0, 4096, (COUNT, 256, 256)), 12
    yield "noise-16", random.integers(0, 65536, (COUNT, 256, 256)), 16
    yield "impulses-12", impulses(), 12
    yield "us-8-rgb", moved(read("examples_jpeg2k.dcm")), 8
    yield "rgb-8-rgb", moved(read("examples_rgb_color.dcm")), 8


def classes():
    """Yield name, frames, bits and interleave mode: colour by pixel (2) and by line (1)."""
    for name, frames, bits in images():
        if frames.ndim == 3:
            yield name, frames, bits, 0
        else:
            yield name, frames, bits, 2
            yield f"{name}-by-line", frames, bits, 1


def main(folder):
    """Write the frames and their list."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = []
    for name, frames, bits, mode in classes():
        count, height, width = frames.shape[:3]
        components = {0: "1 1", 1: "1 3", 2: "3 1"}[mode]  # of a pixel, by line
        np.ascontiguousarray(masked(frames, bits)).tofile(folder / f"{name}.raw")
        group = "slices" if count == SLICE_COUNT else "other"
        lines.append(f"{name} {group} {count} {width} {height} {bits} {components}\n")
    (folder / "frames.txt").write_text("".join(lines))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
