"""Run pydicom's own tests of its pyjpegls plugins with this package in pyjpegls's place.

Usage: python benchmarks/pydicom_tests.py PYDICOM_CHECKOUT

The checkout must be of the installed pydicom version. The tests are run where they are; nothing is copied.
"""

import sys
from pathlib import Path

import pytest

import dicom_jpegls as jls

TESTS = ("tests/pixels/test_decoder_pyjpegls.py", "tests/pixels/test_encoder_pyjpegls.py")


def main(checkout: Path) -> int:
    """Give pytest's exit status."""
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
