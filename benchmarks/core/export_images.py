"""Write the benchmark's images as raw samples, with a list of them, for bench.cpp.

Usage: python benchmarks/core/export_images.py FOLDER
"""

import sys
import warnings
from pathlib import Path

import imagecodecs
import numpy as np
import pydicom
from pydicom.encaps import generate_frames

TEST_FILES = Path(pydicom.__file__).parent / "data" / "test_files"
PLANES, LINES, PIXELS = 0, 1, 2


def read(name):
    """Return the stored samples of a file of the pydicom wheel; RGB for JPEG 2000 colour."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ds = pydicom.dcmread(TEST_FILES / name)
        if ds.file_meta.TransferSyntaxUID.is_encapsulated:
            return imagecodecs.jpeg2k_decode(next(generate_frames(ds.PixelData, number_of_frames=1)))
        return ds.pixel_array


def masked(image, bits):
    """Return the lowest bits of samples, as an encoder does."""
    return (image.astype(np.int32) & (2**bits - 1)).astype(np.uint8 if bits <= 8 else np.uint16)


def large_frame():
    """Return a 12-bit frame of 4096 x 4096 samples: structures of many sizes with noise, and a dark border."""
    random = np.random.default_rng(0)
    image = np.zeros((4096, 4096), np.float32)
    for size in (8, 32, 128, 512):
        coarse = random.normal(size=(size + 1, size + 1)).astype(np.float32)
        place = np.linspace(0, size, 4096, dtype=np.float32)
        floor = np.minimum(place.astype(int), size - 1)
        share = place - floor
        rows = coarse[floor] * (1 - share)[:, None] + coarse[floor + 1] * share[:, None]
        image += (rows[:, floor] * (1 - share) + rows[:, floor + 1] * share) * (400 / size**0.5)
    image += 1500 + random.normal(scale=9, size=image.shape)
    image[:, :600] = 0
    return np.clip(image, 0, 4095).astype(np.uint16)


def images():
    """Yield name, group, samples, bits, NEAR and interleave mode of every image."""
    ct = read("693_J2KI.dcm")
    mr = masked(read("examples_overlay.dcm"), 12)
    rgb = read("examples_rgb_color.dcm")
    us = read("examples_jpeg2k.dcm")
    gray = read("image_dfl.dcm")
    ct13 = read("J2K_pixelrep_mismatch.dcm").astype(np.int32)  # two's complement
    ct12 = np.clip((ct13 ^ 4096) - 4096 + 1024, 0, 4095)
    one = {
        "ct-16-bit-signed": (ct, 16),
        "ct-14-bit": (ct, 14),
        "ct-12-bit": (ct12, 12),
        "mr-12-bit": (mr, 12),
        "rgb-green": (rgb[..., 1], 8),
        "us-green": (us[..., 1], 8),
        "gray-8-bit-runs": (gray, 8),
        "large-12-bit": (large_frame(), 12),
    }
    for name, (image, bits) in one.items():
        yield name, "one-component", masked(image, bits), bits, 0, PLANES
    color = {"rgb": rgb, "us-rgb": us}
    for name, image in color.items():
        yield f"{name}-8-bit", "rgb-sample", image, 8, 0, PIXELS
    for name, image in color.items():
        yield f"{name}-16-bit", "rgb-16-sample", image.astype(np.uint16) * 257 ^ 21, 16, 0, PIXELS
    for name, (image, bits) in one.items():
        yield f"{name}-near", "near-lossless-2", masked(image, bits), bits, 2, PLANES
    for name, image in color.items():
        yield f"{name}-line", "rgb-line", image, 8, 0, LINES
    for name, image in color.items():
        yield f"{name}-four", "four-sample", np.dstack([image, image[..., :1]]), 8, 0, PIXELS


def main(folder):
    """Write the images and their list."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = []
    for name, group, image, bits, near_lossless, mode in images():
        height, width = image.shape[:2]
        components = image.shape[2] if image.ndim == 3 else 1
        np.ascontiguousarray(image).tofile(folder / f"{name}.raw")
        lines.append(f"{name} {group} {width} {height} {bits} {components} {near_lossless} {mode} {name}.raw\n")
    (folder / "images.txt").write_text("".join(lines))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
