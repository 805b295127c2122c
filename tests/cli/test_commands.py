"""The command line: what it writes, what it says, its exit status, and what it leaves behind."""

import functools
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pydicom
import pytest
from click.testing import CliRunner
from pydicom.uid import MPEG2MPML, ExplicitVRLittleEndian, JPEGLSLossless, JPEGLSNearLossless

import dicom_jpegls as jls
from dicom_jpegls.cli.commands import ExitStatus, cli
from support.conformance import FOLDER
from support.dicom_files import TEST_FILES, make_dataset, random_frames

CT = TEST_FILES / "CT_small.dcm"
RGB = TEST_FILES / "examples_rgb_color.dcm"


def run(*arguments, status=ExitStatus.SUCCESS):
    result = CliRunner().invoke(cli, [str(argument) for argument in arguments])
    assert result.exit_code == status, result.output
    return result


def one_line(result):
    """Give the only line on standard error; nothing may be on standard output."""
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith("dicom-jpegls: ")
    return line


def test_lossless_there_and_back(tmp_path):
    result = run("compress", CT, tmp_path / "a.dcm")
    assert "32768 -> 14180 bytes" in result.output
    compressed = pydicom.dcmread(tmp_path / "a.dcm")
    assert compressed.file_meta.TransferSyntaxUID == JPEGLSLossless
    run("decompress", tmp_path / "a.dcm", tmp_path / "b.dcm")
    native = pydicom.dcmread(tmp_path / "b.dcm")
    assert native.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
    assert native.PixelData == pydicom.dcmread(CT).PixelData
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.dcm", "b.dcm"]


def test_near_lossless(tmp_path):
    run("compress", "--near-lossless", 3, CT, tmp_path / "a.dcm")
    ds = pydicom.dcmread(tmp_path / "a.dcm")
    assert ds.file_meta.TransferSyntaxUID == JPEGLSNearLossless
    assert np.abs(ds.pixel_array.astype(int) - pydicom.dcmread(CT).pixel_array).max() == 3
    assert "largest error 3, NEAR 3" in run("verify", tmp_path / "a.dcm", CT).output


@pytest.mark.parametrize(("option", "mode"), [("0", "sample"), ("1", "none")])
def test_planar_configuration(tmp_path, option, mode):
    run("compress", "--planar-configuration", option, RGB, tmp_path / "a.dcm")
    facts = json.loads(run("info", "--json", tmp_path / "a.dcm").output)
    assert facts["first_stream"]["interleave_mode"] == mode
    assert facts["planar_configuration"] == 0
    run("verify", tmp_path / "a.dcm", RGB)


def test_info_of_a_dicom_file(tmp_path):
    run("compress", CT, tmp_path / "a.dcm")
    facts = json.loads(run("info", "--json", tmp_path / "a.dcm").output)
    assert facts["file"] == str(tmp_path / "a.dcm")
    assert facts["transfer_syntax_uid"] == JPEGLSLossless
    assert (facts["rows"], facts["columns"], facts["bits_stored"], facts["frames"]) == (128, 128, 16, 1)
    assert facts["first_stream"]["size"] == facts["streams_size"] < facts["pixel_data_size"] == 14180
    table = run("info", tmp_path / "a.dcm").output
    for text in ("JPEG-LS Lossless", "MONOCHROME2", "first_stream.near_lossless", "14180"):
        assert text in table
    native = json.loads(run("info", "--json", CT).output)
    assert native["transfer_syntax_uid"] == ExplicitVRLittleEndian
    assert "first_stream" not in native


def test_info_of_a_stream():
    facts = json.loads(run("info", "--json", FOLDER / "T8NDE3.JLS").output)
    assert facts["near_lossless"] == 3
    assert facts["preset_coding_parameters"] == {
        "maximum_sample_value": 255,
        "threshold1": 9,
        "threshold2": 9,
        "threshold3": 9,
        "reset_value": 31,
    }
    assert "reset_value 31" in run("info", FOLDER / "T8NDE3.JLS").output


def test_verify_of_streams_and_differences(tmp_path):
    run("verify", FOLDER / "T8C0E3.JLS", FOLDER / "T8C2E0.JLS")
    line = one_line(run("verify", FOLDER / "T8C2E0.JLS", FOLDER / "T8C2E3.JLS", status=ExitStatus.NOT_VERIFIED))
    assert "largest error" in line
    assert "is 3; NEAR is 0" in line
    line = one_line(run("verify", FOLDER / "T16E0.JLS", CT, status=ExitStatus.NOT_VERIFIED))
    assert "shape (256, 256); that of" in line
    damaged = tmp_path / "damaged.jls"
    damaged.write_bytes((FOLDER / "T16E0.JLS").read_bytes()[:-2])
    assert "without an EOI marker" in one_line(run("verify", damaged, status=ExitStatus.NOT_VERIFIED))


def test_an_existing_target_is_kept_without_force(tmp_path):
    target = tmp_path / "a.dcm"
    target.write_bytes(b"precious")
    assert "--force replaces it" in one_line(run("compress", CT, target, status=ExitStatus.TARGET_EXISTS))
    assert target.read_bytes() == b"precious"
    run("compress", "--force", CT, target)
    assert pydicom.dcmread(target).file_meta.TransferSyntaxUID == JPEGLSLossless
    assert [path.name for path in tmp_path.iterdir()] == ["a.dcm"]


