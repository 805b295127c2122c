"""The commands that show the effect of NEAR, and the difference of two files."""

from __future__ import annotations

from pathlib import Path

import click
from rich.table import Table

from dicom_jpegls.cli.options import PATH, coding_options, plot_options
from dicom_jpegls.cli.output import cell, print_table, printable, write, write_about
from dicom_jpegls.cli.status import EXISTS, ExitStatus, Failure, reporting_failures


def _parse_near_list(_context: click.Context, _parameter: click.Parameter, value: str) -> list[int]:
    """Parse integers separated by commas."""
    try:
        numbers = sorted({int(number) for number in value.split(",")})
    except ValueError:
        raise click.BadParameter(f"{value!r}; must be integers separated by commas") from None
    for number in numbers:
        coding_options(near_lossless=number)
    return numbers


@click.command("explore")
@click.argument("source", metavar="FILE", type=PATH)
@click.option(
    "--near-lossless",
    default="0,1,2,3,5,10",
    show_default=True,
    metavar="N,...",
    callback=_parse_near_list,
    help="The values of NEAR to compare, separated by commas.",
)
@plot_options
def explore_command(source: Path, near_lossless: list[int], frame: int, output: Path | None, force: bool) -> None:
    """Show the effect of each NEAR on FILE: a table of sizes and errors, and a plot.

    The plot has the image and a rate-distortion curve, and for each NEAR the decoded image and the amplified
    difference, windowed by the VOI attributes of the file. Errors, PSNR (with the range of the samples as its peak) and
    SSIM are of the stored samples.
    """
    from dicom_jpegls.cli.explore import draw_exploration, explore, number

    target = _plot_path(source, output, "near", force)
    with reporting_failures(source, target=target):
        exploration = explore(source, near_lossless, frame=frame)
    table = Table("NEAR", "bytes", "ratio", "largest error", "mean error", "PSNR / dB", "SSIM")
    for column in table.columns:
        column.justify = "right"
    for trial in exploration.trials:
        values = trial.quality
        table.add_row(
            str(trial.near_lossless),
            str(trial.size),
            f"{trial.ratio:.2f}",
            str(values.largest_error),
            f"{values.mean_error:.3f}",
            number(values.psnr, 1),
            number(values.ssim, 5),
        )
        if trial.clipped_samples:
            write_about(
                source, f"NEAR {trial.near_lossless}: {trial.clipped_samples} signed sample(s) clipped", err=True
            )
    print_table(table)
    with reporting_failures(target):
        draw_exploration(exploration, target)
    write(printable(target))


@click.command("compare")
@click.argument("first", metavar="A", type=PATH)
@click.argument("second", metavar="B", type=PATH)
@plot_options
def compare_command(first: Path, second: Path, frame: int, output: Path | None, force: bool) -> None:
    """Show how B differs from A: errors, PSNR and SSIM of the stored samples, and a plot."""
    from dicom_jpegls.cli.explore import compare, draw_comparison, number

    target = _plot_path(second, output, "compare", force)
    with reporting_failures(second):
        comparison = compare(first, second, frame=frame)
    values = comparison.quality
    table = Table("", "bytes", "largest error", "mean error", "PSNR / dB", "SSIM")
    for column in table.columns[1:]:
        column.justify = "right"
    table.add_row(cell(first), str(first.stat().st_size))
    table.add_row(
        cell(second),
        str(second.stat().st_size),
        str(values.largest_error),
        f"{values.mean_error:.3f}",
        number(values.psnr, 1),
        number(values.ssim, 5),
    )
    print_table(table)
    with reporting_failures(target):
        draw_comparison(comparison, target)
    write(printable(target))


def _plot_path(source: Path, output: Path | None, what: str, force: bool) -> Path:
    target = output or Path(f"{source.name.removesuffix('.dcm')}-{what}.png")
    if target.exists() and not force:
        raise Failure(ExitStatus.TARGET_EXISTS, target, EXISTS)
    return target
