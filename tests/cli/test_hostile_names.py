"""File names and attributes are data: they reach no terminal as they are, are no markup, and stop no job."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import pydicom
import pytest

import dicom_jpegls as jls
from dicom_jpegls.batch import JOURNAL_NAME
from dicom_jpegls.cli.output import json_text, printable
from dicom_jpegls.cli.status import ExitStatus
from support.archive_tree import files_below
from support.command_line import run_cli
from support.dicom_files import TEST_FILES

CT = TEST_FILES / "CT_small.dcm"
HAS_PLOTS = all(map(importlib.util.find_spec, ("matplotlib", "skimage")))

NAMES = ("[b", "left [bold]x.dcm", "左" * 80, "right\u202eto left.dcm")
BROKEN = SHOWN = "bad [x].dcm"
if os.name == "posix":  # Windows allows none of these
    NAMES += (
        r"$\foo{$",
        "[bold]x[link=https:x]y.dcm",
        "line\nbreak\r.dcm",
        "\x1b]0;title\x07\x1b[31m.dcm",
        "n" * 244,
        " -rf ",
    )
    BROKEN, SHOWN = "bad [x]\x1b.dcm", r"bad [x]\x1b.dcm"
if sys.platform == "linux":  # nor the file system of macOS this one
    NAMES += (os.fsdecode(b"not \xff\xfe UTF-8.dcm"),)

# As a folder and a file within it, since no file name has a slash.
CLOSING_TAG = "[/b].dcm"


def make_tree(folder):
    """Write images with hostile names, and for each a file that fails."""
    folder.mkdir()
    for name in NAMES:
        shutil.copy(CT, folder / name)
    (folder / "[").mkdir()
    shutil.copy(CT, folder / "[" / "b].dcm")
    return [*NAMES, CLOSING_TAG]


def check_clean(result):
    """Check that nothing on the terminal is a control character, and that there is no traceback."""
    text = result.stdout + result.stderr
    assert "Traceback" not in text
    assert not [character for character in text if not character.isprintable() and character != "\n"]


def test_text_is_made_printable():
    assert printable("left \x1b[31m\n\u202e \x00") == r"left \x1b[31m\n\u202e \x00"
    assert printable("\udcff") == r"\xff"
    assert printable("左 ä [/b] $x$") == "左 ä [/b] $x$"


@pytest.mark.parametrize("options", [[], ["--json"], ["--quiet"]])
def test_trees_with_hostile_names(tmp_path, options):
    names = make_tree(tmp_path / "tree")
    (tmp_path / "tree" / BROKEN).write_bytes(CT.read_bytes()[:-5000])
    result = run_cli(
        "compress", tmp_path / "tree", tmp_path / "jls", "--workers", 1, *options, status=ExitStatus.SOME_FAILED
    )
    check_clean(result)
    assert set(files_below(tmp_path / "jls")) == set(names)
    if options == ["--json"]:
        records = [json.loads(line) for line in result.stdout.splitlines()]
        assert {record.get("name") for record in records[:-1]} == {*names, BROKEN}
    else:
        assert f"{SHOWN}: " in result.stderr
    again = run_cli("compress", tmp_path / "tree", tmp_path / "jls", "--workers", 1, status=ExitStatus.SOME_FAILED)
    assert f"{len(names)} done before" in again.output
    for arguments in (
        ["verify", tmp_path / "jls"],
        ["info", tmp_path / "jls"],
        ["info", "--json", tmp_path / "jls"],
        ["decompress", tmp_path / "jls", tmp_path / "native"],
    ):
        check_clean(run_cli(*arguments))
    assert set(files_below(tmp_path / "native")) == set(names)
    (tmp_path / "jls" / "[" / "b].dcm").unlink()
    missing = run_cli("verify", tmp_path / "jls", *options, status=ExitStatus.SOME_FAILED)
    check_clean(missing)
    assert (CLOSING_TAG if options == ["--json"] else str(Path(CLOSING_TAG))) in missing.output


@pytest.mark.parametrize("name", [*NAMES, CLOSING_TAG])
def test_each_command_on_one_file(tmp_path, name):
    source = tmp_path / name
    source.parent.mkdir(exist_ok=True)
    shutil.copy(CT, source)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # glyphs that a font does not have
        warnings.filterwarnings("ignore", "`skimage.metrics.structural_similarity` is deprecated")  # see pyproject.toml
        for arguments in (
            ["compress", source, tmp_path / "a.dcm"],
            ["compress", source, tmp_path / "folder/"],
            ["verify", source, tmp_path / "a.dcm"],
            ["info", source],
            ["info", "--json", source],
            ["explore", source, "--near-lossless", "0,3", "--output", tmp_path / "a.png"],
            ["compare", source, tmp_path / "a.dcm", "--output", tmp_path / "b.png"],
        ):
            if HAS_PLOTS or arguments[0] not in ("explore", "compare"):
                check_clean(run_cli(*arguments))
    check_clean(run_cli("compress", source, tmp_path / "a.dcm", status=ExitStatus.TARGET_EXISTS))
    check_clean(run_cli("decompress", source, tmp_path / "c.dcm", status=ExitStatus.NOTHING_TO_DO))
    check_clean(run_cli("compress", source, source, source, status=ExitStatus.WRONG_USAGE))
    check_clean(run_cli("info", f"{source}x"[-240:], status=ExitStatus.FILE_ERROR))


def test_a_terminal_without_the_characters_gets_escapes(tmp_path):
    shutil.copy(CT, tmp_path / "左.dcm")
    result = subprocess.run(
        [sys.executable, "-m", "dicom_jpegls", "info", tmp_path],
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        check=True,
    )
    assert rb"\u5de6.dcm" in result.stdout


def hostile_attributes(path, **changes):
    ds = pydicom.dcmread(CT)
    for keyword, value in changes.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            setattr(ds, keyword, value)
    ds.save_as(path)
    return path


@pytest.mark.parametrize(
    "changes",
    [
        {"PhotometricInterpretation": "[/x]\x1b[31m"},
        {"PhotometricInterpretation": ["MONOCHROME2", "[link=x]"]},
        {"Rows": [128, 129]},
        {"NumberOfFrames": [1, 2]},
        {"BitsStored": None},
    ],
)
def test_hostile_attributes(tmp_path, changes):
    (tmp_path / "tree").mkdir()
    hostile_attributes(tmp_path / "tree" / "a.dcm", **changes)
    shutil.copy(CT, tmp_path / "tree" / "b.dcm")
    for options in ([], ["--json"]):
        result = run_cli("info", *options, tmp_path / "tree")
        check_clean(result)
        assert "b.dcm" in result.stdout
        single = run_cli("info", *options, tmp_path / "tree" / "a.dcm")
        check_clean(single)
        if options:
            assert [json.loads(line)["file"][-5:] for line in result.stdout.splitlines()] == ["a.dcm", "b.dcm"]
            assert json.loads(single.stdout)["columns"] == 128


def test_json_is_json_whatever_it_holds():
    values = {"a": b"\xff", "b": float("nan"), "c": {1: {2, 1}}, "d": pydicom.multival.MultiValue(str, "xy"), "e": None}
    assert json.loads(json_text(values)) == {"a": "ff", "b": "nan", "c": {"1": "{1, 2}"}, "d": ["x", "y"], "e": None}


def test_comments_of_a_stream(tmp_path):
    stream = jls.encode(pydicom.dcmread(CT).pixel_array.astype("u2"), bits_per_sample=16)
    comment = b"[/b]\x1b[31m[link=x]"
    path = tmp_path / "a.jls"
    path.write_bytes(stream[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment + stream[2:])
    result = run_cli("info", path)
    check_clean(result)
    assert r"[/b]" in result.stdout
    assert json.loads(run_cli("info", "--json", path).stdout)["comments"] == [comment.decode()]


@pytest.mark.skipif(sys.platform != "linux", reason="needs paths of 4096 bytes, and folders made below open ones")
def test_deep_folders(tmp_path):
    """Deeper than Python's stack; the path is still shorter than the system's limit."""
    folder = tmp_path / "tree"
    folder.mkdir()
    shutil.copy(CT, folder / "top.dcm")
    depth = 1500
    handle = os.open(folder, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir("d", dir_fd=handle)
        inner = os.open("d", os.O_RDONLY, dir_fd=handle)
        os.close(handle)
        handle = inner
    with open(os.open("deep.dcm", os.O_WRONLY | os.O_CREAT, dir_fd=handle), "wb") as file:
        file.write(CT.read_bytes())
    os.close(handle)
    try:
        check_clean(run_cli("compress", folder, tmp_path / "jls", "--workers", 1))
        assert pydicom.dcmread(tmp_path / "jls" / ("d/" * depth) / "deep.dcm").Rows == 128
        assert "2 compared with the records" in " ".join(
            run_cli("verify", tmp_path / "jls", "--workers", 1).output.replace("│", " ").split()
        )
        check_clean(run_cli("info", tmp_path / "jls"))
        assert (tmp_path / "jls" / JOURNAL_NAME).read_text().count("\n") == 2
    finally:
        subprocess.run(["rm", "-rf", folder, tmp_path / "jls"], check=True)
