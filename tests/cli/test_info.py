"""Descriptions of files, as tables and as JSON."""

import json
import shutil

from pydicom.uid import (
    ExplicitVRLittleEndian,
    JPEGLSLossless,
)

from dicom_jpegls.cli.status import ExitStatus
from support.command_line import run_cli
from support.conformance import folder
from support.dicom_files import TEST_FILES

CT = TEST_FILES / "CT_small.dcm"


def test_info_of_a_dicom_file(tmp_path):
    run_cli("compress", CT, tmp_path / "a.dcm")
    facts = json.loads(run_cli("info", "--json", tmp_path / "a.dcm").output)
    assert facts["file"] == str(tmp_path / "a.dcm")
    assert facts["transfer_syntax_uid"] == JPEGLSLossless
    assert (facts["rows"], facts["columns"], facts["bits_stored"], facts["frame_count"]) == (128, 128, 16, 1)
    assert facts["first_stream"]["size"] == facts["compressed_size"] < facts["pixel_data_size"] == 14180
    table = run_cli("info", tmp_path / "a.dcm").output
    for text in ("JPEG-LS Lossless", "MONOCHROME2", "first_stream.near_lossless", "14180"):
        assert text in table
    native = json.loads(run_cli("info", "--json", CT).output)
    assert native["transfer_syntax_uid"] == ExplicitVRLittleEndian
    assert "first_stream" not in native


def test_info_of_a_stream():
    facts = json.loads(run_cli("info", "--json", folder() / "T8NDE3.JLS").output)
    assert facts["near_lossless"] == 3
    assert facts["preset_coding_parameters"] == {
        "maximum_sample_value": 255,
        "threshold1": 9,
        "threshold2": 9,
        "threshold3": 9,
        "reset_value": 31,
    }
    assert "reset_value 31" in run_cli("info", folder() / "T8NDE3.JLS").output


def test_info_of_many_files(tmp_path):
    (tmp_path / "tree").mkdir()
    shutil.copy(CT, tmp_path / "tree" / "a")
    shutil.copy(TEST_FILES / "JPEGLSNearLossless_08.dcm", tmp_path / "tree" / "b")
    table = run_cli("info", tmp_path / "tree").output
    assert "128 x 128" in table
    facts = [json.loads(line) for line in run_cli("info", "--json", tmp_path / "tree").output.splitlines()]
    assert [fact["rows"] for fact in facts] == [128, 45]
    (tmp_path / "tree" / "c").write_text("no image")
    result = run_cli("info", tmp_path / "tree", status=ExitStatus.SOME_FAILED)
    assert "c: not a DICOM file" in result.stderr
