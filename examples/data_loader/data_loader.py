"""Read batches of frames with PyTorch's DataLoader, and print how fast.

Usage: python data_loader.py [FILE ...] [--method fork|spawn|forkserver] [--workers NUMBER] [--batch-size NUMBER]

Without files, it makes some: four of 100 frames of 512 x 512 pixels.
"""

import argparse
import multiprocessing
import tempfile
import time
from pathlib import Path

import numpy as np
from frames import Frames, ScaledFrames
from pydicom import examples
from torch.utils.data import DataLoader

import dicom_jpegls as jls


def write_files(folder: Path, *, files: int = 4, frames: int = 100) -> list[Path]:
    """Write compressed files with frames of 512 x 512 pixels of 12 bits, each a bit different."""
    ds = examples.ct
    ds.Rows = ds.Columns = 512
    ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 12, 11, 0
    ds.NumberOfFrames = frames
    slice_ = np.kron(examples.ct.pixel_array, np.ones((4, 4), np.uint16)).astype(np.uint16)
    rng = np.random.default_rng(0)
    paths = []
    for number in range(files):
        volume = np.stack([np.roll(slice_, shift, axis=1) for shift in range(frames)])
        jls.compress(ds, arr=volume + rng.integers(0, 16, volume.shape, np.uint16))
        paths.append(folder / f"{number}.dcm")
        ds.save_as(paths[-1])
    return paths


def main() -> None:
    """Read all frames once."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--method", choices=multiprocessing.get_all_start_methods())
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--batch-size", type=int, default=16)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        paths = arguments.files or write_files(Path(folder))
        # --8<-- [start:loader]
        loader = DataLoader(
            ScaledFrames(paths, maximum=4095),
            batch_size=arguments.batch_size,
            shuffle=True,
            num_workers=arguments.workers,
            multiprocessing_context=arguments.method if arguments.workers else None,
        )
        # --8<-- [end:loader]
        start = time.perf_counter()
        count = total = 0
        for batch in loader:
            count += len(batch)
            total += float(batch.double().sum())
        seconds = time.perf_counter() - start
        expected = sum(float(frame.sum(dtype=float)) / 4095 for frame in Frames(paths))
    if abs(total - expected) > 1e-6 * expected:
        raise SystemExit(f"the sum of all samples is {total}, and must be {expected}")
    print(f"{count} frames with {arguments.workers} workers: {count / seconds:.0f} frames per second")


if __name__ == "__main__":
    main()
