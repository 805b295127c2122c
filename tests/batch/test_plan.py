"""Finding files by folders, patterns and lists, and choosing their targets."""

import contextlib
import os
import re
import shutil
import time
from collections import Counter
from pathlib import Path

import pytest

from dicom_jpegls import batch
from dicom_jpegls.batch import JOURNAL_NAME, Action, Found, Job, Plan, PlanError, Selection, Status
from dicom_jpegls.batch.plan import iterate_files
from dicom_jpegls.cli.status import ExitStatus
from support.archive_tree import files_below
from support.command_line import run_cli
from support.dicom_files import TEST_FILES
from support.links import make_link

CT = TEST_FILES / "CT_small.dcm"


def make_files(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(CT, folder / name)
    return folder


def names_of(sources, **options):
    return {file.name for file in batch.find_files(sources, Selection(**options))}


def test_sources_patterns_and_names(tmp_path):
    make_files(tmp_path, "x/1/a.dcm", "x/2/a.dcm", "x/2/b.txt", "x/2/.hidden")
    assert names_of([tmp_path / "x"]) == {"1/a.dcm", "2/a.dcm", "2/b.txt", "2/.hidden"}
    assert names_of([f"{tmp_path}/x/**/*.dcm"]) == {"1/a.dcm", "2/a.dcm"}
    assert names_of([f"{tmp_path}/x/**"]) == {"1/a.dcm", "2/a.dcm", "2/b.txt", "2/.hidden"}
    assert names_of([f"{tmp_path}/*/2/?.txt"]) == {"x/2/b.txt"}
    assert names_of([f"{tmp_path}/x/[12]/a*"]) == {"1/a.dcm", "2/a.dcm"}
    for pattern in ("*.nothing", "x/*.dcm", "none/*"):
        with pytest.raises(FileNotFoundError, match="No file matches"):
            batch.find_files([f"{tmp_path}/{pattern}"])
    with pytest.raises(PlanError, match=r"would both be written to .*: pass their common parent directory"):
        batch.plan([tmp_path / "x/1", tmp_path / "x/2"], tmp_path / "out")
    # A target inside the source is no source.
    batch.transcode([tmp_path], tmp_path / "out", workers=1)
    assert batch.transcode([tmp_path], tmp_path / "out", workers=1).done_before == 4


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"include": ("*.dcm",)}, {"1/a.dcm", "2/a.dcm", "2/b.DCM.dcm"}),
        ({"exclude": ("*.dcm",)}, {"2/notes", "3/deep/notes"}),
        ({"include": ("2",)}, {"2/a.dcm", "2/b.DCM.dcm", "2/notes"}),
        ({"include": ("2/*",), "exclude": ("notes",)}, {"2/a.dcm", "2/b.DCM.dcm"}),
        ({"exclude": ("3/",)}, {"1/a.dcm", "2/a.dcm", "2/b.DCM.dcm", "2/notes"}),
        ({"include": ("**/deep/**",)}, {"3/deep/notes"}),
        ({"include": ("deep/*",)}, set()),
        ({"include": ("[13]/**",)}, {"1/a.dcm", "3/deep/notes"}),
        ({"include": ("1/?.dcm", "notes")}, {"1/a.dcm", "2/notes", "3/deep/notes"}),
    ],
)
def test_include_and_exclude(tmp_path, options, expected):
    make_files(tmp_path, "1/a.dcm", "2/a.dcm", "2/b.DCM.dcm", "2/notes", "3/deep/notes")
    assert names_of([tmp_path], **options) == expected
    arguments = [part for name, patterns in options.items() for value in patterns for part in (f"--{name}", value)]
    if expected:
        run_cli("compress", *arguments, tmp_path, tmp_path / "jls", "--workers", 1)
        assert set(files_below(tmp_path / "jls")) == expected
        run_cli("verify", *arguments, tmp_path / "jls", tmp_path, "--exclude", "jls", "--workers", 1)


def test_patterns_take_no_exponential_time():
    start = time.monotonic()
    assert not Selection(include=("**/a/" * 40 + "**/c",)).has("a/" * 500 + "b")
    assert time.monotonic() - start < 20


