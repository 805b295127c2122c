"""Writes the seeds of the fuzz targets: small sound streams of every kind that the package reads, and corpus.zip.

Usage: python fuzz/make_corpus.py FOLDER, with the package installed.
"""

import sys
import zipfile
from pathlib import Path

import dicom_jpegls as jls

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from support.jls_streams import encode_image, encode_strips, make_image

KEPT = Path(__file__).with_name("corpus.zip")
KINDS = ("noise", "runs", "smooth")
COLOR_SHAPES = {0: (3, 8, 8), 1: (8, 8, 3), 2: (8, 8, 3)}  # by interleave mode


def encode(kind, *, shape=(8, 8), bits=8, mode=None, **options):
    """Make an image and encode it."""
    return encode_image(make_image(kind, shape, bits), bits=bits, mode=mode, **options)


def with_restart_markers(kind, *, lines, shape, bits=8, **options):
    """Make an image and encode it with restart markers."""
    return encode_strips(make_image(kind, shape, bits), lines, bits=bits, **options)


def streams():
    """Make all streams, each with a name."""
    for bits in range(2, 17):
        yield f"gray-{bits}", encode(KINDS[bits % 3], bits=bits)
    for kind in KINDS:
        yield f"gray-16-{kind}", encode(kind, shape=(8, 16), bits=16)
    for mode, shape in COLOR_SHAPES.items():
        for bits in (8, 12, 16):
            kind = "runs" if mode == 2 else "smooth"
            yield f"color-3-{mode}-{bits}", encode(kind, shape=shape, bits=bits, mode=mode)
            four = tuple(4 if n == 3 else n for n in shape)
            yield f"color-4-{mode}-{bits}", encode(kind, shape=four, bits=bits, mode=mode)
    for bits, near in ((4, 1), (8, 3), (12, 10), (16, 255)):
        yield f"near-{bits}-{near}", encode("noise", bits=bits, near=near)
    yield "near-color", encode("runs", shape=COLOR_SHAPES[2], mode=2, near=2)
    for reset in (3, 255):
        yield f"presets-{reset}", encode("noise", bits=12, preset_coding_parameters=(0, 5, 9, 30, reset))
    for number in (1, 2, 3):
        yield f"hp{number}", encode("smooth", shape=COLOR_SHAPES[1], mode=1, color_transformation=number)
    yield "restart-8", with_restart_markers("runs", lines=1, shape=(12, 8))
    yield "restart-16", with_restart_markers("noise", lines=3, shape=(8, 8), bits=16)
    yield "restart-color", with_restart_markers("smooth", lines=2, shape=(4, 8, 3), mode=2)
    near = with_restart_markers("smooth", lines=2, shape=(9, 8), bits=12, near=2)
    presets = with_restart_markers("runs", lines=3, shape=(9, 8), preset_coding_parameters=(0, 0, 0, 0, 63))
    transformed = with_restart_markers("smooth", lines=2, shape=(6, 8, 3), mode=1, color_transformation=2)
    for name, stream in ("near", near), ("presets", presets), ("hp", transformed):
        yield f"restart-{name}", stream
        yield f"restart-{name}-zero", stream.replace(b"\xff\xd0", b"\0\xff\xd0")
    yield "comments", encode("smooth", comments=[b"comment"], application_data=[(0, b"JFIF\0")])
    yield "zero-before-end", encode("smooth").removesuffix(b"\xff\xd9").removesuffix(b"\xff") + b"\0\xff\xd9"


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, stream in streams():
        jls.decode(stream)
        (folder / f"{name}.jls").write_bytes(stream)
    with zipfile.ZipFile(KEPT) as archive:
        archive.extractall(folder)
