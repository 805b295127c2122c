"""Compressing and decompressing one file: read, coded and checked frame by frame, synced, read back, then renamed."""

from __future__ import annotations

import hashlib
import struct
from dataclasses import replace
from functools import lru_cache
from tempfile import SpooledTemporaryFile
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from pydicom import Dataset
from pydicom.uid import ExplicitVRLittleEndian, JPEGLSTransferSyntaxes, UncompressedTransferSyntaxes

from dicom_jpegls.dicom import (
    SEQUENCE_DELIMITER,
    CodedFrame,
    CodingOptions,
    CodingStatistics,
    FrameCoder,
    coded_attributes,
    frames_at_once,
    image_pixel_changes,
    interleave_mode,
    item_header,
    native_bytes,
    native_vr,
    offset_tables,
)
from dicom_jpegls.errors import DatasetError
from dicom_jpegls.files.elements import UNDEFINED_LENGTH
from dicom_jpegls.files.errors import NotConvertibleError, NothingToDoError
from dicom_jpegls.files.opening import DEFAULT_READ_OPTIONS, NamingFile, ReadOptions
from dicom_jpegls.files.source import SourceFile, dataset_of, ignore_frame, little_endian_bytes, reading_dataset
from dicom_jpegls.files.steps import SharedCoding, can_share, finish_steps
from dicom_jpegls.files.writer import Writer
from dicom_jpegls.parallel import map_blocks_in_order

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray
    from pydicom.dataelem import DataElement, RawDataElement

    from dicom_jpegls.dicom import ImagePixel, SampleCounts
    from dicom_jpegls.files.steps import Steps

# Streams are kept in memory up to this size, then in an unnamed temporary file: the attributes before them in the new
# file depend on their sizes.
_STREAMS_IN_MEMORY = 2**24

# The header of an element with an explicit VR and a 32-bit length (PS3.5 7.1.2).
_ELEMENT = struct.Struct("<HH2sHL")
_PIXEL_DATA = (0x7FE0, 0x0010)

_CHUNK = 2**20


class Conversion(NamedTuple):
    """What was done to a file.

    The hashes are of all native samples, little-endian, colour-by-pixel (Planar Configuration 0), each of Bits
    Allocated bits. Equal ones before and after mean that no sample was changed.
    """

    statistics: CodingStatistics
    near_lossless: int
    """The largest NEAR of the streams."""
    pixels_sha256_before: str
    pixels_sha256_after: str
    target_sha256: str
    """The hash of all bytes of the new file."""
    warnings: tuple[str, ...] = ()
    """What in the source does not conform to the standard, and how it was read; and a loss where there was none."""
    modality: str | None = None
    """Modality (0008,0060) of the source."""


class _Coded(NamedTuple):
    """The frames of a file, coded and kept in a temporary file."""

    lengths: list[int]
    """Bytes of each stream."""
    statistics: CodingStatistics
    sha256_before: str
    sha256_after: str


def compress_file(
    source_path: Path,
    target: Path,
    options: CodingOptions | None = None,
    *,
    force: bool = False,
    threads: int = 1,
    on_frame: Callable[[int], None] = ignore_frame,
    reading: ReadOptions = DEFAULT_READ_OPTIONS,
    recode: bool = False,
) -> Conversion:
    """Compress a file with JPEG-LS; every frame is decoded again and compared, and the new file is read back.

    Parameters
    ----------
    source_path, target : pathlib.Path
        The files to read and to write. If they are the same, the file keeps its time stamps.
    options : CodingOptions, optional
        How to code the frames; they are verified whatever it says.
    force : bool, optional
        Whether to replace an existing target.
    threads : int, optional
        How many frames are coded at a time.
    on_frame : callable, optional
        Called after each frame with its size in bytes (of native samples). May raise an exception to stop.
    reading : ReadOptions, optional
        What may be read.
    recode : bool, optional
        Whether JPEG-LS pixel data is coded again where `needs_recoding` says so.

    Raises
    ------
    NothingToDoError
        If the pixel data is coded with JPEG-LS already.
    NotConvertibleError
        If the file has no image that JPEG-LS can code, or none that pydicom can decode.
    ParameterError
        If the options are not allowed for this image, such as a NEAR too large for its precision.
    DatasetError
        If the pixel data does not fit the attributes, or has samples that the options refuse.
    JPEGLSError
        If verification fails.
    FileExistsError
        If the target exists, differs from what would be written, and `force` is false.
    OSError
        If a file cannot be read or written. After any error, the target is unchanged.
    """
    return finish_steps(
        compress_steps(
            source_path,
            target,
            options,
            force=force,
            threads=threads,
            on_frame=on_frame,
            reading=reading,
            recode=recode,
        )
    )


