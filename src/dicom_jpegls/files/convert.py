"""One file: read frame by frame, converted, written, synced, read back, and only then put in its place."""

from __future__ import annotations

import filecmp
import hashlib
import os
import struct
import time
from collections.abc import Generator
from contextlib import ExitStack, closing, contextmanager
from itertools import count, repeat, zip_longest
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, TypeAlias, TypeVar, cast

import numpy as np
from pydicom import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset, write_file_meta_info
from pydicom.uid import (
    UID,
    ExplicitVRLittleEndian,
    JPEGLSLossless,
    JPEGLSNearLossless,
    JPEGLSTransferSyntaxes,
    UncompressedTransferSyntaxes,
)

from dicom_jpegls._codec import read_info
from dicom_jpegls.array import decode
from dicom_jpegls.batch.records import Action, Job, Options, Part, Record, Status
from dicom_jpegls.dicom.dataset import (
    Coding,
    coded_attributes,
    count_overflowing,
    count_unused,
    encode_frame,
    plan_coding,
    prepare_frame,
    update_attributes,
    verify_frame,
)
from dicom_jpegls.dicom.pixel_data import image_pixel_of, little_endian_words, native_vr
from dicom_jpegls.errors import JPEGLSError, ParameterError
from dicom_jpegls.files.source import START_OF_IMAGE, NotConvertibleError, SourceFile
from dicom_jpegls.files.target import NewFile
from dicom_jpegls.parallel import map_in_order

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from dicom_jpegls.dicom.rules import ImagePixel

Result = TypeVar("Result")

# Work on one file that stops where the new file is to be synced, goes on when it was, and has a result in the end.
Steps: TypeAlias = Generator[NewFile, None, Result]

# Streams wait in memory up to this size, then in a temporary file without a name: the attributes in front of them in
# the file tell their sizes.
_STREAMS_IN_MEMORY = 2**24
# From here on the Basic Offset Table, whose offsets have 32 bits, gives way to the extended one (PS3.5 A.4).
_MAXIMUM_SIZE_FOR_BASIC_OFFSETS = 2**31

_ITEM = struct.Struct("<HHL")
_ELEMENT = struct.Struct("<HH2sHL")


class NothingToDoError(Exception):
    """The file is coded as wanted already."""


class CancelledError(Exception):
    """The job was stopped from outside."""


class NotVerifiedError(JPEGLSError):
    """The samples are not what they should be."""


class Outcome(NamedTuple):
    """What a conversion or a verification found; the names are those of `Record`."""

    frames: int
    native_size: int
    pixels_sha256_after: str
    near_lossless: int
    compressed_size: int | None = None
    ratio: float | None = None
    largest_error: int | None = None
    clipped_samples: int | None = None
    cleared_samples: int | None = None
    pixels_sha256_before: str | None = None


def no_tick(_size: int) -> None:
    """Count nothing and stop nothing."""


def run_job(job: Job, tick: Callable[[int], None] = no_tick) -> Record:
    """Do what there is to do for one file, whatever happens, and tell what came of it.

    A plain function of something that can be pickled: it fits ``dask.delayed`` and ``dask.bag.Bag.map`` as well as
    any pool.

    Parameters
    ----------
    job : Job
        As `plan` makes it.
    tick : callable, optional
        Called with the native bytes of each frame that was done.

    Returns
    -------
    Record
        With the status and, after a failure, the reason. Nothing is raised but what `tick` raises to stop the work.
    """
    return _at_once(job_steps(job, tick))


def _at_once(steps: Steps[Result]) -> Result:
    """Take all steps of some work, and wait for the disk between them."""
    with closing(steps):
        try:
            new = next(steps)
            while True:
                try:
                    new.sync()
                except OSError as error:
                    new = steps.throw(error)
                else:
                    new = next(steps)
        except StopIteration as end:
            result: Result = end.value
            return result


