"""Measure what a call of `encode_into` or `decode_into` costs, compared with a C++ loop and with peers.

Usage: python benchmarks/low_level.py [--rounds N] [build folder]

The C++ loop (charls_loop.cpp) is compiled here with the CharLS library of the build folder, by default build/* of the
checkout: the same library that this package contains. Its calls are timed in C++, ours in Python, timer included.
"""

from __future__ import annotations

import argparse
import ctypes
import subprocess
import tempfile
from pathlib import Path

import imagecodecs
import jpeg_ls
import numpy as np
from measure import Array, Case, Contender, compare, python_calls, real_cases

import dicom_jpegls as jls

ROOT = Path(__file__).parents[1]
SIZE = ctypes.c_size_t
SIGNATURES = {
    "encode_loop": [ctypes.c_void_p, SIZE, ctypes.c_uint32, ctypes.c_uint32, ctypes.c_int32, ctypes.c_int32,
                    ctypes.c_void_p, SIZE, ctypes.c_int],
    "decode_loop": [ctypes.c_void_p, SIZE, ctypes.c_void_p, SIZE, ctypes.c_int],
    "create_loop": [ctypes.c_int],
}  # fmt: skip


def default_build() -> Path:
    """Return the build folder of the checkout."""
    return next(library.parent for library in sorted(ROOT.glob("build/*/libcharls.a")))


def compile_loops(build: Path, directory: Path) -> ctypes.CDLL:
    """Build charls_loop.cpp with the CharLS of a build folder."""
    library = directory / "charls_loop.so"
    command = ["c++", "-std=c++17", "-O3", "-DNDEBUG", "-shared", "-fPIC", "-DCHARLS_STATIC"]
    command += ["-I", str(build / "charls-patched/include"), str(ROOT / "benchmarks/charls_loop.cpp")]
    subprocess.run([*command, str(build / "libcharls.a"), "-o", str(library)], check=True)
    loops = ctypes.CDLL(str(library))
    for name, arguments in SIGNATURES.items():
        function = getattr(loops, name)
        function.argtypes, function.restype = arguments, ctypes.c_double
    return loops


def address(array: Array) -> int:
    """Return the address of an array's memory."""
    return array.ctypes.data


def encoders(case: Case, loops: ctypes.CDLL) -> dict[str, Contender]:
    """Return each way to encode the image; the first is ours, the second the reference."""
    image, arguments = case.image, case.arguments
    target = np.empty(jls.max_encoded_size(**arguments), np.uint8)
    samples, components, shape = image.tobytes(), arguments["component_count"], image.shape[:2]
    loop_arguments = (
        address(image), image.nbytes, arguments["width"], arguments["height"], case.bits_per_sample, components,
        address(target), target.size,
    )  # fmt: skip
    mode = 2 if components == 3 else None
    return {
        "encode_into": python_calls(lambda: jls.encode_into(image, target, **arguments)),
        "C++ loop": lambda calls: float(loops.encode_loop(*loop_arguments, calls)),
        "pyjpegls": python_calls(
            lambda: jpeg_ls.encode_buffer(samples, *shape, components, case.bits_per_sample, interleave_mode=mode)
        ),
        "imagecodecs": python_calls(lambda: imagecodecs.jpegls_encode(image, out=target)),
    }


def decoders(case: Case, loops: ctypes.CDLL) -> dict[str, Contender]:
    """Return each way to decode the image; the first is ours, the second the reference."""
    stream = jls.encode(case.image, bits_per_sample=case.bits_per_sample)
    source, out = np.frombuffer(stream, np.uint8), np.empty_like(case.image)
    jls.decode_into(stream, out)
    if not np.array_equal(out, case.image):
        raise AssertionError(f"{case.name}: the decoded samples differ from the original")
    return {
        "decode_into": python_calls(lambda: jls.decode_into(stream, out)),
        "C++ loop": lambda calls: float(
            loops.decode_loop(address(source), source.size, address(out), out.nbytes, calls)
        ),
        "pyjpegls": python_calls(lambda: jpeg_ls.decode_buffer(stream)),
        "imagecodecs": python_calls(lambda: imagecodecs.jpegls_decode(stream, out=out)),
    }


def main() -> None:
    """Print a table, and how much a reusable codec object could save."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=Path, nargs="?", help="with libcharls.a and charls-patched/")
    parser.add_argument("--rounds", type=int, default=15, help="turns of each contender, 15 by default")
    arguments = parser.parse_args()
    build = arguments.build or default_build()
    with tempfile.TemporaryDirectory() as directory:
        loops = compile_loops(build, Path(directory))
        print(f"{'':24} {'ours':>10} {'C++ loop':>10} {'difference':>18} {'pyjpegls':>10} {'imagecodecs':>12}")
        for case in real_cases():
            for contenders in (encoders(case, loops), decoders(case, loops)):
                best = compare(contenders, case.calls, arguments.rounds)
                (ours, own), (_, loop), *peers = ((name, timing.best) for name, timing in best.items())
                ratios = [f"x {time / own:.2f}" for _, time in peers]
                difference = f"{(own - loop) / 1e3:+.2f} us {own / loop - 1:+.1%}"
                print(
                    f"{case.name + ', ' + ours[:6]:24} {own / 1e3:7.1f} us {loop / 1e3:7.1f} us {difference:>18} "
                    f"{ratios[0]:>10} {ratios[1]:>12}"
                )
        objects = min(loops.create_loop(1000) for _ in range(arguments.rounds))
        print(f"Creating and freeing an encoder and a decoder of CharLS, timer included: {objects / 1e3:.2f} us")


if __name__ == "__main__":
    main()
