"""One file of a job: its record, and that nothing is ever half-written."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pydicom
import pytest

import dicom_jpegls as jls
from dicom_jpegls import batch
from dicom_jpegls.batch import JOURNAL_NAME, Action, Options, Status, run_job
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

attempt(0)  # fills caches
count = attempt(-1)
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


def converted(path, folder, **options):
    """Compress a file with these options of a job; return its record and the dataset that was written."""
    (job,) = batch.plan([path], folder, options=Options(**options))
    folder.mkdir(exist_ok=True)
    record = run_job(job)
    return record, pydicom.dcmread(job.target)


def test_lossless_jpegls_becomes_near_lossless_only_if_asked_for(tmp_path):
    _, lossless = converted(CT, tmp_path / "lossless")
    path = tmp_path / "lossless" / CT.name
    near = CodingOptions(near_lossless=2)
    record, ds = converted(path, tmp_path / "passed", coding=near)
    assert (record.status, ds.PixelData) == (Status.PASSED, lossless.PixelData)
    assert record.reason == "its transfer syntax is JPEG-LS Lossless Image Compression already, and stays lossless"
    record, ds = converted(path, tmp_path / "near", coding=near, recode=True)
    assert (record.status, record.near_lossless) == (Status.COMPRESSED, 2)
    assert record.reason == "was lossless JPEG-LS, and was coded again with NEAR 2"
    assert ds.LossyImageCompression == "01"
    errors = np.abs(ds.pixel_array.astype(int) - lossless.pixel_array)
    assert 0 < errors.max() <= 2
    record, again = converted(tmp_path / "near" / CT.name, tmp_path / "again", coding=near, recode=True)
    assert (record.status, again.PixelData) == (Status.PASSED, ds.PixelData)


@pytest.mark.parametrize("form", [{"planar_configuration": 1}, {"restart_interval": 16}])
def test_jpegls_is_brought_into_the_default_form_only_if_asked_for(tmp_path, form):
    source = TEST_FILES / "examples_rgb_color.dcm"
    _, other = converted(source, tmp_path / "other", coding=CodingOptions(**form))
    path = tmp_path / "other" / source.name
    assert converted(path, tmp_path / "passed")[0].status is Status.PASSED
    record, ds = converted(path, tmp_path / "default", recode=True)
    assert (record.status, record.reason) == (Status.COMPRESSED, None)
    assert ds.PixelData == converted(source, tmp_path / "direct")[1].PixelData != other.PixelData
    assert converted(tmp_path / "default" / source.name, tmp_path / "again", recode=True)[0].status is Status.PASSED


def test_failed_files_are_copied_only_if_asked_for(tmp_path):
    (tmp_path / "tree").mkdir()
    path = tmp_path / "tree" / "cut"
    path.write_bytes(CT.read_bytes()[:-5000])
    (job,) = batch.plan([tmp_path / "tree"], tmp_path, options=Options())
    assert run_job(job._replace(target=str(tmp_path / "a"))).status is Status.FAILED
    assert not (tmp_path / "a").exists()
    for _ in range(2):  # as after an interrupt
        record = run_job(job._replace(target=str(tmp_path / "a"), options=Options(copy_failed=True)))
        assert record.status is Status.FAILED
        assert record.reason.endswith("; copied as it is")
        assert (tmp_path / "a").read_bytes() == path.read_bytes()
    (tmp_path / "a").write_text("another file")
    record = run_job(job._replace(target=str(tmp_path / "a"), options=Options(copy_failed=True)))
    assert "; not copied: " in record.reason
    assert (tmp_path / "a").read_text() == "another file"
    in_place = run_job(job._replace(target=job.source, options=Options(copy_failed=True)))
    assert "cop" not in in_place.reason
    assert sorted(os.listdir(tmp_path)) == ["a", "tree"]