def job_steps(job: Job, tick: Callable[[int], None]) -> Steps[Record]:
    """Do what `run_job` does, in steps between which the caller syncs the new file: all `tick` is called before."""
    start = time.perf_counter()
    source = Path(job.source)
    values: dict[str, Any] = {}
    status = Status.FAILED
    reason: str | None = None
    try:
        stat = source.stat()
        values = {"source_size": stat.st_size, "source_mtime_ns": stat.st_mtime_ns}
        try:
            outcome, status = yield from _ACTIONS[job.action](job, tick)
            values |= outcome._asdict()
        except NothingToDoError as error:
            status, reason = Status.PASSED, str(error)
        except (NotConvertibleError, InvalidDicomError) as error:
            copies = job.options.others == "copy" and job.action is not Action.VERIFY and not job.in_place
            status, reason = (Status.COPIED if copies else Status.SKIPPED), explain(error)
        if status in (Status.PASSED, Status.COPIED) and not job.in_place and job.target is not None:
            yield from _copy_steps(source, Path(job.target), force=job.options.force)
        if status is not Status.SKIPPED and job.action is not Action.VERIFY and job.target is not None:
            stat = os.stat(job.target)
            values |= {"target_size": stat.st_size, "target_mtime_ns": stat.st_mtime_ns}
    except CancelledError:
        raise
    except (Exception, MemoryError) as error:
        status, reason = Status.FAILED, explain(error)
    return Record(
        job.action,
        job.name,
        job.source,
        job.target,
        status,
        reason,
        **values,
        seconds=round(time.perf_counter() - start, 4),
        options=job.options_text(),
    )


def explain(error: BaseException) -> str:
    """Say in one line what went wrong with a file."""
    if isinstance(error, InvalidDicomError):
        return "is no DICOM file (no 'DICM' prefix)"
    if isinstance(error, OSError):
        text = error.strerror or str(error)
    elif isinstance(error, JPEGLSError):
        text = str(error)
    elif isinstance(error, MemoryError):
        text = f"not enough memory {error}"
    else:  # pydicom reads damaged files until something breaks
        text = f"cannot be read as DICOM: {type(error).__name__}: {error}"
    return " ".join(text.split())


def compress_file(
    source_path: Path,
    target: Path,
    options: Options,
    *,
    threads: int = 1,
    parts: Sequence[Part] = (),
    tick: Callable[[int], None] = no_tick,
) -> Outcome:
    """Compress a file with JPEG-LS; every frame is decoded again and compared, and the result read back.

    Parameters
    ----------
    source_path, target : pathlib.Path
        The file to read, and the one to write: may be the same, which then keeps its time stamps.
    options : Options
        See there.
    threads : int, optional
        How many frames are coded at the same time.
    parts : sequence of Part, optional
        All frames as `encode_part` has coded them, in their order.
    tick : callable, optional
        See `run_job`.

    Raises
    ------
    NothingToDoError
        If its pixel data is coded with JPEG-LS already.
    NotConvertibleError
        If it holds no image that JPEG-LS can code, or none that pydicom can decode.
    JPEGLSError
        If the pixel data does not fit the attributes or the options, or verification fails.
    FileExistsError
        If the target exists, is not what this call would write, and `options.force` is not set.
    OSError
        If a file cannot be read or written. After any error the target is as it was.
    """
    return _at_once(_compress_steps(source_path, target, options, threads, parts, tick))


