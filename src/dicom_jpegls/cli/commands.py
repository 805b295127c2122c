"""The command line: compress, decompress, inspect and verify files and whole trees, and look at what NEAR does."""

from __future__ import annotations

import json
import os
from contextlib import contextmanager
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from pydicom.errors import InvalidDicomError
from rich.console import Console
from rich.table import Table

import dicom_jpegls
from dicom_jpegls.batch import Action, JournalInUseError, Options, PlanError, Status, Summary, find_files, transcode
from dicom_jpegls.batch.run import silence_pydicom
from dicom_jpegls.cli.info import file_facts, flatten
from dicom_jpegls.cli.progress import BarDisplay, Display, JsonDisplay, LineDisplay
from dicom_jpegls.errors import StreamError
from dicom_jpegls.files.convert import (
    NothingToDoError,
    NotVerifiedError,
    Outcome,
    compress_file,
    decompress_file,
    explain,
    verify_file,
)
from dicom_jpegls.files.source import SourceFile
from dicom_jpegls.parallel import worker_count

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_Function = TypeVar("_Function", bound="Callable[..., Any]")


class ExitStatus(IntEnum):
    """What the exit status of the command says."""

    SUCCESS = 0
    NOT_VERIFIED = 1
    WRONG_USAGE = 2
    FILE_ERROR = 3
    NOT_CONVERTIBLE = 4
    NOTHING_TO_DO = 5
    TARGET_EXISTS = 6
    SOME_FAILED = 7
    ALL_FAILED = 8
    INTERRUPTED = 130


_EXIT_STATUSES = """\b
Exit status:
  0  success
  1  verify: a stream is damaged, or the pixels differ by more than NEAR
  2  wrong usage
  3  a file cannot be read or written
  4  the input is no DICOM file, has no pixel data, or cannot be converted
  5  nothing to do: the input has the wanted transfer syntax already
  6  the output exists, and --force is not given
  7  of many files, some failed
  8  of many files, all failed
  130  interrupted; the same command goes on from there
"""


class _Failure(click.ClickException):
    """Ends the command with one line on standard error."""

    def __init__(self, status: ExitStatus, path: Path | str, message: object) -> None:
        super().__init__(f"{path}: {message}")
        self.exit_code = int(status)  # type: ignore[misc]  # click means it to be set so

    def show(self, file: Any = None) -> None:  # noqa: ARG002
        click.echo(f"dicom-jpegls: {' '.join(self.message.split())}", err=True)


_path = click.Path(path_type=Path)


