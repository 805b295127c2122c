"""How a command ends: exit statuses, and one line on standard error for what went wrong."""

from __future__ import annotations

from contextlib import contextmanager
from enum import IntEnum
from typing import TYPE_CHECKING, Any

import click
from pydicom.errors import InvalidDicomError

from dicom_jpegls.batch import JournalInUseError, PlanError
from dicom_jpegls.errors import StreamError
from dicom_jpegls.files import NothingToDoError, NotVerifiedError, describe_error

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class ExitStatus(IntEnum):
    """The exit statuses of the command; `EXIT_STATUSES` describes them."""

    SUCCESS = 0
    NOT_VERIFIED = 1
    WRONG_USAGE = 2
    FILE_ERROR = 3
    NOT_CONVERTIBLE = 4
    NOTHING_TO_DO = 5
    TARGET_EXISTS = 6
    SOME_FAILED = 7
    ALL_FAILED = 8
    INTERRUPTED = 130


# For the end of the help text; \b keeps the lines.
EXIT_STATUSES = """\b
Exit status:
  0  success
  1  verify: a stream is damaged, or the pixels differ by more than NEAR
  2  wrong usage: an argument or option is not allowed; nothing was read or written
  3  a file cannot be read or written
  4  the input is not a DICOM file, has no pixel data, or cannot be converted
  5  nothing to do: the input already has the wanted transfer syntax
  6  the output exists, and --force is not given
  7  of many files, some failed
  8  of many files, all failed
  130  interrupted; the same command continues from there
"""

EXISTS = "exists; --force replaces it"


class Failure(click.ClickException):
    """Ends the command with one line on standard error.

    Parameters
    ----------
    status : ExitStatus
        The exit status.
    path : pathlib.Path or str
        The file.
    message : object
        What went wrong with it.
    """

    def __init__(self, status: ExitStatus, path: Path | str, message: object) -> None:
        super().__init__(f"{path}: {message}")
        self.exit_code = int(status)  # type: ignore[misc]  # click documents it as an attribute to set

    def show(self, file: Any = None) -> None:  # noqa: ARG002, D102
        click.echo(f"dicom-jpegls: {' '.join(self.message.split())}", err=True)


@contextmanager
def reporting_failures(
    source: Path,
    not_verified: ExitStatus = ExitStatus.NOT_CONVERTIBLE,
    other: Path | None = None,
    *,
    target: Path | None = None,
) -> Iterator[None]:
    """Turn errors of a file into one line and an exit status.

    Parameters
    ----------
    source : pathlib.Path
        The file that is read.
    not_verified : ExitStatus, optional
        The status for damaged streams and differing pixels.
    other : pathlib.Path, optional
        A second file that is read.
    target : pathlib.Path, optional
        The file that is written.
    """
    try:
        yield
    except (PlanError, JournalInUseError) as error:
        raise click.UsageError(str(error)) from error
    except NothingToDoError as error:
        raise Failure(ExitStatus.NOTHING_TO_DO, source, error) from error
    except FileExistsError:
        raise Failure(ExitStatus.TARGET_EXISTS, target or source, EXISTS) from None
    except InvalidDicomError as error:
        raise Failure(ExitStatus.NOT_CONVERTIBLE, source, describe_error(error)) from None
    except OSError as error:
        named = error.filename in (str(other), str(source))
        path = error.filename if named else target or source
        raise Failure(ExitStatus.FILE_ERROR, path, describe_error(error)) from error
    except MemoryError as error:
        raise Failure(ExitStatus.FILE_ERROR, source, describe_error(error)) from error
    except (StreamError, NotVerifiedError) as error:
        raise Failure(not_verified, source, error) from error
    except click.ClickException:
        raise
    except Exception as error:
        raise Failure(ExitStatus.NOT_CONVERTIBLE, source, describe_error(error)) from error


def exit_with_counts(failed: int, succeeded: int) -> None:
    """End the command with the status for many files, if any failed."""
    if failed:
        click.get_current_context().exit(ExitStatus.SOME_FAILED if succeeded else ExitStatus.ALL_FAILED)
