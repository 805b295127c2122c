"""Measure the speed of compressing trees, the effect of killing jobs, and the memory for a large file.

Usage: python benchmarks/archive.py [--files N] [--rounds N] [--folder FOLDER]
                                    [--large [GIGABYTES] | --slices | --records [N]]

With --slices: N files of a CT slice of 128 x 128 samples (39 kB), and a tenth as many of 512 x 512, by each method.
With --records: a job of N files that are done already, whose tree consists of hard links, is planned and resumed; the
times are of the processor, the memory before is that of the interpreter and the imports.

Without both: a tree of files from the pydicom wheel, 1 % of them broken in ten ways. It is compressed by one worker, by
two, and by a loop of pydicom and pyjpegls, in turn, and the best times are compared. Then a job is killed twice,
resumed, verified and decompressed, and every sample is compared with the tree.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
from pydicom.pixels.utils import pixel_array
from pydicom.uid import JPEGLSLossless, JPEGLSTransferSyntaxes

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from dicom_jpegls import batch
from dicom_jpegls.batch import JOURNAL_NAME, Action, Status
from support.archive_tree import files_below, is_native_image, make_tree


def compress_with_pydicom(tree: Path, target: Path) -> int:
    """Compress a tree by a loop over pydicom and pyjpegls, and copy files that fail; return how many did not."""
    count = 0
    for name, path in files_below(tree).items():
        new = target / name
        new.parent.mkdir(parents=True, exist_ok=True)
        try:
            ds = pydicom.dcmread(path)
            if ds.file_meta.TransferSyntaxUID in JPEGLSTransferSyntaxes:
                raise ValueError("already compressed")
            if ds.file_meta.TransferSyntaxUID.is_compressed:
                ds.decompress(generate_instance_uid=False)
            ds.compress(JPEGLSLossless, encoding_plugin="pyjpegls", generate_instance_uid=False)
            ds.save_as(new, enforce_file_format=True)
            count += 1
        except Exception:
            shutil.copyfile(path, new)
    return count


def timed(function: Callable[[Path], object], folder: Path) -> float:
    """Return the seconds that a function takes to fill a folder."""
    shutil.rmtree(folder, ignore_errors=True)
    start = time.perf_counter()
    function(folder)
    return time.perf_counter() - start


def measure_throughput(tree: Path, folder: Path, rounds: int) -> None:
    """Print the best times of the three methods and their ratios."""
    methods: dict[str, Callable[[Path], object]] = {
        "pydicom + pyjpegls, one process": lambda target: compress_with_pydicom(tree, target),
        "dicom-jpegls, 1 worker": lambda target: batch.transcode([tree], target, workers=1),
        "dicom-jpegls, 2 workers": lambda target: batch.transcode([tree], target, workers=2),
    }
    times: dict[str, list[float]] = {name: [] for name in methods}
    for _ in range(rounds):
        for name, method in methods.items():
            times[name].append(timed(method, folder / "timed"))
    count = len(files_below(tree))
    best = {name: min(found) for name, found in times.items()}
    for name, seconds in best.items():
        print(f"{name}: {seconds:.1f} s, {count / seconds:.0f} files/s, {1000 * seconds / count:.2f} ms a file")
    loop, one, two = best.values()
    print(f"2 workers against 1: {one / two:.2f} x")
    print(f"against the loop: 1 worker {loop / one:.2f} x, 2 workers {loop / two:.2f} x")
    shutil.rmtree(folder / "timed")


def write_slices(folder: Path, count: int, tiles: int) -> None:
    """Write files with a real CT slice, tiled, shifted from file to file."""
    folder.mkdir()
    ds = pydicom.examples.ct
    image = np.tile(ds.pixel_array, (tiles, tiles))
    ds.Rows, ds.Columns = image.shape
    for number in range(count):
        ds.PixelData = np.roll(image, (7 * number, 13 * number), (0, 1)).astype("<i2").tobytes()
        ds.save_as(folder / f"{number:05}.dcm", enforce_file_format=True)


def lines(path: Path) -> int:
    """Count the lines of a file that may not exist."""
    return path.read_bytes().count(b"\n") if path.exists() else 0


def check_killed_and_resumed(tree: Path, broken: set[str], folder: Path) -> None:
    """Kill a job twice, resume it, verify and decompress, and compare every sample."""
    target, native = folder / "jls", folder / "native"
    count = len(files_below(tree))
    for part in (0.2, 0.6):
        command = [sys.executable, "-m", "dicom_jpegls", "compress", "--quiet", "--workers", "2", tree, target]
        process = subprocess.Popen(command)
        journal = target / JOURNAL_NAME
        while lines(journal) < part * count:
            if process.poll() is not None:
                raise RuntimeError(f"the job ended by itself, with status {process.returncode}")
            time.sleep(0.02)
        process.kill()
        process.wait()
        print(f"killed after {lines(journal)} records")
    summary = batch.transcode([tree], target, workers=2)
    print(f"resumed: {summary.done_before} done before, {dict(summary.counts)}")
    last = {record.name: record for record in batch.read_records(target / JOURNAL_NAME)}
    assert len(last) == count
    assert {record.name for record in last.values() if record.status is Status.FAILED} == broken
    assert set(files_below(target)) == set(files_below(tree)) - broken

    verified = batch.transcode([target], None, Action.VERIFY, workers=2)
    assert not verified.failures
    batch.transcode([target], native, Action.DECOMPRESS, workers=2)
    compared = 0
    for name, path in files_below(native).items():
        if is_native_image(tree / name) and is_native_image(path):
            before, after = pydicom.dcmread(tree / name), pydicom.dcmread(path)
            np.testing.assert_array_equal(pixel_array(before, raw=True), pixel_array(after, raw=True))
            compared += 1
    print(f"verified {verified.counts[Status.VERIFIED]}, decompressed and compared bit for bit {compared}")


# Runs in a separate process, to measure its peak memory.
LARGE = """
import json, pathlib, resource, sys, time
from dicom_jpegls.files import compress_file, decompress_file
source, folder, threads = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), int(sys.argv[3])
results = []
for function, target in ((compress_file, folder / "jls.dcm"), (decompress_file, folder / "native.dcm")):
    start = time.perf_counter()
    statistics = function(source, target, threads=threads).statistics
    results.append([time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss])
    source = target