@click.group(epilog=_EXIT_STATUSES, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(dicom_jpegls.__version__)
def cli() -> None:
    """JPEG-LS for DICOM files."""
    silence_pydicom()


def _shown_options(function: _Function) -> _Function:
    """Add the options of the commands that work on many files."""
    for option in reversed(
        (
            click.option(
                "--workers", type=click.IntRange(1), metavar="N", help="Processes; by default one for each core."
            ),
            click.option("--dask", metavar="ADDRESS", help="Run on the Dask cluster whose scheduler is there."),
            click.option("--quiet", "-q", is_flag=True, help="Say nothing but what failed."),
            click.option("--json", "as_json", is_flag=True, help="Print the record of each file as a line of JSON."),
        )
    ):
        function = option(function)
    return function


def _writing_options(function: _Function) -> _Function:
    """Add the options of the commands that write many files."""
    for option in reversed(
        (
            click.option("--in-place", is_flag=True, help="Replace the files themselves, keeping their time stamps."),
            click.option(
                "--others",
                type=click.Choice(["copy", "skip"]),
                default="copy",
                show_default=True,
                help="What to do in a tree with files that cannot be converted.",
            ),
            click.option(
                "--records",
                type=_path,
                metavar="FILE",
                help="Where the records of a tree's files go, as lines of JSON; by default .dicom-jpegls.jsonl in DST.",
            ),
            click.option("--force", is_flag=True, help="Replace files that exist."),
        )
    ):
        function = option(function)
    return _shown_options(function)


@cli.command("compress")
@click.argument("paths", metavar="SRC... DST", nargs=-1, required=True, type=_path)
@click.option(
    "--near-lossless",
    type=click.IntRange(0, 255),
    default=0,
    metavar="N",
    help="Largest absolute error of a sample; 0, the default, is lossless.",
)
@click.option(
    "--planar-configuration",
    type=click.Choice(["0", "1"]),
    help="Code colour by pixel (0) or by plane (1); by default as the input lies.",
)
@click.option(
    "--photometric-interpretation",
    type=click.Choice(["RGB", "YBR_FULL"]),
    help="Convert the colours first, which loses information.",
)
@click.option(
    "--signed-overflow",
    type=click.Choice(["error", "clip"]),
    default="error",
    show_default=True,
    help="What to do with signed samples too close to the ends of their range for near-lossless coding.",
)
@click.option(
    "--unused-bits",
    type=click.Choice(["error", "clear"]),
    default="error",
    show_default=True,
    help="What to do with bits above Bits Stored.",
)
@click.option(
    "--offset-table",
    type=click.Choice(["basic", "extended", "empty"]),
    default="basic",
    show_default=True,
    help="Which table says where the frames begin; of more than 2 GiB it is the extended one instead of the basic.",
)
@click.option(
    "--lossy-attributes/--no-lossy-attributes",
    default=True,
    show_default=True,
    help="Record a loss in the dataset, and give it a new SOP Instance UID.",
)
@_writing_options
def compress_command(paths: tuple[Path, ...], planar_configuration: str | None, **options: Any) -> None:
    """Compress the pixel data of DICOM files with JPEG-LS.

    SRC is a file, a folder with everything below it, or a quoted pattern such as 'studies/**/*.dcm'; DST is the file
    to write for a single SRC file, otherwise a folder that gets the same tree. Every frame is decoded and compared
    before a file is written. The same command again goes on where it stopped.
    """
    options["planar_configuration"] = None if planar_configuration is None else int(planar_configuration)
    _convert(Action.COMPRESS, paths, options)


@cli.command("decompress")
@click.argument("paths", metavar="SRC... DST", nargs=-1, required=True, type=_path)
@_writing_options
def decompress_command(paths: tuple[Path, ...], **options: Any) -> None:
    """Decompress the JPEG-LS pixel data of DICOM files (into Explicit VR Little Endian).

    SRC and DST are as those of compress.
    """
    _convert(Action.DECOMPRESS, paths, options)


@cli.command("info")
@click.argument("sources", metavar="SRC...", nargs=-1, required=True, type=_path)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table, a line for each of many files.")
def info_command(sources: tuple[Path, ...], as_json: bool) -> None:
    """Tell what files hold: DICOM files, or JPEG-LS streams of their own."""
    if len(sources) == 1 and not _is_many(sources[0]):
        with _reporting(sources[0]):
            facts = file_facts(sources[0])
        if as_json:
            click.echo(json.dumps({"file": str(sources[0]), **facts}, indent=2))
            return
        table = Table("name", "value", show_header=False)
        table.columns[0].no_wrap = True
        for name, value in flatten(facts):
            table.add_row(name, value)
        click.echo(sources[0])
        Console().print(table)
        return
    with _reporting(sources[0]):
        files = find_files(sources)
    table = Table("file", "transfer syntax", "size", "frames", "bits", "NEAR", "bytes")
    failed = 0
    for path, name in files:
        try:
            facts = file_facts(path)
        except Exception as error:  # one bad file does not stop the others
            failed += 1
            click.echo(f"{path}: {explain(error)}", err=True)
            continue
        if as_json:
            click.echo(json.dumps({"file": str(path), **facts}))
        else:
            table.add_row(name, *_row(facts))
    if not as_json:
        Console().print(table)
    _exit(failed, len(files) - failed)


def _row(facts: dict[str, Any]) -> list[str]:
    """Give the cells of one of many files."""
    shape = [facts.get("rows", facts.get("height")), facts.get("columns", facts.get("width"))]
    values = (
        facts.get("transfer_syntax") or ("JPEG-LS stream" if "width" in facts else None),
        None if None in shape else " x ".join(map(str, shape)),
        facts.get("frames") or facts.get("number_of_frames"),
        facts.get("bits_stored", facts.get("bits_per_sample")),
        facts.get("near_lossless"),
        facts.get("pixel_data_size", facts.get("size")),
    )
    return ["" if value is None else str(value) for value in values]


@cli.command("verify")
@click.argument("source", metavar="SRC", type=_path)
@click.argument("reference", metavar="[REFERENCE]", type=_path, required=False)
@_shown_options
def verify_command(source: Path, reference: Path | None, **options: Any) -> None:
    """Decode every frame of SRC; with REFERENCE, also compare the samples within the NEAR of SRC's streams.

    SRC is a file, a folder or a quoted pattern. REFERENCE is a file, or a folder with the same tree. Without it, files
    that this program has written in a folder are compared with what it recorded there.
    """
    if _is_many(source):
        _run_many(Action.VERIFY, [source], reference, Options(), None, **options)
        return
    with _reporting(source, ExitStatus.NOT_VERIFIED, reference):
        verification = verify_file(source, reference, threads=worker_count(options["workers"]))
    outcome = verification.outcome
    if options["as_json"]:
        facts = {name: value for name, value in outcome._asdict().items() if value is not None}
        click.echo(json.dumps({"file": str(source), **facts}))
    elif not options["quiet"] and reference is None:
        click.echo(f"{source}: decodes, shape {verification.shape}, NEAR {outcome.near_lossless}")
    elif not options["quiet"]:
        error = outcome.largest_error
        click.echo(f"{source}: matches {reference}, largest error {error}, NEAR {outcome.near_lossless}")


def _near_list(_context: click.Context, _parameter: click.Parameter, value: str) -> list[int]:
    """Read numbers with commas between them."""
    try:
        numbers = sorted({int(number) for number in value.split(",")})
    except ValueError:
        raise click.BadParameter(f"{value!r}; whole numbers with commas between them are needed") from None
    if not all(0 <= number <= 255 for number in numbers):
        raise click.BadParameter(f"{value!r}; 0 to 255 is allowed")
    return numbers


def _picture_options(function: _Function) -> _Function:
    """Add the options of the commands that write a picture."""
    for option in (
        click.option("--force", is_flag=True, help="Replace the PNG if it exists."),
        click.option("--output", type=_path, metavar="PNG", help="The picture; by default named as the file, here."),
        click.option("--frame", type=click.IntRange(0), default=0, show_default=True, help="Which frame, from 0."),
    ):
        function = option(function)
    return function


@cli.command("explore")
@click.argument("source", metavar="FILE", type=_path)
@click.option(
    "--near",
    "near_lossless",
    default="0,1,2,3,5,10",
    show_default=True,
    callback=_near_list,
    help="The NEAR to try, with commas between them.",
)
@_picture_options
def explore_command(source: Path, near_lossless: list[int], frame: int, output: Path | None, force: bool) -> None:
    """Show what each NEAR does to FILE: a table of sizes and errors, and a picture to look at.

    The picture has the image and a rate-distortion curve, and for each NEAR the decoded image and the amplified
    difference, windowed as the file's VOI attributes ask. Errors, PSNR (whose peak is the range of the image's samples)
    and SSIM are those of the stored samples.
    """
    from dicom_jpegls.cli.explore import draw_exploration, explore, number

    target = _picture(source, output, "near", force)
    with _reporting(source, target=target):
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
            click.echo(
                f"{source}: NEAR {trial.near_lossless}: {trial.clipped_samples} signed sample(s) clipped", err=True
            )
    Console().print(table)
    with _reporting(target):
        draw_exploration(exploration, target)
    click.echo(target)


@cli.command("compare")
@click.argument("first", metavar="A", type=_path)
@click.argument("second", metavar="B", type=_path)
@_picture_options
def compare_command(first: Path, second: Path, frame: int, output: Path | None, force: bool) -> None:
    """Show how B differs from A: errors, PSNR and SSIM of the stored samples, and a picture to look at."""
    from dicom_jpegls.cli.explore import compare, draw_comparison, number

    target = _picture(second, output, "compare", force)
    with _reporting(second, other=first):
        comparison = compare(first, second, frame=frame)
    values = comparison.quality
    table = Table("", "bytes", "largest error", "mean error", "PSNR / dB", "SSIM")
    for column in table.columns[1:]:
        column.justify = "right"
    table.add_row(str(first), str(first.stat().st_size))
    table.add_row(
        str(second),
        str(second.stat().st_size),
        str(values.largest_error),
        f"{values.mean_error:.3f}",
        number(values.psnr, 1),
        number(values.ssim, 5),
    )
    Console().print(table)
    with _reporting(target):
        draw_comparison(comparison, target)
    click.echo(target)


def _picture(source: Path, output: Path | None, what: str, force: bool) -> Path:
    target = output or Path(f"{source.name.removesuffix('.dcm')}-{what}.png")
    if target.exists() and not force:
        raise _Failure(ExitStatus.TARGET_EXISTS, target, "exists; --force replaces it")
    return target


def _is_many(path: Path) -> bool:
    """Whether a source means more than one file: a folder or a pattern."""
    return path.is_dir() or (bool(set("*?[") & set(str(path))) and not os.path.lexists(path))


def _convert(action: Action, paths: Sequence[Path], values: dict[str, Any]) -> None:
    in_place = values.pop("in_place")
    shown = {name: values.pop(name) for name in ("workers", "dask", "quiet", "as_json")}
    records = values.pop("records")
    options = Options(**values)
    if in_place:
        _run_many(action, paths, None, options, records, **shown)
        return
    if len(paths) < 2:
        raise click.UsageError("DST is missing; --in-place replaces the files themselves")
    *sources, target = paths
    if len(sources) > 1 or _is_many(sources[0]) or target.is_dir():
        _run_many(action, sources, target, options, records, **shown)
    else:
        _convert_one(action, sources[0], target, options, **shown)


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
        raise _Failure(ExitStatus.TARGET_EXISTS, target, "exists; --force replaces it")
    with _reporting(source), SourceFile(source) as file:
        before = file.pixel_data_size
    with _reporting(source, target=target):
        convert = compress_file if action is Action.COMPRESS else decompress_file
        outcome = convert(source, target, options, threads=worker_count(workers))
    for count, what in (
        (outcome.clipped_samples, "signed sample(s) clipped"),
        (outcome.cleared_samples, "sample(s) lost bits above Bits Stored"),
    ):
        if count:
            click.echo(f"{source}: {count} {what}", err=True)
    if as_json:
        click.echo(json.dumps({"source": str(source), "target": str(target), **_known(outcome)}))
    elif not quiet:
        with SourceFile(target) as file:
            click.echo(f"{source} -> {target}: {before} -> {file.pixel_data_size} bytes of pixel data")


def _known(outcome: Outcome) -> dict[str, Any]:
    return {name: value for name, value in outcome._asdict().items() if value is not None}


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
    summary = Summary()
    interrupted = False
    with kind(console, errors) as display:
        with _reporting(sources[0]):
            try:
                transcode(
                    sources,
                    target,
                    action,
                    options,
                    workers=workers,
                    dask=dask,
                    records=records,
                    summary=summary,
                    on_plan=display.plan,
                    on_record=display.record,
                    on_bytes=display.coded,
                )
            except KeyboardInterrupt:
                interrupted = True
            except (PlanError, JournalInUseError) as error:
                raise click.UsageError(str(error)) from error
        display.summary(summary, interrupted=interrupted)
    if interrupted:
        click.get_current_context().exit(ExitStatus.INTERRUPTED)
    _exit(summary.counts[Status.FAILED], summary.succeeded)


def _exit(failed: int, succeeded: int) -> None:
    if failed:
        click.get_current_context().exit(ExitStatus.SOME_FAILED if succeeded else ExitStatus.ALL_FAILED)


@contextmanager
def _reporting(
    source: Path,
    not_verified: ExitStatus = ExitStatus.NOT_CONVERTIBLE,
    other: Path | None = None,
    *,
    target: Path | None = None,
) -> Iterator[None]:
    """Turn what can go wrong with a file into one line and an exit status."""
    try:
        yield
    except NothingToDoError as error:
        raise _Failure(ExitStatus.NOTHING_TO_DO, source, error) from error
    except FileExistsError:
        raise _Failure(ExitStatus.TARGET_EXISTS, target or source, "exists; --force replaces it") from None
    except InvalidDicomError as error:
        raise _Failure(ExitStatus.NOT_CONVERTIBLE, source, explain(error)) from None
    except OSError as error:
        named = error.filename in (str(other), str(source))
        path = error.filename if named else target or source
        raise _Failure(ExitStatus.FILE_ERROR, path, explain(error)) from error
    except MemoryError as error:
        raise _Failure(ExitStatus.FILE_ERROR, source, explain(error)) from error
    except (StreamError, NotVerifiedError) as error:
        raise _Failure(not_verified, source, error) from error
    except click.ClickException:
        raise
    except Exception as error:
        raise _Failure(ExitStatus.NOT_CONVERTIBLE, source, explain(error)) from error
