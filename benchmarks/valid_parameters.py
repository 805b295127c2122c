"""Encode each row of the table of valid Image Pixel parameters with this package and its peers.

Usage: python benchmarks/valid_parameters.py [--write]

Every stream is decoded by an independent decoder (pylibjpeg-libjpeg) and compared with the original. Peers that are
not installed are shown as such. ``--write`` puts the table into docs/valid-parameters.md.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import NamedTuple

from interoperability import (
    OURS,
    Case,
    Outcome,
    Workers,
    installed,
    judge,
    make_dataset,
    markdown_table,
    random_frames,
    replace_marked,
    save,
    versions_text,
)

DOCUMENT = Path(__file__).parents[1] / "docs" / "valid-parameters.md"
ENCODERS = [OURS, "pyjpegls", "imagecodecs", "pillow-jpls", "python-gdcm", "DCMTK"]
DECODER = "pylibjpeg"


class Row(NamedTuple):
    """A row of the table: one kind of image in one container, for a range of Bits Stored."""

    photometric_interpretation: str
    dtype: str
    bits_stored: range
    planar_configuration: int | None = None
    near_lossless: int = 0
    margin: int = 0

    @property
    def name(self) -> str:
        """The first cell of the row."""
        parts = [self.photometric_interpretation, "signed" if self.dtype[0] == "i" else "unsigned"]
        if self.planar_configuration is not None:
            parts.append(f"planar {self.planar_configuration}")
        parts.append(f"{int(self.dtype[1]) * 8} allocated, {self.bits_stored[0]} to {self.bits_stored[-1]} stored")
        if self.near_lossless:
            parts.append(f"NEAR {self.near_lossless}")
            if self.dtype[0] == "i" and not self.margin:
                parts.append("whole range")
        return ", ".join(parts)

    def case(self, bits_stored: int) -> Case:
        """Return an image of this kind."""
        color = self.planar_configuration is not None
        frames = random_frames((1, 20, 23, 3) if color else (1, 20, 23), bits_stored, self.dtype, self.margin)
        return Case(
            "", frames, bits_stored, self.photometric_interpretation, self.planar_configuration, self.near_lossless
        )


_BYTES, _WORDS = range(2, 9), range(2, 17)
ROWS = (
    *(
        Row(photometric_interpretation, dtype, bits_stored)
        for photometric_interpretation in ("MONOCHROME1", "MONOCHROME2")
        for dtype, bits_stored in (("u1", _BYTES), ("u2", _WORDS), ("i1", _BYTES), ("i2", _WORDS))
    ),
    Row("PALETTE COLOR", "u1", _BYTES),
    Row("PALETTE COLOR", "u2", _WORDS),
    *(
        Row("RGB", dtype, bits_stored, planar_configuration)
        for dtype, bits_stored in (("u1", _BYTES), ("u2", _WORDS))
        for planar_configuration in (0, 1)
    ),
    Row("YBR_FULL", "u1", _BYTES, 0),
    Row("YBR_FULL", "u1", _BYTES, 1),
    Row("MONOCHROME2", "u2", range(9, 17), near_lossless=2),
    Row("MONOCHROME2", "i2", range(9, 17), near_lossless=3, margin=3),
    Row("MONOCHROME2", "i2", range(9, 17), near_lossless=3),
    Row("RGB", "u1", range(8, 9), 0, near_lossless=2),
    Row("YBR_FULL", "u1", range(8, 9), 0, near_lossless=2),
)


def _outcome(workers: Workers, name: str, case: Case, native: Path) -> Outcome:
    compressed = native.with_name("compressed.dcm")
    compressed.unlink(missing_ok=True)
    outcome = workers.call(name, "encode", native, compressed, case.near_lossless)
    if outcome.verdict != "done":
        return outcome
    return judge(workers.call(DECODER, "decode", compressed), case.frames, case.near_lossless)


def _summary(verdicts: dict[int, str]) -> str:
    """Group the values of Bits Stored by verdict: "exact" if all agree, otherwise each verdict with its values."""
    by_verdict: dict[str, list[int]] = {}
    for bits_stored, verdict in verdicts.items():
        by_verdict.setdefault(verdict.partition(" (")[0], []).append(bits_stored)
    if len(by_verdict) == 1:
        return next(iter(by_verdict))
    return "; ".join(f"{verdict} {_ranges(numbers)}" for verdict, numbers in by_verdict.items())


def _ranges(numbers: list[int]) -> str:
    groups: list[list[int]] = []
    for number in numbers:
        if groups and number == groups[-1][-1] + 1:
            groups[-1].append(number)
        else:
            groups.append([number])
    return ", ".join(str(group[0]) if len(group) == 1 else f"{group[0]}-{group[-1]}" for group in groups)


def main() -> None:
    """Make the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help=f"update {DOCUMENT.name}")
    arguments = parser.parse_args()
    versions = installed([*ENCODERS, DECODER])
    lines = []
    with Workers() as workers, tempfile.TemporaryDirectory() as temporary:
        native = Path(temporary, "original.dcm")
        for row in ROWS:
            verdicts: dict[str, dict[int, str]] = {name: {} for name in ENCODERS}
            for bits_stored in row.bits_stored:
                case = row.case(bits_stored)
                save(make_dataset(case.frames, bits_stored, *case[3:5]), native)
                for name in ENCODERS:
                    if versions[name]:
                        verdicts[name][bits_stored] = _outcome(workers, name, case, native).verdict
            lines.append([row.name, *(_summary(found) if found else "" for found in verdicts.values())])
    header = ["", *(name if versions[name] else f"{name} (not installed)" for name in ENCODERS)]
    content = f"{markdown_table(header, lines)}\n\n{versions_text(versions)}"
    print(content)
    if arguments.write:
        replace_marked(DOCUMENT, content)


if __name__ == "__main__":
    main()
