"""Count how decoders respond to damaged streams: this package and its peers, on the same inputs.

Usage: python benchmarks/hostile.py [--write]

The streams are those of T.87 annex E, as the pyjpegls wheel has them, and those of the pydicom wheel's JPEG-LS files.
Each is truncated at 200 positions (at every byte if it is small), has one of its bits flipped, 2000 times, and has
each of its segments removed and repeated. Inputs are decoded in a separate process, which may crash and is ended on a
timeout. That takes long where a decoder hangs on many inputs, so peers get only a part of the inputs.
``--write`` puts the table into docs/security.md.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import jpeg_ls
from interoperability import installed, markdown_table, replace_marked, versions_text
from pydicom import dcmread
from pydicom.encaps import generate_frames

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from support.damage import CRASH, HANG, OTHER, OURS, REFUSED, SAME, outcomes
from support.dicom_files import JPEGLS_FILES, TEST_FILES

DOCUMENT = Path(__file__).parents[1] / "docs" / "security.md"
CONFORMANCE = Path(jpeg_ls.__file__).parent / "tests" / "jlsimV100"
TRUNCATIONS, FLIPS = 200, 2000
SMALL = 5000  # bytes
TIME_LIMITS = {OURS: 2.0, "pyjpegls": 1.0, "imagecodecs": 1.0}  # seconds; the intact streams take milliseconds
SAMPLE = 20
COLUMNS = {
    REFUSED: "refused",
    SAME: "the intact stream's pixels",
    OTHER: "other pixels",
    CRASH: "crash",
    HANG: "timeout",
}


def intact_streams() -> Iterator[tuple[str, bytes]]:
    """Yield the streams, each with a name."""
    for path in sorted(CONFORMANCE.glob("*.[jJ][lL][sS]")):
        yield path.stem, path.read_bytes()
    for name in JPEGLS_FILES:
        ds = dcmread(TEST_FILES / name)
        yield name, next(generate_frames(ds.PixelData, number_of_frames=1))


def main() -> None:
    """Try every stream with every decoder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help=f"update {DOCUMENT.name}")
    arguments = parser.parse_args()

    versions = installed(list(TIME_LIMITS))
    runs = {(OURS, 1): Counter()} | {(name, SAMPLE): Counter() for name in TIME_LIMITS if versions[name]}
    streams = list(intact_streams())
    with tempfile.TemporaryDirectory() as folder:
        for name, stream in streams:
            file = Path(folder, name)
            file.write_bytes(stream)
            damage = {"truncations": len(stream) if len(stream) <= SMALL else TRUNCATIONS, "flips": FLIPS}
            for (decoder, every), counts in runs.items():
                start = time.perf_counter()
                found = Counter(outcomes(decoder, file, time_limit=TIME_LIMITS[decoder], every=every, **damage))
                counts.update(found)
                print(f"{name}, {decoder}: {dict(found)}, {time.perf_counter() - start:.1f} s", flush=True)
                assert decoder != OURS or set(found) <= {REFUSED, SAME, OTHER}

    rows = []
    for (decoder, every), counts in runs.items():
        known = [counts[key] for key in COLUMNS]
        label = decoder if every == 1 else f"{decoder}, every {every}th"
        rows.append([label, *map(str, (*known, counts.total() - sum(known), counts.total()))])
    content = "\n\n".join(
        (
            markdown_table(["", *COLUMNS.values(), "other errors", "inputs"], rows),
            f"Inputs from {len(streams)} streams. The timeout is {TIME_LIMITS[OURS]:g} s for dicom-jpegls and "
            f"{TIME_LIMITS['pyjpegls']:g} s for the others.",
            versions_text(versions),
        )
    )
    print(content)
    if arguments.write:
        replace_marked(DOCUMENT, content)


if __name__ == "__main__":
    main()
