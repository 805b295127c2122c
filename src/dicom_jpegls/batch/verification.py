"""Verifying one file of a tree: it decodes, is what was recorded, and matches its reference."""

from __future__ import annotations

import json
import os
import stat
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydicom.errors import InvalidDicomError
from pydicom.uid import JPEGLSTransferSyntaxes

from dicom_jpegls.batch.records import Action, Status
from dicom_jpegls.dicom import START_OF_IMAGE, CodingOptions, image_pixel_of, without_fill_bytes
from dicom_jpegls.errors import ParameterError
from dicom_jpegls.files import (
    NotConvertibleError,
    NotVerifiedError,
    SourceFile,
    describe_error,
    file_sha256,
    finish_steps,
    open_regular,
    same_contents,
    verify_steps,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from dicom_jpegls.batch.jobs import Job
    from dicom_jpegls.batch.records import Record
    from dicom_jpegls.dicom import CodingStatistics
    from dicom_jpegls.files import Steps

# Of a DICOM file, with the letters DICM (PS3.10 7.1).
_PREAMBLE_SIZE = 132


def verify_one(
    job: Job, on_frame: Callable[[int], None], values: dict[str, Any], *, allows_stream: bool = False
) -> tuple[Status, str | None]:
    """Verify the file of a job and add what was found to the values of its record.

    Parameters
    ----------
    job : Job
        The file, its reference and its record.
    on_frame : callable
        See `run_job`.
    values : dict
        Gets values of a record.
    allows_stream : bool, optional
        Whether the file can be a JPEG-LS stream although its reference is a DICOM file, whose attributes it has not.

    Returns
    -------
    Status, str or None
        `Status.VERIFIED`; or `Status.SKIPPED` with the reason if the file is no image, and there is nothing to compare
        it with.

    Raises
    ------
    NotVerifiedError
        If the file is not what was recorded, or does not match its reference.
    JPEGLSError, OSError, InvalidDicomError
        If it cannot be decoded or read.
    """
    return finish_steps(verification_steps(job, on_frame, values, allows_stream=allows_stream))


def verification_steps(
    job: Job, on_frame: Callable[[int], None], values: dict[str, Any], *, allows_stream: bool = False
) -> Steps[tuple[Status, str | None]]:
    """Do what `verify_one` does, in steps; see `Steps`."""
    source, expected = Path(job.source), job.expected
    reference = Path(job.target) if job.target is not None else None
    if reference is not None and not is_regular(reference):
        raise NotVerifiedError(f"its reference, {reference}, is missing or no regular file")
    values["compared_with"] = tuple(
        name for name, given in (("reference", reference), ("records", expected)) if given is not None
    )
    if reference is not None:
        _check_preamble(source, reference, allows_stream=allows_stream)
    is_changed = expected is not None and _is_changed(source, expected)
    is_copy = reference is not None and same_contents(source, reference)
    try:
        verification = yield from verify_steps(
            source,
            None if is_copy else reference,
            expected_sha256=expected.pixels_sha256_after if expected is not None else None,
            options=_coding_options(job) if reference is not None else None,
            threads=job.threads,
            on_frame=on_frame,
            reading=job.options.reading,
        )
    except (NotConvertibleError, InvalidDicomError) as error:
        if expected is not None and is_changed:
            raise NotVerifiedError(f"{_changed_text(expected)}: {describe_error(error)}") from None
        return (Status.VERIFIED, None) if values["compared_with"] else (Status.SKIPPED, describe_error(error))
    if expected is not None and is_changed:
        raise NotVerifiedError(f"{_changed_text(expected)}, although its samples are what they should be")
    if expected is not None and expected.statistics is not None and reference is not None and not is_copy:
        _check_counts(verification.statistics, expected)
    if verification.shape:
        values |= {
            "statistics": verification.statistics,
            "near_lossless": verification.near_lossless,
            "pixels_sha256_after": verification.pixels_sha256,
        }
    return Status.VERIFIED, None


def is_regular(path: str | os.PathLike[str]) -> bool:
    """Whether there is a regular file, and not a link to one."""
    try:
        return stat.S_ISREG(os.lstat(path).st_mode)
    except OSError:
        return False


def _check_preamble(path: Path, reference: Path, *, allows_stream: bool) -> None:
    """Check that a file has the preamble of its reference and the letters after it (PS3.10 7.1), if that has any."""
    with open_regular(path) as file, open_regular(reference) as other:
        preamble, expected = file.read(_PREAMBLE_SIZE), other.read(_PREAMBLE_SIZE)
        if allows_stream and without_fill_bytes(preamble)[: len(START_OF_IMAGE)] == START_OF_IMAGE:
            return
        if expected.endswith(b"DICM") and preamble != expected:
            raise NotVerifiedError(f"its preamble, or DICM after it, is not that of {reference}")


def _is_changed(path: Path, expected: Record) -> bool:
    if expected.target_size is not None and os.lstat(path).st_size != expected.target_size:
        return True
    return expected.target_sha256 is not None and file_sha256(path) != expected.target_sha256


def _changed_text(expected: Record) -> str:
    return f"is not the file that was recorded as {expected.status}"


def _check_counts(found: CodingStatistics, expected: Record) -> None:
    """Check that so many samples were changed as the records have it."""
    assert expected.statistics is not None
    for name, what in (("cleared_samples", "lost bits above Bits Stored"), ("clipped_samples", "were clipped")):
        count, recorded = getattr(found, name), getattr(expected.statistics, name)
        if count != recorded:
            raise NotVerifiedError(f"{count} samples {what}; {recorded} were recorded")


def _coding_options(job: Job) -> CodingOptions | None:
    """Return how the file was compressed: as recorded, or else as the options of the job have it."""
    if job.expected is not None and job.expected.options is not None:
        return _recorded_options(job.expected) if job.expected.action is Action.COMPRESS else None
    options = job.options.coding
    if (options.signed_overflow, options.unused_bits) == ("error", "error"):
        return None
    if options.signed_overflow == "clip":  # the range depends on NEAR
        with SourceFile(Path(job.source), job.options.reading) as source:
            if source.transfer_syntax in JPEGLSTransferSyntaxes:
                near = max(info.near_lossless for info in source.stream_infos(image_pixel_of(source.ds)))
                options = replace(options, near_lossless=near)
    return options


def _recorded_options(record: Record) -> CodingOptions | None:
    """Return the options of a record, whoever wrote it; None if they are not allowed."""
    names = {item.name for item in fields(CodingOptions)}
    try:
        values = json.loads(record.options or "")
        return CodingOptions(**{name: value for name, value in values.items() if name in names})
    except (ValueError, AttributeError, TypeError, RecursionError, ParameterError):
        return None
