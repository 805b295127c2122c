"""Compressing and decompressing one file: read, coded and checked frame by frame, synced, read back, then renamed."""

from __future__ import annotations

import filecmp
import hashlib
import struct
import zlib
from dataclasses import replace
from itertools import chain, count, repeat, zip_longest
from tempfile import SpooledTemporaryFile
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, cast

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
    image_pixel_of,
    item_header,
    native_bytes,
    native_vr,
    offset_tables,
)
from dicom_jpegls.errors import DatasetError
from dicom_jpegls.files.encoding import encode_head, encode_trailing
from dicom_jpegls.files.errors import NotConvertibleError, NothingToDoError, NotVerifiedError
from dicom_jpegls.files.source import UNDEFINED_LENGTH, SourceFile, ignore_frame, little_endian_bytes
from dicom_jpegls.files.target import NewFile, finish_steps
from dicom_jpegls.parallel import map_in_order
from dicom_jpegls.ranges import clear_unused_bits

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from dicom_jpegls.dicom import ImagePixel
    from dicom_jpegls.files.target import Steps

# Streams are kept in memory up to this size, then in an unnamed temporary file: the attributes before them in the new
# file depend on their sizes.
_STREAMS_IN_MEMORY = 2**24

# The header of an element with an explicit VR and a 32-bit length (PS3.5 7.1.2).
_ELEMENT = struct.Struct("<HH2sHL")
_PIXEL_DATA = (0x7FE0, 0x0010)


class EncodedFrames(NamedTuple):
    """Consecutive frames of a file, encoded and verified by `encode_frames`."""

    path: str
    """A file of the concatenated streams."""
    lengths: list[int]
    """Bytes of each stream."""
    checksum: int
    """The CRC-32 of the file."""
    statistics: CodingStatistics


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


def compress_file(
    source_path: Path,
    target: Path,
    options: CodingOptions | None = None,
    *,
    force: bool = False,
    threads: int = 1,
    encoded: Sequence[EncodedFrames] = (),
    on_frame: Callable[[int], None] = ignore_frame,
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
    encoded : sequence of EncodedFrames, optional
        All frames in order, if they have been encoded before.
    on_frame : callable, optional
        Called after each frame with its size in bytes (of native samples). May raise an exception to stop.

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
        compress_steps(source_path, target, options, force=force, threads=threads, encoded=encoded, on_frame=on_frame)
    )


def compress_steps(
    source_path: Path,
    target: Path,
    options: CodingOptions | None = None,
    *,
    force: bool = False,
    threads: int = 1,
    encoded: Sequence[EncodedFrames] = (),
    on_frame: Callable[[int], None] = ignore_frame,
) -> Steps[Conversion]:
    """Do what `compress_file` does, in steps between which the caller syncs the new file."""
    options = options or CodingOptions()
    with (
        SourceFile(source_path) as source,
        SpooledTemporaryFile(max_size=_STREAMS_IN_MEMORY, dir=str(target.parent)) as spool,
    ):
        if source.transfer_syntax in JPEGLSTransferSyntaxes:
            raise NothingToDoError(f"its transfer syntax is {source.transfer_syntax.name} already")
        before = source_path.stat()
        image_pixel, frames, attributes = source.decoded()
        coder = _new_coder(image_pixel, options)
        conversion, lengths = _encode_to_spool(
            frames, coder, spool, threads=threads, encoded=encoded, on_frame=on_frame
        )
        tables = offset_tables(lengths, options.offset_table)
        changes = Dataset()
        changes.update(attributes)
        changes.update(coded_attributes(source.ds, coder, ratio=conversion.statistics.ratio))
        if coder.coded.samples_per_pixel > 1:
            changes.PlanarConfiguration = 0
        if tables.extended is not None:
            changes.ExtendedOffsetTable, changes.ExtendedOffsetTableLengths = tables.extended
        with _new_file(source_path, target, before) as new:
            new.write(encode_head(source, coder.transfer_syntax_uid, changes))
            new.write(_ELEMENT.pack(*_PIXEL_DATA, b"OB", 0, UNDEFINED_LENGTH))
            new.write(tables.basic)
            spool.seek(0)
            new.copy(cast("BinaryIO", spool))
            new.write(SEQUENCE_DELIMITER)
            new.write(encode_trailing(source))
            yield from _commit_steps(new, source_path, target, before, force=force)
    return conversion


