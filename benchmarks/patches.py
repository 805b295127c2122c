"""Measure what each patch to CharLS costs: time with all patches divided by time without that one.

Usage: python benchmarks/patches.py CHARLS

CHARLS is a folder of CharLS 2.4 sources. Builds CharLS with all patches, and without each of them, as shared libraries;
decodes and encodes images with both in turn, in one process, and divides the least processor times.
"""

from __future__ import annotations

import argparse
import ctypes
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from interoperability import markdown_table
from numpy.typing import NDArray
from pydicom import examples

PATCHES = sorted((Path(__file__).parents[1] / "patches").glob("*.patch"))
RUNS = 40


class FrameInfo(ctypes.Structure):
    """The structure charls_frame_info."""

    _fields_ = (
        ("width", ctypes.c_uint32),
        ("height", ctypes.c_uint32),
        ("bits_per_sample", ctypes.c_int32),
        ("component_count", ctypes.c_int32),
    )


class CharLS:
    """A build of CharLS."""

    def __init__(self, sources: Path, without: Path | None, folder: Path) -> None:
        tree = folder / (without.stem if without else "all")
        shutil.copytree(sources, tree)
        for patch in PATCHES:
            if patch != without:
                subprocess.run(["git", "apply", patch], cwd=tree, check=True)
        options = [
            "-std=c++17",
            "-O3",
            "-DNDEBUG",
            "-fPIC",
            "-shared",
            "-DCHARLS_LIBRARY_BUILD",
            f"-I{tree / 'include'}",
        ]
        files = sorted((tree / "src").glob("*.cpp"))
        subprocess.run(["c++", *options, f"-I{tree / 'include'}", *files, "-o", tree / "charls.so"], check=True)
        self._library = ctypes.CDLL(str(tree / "charls.so"))
        for kind in ("encoder", "decoder"):
            getattr(self._library, f"charls_jpegls_{kind}_create").restype = ctypes.c_void_p

    def _coder(self, kind: str) -> Any:
        coder = ctypes.c_void_p(getattr(self._library, f"charls_jpegls_{kind}_create")())

        def call(name: str, *arguments: Any) -> None:
            code = getattr(self._library, f"charls_jpegls_{kind}_{name}")(coder, *arguments)
            if name != "destroy" and code != 0:
                raise RuntimeError(f"{name}: {code}")

        return call

    def encode(self, image: NDArray[Any], bits: int, stream: NDArray[Any]) -> int:
        """Encode, colour in sample interleave; return the size of the stream."""
        components = image.shape[2] if image.ndim == 3 else 1
        size = ctypes.c_size_t()
        call = self._coder("encoder")
        call("set_frame_info", ctypes.byref(FrameInfo(image.shape[1], image.shape[0], bits, components)))
        call("set_interleave_mode", 2 if components > 1 else 0)
        call("set_destination_buffer", ctypes.c_void_p(stream.ctypes.data), ctypes.c_size_t(stream.size))
        call("encode_from_buffer", ctypes.c_void_p(image.ctypes.data), ctypes.c_size_t(image.nbytes), 0)
        call("get_bytes_written", ctypes.byref(size))
        call("destroy")
        return size.value

    def decode(self, stream: NDArray[Any], size: int, image: NDArray[Any]) -> None:
        """Decode."""
        call = self._coder("decoder")
        call("set_source_buffer", ctypes.c_void_p(stream.ctypes.data), ctypes.c_size_t(size))
        call("read_header")
        call("decode_to_buffer", ctypes.c_void_p(image.ctypes.data), ctypes.c_size_t(image.nbytes), 0)
        call("destroy")


def images() -> dict[str, tuple[NDArray[Any], int]]:
    """Return images with their bits per sample."""
    random = np.random.default_rng(1)
    rgb = np.ascontiguousarray(examples.rgb_color.pixel_array)
    return {
        "CT": (np.tile(examples.ct.pixel_array.astype(np.uint16), (3, 3)), 16),
        "RGB": (rgb, 8),
        "four components": (np.concatenate([rgb, rgb[..., :1]], axis=2), 8),
        "noise": (random.integers(0, 4096, (384, 384)).astype(np.uint16), 12),
    }


def least_times(builds: list[CharLS], image: NDArray[Any], bits: int) -> NDArray[Any]:
    """Return the least times of encoding and of decoding, in seconds, for each build in turn."""
    stream = np.empty(6 * image.nbytes + 1000, np.uint8)
    decoded = np.empty_like(image)
    best = np.full((len(builds), 2), np.inf)
    for _ in range(RUNS):
        for i, charls in enumerate(builds):
            times = [time.process_time()]
            size = charls.encode(image, bits, stream)
            times.append(time.process_time())
            charls.decode(stream, size, decoded)
            times.append(time.process_time())
            best[i] = np.minimum(best[i], np.diff(times))
    return best


def main() -> None:
    """Build and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("charls", type=Path)
    sources = parser.parse_args().charls
    if sys.platform == "win32":
        parser.error("a Unix compiler is needed")
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor() as pool:
        builds = list(pool.map(lambda without: CharLS(sources, without, Path(folder)), [None, *PATCHES]))
        measured = {name: least_times(builds, *image) for name, image in images().items()}
    header = ["patch", *(f"{name}, {what}" for name in measured for what in ("encode", "decode"))]
    rows = [
        [patch.stem, *(f"{best[0, j] / best[i, j]:.3f}" for best in measured.values() for j in range(2))]
        for i, patch in enumerate(PATCHES, 1)
    ]
    print(markdown_table(header, rows))


if __name__ == "__main__":
    main()
