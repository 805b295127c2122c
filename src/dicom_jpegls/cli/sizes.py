"""What the table at the end of a job and its report say alike: sizes, and failures by reason."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dicom_jpegls.batch import Summary


def grouped_failures(summary: Summary) -> list[tuple[str, list[str]]]:
    """Return the reasons of failures and the files that they have, the most frequent first.

    Reasons that differ only in numbers and file names are one; the first is shown.
    """
    groups: dict[str, tuple[str, list[str]]] = {}
    for record in summary.failures:
        reason = record.reason or ""
        key = re.sub(r"\d+", "0", reason.replace(record.name, "..."))
        groups.setdefault(key, (reason, []))[1].append(record.source)
    return sorted(groups.values(), key=lambda group: -len(group[1]))


def saved_text(summary: Summary) -> str:
    """Return how many bytes smaller the new files are."""
    return f"{human_size(summary.source_size - summary.target_size)} saved"


def human_size(size: float) -> str:
    """Return a number of bytes in the unit that suits it."""
    for unit in ("B", "kB", "MB", "GB"):
        if abs(size) < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"
