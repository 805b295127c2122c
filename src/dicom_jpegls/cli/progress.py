"""The display of a job on many files: a progress bar, plain lines, JSON lines, or only failures."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, TextColumn, TimeRemainingColumn
from rich.table import Column, Table
from rich.text import Text

from dicom_jpegls.batch import Observer, Status, Summary
from dicom_jpegls.cli.output import cell, json_text, print_table, printable, write, write_about
from dicom_jpegls.cli.sizes import grouped_failures, human_size, saved_text
from dicom_jpegls.files import file_size

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import TracebackType

    from rich.progress import Task

    from dicom_jpegls.batch import Job, Record
    from dicom_jpegls.cli.report import Log

# Seconds between two plain lines about the progress of a job.
_LINE_INTERVAL = 10.0

_REASONS_SHOWN = 20

# So many files that failed for the same reason are named in the summary.
_FILES_NAMED = 3

# Columns of a terminal below which the progress bar has less beside it.
_NARROW, _WIDE = 72, 110

# Bytes of native samples from which the progress of a single file is shown.
_LARGE_FILE = 2**26


class Display(Observer):
    """Shows failures only; derived classes show more.

    Parameters
    ----------
    dry_run : bool, optional
        Whether the job only reports what it would do.
    log : Log, optional
        Gets a line for each file and message.

    Attributes
    ----------
    summary : Summary
        The results so far, also after an interrupt.
    """

    def __init__(self, *, dry_run: bool = False, log: Log | None = None) -> None:
        self.dry_run = dry_run
        self.log = log
        self.start = time.monotonic()
        self.summary = Summary()

    def __enter__(self) -> Display:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        pass

    def on_plan(self, jobs: Sequence[Job], done_before: int) -> None:  # noqa: ARG002, D102
        self.summary.done_before = done_before

    def on_record(self, record: Record) -> None:  # noqa: D102
        self.summary.add(record)
        if self.log is not None:
            self.log.add_record(record)
        if record.status is Status.FAILED:
            self.show_failure(record)

    def on_notice(self, message: str) -> None:  # noqa: D102
        if self.log is not None:
            self.log.add(message)
        self.show_notice(message)

    def show_notice(self, message: str) -> None:
        """Print a message about the job."""
        write_about("dicom-jpegls", message, err=True)

    def show_failure(self, record: Record) -> None:
        """Print a file that failed, and why."""
        write_about(record.source, record.reason, err=True)

    def show_summary(self, *, interrupted: bool) -> None:
        """Print the results of the job, at its end."""


class _Workload:
    """How much of a job is done. Files count by their sizes, large ones in progress by what of them is coded."""

    def __init__(self) -> None:
        self.files = 0
        self.size = 0
        self._finished_size = 0
        self._coded = self._finished_coded = 0

    def on_plan(self, jobs: Sequence[Job]) -> None:
        self.files = len(jobs)
        self.size = sum(file_size(job.source) for job in jobs)

    def on_record(self, record: Record) -> None:
        self._finished_size += record.source_size or 0
        if record.statistics is not None:
            self._finished_coded += record.statistics.native_size

    def on_progress(self, size: int) -> None:
        self._coded = size

    @property
    def completed_size(self) -> int:
        return min(self.size, self._finished_size + max(0, self._coded - self._finished_coded))


class LineDisplay(Display):
    """For logs: a line for each failure, one about the progress every few seconds, and a table at the end."""

    def __init__(self, *, dry_run: bool = False, log: Log | None = None) -> None:
        super().__init__(dry_run=dry_run, log=log)
        self.workload = _Workload()
        self.found = 0
        self._next = self.start + _LINE_INTERVAL

    def on_found(self, count: int) -> None:  # noqa: D102
        self.found = count
        if time.monotonic() >= self._next:
            self._next += _LINE_INTERVAL
            write(f"{count} files found")

    def on_plan(self, jobs: Sequence[Job], done_before: int) -> None:  # noqa: D102
        super().on_plan(jobs, done_before)
        self.workload.on_plan(jobs)
        before = f", {done_before} done before" if done_before else ""
        write(f"{len(jobs)} file(s), {human_size(self.workload.size)}{before}")

    def on_record(self, record: Record) -> None:  # noqa: D102
        super().on_record(record)
        self.workload.on_record(record)
        if self.dry_run and record.status is not Status.FAILED:
            reason = f" ({record.reason})" if record.reason else ""
            write_about(record.source, f"{record.status}, {record.source_size or 0} bytes{reason}")
        self.show_progress()

    def on_progress(self, size: int) -> None:  # noqa: D102
        self.workload.on_progress(size)
        self.show_progress()

    def show_progress(self) -> None:
        """Print or redraw the progress of the job."""
        now = time.monotonic()
        completed, counts = self.workload.completed_size, self.summary.counts
        if now < self._next or not completed:
            return
        self._next = now + _LINE_INTERVAL
        seconds = now - self.start
        left = seconds * (self.workload.size - completed) / completed
        write(
            f"{counts.total()}/{self.workload.files} files, {counts.total() / seconds:.1f} files/s, "
            f"{human_size(completed / seconds)}/s, {saved_text(self.summary)}, {counts[Status.FAILED]} failed, "
            f"{left:.0f} s left"
        )

    def show_summary(self, *, interrupted: bool) -> None:  # noqa: D102
        lines = ["Nothing was written (--dry-run)."] if self.dry_run else []
        if interrupted:
            lines.append("Interrupted: the same command continues from here.")
        print_table(summary_table(self.summary, time.monotonic() - self.start, dry_run=self.dry_run), lines)


class _FieldColumn(ProgressColumn):
    """A column of the bar, made from the counts of a display."""

    def __init__(self, display: LineDisplay, name: str) -> None:
        super().__init__(Column(no_wrap=True))
        self._display = display
        self._name = name

    def render(self, task: Task) -> Text:
        summary, workload = self._display.summary, self._display.workload
        files, failed = summary.counts.total(), summary.counts[Status.FAILED]
        seconds = task.elapsed or 0
        if not task.total:  # the sources are being listed
            return Text(f"{self._display.found} files found" if self._name == "files" else "")
        if self._name == "files":
            return Text(f"{files}/{workload.files}{f' ({failed} failed)' if failed else ''}")
        if self._name == "rate":
            rate = human_size(workload.completed_size / seconds) if seconds else "0 B"
            return Text(f"{files / seconds if seconds else 0:.0f} files/s, {rate}/s", style="cyan")
        return Text(saved_text(summary), style="green")


class BarDisplay(LineDisplay):
    """For a terminal: a bar with rate, bytes saved and time left, as far as there is room."""

    def __init__(self, *, dry_run: bool = False, log: Log | None = None, console: Console | None = None) -> None:
        super().__init__(dry_run=dry_run, log=log)
        self.console = console or Console(stderr=True)
        width = self.console.width
        columns: list[ProgressColumn] = [
            BarColumn(bar_width=None, table_column=Column(ratio=1)),
            TextColumn("{task.percentage:>3.0f} %", table_column=Column(no_wrap=True)),
            _FieldColumn(self, "files"),
        ]
        if width >= _NARROW:
            columns = [SpinnerColumn(), *columns, _FieldColumn(self, "rate")]
        if width >= _WIDE:
            columns.append(_FieldColumn(self, "saved"))
        if width >= _NARROW:
            columns += [TimeRemainingColumn(compact=True), TextColumn("left")]
        self.progress = Progress(*columns, console=self.console, transient=True, expand=True)
        self._task = self.progress.add_task("", total=None)

    def on_found(self, count: int) -> None:  # noqa: D102
        self.found = count  # the bar is redrawn regularly

    def show_notice(self, message: str) -> None:
        """Print a message about the job above the bar."""
        self._print_above(f"dicom-jpegls: {message}")

    def show_failure(self, record: Record) -> None:
        """Print a file that failed, and why, above the bar."""
        self._print_above(f"{record.source}: {record.reason}")

    def _print_above(self, text: str) -> None:
        self.console.print(Text(printable(text)), soft_wrap=True)

    def __enter__(self) -> Display:
        self.progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.progress.stop()

    def on_plan(self, jobs: Sequence[Job], done_before: int) -> None:  # noqa: D102
        super().on_plan(jobs, done_before)
        self.progress.update(self._task, total=self.workload.size)

    def show_progress(self) -> None:  # noqa: D102
        self.progress.update(self._task, completed=self.workload.completed_size)

    def show_summary(self, *, interrupted: bool) -> None:  # noqa: D102
        self.progress.stop()
        super().show_summary(interrupted=interrupted)


class JsonDisplay(Display):
    """For programs: the record of each file as a line of JSON, and the counts as the last line."""

    def on_record(self, record: Record) -> None:  # noqa: D102
        super().on_record(record)
        write(record.to_json())

    def show_failure(self, record: Record) -> None:
        """Print nothing: the record has it."""

    def show_summary(self, *, interrupted: bool) -> None:  # noqa: D102
        summary = self.summary
        counts = {
            **{status.value: count for status, count in summary.counts.items()},
            "done before": summary.done_before,
            "native_size": summary.native_size,
            "compressed_size": summary.compressed_size,
            "source_size": summary.source_size,
            "target_size": summary.target_size,
            "cleared_samples": summary.cleared_samples,
            "clipped_samples": summary.clipped_samples,
            **({"compared_with": dict(summary.compared)} if summary.compared else {}),
            "seconds": round(time.monotonic() - self.start, 3),
            "interrupted": interrupted,
        }
        write(json_text({"summary": counts}))


def summary_table(summary: Summary, seconds: float, *, dry_run: bool = False) -> Table:
    """Return the table at the end of a job."""
    title = "What would be done" if dry_run else "Summary"
    table = Table("files", "", "reason", title=title, title_justify="left")
    table.columns[0].justify = "right"
    for status in Status:
        count = summary.counts[status]
        if not count:
            continue
        table.add_row(str(count), status.value, "", style="red" if status is Status.FAILED else "")
        reasons: list[tuple[str, int, list[str]]] = [
            (reason, number, []) for (of, reason), number in summary.reasons.most_common() if of is status
        ]
        if status is Status.FAILED:
            reasons = [(reason, len(names), names) for reason, names in grouped_failures(summary)]
        elif status is Status.VERIFIED:
            reasons = [(_COMPARED[what], number, []) for what, number in summary.compared.most_common()]
        for reason, number, names in reasons[:_REASONS_SHOWN]:
            table.add_row("", Text(f"{number}", justify="right"), cell(reason), style="dim")
            for name in names[:_FILES_NAMED]:
                table.add_row("", "", cell(f"  {name}"), style="dim")
            if len(names) > _FILES_NAMED:
                table.add_row("", "", f"  and {len(names) - _FILES_NAMED} more", style="dim")
        if len(reasons) > _REASONS_SHOWN:
            table.add_row("", "", f"and {len(reasons) - _REASONS_SHOWN} more reasons", style="dim")
    if summary.done_before:
        table.add_row(str(summary.done_before), "done before", "")
    table.add_section()
    if summary.native_size and summary.compressed_size:
        ratio = summary.native_size / summary.compressed_size
        sizes = f"{human_size(summary.native_size)} native, {human_size(summary.compressed_size)} JPEG-LS"
        table.add_row("", "pixel data", f"{sizes}, ratio {ratio:.2f}")
    for changed, what in (
        (summary.cleared_samples, "sample(s) with bits above Bits Stored cleared"),
        (summary.clipped_samples, "signed sample(s) clipped"),
    ):
        if changed:
            table.add_row("", "changed", f"{changed} {what}")
    if summary.target_size:
        table.add_row("", "files", f"{human_size(summary.source_size)} -> {human_size(summary.target_size)}")
    elif summary.read_size:
        table.add_row("", "files", human_size(summary.read_size))
    rate = summary.counts.total() / seconds if seconds else 0
    table.add_row("", "time", f"{seconds:.1f} s, {rate:.0f} files/s")
    return table


_COMPARED = {
    "reference": "compared with the reference",
    "records": "compared with the records",
    "only decoded": "only decoded: no reference, no record",
}


@contextmanager
def single_file_progress(size: int, *, shown: bool) -> Iterator[Callable[[int], None]]:
    """Show a bar for a large file, on a terminal; yield the function to call with the bytes of each frame."""
    console = Console(stderr=True)
    if not shown or size < _LARGE_FILE or not has_bars(console):
        yield lambda _size: None
        return
    columns = (BarColumn(bar_width=None), TextColumn("{task.percentage:>3.0f} %"), TimeRemainingColumn(compact=True))
    with Progress(*columns, console=console, transient=True, expand=True) as progress:
        task = progress.add_task("", total=size)
        yield lambda done: progress.advance(task, done)


def has_bars(console: Console) -> bool:
    """Whether a bar can be drawn and redrawn."""
    return console.is_terminal and not console.is_dumb_terminal
