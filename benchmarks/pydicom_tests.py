"""Run pydicom's own tests of its pyjpegls plugins with this package in place of pyjpegls.

Usage: python benchmarks/pydicom_tests.py PYDICOM_CHECKOUT

The checkout must match the installed version of pydicom. The tests run in place; nothing is copied.
"""

import sys
from pathlib import Path

import pytest

import dicom_jpegls as jls

TESTS = ("tests/pixels/test_decoder_pyjpegls.py", "tests/pixels/test_encoder_pyjpegls.py")


def main(checkout: Path) -> int:
    """Return the exit status of pytest."""
    jls.install_as_pyjpegls()
    import jpeg_ls

    print(f"jpeg_ls is {jpeg_ls.__name__} {jpeg_ls.__version__}; {jls.charls_build()}")
    return int(
        pytest.main(
            ["-q", "-p", "no:cacheprovider", "-c", "/dev/null", "--rootdir", str(checkout)]
            + [str(checkout / name) for name in TESTS]
        )
    )


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve()))
