"""Opening files that may be anything: links, pipes, devices, and deflated datasets that inflate without end."""

from __future__ import annotations

import errno
import io
import os
import stat
import zlib
from functools import reduce
from operator import or_
from tempfile import SpooledTemporaryFile
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from dicom_jpegls.errors import DatasetError

if TYPE_CHECKING:
    from pathlib import Path

# Native pixel data of the largest length (PS3.5 7.1), and as much again of everything else.
MAXIMUM_INFLATED_SIZE = 2**33

# Deflate reaches a ratio of 1032. Real images that come near it, such as masks, are small.
_MAXIMUM_RATIO = 250
_INFLATED_AT_ANY_RATIO = 2**28

_INFLATED_IN_MEMORY = 2**24
_CHUNK = 2**20
_DEFLATED_CHUNK = 2**15

_KINDS = {
    stat.S_IFIFO: "a FIFO",
    stat.S_IFCHR: "a character device",
    stat.S_IFBLK: "a block device",
    stat.S_IFSOCK: "a socket",
    stat.S_IFDIR: "a folder",
}


def open_flags(*names: str) -> int:
    """Return the flags of `os.open` that this system has, as one number."""
    return reduce(or_, (getattr(os, name, 0) for name in names))


_READ_FLAGS = open_flags("O_RDONLY", "O_NONBLOCK", "O_NOCTTY", "O_CLOEXEC", "O_BINARY")
_NO_LINK = open_flags("O_NOFOLLOW")


class ReadOptions(NamedTuple):
    """What may be read.

    Attributes
    ----------
    follow_links : bool
        Whether a file may be a symbolic link. Never in place.
    max_inflated_size : int
        The largest size of a deflated dataset after inflating, in bytes. Beyond 256 MiB a dataset may inflate to at
        most 250 times its size, whatever this is.
    """

    follow_links: bool = False
    max_inflated_size: int = MAXIMUM_INFLATED_SIZE


DEFAULT_READ_OPTIONS = ReadOptions()


def open_regular(path: Path, *, follow_links: bool = False) -> io.BufferedReader:
    """Open a regular file for reading; never wait for another program, as opening a pipe does.

    Raises
    ------
    OSError
        If it is something else, or cannot be opened.
    """
    # Before it is opened, which may have an effect on a device, and afterwards, since it may have been replaced.
    _check_regular(os.stat(path, follow_symlinks=follow_links), path)
    handle = os.open(path, _READ_FLAGS if follow_links else _READ_FLAGS | _NO_LINK)
    try:
        _check_regular(os.fstat(handle), path)
        return os.fdopen(handle, "rb")
    except BaseException:
        os.close(handle)
        raise


def _check_regular(status: os.stat_result, path: Path) -> None:
    if stat.S_ISLNK(status.st_mode):
        raise OSError(errno.ELOOP, "a symbolic link, which is followed only if asked for", str(path))
    if not stat.S_ISREG(status.st_mode):
        kind = _KINDS.get(stat.S_IFMT(status.st_mode), "a special file")
        raise OSError(errno.EINVAL, f"{kind}, not a regular file", str(path))


class NamingFile:
    """Names a file in the errors of the system, which do not know it after opening, or know a temporary name.

    A class, because `contextlib.contextmanager` takes several times as long, for each part of a file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        pass

    def __exit__(self, _type: object, error: BaseException | None, _traceback: object) -> None:
        if isinstance(error, OSError):
            raise type(error)(error.errno, error.strerror or str(error), str(self._path)) from error


def same_contents(path: Path, other: Path, *, follow_links: bool = False) -> bool:
    """Whether two regular files have the same bytes."""
    with (
        open_regular(path, follow_links=follow_links) as first,
        open_regular(other, follow_links=follow_links) as second,
    ):
        if os.fstat(first.fileno()).st_size != os.fstat(second.fileno()).st_size:
            return False
        while chunk := first.read(_CHUNK):
            if chunk != second.read(_CHUNK):
                return False
        return not second.read(1)


class InflatedFile(io.RawIOBase):
    """The inflated contents of the rest of a file (PS3.5 A.5), inflated as far as they are asked for.

    What has been inflated is kept in memory, or in an unnamed temporary file if it is large.

    Parameters
    ----------
    deflated : binary file
        At the position where the deflated data begins. It is closed with this file.
    maximum_size : int
        See `ReadOptions`.

    Raises
    ------
    DatasetError
        By `read` and `seek`, if the data is damaged, is cut off or inflates to more than is allowed.
    """

    def __init__(self, deflated: BinaryIO, maximum_size: int) -> None:
        self._deflated = deflated
        start = deflated.tell()
        deflated_size = deflated.seek(0, io.SEEK_END) - start
        deflated.seek(start)
        self._maximum_size = min(maximum_size, max(_INFLATED_AT_ANY_RATIO, deflated_size * _MAXIMUM_RATIO))
        self._inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        self._inflated = SpooledTemporaryFile(max_size=_INFLATED_IN_MEMORY)  # noqa: SIM115  # closed with this file
        self._size = self._position = 0

    def _inflate(self, end: int) -> None:
        """Inflate up to a position, or all if the data ends before it."""
        if end <= self._size or self._inflater.eof:
            return
        self._inflated.seek(self._size)
        while self._size < end and not self._inflater.eof:
            chunk = self._inflater.unconsumed_tail or self._deflated.read(_DEFLATED_CHUNK)
            try:
                data = self._inflater.decompress(chunk, min(end - self._size, _CHUNK))
            except zlib.error as error:
                raise DatasetError(f"the deflated dataset is damaged: {error}") from None
            if not chunk and not data:
                raise DatasetError(f"the deflated dataset is cut off after {self._size} inflated bytes")
            self._size += self._inflated.write(data)
            if self._size > self._maximum_size:
                raise DatasetError(
                    f"the deflated dataset inflates to more than {self._maximum_size} bytes, the limit for its size"
                )

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return the position."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Set the position; only `io.SEEK_END` needs to inflate anything."""
        if whence == io.SEEK_END:
            self._inflate(self._maximum_size + 1)
            offset += self._size
        elif whence == io.SEEK_CUR:
            offset += self._position
        self._position = offset
        return offset

    def read(self, size: int = -1, /) -> bytes:
        """Return some bytes, fewer at the end of the data."""
        self._inflate(self._maximum_size + 1 if size < 0 else self._position + size)
        self._inflated.seek(min(self._position, self._size))  # a position beyond the end may be too large for it
        rest = max(0, self._size - self._position)
        data = self._inflated.read(rest if size < 0 else min(size, rest))
        self._position += len(data)
        return data

    def close(self) -> None:
        """Close both files."""
        self._inflated.close()
        self._deflated.close()
        super().close()
