"""How a command ends: exit statuses, signals, and one line on standard error for what went wrong."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from contextlib import contextmanager
from enum import IntEnum
from typing import TYPE_CHECKING, Any

import click
from pydicom.errors import InvalidDicomError

from dicom_jpegls.batch import END_SIGNALS, ClusterError, JournalError, PlanError
from dicom_jpegls.cli.output import OutputError, printable
from dicom_jpegls.errors import JPEGLSError
from dicom_jpegls.files import NotConvertibleError, NothingToDoError, describe_error

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import FrameType


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
    CLUSTER_ERROR = 9
    UNEXPECTED = 70
    INTERRUPTED = 130
    OUTPUT_CLOSED = 141


# For the end of the help text; \b keeps the lines.
EXIT_STATUSES = """\b
Exit status:
  0  success
  1  verify: a stream is damaged, or the file is not what it should be
  2  wrong usage: an argument or option is not allowed; nothing was written
  3  a file, the journal or the output cannot be read or written
  4  the input is not a DICOM file, has no pixel data, or cannot be converted
  5  nothing to do: the input already has the wanted transfer syntax
  6  the output exists, and --force is not given
  7  of many files, some failed
  8  of many files, all failed
  9  the Dask cluster cannot be used; the same command continues from there
  70  an unexpected error; --debug shows where, please report it
  130  interrupted by Ctrl-C, SIGTERM or SIGHUP; the same command continues from there
  141  standard output was closed, as by head; the same command continues from there
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
        _show(self.message)


class UsageFailure(click.UsageError):
    """Ends the command as wrong usage; the message can have names of files."""

    def __init__(self, error: Exception) -> None:
        super().__init__(printable(error))


def _show(message: str) -> None:
    click.echo(f"dicom-jpegls: {printable(' '.join(message.split()))}", err=True)


class Group(click.Group):
    """Commands that end with a documented exit status, however they end."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command."""
        with _ending_on_signals():
            try:
                result = super().invoke(ctx)
                sys.stdout.flush()
                return result
            except KeyboardInterrupt:
                _show("interrupted")
                ctx.exit(ExitStatus.INTERRUPTED)
            except (OutputError, OSError) as error:
                output = error if isinstance(error, OutputError) else OutputError(error)
                _discard_output()
                if output.is_closed:
                    ctx.exit(ExitStatus.OUTPUT_CLOSED)
                _show(str(output))
                ctx.exit(ExitStatus.FILE_ERROR)
            except (click.ClickException, click.exceptions.Exit, click.Abort, ModuleNotFoundError):
                raise
            except Exception as error:
                show_unexpected(ctx, error)
                ctx.exit(ExitStatus.UNEXPECTED)


def show_unexpected(ctx: click.Context, error: Exception) -> None:
    """Print an error that is this program's fault in one line, and with ``--debug`` where it happened."""
    if ctx.find_root().params.get("debug"):
        click.echo("".join(traceback.format_exception(error)), err=True, nl=False)
    _show(f"unexpected error (--debug shows where): {type(error).__name__}: {error}")


def _discard_output() -> None:
    """Let what is still to be written to a closed standard output vanish, also when Python ends."""
    try:
        handle = os.open(os.devnull, os.O_WRONLY)
        os.dup2(handle, sys.stdout.fileno())
        os.close(handle)
    except (OSError, ValueError):  # it is no file, as in tests
        pass


@contextmanager
def _ending_on_signals() -> Iterator[None]:
    """Let SIGTERM and SIGHUP interrupt a command like Ctrl-C, and the second signal end it at once."""
    count = 0

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        nonlocal count
        count += 1
        if count > 1:
            if sys.stderr.isatty():
                os.write(2, b"\x1b[?25h\n")  # shows the cursor that the progress bar hides
            os._exit(ExitStatus.INTERRUPTED)
        raise KeyboardInterrupt

    before = {}
    try:
        for number in END_SIGNALS:
            # Who has a signal ignored, as nohup does, wants that.
            if signal.getsignal(number) not in (signal.SIG_IGN, None):
                before[number] = signal.signal(number, interrupt)
    except ValueError:  # not in the main thread
        pass
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def reporting_failures(
    source: Path,
    not_verified: ExitStatus = ExitStatus.NOT_CONVERTIBLE,
    *,
    target: Path | None = None,
) -> Iterator[None]:
    """Turn errors of a file into one line and an exit status.

    Parameters
    ----------
    source : pathlib.Path
        The file that is read.
    not_verified : ExitStatus, optional
        The status for damaged files, and for those that differ from what they should be.
    target : pathlib.Path, optional
        The file that is written.
    """
    try:
        yield
    except (PlanError, JournalError) as error:
        raise UsageFailure(error) from error
    except ClusterError as error:
        raise Failure(ExitStatus.CLUSTER_ERROR, "--dask", error) from error
    except NothingToDoError as error:
        raise Failure(ExitStatus.NOTHING_TO_DO, source, error) from error
    except FileExistsError:
        raise Failure(ExitStatus.TARGET_EXISTS, target or source, EXISTS) from None
    except InvalidDicomError as error:
        raise Failure(ExitStatus.NOT_CONVERTIBLE, source, describe_error(error)) from None
    except OSError as error:
        path = error.filename or (target if target is not None else source)
        raise Failure(ExitStatus.FILE_ERROR, path, describe_error(error, path)) from error
    except MemoryError as error:
        raise Failure(ExitStatus.FILE_ERROR, source, describe_error(error)) from error
    except NotConvertibleError as error:
        raise Failure(ExitStatus.NOT_CONVERTIBLE, source, error) from error
    except JPEGLSError as error:
        raise Failure(not_verified, source, error) from error


def exit_with_counts(failed: int, succeeded: int) -> None:
    """End the command with the status for many files, if any failed."""
    if failed:
        click.get_current_context().exit(ExitStatus.SOME_FAILED if succeeded else ExitStatus.ALL_FAILED)
