"""The ways to start the command line, and extras that are missing."""

import functools
import subprocess
import sys
from pathlib import Path

import pytest

import dicom_jpegls as jls
from dicom_jpegls.cli.status import ExitStatus
from support.dicom_files import TEST_FILES

CT = TEST_FILES / "CT_small.dcm"


@pytest.mark.parametrize(
    "command", [[sys.executable, "-m", "dicom_jpegls"], [Path(sys.executable).parent / "dicom-jpegls"]]
)
def test_the_command_and_the_module_run(tmp_path, command):
    if not Path(command[0]).exists():
        pytest.skip("the package is installed without its command")
    output = subprocess.run([*command, "--version"], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert jls.__version__ in output.stdout


def test_the_commands_are_pydicoms_too(tmp_path):
    pydicom_command = Path(sys.executable).parent / "pydicom"
    if not pydicom_command.exists():
        pytest.skip("pydicom is installed without its command")
    run_it = functools.partial(subprocess.run, capture_output=True, text=True, check=False, cwd=tmp_path)
    result = run_it([pydicom_command, "jpegls", "compress", "--near-lossless", "3", CT, "out.dcm"])
    assert "32768 -> 8508 bytes" in result.stdout
    result = run_it([pydicom_command, "jpegls", "--help"])
    assert result.stdout.startswith("Usage: pydicom jpegls [OPTIONS] COMMAND")
    assert run_it([pydicom_command, "jpegls", "compress", "none", "x"]).returncode == ExitStatus.FILE_ERROR


@pytest.mark.parametrize(
    ("module", "extra", "command"),
    [("skimage", "plot", ["explore", CT]), ("matplotlib", "plot", ["compare", CT, CT])],
)
def test_the_extra_that_a_command_needs_is_named(tmp_path, module, extra, command):
    if module == "skimage":
        pytest.importorskip("matplotlib")  # which the command looks for first
    code = f"import sys; sys.modules[{module!r}] = None; from dicom_jpegls.__main__ import main; main()"
    arguments = [sys.executable, "-c", code, *map(str, command)]
    result = subprocess.run(arguments, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert result.returncode == 1
    assert result.stderr.strip() == f"dicom-jpegls: this command needs {module}: pip install 'dicom-jpegls[{extra}]'"


@pytest.mark.parametrize("name", ["click", "rich"])
def test_a_missing_extra_is_named(name):
    code = f"import sys; sys.modules[{name!r}] = None; from dicom_jpegls.__main__ import main; main()"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert result.stderr.strip() == (f"dicom-jpegls: the command line needs {name}: pip install 'dicom-jpegls[cli]'")
