"""The commands that show the effect of NEAR, and the difference of two files."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import click
from rich.table import Table

from dicom_jpegls.batch import find_files, is_pattern
from dicom_jpegls.cli.options import PATH, coding_options, plot_options
from dicom_jpegls.cli.output import cell, print_table, printable, write, write_about
from dicom_jpegls.cli.status import EXISTS, ExitStatus, Failure, reporting_failures
from dicom_jpegls.files import describe_error

_REASONS_SHOWN = 5


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
@click.argument("sources", metavar="SRC...", nargs=-1, required=True, type=PATH)
@click.option(
    "--near-lossless",
    default="0,1,2,3,5,10",
    show_default=True,
    metavar="N,...",
    callback=_parse_near_list,
    help="The values of NEAR to compare, separated by commas.",
)
@click.option(
    "--sample",
    type=click.IntRange(1),
    default=30,
    show_default=True,
    metavar="N",
    help="With several files or a folder: the number of images to take at random.",
)
@click.option("--seed", type=int, default=1, show_default=True, help="Chooses another random sample.")
@plot_options
def explore_command(
    sources: tuple[Path, ...],
    near_lossless: list[int],
    sample: int,
    seed: int,
    frame: int,
    output: Path | None,
    force: bool,
) -> None:
    """Show the effect of each NEAR on SRC: a table of sizes and errors, and a plot.

    The plot of one file has the image and a rate-distortion curve, and for each NEAR the decoded image, windowed by the
    VOI attributes of the file, and the difference. All differences have one scale, in the units of the modality (HU in
    CT). Errors, PSNR (with the range of the samples as its peak) and SSIM in the table are of the stored samples.

    Of several files, a folder or a quoted pattern, a random sample is taken: the table and the plot show the bytes
    saved and the errors by modality.
    """
    target = _plot_path(sources[0], output, "near", force)
    if len(sources) > 1 or sources[0].is_dir() or is_pattern(sources[0]):
        _explore_many(sources, near_lossless, sample, seed, frame, target)
    else:
        _explore_one(sources[0], near_lossless, frame, target)


def _explore_many(
    sources: tuple[Path, ...], near_lossless: list[int], sample: int, seed: int, frame: int, target: Path
) -> None:
    from dicom_jpegls.cli.explore import by_modality, draw_modalities, explore_files

    with reporting_failures(sources[0]):
        paths = [Path(file.path) for file in find_files(sources) if file.error is None]
    random.Random(seed).shuffle(paths)
    reasons: Counter[str] = Counter()

    def skip(path: Path, error: Exception) -> None:
        reasons[describe_error(error, path)] += 1

    results = by_modality(explore_files(paths, near_lossless, frame=frame, limit=sample, on_skip=skip))
    for reason, count in reasons.most_common(_REASONS_SHOWN):
        write_about("left out", f"{count} file(s): {reason}", err=True)
    if not results:
        raise Failure(ExitStatus.NOT_CONVERTIBLE, sources[0], f"none of {len(paths)} file(s) is an image to be coded")
    table = Table("modality", "files", "NEAR", "bytes", "ratio", "saved", "mean error", "of the noise")
    for column in table.columns[1:]:
        column.justify = "right"
    for result in results:
        table.add_row(
            cell(result.modality),
            str(result.files),
            str(result.near_lossless),
            str(result.size),
            f"{result.native_size / result.size:.2f}",
            f"{result.saved:.1%}",
            cell(f"{result.mean_error:.3g} {result.unit}".rstrip()),
            f"{result.mean_error / result.noise:.1%}" if result.noise else "-",
        )
    print_table(table)
    with reporting_failures(target):
        draw_modalities(results, target)
    write(printable(target))


def _explore_one(source: Path, near_lossless: list[int], frame: int, target: Path) -> None:
    from dicom_jpegls.cli.explore import draw_exploration, explore, number

    with reporting_failures(source, target=target):
        exploration = explore(source, near_lossless, frame=frame)
    units, noise = exploration.units, exploration.noise
    table = Table("NEAR", "bytes", "ratio", "largest error", "mean error", "PSNR / dB", "SSIM", "mean error / noise")
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
            f"{values.mean_error / noise:.1%}" if noise else "-",
        )
        if trial.clipped_samples:
            write_about(
                source, f"NEAR {trial.near_lossless}: {trial.clipped_samples} signed sample(s) clipped", err=True
            )
    lines = [f"The noise of the image is about {noise:.3g}."]
    if units.name:
        lines.append(f"A difference of 1 is {units.step:g} {units.name}.")
    print_table(table, lines)
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
