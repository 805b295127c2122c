"""Compare one core's speed with that of imagecodecs and pyjpegls, in one process, on 512 x 512 samples of CT images.

Usage: python benchmarks/core_python.py, with the package and its test dependencies installed.
"""

import sys
import time
from pathlib import Path

import imagecodecs
import jpeg_ls
import numpy as np

import dicom_jpegls as jls

sys.path.insert(0, str(Path(__file__).parent / "core"))
from export_images import images

ROUNDS = 60

# Each encodes an image, and decodes the stream it made to an array.
PEERS = {
    "dicom-jpegls": (lambda image, bits: jls.encode(image, bits_per_sample=bits), jls.decode),
    "imagecodecs": (lambda image, _bits: imagecodecs.jpegls_encode(image), imagecodecs.jpegls_decode),
    "pyjpegls": (
        lambda image, _bits: jpeg_ls.encode_array(image),
        lambda stream: jpeg_ls.decode(np.frombuffer(stream, np.uint8)),
    ),
}


def seconds(function, *arguments):
    """Return the time of a call, in seconds."""
    begin = time.perf_counter()
    function(*arguments)
    return time.perf_counter() - begin


def measure(image, bits):
    """Time the peers in turn; return the least time of each to encode and to decode."""
    streams = {name: encode(image, bits) for name, (encode, _) in PEERS.items()}
    for name, (_, decode) in PEERS.items():
        decoded = np.asarray(decode(streams[name]))
        if decoded.shape != image.shape or not np.array_equal(decoded, image):
            raise AssertionError(f"{name} does not return the original image")
    times = {name: [float("inf")] * 2 for name in PEERS}
    for _ in range(ROUNDS):
        for name, (encode, decode) in PEERS.items():
            least = times[name]
            least[0] = min(least[0], seconds(encode, image, bits))
            least[1] = min(least[1], seconds(decode, streams[name]))
    return times


def main():
    """Print a table."""
    print("| image | peer | encode, MB/s | dicom-jpegls is faster by | decode, MB/s | dicom-jpegls is faster by |")
    print("|---|---|---|---|---|---|")
    for name, group, image, bits, _, _ in images():
        if group != "one-component" or image.shape != (512, 512) or bits < 12:
            continue
        times = measure(np.ascontiguousarray(image), bits)
        for peer, least in times.items():
            cells = [name, peer]
            for direction in (0, 1):
                ratio = least[direction] / times["dicom-jpegls"][direction]
                cells += [f"{image.nbytes / least[direction] / 1e6:.0f}", f"{ratio:.2f}"]
            print("|", " | ".join(cells), "|")


if __name__ == "__main__":
    main()