def test_excluded_folders_are_not_looked_at(tmp_path, monkeypatch):
    make_files(tmp_path, "a/1", "b/1")
    scanned = []
    scandir = os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: (scanned.append(os.fspath(path)), scandir(path))[1])
    assert names_of([tmp_path], exclude=("b",)) == {"a/1"}
    assert str(tmp_path / "b") not in scanned


@pytest.mark.parametrize("null", [False, True])
def test_files_from_a_list(tmp_path, monkeypatch, null):
    make_files(tmp_path / "tree", "1/a b", "2/ä", "3/c")
    monkeypatch.chdir(tmp_path)
    separator = "\0" if null else "\n"
    names = separator.join(["1/a b", str(tmp_path / "tree/2/ä"), "./none", "3", ""])
    (tmp_path / "list").write_text(names, encoding="utf-8")
    arguments = ["--files-from", "list", *(["-0"] if null else []), "tree", "jls", "--workers", 1]
    result = run_cli("compress", *arguments, status=ExitStatus.SOME_FAILED)
    assert f"{Path('tree/none')}: No such file or directory" in result.stderr
    assert f"{Path('tree/3')}: is a folder; a list must name files" in result.stderr
    assert set(files_below(tmp_path / "jls")) == {"1/a b", "2/ä"}
    (tmp_path / "list").write_text(separator.join(["tree/1/a b", "tree/3/c"]))
    run_cli("compress", "--files-from", "list", *(["-0"] if null else []), "jls2", "--workers", 1)
    assert set(files_below(tmp_path / "jls2")) == {"tree/1/a b", "tree/3/c"}
    run_cli("verify", "--files-from", "list", *(["-0"] if null else []), "jls2", "--workers", 1)


def test_a_list_in_another_encoding_is_refused(tmp_path, monkeypatch):
    """Where names are text, as on Windows: programs there begin a list with a byte order mark, or write UTF-16."""
    monkeypatch.setattr(os, "fsdecode", lambda name: name.decode("utf-8"))
    make_files(tmp_path / "tree", "ä", "b")
    names = tmp_path / "list"
    names.write_text("ä\r\nb\r\n", encoding="utf-8-sig", newline="")
    run_cli("compress", "--files-from", names, tmp_path / "tree", tmp_path / "jls", "--workers", 1)
    assert set(files_below(tmp_path / "jls")) == {"ä", "b"}
    for encoding in ("cp1252", "utf-16"):
        names.write_text("ä\nb\n", encoding=encoding)
        arguments = ["--files-from", names, tmp_path / "tree", tmp_path / encoding]
        result = run_cli("compress", *arguments, status=ExitStatus.WRONG_USAGE)
        assert re.sub(r"\s+", " ", result.stderr).count("must be in UTF-8") == 1
        assert not (tmp_path / encoding).exists()


@pytest.mark.parametrize("name", ["../outside", "/etc/passwd", "a/../../outside", ".", "tree/.."])
def test_a_list_stays_within_its_folder(tmp_path, name):
    make_files(tmp_path, "tree/a", "outside")
    with pytest.raises(PlanError, match="is not below"):
        batch.find_files([tmp_path / "tree"], Selection(files=(name,)))


def test_a_list_needs_one_folder(tmp_path):
    make_files(tmp_path, "a/1", "b/1")
    for sources in ([tmp_path / "a", tmp_path / "b"], [tmp_path / "a" / "1"]):
        with pytest.raises(PlanError, match="needs one folder"):
            batch.find_files(sources, Selection(files=("1",)))
    run_cli("compress", "--files-from", tmp_path / "none", tmp_path, tmp_path / "x", status=ExitStatus.FILE_ERROR)
    run_cli("compress", "-0", tmp_path, tmp_path / "x", status=ExitStatus.WRONG_USAGE)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("A/1.dcm", "a/1.dcm"),
        ("1/IM.dcm", "1/im.dcm"),
        ("\u00fc.dcm", "u\u0308.dcm"),
        ("stra\u00dfe", "STRASSE"),
        ("x/\u00dc/1", "x/u\u0308/1"),
        ("A", "a/1"),
        ("b/c/1", "B/C"),
    ],
)
def test_names_that_clash_elsewhere_are_refused(tmp_path, first, second):
    with contextlib.suppress(FileExistsError):
        make_files(tmp_path / "tree", first, second)
    if set(files_below(tmp_path / "tree")) != {first, second}:
        pytest.skip("the names clash here, too")
    with pytest.raises(PlanError, match="would be the same name") as caught:
        batch.plan([tmp_path / "tree"], tmp_path / "jls")
    assert first in str(caught.value)
    assert second in str(caught.value)
    result = run_cli("compress", tmp_path / "tree", tmp_path / "jls", status=ExitStatus.WRONG_USAGE)
    assert "--exclude" in result.stderr
    assert not (tmp_path / "jls").exists()
    assert len(batch.plan([tmp_path / "tree"], None)) == 2  # in place they are there already
    assert len(batch.plan([tmp_path / "tree"], tmp_path / "jls", selection=Selection(exclude=(first,)))) == 1