def test_a_file_can_be_converted_in_place_with_force(tmp_path):
    target = tmp_path / "a.dcm"
    shutil.copy(CT, target)
    run("compress", "--force", target, target)
    assert np.array_equal(jls.pixel_array(pydicom.dcmread(target)), pydicom.dcmread(CT).pixel_array)


def not_dicom(folder):
    path = folder / "notes.txt"
    path.write_text("not an image")
    return path


def no_pixel_data(_):
    return TEST_FILES / "rtplan.dcm"


def truncated(_):
    return TEST_FILES / "MR_truncated.dcm"


def compressed_otherwise(folder):
    ds = pydicom.dcmread(TEST_FILES / "JPEG2000.dcm")
    ds.file_meta.TransferSyntaxUID = MPEG2MPML
    ds.save_as(folder / "video.dcm")
    return folder / "video.dcm"


def damaged_header(folder):
    path = folder / "damaged.dcm"
    path.write_bytes(CT.read_bytes()[:200] + bytes(50))
    return path


def missing(folder):
    return folder / "nothing-here.dcm"


def already_there(folder):
    run("compress", CT, folder / "there.dcm")
    return folder / "there.dcm"


@pytest.mark.parametrize(
    ("make", "status", "text"),
    [
        (not_dicom, ExitStatus.NOT_CONVERTIBLE, "is no DICOM file"),
        (no_pixel_data, ExitStatus.NOT_CONVERTIBLE, "Pixel Data (7FE0,0010) is absent"),
        (truncated, ExitStatus.NOT_CONVERTIBLE, "it is truncated"),
        (compressed_otherwise, ExitStatus.NOT_CONVERTIBLE, "pydicom cannot decode MPEG2 Main Profile"),
        (damaged_header, ExitStatus.NOT_CONVERTIBLE, "damaged.dcm: "),
        (missing, ExitStatus.FILE_ERROR, "No such file"),
        (already_there, ExitStatus.NOTHING_TO_DO, "its transfer syntax is JPEG-LS Lossless"),
    ],
)
def test_what_cannot_be_compressed_gets_one_line_and_leaves_nothing(tmp_path, make, status, text):
    source = make(tmp_path)
    before = sorted(tmp_path.iterdir())
    line = one_line(run("compress", source, tmp_path / "out.dcm", status=status))
    assert text in line
    assert str(source) in line
    assert sorted(tmp_path.iterdir()) == before


def test_decompressing_native_files_is_nothing_to_do(tmp_path):
    line = one_line(run("decompress", CT, tmp_path / "out.dcm", status=ExitStatus.NOTHING_TO_DO))
    assert "uncompressed already" in line
    assert list(tmp_path.iterdir()) == []


def test_a_target_folder_that_is_missing_is_a_file_error(tmp_path):
    line = one_line(run("compress", CT, tmp_path / "none" / "out.dcm", status=ExitStatus.FILE_ERROR))
    assert "out.dcm: No such file" in line


def test_a_failing_write_leaves_nothing(tmp_path, monkeypatch):
    def no_space(*_args, **_options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", no_space)
    line = one_line(run("compress", CT, tmp_path / "out.dcm", status=ExitStatus.FILE_ERROR))
    assert "No space left on device" in line
    assert list(tmp_path.iterdir()) == []


def test_the_written_file_has_ordinary_permissions(tmp_path):
    mask = os.umask(0o027)
    try:
        run("compress", CT, tmp_path / "out.dcm")
    finally:
        os.umask(mask)
    assert (tmp_path / "out.dcm").stat().st_mode & 0o777 == 0o640


def test_damaged_streams_in_a_dicom_file(tmp_path):
    ds = make_dataset(random_frames((1, 20, 20), 12), bits_stored=12)
    jls.compress(ds)
    ds.PixelData = ds.PixelData.replace(b"\xff\xf7", b"\xff\xc0")
    ds.save_as(tmp_path / "damaged.dcm", enforce_file_format=True)
    line = one_line(run("verify", tmp_path / "damaged.dcm", status=ExitStatus.NOT_VERIFIED))
    assert "frame 0: the frame header is that of another JPEG process" in line
    run("decompress", tmp_path / "damaged.dcm", tmp_path / "out.dcm", status=ExitStatus.NOT_CONVERTIBLE)
    assert [path.name for path in tmp_path.iterdir()] == ["damaged.dcm"]


def test_wrong_usage():
    run("compress", CT, status=ExitStatus.WRONG_USAGE)
    run("compress", "--near-lossless", 256, CT, "x", status=ExitStatus.WRONG_USAGE)


def test_every_exit_status_is_documented():
    text = run("--help").output
    for status in ExitStatus:
        assert f"\n    {status:d}  " in text


def test_the_command_and_the_module_run(tmp_path):
    for command in ([sys.executable, "-m", "dicom_jpegls"], [Path(sys.executable).parent / "dicom-jpegls"]):
        output = subprocess.run([*command, "--version"], capture_output=True, text=True, check=True, cwd=tmp_path)
        assert jls.__version__ in output.stdout


def test_the_commands_are_pydicoms_too(tmp_path):
    pydicom_command = Path(sys.executable).parent / "pydicom"
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
