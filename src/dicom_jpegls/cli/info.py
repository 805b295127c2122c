"""What a file holds, for people and for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydicom import dcmread
from pydicom.uid import JPEGLSTransferSyntaxes

import dicom_jpegls
from dicom_jpegls.dicom.pixel_data import image_pixel_of
from dicom_jpegls.files.convert import read_stream
from dicom_jpegls.files.source import NotConvertibleError, SourceFile

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pydicom import Dataset

    from dicom_jpegls.parameters import StreamInfo


def file_facts(path: Path) -> dict[str, Any]:
    """Tell what a DICOM file or a JPEG-LS stream of its own holds; decodes nothing."""
    data = read_stream(path)
    if data is not None:
        return _stream_facts(dicom_jpegls.read_info(data))
    try:
        with SourceFile(path) as source:
            return {**_dataset_facts(source.ds, source.pixel_data_size), **_streams_facts(source)}
    except NotConvertibleError:
        return _dataset_facts(dcmread(path, stop_before_pixels=True), None)


def _streams_facts(source: SourceFile) -> dict[str, Any]:
    if source.transfer_syntax not in JPEGLSTransferSyntaxes:
        return {}
    infos = list(source.infos(image_pixel_of(source.ds)))
    return {
        "frames": len(infos),
        "near_lossless": max(info.near_lossless for info in infos),
        "streams_size": sum(info.size for info in infos),
        "first_stream": _stream_facts(infos[0]),
    }


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


def _dataset_facts(ds: Dataset, pixel_data_size: int | None) -> dict[str, Any]:
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
    facts["pixel_data_size"] = pixel_data_size
    return facts


def flatten(facts: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Give the rows of a table: nested facts behind the name of what they belong to, nothing that is absent."""
    for name, value in facts.items():
        if isinstance(value, dict) and not all(isinstance(item, int) for item in value.values()):
            yield from flatten(value, f"{prefix}{name}.")
        elif isinstance(value, dict):
            yield f"{prefix}{name}", ", ".join(f"{key} {item}" for key, item in value.items())
        elif value not in (None, [], ""):
            yield f"{prefix}{name}", str(value)
