"""The contents of a file, for people and for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydicom.uid import JPEGLSTransferSyntaxes
from rich.table import Table

from dicom_jpegls._codec import read_info
from dicom_jpegls.cli.output import cell
from dicom_jpegls.dicom import ImagePixel, keyword_of
from dicom_jpegls.files import SourceFile, read_stream, reading_dataset

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pydicom import Dataset

    from dicom_jpegls.parameters import StreamInfo


def describe_file(path: Path) -> dict[str, Any]:
    """Return the contents of a DICOM file or a JPEG-LS stream, without decoding it."""
    stream = read_stream(path)
    if stream is not None:
        return _describe_stream(read_info(stream))
    with SourceFile(path, needs_image=False) as source:
        return {**_describe_dataset(source), **_describe_streams(source)}


def _describe_streams(source: SourceFile) -> dict[str, Any]:
    if source.transfer_syntax not in JPEGLSTransferSyntaxes or not source.has_pixel_data:
        return {}
    infos = list(source.stream_infos(source.image_pixel))
    return {
        "frame_count": len(infos),
        "near_lossless": max(info.near_lossless for info in infos),
        "compressed_size": sum(info.size for info in infos),
        "first_stream": _describe_stream(infos[0]),
    }


def _describe_stream(info: StreamInfo) -> dict[str, Any]:
    native_size = info.width * info.height * info.component_count * (1 if info.bits_per_sample <= 8 else 2)
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
        "ratio": round(native_size / info.size, 3),
    }


def _describe_dataset(source: SourceFile) -> dict[str, Any]:
    uid = source.ds.file_meta.TransferSyntaxUID
    return {
        "transfer_syntax": uid.name,
        "transfer_syntax_uid": uid,
        **{name: _plain_value(source.ds, keyword_of(name)) for name in ImagePixel._fields},
        "pixel_data_size": source.pixel_data_size if source.has_pixel_data else None,
    }


def _plain_value(ds: Dataset, keyword: str) -> int | str | None:
    """Return an attribute as a value for JSON, whatever it is: anything but a number as text."""
    with reading_dataset():
        value = ds.get(keyword)
    return value if value is None or isinstance(value, int) else str(value)


def detailed_table(description: dict[str, Any]) -> Table:
    """Return a table with all that is known of one file."""
    table = Table("name", "value", show_header=False)
    table.columns[0].no_wrap = True
    for name, value in _flattened(description):
        table.add_row(cell(name), cell(value))
    return table


def _flattened(values: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield names and values, nested ones after the name of their parent; leave out what is absent."""
    for name, value in values.items():
        if isinstance(value, dict) and not all(isinstance(item, int) for item in value.values()):
            yield from _flattened(value, f"{prefix}{name}.")
        elif isinstance(value, dict):
            yield f"{prefix}{name}", ", ".join(f"{key} {item}" for key, item in value.items())
        elif value not in (None, [], ""):
            yield f"{prefix}{name}", str(value)


OVERVIEW_COLUMNS = ("file", "transfer syntax", "size", "frames", "bits", "NEAR", "bytes")


def overview_cells(name: str, description: dict[str, Any]) -> list[str]:
    """Return the cells of one file in a table of `OVERVIEW_COLUMNS`."""
    shape = [
        description.get("rows", description.get("height")),
        description.get("columns", description.get("width")),
    ]
    values = (
        name,
        description.get("transfer_syntax") or ("JPEG-LS stream" if "width" in description else None),
        None if None in shape else " x ".join(map(str, shape)),
        description.get("frame_count") or description.get("number_of_frames"),
        description.get("bits_stored", description.get("bits_per_sample")),
        description.get("near_lossless"),
        description.get("pixel_data_size", description.get("size")),
    )
    return ["" if value is None else str(value) for value in values]