def _compress_steps(
    source_path: Path,
    target: Path,
    options: Options,
    threads: int,
    parts: Sequence[Part],
    tick: Callable[[int], None],
) -> Steps[Outcome]:
    uid = JPEGLSNearLossless if options.near_lossless else JPEGLSLossless
    with (
        SourceFile(source_path) as source,
        SpooledTemporaryFile(max_size=_STREAMS_IN_MEMORY, dir=str(target.parent)) as spool,
    ):
        if source.transfer_syntax in JPEGLSTransferSyntaxes:
            raise NothingToDoError(f"its transfer syntax is {source.transfer_syntax.name} already")
        before = source_path.stat()
        image_pixel, frames, attributes = source.decoded()
        coding = _plan(image_pixel, uid, options)
        streams = _part_streams(parts) if parts else repeat(None)
        coded = _encode(zip(count(), frames, streams, strict=False), coding, spool, threads, tick)
        outcome = coded.outcome
        changes = Dataset()
        changes.update(attributes)
        changes.update(
            coded_attributes(source.ds, coding, ratio=outcome.ratio or 1, lossy_attributes=options.lossy_attributes)
        )
        if coding.coded.samples_per_pixel > 1:
            changes.PlanarConfiguration = 0
        table = options.offset_table
        if table == "basic" and outcome.native_size > _MAXIMUM_SIZE_FOR_BASIC_OFFSETS:
            table = "extended"
        if table == "extended":
            changes.ExtendedOffsetTable = np.array(coded.offsets, "<u8").tobytes()
            changes.ExtendedOffsetTableLengths = np.array(coded.lengths, "<u8").tobytes()
        with _new_file(source_path, target, before) as new:
            basic_offsets = np.array(coded.offsets if table == "basic" else [], "<u4").tobytes()
            new.write(_head(source, uid, changes))
            new.write(_ELEMENT.pack(0x7FE0, 0x0010, b"OB", 0, 0xFFFFFFFF))
            new.write(_ITEM.pack(0xFFFE, 0xE000, len(basic_offsets)) + basic_offsets)
            spool.seek(0)
            new.copy(cast("BinaryIO", spool))
            new.write(_ITEM.pack(0xFFFE, 0xE0DD, 0))
            new.write(_trailing(source))
            yield from _commit_steps(new, source_path, target, before, options)
    return outcome


def _plan(image_pixel: ImagePixel, uid: str, options: Options) -> Coding:
    # An option about colours is not for grey images.
    converts = image_pixel.samples_per_pixel > 1
    try:
        return plan_coding(
            image_pixel,
            uid,
            near_lossless=options.near_lossless,
            planar_configuration=options.planar_configuration,
            photometric_interpretation=options.photometric_interpretation if converts else None,
            signed_overflow=options.signed_overflow,
            unused_bits=options.unused_bits,
        )
    except ParameterError as error:
        raise NotConvertibleError(str(error)) from error


def encode_part(job: Job, first: int, last: int, path: str) -> Part | None:
    """Code some frames of a file into a file of their own, for `compress_file` to join: a task for a cluster.

    Parameters
    ----------
    job : Job
        What to do to the whole file.
    first, last : int
        Numbers of the first frame, and of that behind the last one.
    path : str
        Where to put the streams.

    Returns
    -------
    Part or None
        None if a frame cannot be coded: `run_job` says why.
    """
    uid = JPEGLSNearLossless if job.options.near_lossless else JPEGLSLossless
    lengths = []
    try:
        with SourceFile(Path(job.source)) as source, open(path, "wb") as file:
            image_pixel = image_pixel_of(source.ds)
            coding = _plan(image_pixel, uid, job.options)
            for index, native in enumerate(source.native_frames(image_pixel, first, last), first):
                one = native[np.newaxis]
                cleared, clipped = count_unused(one, coding, first=index), count_overflowing(one, coding, first=index)
                samples = prepare_frame(native, coding, cleared=bool(cleared), clipped=bool(clipped))
                stream = encode_frame(index, samples, coding)
                if not coding.near_lossless:
                    verify_frame(index, stream, samples, coding)
                file.write(stream)
                lengths.append(len(stream))
    except (JPEGLSError, OSError):
        return None
    return Part(path, lengths)


def _part_streams(parts: Sequence[Part]) -> Iterator[bytes]:
    for part in parts:
        with open(part.path, "rb") as file:
            for length in part.lengths:
                yield file.read(length)


class _CodedFrame(NamedTuple):
    native: NDArray[Any]
    decoded: NDArray[Any]
    stream: bytes
    error: int
    cleared: int
    clipped: int


class _Coded(NamedTuple):
    outcome: Outcome
    offsets: list[int]
    """From the first fragment's item to each frame's."""
    lengths: list[int]


