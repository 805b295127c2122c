"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, get_args

import click

from dicom_jpegls.batch import NonConvertible
from dicom_jpegls.dicom import CodingOptions
from dicom_jpegls.errors import ParameterError

if TYPE_CHECKING:
    from collections.abc import Callable

_Function = TypeVar("_Function", bound="Callable[..., Any]")

PATH = click.Path(path_type=Path)


def batch_options(function: _Function) -> _Function:
    """Add the options of the commands that read many files."""
    for option in reversed(
        (
            click.option(
                "--workers", type=click.IntRange(1), metavar="N", help="Number of processes; by default one per core."
            ),
            click.option("--dask", metavar="ADDRESS", help="Run on the Dask cluster with the scheduler at ADDRESS."),
            click.option("--quiet", "-q", is_flag=True, help="Print failures only."),
            click.option("--json", "as_json", is_flag=True, help="Print the record of each file as a line of JSON."),
        )
    ):
        function = option(function)
    return function


def writing_options(function: _Function) -> _Function:
    """Add the options of the commands that write many files."""
    for option in reversed(
        (
            click.option("--in-place", is_flag=True, help="Replace the source files, keeping their time stamps."),
            click.option(
                "--non-convertible",
                type=click.Choice(get_args(NonConvertible)),
                default="copy",
                show_default=True,
                help="With many files: copy or skip files that cannot be converted.",
            ),
            click.option(
                "--records",
                type=PATH,
                metavar="FILE",
                help="With many files: the journal, a JSON record per line; by default .dicom-jpegls.jsonl in DST.",
            ),
            click.option("--force", is_flag=True, help="Replace existing files."),
        )
    ):
        function = option(function)
    return batch_options(function)


def coding_options(**values: Any) -> CodingOptions:
    """Return the record of options; a value that is not allowed ends the command as wrong usage."""
    try:
        return CodingOptions(**values)
    except ParameterError as error:
        raise click.UsageError(str(error)) from error


def plot_options(function: _Function) -> _Function:
    """Add the options of the commands that write an image file."""
    for option in (
        click.option("--force", is_flag=True, help="Replace an existing PNG."),
        click.option(
            "--output",
            type=PATH,
            metavar="PNG",
            help="The file to write; by default named after the input, in the current folder.",
        ),
        click.option(
            "--frame", type=click.IntRange(0), default=0, show_default=True, help="The frame, counted from 0."
        ),
    ):
        function = option(function)
    return function