def _new_coder(image_pixel: ImagePixel, options: CodingOptions) -> FrameCoder:
    if image_pixel.samples_per_pixel == 1:  # a colour conversion concerns the colour images of a tree only
        options = replace(options, photometric_interpretation=None)
    try:
        return FrameCoder(image_pixel, replace(options, verify=True))
    except DatasetError as error:
        raise NotConvertibleError(str(error)) from error


def encode_frames(source_path: Path, options: CodingOptions, frames: range, path: Path) -> EncodedFrames:
    """Encode and verify some frames of a native file, for `compress_file` to put together.

    Parameters
    ----------
    source_path : pathlib.Path
        The file to read.
    options : CodingOptions
        How to code the frames.
    frames : range
        Numbers of consecutive frames.
    path : pathlib.Path
        The file for the streams.

    Raises
    ------
    JPEGLSError, OSError
        As `compress_file` does.
    """
    lengths = []
    checksum = 0
    statistics = CodingStatistics()
    with SourceFile(source_path) as source, path.open("wb") as file:
        image_pixel = image_pixel_of(source.ds)
        coder = _new_coder(image_pixel, options)
        for index, native in zip(frames, source.native_frames(image_pixel, frames.start, frames.stop), strict=True):
            coded = coder.encode(index, native)
            file.write(coded.stream)
            checksum = zlib.crc32(coded.stream, checksum)
            lengths.append(len(coded.stream))
            statistics += coded.statistics
    return EncodedFrames(str(path), lengths, checksum, statistics)


def _read_streams(encoded: EncodedFrames) -> Iterator[bytes]:
    checksum = 0
    with open(encoded.path, "rb") as file:
        for length in encoded.lengths:
            stream = file.read(length)
            checksum = zlib.crc32(stream, checksum)
            yield stream
    if checksum != encoded.checksum:
        raise NotVerifiedError(f"verification failed: {encoded.path} reads back differently from what was written")


def _encode_to_spool(
    frames: Iterator[NDArray[Any]],
    coder: FrameCoder,
    spool: SpooledTemporaryFile[bytes],
    *,
    threads: int,
    encoded: Sequence[EncodedFrames],
    on_frame: Callable[[int], None],
) -> tuple[Conversion, list[int]]:
    """Write a fragment for each frame; frames that have a stream already are not encoded again."""

    def code(item: tuple[int, NDArray[Any], bytes | None]) -> tuple[NDArray[Any], CodedFrame]:
        index, native, stream = item
        if stream is None:
            return native, coder.encode(index, native)
        return native, CodedFrame(stream, _decoded_samples(coder, index, native, stream), CodingStatistics())

    streams = chain.from_iterable(map(_read_streams, encoded)) if encoded else repeat(None)
    before, after = hashlib.sha256(), hashlib.sha256()
    statistics = sum((part.statistics for part in encoded), CodingStatistics())
    lengths: list[int] = []
    for native, coded in map_in_order(code, zip(count(), frames, streams, strict=False), threads):
        assert coded.decoded is not None  # the coder verifies
        before.update(little_endian_bytes(native))
        after.update(little_endian_bytes(coded.decoded))
        statistics += coded.statistics
        spool.write(item_header(len(coded.stream)))
        spool.write(coded.stream)
        lengths.append(len(coded.stream))
        on_frame(coder.native.frame_size)
    conversion = Conversion(statistics, coder.options.near_lossless, before.hexdigest(), after.hexdigest())
    return conversion, lengths


def _decoded_samples(coder: FrameCoder, index: int, native: NDArray[Any], stream: bytes) -> NDArray[Any]:
    """Return the samples of a stream that `encode_frames` has verified."""
    if coder.options.near_lossless:
        return coder.decoder.decode(index, coder.decoder.open(index, stream))
    # They are known to be those that were encoded, so the stream need not be decoded once more.
    (counts,) = coder.check_samples([native], index)
    return clear_unused_bits(coder.prepare(native, counts), coder.coded.bits_stored)


def decompress_file(
    source_path: Path,
    target: Path,
    *,
    force: bool = False,
    threads: int = 1,
    on_frame: Callable[[int], None] = ignore_frame,
) -> Conversion:
    """Decompress the JPEG-LS pixel data of a file; the new file is read back.

    Parameters and errors are those of `compress_file`; NotConvertibleError is also raised for files that are compressed
    in another way.
    """
    return finish_steps(decompress_steps(source_path, target, force=force, threads=threads, on_frame=on_frame))


