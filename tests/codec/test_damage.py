"""Damaged streams end in pixels or in an error of ours, in time, and nothing crashes."""

import zipfile
from collections import Counter

import pydicom
import pytest
from pydicom.encaps import generate_frames

from dicom_jpegls import _codec
from support.commands import ROOT
from support.conformance import read_stream
from support.damage import OTHER, OURS_IN_PART, REFUSED, SAME, archived, damaged, outcomes, segments
from support.dicom_files import JPEGLS_FILES, TEST_FILES
from support.jls_streams import encode_image, make_image

CORPUS = ROOT / "fuzz/corpus.zip"
TIME_LIMIT = 10  # seconds for inputs that take milliseconds: the machine may be busy


def count(file, **options):
    """Number of inputs of each outcome, none of which may be another than these."""
    found = Counter(outcomes(OURS_IN_PART, file, time_limit=TIME_LIMIT, **options))
    assert set(found) <= {SAME, OTHER, REFUSED}
    return found


@pytest.mark.patched_charls
def test_inputs_that_fuzzing_found():
    found = count(CORPUS)
    assert found.total() == len(list(archived(CORPUS)))
    assert found[OTHER] > 10
    assert found[REFUSED] > 100


def first_frame(name):
    ds = pydicom.dcmread(TEST_FILES / name)
    return next(generate_frames(ds.PixelData, number_of_frames=1))


@pytest.mark.patched_charls
@pytest.mark.parametrize("name", ["T8C0E0", "T8C1E3", "T8C2E0", "T16E3", "T8SSE0", *JPEGLS_FILES])
def test_damaged_stream(name, tmp_path):
    """Every kind of damage; benchmarks/hostile.py tries more of each."""
    stream = first_frame(name) if name in JPEGLS_FILES else read_stream(name)
    file = tmp_path / "stream"
    file.write_bytes(stream)
    options = {"truncations": 20, "flips": 60}
    found = count(file, **options)
    assert found.total() == len(list(damaged(stream, **options))) == 80 + 2 * len(list(segments(stream)))
    assert found[REFUSED] >= 20
    assert (found[SAME] > 0) == (name != "T8SSE0")  # subsampled, so refused as it is


@pytest.mark.patched_charls
@pytest.mark.parametrize("tail", [b"\xff", b"\xff\x00", b"\xff\xd0", b"\xff\xda\x00\x02", b"\xff\xfe\x00\x02"])
def test_megabytes_behind_the_damage(tail, tmp_path):
    """Every byte is looked at a few times, not once for each byte before it."""
    stream = encode_image(make_image("noise", (8, 8), 8))
    file = tmp_path / "streams"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("truncated", stream[:60] + tail * (4_000_000 // len(tail)))
        archive.writestr("ended", stream[:60] + tail * (4_000_000 // len(tail)) + stream[-2:])
    assert count(file)[REFUSED] == 2


def test_documented_faults():
    """The table in docs/security.md is that of the checks."""
    lines = (ROOT / "docs/security.md").read_text().splitlines()
    first = lines.index("| name | text of the error |") + 2
    rows = [f"| `{name}` | {text} |" for _, name, text in _codec._stream_faults()]
    assert lines[first : first + len(rows) + 1] == [*rows, ""]
