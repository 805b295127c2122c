"""Starts the command line, or names the extra that it needs."""

import argparse
import sys
from collections.abc import Sequence

# The extra that installs a module which the commands import.
_EXTRAS = {"click": "cli", "rich": "cli", "distributed": "dask", "matplotlib": "plot", "skimage": "plot"}


def main(arguments: Sequence[str] | None = None, name: str = "dicom-jpegls") -> None:
    """Run the command ``dicom-jpegls``."""
    try:
        from dicom_jpegls.cli.commands import cli

        cli(arguments, prog_name=name)
    except ModuleNotFoundError as error:
        missing = str(error.name).partition(".")[0]
        if missing not in _EXTRAS:
            raise
        what = "the command line" if _EXTRAS[missing] == "cli" else "this command"
        sys.exit(f"dicom-jpegls: {what} needs {missing}: pip install 'dicom-jpegls[{_EXTRAS[missing]}]'")


def add_subparser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add ``jpegls`` to pydicom's command line, with the same commands; pydicom calls this for an entry point."""
    # With a prefix that no argument has, pydicom parses no options: all arguments are passed on to the commands here.
    parser = subparsers.add_parser("jpegls", add_help=False, prefix_chars="\0", help="JPEG-LS for DICOM files")
    parser.add_argument("arguments", nargs=argparse.REMAINDER)
    parser.set_defaults(func=lambda parsed: main(parsed.arguments, "pydicom jpegls"))


if __name__ == "__main__":
    main()
