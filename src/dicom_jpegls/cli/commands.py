"""The command line: compress, decompress, inspect and verify files and trees, and show the effect of NEAR."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click
from rich.console import Console
from rich.table import Table

from dicom_jpegls._codec import __version__
from dicom_jpegls.batch import (
    Action,
    NonConvertible,
    Options,
    Status,
    find_files,
    is_pattern,
    silence_pydicom,
    statistics_values,
    transcode,
)
from dicom_jpegls.cli.info import OVERVIEW_COLUMNS, describe_file, detailed_table, overview_cells
from dicom_jpegls.cli.options import PATH, batch_options, coding_options, writing_options
from dicom_jpegls.cli.plot_commands import compare_command, explore_command
from dicom_jpegls.cli.progress import BarDisplay, Display, JsonDisplay, LineDisplay
from dicom_jpegls.cli.status import (
    EXISTS,
    EXIT_STATUSES,
    ExitStatus,
    Failure,
    exit_with_counts,
    reporting_failures,
)
from dicom_jpegls.dicom import (
    OffsetTable,
    PhotometricInterpretation,
    PlanarConfiguration,
    SignedOverflow,
    UnusedBits,
)
from dicom_jpegls.files import SourceFile, compress_file, decompress_file, describe_error, verify_file
from dicom_jpegls.parallel import worker_count

if TYPE_CHECKING:
    from collections.abc import Sequence


@click.group(epilog=EXIT_STATUSES, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def cli() -> None:
    """JPEG-LS for DICOM files."""
    silence_pydicom()


@cli.command("compress")
@click.argument("paths", metavar="SRC... DST", nargs=-1, required=True, type=PATH)
@click.option(
    "--near-lossless",
    type=int,
    default=0,
    metavar="N",
    help="Largest absolute error of a sample (NEAR); 0, the default, is lossless.",
)
@click.option(
    "--planar-configuration",
    type=click.Choice([str(value) for value in get_args(PlanarConfiguration)]),
    help="Code colour-by-pixel (0) or colour-by-plane (1); by default as in the input.",
)
@click.option(
    "--photometric-interpretation",
    type=click.Choice(get_args(PhotometricInterpretation)),
    help="Convert the colours before coding, which is lossy.",
)
@click.option(
    "--signed-overflow",
    type=click.Choice(get_args(SignedOverflow)),
    default="error",
    show_default=True,
    help="Signed samples too close to the ends of their range for near-lossless coding: fail, or clip them.",
)
@click.option(
    "--unused-bits",
    type=click.Choice(get_args(UnusedBits)),
    default="error",
    show_default=True,
    help="Bits set above Bits Stored: fail, or clear them.",
)
@click.option(
    "--offset-table",
    type=click.Choice(get_args(OffsetTable)),
    default="basic",
    show_default=True,
    help="The offset table to write; basic becomes extended where 32-bit offsets are too small.",
)
@click.option(
    "--lossy-attributes/--no-lossy-attributes",
    default=True,
    show_default=True,
    help="After a lossy change, write the attributes that record it and a new SOP Instance UID.",
)
@writing_options
def compress_command(
    paths: tuple[Path, ...],
    in_place: bool,
    non_convertible: NonConvertible,
    records: Path | None,
    force: bool,
    planar_configuration: str | None,
    **values: Any,
) -> None:
    """Compress the pixel data of DICOM files with JPEG-LS.

    SRC is a file, a folder with everything below it, or a quoted pattern such as 'studies/**/*.dcm'. DST is the file
    to write for a single SRC file, otherwise a folder for the same tree. Every frame is decoded and compared before
    a file is written. Repeating the command continues where it stopped.
    """
    batch_values = {name: values.pop(name) for name in ("workers", "dask", "quiet", "as_json")}
    if planar_configuration is not None:
        values["planar_configuration"] = int(planar_configuration)
    options = Options(coding_options(**values), non_convertible, force)
    _convert(Action.COMPRESS, paths, options, in_place=in_place, records=records, **batch_values)


@cli.command("decompress")
@click.argument("paths", metavar="SRC... DST", nargs=-1, required=True, type=PATH)
@writing_options
def decompress_command(
    paths: tuple[Path, ...],
    in_place: bool,
    non_convertible: NonConvertible,
    records: Path | None,
    force: bool,
    **batch_values: Any,
) -> None:
    """Decompress the JPEG-LS pixel data of DICOM files, to Explicit VR Little Endian.

    SRC and DST are the same as for compress.
    """
    options = Options(non_convertible=non_convertible, force=force)
    _convert(Action.DECOMPRESS, paths, options, in_place=in_place, records=records, **batch_values)


@cli.command("info")
@click.argument("sources", metavar="SRC...", nargs=-1, required=True, type=PATH)
@click.option(
    "--json", "as_json", is_flag=True, help="Print JSON instead of a table; with many files, a line for each."
)
def info_command(sources: tuple[Path, ...], as_json: bool) -> None:
    """Describe DICOM files and JPEG-LS streams, without decoding them."""
    if len(sources) == 1 and not _is_many(sources[0]):
        source = sources[0]
        with reporting_failures(source):
            description = describe_file(source)
        if as_json:
            click.echo(json.dumps({"file": str(source), **description}, indent=2))
        else:
            click.echo(source)
            Console().print(detailed_table(description))
        return
    with reporting_failures(sources[0]):
        files = find_files(sources)
    table = Table(*OVERVIEW_COLUMNS)
    failed = 0
    for path, name in files:
        try:
            description = describe_file(path)
        except Exception as error:  # the other files are still described
            failed += 1
            click.echo(f"{path}: {describe_error(error)}", err=True)
            continue
        if as_json:
            click.echo(json.dumps({"file": str(path), **description}))
        else:
            table.add_row(*overview_cells(name, description))
    if not as_json:
        Console().print(table)
    exit_with_counts(failed, len(files) - failed)


@cli.command("verify")
@click.argument("source", metavar="SRC", type=PATH)
@click.argument("reference", metavar="[REFERENCE]", type=PATH, required=False)
@batch_options
def verify_command(source: Path, reference: Path | None, **batch_values: Any) -> None:
    """Decode every frame of SRC; with REFERENCE, also compare the samples, within the NEAR of the streams of SRC.

    SRC is a file, a folder or a quoted pattern. REFERENCE is a file, or a folder with the same tree. Without it, files
    that this program wrote to a folder are compared with the hashes that it recorded there.
    """
    if _is_many(source):
        _run_many(Action.VERIFY, [source], reference, Options(), None, **batch_values)
        return
    with reporting_failures(source, ExitStatus.NOT_VERIFIED, reference):
        verification = verify_file(source, reference, threads=worker_count(batch_values["workers"]))
    statistics = verification.statistics
    if batch_values["as_json"]:
        values = {
            "file": str(source),
            **statistics_values(statistics),
            "near_lossless": verification.near_lossless,
            "pixels_sha256_after": verification.pixels_sha256,
        }
        click.echo(json.dumps(values))
    elif not batch_values["quiet"]:
        result = f"decodes, shape {verification.shape}"
        if reference is not None:
            result = f"matches {reference}, largest error {statistics.largest_error}"
        click.echo(f"{source}: {result}, NEAR {verification.near_lossless}")


def _is_many(path: Path) -> bool:
    """Whether a source can mean more than one file: a folder or a pattern."""
    return path.is_dir() or is_pattern(path)


def _convert(
    action: Action,
    paths: Sequence[Path],
    options: Options,
    *,
    in_place: bool,
    records: Path | None,
    **batch_values: Any,
) -> None:
    if in_place:
        _run_many(action, paths, None, options, records, **batch_values)
        return
    if len(paths) < 2:
        raise click.UsageError("DST is missing; --in-place replaces the source files")
    *sources, target = paths
    if len(sources) > 1 or _is_many(sources[0]) or target.is_dir():
        _run_many(action, sources, target, options, records, **batch_values)
    else:
        _convert_one(action, sources[0], target, options, **batch_values)


def _convert_one(
    action: Action,
    source: Path,
    target: Path,
    options: Options,
    *,
    workers: int | None,
    dask: str | None,
    quiet: bool,
    as_json: bool,
) -> None:
    if dask:
        raise click.UsageError("--dask is for many files")
    if target.exists() and not options.force:
        raise Failure(ExitStatus.TARGET_EXISTS, target, EXISTS)
    with reporting_failures(source), SourceFile(source) as file:
        before = file.pixel_data_size
    threads = worker_count(workers)
    with reporting_failures(source, target=target):
        if action is Action.COMPRESS:
            conversion = compress_file(source, target, options.coding, force=options.force, threads=threads)
        else:
            conversion = decompress_file(source, target, force=options.force, threads=threads)
    for count, what in (
        (conversion.statistics.clipped_samples, "signed sample(s) clipped"),
        (conversion.statistics.cleared_samples, "sample(s) with bits above Bits Stored cleared"),
    ):
        if count:
            click.echo(f"{source}: {count} {what}", err=True)
    if as_json:
        values = {"source": str(source), "target": str(target), **conversion._asdict()}
        values |= statistics_values(values.pop("statistics"))
        click.echo(json.dumps(values))
    elif not quiet:
        with SourceFile(target) as file:
            click.echo(f"{source} -> {target}: {before} -> {file.pixel_data_size} bytes of pixel data")


def _run_many(
    action: Action,
    sources: Sequence[Path],
    target: Path | None,
    options: Options,
    records: Path | None,
    *,
    workers: int | None,
    dask: str | None,
    quiet: bool,
    as_json: bool,
) -> None:
    console, errors = Console(), Console(stderr=True)
    kind: type[Display]
    if as_json:
        kind = JsonDisplay
    elif quiet:
        kind = Display
    else:
        kind = BarDisplay if errors.is_terminal else LineDisplay
    interrupted = False
    with kind(console, errors) as display:
        with reporting_failures(sources[0]):
            try:
                transcode(
                    sources,
                    target,
                    action,
                    options,
                    workers=workers,
                    dask=dask,
                    records=records,
                    observer=display,
                )
            except KeyboardInterrupt:
                interrupted = True
        display.show_summary(interrupted=interrupted)
    if interrupted:
        click.get_current_context().exit(ExitStatus.INTERRUPTED)
    exit_with_counts(display.summary.counts[Status.FAILED], display.summary.succeeded)


cli.add_command(explore_command)
cli.add_command(compare_command)
