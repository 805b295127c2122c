"""Starts the command line, or says what it needs."""

import sys


def main() -> None:
    """Run the command ``dicom-jpegls``."""
    try:
        from dicom_jpegls.cli import cli
    except ModuleNotFoundError as error:
        missing = str(error.name).partition(".")[0]
        if missing not in ("click", "rich"):
            raise
        sys.exit(f"dicom-jpegls: the command line needs {missing}: pip install 'dicom-jpegls[cli]'")
    cli(prog_name="dicom-jpegls")


if __name__ == "__main__":
    main()
