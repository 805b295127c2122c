"""What a job leaves beside its files: a report as HTML or CSV, and a log."""

from __future__ import annotations

import csv
import html
import io
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from dicom_jpegls.batch import Status
from dicom_jpegls.cli.output import printable
from dicom_jpegls.cli.sizes import grouped_failures, human_size
from dicom_jpegls.cli.status import ExitStatus, Failure
from dicom_jpegls.files import describe_error

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import TextIO

    from dicom_jpegls.batch import Record, Summary

REPORT_SUFFIXES = (".html", ".csv")

# So many files that failed for one reason are named.
_FILES_NAMED = 20

# What a spreadsheet takes for the start of a formula.
_FORMULA_STARTS = ("=", "+", "-", "@")

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60em; margin: 2em auto; padding: 0 1em; }
table { border-collapse: collapse; width: 100%; margin-bottom: 2em; }
th, td { text-align: left; padding: 0.3em 0.8em; border-bottom: 1px solid #8884; overflow-wrap: anywhere; }
.number { text-align: right; white-space: nowrap; }
.whole { background: #8882; width: 10em; }
.bar { background: #3a7; height: 0.8em; }
details { color: #666; }
"""


class _Row(NamedTuple):
    """A line of the report."""

    section: str
    name: str
    files: int
    source_size: int | None = None
    target_size: int | None = None
    names: tuple[str, ...] = ()


def write_report(path: Path, summary: Summary, *, dry_run: bool = False) -> None:
    """Write the results of a job: files by status, failures by reason, savings by modality.

    Parameters
    ----------
    path : pathlib.Path
        The file, replaced if it exists; its suffix, one of `REPORT_SUFFIXES`, chooses the format.
    summary : Summary
        The results.
    dry_run : bool, optional
        Whether they are what would be done.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    rows = list(_rows(summary))
    text = _csv_text(rows) if path.suffix.lower() == ".csv" else _html_text(rows, dry_run=dry_run)
    path.write_text(text, encoding="utf-8", newline="")


def _rows(summary: Summary) -> Iterator[_Row]:
    for status in Status:
        if summary.counts[status]:
            yield _Row("status", status.value, summary.counts[status])
    if summary.done_before:
        yield _Row("status", "done before", summary.done_before)
    yield _Row("total", "files that did not fail", summary.succeeded, summary.source_size, summary.target_size)
    for reason, names in grouped_failures(summary):
        yield _Row("failure", reason, len(names), names=tuple(names))
    for (status, reason), count in summary.reasons.most_common():
        yield _Row("reason", f"{status.value}: {reason}", count)
    savings = sorted(summary.modalities.items(), key=lambda item: item[1].target_size - item[1].source_size)
    for modality, sizes in savings:
        yield _Row("modality", modality, sizes.files, sizes.source_size, sizes.target_size)


def _csv_text(rows: list[_Row]) -> str:
    output = io.StringIO()
    writer = csv.writer(output)
    writer.writerow(("section", "name", "files", "source_bytes", "target_bytes"))
    for row in rows:
        name = printable(row.name)
        name = f"'{name}" if name.startswith(_FORMULA_STARTS) else name
        writer.writerow((row.section, name, row.files, row.source_size, row.target_size))
    return output.getvalue()


def _html_text(rows: list[_Row], *, dry_run: bool) -> str:
    title = "dicom-jpegls: what would be done" if dry_run else "dicom-jpegls: results of a job"
    parts = [
        f'<!DOCTYPE html>\n<html lang="en"><meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style>',
        f"<h1>{title}</h1><p>{datetime.now().astimezone():%Y-%m-%d %H:%M:%S %z}</p>",
    ]
    for sections, heading in (
        (("status", "total"), "Files"),
        (("failure",), "Failures by reason"),
        (("modality",), "Savings by modality"),
        (("reason",), "Other reasons and warnings"),
    ):
        chosen = [row for row in rows if row.section in sections]
        if chosen:
            has_sizes = any(row.target_size is not None for row in chosen)
            parts += [f"<h2>{heading}</h2><table>", *(_html_row(row, has_sizes) for row in chosen), "</table>"]
    return "\n".join((*parts, "</html>\n"))


def _html_row(row: _Row, has_sizes: bool) -> str:
    cells = [f"<td>{_escaped(row.name)}{_html_names(row.names)}", f'<td class="number">{row.files}']
    if row.source_size and row.target_size is not None:
        saved = 1 - row.target_size / row.source_size
        cells += [
            f'<td class="number">{human_size(row.source_size)} &rarr; {human_size(row.target_size)}',
            f'<td class="number">{saved:.1%} saved',
            f'<td class="number"><div class="whole"><div class="bar" style="width: {max(0, saved):.1%}"></div></div>',
        ]
    elif has_sizes:
        cells.append('<td colspan="3">')
    return f"<tr>{''.join(cells)}"


def _html_names(names: tuple[str, ...]) -> str:
    if not names:
        return ""
    shown = "<br>".join(map(_escaped, names[:_FILES_NAMED]))
    more = f"<br>and {len(names) - _FILES_NAMED} more" if len(names) > _FILES_NAMED else ""
    return f"<details><summary>files</summary>{shown}{more}</details>"


def _escaped(text: str) -> str:
    return html.escape(printable(text))


class Log:
    """Lines with the time, for each file of a job and each message about it."""

    def __init__(self, path: Path, file: TextIO) -> None:
        self._path, self._file = path, file

    def add(self, message: str) -> None:
        """Append a line."""
        try:
            self._file.write(f"{datetime.now().astimezone():%Y-%m-%dT%H:%M:%S%z} {printable(message)}\n")
            self._file.flush()
        except OSError as error:
            raise Failure(ExitStatus.FILE_ERROR, self._path, describe_error(error, self._path)) from error

    def add_record(self, record: Record) -> None:
        """Append a line about a file."""
        sizes = f", {record.source_size} -> {record.target_size} bytes" if record.target_size is not None else ""
        reason = f": {record.reason}" if record.reason else ""
        self.add(f"{record.status.value} {record.source}{sizes}{reason}")


@contextmanager
def opened_log(path: Path | None) -> Iterator[Log | None]:
    """Open a log for appending."""
    if path is None:
        yield None
        return
    try:
        file = path.open("a", encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise Failure(ExitStatus.FILE_ERROR, path, describe_error(error, path)) from error
    try:
        yield Log(path, file)
    finally:
        with suppress(OSError):  # told when the line was written
            file.close()