def _encode(
    frames: Iterable[tuple[int, NDArray[Any], bytes | None]],
    coding: Coding,
    spool: SpooledTemporaryFile[bytes],
    threads: int,
    tick: Callable[[int], None],
) -> _Coded:
    """Code all frames into items, and see that each can be decoded to what it was; some have their streams already."""

    def code(item: tuple[int, NDArray[Any], bytes | None]) -> _CodedFrame:
        index, native, stream = item
        cleared = count_unused(native[np.newaxis], coding, first=index)
        clipped = count_overflowing(native[np.newaxis], coding, first=index)
        samples = prepare_frame(native, coding, cleared=bool(cleared), clipped=bool(clipped))
        if stream is not None and not coding.near_lossless:
            return _CodedFrame(native, samples, stream, 0, cleared, clipped)  # as compared where it was encoded
        stream = stream or encode_frame(index, samples, coding)
        decoded, error = verify_frame(index, stream, samples, coding)
        return _CodedFrame(native, decoded, stream, error, cleared, clipped)

    before, after = hashlib.sha256(), hashlib.sha256()
    offsets: list[int] = []
    lengths: list[int] = []
    largest_error = clipped = cleared = place = 0
    for frame in map_in_order(code, frames, threads):
        before.update(_native_bytes(frame.native))
        after.update(_native_bytes(frame.decoded))
        largest_error = max(largest_error, frame.error)
        cleared += frame.cleared
        clipped += frame.clipped
        spool.write(_ITEM.pack(0xFFFE, 0xE000, len(frame.stream)))
        spool.write(frame.stream)
        offsets.append(place)
        lengths.append(len(frame.stream))
        place += _ITEM.size + len(frame.stream)
        tick(coding.native.frame_size)
    native_size = coding.native.frame_size * len(lengths)
    outcome = Outcome(
        frames=len(lengths),
        native_size=native_size,
        compressed_size=sum(lengths),
        ratio=round(native_size / sum(lengths), 4),
        near_lossless=coding.near_lossless,
        largest_error=largest_error,
        clipped_samples=clipped or None,
        cleared_samples=cleared or None,
        pixels_sha256_before=before.hexdigest(),
        pixels_sha256_after=after.hexdigest(),
    )
    return _Coded(outcome, offsets, lengths)


def _native_bytes(samples: NDArray[Any]) -> memoryview:
    """Give samples as little-endian bytes by pixel."""
    return np.ascontiguousarray(samples, samples.dtype.newbyteorder("<")).reshape(-1).view(np.uint8).data


def decompress_file(
    source_path: Path, target: Path, options: Options, *, threads: int = 1, tick: Callable[[int], None] = no_tick
) -> Outcome:
    """Decompress a file's JPEG-LS pixel data; the result is read back. Parameters and errors as of `compress_file`."""
    return _at_once(_decompress_steps(source_path, target, options, threads, tick))


def _decompress_steps(
    source_path: Path, target: Path, options: Options, threads: int, tick: Callable[[int], None]
) -> Steps[Outcome]:
    with SourceFile(source_path) as source:
        if source.transfer_syntax in UncompressedTransferSyntaxes:
            raise NothingToDoError("its pixel data is uncompressed already")
        if source.transfer_syntax not in JPEGLSTransferSyntaxes:
            raise NotConvertibleError(
                f"Transfer Syntax UID (0002,0010) is {source.transfer_syntax.name}; JPEG-LS is needed"
            )
        before = source_path.stat()
        image_pixel, frames, _ = source.decoded(threads)
        changes = Dataset()
        if image_pixel.planar_configuration is not None:
            changes.PlanarConfiguration = image_pixel.planar_configuration
        size = image_pixel.frame_size * image_pixel.number_of_frames
        with _new_file(source_path, target, before) as new:
            new.write(_head(source, ExplicitVRLittleEndian, changes))
            vr = native_vr(image_pixel)
            new.write(_ELEMENT.pack(0x7FE0, 0x0010, vr.encode(), 0, size + size % 2))
            decoded = hashlib.sha256()
            for frame in frames:
                decoded.update(_native_bytes(frame))
                planar = image_pixel.planar_configuration == 1
                new.write(_native_bytes(frame.transpose(2, 0, 1) if planar else frame))
                tick(image_pixel.frame_size)
            new.write(b"\0" * (size % 2))
            new.write(_trailing(source))
            yield from _commit_steps(new, source_path, target, before, options)
        return Outcome(
            frames=image_pixel.number_of_frames,
            native_size=size,
            compressed_size=source.streams_size,
            ratio=round(size / source.streams_size, 4),
            near_lossless=source.near_lossless,
            pixels_sha256_before=decoded.hexdigest(),
            pixels_sha256_after=decoded.hexdigest(),
        )


