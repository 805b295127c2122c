"""The command line: compress, decompress, inspect and verify files."""

from __future__ import annotations

import json
import os
import tempfile
import warnings
from contextlib import contextmanager
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np
from pydicom import dcmread
from pydicom.errors import InvalidDicomError
from pydicom.pixels.utils import pixel_array as native_pixel_array
from pydicom.uid import (
    JPEGLSLossless,
    JPEGLSNearLossless,
    JPEGLSTransferSyntaxes,
    UncompressedTransferSyntaxes,
)
from rich.console import Console
from rich.table import Table

import dicom_jpegls
from dicom_jpegls.array import decode
from dicom_jpegls.dataset import compress, decompress, pixel_array, stream_infos
from dicom_jpegls.errors import JPEGLSError, StreamError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray
    from pydicom import Dataset, FileDataset

    from dicom_jpegls.parameters import StreamInfo


class ExitStatus(IntEnum):
    """What the exit status of the command says."""

    SUCCESS = 0
    NOT_VERIFIED = 1
    WRONG_USAGE = 2
    FILE_ERROR = 3
    NOT_CONVERTIBLE = 4
    NOTHING_TO_DO = 5
    TARGET_EXISTS = 6


_EXIT_STATUSES = """\b
Exit status:
  0  success
  1  verify: a stream is damaged, or the pixels differ by more than NEAR
  2  wrong usage
  3  a file cannot be read or written
  4  the input is no DICOM file, has no pixel data, or cannot be converted
  5  nothing to do: the input has the wanted transfer syntax already
  6  the output exists, and --force is not given
"""


class _Failure(click.ClickException):
    """Ends the command with one line on standard error."""

    def __init__(self, status: ExitStatus, path: Path, message: object) -> None:
        super().__init__(f"{path}: {message}")
        self.exit_code = int(status)  # type: ignore[misc]  # click means it to be set so

    def show(self, file: Any = None) -> None:  # noqa: ARG002
        click.echo(f"dicom-jpegls: {' '.join(self.message.split())}", err=True)


_path = click.Path(path_type=Path)


@click.group(epilog=_EXIT_STATUSES, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(dicom_jpegls.__version__)
def cli() -> None:
    """JPEG-LS for DICOM files."""
    # Of the file's oddities, those that matter end in an error of ours.
    warnings.filterwarnings("ignore", module="pydicom")


@cli.command("compress")
@click.argument("source", metavar="IN", type=_path)
@click.argument("target", metavar="OUT", type=_path)
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
    help="Which table says where the frames begin.",
)
@click.option(
    "--lossy-attributes/--no-lossy-attributes",
    default=True,
    show_default=True,
    help="Record a loss in the dataset, and give it a new SOP Instance UID.",
)
@click.option(
    "--verify/--no-verify", default=True, show_default=True, help="Decode and compare every frame before writing."
)
@click.option("--force", is_flag=True, help="Replace OUT if it exists.")
def compress_command(
    source: Path, target: Path, near_lossless: int, planar_configuration: str | None, force: bool, **options: Any
) -> None:
    """Compress the pixel data of the DICOM file IN with JPEG-LS into OUT."""
    uid = JPEGLSNearLossless if near_lossless else JPEGLSLossless
    planes = None if planar_configuration is None else int(planar_configuration)

    def convert(ds: FileDataset) -> None:
        if _transfer_syntax(ds) == uid:
            raise _Failure(ExitStatus.NOTHING_TO_DO, source, f"its transfer syntax is {uid.name} already")
        result = compress(ds, uid, near_lossless=near_lossless, planar_configuration=planes, **options)
        for count, what in (
            (result.clipped_samples, "signed sample(s) clipped"),
            (result.cleared_samples, "sample(s) lost bits above Bits Stored"),
        ):
            if count:
                click.echo(f"{source}: {count} {what}", err=True)

    _convert(source, target, force, convert)


