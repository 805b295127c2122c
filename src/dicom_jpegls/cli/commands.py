"""The command line: compress, decompress, inspect and verify files and trees, and show the effect of NEAR."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click
from rich.console import Console
from rich.table import Table

from dicom_jpegls._codec import __version__
from dicom_jpegls.batch import (
    Action,
    Options,
    Selection,
    Status,
    find_files,
    is_pattern,
    plan_verification,
    silence_pydicom,
    statistics_values,
    transcode,
    verify_one,
)
from dicom_jpegls.cli.info import OVERVIEW_COLUMNS, describe_file, detailed_table, overview_cells
from dicom_jpegls.cli.options import (
    CHANGE_OPTIONS,
    PATH,
    batch_options,
    coding_options,
    selection_of,
    with_options,
    writing_options,
)
from dicom_jpegls.cli.output import cell, json_text, print_table, printable, write, write_about
from dicom_jpegls.cli.plot_commands import compare_command, explore_command
from dicom_jpegls.cli.progress import BarDisplay, Display, JsonDisplay, LineDisplay, has_bars, single_file_progress
from dicom_jpegls.cli.report import opened_log, write_report
from dicom_jpegls.cli.status import (
    EXISTS,
    EXIT_STATUSES,
    ExitStatus,
    Failure,
    Group,
    exit_with_counts,
    reporting_failures,
)
from dicom_jpegls.dicom import (
    CodingOptions,
    OffsetTable,
    PhotometricInterpretation,
    PlanarConfiguration,
)
from dicom_jpegls.files import (
    NotConvertibleError,
    ReadOptions,
    SourceFile,
    compress_file,
    decompress_file,
    describe_error,
)
from dicom_jpegls.parallel import worker_count

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dicom_jpegls.dicom import SignedOverflow, UnusedBits


def change_options(function: Callable[..., None]) -> Callable[..., None]:
    """Add the options for samples that a conversion may change."""
    return with_options(function, *CHANGE_OPTIONS)


def parse_restart_interval(_context: click.Context, _parameter: click.Parameter, value: str | None) -> int | str | None:
    """Return the number of lines; the record of options checks it."""
    return int(value) if value is not None and value.isdecimal() else value


@click.group(
    cls=Group,
    epilog=EXIT_STATUSES,
    context_settings={"help_option_names": ["-h", "--help"], "auto_envvar_prefix": "DICOM_JPEGLS"},
)
@click.version_option(__version__)
@click.option("--debug", is_flag=True, help="Print where an unexpected error, or that of a file, comes from.")
def cli(debug: bool) -> None:
    """JPEG-LS for DICOM files.

    Environment variables set other defaults: DICOM_JPEGLS_COMPRESS_NEAR_LOSSLESS=2 is --near-lossless 2 for compress.
    """
    silence_pydicom()
    if debug:
        logging.basicConfig(format="%(message)s")
        logging.getLogger("dicom_jpegls").setLevel(logging.DEBUG)


@cli.command("compress")
@click.argument("paths", metavar="[SRC]... DST", nargs=-1, required=True, type=click.Path())
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
    default="0",
    show_default=True,
    help="Code colour-by-pixel (0), which all DICOM software tested reads, or colour-by-plane (1).",
)
@click.option(
    "--photometric-interpretation",
    type=click.Choice(get_args(PhotometricInterpretation)),
    help="Convert the colours before coding, which is lossy.",
)
@click.option(
    "--reduce-bits-allocated",
    is_flag=True,
    help="Write images of at most 8 bits stored in 16 bits allocated with 8 bits allocated, which is smaller.",
)
@click.option(
    "--offset-table",
    type=click.Choice(get_args(OffsetTable)),
    default="basic",
    show_default=True,
    help="The offset table to write; basic becomes extended where 32-bit offsets are too small.",
)
@click.option(
    "--restart-interval",
    metavar="LINES|auto",
    callback=parse_restart_interval,
    help="Write restart markers after so many lines, with which several cores can code a large frame. Some viewers "
    "cannot read such streams.",
)
@click.option(
    "--lossy-attributes/--no-lossy-attributes",
    default=True,
    show_default=True,
    help="After a lossy change, write the attributes that record it and a new SOP Instance UID.",
)
@click.option(
    "--recode",
    is_flag=True,
    help="Code JPEG-LS files again: lossless ones with --near-lossless, and lossless streams in another form in the "
    "one asked for. By default all JPEG-LS files are passed through.",
)
@change_options
@writing_options
def compress_command(paths: tuple[str, ...], planar_configuration: str, recode: bool, **values: Any) -> None:
    """Compress the pixel data of DICOM files with JPEG-LS.

    SRC is a file, a folder with everything below it, or a quoted pattern such as 'studies/**/*.dcm'. DST is the file
    to write for a single SRC file; otherwise, or if it ends in /, it is a folder for the same tree. Every frame is
    decoded and compared before a file is written. Repeating the command continues where it stopped.
    """
    coding = {name: values.pop(name) for name in [*values] if name in CodingOptions.__dataclass_fields__}
    coding["planar_configuration"] = int(planar_configuration)
    options = _options(values, coding_options(**coding), recode=recode)
    _convert(Action.COMPRESS, paths, options, **values)


def _options(values: dict[str, Any], coding: CodingOptions, *, recode: bool = False) -> Options:
    """Take the options that say how files are converted."""
    return Options(
        coding,
        values.pop("non_convertible"),
        values.pop("force"),
        recode,
        values.pop("copy_failed"),
        ReadOptions(max_inflated_size=values.pop("max_inflated_size")),
    )


@cli.command("decompress")
@click.argument("paths", metavar="[SRC]... DST", nargs=-1, required=True, type=click.Path())
@writing_options
def decompress_command(paths: tuple[str, ...], **values: Any) -> None:
    """Decompress the JPEG-LS pixel data of DICOM files, to Explicit VR Little Endian.

    SRC and DST are the same as for compress.
    """
    _convert(Action.DECOMPRESS, paths, _options(values, CodingOptions()), **values)


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
            write(json_text({"file": str(source), **description}, indent=2))
        else:
            write(printable(source))
            print_table(detailed_table(description))
        return
    with reporting_failures(sources[0]):
        files = find_files(sources)
    table = Table(*OVERVIEW_COLUMNS)
    failed = 0
    for file in files:
        path = Path(file.path)
        if path.is_symlink() and file.error is None:
            continue
        try:
            if file.error is not None:
                raise OSError(0, file.error)
            description = describe_file(path)
            line = json_text({"file": file.path, **description})
            cells = [cell(text) for text in overview_cells(file.name, description)]
        except Exception as error:  # the other files are still described
            failed += 1
            write_about(path, describe_error(error), err=True)
            continue
        if as_json:
            write(line)
        else:
            table.add_row(*cells)
    if not as_json:
        print_table(table)
    exit_with_counts(failed, len(files) - failed)


@cli.command("verify")
@click.argument("source", metavar="SRC", type=PATH)
@click.argument("reference", metavar="[REFERENCE]", type=PATH, required=False)
@change_options
@batch_options
def verify_command(
    source: Path, reference: Path | None, signed_overflow: SignedOverflow, unused_bits: UnusedBits, **values: Any
) -> None:
    """Decode every frame of SRC, and compare the files with what was recorded of them, and with REFERENCE.

    SRC is a file, a folder or a quoted pattern. Files that this program wrote are compared with its journal, which is
    searched in the folder of each file and in those above; files that it names must be there.

    REFERENCE is a file, or a folder with the same tree. Each of its files must have a counterpart in SRC: a copy, byte
    for byte, or the same image: samples within the NEAR of the streams of SRC, and all attributes but those that a
    conversion changes. --signed-overflow and --unused-bits tell how SRC was compressed, if no journal does.
    """
    options = Options(
        coding_options(signed_overflow=signed_overflow, unused_bits=unused_bits),
        reading=ReadOptions(max_inflated_size=values.pop("max_inflated_size")),
    )
    if _is_many(source) or values["files_from"] is not None:
        _run_many(Action.VERIFY, [source], reference, options, selection=_selection(values), **values)
        return
    _refuse_for_one(_selection(values), values)
    notices: list[str] = []
    found: dict[str, Any] = {}
    with reporting_failures(source, ExitStatus.NOT_VERIFIED):
        (job,) = plan_verification(
            [source], reference, options=options, records=values["records"], on_notice=notices.append
        )
        for notice in notices:
            write_about("dicom-jpegls", notice, err=True)
        job = job._replace(source=str(source), threads=worker_count(values["workers"]))
        status, reason = verify_one(job, lambda _size: None, found, allows_stream=True)
        if status is not Status.VERIFIED:
            raise NotConvertibleError(str(reason))
    statistics = found.get("statistics")
    if values["as_json"]:
        result = {"file": str(source), **found}
        if statistics is not None:
            result |= statistics_values(result.pop("statistics"))
        write(json_text(result))
    elif not values["quiet"]:
        compared = []
        if reference is not None:
            error = f", largest error {statistics.largest_error}" if statistics and statistics.largest_error else ""
            compared.append(f"matches {reference}{error}")
        if job.expected is not None:
            compared.append("is as recorded")
        near = f", NEAR {found['near_lossless']}" if statistics is not None else ""
        write_about(source, f"{', '.join(compared) or 'decodes'}{near}")


def _is_many(path: Path) -> bool:
    """Whether a source can mean more than one file: a folder or a pattern."""
    return path.is_dir() or is_pattern(path)


def _selection(values: dict[str, Any]) -> Selection | None:
    """Take the options that select files."""
    names = ("include", "exclude", "files_from", "null", "follow_links")
    selected = {name: values.pop(name) for name in names}
    with reporting_failures(Path(selected["files_from"] or ".")):
        return selection_of(**selected)


def _refuse_for_one(selection: Selection | None, values: dict[str, Any]) -> None:
    for name in ("dask", "report", "log_file"):
        if values.pop(name):
            raise click.UsageError(f"--{name.replace('_', '-')} is for many files")
    if selection is not None and not selection.follow_links:
        raise click.UsageError("--include, --exclude and --files-from are for many files")


def _convert(
    action: Action, paths: Sequence[str], options: Options, *, in_place: bool, dry_run: bool, **values: Any
) -> None:
    selection = _selection(values)
    *names, last = paths
    if in_place:
        sources = [Path(name) for name in paths]
        _run_many(action, sources, None, options, selection=selection, dry_run=dry_run, **values)
        return
    if not names and selection is not None and selection.files is not None:
        names = ["."]
    if not names:
        raise click.UsageError("DST is missing; --in-place replaces the source files")
    sources, target = [Path(name) for name in names], Path(last)
    is_folder = last.endswith(tuple(separator for separator in (os.sep, os.altsep) if separator))
    many = len(sources) > 1 or _is_many(sources[0]) or target.is_dir() or is_folder
    if many or dry_run:
        if not many:
            raise click.UsageError("--dry-run is for many files")
        if is_folder and os.path.lexists(target) and not target.is_dir():
            raise click.UsageError(f"DST must be a folder; {printable(target)} is a file")
        _run_many(action, sources, target, options, selection=selection, dry_run=dry_run, **values)
    else:
        _refuse_for_one(selection, values)
        _convert_one(action, sources[0], target, options, **values)


def _convert_one(
    action: Action,
    source: Path,
    target: Path,
    options: Options,
    *,
    records: Path | None,
    workers: int | None,
    quiet: bool,
    as_json: bool,
) -> None:
    if records is not None:
        raise click.UsageError("--records is for many files")
    if os.path.lexists(target) and not options.force:
        raise Failure(ExitStatus.TARGET_EXISTS, target, EXISTS)
    real_source = Path(os.path.realpath(source)) if source.is_symlink() else source  # it is named, and so followed
    if options.copy_failed:
        raise click.UsageError("--copy-failed is for many files")
    with reporting_failures(source), SourceFile(real_source, options.reading) as file:
        before = file.pixel_data_size
    threads = worker_count(workers)
    with (
        single_file_progress(before, shown=not quiet and not as_json) as on_frame,
        reporting_failures(source, target=target),
    ):
        if action is Action.COMPRESS:
            conversion = compress_file(
                real_source,
                target,
                options.coding,
                force=options.force,
                threads=threads,
                on_frame=on_frame,
                reading=options.reading,
                recode=options.recode,
            )
        else:
            conversion = decompress_file(
                real_source,
                target,
                force=options.force,
                threads=threads,
                on_frame=on_frame,
                reading=options.reading,
            )
    for warning in conversion.warnings:
        write_about(source, warning, err=True)
    for count, what in (
        (conversion.statistics.clipped_samples, "signed sample(s) clipped"),
        (conversion.statistics.cleared_samples, "sample(s) with bits above Bits Stored cleared"),
    ):
        if count:
            write_about(source, f"{count} {what}", err=True)
    if as_json:
        values = {"source": str(source), "target": str(target), **conversion._asdict()}
        values |= statistics_values(values.pop("statistics"))
        write(json_text(values))
    elif not quiet:
        with SourceFile(target) as file:
            write_about(f"{source} -> {target}", f"{before} -> {file.pixel_data_size} bytes of pixel data")


def _run_many(
    action: Action,
    sources: Sequence[Path],
    target: Path | None,
    options: Options,
    *,
    selection: Selection | None,
    records: Path | None,
    workers: int | None,
    dask: str | None,
    quiet: bool,
    as_json: bool,
    report: Path | None,
    log_file: Path | None,
    dry_run: bool = False,
) -> None:
    kind: type[Display]
    if as_json:
        kind = JsonDisplay
    elif quiet:
        kind = Display
    elif has_bars(Console(stderr=True)) and not dry_run:
        kind = BarDisplay
    else:
        kind = LineDisplay
    ending: BaseException | None = None
    with opened_log(log_file) as log, kind(dry_run=dry_run, log=log) as display:
        try:
            with reporting_failures(sources[0]):
                transcode(
                    sources,
                    target,
                    action,
                    options,
                    selection=selection,
                    workers=workers,
                    dask=dask,
                    records=records,
                    dry_run=dry_run,
                    observer=display,
                )
        except (KeyboardInterrupt, Failure) as error:
            ending = error
        if ending is None or display.summary.counts:
            display.show_summary(interrupted=isinstance(ending, KeyboardInterrupt))
            if report is not None:
                with reporting_failures(report):
                    write_report(report, display.summary, dry_run=dry_run)
    if isinstance(ending, Failure):
        raise ending
    if ending is not None:
        click.get_current_context().exit(ExitStatus.INTERRUPTED)
    exit_with_counts(display.summary.counts[Status.FAILED], display.summary.succeeded)


cli.add_command(explore_command)
cli.add_command(compare_command)