def decompress_steps(
    source_path: Path,
    target: Path,
    *,
    force: bool = False,
    threads: int = 1,
    on_frame: Callable[[int], None] = ignore_frame,
) -> Steps[Conversion]:
    """Do what `decompress_file` does, in steps between which the caller syncs the new file."""
    with SourceFile(source_path) as source:
        if source.transfer_syntax in UncompressedTransferSyntaxes:
            raise NothingToDoError("its pixel data is uncompressed already")
        if source.transfer_syntax not in JPEGLSTransferSyntaxes:
            raise NotConvertibleError(
                f"Transfer Syntax UID (0002,0010) is {source.transfer_syntax.name}; only JPEG-LS can be decompressed"
            )
        before = source_path.stat()
        image_pixel, frames, _ = source.decoded(threads)
        changes = Dataset()
        if image_pixel.planar_configuration is not None:
            changes.PlanarConfiguration = image_pixel.planar_configuration
        size = image_pixel.frame_size * image_pixel.number_of_frames
        with _new_file(source_path, target, before) as new:
            new.write(encode_head(source, ExplicitVRLittleEndian, changes))
            new.write(_ELEMENT.pack(*_PIXEL_DATA, native_vr(image_pixel).encode(), 0, size + size % 2))
            digest = hashlib.sha256()
            for frame in frames:
                digest.update(little_endian_bytes(frame))
                new.write(native_bytes(frame[np.newaxis], image_pixel))
                on_frame(image_pixel.frame_size)
            new.write(b"\0" * (size % 2))
            new.write(encode_trailing(source))
            yield from _commit_steps(new, source_path, target, before, force=force)
        statistics = CodingStatistics(
            frame_count=image_pixel.number_of_frames, native_size=size, compressed_size=source.compressed_size
        )
        return Conversion(statistics, source.near_lossless, digest.hexdigest(), digest.hexdigest())


def _new_file(source: Path, target: Path, before: os.stat_result) -> NewFile:
    in_place = source == target
    # In place, the file that a link points to is replaced, and not the link.
    return NewFile(target.resolve() if in_place else target, like=before if in_place else None)


def _commit_steps(new: NewFile, source: Path, target: Path, before: os.stat_result, *, force: bool) -> Steps[None]:
    """Rename a new file to its target, unless it reads back differently, its source changed, or the target exists."""
    yield new
    if not new.is_as_written():
        raise NotVerifiedError("verification failed: the file reads back differently from what was written")
    after = source.stat()
    if (after.st_size, after.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
        raise NotVerifiedError("the source changed while it was read")
    try:
        new.commit(replace=force or source == target)
    except FileExistsError:
        if not _is_same_result(new.path, target):
            raise _exists_error(target) from None


def _exists_error(target: Path) -> FileExistsError:
    return FileExistsError(0, f"{target} exists and is another file: --force replaces it")


def _is_same_result(path: Path, other: Path) -> bool:
    """Whether two files are equal, except for the SOP Instance UID that every lossy compression generates."""
    if filecmp.cmp(path, other, shallow=False):
        return True
    try:
        with SourceFile(path) as first, SourceFile(other) as second:
            if first.transfer_syntax != second.transfer_syntax or first.transfer_syntax not in JPEGLSTransferSyntaxes:
                return False
            if first.ds.SOPInstanceUID == second.ds.SOPInstanceUID or first.trailing() != second.trailing():
                return False
            del first.ds.SOPInstanceUID, second.ds.SOPInstanceUID
            if first.ds != second.ds:
                return False
            image_pixel = image_pixel_of(first.ds)
            streams = zip_longest(first.streams(image_pixel), second.streams(image_pixel))
            return all(stream == other_stream for stream, other_stream in streams)
    except Exception:  # an unreadable file is not what was written
        return False


def copy_steps(source: Path, target: Path, *, force: bool) -> Steps[None]:
    """Copy a file byte for byte, with its time stamps; the copy is compared before it gets its name."""
    with NewFile(target, like=source.stat()) as new:
        with source.open("rb") as file:
            new.copy(file)
        yield new
        if not new.is_as_written():
            raise NotVerifiedError("verification failed: the copy differs")
        try:
            new.commit(replace=force)
        except FileExistsError:
            if not filecmp.cmp(source, target, shallow=False):
                raise _exists_error(target) from None