print(json.dumps([results, statistics.frame_count, statistics.ratio]))
"""


def write_large_file(path: Path, gigabytes: float) -> int:
    """Write a native multi-frame file: a real CT slice, tiled to 1024 x 1024, shifted from frame to frame."""
    ds = pydicom.examples.ct
    tile = np.tile(ds.pixel_array, (8, 8))
    frames = min(int(gigabytes * 1e9), 2**32 - 2) // tile.nbytes
    ds.Rows, ds.Columns, ds.NumberOfFrames = *tile.shape, frames
    ds.PixelData = b""
    head = path.with_suffix(".head")
    ds.save_as(head, enforce_file_format=True)
    data = head.read_bytes()
    head.unlink()
    end = data.index(b"\xe0\x7f\x10\x00OW\0\0")
    rng = np.random.default_rng(1)
    with path.open("wb") as file:
        file.write(data[: end + 8] + (frames * tile.nbytes).to_bytes(4, "little"))
        for _ in range(frames):
            shifted = np.roll(tile, rng.integers(0, 128, 2), (0, 1)) + rng.integers(-4, 5, tile.shape, np.int16)
            file.write(shifted.astype("<i2").tobytes())
    return frames


def measure_large_file(folder: Path, gigabytes: float) -> None:
    """Print time and peak memory of a file of gigabytes, compressed and decompressed, and compare the result."""
    source = folder / "large.dcm"
    write_large_file(source, gigabytes)
    size = source.stat().st_size
    output = subprocess.run([sys.executable, "-c", LARGE, source, folder, "2"], capture_output=True, check=True).stdout
    results, frames, ratio = json.loads(output)
    print(f"{size / 1e9:.2f} GB in {frames} frames, ratio {ratio:.2f}")
    for name, (seconds, memory) in zip(("compress", "decompress"), results, strict=True):
        print(f"{name}: {seconds:.1f} s, {size / 1e6 / seconds:.0f} MB/s, peak memory {memory / 1024:.0f} MiB")
    with source.open("rb") as first, (folder / "native.dcm").open("rb") as second:
        first.seek(-frames * 2**21, os.SEEK_END)
        second.seek(-frames * 2**21, os.SEEK_END)
        assert all(first.read(2**21) == second.read(2**21) for _ in range(frames))
    print("decompressed bit for bit")


# Plans a job, or resumes it, in a separate process.
RESUMED = """
import resource, sys, time
from dicom_jpegls import batch
tree, target, count, resumes = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4] == "resumed"
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
if resumes:
    assert batch.transcode([tree], target, workers=1).done_before == count
