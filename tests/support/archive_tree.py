"""Trees of DICOM files like those of an archive: images of the pydicom wheel, other objects, and broken files."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pydicom
from pydicom.encaps import encapsulate, generate_frames
from pydicom.pixels.utils import pixel_array as native_pixel_array

import dicom_jpegls as jls
from dicom_jpegls.batch import JOURNAL_NAME, run_job
from support.dicom_files import JPEGLS_FILES, NATIVE_FILES, TEST_FILES, read

# Compressed in another way, which pydicom decodes without plugins.
RLE_FILES = ("MR_small_RLE.dcm", "SC_rgb_rle.dcm", "SC_rgb_rle_16bit_2frame.dcm")

# No images, or none for JPEG-LS: a plan, a report, a waveform, 32-bit samples, a directory, a text.
OTHER_FILES = (
    "rtplan.dcm",
    "reportsi.dcm",
    "waveform_ecg.dcm",
    "rtdose.dcm",
    "dicomdirtests/DICOMDIR",
    "README.txt",
)


def cut_in_pixel_data(path):
    path.write_bytes((TEST_FILES / "CT_small.dcm").read_bytes()[:-4000])


def cut_in_attributes(path):
    path.write_bytes((TEST_FILES / "CT_small.dcm").read_bytes()[:1500])


def cut_in_compressed_frame(path):
    path.write_bytes((TEST_FILES / "MR_small_RLE.dcm").read_bytes()[:-3000])


def cut_in_meta_information(path):
    path.write_bytes((TEST_FILES / "MR_small.dcm").read_bytes()[:200])


def without_rows(path):
    _changed(path, "MR_small.dcm", Rows=None)


def wrong_number_of_frames(path):
    _changed(path, "MR_small.dcm", NumberOfFrames=3)


def nonsense_number_of_frames(path):
    _changed(path, "MR_small.dcm", NumberOfFrames=-1)


def bits_above_bits_stored(path):
    _changed(path, "MR_small.dcm", BitsStored=5, HighBit=4)


def without_encapsulation(path):
    ds = read("MR_small_RLE.dcm")
    ds["PixelData"].is_undefined_length = False
    ds.PixelData = next(generate_frames(ds.PixelData, number_of_frames=1))
    data = bytearray((TEST_FILES / "MR_small_RLE.dcm").read_bytes())
    start = data.index(b"\xe0\x7f\x10\x00OB\0\0")
    path.write_bytes(data[: start + 8] + len(ds.PixelData).to_bytes(4, "little") + ds.PixelData)


def damaged_rle_segments(path):
    ds = read("MR_small_RLE.dcm")
    frame = bytearray(next(generate_frames(ds.PixelData, number_of_frames=1)))
    frame[:4] = (200).to_bytes(4, "little")
    ds.PixelData = encapsulate([bytes(frame)])
    ds.save_as(path)


BROKEN_KINDS = (
    cut_in_pixel_data,
    cut_in_attributes,
    cut_in_compressed_frame,
    cut_in_meta_information,
    without_rows,
    wrong_number_of_frames,
    nonsense_number_of_frames,
    bits_above_bits_stored,
    without_encapsulation,
    damaged_rle_segments,
)


def _changed(path, name, **changes):
    ds = read(name)
    for keyword, value in changes.items():
        if value is None:
            delattr(ds, keyword)
        else:
            setattr(ds, keyword, value)
    ds.save_as(path)


def make_tree(folder: Path, count: int, broken: int) -> set[str]:
    """Write a tree of `count` files, of which `broken` are damaged in different ways; return the names of those."""
    names = set()
    sound = (*NATIVE_FILES, *RLE_FILES, *JPEGLS_FILES, *OTHER_FILES)
    for number in range(count):
        path = folder / f"patient{number // 50:02}" / f"study{number // 10 % 5}" / f"IM{number:05}"
        path.parent.mkdir(parents=True, exist_ok=True)
        if number * broken // count != (number + 1) * broken // count:
            BROKEN_KINDS[len(names) % len(BROKEN_KINDS)](path)
            names.add(path.relative_to(folder).as_posix())
        else:
            shutil.copyfile(TEST_FILES / sound[number % len(sound)], path)
    return names


COUNT, BROKEN = 62, 10


def make_shared_tree(tmp_path_factory):
    """Write the tree that many tests read; return it and the names of those files that are broken."""
    folder = tmp_path_factory.mktemp("archive") / "tree"
    broken = make_tree(folder, COUNT, BROKEN)
    assert len(broken) == BROKEN == len(BROKEN_KINDS)
    return folder, broken


def files_below(folder: Path) -> dict[str, Path]:
    """Return the files of a tree by their names in it, without journals."""
    return {
        path.relative_to(folder).as_posix(): path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != JOURNAL_NAME
    }


def is_native_image(path: Path) -> bool:
    """Whether a file has native pixel data."""
    try:
        ds = pydicom.dcmread(path)
        return "PixelData" in ds and not ds.file_meta.TransferSyntaxUID.is_compressed
    except Exception:
        return False


def run_or_die(jobs):
    """Run jobs as a worker process does, but die at files named poison, as for lack of memory."""
    if any(job.name.endswith("poison") for job in jobs):
        os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))  # which on Windows nothing can catch
    return [run_job(job) for job in jobs]


def records_of(folder):
    """Return the records in the journal of a folder."""
    return [json.loads(line) for line in (folder / JOURNAL_NAME).read_text().splitlines()]


def check_result(tree, target):
    """Check that the target has the whole tree except for the broken files, and that the samples are the same."""
    folder, broken = tree
    sources, targets = files_below(folder), files_below(target)
    assert set(targets) == set(sources) - broken
    for name, path in targets.items():
        if path.read_bytes() == sources[name].read_bytes():
            continue
        before, after = pydicom.dcmread(sources[name]), pydicom.dcmread(path)
        assert after.file_meta.TransferSyntaxUID == pydicom.uid.JPEGLSLossless, name
        np.testing.assert_array_equal(jls.pixel_array(after), native_pixel_array(before, raw=True), err_msg=name)
        assert before.SOPInstanceUID == after.SOPInstanceUID, name


def start_job(*arguments, stdout=subprocess.DEVNULL):
    """Start the command line in a separate process group."""
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, signal.SIG_DFL)  # which nohup ignores, and so would the job
    return subprocess.Popen(
        [sys.executable, "-m", "dicom_jpegls", *map(str, arguments)],
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def wait_for_records(folder, count):
    """Wait until a job has written a number of records."""
    journal = folder / JOURNAL_NAME
    end = time.monotonic() + 60
    while time.monotonic() < end:
        if journal.exists() and journal.read_bytes().count(b"\n") >= count:
            return
        time.sleep(0.005)
    raise TimeoutError(f"{journal} did not get {count} records")
