"""The commands: what they write."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.uid import (
    ExplicitVRLittleEndian,
    JPEGLSLossless,
    JPEGLSNearLossless,
)

import dicom_jpegls as jls
from dicom_jpegls.cli.status import ExitStatus
from support.command_line import one_line, run_cli
from support.conformance import folder
from support.dicom_files import TEST_FILES

CT = TEST_FILES / "CT_small.dcm"


RGB = TEST_FILES / "examples_rgb_color.dcm"


def test_lossless_there_and_back(tmp_path):
    result = run_cli("compress", CT, tmp_path / "a.dcm")
    assert "32768 -> 14180 bytes" in result.output
    compressed = pydicom.dcmread(tmp_path / "a.dcm")
    assert compressed.file_meta.TransferSyntaxUID == JPEGLSLossless
    run_cli("decompress", tmp_path / "a.dcm", tmp_path / "b.dcm")
    native = pydicom.dcmread(tmp_path / "b.dcm")
    assert native.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
    assert native.PixelData == pydicom.dcmread(CT).PixelData
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.dcm", "b.dcm"]


def test_near_lossless(tmp_path):
    run_cli("compress", "--near-lossless", 3, CT, tmp_path / "a.dcm")
    ds = pydicom.dcmread(tmp_path / "a.dcm")
    assert ds.file_meta.TransferSyntaxUID == JPEGLSNearLossless
    assert np.abs(ds.pixel_array.astype(int) - pydicom.dcmread(CT).pixel_array).max() == 3
    assert "largest error 3, NEAR 3" in run_cli("verify", tmp_path / "a.dcm", CT).output


@pytest.mark.parametrize(("option", "mode"), [("0", "sample"), ("1", "none")])
def test_planar_configuration(tmp_path, option, mode):
    run_cli("compress", "--planar-configuration", option, RGB, tmp_path / "a.dcm")
    facts = json.loads(run_cli("info", "--json", tmp_path / "a.dcm").output)
    assert facts["first_stream"]["interleave_mode"] == mode
    assert facts["planar_configuration"] == 0
    run_cli("verify", tmp_path / "a.dcm", RGB)


def test_verify_of_streams_and_differences(tmp_path):
    run_cli("verify", folder() / "T8C0E3.JLS", folder() / "T8C2E0.JLS")
    line = one_line(run_cli("verify", folder() / "T8C2E0.JLS", folder() / "T8C2E3.JLS", status=ExitStatus.NOT_VERIFIED))
    assert "largest error" in line
    assert "is 3; NEAR is 0" in line
    line = one_line(run_cli("verify", folder() / "T16E0.JLS", CT, status=ExitStatus.NOT_VERIFIED))
    assert "shape (256, 256); that of" in line
    damaged = tmp_path / "damaged.jls"
    damaged.write_bytes((folder() / "T16E0.JLS").read_bytes()[:-2])
    assert "without an EOI marker" in one_line(run_cli("verify", damaged, status=ExitStatus.NOT_VERIFIED))


def test_verify_a_stream_after_fill_bytes_against_a_dataset(tmp_path):
    stream = jls.encode(pydicom.dcmread(CT).pixel_array)
    (tmp_path / "ct.jls").write_bytes(b"\xff" * 5 + stream)
    run_cli("verify", tmp_path / "ct.jls", CT)


def test_a_file_can_be_converted_in_place_with_force(tmp_path):
    target = tmp_path / "a.dcm"
    shutil.copy(CT, target)
    run_cli("compress", "--force", target, target)
    assert np.array_equal(jls.pixel_array(pydicom.dcmread(target)), pydicom.dcmread(CT).pixel_array)


def test_the_written_file_has_the_permissions_of_the_source(tmp_path):
    source = Path(shutil.copy(CT, tmp_path / "ct.dcm"))
    source.chmod(0o640)
    run_cli("compress", source, tmp_path / "out.dcm")
    assert (tmp_path / "out.dcm").stat().st_mode & 0o777 == (0o640 if os.name == "posix" else 0o666)


def test_restart_interval(tmp_path):
    for value, expected in (("16", 16), ("auto", None)):
        run_cli("compress", "--restart-interval", value, "--force", CT, tmp_path / "a.dcm")
        facts = json.loads(run_cli("info", "--json", tmp_path / "a.dcm").output)
        assert expected in (None, facts["first_stream"]["restart_interval"])
        run_cli("verify", tmp_path / "a.dcm", CT)
    for value in ("0", "-1", "many", "65536"):
        result = run_cli("compress", "--restart-interval", value, CT, tmp_path / "b.dcm", status=ExitStatus.WRONG_USAGE)
        assert "restart_interval" in result.stderr


def test_environment_variables_set_defaults(tmp_path, monkeypatch):
    monkeypatch.setenv("DICOM_JPEGLS_COMPRESS_NEAR_LOSSLESS", "3")
    monkeypatch.setenv("DICOM_JPEGLS_WORKERS", "1")
    run_cli("compress", CT, tmp_path / "a.dcm")
    assert "NEAR 3" in run_cli("verify", tmp_path / "a.dcm", CT).output
    run_cli("compress", "--near-lossless", 0, CT, tmp_path / "b.dcm")
    assert "NEAR 0" in run_cli("verify", tmp_path / "b.dcm", CT).output
    monkeypatch.setenv("DICOM_JPEGLS_WORKERS", "0")
    run_cli("verify", tmp_path / "b.dcm", status=ExitStatus.WRONG_USAGE)
