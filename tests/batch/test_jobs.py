"""One file of a job: its record, and that nothing is ever half-written."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pydicom
import pytest

import dicom_jpegls as jls
from dicom_jpegls import batch
from dicom_jpegls.batch import JOURNAL_NAME, Action, Options, Status
from dicom_jpegls.dicom import CodingOptions
from support.command_line import run_cli
from support.dicom_files import TEST_FILES

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:pydicom")

CT = TEST_FILES / "CT_small.dcm"


# Forks a process for each moment at which it is to be killed: lines of the code that reads, writes and renames.
KILLER = """
import os, pathlib, random, shutil, signal, sys, warnings
warnings.simplefilter("ignore")
from dicom_jpegls.batch import Action, Job, Options, run_job
import pydicom.pixels.encoders, pydicom.pixels.decoders

source, folder, in_place = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), sys.argv[3] == "in-place"

def attempt(moment):
    moment_folder = folder / str(moment)
    moment_folder.mkdir()
    target = moment_folder / "image"
    if in_place:
        shutil.copy2(source, target)
    job = Job(Action.COMPRESS, "image", str(target if in_place else source), str(target), Options())
    lines = 0

    def trace(frame, event, _argument):
        nonlocal lines
        if pathlib.Path(frame.f_code.co_filename).parent.name not in ("batch", "files"):
            return None
        if event == "line":
            lines += 1
            if lines == moment:
                os.kill(os.getpid(), signal.SIGKILL)
        return trace

    sys.settrace(trace)
    run_job(job)
    sys.settrace(None)
    return lines

count = attempt(0)
for moment in [*random.Random(1).sample(range(1, count), 22), *range(count - 25, count)]:
    if not (folder / str(moment)).exists():
        pid = os.fork()
        if pid == 0:
            attempt(moment)
            os._exit(0)
        assert os.WIFSIGNALED(os.waitpid(pid, 0)[1])
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
@pytest.mark.parametrize("mode", ["beside", "in-place"])
def test_killed_at_any_moment_a_file_is_whole_or_not_there(tmp_path, mode):
    source = Path(shutil.copy(TEST_FILES / "MR_small.dcm", tmp_path / "image"))
    (tmp_path / "done").mkdir()
    run_cli("compress", source, tmp_path / "done" / "image")
    jls_bytes = (tmp_path / "done" / "image").read_bytes()
    command = [sys.executable, "-c", KILLER, source, tmp_path / "killed", mode]
    (tmp_path / "killed").mkdir()
    subprocess.run(command, check=True)
    states = set()
    leftovers = 0
    for folder in (tmp_path / "killed").iterdir():
        image = folder / "image"
        states.add(image.read_bytes() if image.exists() else None)
        leftovers += len([path for path in folder.iterdir() if path != image])
        if mode == "in-place":
            summary = batch.transcode([folder], None, workers=1)
        else:
            summary = batch.transcode([source], folder, workers=1)
        # Where only the record was lost, the file exists already, with the same bytes.
        moment = f"killed at line {folder.name}"
        assert summary.failures == [], moment
        assert image.read_bytes() == jls_bytes, moment
        assert sorted(path.name for path in folder.iterdir()) == [JOURNAL_NAME, "image"], moment
    assert states == {source.read_bytes() if mode == "in-place" else None, jls_bytes}
    assert leftovers > 5


def test_jobs_can_be_run_by_anything(tmp_path):
    (job,) = batch.plan([CT], tmp_path, Action.COMPRESS, Options(CodingOptions(near_lossless=3)))
    record = batch.run_job(job)
    assert (record.status, record.statistics.largest_error) == (Status.COMPRESSED, 3)
    assert batch.Record.from_json(record.to_json()) == record


def test_a_wrong_option_is_refused_before_any_file(tmp_path):
    with pytest.raises(jls.ParameterError, match="non_convertible: must be 'copy' or 'skip', found 'coppy'"):
        Options(non_convertible="coppy")
    with pytest.raises(jls.ParameterError, match="near_lossless"):
        batch.transcode([CT], tmp_path / "jls", options=Options(CodingOptions(near_lossless=256)))
    with pytest.raises(jls.ParameterError, match=r"signed_overflow.*clipp"):
        batch.transcode([CT], tmp_path / "jls", options=Options(CodingOptions(signed_overflow="clipp")))
    with pytest.raises(jls.ParameterError, match="workers"):
        batch.transcode([CT], tmp_path / "jls", workers=0)
    assert list(tmp_path.iterdir()) == []


def test_near_that_the_precision_of_a_file_does_not_allow_is_its_failure(tmp_path):
    options = Options(CodingOptions(near_lossless=200, signed_overflow="clip"))
    grey = TEST_FILES / "CT_small.dcm"  # 16 bits
    colour = TEST_FILES / "examples_rgb_color.dcm"  # 8 bits
    palette = TEST_FILES / "examples_palette.dcm"  # not allowed with near-lossless coding
    summary = batch.transcode([grey, colour, palette], tmp_path, options=options, workers=1)
    assert summary.counts == {Status.COMPRESSED: 1, Status.FAILED: 1, Status.COPIED: 1}
    (failed,) = summary.failures
    assert failed.name == colour.name
    assert "near_lossless: 200 is not in the range 0 to 127" in failed.reason
    ((status, reason),) = summary.reasons
    assert status is Status.COPIED
    assert "Photometric Interpretation (0028,0004) is 'PALETTE COLOR'" in reason
    assert not (tmp_path / colour.name).exists()


def test_a_colour_conversion_concerns_colour_images_only(tmp_path):
    options = Options(CodingOptions(photometric_interpretation="YBR_FULL"))
    summary = batch.transcode([CT, TEST_FILES / "examples_rgb_color.dcm"], tmp_path, options=options, workers=1)
    assert summary.counts == {Status.COMPRESSED: 2}
    assert pydicom.dcmread(tmp_path / "examples_rgb_color.dcm").PhotometricInterpretation == "YBR_FULL"
