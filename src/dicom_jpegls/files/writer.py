"""Writing a new file from an old one: checked, compared with it, and only then given its name."""

from __future__ import annotations

import errno
import os
from itertools import zip_longest
from typing import TYPE_CHECKING

from pydicom.uid import JPEGLSTransferSyntaxes

from dicom_jpegls.files.differences import first_difference, native_sequences
from dicom_jpegls.files.encoding import encode_head, encode_trailing
from dicom_jpegls.files.errors import NotVerifiedError
from dicom_jpegls.files.opening import DEFAULT_READ_OPTIONS, ReadOptions, open_regular, same_contents
from dicom_jpegls.files.source import SourceFile, reading_dataset
from dicom_jpegls.files.steps import finish_steps
from dicom_jpegls.files.target import NewFile

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from pydicom import Dataset

    from dicom_jpegls.files.steps import Steps

_SOP_INSTANCE_UID = 0x00080018
_MEDIA_STORAGE_SOP_INSTANCE_UID = 0x00020003


class Writer:
    """Writes a new file from an old one, checks it, and gives it its name.

    Parameters
    ----------
    path : pathlib.Path
        The old file.
    source : SourceFile
        The same, open.
    target : pathlib.Path
        The new file, possibly the old one.
    force : bool
        Whether to replace another file.

    Raises
    ------
    OSError
        If the old file would be replaced, and is a link or has other names.
    """

    def __init__(self, path: Path, source: SourceFile, target: Path, *, force: bool) -> None:
        self._path, self._source, self._target = path, source, target
        self._before = os.fstat(source.fileno())
        self._replace = force
        if os.path.lexists(target) and os.path.samestat(self._before, os.lstat(target)):
            self._replace = True
            _check_replaceable(path, self._before)
        elif path == target:
            raise OSError(errno.ELOOP, "a symbolic link; files are not replaced through links", str(path))

    def write_steps(self, transfer_syntax_uid: str, changes: Dataset, pixel_data: Iterable[bytes]) -> Steps[str]:
        """Write and check the new file, and return its hash; the caller syncs it before it gets its name.

        Raises
        ------
        NotVerifiedError
            If it reads back differently from what was written, lacks an element of the old file, or the old file was
            changed meanwhile.
        FileExistsError
            If there is another file of its name.
        """
        sequences = native_sequences(self._source)
        with reading_dataset():
            for element in [*changes]:
                if element == self._source.ds.get(element.tag):
                    del changes[element.tag]
        ignored = {int(tag) for tag in changes.keys()}  # noqa: SIM118  # a dataset iterates over elements
        if _SOP_INSTANCE_UID in ignored:
            ignored.add(_MEDIA_STORAGE_SOP_INSTANCE_UID)
        for element in sequences:
            changes.add(element)
        with NewFile(self._target, like=self._source) as new:
            for part in (
                encode_head(self._source, transfer_syntax_uid, changes),
                pixel_data,
                encode_trailing(self._source),
            ):
                for data in part:
                    new.write(data)
            yield new
            if not new.is_as_written():
                raise NotVerifiedError("verification failed: the file reads back differently from what was written")
            with SourceFile(new.path, copied_from=self._source) as written:
                difference = first_difference(self._source, written, ignored, compares_nested=False)
            if difference is not None:
                raise NotVerifiedError(f"verification failed: {difference} in the new file")
            self._check_unchanged()
            try:
                new.commit(replace=self._replace)
            except FileExistsError:
                if not _is_same_result(new.path, self._target):
                    raise _exists_error(self._target) from None
            return new.sha256

    def _check_unchanged(self) -> None:
        after = os.stat(self._path)
        if not os.path.samestat(after, self._before) or (after.st_size, after.st_mtime_ns) != (
            self._before.st_size,
            self._before.st_mtime_ns,
        ):
            raise NotVerifiedError("the source changed while it was read")


def _check_replaceable(path: Path, status: os.stat_result) -> None:
    """Check that a file may be replaced by a new one.

    Raises
    ------
    OSError
        If it has other names, which would keep the old contents.
    """
    if status.st_nlink > 1:
        raise OSError(
            errno.EMLINK, f"has {status.st_nlink} hard links, which replacing it would separate: it is left", str(path)
        )


def _exists_error(target: Path) -> FileExistsError:
    return FileExistsError(0, f"{target} exists and is another file: --force replaces it")


def _is_same_result(path: Path, other: Path) -> bool:
    """Whether two files are equal, except for the SOP Instance UID that every lossy compression generates."""
    try:
        if same_contents(path, other):
            return True
        with SourceFile(path) as first, SourceFile(other) as second:
            if first.transfer_syntax != second.transfer_syntax or first.transfer_syntax not in JPEGLSTransferSyntaxes:
                return False
            if first.ds.SOPInstanceUID == second.ds.SOPInstanceUID:
                return False
            if first_difference(first, second, {_SOP_INSTANCE_UID, _MEDIA_STORAGE_SOP_INSTANCE_UID}) is not None:
                return False
            image_pixel = first.image_pixel
            streams = zip_longest(first.streams(image_pixel), second.streams(image_pixel))
            return all(stream == other_stream for stream, other_stream in streams)
    except Exception:  # an unreadable file is not what was written
        return False


def copy_file(source: Path, target: Path, *, force: bool = False, reading: ReadOptions = DEFAULT_READ_OPTIONS) -> str:
    """Copy a file byte for byte, compare the copy before it gets its name, and return the SHA-256 of its bytes.

    Parameters
    ----------
    source, target : pathlib.Path
        The files to read and to write.
    force : bool, optional
        Whether to replace an existing target.
    reading : ReadOptions, optional
        What may be read.

    Raises
    ------
    NotVerifiedError
        If the copy reads back differently, or the source was changed meanwhile.
    FileExistsError
        If the target exists, differs from the source, and `force` is false.
    OSError
        If a file cannot be read or written. After any error, the target is unchanged.
    """
    return finish_steps(copy_steps(source, target, force=force, reading=reading))


def copy_steps(source: Path, target: Path, *, force: bool, reading: ReadOptions = DEFAULT_READ_OPTIONS) -> Steps[str]:
    """Do what `copy_file` does, in steps; see `Steps`."""
    with open_regular(source, follow_links=reading.follow_links) as file, NewFile(target, like=file) as new:
        before = os.fstat(file.fileno())
        new.copy(file)
        yield new
        after = os.fstat(file.fileno())
        if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
            raise NotVerifiedError("the source changed while it was copied")
        if not new.is_as_written():
            raise NotVerifiedError("verification failed: the copy differs")
        try:
            new.commit(replace=force)
        except FileExistsError:
            if not _is_equal(new.path, target):
                raise _exists_error(target) from None
        return new.sha256


def _is_equal(path: Path, other: Path) -> bool:
    try:
        return same_contents(path, other)
    except OSError:  # such as a link, or a folder
        return False