@cli.command("decompress")
@click.argument("source", metavar="IN", type=_path)
@click.argument("target", metavar="OUT", type=_path)
@click.option("--force", is_flag=True, help="Replace OUT if it exists.")
def decompress_command(source: Path, target: Path, force: bool) -> None:
    """Decompress the JPEG-LS pixel data of the DICOM file IN into OUT (Explicit VR Little Endian)."""

    def convert(ds: FileDataset) -> None:
        if _transfer_syntax(ds) in UncompressedTransferSyntaxes:
            raise _Failure(ExitStatus.NOTHING_TO_DO, source, "its pixel data is uncompressed already")
        decompress(ds)

    _convert(source, target, force, convert)


@cli.command("info")
@click.argument("source", metavar="FILE", type=_path)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def info_command(source: Path, as_json: bool) -> None:
    """Tell what FILE holds: a DICOM file, or a JPEG-LS stream of its own."""
    with _reporting(source):
        data = _read_stream(source)
        facts = _dataset_facts(_read_dataset(source)) if data is None else _stream_facts(dicom_jpegls.read_info(data))
    if as_json:
        click.echo(json.dumps({"file": str(source), **facts}, indent=2))
        return
    table = Table("name", "value", show_header=False)
    table.columns[0].no_wrap = True
    for name, value in _flatten(facts):
        table.add_row(name, value)
    click.echo(source)
    Console().print(table)


@cli.command("verify")
@click.argument("source", metavar="FILE", type=_path)
@click.argument("reference", metavar="[REFERENCE]", type=_path, required=False)
def verify_command(source: Path, reference: Path | None) -> None:
    """Decode every frame of FILE; with REFERENCE, also compare the samples within the NEAR of FILE's streams."""
    with _reporting(source, ExitStatus.NOT_VERIFIED):
        pixels, near_lossless = _pixels(source)
    if reference is None:
        click.echo(f"{source}: decodes, shape {pixels.shape}, NEAR {near_lossless}")
        return
    with _reporting(reference):
        expected, _ = _pixels(reference)
    if pixels.shape != expected.shape:
        raise _Failure(
            ExitStatus.NOT_VERIFIED, source, f"shape {pixels.shape}; that of {reference} is {expected.shape}"
        )
    error = int(np.abs(pixels.astype(np.int32) - expected).max())
    if error > near_lossless:
        raise _Failure(
            ExitStatus.NOT_VERIFIED, source, f"largest error against {reference} is {error}; NEAR is {near_lossless}"
        )
    click.echo(f"{source}: matches {reference}, largest error {error}, NEAR {near_lossless}")


def _convert(source: Path, target: Path, force: bool, convert: Callable[[FileDataset], None]) -> None:
    if target.exists() and not force:
        raise _Failure(ExitStatus.TARGET_EXISTS, target, "exists; --force replaces it")
    with _reporting(source):
        ds = _read_dataset(source)
        before = len(ds.PixelData) if "PixelData" in ds else 0
        convert(ds)
    with _reporting(target):
        _write(ds, target, force)
    click.echo(f"{source} -> {target}: {before} -> {len(ds.PixelData)} bytes of pixel data")


def _write(ds: FileDataset, target: Path, force: bool) -> None:
    """Write to a temporary file beside the target and rename it: the target is whole or not there."""
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".tmp", dir=target.parent)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            ds.save_as(file, enforce_file_format=True)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o666 & ~_umask())
        if force:
            temporary.replace(target)
        else:
            _rename_new(temporary, target)
    except FileExistsError:
        raise _Failure(ExitStatus.TARGET_EXISTS, target, "exists; --force replaces it") from None
    finally:
        temporary.unlink(missing_ok=True)


def _rename_new(temporary: Path, target: Path) -> None:
    """Give a file a new name, but never that of a file which came there meanwhile."""
    try:
        os.link(temporary, target)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        if target.exists():
            raise FileExistsError(target) from None
        temporary.replace(target)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


@contextmanager
def _reporting(path: Path, stream_status: ExitStatus = ExitStatus.NOT_CONVERTIBLE) -> Iterator[None]:
    """Turn what can go wrong with a file into one line and an exit status."""
    try:
        yield
    except InvalidDicomError:
        raise _Failure(ExitStatus.NOT_CONVERTIBLE, path, "is no DICOM file (no 'DICM' prefix)") from None
    except OSError as error:
        raise _Failure(ExitStatus.FILE_ERROR, path, error.strerror or error) from error
    except StreamError as error:
        raise _Failure(stream_status, path, error) from error
    except JPEGLSError as error:
        raise _Failure(ExitStatus.NOT_CONVERTIBLE, path, error) from error
    except MemoryError as error:
        raise _Failure(ExitStatus.FILE_ERROR, path, f"not enough memory {error}") from error
    except click.ClickException:
        raise
    except Exception as error:  # pydicom reads damaged files until something breaks
        raise _Failure(
            ExitStatus.NOT_CONVERTIBLE, path, f"cannot be read as DICOM: {type(error).__name__}: {error}"
        ) from error


