"""The frames of the example for PyTorch, in processes that were started in each way; PyTorch itself if it is there."""

import importlib.util
import multiprocessing
import re
import subprocess
import sys

import pytest

import dicom_jpegls as jls
from support.commands import ENVIRONMENT, ROOT
from support.dicom_files import make_dataset, random_frames

EXAMPLE = ROOT / "examples/data_loader"

METHODS = multiprocessing.get_all_start_methods()

# The parent decodes on threads before the workers start, and on another thread while they start.
PROGRAM = """
import multiprocessing
import sys
import threading

import numpy as np
from frames import Frames
from pydicom import dcmread

import dicom_jpegls as jls


def decode_all(path):
    return jls.pixel_array(dcmread(path), workers=2)


if __name__ == "__main__":
    method, *paths = sys.argv[1:]
    frames = Frames(paths)
    volumes = [decode_all(path) for path in paths]
    expected = [frame for volume in volumes for frame in volume]
    stop = threading.Event()

    def decode_on():
        while not stop.is_set():
            decode_all(paths[0])

    busy = threading.Thread(target=decode_on)
    busy.start()
    context = multiprocessing.get_context(method)
    with context.Pool(2, maxtasksperchild=2) as pool:  # so that workers start again and again
        found = pool.map(frames.__getitem__, range(len(frames)), chunksize=6)
        again = pool.map(decode_all, paths)
    stop.set()
    busy.join()
    assert len(found) == len(expected)
    assert all(np.array_equal(*pair) for pair in zip(found, expected))
    assert all(np.array_equal(*pair) for pair in zip(again, volumes))
    print(len(found), "frames")
"""


@pytest.fixture
def files(tmp_path):
    """Two files with frames of 12 bits, compressed, and their paths."""
    paths = []
    for seed in range(2):
        ds = make_dataset(random_frames((9, 64, 64), 12, seed=seed), bits_stored=12)
        jls.compress(ds, restart_interval=16 if seed else None)
        paths.append(tmp_path / f"{seed}.dcm")
        ds.save_as(paths[-1], enforce_file_format=True)
    return paths


def run_python(*arguments):
    """Run Python where the modules of the example can be imported, and return what it printed."""
    # Of the filters that match a warning the last one counts.
    filters = f"error,ignore:This process,{ENVIRONMENT.get('PYTHONWARNINGS', '')}"
    result = subprocess.run(
        [sys.executable, *map(str, arguments)],
        env=ENVIRONMENT | {"PYTHONPATH": str(EXAMPLE), "PYTHONWARNINGS": filters},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.mark.parametrize("method", METHODS)
def test_frames_are_decoded_in_processes_started_in_each_way(tmp_path, files, method):
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    assert run_python(program, method, *files) == "18 frames\n"


@pytest.mark.parametrize("method", METHODS)
def test_data_loader(files, method):
    if importlib.util.find_spec("torch") is None:
        pytest.skip("torch is not installed")
    output = run_python(EXAMPLE / "data_loader.py", *files, "--method", method, "--batch-size", 4)
    assert re.match("18 frames with 2 workers", output)