def _new_file(source: Path, target: Path, before: os.stat_result) -> NewFile:
    in_place = source == target
    # A link's file is replaced, and not the link.
    return NewFile(target.resolve() if in_place else target, like=before if in_place else None)


def _head(source: SourceFile, transfer_syntax_uid: str, changes: Dataset) -> bytes:
    """Give everything in front of Pixel Data as Explicit VR Little Endian, byte for byte if nothing changes there."""
    ds = source.ds
    unchanged = all(element == ds.get(element.tag) for element in changes) and _has_its_uids(ds)
    head = source.head() if unchanged else None
    ds.file_meta.TransferSyntaxUID = UID(transfer_syntax_uid)
    output = DicomBytesIO()
    output.is_implicit_VR, output.is_little_endian = False, True
    if head is not None:
        output.write((ds.preamble or bytes(128)) + b"DICM")
        write_file_meta_info(output, ds.file_meta, enforce_standard=True)
        return output.getvalue() + head
    _to_little_endian(ds, source.transfer_syntax)
    for tag in [tag for tag in ds.keys() if tag >> 16 == 0x7FE0]:  # noqa: SIM118  # offset tables
        del ds[tag]
    update_attributes(ds, changes)
    ds.save_as(output, enforce_file_format=True)
    return output.getvalue()


def _has_its_uids(ds: Dataset) -> bool:
    """Whether the File Meta Information names the same class and instance as the dataset."""
    uids = [(ds.file_meta.get(f"MediaStorage{name}"), ds.get(name)) for name in ("SOPClassUID", "SOPInstanceUID")]
    return all(meta is not None and meta == uid for meta, uid in uids)


def _to_little_endian(ds: Dataset, transfer_syntax: UID) -> None:
    if not transfer_syntax.is_little_endian:
        for element, value in little_endian_words(ds):
            element.value = value
        ds.set_original_encoding(False, True)


def _trailing(source: SourceFile) -> bytes:
    """Give everything behind Pixel Data as Explicit VR Little Endian."""
    trailing = source.trailing()
    _to_little_endian(trailing, source.transfer_syntax)
    output = DicomBytesIO()
    output.is_implicit_VR, output.is_little_endian = False, True
    write_dataset(output, trailing)
    return output.getvalue()


