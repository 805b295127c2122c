"""Runs the command line in this process."""

from click.testing import CliRunner

from dicom_jpegls.cli.commands import cli
from dicom_jpegls.cli.status import ExitStatus


def run_cli(*arguments, status=ExitStatus.SUCCESS):
    """Run a command, check its exit status and return click's result."""
    result = CliRunner().invoke(cli, [str(argument) for argument in arguments])
    assert result.exit_code == status, result.output
    return result


def one_line(result):
    """Return the only line on standard error; standard output must be empty."""
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith("dicom-jpegls: ")
    return line