def compress_steps(
    source_path: Path,
    target: Path,
    options: CodingOptions | None = None,
    *,
    force: bool = False,
    threads: int = 1,
    on_frame: Callable[[int], None] = ignore_frame,
    reading: ReadOptions = DEFAULT_READ_OPTIONS,
    recode: bool = False,
) -> Steps[Conversion]:
    """Do what `compress_file` does, in steps; see `Steps`."""
    options = options or CodingOptions()
    with (
        SourceFile(source_path, reading) as source,
        SpooledTemporaryFile(max_size=_STREAMS_IN_MEMORY, dir=str(target.parent)) as spool,
    ):
        if source.transfer_syntax in JPEGLSTransferSyntaxes:
            source.check_encapsulation()
            if not recode or not needs_recoding(source, options):
                stays = ", and stays lossless" if options.near_lossless and _is_lossless(source) else ""
                raise NothingToDoError(f"its transfer syntax is {source.transfer_syntax.name} already{stays}")
            if options.near_lossless:
                source.warnings.append(f"was lossless JPEG-LS, and was coded again with NEAR {options.near_lossless}")
        writer = Writer(source_path, source, target, force=force)
        image_pixel, frames = source.decoded()
        coder = _new_coder(image_pixel, options)
        coded_frames = yield from _encode(frames, coder, source.dataset_end, threads)
        coded = _write_to_spool(coded_frames, coder, spool, target, on_frame)
        tables = offset_tables(coded.lengths, options.offset_table)
        with reading_dataset():
            # Reading all attributes costs much of the time for a small file.
            if options.near_lossless or coder.converts:
                changes = coded_attributes(source.ds, coder, ratio=coded.statistics.ratio)
            else:
                changes = Dataset()
                changes.update(_lossless_changes(source.image_pixel_elements, coder))
        if tables.extended is not None:
            changes.ExtendedOffsetTable, changes.ExtendedOffsetTableLengths = tables.extended

        def pixel_data() -> Iterator[bytes]:
            yield _ELEMENT.pack(*_PIXEL_DATA, b"OB", 0, UNDEFINED_LENGTH) + tables.basic
            spool.seek(0)
            while chunk := spool.read(_CHUNK):
                yield chunk
            yield SEQUENCE_DELIMITER
            spool.close()  # the file may have to wait until it is synced

        modality = source.modality  # the source is closed before the new file gets its name
        target_sha256 = yield from writer.write_steps(coder.transfer_syntax_uid, changes, pixel_data())
        return Conversion(
            coded.statistics,
            options.near_lossless,
            coded.sha256_before,
            coded.sha256_after,
            target_sha256,
            tuple(source.warnings),
            modality,
        )


def needs_recoding(source: SourceFile, options: CodingOptions) -> bool:
    """Whether JPEG-LS pixel data is not in the form that the options ask for, and can be brought into it.

    Lossless streams can become near-lossless ones. Streams with the wanted NEAR can get another interleave mode or
    restart interval, unless that would be a second loss.
    """
    image_pixel = source.image_pixel
    infos = list(source.stream_infos(image_pixel))
    if any(info.near_lossless for info in infos):
        return False
    if options.near_lossless:
        return True
    mode = interleave_mode(image_pixel.samples_per_pixel, options.planar_configuration)
    wanted = options.restart_interval
    return any(
        info.interleave_mode != mode or (wanted != "auto" and info.restart_interval != (wanted or 0)) for info in infos
    )


def _is_lossless(source: SourceFile) -> bool:
    return not any(info.near_lossless for info in source.stream_infos(source.image_pixel))


@lru_cache(maxsize=256)  # the files of a series have the same attributes
def _lossless_changes(elements: tuple[DataElement | RawDataElement, ...], coder: FrameCoder) -> Dataset:
    """Return the attributes that change with the samples, given the Image Pixel attributes."""
    return coded_attributes(dataset_of(elements), coder, ratio=1)  # which is stated only of a loss


@lru_cache(maxsize=64)  # the files of a series have the same attributes
def _new_coder(image_pixel: ImagePixel, options: CodingOptions) -> FrameCoder:
    if image_pixel.samples_per_pixel == 1:  # a colour conversion concerns the colour images of a tree only
        options = replace(options, photometric_interpretation=None)
    try:
        return FrameCoder(image_pixel, replace(options, verify=True))
    except DatasetError as error:
        raise NotConvertibleError(str(error)) from error


def _encode(
    frames: Iterator[NDArray[Any]], coder: FrameCoder, head_size: int, threads: int
) -> Steps[Iterable[tuple[NDArray[Any], CodedFrame]]]:
    """Return the native and the coded frames; of a large file, each is coded when it is asked for."""
    count = coder.native.number_of_frames
    size = head_size + count * coder.native.frame_size
    if threads == 1 and coder.can_encode_many and can_share(count, size):
        natives = list(frames)
        items = list(zip(natives, coder.check_samples(natives), strict=True))
        coded = yield SharedCoding(_encode_checked, coder, items, size)
        return zip(natives, coded, strict=True)

    def encode_block(items: list[tuple[int, NDArray[Any]]]) -> Iterable[tuple[NDArray[Any], CodedFrame]]:
        if len(items) == 1:
            index, native = items[0]
            return [(native, coder.encode(index, native))]
        natives = [native for _, native in items]
        counts = [coder.check_samples([native], index)[0] for index, native in items]
        return zip(natives, coder.encode_many(items[0][0], natives, counts=counts, workers=1), strict=True)

    at_once = frames_at_once(coder.native, count, threads) if coder.can_encode_many else 1
    return map_blocks_in_order(encode_block, enumerate(frames), threads, at_once)


