"""Verification: an archive for which the originals can be deleted, and every kind of damage to it found."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.pixels.utils import pixel_array as native_pixel_array
from pydicom.uid import ExplicitVRLittleEndian, JPEGLSNearLossless

import dicom_jpegls as jls
from dicom_jpegls import batch
from dicom_jpegls.batch import JOURNAL_NAME, Action, Options, Selection, Status
from dicom_jpegls.cli.status import ExitStatus
from dicom_jpegls.dicom import CodingOptions
from support.archive_tree import files_below, is_native_image, make_tree, records_of
from support.command_line import run_cli
from support.dicom_files import TEST_FILES, little_endian, make_dataset, random_frames
from support.links import make_link
from support.single_files import written

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:pydicom")

CT = TEST_FILES / "CT_small.dcm"


def test_the_drill_of_an_operator(tmp_path):
    """Compress a tree, verify it, delete the originals, decompress the archive, and compare with a backup."""
    original = tmp_path / "original"
    make_tree(original, 62, 0)
    backup = shutil.copytree(original, tmp_path / "backup")
    count = len(files_below(original))
    run_cli("compress", original, tmp_path / "archive", "--workers", 2)
    output = " ".join(
        run_cli("verify", tmp_path / "archive", original, "--workers", 2).output.replace("│", " ").split()
    )
    assert f"{count} compared with the reference" in output
    assert f"{count} compared with the records" in output
    assert "failed" not in output.replace(", 0 failed, ", "")  # of progress, which a slow machine shows
    shutil.rmtree(original)
    run_cli("decompress", tmp_path / "archive", tmp_path / "restored", "--workers", 2)
    restored = files_below(tmp_path / "restored")
    assert set(restored) == set(files_below(backup))
    kinds = {"copied": 0, "same samples": 0}
    for name, path in restored.items():
        if path.read_bytes() == (backup / name).read_bytes():
            kinds["copied"] += 1
            continue
        kinds["same samples"] += 1
        before, after = pydicom.dcmread(backup / name), pydicom.dcmread(path)
        expected = native_pixel_array(before, raw=True) if is_native_image(backup / name) else jls_samples(before)
        np.testing.assert_array_equal(native_pixel_array(after, raw=True), expected, err_msg=name)
        assert before.get("PatientName") == after.get("PatientName"), name
        assert before.SOPInstanceUID == after.SOPInstanceUID, name
    assert min(kinds.values()) > 5, kinds
    run_cli("verify", tmp_path / "restored", "--workers", 2)


def jls_samples(ds):
    is_jls = ds.file_meta.TransferSyntaxUID in pydicom.uid.JPEGLSTransferSyntaxes
    return jls.pixel_array(ds) if is_jls else native_pixel_array(ds, raw=True)


# An archive for damage: an image to each hand, a copied text, a copied dataset, and one that was passed through.
TEXT, PLAN, IMAGE, OTHER, PASSED = "1/readme.txt", "1/plan.dcm", "1/ct.dcm", "2/mr.dcm", "2/passed.dcm"


@pytest.fixture(scope="module")
def pristine(tmp_path_factory):
    """A tree, and its archive."""
    folder = tmp_path_factory.mktemp("drill")
    for name in ("1", "2"):
        (folder / "tree" / name).mkdir(parents=True)
    (folder / "tree" / TEXT).write_text("A text that is no image.\n" * 20)
    for name, file in ((PLAN, "rtplan.dcm"), (IMAGE, "CT_small.dcm"), (OTHER, "MR_small.dcm")):
        shutil.copy(TEST_FILES / file, folder / "tree" / name)
    shutil.copy(TEST_FILES / "MR_small_jpeg_ls_lossless.dcm", folder / "tree" / PASSED)
    batch.transcode([folder / "tree"], folder / "archive", workers=1)
    return folder


def edit(name, change):
    """Return a kind of damage: change the bytes of a file."""

    def damage(archive):
        path = archive / name
        data = bytearray(path.read_bytes())
        data = change(data) or data
        path.write_bytes(data)

    return name, damage


def edit_dataset(name, change):
    """Return a kind of damage: change a dataset and write it again."""

    def damage(archive):
        ds = pydicom.dcmread(archive / name)
        change(ds)
        ds.save_as(archive / name)

    return name, damage


def flip(position):
    def change(data):
        data[position] ^= 1

    return change


def in_middle_of_pixels(data):
    data[len(data) - 3000] ^= 0x10


def replace(old, new):
    assert len(old) == len(new)
    return lambda data: data.replace(old, new, 1) if old in data else pytest.fail(f"{old!r} is absent")


def recode(change, **options):
    def apply(ds):
        pixels = jls.pixel_array(ds).copy()
        change(pixels)
        ds.PixelData = little_endian(pixels)
        ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        ds["PixelData"].is_undefined_length = False
        jls.compress(ds, **options)

    return apply


def one_sample(pixels):
    pixels[17, 23] ^= 1


def nothing(_):
    pass


def swap(archive):
    (archive / "third").write_bytes((archive / IMAGE).read_bytes())
    (archive / IMAGE).write_bytes((archive / OTHER).read_bytes())
    (archive / OTHER).write_bytes((archive / "third").read_bytes())
    (archive / "third").unlink()


def become_link(archive):
    (archive / IMAGE).rename(archive / "moved")
    make_link(archive / IMAGE, "../moved")


def become_folder(archive):
    (archive / IMAGE).unlink()
    (archive / IMAGE).mkdir()


def become_fifo(archive):
    (archive / OTHER).unlink()
    os.mkfifo(archive / OTHER)


def become_native(archive):
    batch.transcode([archive / IMAGE], archive / "native", Action.DECOMPRESS, workers=1)
    (archive / "native" / "ct.dcm").replace(archive / IMAGE)
    shutil.rmtree(archive / "native")


DAMAGE = {
    "missing image": (IMAGE, lambda archive: (archive / IMAGE).unlink()),
    "missing copy": (TEXT, lambda archive: (archive / TEXT).unlink()),
    "missing folder": (PASSED, lambda archive: shutil.rmtree(archive / "2")),
    "renamed": (IMAGE, lambda archive: (archive / IMAGE).rename(archive / "1" / "CT.DCM")),
    "emptied image": edit(IMAGE, lambda data: data.clear()),
    "emptied copy": edit(TEXT, lambda data: data.clear()),
    "cut by a byte": edit(IMAGE, lambda data: data.pop() and None),
    "cut in the middle": edit(OTHER, lambda data: data[: len(data) // 2]),
    "bytes appended": edit(IMAGE, lambda data: data.extend(b"\0\0")),
    "zeros at the end": edit(IMAGE, lambda data: data[:-600] + bytes(600)),
    "all zeros": edit(OTHER, lambda data: bytes(len(data))),
    "bit in the preamble": edit(IMAGE, flip(5)),
    "lost preamble": edit(IMAGE, lambda data: data[132:]),
    "DICM lost": edit(IMAGE, lambda data: data[:128] + b"DICX" + data[132:]),
    "bit in the pixels": edit(IMAGE, in_middle_of_pixels),
    "bit in a copy": edit(PLAN, flip(1000)),
    "letter in a text": edit(TEXT, replace(b"text", b"test")),
    "other patient": edit(IMAGE, replace(b"CompressedSamples^CT1", b"CompressedSamples^CT2")),
    "other patient in a file that was passed through": edit(
        PASSED, replace(b"CompressedSamples^MR1", b"Compressedsamples^MR1")
    ),
    "attribute deleted": edit_dataset(IMAGE, lambda ds: ds.__delattr__("PatientID")),
    "attribute added": edit_dataset(IMAGE, lambda ds: ds.__setattr__("PatientComments", "hello")),
    "other instance": edit_dataset(OTHER, lambda ds: ds.__setattr__("SOPInstanceUID", "1.2.3")),
    "sample changed, coded again": edit_dataset(IMAGE, recode(one_sample)),
    "near-lossless": edit_dataset(IMAGE, recode(nothing, near_lossless=2)),
    "native again": (IMAGE, become_native),
    "swapped": (IMAGE, swap),
    "a link": (IMAGE, become_link),
    "a folder": (IMAGE, become_folder),
    "a FIFO": (OTHER, become_fifo),
}

# The reference cannot know these: the samples and attributes are those of the original.
RECORDS_ONLY = {"native again", "near-lossless", "bytes appended"}


@pytest.mark.skipif(os.name != "posix", reason="links and FIFOs")
@pytest.mark.parametrize("kind", DAMAGE)
@pytest.mark.parametrize("against", ["records", "reference"])
def test_each_kind_of_damage_is_found(tmp_path, pristine, kind, against):
    if against == "reference" and kind in RECORDS_ONLY:
        return
    archive = shutil.copytree(pristine / "archive", tmp_path / "archive", copy_function=shutil.copy2)
    arguments = [archive]
    if against == "reference":
        (archive / JOURNAL_NAME).unlink()
        arguments.append(pristine / "tree")
    run_cli("verify", *arguments, "--workers", 1)
    name, damage = DAMAGE[kind]
    damage(archive)
    result = run_cli("verify", *arguments, "--workers", 1, status=ExitStatus.SOME_FAILED)
    named = [line for line in result.stderr.splitlines() if line.startswith(f"{archive / name}: ")]
    assert len(named) == 1, result.output
    others = {"swapped": 2, "missing folder": 2, "renamed": 1 + (against == "reference")}
    others = (others | {"a link": 1 + (against == "reference")}).get(kind, 1)
    assert len(result.stderr.splitlines()) == others, result.output
    assert "Traceback" not in result.output


def test_near_lossless_in_place_of_lossless_is_no_damage_to_a_reference(tmp_path, pristine):
    """NEAR of the streams is allowed, and the loss is recorded in the attributes."""
    target = tmp_path / "near.dcm"
    run_cli("compress", "--near-lossless", 3, pristine / "tree" / IMAGE, target)
    assert "largest error 3, NEAR 3" in run_cli("verify", target, pristine / "tree" / IMAGE).output
    assert pydicom.dcmread(target).file_meta.TransferSyntaxUID == JPEGLSNearLossless


@pytest.mark.parametrize("damaged", [False, True])
def test_the_records_are_found_from_anywhere(tmp_path, pristine, monkeypatch, damaged):
    archive = shutil.copytree(pristine / "archive", tmp_path / "moved", copy_function=shutil.copy2)
    make_link(tmp_path / "link", "moved")
    (tmp_path / "deep" / "er").mkdir(parents=True)
    if damaged:
        in_place = archive / IMAGE
        in_place.write_bytes(in_place.read_bytes().replace(b"^CT1", b"^CT2"))
    status = ExitStatus.SUCCESS
    for folder, sources in (
        (tmp_path, ["moved", "./moved/", "link", "moved/1", "link/1", archive, archive / "1", "moved/1/*.dcm", "."]),
        (archive, [".", "1", "../moved", "1/../1"]),
        (archive / "1", [".", "..", "*.dcm"]),
        (tmp_path / "deep" / "er", ["../../moved", "../../link/1"]),
    ):
        monkeypatch.chdir(folder)
        for source in sources:
            status = ExitStatus.SOME_FAILED if damaged else ExitStatus.SUCCESS
            result = run_cli("verify", source, "--workers", 1, status=status)
            assert "compared with the records" in result.stdout, (folder, source)
            assert "only decoded" not in result.stdout, (folder, source)
            assert ("is not the file that was recorded" in result.stderr) == damaged, (folder, source)
    for single in ("moved/1/ct.dcm", "link/1/ct.dcm", archive / IMAGE):
        monkeypatch.chdir(tmp_path)
        status = ExitStatus.NOT_VERIFIED if damaged else ExitStatus.SUCCESS
        assert ("is as recorded" in run_cli("verify", single, status=status).stdout) != damaged


def test_missing_files_are_found_from_below_and_above(tmp_path, pristine):
    for name in ("x", "y"):
        shutil.copytree(pristine / "archive", tmp_path / "all" / name, copy_function=shutil.copy2)
    shutil.rmtree(tmp_path / "all" / "x" / "1")
    for path in (tmp_path / "all" / "y").iterdir():
        if path.is_dir():
            shutil.rmtree(path)
    result = run_cli("verify", tmp_path / "all", "--workers", 1, status=ExitStatus.SOME_FAILED)
    paths = [Path(line.rpartition(": ")[0]) for line in result.stderr.splitlines()]
    missing = {path.relative_to(tmp_path / "all").as_posix() for path in paths}
    assert missing == {f"x/{name}" for name in (TEXT, PLAN, IMAGE)} | {
        f"y/{name}" for name in (TEXT, PLAN, IMAGE, OTHER, PASSED)
    }
    result = run_cli("verify", tmp_path / "all" / "x" / "2", "--workers", 1)
    assert "compared with the records" in result.stdout
    result = run_cli("verify", tmp_path / "all" / "x", "--exclude", "1", "--workers", 1)
    assert result.stderr == ""


def test_records_in_another_place(tmp_path, pristine):
    tree, records = pristine / "tree", tmp_path / "records"
    batch.transcode([tree], tmp_path / "a", records=records, workers=1)
    options = Options(CodingOptions(near_lossless=1))
    batch.transcode([tree], tmp_path / "b", records=records, options=options, workers=1)
    for source in (tmp_path / "a", tmp_path / "b", tmp_path / "a" / "1"):
        result = run_cli("verify", source, "--records", records, "--workers", 1)
        assert "only decoded" not in result.stdout, source
    assert "only decoded" in run_cli("verify", tmp_path / "a", "--workers", 1).stdout
    (tmp_path / "a" / TEXT).unlink()
    result = run_cli("verify", tmp_path / "a", "--records", records, "--workers", 1, status=ExitStatus.SOME_FAILED)
    assert "readme.txt: is missing" in result.stderr
    # Moved, with a journal of this tree only.
    lines = records.read_text().splitlines()
    records.write_text(
        "".join(line + "\n" for line in lines if tmp_path / "b" in Path(json.loads(line)["target"]).parents)
    )
    (tmp_path / "b").rename(tmp_path / "c")
    assert "only decoded" not in run_cli("verify", tmp_path / "c", "--records", records, "--workers", 1).stdout
    run_cli("verify", tmp_path / "c", "--records", tmp_path / "none", status=ExitStatus.FILE_ERROR)


def test_what_the_options_changed_is_known(tmp_path):
    """Cleared bits and clipped samples are counted, and no others are accepted."""
    pixels = random_frames((2, 30, 30), 12)
    pixels[0, :3, :4] |= 0x4000
    (tmp_path / "tree").mkdir()
    written(make_dataset(pixels, bits_stored=12), tmp_path / "tree" / "unused.dcm")
    signed = random_frames((1, 30, 30), 12, signed=True)
    signed[0, :3, :5] = 2047
    written(make_dataset(signed, bits_stored=12), tmp_path / "tree" / "signed.dcm")
    options = ["--unused-bits", "clear", "--signed-overflow", "clip", "--near-lossless", 8]
    result = run_cli("compress", *options, tmp_path / "tree", tmp_path / "jls", "--workers", 1)
    assert "12 sample(s) with bits above Bits Stored cleared" in result.stdout
    assert "15 signed sample(s) clipped" in result.stdout
    records = {record["name"]: record for record in records_of(tmp_path / "jls")}
    assert (records["unused.dcm"]["cleared_samples"], records["signed.dcm"]["clipped_samples"]) == (12, 15)
    result = run_cli("verify", tmp_path / "jls", tmp_path / "tree", "--workers", 1)
    assert "12 sample(s) with bits above Bits Stored cleared" in result.stdout
    assert "15 signed sample(s) clipped" in result.stdout
    summary = json.loads(run_cli("verify", tmp_path / "jls", tmp_path / "tree", "--json").stdout.splitlines()[-1])
    assert (summary["summary"]["cleared_samples"], summary["summary"]["clipped_samples"]) == (12, 15)

    # More samples of the reference than were recorded.
    other = shutil.copytree(tmp_path / "tree", tmp_path / "other")
    pixels[1, 0, 0] |= 0x4000
    written(make_dataset(pixels, bits_stored=12), other / "unused.dcm")
    result = run_cli("verify", tmp_path / "jls", other, "--workers", 1, status=ExitStatus.SOME_FAILED)
    assert "13 samples lost bits above Bits Stored; 12 were recorded" in result.stderr

    # Without the journal, the options say what is allowed.
    (tmp_path / "jls" / JOURNAL_NAME).unlink()
    run_cli("verify", tmp_path / "jls", tmp_path / "tree", "--workers", 1, status=ExitStatus.SOME_FAILED)
    run_cli("verify", *options[:4], tmp_path / "jls", tmp_path / "tree", "--workers", 1)
    for name in ("unused.dcm", "signed.dcm"):
        run_cli("verify", *options[:4], tmp_path / "jls" / name, tmp_path / "tree" / name)


def test_links_of_a_reference_have_no_counterpart(tmp_path, pristine):
    tree = shutil.copytree(pristine / "tree", tmp_path / "tree")
    make_link(tree / "link", "1/ct.dcm")
    run_cli("verify", pristine / "archive", tree, "--workers", 1)
    shutil.copy(CT, tree / "new")
    result = run_cli("verify", pristine / "archive", tree, "--workers", 1, status=ExitStatus.SOME_FAILED)
    assert "is missing; " in result.stderr
    assert "new has no counterpart" in result.stderr
    selection = Selection(exclude=("new",))
    summary = batch.transcode([pristine / "archive"], tree, Action.VERIFY, selection=selection, workers=1)
    assert summary.counts == {Status.VERIFIED: 5}
    assert summary.compared == {"reference": 5, "records": 5}


def test_in_place_files_that_were_kept_are_recorded(tmp_path, pristine):
    tree = Path(shutil.copytree(pristine / "tree", tmp_path / "tree"))
    run_cli("compress", "--in-place", tree, "--workers", 1)
    assert "only decoded" not in run_cli("verify", tree, "--workers", 1).stdout
    (tree / TEXT).write_text("other")
    (tree / PLAN).unlink()
    result = run_cli("verify", tree, "--workers", 1, status=ExitStatus.SOME_FAILED)
    assert len(result.stderr.splitlines()) == 2


def test_a_bare_stream_is_no_copy_of_a_dataset(tmp_path, pristine):
    archive = shutil.copytree(pristine / "archive", tmp_path / "archive")
    (archive / JOURNAL_NAME).unlink()
    ds = pydicom.dcmread(archive / IMAGE)
    (archive / IMAGE).write_bytes(next(pydicom.encaps.generate_frames(ds.PixelData, number_of_frames=1)))
    result = run_cli("verify", archive, pristine / "tree", "--workers", 1, status=ExitStatus.SOME_FAILED)
    assert "ct.dcm: its preamble, or DICM after it, is not that of" in result.stderr