def _read_stream(path: Path) -> bytes | None:
    """Read a file that is a JPEG-LS stream of its own; None for any other."""
    with path.open("rb") as file:
        return file.read() if file.read(2) == b"\xff\xd8" and file.seek(0) == 0 else None


def _read_dataset(path: Path) -> FileDataset:
    return dcmread(path)


def _transfer_syntax(ds: FileDataset) -> str:
    return str(ds.file_meta.get("TransferSyntaxUID", ""))


def _pixels(path: Path) -> tuple[NDArray[Any], int]:
    """Decode all samples of a file; gives them and the largest NEAR of its streams."""
    data = _read_stream(path)
    if data is not None:
        return decode(data), dicom_jpegls.read_info(data).near_lossless
    ds = _read_dataset(path)
    if _transfer_syntax(ds) in JPEGLSTransferSyntaxes:
        return pixel_array(ds), max(info.near_lossless for info in stream_infos(ds))
    return native_pixel_array(ds, raw=True), 0


def _stream_facts(info: StreamInfo) -> dict[str, Any]:
    raw_size = info.width * info.height * info.component_count * (1 if info.bits_per_sample <= 8 else 2)
    return {
        "width": info.width,
        "height": info.height,
        "bits_per_sample": info.bits_per_sample,
        "component_count": info.component_count,
        "interleave_mode": info.interleave_mode.name.lower(),
        "near_lossless": info.near_lossless,
        "color_transformation": info.color_transformation.name.lower(),
        "preset_coding_parameters": info.preset_coding_parameters._asdict(),
        "restart_interval": info.restart_interval,
        "spiff_header": info.spiff_header._asdict() if info.spiff_header else None,
        "comments": [comment.decode("latin-1") for comment in info.comments],
        "application_data": [{"number": number, "bytes": len(data)} for number, data in info.application_data],
        "size": info.size,
        "ratio": round(raw_size / info.size, 3),
    }


def _dataset_facts(ds: Dataset) -> dict[str, Any]:
    uid = ds.file_meta.get("TransferSyntaxUID")
    facts: dict[str, Any] = {"transfer_syntax": uid.name if uid else None, "transfer_syntax_uid": uid}
    for name, keyword in (
        ("photometric_interpretation", "PhotometricInterpretation"),
        ("samples_per_pixel", "SamplesPerPixel"),
        ("planar_configuration", "PlanarConfiguration"),
        ("number_of_frames", "NumberOfFrames"),
        ("rows", "Rows"),
        ("columns", "Columns"),
        ("bits_allocated", "BitsAllocated"),
        ("bits_stored", "BitsStored"),
        ("high_bit", "HighBit"),
        ("pixel_representation", "PixelRepresentation"),
    ):
        facts[name] = ds.get(keyword)
    facts["pixel_data_size"] = len(ds.PixelData) if "PixelData" in ds else None
    if uid in JPEGLSTransferSyntaxes:
        infos = stream_infos(ds)
        facts["frames"] = len(infos)
        facts["near_lossless"] = max(info.near_lossless for info in infos)
        facts["streams_size"] = sum(info.size for info in infos)
        facts["first_stream"] = _stream_facts(infos[0])
    return facts


def _flatten(facts: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Give the rows of a table: nested facts behind the name of what they belong to, nothing that is absent."""
    for name, value in facts.items():
        if isinstance(value, dict) and not all(isinstance(item, int) for item in value.values()):
            yield from _flatten(value, f"{prefix}{name}.")
        elif isinstance(value, dict):
            yield f"{prefix}{name}", ", ".join(f"{key} {item}" for key, item in value.items())
        elif value not in (None, [], ""):
            yield f"{prefix}{name}", str(value)
