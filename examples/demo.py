"""Compress real images with JPEG-LS, get them back, and show what came of it.

Usage: python examples/demo.py OUTPUT_FOLDER
"""

import copy
import sys
import time
from pathlib import Path

import numpy as np
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.uid import JPEGLSLossless, JPEGLSNearLossless
from rich.console import Console
from rich.table import Table

import dicom_jpegls as jls

# Files of the pydicom wheel: a signed 16-bit CT slice and an 8-bit RGB image.
IMAGES = (("CT", "CT_small.dcm"), ("colour", "examples_rgb_color.dcm"))


def main(folder: Path) -> None:
    """Write the compressed and the decompressed files into a folder and print a table."""
    folder.mkdir(parents=True, exist_ok=True)
    table = Table("image", "NEAR", "bytes", "compressed", "ratio", "largest error", "encode", "decode")
    for column in table.columns[1:]:
        column.justify = "right"
    written = []
    for name, file in IMAGES:
        original = dcmread(get_testdata_file(file))
        samples = original.pixel_array.astype(np.int32)
        for near_lossless in (0, 3):
            ds = copy.deepcopy(original)
            start = time.perf_counter()
            uid = JPEGLSNearLossless if near_lossless else JPEGLSLossless
            jls.compress(ds, uid, near_lossless=near_lossless)
            middle = time.perf_counter()
            decoded = jls.pixel_array(ds)
            end = time.perf_counter()
            error = int(np.abs(decoded - samples).max())
            if error > near_lossless:
                sys.exit(f"{name}: the largest error is {error}, above NEAR {near_lossless}")
            raw, size = len(original.PixelData), len(ds.PixelData)
            table.add_row(
                name,
                str(near_lossless),
                str(raw),
                str(size),
                f"{raw / size:.2f}",
                str(error),
                f"{(middle - start) * 1e3:.1f} ms",
                f"{(end - middle) * 1e3:.1f} ms",
            )
            kind = "near-lossless" if near_lossless else "lossless"
            compressed = folder / f"{name}-{kind}.dcm"
            ds.save_as(compressed, enforce_file_format=True)
            again = dcmread(compressed)
            jls.decompress(again)
            native = folder / f"{name}-{kind}-decompressed.dcm"
            again.save_as(native, enforce_file_format=True)
            written += [compressed, native]

    build = jls.charls_build()
    Console().print(table)
    print(f"dicom-jpegls {jls.__version__}, CharLS {build['version']} ({build['source']})")
    print("Written:", *written, sep="\n  ")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