def _encode_checked(coder: FrameCoder, items: list[tuple[NDArray[Any], SampleCounts]]) -> list[CodedFrame]:
    natives, counts = zip(*items, strict=True)
    return coder.encode_many(0, natives, counts=counts, workers=1)


def _write_to_spool(
    frames: Iterable[tuple[NDArray[Any], CodedFrame]],
    coder: FrameCoder,
    spool: SpooledTemporaryFile[bytes],
    target: Path,
    on_frame: Callable[[int], None],
) -> _Coded:
    """Write a fragment for each frame."""
    before = hashlib.sha256()
    after: hashlib._Hash | None = None  # the same, as long as decoded samples have the same bytes
    statistics = CodingStatistics()
    lengths: list[int] = []
    for native, coded in frames:
        assert coded.decoded is not None  # the coder verifies
        if after is None and not _have_same_bytes(native, coded.decoded):
            after = before.copy()
        before.update(little_endian_bytes(native))
        if after is not None:
            after.update(little_endian_bytes(coded.decoded))
        statistics += coded.statistics
        with NamingFile(target):  # the temporary file is beside it
            spool.write(item_header(len(coded.stream)))
            spool.write(coded.stream)
        lengths.append(len(coded.stream))
        on_frame(coder.native.frame_size)
    return _Coded(lengths, statistics, before.hexdigest(), (after or before).hexdigest())


def _have_same_bytes(samples: NDArray[Any], other: NDArray[Any]) -> bool:
    """Whether samples are the same numbers of the same size."""
    return samples.dtype.itemsize == other.dtype.itemsize and np.array_equal(samples, other)


def decompress_file(
    source_path: Path,
    target: Path,
    *,
    force: bool = False,
    threads: int = 1,
    on_frame: Callable[[int], None] = ignore_frame,
    reading: ReadOptions = DEFAULT_READ_OPTIONS,
) -> Conversion:
    """Decompress the JPEG-LS pixel data of a file; the new file is read back.

    Parameters and errors are those of `compress_file`; NotConvertibleError is also raised for files that are compressed
    in another way.
    """
    return finish_steps(
        decompress_steps(source_path, target, force=force, threads=threads, on_frame=on_frame, reading=reading)
    )


def decompress_steps(
    source_path: Path,
    target: Path,
    *,
    force: bool = False,
    threads: int = 1,
    on_frame: Callable[[int], None] = ignore_frame,
    reading: ReadOptions = DEFAULT_READ_OPTIONS,
) -> Steps[Conversion]:
    """Do what `decompress_file` does, in steps; see `Steps`."""
    with SourceFile(source_path, reading) as source:
        if source.transfer_syntax in UncompressedTransferSyntaxes:
            source.check_encapsulation()
            raise NothingToDoError("its pixel data is uncompressed already")
        if source.transfer_syntax not in JPEGLSTransferSyntaxes:
            raise NotConvertibleError(
                f"Transfer Syntax UID (0002,0010) is {source.transfer_syntax.name} ({source.transfer_syntax}); only "
                "JPEG-LS can be decompressed"
            )
        writer = Writer(source_path, source, target, force=force)
        image_pixel, frames = yield from source.decoded_steps(threads)
        size = image_pixel.frame_size * image_pixel.number_of_frames
        digest = hashlib.sha256()

        def pixel_data() -> Iterator[bytes]:
            yield _ELEMENT.pack(*_PIXEL_DATA, native_vr(image_pixel).encode(), 0, size + size % 2)
            for frame in frames:
                digest.update(little_endian_bytes(frame))
                yield native_bytes(frame[np.newaxis], image_pixel)
                on_frame(image_pixel.frame_size)
            yield b"\0" * (size % 2)

        changes = image_pixel_changes(dataset_of(source.image_pixel_elements), image_pixel)
        modality = source.modality  # the source is closed before the new file gets its name
        target_sha256 = yield from writer.write_steps(ExplicitVRLittleEndian, changes, pixel_data())
        statistics = CodingStatistics(
            frame_count=image_pixel.number_of_frames, native_size=size, compressed_size=source.compressed_size
        )
        pixels_sha256 = digest.hexdigest()
        return Conversion(
            statistics,
            source.near_lossless,
            pixels_sha256,
            pixels_sha256,
            target_sha256,
            tuple(source.warnings),
            modality,
        )
