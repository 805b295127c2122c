"""Options that several commands share."""

from __future__ import annotations

import codecs
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, get_args

import click

from dicom_jpegls.batch import NonConvertible, Selection
from dicom_jpegls.cli.output import printable
from dicom_jpegls.cli.report import REPORT_SUFFIXES
from dicom_jpegls.dicom import CodingOptions, SignedOverflow, UnusedBits
from dicom_jpegls.errors import ParameterError
from dicom_jpegls.files import MAXIMUM_INFLATED_SIZE

if TYPE_CHECKING:
    from collections.abc import Callable

_Function = TypeVar("_Function", bound="Callable[..., Any]")

PATH = click.Path(path_type=Path)

# Which files of the sources belong to a job; `selection_of` takes these options.
_SELECTION_OPTIONS = (
    click.option(
        "--include", multiple=True, metavar="PATTERN", help="Only files that match a PATTERN; may be repeated."
    ),
    click.option("--exclude", multiple=True, metavar="PATTERN", help="No files that match a PATTERN; may be repeated."),
    click.option(
        "--files-from",
        metavar="FILE",
        help="Only the files of SRC that FILE lists, one on each line; - reads standard input. SRC is one folder.",
    ),
    click.option(
        "--null", "-0", is_flag=True, help="Names in --files-from end with a NUL character, as of find -print0."
    ),
    click.option("--follow-links", is_flag=True, help="Follow symbolic links in SRC; by default they are skipped."),
)

# What a conversion may change; `verify` has to know it, too.
CHANGE_OPTIONS = (
    click.option(
        "--signed-overflow",
        type=click.Choice(get_args(SignedOverflow)),
        default="error",
        show_default=True,
        help="Signed samples too close to the ends of their range for near-lossless coding: fail, or clip them.",
    ),
    click.option(
        "--unused-bits",
        type=click.Choice(get_args(UnusedBits)),
        default="error",
        show_default=True,
        help="Bits set above Bits Stored: fail, keep them (readers ignore them), clear them, or clip the samples to "
        "the range of Bits Stored.",
    ),
)


def batch_options(function: _Function) -> _Function:
    """Add the options of the commands that read many files."""
    return with_options(
        function,
        *_SELECTION_OPTIONS,
        click.option(
            "--records",
            type=PATH,
            metavar="FILE",
            help="The journal, a JSON record on each line; by default .dicom-jpegls.jsonl in the folder of the tree.",
        ),
        click.option(
            "--workers",
            type=click.IntRange(1),
            metavar="N",
            envvar="DICOM_JPEGLS_WORKERS",
            help="Number of processes; by default one per core.",
        ),
        click.option(
            "--dask",
            metavar="ADDRESS",
            envvar="DICOM_JPEGLS_DASK",
            help="Run on the Dask cluster with the scheduler at ADDRESS.",
        ),
        click.option(
            "--max-inflated-size",
            type=click.IntRange(1),
            default=MAXIMUM_INFLATED_SIZE,
            metavar="BYTES",
            help="Refuse deflated datasets that inflate to more; by default 8 GiB. Beyond 256 MiB they may in any case "
            "inflate to at most 250 times their size.",
        ),
        click.option(
            "--report",
            type=PATH,
            metavar="FILE",
            callback=check_report,
            help="Write a summary, the failures by reason and the savings by modality to an .html or .csv file.",
        ),
        click.option("--log-file", type=PATH, metavar="FILE", help="Append a line with the time for each file."),
        click.option("--quiet", "-q", is_flag=True, help="Print failures only."),
        click.option("--json", "as_json", is_flag=True, help="Print the record of each file as a line of JSON."),
    )


def check_report(_context: click.Context, _parameter: click.Parameter, path: Path | None) -> Path | None:
    """Refuse a report that cannot be written before anything else is."""
    if path is None:
        return None
    if path.suffix.lower() not in REPORT_SUFFIXES:
        raise click.BadParameter(f"must end in {' or '.join(REPORT_SUFFIXES)}, found {printable(path.name)}")
    if not path.parent.is_dir():
        raise click.BadParameter(f"{printable(path.parent)} is no folder")
    return path


def with_options(function: _Function, *options: Callable[[_Function], _Function]) -> _Function:
    """Add options to a command, in the order of its help."""
    for option in reversed(options):
        function = option(function)
    return function


def selection_of(
    include: tuple[str, ...], exclude: tuple[str, ...], files_from: str | None, null: bool, follow_links: bool
) -> Selection | None:
    """Return the files that the options select, or None for all."""
    if null and files_from is None:
        raise click.UsageError("--null is for --files-from")
    files = None if files_from is None else _read_names(files_from, b"\0" if null else b"\n")
    if not (include or exclude or follow_links) and files is None:
        return None
    return Selection(include, exclude, files, follow_links)


def _read_names(path: str, separator: bytes) -> tuple[str, ...]:
    data = sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()
    data = data.removeprefix(codecs.BOM_UTF8)
    names = [name.removesuffix(b"\r") if separator == b"\n" else name for name in data.split(separator)]
    try:
        return tuple(os.fsdecode(name) for name in names if name)
    except UnicodeDecodeError as error:  # not on POSIX, where names are bytes
        raise click.UsageError(f"the list of files, {printable(path)}, must be in UTF-8: {error}") from None


def writing_options(function: _Function) -> _Function:
    """Add the options of the commands that write many files."""
    function = batch_options(function)
    return with_options(
        function,
        click.option("--in-place", is_flag=True, help="Replace the source files, keeping their time stamps."),
        click.option(
            "--non-convertible",
            type=click.Choice(get_args(NonConvertible)),
            default="copy",
            show_default=True,
            help="With many files: copy or skip files that cannot be converted.",
        ),
        click.option(
            "--copy-failed",
            is_flag=True,
            help="Copy files that fail, such as damaged ones, as they are. They still count as failed.",
        ),
        click.option("--dry-run", is_flag=True, help="Write nothing; print what would be done."),
        click.option("--force", is_flag=True, help="Replace existing files."),
    )


def coding_options(**values: Any) -> CodingOptions:
    """Return the record of options; a value that is not allowed ends the command as wrong usage."""
    try:
        return CodingOptions(**values)
    except ParameterError as error:
        raise click.UsageError(str(error)) from error


def plot_options(function: _Function) -> _Function:
    """Add the options of the commands that write an image file."""
    return with_options(
        function,
        click.option(
            "--frame", type=click.IntRange(0), default=0, show_default=True, help="The frame, counted from 0."
        ),
        click.option(
            "--output",
            type=PATH,
            metavar="PNG",
            help="The file to write; by default named after the input, in the current folder.",
        ),
        click.option("--force", is_flag=True, help="Replace an existing PNG."),
    )