def _commit_steps(new: NewFile, source: Path, target: Path, before: os.stat_result, options: Options) -> Steps[None]:
    """Put a file in its place, unless it is not as it was written, its source changed, or the same file is there."""
    yield new
    if not new.is_as_written():
        raise NotVerifiedError("verification failed: the file reads back differently from what was written")
    after = source.stat()
    if (after.st_size, after.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
        raise NotVerifiedError("it changed while it was read")
    try:
        new.commit(replace=options.force or source == target)
    except FileExistsError:
        if not _is_same_result(new.path, target):
            raise FileExistsError(0, f"{target} exists and is another file: --force replaces it") from None


def _is_same_result(path: Path, other: Path) -> bool:
    """Whether two files differ in nothing but the SOP Instance UID that each lossy compression makes anew."""
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
    except Exception:  # whatever it is, it is not what was written
        return False


def _copy_steps(source: Path, target: Path, *, force: bool) -> Steps[None]:
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
                raise FileExistsError(0, f"{target} exists and is another file: --force replaces it") from None


class Pixels(NamedTuple):
    """The decoded samples of a file, frame by frame."""

    shape: tuple[int, ...]
    """(rows, columns[, samples]), with more than one frame (frames, rows, columns[, samples])."""
    frames: Iterator[NDArray[Any]]
    near_lossless: Callable[[], int]
    """Gives the largest NEAR of the frames that were decoded."""


@contextmanager
def open_pixels(path: Path, threads: int = 1) -> Iterator[Pixels]:
    """Give the samples of a DICOM file, or of a JPEG-LS stream of its own; each frame is decoded when it is its turn.

    Raises
    ------
    NotConvertibleError, JPEGLSError, OSError
        As `compress_file` does.
    """
    stream = read_stream(path)
    if stream is not None:
        image = decode(stream)
        yield Pixels(image.shape, iter([image]), lambda: read_info(stream).near_lossless)
        return
    with SourceFile(path) as source:
        image_pixel, frames, _ = source.decoded(threads)
        shape: tuple[int, ...] = (image_pixel.rows, image_pixel.columns)
        if image_pixel.samples_per_pixel > 1:
            shape += (image_pixel.samples_per_pixel,)
        if image_pixel.number_of_frames > 1:
            shape = (image_pixel.number_of_frames, *shape)
        yield Pixels(shape, frames, lambda: source.near_lossless)


def read_stream(path: Path) -> bytes | None:
    """Read a file that is a JPEG-LS stream of its own; None for any other."""
    with path.open("rb") as file:
        return file.read() if file.read(2) == START_OF_IMAGE and file.seek(0) == 0 else None


class Verification(NamedTuple):
    """What `verify_file` found."""

    shape: tuple[int, ...]
    outcome: Outcome


def verify_file(
    path: Path,
    reference: Path | None = None,
    *,
    expected_sha256: str | None = None,
    threads: int = 1,
    tick: Callable[[int], None] = no_tick,
) -> Verification:
    """Decode every frame of a file, and compare its samples with those of another, or with their hash.

    Raises
    ------
    NotVerifiedError
        If the shapes differ, a sample differs by more than the NEAR of the file's streams, or the hash does.
    NotConvertibleError, JPEGLSError, OSError
        As `compress_file` does.
    """
    with ExitStack() as stack:
        pixels = stack.enter_context(open_pixels(path, threads))
        expected: Pixels | None = None
        if reference is not None:
            expected = stack.enter_context(open_pixels(reference))
            if pixels.shape != expected.shape:
                raise NotVerifiedError(f"shape {pixels.shape}; that of {reference} is {expected.shape}")
        digest = hashlib.sha256()
        number = size = largest_error = 0
        for frame in pixels.frames:
            digest.update(_native_bytes(frame))
            if expected is not None:
                difference = frame.astype(np.int32) - next(expected.frames)
                largest_error = max(largest_error, int(np.abs(difference).max()))
            number += 1
            size += frame.nbytes
            tick(frame.nbytes)
        near_lossless = pixels.near_lossless()
    if largest_error > near_lossless:
        raise NotVerifiedError(f"largest error against {reference} is {largest_error}; NEAR is {near_lossless}")
    if expected_sha256 not in (None, digest.hexdigest()):
        raise NotVerifiedError("its samples are not those that were recorded when it was written")
    outcome = Outcome(
        frames=number,
        native_size=size,
        pixels_sha256_after=digest.hexdigest(),
        near_lossless=near_lossless,
        largest_error=largest_error if reference else None,
    )
    return Verification(pixels.shape, outcome)


def _run_compress(job: Job, tick: Callable[[int], None]) -> Steps[tuple[Outcome, Status]]:
    source, target = Path(job.source), Path(str(job.target))
    outcome = yield from _compress_steps(source, target, job.options, job.threads, job.parts, tick)
    return outcome, Status.COMPRESSED


def _run_decompress(job: Job, tick: Callable[[int], None]) -> Steps[tuple[Outcome, Status]]:
    source, target = Path(job.source), Path(str(job.target))
    outcome = yield from _decompress_steps(source, target, job.options, job.threads, tick)
    return outcome, Status.DECOMPRESSED


def _run_verify(job: Job, tick: Callable[[int], None]) -> Steps[tuple[Outcome, Status]]:
    reference = Path(job.target) if job.target is not None else None
    verification = verify_file(
        Path(job.source), reference, expected_sha256=job.expected_sha256, threads=job.threads, tick=tick
    )
    yield from ()  # nothing new
    return verification.outcome, Status.VERIFIED


_ACTIONS = {Action.COMPRESS: _run_compress, Action.DECOMPRESS: _run_decompress, Action.VERIFY: _run_verify}
