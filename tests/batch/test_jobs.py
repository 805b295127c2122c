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
from dicom_jpegls.batch import JOURNAL_NAME, Action, Job, Options, Status
from dicom_jpegls.batch import jobs as jobs_module
from dicom_jpegls.dicom import CodingOptions
from support.command_line import run_cli
from support.dicom_files import TEST_FILES, make_dataset, random_frames
from support.single_files import written

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


def encoded_in_ranges(pixels, folder, monkeypatch, **options):
    """Encode the frames of a file in ranges; return the job and the results."""
    monkeypatch.setattr(jobs_module, "FRAME_RANGE_SIZE", 3 * pixels[0].nbytes)
    source = written(make_dataset(pixels, bits_stored=12), folder / "native.dcm")
    coding = CodingOptions(lossy_attributes=False, **options)
    job = Job(Action.COMPRESS, "a", str(source), str(folder / "a"), Options(coding))
    ranges = jobs_module.frame_ranges(job, 4)
    assert [frame_range[:2] for frame_range in ranges] == [(0, 3), (3, 7), (7, 11)]
    return job, [jobs_module.encode_frame_range(job, *frame_range) for frame_range in ranges]


@pytest.mark.parametrize("near_lossless", [0, 2])
@pytest.mark.parametrize("signed", [False, True])
def test_frames_encoded_in_ranges_make_the_same_file(tmp_path, monkeypatch, signed, near_lossless):
    pixels = random_frames((11, 40, 30), 12, signed=signed)
    if signed:
        pixels &= 0xFFF  # the sign is not extended over the unused bits
    job, encoded = encoded_in_ranges(pixels, tmp_path, monkeypatch, near_lossless=near_lossless, signed_overflow="clip")
    joined = jobs_module.join_frame_ranges(job, encoded)
    whole = batch.run_job(job._replace(target=str(tmp_path / "whole")))
    assert (joined.status, whole.status) == (Status.COMPRESSED, Status.COMPRESSED)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "whole").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "native.dcm", "whole"]
    assert joined.statistics == whole.statistics
    assert joined.statistics.largest_error == near_lossless
    assert joined.pixels_sha256_before == whole.pixels_sha256_before
    assert joined.pixels_sha256_after == whole.pixels_sha256_after


def test_a_damaged_frame_range_is_not_put_into_the_file(tmp_path, monkeypatch):
    job, encoded = encoded_in_ranges(random_frames((11, 40, 30), 12), tmp_path, monkeypatch)
    path = Path(encoded[1].path)
    data = bytearray(path.read_bytes())
    data[-20] ^= 1
    path.write_bytes(data)
    record = jobs_module.join_frame_ranges(job, encoded)
    assert record.status is Status.FAILED
    assert "reads back differently from what was written" in record.reason
    assert [path.name for path in tmp_path.iterdir()] == ["native.dcm"]


def test_a_missing_frame_range_is_encoded_again(tmp_path, monkeypatch):
    job, encoded = encoded_in_ranges(random_frames((11, 40, 30), 12), tmp_path, monkeypatch)
    Path(encoded[1].path).unlink()
    assert jobs_module.join_frame_ranges(job, encoded).status is Status.COMPRESSED
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "native.dcm"]


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