def test_the_source_as_target_is_refused(tmp_path, monkeypatch):
    make_files(tmp_path / "tree", "a", "sub/b")
    make_link(tmp_path / "link", "tree")
    monkeypatch.chdir(tmp_path)
    for source, target in (
        ("tree", "tree"),
        ("tree", "link"),
        ("tree/", tmp_path / "tree"),
        ("tree/*", "tree"),
        ("tree/**/*", "tree"),
        ("tree/sub/b", "tree/sub"),
    ):
        result = run_cli("compress", source, target, status=ExitStatus.WRONG_USAGE)
        assert "use --in-place" in result.stderr, (source, target)
    assert {path.read_bytes() for path in files_below(tmp_path / "tree").values()} == {CT.read_bytes()}
    assert not (tmp_path / "tree" / JOURNAL_NAME).exists()


def test_a_folder_as_target(tmp_path, monkeypatch):
    make_files(tmp_path / "tree", "a", "b")
    monkeypatch.chdir(tmp_path)
    run_cli("compress", "tree/a", "new/")
    assert set(files_below(tmp_path / "new")) == {"a"}
    run_cli("compress", "tree", "other")
    assert set(files_below(tmp_path / "other")) == {"a", "b"}
    run_cli("compress", "tree/a", "tree/b", "deep/er")
    assert set(files_below(tmp_path / "deep/er")) == {"a", "b"}
    run_cli("compress", "tree/a", "file")
    for arguments in (["tree/a", "file/"], ["tree/a", "tree/b", "file"], ["tree", "file"], ["tree/*", "file"]):
        before = (tmp_path / "file").read_bytes()
        assert "file" in run_cli("compress", *arguments, status=ExitStatus.WRONG_USAGE).stderr
        assert (tmp_path / "file").read_bytes() == before


