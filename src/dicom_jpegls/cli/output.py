"""What the commands print: data as data, whatever it contains, and tables that fit where they are read."""

from __future__ import annotations

import errno
import json
import math
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.table import Table

# The width of tables that go to a file or another program: no name is cut off.
_UNLIMITED_WIDTH = 100_000


class OutputError(Exception):
    """Standard output or standard error cannot be written.

    Attributes
    ----------
    is_closed : bool
        Whether the reader of a pipe has ended, which is no fault.
    """

    def __init__(self, error: OSError) -> None:
        super().__init__(f"output: {error.strerror or error}")
        self.is_closed = error.errno in (errno.EPIPE, errno.EINVAL)


def printable(value: object) -> str:
    r"""Return text without anything that a terminal would interpret, on one line.

    Control characters, line ends, marks of the writing direction and other characters that are not printable are
    replaced by escape sequences of Python, and bytes of names that are not UTF-8 by ``\xNN``.
    """
    text = str(value)
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else _escaped(character) for character in text)


def _escaped(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # how Python represents a byte that is not UTF-8
        return f"\\x{code - 0xDC00:02x}"
    return character.encode("unicode_escape").decode("ascii")


def cell(value: object, style: str = "") -> Text:
    """Return the cell of a table; what looks like markup is none."""
    return Text(printable(value), style=style)


def write(text: str, *, err: bool = False) -> None:
    """Write a line that this program has made to standard output or standard error.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    stream = sys.stderr if err else sys.stdout
    if hasattr(stream, "reconfigure"):
        stream.reconfigure(errors="backslashreplace")  # for terminals that do not have all characters
    try:
        click.echo(text, file=stream)
    except OSError as error:
        raise OutputError(error) from error


def write_about(path: object, message: object, *, err: bool = False) -> None:
    """Write a line about a file; neither its name nor the message is trusted."""
    write(f"{printable(path)}: {printable(' '.join(str(message).split()))}", err=err)


def json_text(values: object, *, indent: int | None = None) -> str:
    """Return values as JSON (ASCII), whatever they are: the attributes of a damaged file can be anything."""
    return json.dumps(_json_value(values), indent=indent, allow_nan=False)


def _json_value(value: Any) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else str(value)
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Mapping):
        return {str(name): _json_value(item) for name, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_json_value(item) for item in value]
    return str(value)


def print_table(table: Table, lines: Iterable[str] = ()) -> None:
    """Print a table on standard output, and some lines below it."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=_UNLIMITED_WIDTH)
    with console.capture() as capture:
        console.print(table)
    write("\n".join((capture.get().rstrip("\n"), *lines)))
