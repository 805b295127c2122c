"""The results for the files of a job, and the lines of JSON that keep them."""

from __future__ import annotations

import json
import os
import re
from dataclasses import fields
from enum import StrEnum
from typing import Any, NamedTuple

from dicom_jpegls.dicom import CodingStatistics

_STATISTICS = tuple(item.name for item in fields(CodingStatistics))

# Sizes and times in a record fit a signed 64-bit integer.
_LARGEST_NUMBER = 2**63 - 1

_SHA256_LENGTH = 64
_SHA256 = re.compile(f"[0-9a-f]{{{_SHA256_LENGTH}}}")


class Action(StrEnum):
    """What is done with files."""

    COMPRESS = "compress"
    DECOMPRESS = "decompress"
    VERIFY = "verify"


class Status(StrEnum):
    """The result for a file."""

    COMPRESSED = "compressed"
    DECOMPRESSED = "decompressed"
    VERIFIED = "verified"
    PASSED = "passed through"
    """It already had the wanted transfer syntax; copied byte for byte unless in place."""
    COPIED = "copied"
    """It cannot be converted and was copied byte for byte."""
    SKIPPED = "skipped"
    """It cannot be converted and was left out."""
    FAILED = "failed"


class Record(NamedTuple):
    """The result for a file: a line of the journal.

    The hashes of pixels are of all native samples, little-endian, colour-by-pixel (Planar Configuration 0), each of
    Bits Allocated bits.
    """

    action: Action
    name: str
    """The name of the file within its tree, with ``/`` between folders."""
    source: str
    target: str | None
    status: Status
    reason: str | None = None
    source_size: int | None = None
    source_mtime_ns: int | None = None
    target_size: int | None = None
    target_mtime_ns: int | None = None
    target_sha256: str | None = None
    """The hash of all bytes of the target."""
    statistics: CodingStatistics | None = None
    near_lossless: int | None = None
    pixels_sha256_before: str | None = None
    pixels_sha256_after: str | None = None
    modality: str | None = None
    """Modality (0008,0060) of a file that was converted."""
    compared_with: tuple[str, ...] | None = None
    """For `Action.VERIFY`: "reference", "records", both, or nothing if the file was only decoded."""
    seconds: float | None = None
    options: str | None = None

    @property
    def has_target(self) -> bool:
        """Whether a file was written, or kept in place, whose size and hash are known."""
        return self.target_size is not None and self.status is not Status.FAILED

    @property
    def root(self) -> str | None:
        """The folder of the tree to which the target belongs."""
        return root_of(self.name, self.target)

    def to_json(self) -> str:
        """Return the record as a line of JSON (ASCII), with the statistics inline and without unknown values."""
        values = {name: value for name, value in self._asdict().items() if value is not None}
        if self.statistics is not None:
            values |= statistics_values(values.pop("statistics"))
        return json.dumps(values)

    @classmethod
    def from_json(cls, line: str) -> Record:
        """Read a line of JSON, whoever wrote it.

        Raises
        ------
        ValueError
            If it is not such a line: it was cut off, or has a value that this program does not write.
        """
        try:
            values = json.loads(line)
        except RecursionError:
            raise ValueError("nested too deeply") from None
        if not isinstance(values, dict):
            raise ValueError(f"must be a JSON object, found {type(values).__name__}")
        values.pop("ratio", None)
        statistics = {name: values.pop(name) for name in _STATISTICS if name in values}
        for name, value in statistics.items():
            _check_number(name, value)
        if not values.keys() <= _LINE_FIELDS:
            raise ValueError(f"unknown value {min(values.keys() - _LINE_FIELDS)!r}")
        for name in ("action", "name", "source", "status"):
            if name not in values:
                raise ValueError(f"{name} is absent")
        for name, value in values.items():
            _check_value(name, value)
        check_name(values["name"])
        values["action"], values["status"] = Action(values["action"]), Status(values["status"])
        values.setdefault("target", None)
        return cls(**values, statistics=CodingStatistics(**statistics) if statistics else None)


_LINE_FIELDS = set(Record._fields) - {"statistics"}
_NUMBERS = {name for name in Record._fields if name.endswith(("_size", "_ns"))} | {"near_lossless"}


def root_of(name: str, target: str | None) -> str | None:
    """Return the folder of the tree in which a target has its name."""
    end = os.sep + name.replace("/", os.sep)
    return target.removesuffix(end) if target is not None and target.endswith(end) else None


def _check_value(name: str, value: Any) -> None:
    if name in _NUMBERS:
        _check_number(name, value)
    elif name == "seconds":
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError(f"{name}: must be a number, found {type(value).__name__}")
    elif name == "compared_with":
        raise ValueError("compared_with: not written to journals")
    elif not isinstance(value, str):
        raise ValueError(f"{name}: must be a string, found {type(value).__name__}")
    elif "\0" in value:
        raise ValueError(f"{name}: contains a NUL character")
    elif "sha256" in name and not _SHA256.fullmatch(value):
        raise ValueError(f"{name}: must be {_SHA256_LENGTH} hexadecimal digits")


def _check_number(name: str, value: Any) -> None:
    if type(value) is not int or not 0 <= value <= _LARGEST_NUMBER:  # True is no number
        raise ValueError(f"{name}: must be an integer from 0 to 2^63 - 1")


def check_name(name: str) -> None:
    """Check that the name of a file stays within its tree.

    Raises
    ------
    ValueError
        If it does not.
    """
    if "\0" in name or any(part in ("", ".", "..") for part in name.split("/")):
        raise ValueError(f"name: must be a path below the folder of the tree, found {name!r}")


def statistics_values(statistics: CodingStatistics) -> dict[str, int | float]:
    """Return statistics for JSON: the values that are known, and the compression ratio."""
    values = {name: value for name in _STATISTICS if (value := getattr(statistics, name)) is not None}
    if statistics.compressed_size:
        values["ratio"] = round(statistics.ratio, 4)
    return values