def test_a_folder_that_cannot_be_listed_does_not_stop_the_others(tmp_path, monkeypatch):
    make_files(tmp_path / "tree", "a/1", "b/1", "c/1")
    scandir = os.scandir

    def guarded(path):
        if os.fspath(path) == str(tmp_path / "tree" / "b"):
            raise PermissionError(13, "Permission denied", os.fspath(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", guarded)
    result = run_cli("compress", tmp_path / "tree", tmp_path / "jls", "--workers", 1, status=ExitStatus.SOME_FAILED)
    assert f"{tmp_path / 'tree' / 'b'}: cannot be listed: Permission denied" in result.stderr
    assert set(files_below(tmp_path / "jls")) == {"a/1", "c/1"}
    info = run_cli("info", tmp_path / "tree", status=ExitStatus.SOME_FAILED)
    assert "cannot be listed" in info.stderr
    assert "c/1" in info.stdout
    # A reference that cannot be listed is not compared.
    result = run_cli("verify", tmp_path / "jls", tmp_path / "tree", "--workers", 1, status=ExitStatus.SOME_FAILED)
    assert "cannot be listed" in result.stderr


@pytest.mark.skipif(os.name != "posix", reason="links and devices")
def test_links_and_devices_in_a_tree(tmp_path):
    make_files(tmp_path, "outside/secret", "tree/real", "tree/folder/x")
    tree = tmp_path / "tree"
    make_link(tree / "link", tmp_path / "outside/secret")
    make_link(tree / "folder-link", tmp_path / "outside")
    make_link(tree / "loop", "loop")
    make_link(tree / "up", "..")
    make_link(tree / "zero", "/dev/zero")
    make_link(tree / "nothing", "nowhere")
    os.mkfifo(tree / "fifo")
    result = run_cli("compress", tree, tmp_path / "jls", "--workers", 2)
    assert "is a symbolic link, which is not followed" in result.stdout
    assert "is not a regular file" in result.stdout
    assert set(files_below(tmp_path / "jls")) == {"real", "folder/x"}
    assert not [path for path in (tmp_path / "jls").rglob("*") if path.is_symlink()]
    run_cli("compress", "--in-place", tree, "--workers", 1)
    assert (tmp_path / "outside/secret").read_bytes() == CT.read_bytes()
    assert (tree / "link").is_symlink()
    run_cli("info", tree, status=ExitStatus.SOME_FAILED)  # of the FIFO

    for name in ("loop", "zero", "nothing", "fifo"):
        (tree / name).unlink()
    run_cli("compress", "--follow-links", tree, tmp_path / "followed", "--workers", 1)
    followed = set(files_below(tmp_path / "followed"))
    assert {"real", "folder/x", "link", "folder-link/secret"} <= followed
    assert not [name for name in followed if name.count("up/") > 1]
    assert not [path for path in (tmp_path / "followed").rglob("*") if path.is_symlink()]
    result = run_cli("compress", "--follow-links", "--in-place", tree, status=ExitStatus.WRONG_USAGE)
    assert "never leaves its tree" in result.stderr


@pytest.mark.skipif(os.name != "posix", reason="links")
def test_nothing_is_written_through_a_link_in_the_target(tmp_path):
    make_files(tmp_path / "tree", "a/1", "b/c/1", "d")
    (tmp_path / "victim").mkdir()
    (tmp_path / "jls" / "b").mkdir(parents=True)
    make_link(tmp_path / "jls" / "a", tmp_path / "victim")
    make_link(tmp_path / "jls" / "b" / "c", "../../victim")
    make_link(tmp_path / "jls" / "d", tmp_path / "victim" / "new")
    result = run_cli("compress", tmp_path / "tree", tmp_path / "jls", "--workers", 1, status=ExitStatus.ALL_FAILED)
    assert result.stderr.count("is a symbolic link, which is not followed: nothing is written there") == 2
    assert "--force replaces it" in result.stderr
    assert list((tmp_path / "victim").iterdir()) == []
    run_cli("compress", "--force", tmp_path / "tree", tmp_path / "jls", status=ExitStatus.SOME_FAILED)
    assert list((tmp_path / "victim").iterdir()) == []
    assert not (tmp_path / "jls" / "d").is_symlink()


def test_a_dry_run_writes_nothing(tmp_path):
    tree = make_files(tmp_path / "tree", "a", "b")
    (tree / "notes").write_text("no image")
    shutil.copy(TEST_FILES / "MR_small_jpeg_ls_lossless.dcm", tree / "jls")
    (tree / "broken").write_bytes(CT.read_bytes()[:1500])
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    for arguments in (["--in-place", tree], [tree, tmp_path / "out"]):
        output = run_cli("compress", "--dry-run", *arguments, status=ExitStatus.SOME_FAILED).output
        assert "What would be done" in output
        assert f"{tree / 'a'}: compressed, {CT.stat().st_size} bytes" in output
        assert "passed through" in output
        assert "broken: " in output
        assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before
    (tree / "broken").unlink()
    run_cli("compress", tree, tmp_path / "out", "--workers", 1)
    summary = batch.transcode([tree], tmp_path / "out", dry_run=True)
    assert (summary.done_before, summary.counts.total()) == (4, 0)
    summary = batch.transcode([tmp_path / "out"], tmp_path / "native", Action.DECOMPRESS, dry_run=True)
    assert summary.counts == {Status.DECOMPRESSED: 3, Status.COPIED: 1}
    assert not (tmp_path / "native").exists()


def test_a_large_tree_is_planned_at_little_cost(tmp_path, monkeypatch):
    folders, files = 20, 150
    for folder in range(folders):
        (tmp_path / "tree" / str(folder)).mkdir(parents=True)
        for file in range(files):
            (tmp_path / "tree" / str(folder) / str(file)).touch()
    counts = Counter()
    for name in ("lstat", "stat", "scandir"):
        monkeypatch.setattr(os, name, counted(getattr(os, name), counts, name))
    monkeypatch.setattr(Path, "__new__", counted(Path.__new__, counts, "Path"))
    found = []
    jobs = batch.plan([tmp_path / "tree"], tmp_path / "jls", on_found=found.append)
    monkeypatch.undo()
    assert len(jobs) == folders * files
    assert found == [1000, 2000, 3000]
    assert counts["scandir"] == folders + 1
    assert counts["lstat"] + counts["stat"] < 100, counts
    assert counts["Path"] < 4 * folders, counts
    assert len({id(job.options) for job in jobs}) == 1


def counted(function, counts, name):
    """Return the same function, which counts its calls."""

    def call(*arguments, **options):
        counts[name] += 1
        return function(*arguments, **options)

    return call


def test_files_come_in_the_order_of_their_names(tmp_path):
    """Also where a name goes on with a character before "/", or folders of several sources have the same names."""
    names = ["a-b", "a/1", "a/b/x", "a/c", "a.b/1", "a0", "b/2", "z"]
    make_files(tmp_path / "x", *names)
    assert [file.name for file in batch.find_files([tmp_path / "x"])] == sorted(names)
    make_files(tmp_path / "y", "a/2", "a0-", "b-/1", "c")
    together = [file.name for file in batch.find_files([tmp_path / "x", tmp_path / "y"])]
    assert together == sorted([*names, "a/2", "a0-", "b-/1", "c"])
    # What is named twice, as a tree and as a file, is planned once.
    twice = batch.plan([tmp_path / "x", tmp_path / "x", tmp_path / "x" / "z"], tmp_path / "jls")
    assert [job.name for job in twice] == sorted(names)
    in_place = batch.plan([tmp_path / "x", tmp_path / "y"], None)
    assert [job.source for job in in_place if job.name.startswith("a/")] == [
        str(tmp_path / name) for name in ("x/a/1", "y/a/2", "x/a/b/x", "x/a/c")
    ]


@pytest.mark.skipif(os.name != "posix", reason="names that are not UTF-8")
def test_a_plan_is_a_sequence_of_jobs(tmp_path):
    """Of several blocks, with names of any bytes, with roots, paths and errors of each file."""
    strange = os.fsdecode(b"\xff\xfe\x80 \n")
    files = [Found(f"{tmp_path}/{i:03}{strange}", f"{i:03}{strange}", tmp_path) for i in range(600)]
    files += [
        Found("elsewhere", "600", tmp_path),
        Found("x/601", "601", Path("x"), "cannot be listed"),
        Found("602", "602", Path()),
        Found("./603", "603", Path()),
        Found("/604", "604", Path("/")),
    ]
    jobs = Plan(files, lambda found: Job(Action.COMPRESS, found.name, found.path, None, root=str(found.root)))
    assert len(jobs) == len(files)
    expected = [(file.name, file.path, str(file.root)) for file in files]
    assert [(job.name, job.source, job.root) for job in jobs] == expected
    assert [jobs[i].name for i in (-1, 0, 300, 5)] == ["604", files[0].name, files[300].name, files[5].name]
    assert [job.name for job in jobs[598:602]] == [file.name for file in files[598:602]]
    with pytest.raises(IndexError):
        jobs[len(files)]
    done = bytearray(len(files))
    done[1:603] = b"\1" * 602
    remaining = jobs.without(done).changed(lambda job: job._replace(error="none"))
    assert [(job.name, job.error) for job in remaining] == [(files[i].name, "none") for i in (0, 603, 604)]
    assert len(jobs) == len(files)
    assert list(jobs.names()) == [file.name for file in files]
    assert len(Plan([], lambda _found: jobs[0])) == 0


def test_a_folder_is_listed_when_its_turn_comes(tmp_path, monkeypatch):
    make_files(tmp_path, "a/1", "b/1", "c/1")
    scandir, scanned = os.scandir, []
    monkeypatch.setattr(os, "scandir", lambda path: (scanned.append(os.path.basename(path)), scandir(path))[1])
    counts = [(file.name, len(scanned)) for file in iterate_files([tmp_path])]
    assert counts == [("a/1", 2), ("b/1", 3), ("c/1", 4)]