else:
    assert len(batch.plan([tree], target)) == count
print(time.process_time(), before, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def write_done_job(tree: Path, target: Path, count: int) -> None:
    """Write a tree and its archive, both of hard links to a single file, and the journal that says so."""
    write_slices(tree, 1, 1)
    batch.transcode([tree], target, workers=1)
    journal = target / JOURNAL_NAME
    line = journal.read_text()
    with journal.open("w") as lines_of_journal:
        for number in range(count):
            name = f"{number // 1000:04}/{number:07}.dcm"
            lines_of_journal.write(line.replace("00000.dcm", name))
            for folder in (tree, target):
                if number % 1000 == 0:
                    (folder / name).parent.mkdir()
                os.link(folder / "00000.dcm", folder / name)
    for folder in (tree, target):
        (folder / "00000.dcm").unlink()


def measure_records(folder: Path, count: int) -> None:
    """Print processor time and peak memory of planning a job, and of resuming one of which all files are done."""
    tree, target = folder / "done", folder / "done-jls"
    write_done_job(tree, target, count)
    print(f"{count} records of {(target / JOURNAL_NAME).stat().st_size / count:.0f} bytes")
    for what in ("planned", "resumed"):
        command = [sys.executable, "-c", RESUMED, str(tree), str(target), str(count), what]
        output = subprocess.run(command, capture_output=True, check=True).stdout
        seconds, before, peak = map(float, output.split())
        print(f"{what}: {seconds:.1f} s, peak memory {peak:.0f} MiB, {before:.0f} MiB of it with the imports alone")


def main() -> None:
    """Run the measurement that the arguments ask for, in a folder that is deleted afterwards."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--large", type=float, nargs="?", const=4.3)
    parser.add_argument("--slices", action="store_true")
    parser.add_argument("--records", type=int, nargs="?", const=1_000_000)
    parser.add_argument("--folder", type=Path)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    batch.silence_pydicom()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        folder = Path(name)
        if arguments.large:
            measure_large_file(folder, arguments.large)
        elif arguments.records:
            measure_records(folder, arguments.records)
        elif arguments.slices:
            for tiles, count in ((1, arguments.files), (4, max(1, arguments.files // 10))):
                print(f"{count} files of {tiles * 128} x {tiles * 128} samples of 16 bits:")
                write_slices(folder / f"slices{tiles}", count, tiles)
                measure_throughput(folder / f"slices{tiles}", folder, arguments.rounds)
        else:
            broken = make_tree(folder / "tree", arguments.files, max(10, arguments.files // 100))
            size = sum(path.stat().st_size for path in files_below(folder / "tree").values())
            print(f"{arguments.files} files, {size / 1e6:.0f} MB, {len(broken)} of them broken")
            measure_throughput(folder / "tree", folder, arguments.rounds)
            check_killed_and_resumed(folder / "tree", broken, folder)


if __name__ == "__main__":
    main()
