"""How a job over many files looks to its user: a progress bar, plain lines, JSON lines, or nothing but failures."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING

from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from dicom_jpegls.batch import Status

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from rich.console import Console
    from rich.progress import Task

    from dicom_jpegls.batch import Job, Record, Summary

# Between two plain lines about a job's progress, in seconds.
_LINE_INTERVAL = 10.0

_REASONS_SHOWN = 20


class Display:
    """Tells of failures and of nothing else; the others tell more.

    Parameters
    ----------
    out, err : rich.console.Console
        Standard output and standard error.
    """

    def __init__(self, out: Console, err: Console) -> None:
        self.out = out
        self.err = err
        self.start = time.monotonic()

    def __enter__(self) -> Display:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        pass

    def plan(self, jobs: Sequence[Job], done_before: int) -> None:
        """Take note of what is to be done."""

    def record(self, record: Record) -> None:
        """Show what came of a file."""
        if record.status is Status.FAILED:
            self.err.print(f"{record.source}: {record.reason}", markup=False, highlight=False, soft_wrap=True)

    def coded(self, size: int) -> None:
        """Take note of how many native bytes were coded so far."""

    def summary(self, summary: Summary, *, interrupted: bool) -> None:
        """Show what came of all files."""


class _Counts:
    """What a job has done so far. Files are weighed by their sizes, a large one in hand by what of it is coded."""

    def __init__(self) -> None:
        self.total_files = self.files = self.failed = 0
        self.total_size = self.finished_size = 0
        self.saved = 0
        self._coded = self._finished_coded = 0

    def plan(self, jobs: Sequence[Job]) -> None:
        self.total_files = len(jobs)
        self.total_size = sum(_size(job.source) for job in jobs)

    def record(self, record: Record) -> None:
        self.files += 1
        self.failed += record.status is Status.FAILED
        self.finished_size += record.source_size or 0
        self._finished_coded += record.native_size or 0
        if record.target_size is not None and record.source_size is not None:
            self.saved += record.source_size - record.target_size

    def coded(self, size: int) -> None:
        self._coded = size

    @property
    def completed_size(self) -> int:
        return min(self.total_size, self.finished_size + max(0, self._coded - self._finished_coded))


def _size(path: str) -> int:
    try:
        return Path(path).stat().st_size
    except OSError:
        return 0


class LineDisplay(Display):
    """For logs: a line for each failure, one about the progress now and then, and a table at the end."""

    def __init__(self, out: Console, err: Console) -> None:
        super().__init__(out, err)
        self.counts = _Counts()
        self._next = self.start + _LINE_INTERVAL

    def plan(self, jobs: Sequence[Job], done_before: int) -> None:  # noqa: D102
        self.counts.plan(jobs)
        before = f", {done_before} done before" if done_before else ""
        self._print(f"{len(jobs)} file(s), {human_size(self.counts.total_size)}{before}")

    def record(self, record: Record) -> None:  # noqa: D102
        super().record(record)
        self.counts.record(record)
        self._line()

    def coded(self, size: int) -> None:  # noqa: D102
        self.counts.coded(size)
        self._line()

    def _line(self) -> None:
        now = time.monotonic()
        counts = self.counts
        if now < self._next or not counts.completed_size:
            return
        self._next = now + _LINE_INTERVAL
        seconds = now - self.start
        left = seconds * (counts.total_size - counts.completed_size) / counts.completed_size
        self._print(
            f"{counts.files}/{counts.total_files} files, {counts.files / seconds:.1f} files/s, "
            f"{human_size(counts.completed_size / seconds)}/s, {human_size(counts.saved)} saved, "
            f"{counts.failed} failed, {left:.0f} s left"
        )

    def _print(self, text: str) -> None:
        self.out.print(text, markup=False, highlight=False, soft_wrap=True)

    def summary(self, summary: Summary, *, interrupted: bool) -> None:  # noqa: D102
        self.out.print(summary_table(summary, time.monotonic() - self.start))
        if interrupted:
            self._print("Interrupted: the same command goes on from here.")


class _FieldColumn(ProgressColumn):
    """A column of the bar, made from the counts."""

    def __init__(self, counts: _Counts, name: str) -> None:
        super().__init__()
        self._counts = counts
        self._name = name

    def render(self, task: Task) -> Text:
        counts = self._counts
        seconds = task.elapsed or 0
        if self._name == "files":
            failed = f" ({counts.failed} failed)" if counts.failed else ""
            return Text(f"{counts.files}/{counts.total_files} files{failed}")
        if self._name == "rate":
            rate = human_size(counts.completed_size / seconds) if seconds else "0 B"
            return Text(f"{counts.files / seconds if seconds else 0:.0f} files/s, {rate}/s", style="cyan")
        return Text(f"{human_size(counts.saved)} saved", style="green")


class BarDisplay(LineDisplay):
    """For a terminal: a bar with rate, bytes saved and time left."""

    def __init__(self, out: Console, err: Console) -> None:
        super().__init__(out, err)
        self.progress = Progress(
            SpinnerColumn(),
            BarColumn(bar_width=None),
            TextColumn("{task.percentage:>3.0f} %"),
            _FieldColumn(self.counts, "files"),
            _FieldColumn(self.counts, "rate"),
            _FieldColumn(self.counts, "saved"),
            TimeRemainingColumn(compact=True),
            TextColumn("left"),
            console=err,
            transient=True,
            expand=True,
        )
        self._task = self.progress.add_task("", total=None)

    def __enter__(self) -> Display:
        self.progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.progress.stop()

    def plan(self, jobs: Sequence[Job], done_before: int) -> None:  # noqa: D102
        super().plan(jobs, done_before)
        self.progress.update(self._task, total=self.counts.total_size)

    def _line(self) -> None:
        self.progress.update(self._task, completed=self.counts.completed_size)

    def summary(self, summary: Summary, *, interrupted: bool) -> None:  # noqa: D102
        self.progress.stop()
        super().summary(summary, interrupted=interrupted)


class JsonDisplay(Display):
    """For programs: the record of each file as a line of JSON, and the counts as the last one."""

    def record(self, record: Record) -> None:  # noqa: D102
        self._print(record.to_json())

    def summary(self, summary: Summary, *, interrupted: bool) -> None:  # noqa: D102
        counts = {
            **{status.value: count for status, count in summary.counts.items()},
            "done before": summary.done_before,
            "native_size": summary.native_size,
            "compressed_size": summary.compressed_size,
            "source_size": summary.source_size,
            "target_size": summary.target_size,
            "seconds": round(time.monotonic() - self.start, 3),
            "interrupted": interrupted,
        }
        self._print(json.dumps({"summary": counts}))

    def _print(self, text: str) -> None:
        self.out.file.write(text + "\n")
        self.out.file.flush()


def summary_table(summary: Summary, seconds: float) -> Table:
    """Make the table at the end of a job."""
    table = Table("files", "", "reason", title="Summary", title_justify="left")
    table.columns[0].justify = "right"
    for status in Status:
        count = summary.counts[status]
        if not count:
            continue
        table.add_row(str(count), status.value, "", style="red" if status is Status.FAILED else "")
        reasons = [(reason, number) for (of, reason), number in summary.reasons.most_common() if of is status]
        for reason, number in reasons[:_REASONS_SHOWN]:
            table.add_row("", Text(f"{number}", justify="right"), Text(reason), style="dim")
        if len(reasons) > _REASONS_SHOWN:
            table.add_row("", "", f"and {len(reasons) - _REASONS_SHOWN} more reasons", style="dim")
    if summary.done_before:
        table.add_row(str(summary.done_before), "done before", "")
    table.add_section()
    if summary.native_size and summary.compressed_size:
        ratio = summary.native_size / summary.compressed_size
        sizes = f"{human_size(summary.native_size)} native, {human_size(summary.compressed_size)} JPEG-LS"
        table.add_row("", "pixel data", f"{sizes}, ratio {ratio:.2f}")
    if summary.target_size:
        table.add_row("", "files", f"{human_size(summary.source_size)} -> {human_size(summary.target_size)}")
    rate = summary.counts.total() / seconds if seconds else 0
    table.add_row("", "time", f"{seconds:.1f} s, {rate:.0f} files/s")
    return table


def human_size(size: float) -> str:
    """Give a number of bytes as people read it."""
    for unit in ("B", "kB", "MB", "GB"):
        if abs(size) < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"
