"""The journal: damaged lines, lines of others, links in its place, and two jobs for one folder."""

import json
import os
import shutil
import tracemalloc
from contextlib import ExitStack

import pydicom
import pytest

from dicom_jpegls import batch
from dicom_jpegls.batch import (
    JOURNAL_NAME,
    Action,
    Found,
    Job,
    Journal,
    JournalError,
    Observer,
    Options,
    Plan,
    Record,
    Status,
)
from dicom_jpegls.batch.run import Journals
from dicom_jpegls.cli.status import ExitStatus
from dicom_jpegls.dicom import CodingOptions
from support.archive_tree import files_below, records_of
from support.command_line import run_cli
from support.dicom_files import TEST_FILES
from support.links import make_link

CT = TEST_FILES / "CT_small.dcm"


class Notices(Observer):
    """Keeps the messages of a job."""

    def __init__(self):
        self.messages = []

    def on_notice(self, message):
        self.messages.append(message)


@pytest.fixture
def done(tmp_path):
    """A tree of two files, compressed, and its journal."""
    (tmp_path / "tree").mkdir()
    for name in "ab":
        shutil.copy(CT, tmp_path / "tree" / name)
    batch.transcode([tmp_path / "tree"], tmp_path / "jls", workers=1)
    return tmp_path / "jls" / JOURNAL_NAME


def resume(tmp_path):
    """Repeat the job; return its summary and messages."""
    notices = Notices()
    return batch.transcode([tmp_path / "tree"], tmp_path / "jls", workers=1, observer=notices), notices.messages


def test_a_torn_line_of_the_journal_is_done_again(tmp_path, done):
    done.write_bytes(done.read_bytes()[:-40])
    summary, messages = resume(tmp_path)
    assert (summary.done_before, summary.counts) == (1, {Status.COMPRESSED: 1})
    assert len(messages) == 1
    assert f"{done}: line 2 is ignored: " in messages[0]
    assert [record.name for record in batch.read_records(done)] == ["a", "b"]
    assert resume(tmp_path)[0].done_before == 2


def changed(**changes):
    """Return a change of a record: a line that differs in some values."""
    return lambda record: json.dumps({**record, **changes}).encode()


def without(name):
    return lambda record: json.dumps({key: value for key, value in record.items() if key != name}).encode()


BAD_LINES = {
    "deep": lambda _: b"[" * 100_000,
    "deep in an object": lambda _: b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
    "no JSON": lambda _: b"name: a",
    "not ASCII": lambda _: b"\xff\xfe{}",
    "a list": lambda _: b"[1, 2]",
    "a number": lambda _: b"1" * 5000,
    "null": lambda _: b"null",
    "very long": lambda record: json.dumps({**record, "reason": "x" * 2**18}).encode(),
    "name is a number": changed(name=1),
    "name is a list": changed(name=["a"]),
    "name is null": changed(name=None),
    "name is absolute": changed(name="/etc/passwd"),
    "name leads out": changed(name="../a"),
    "name leads out later": changed(name="x/../../a"),
    "name is empty": changed(name=""),
    "name has a NUL": changed(name="a\0b"),
    "source has a NUL": changed(source="a\0b"),
    "target has a NUL": changed(target="a\0b"),
    "target is an object": changed(target={"a": 1}),
    "unknown action": changed(action="delete"),
    "action is a list": changed(action=[]),
    "unknown status": changed(status="done"),
    "size is text": changed(target_size="20000"),
    "size is negative": changed(target_size=-1),
    "size is true": changed(source_size=True),
    "size is huge": changed(source_size=10**400),
    "time is a fraction": changed(target_mtime_ns=1.5),
    "hash is short": changed(target_sha256="abc"),
    "hash is no hash": changed(pixels_sha256_after="z" * 64),
    "statistics are text": changed(frame_count="1"),
    "statistics are an object": changed(statistics={"frame_count": 1}),
    "options are an object": changed(options={}),
    "unknown value": changed(command="rm"),
    "no name": without("name"),
    "no action": without("action"),
    "no status": without("status"),
}


@pytest.mark.parametrize("kind", BAD_LINES)
def test_a_bad_line_is_named_and_ignored(tmp_path, done, kind):
    good = done.read_bytes()
    bad = BAD_LINES[kind](json.loads(good.splitlines()[0]))
    done.write_bytes(bad + b"\n" + good)
    summary, messages = resume(tmp_path)
    assert (summary.done_before, summary.counts.total()) == (2, 0)
    assert len(messages) == 1
    assert messages[0].startswith(f"{done}: line 1 is ignored: ")
    assert len(messages[0]) < 600
    result = run_cli("verify", tmp_path / "jls", "--workers", 1)
    assert "line 1 is ignored" in result.stderr
    assert result.output.count("compared with the records") == 1


def test_many_bad_lines_are_counted(tmp_path, done):
    done.write_bytes(b"x\n" * 1000 + done.read_bytes())
    summary, messages = resume(tmp_path)
    assert summary.done_before == 2
    assert len(messages) == 6
    assert "995 more lines are ignored" in messages[-1]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("options", "{}"),
        ("source", "/elsewhere/a"),
        ("source_size", 5),
        ("target_size", 5),
        ("target_mtime_ns", 5),
        ("action", "decompress"),
        ("status", "failed"),
    ],
)
def test_a_line_of_another_job_is_not_believed(tmp_path, done, name, value):
    lines = [json.loads(line) for line in done.read_text().splitlines()]
    lines[0][name] = value
    if name == "action":
        lines[0]["options"] = lines[0]["options"].replace("compress", "decompress")
    done.write_text("".join(json.dumps(line) + "\n" for line in lines))
    summary, messages = resume(tmp_path)
    # The file is coded again; the existing one is the same.
    assert (summary.done_before, summary.counts, messages) == (1, {Status.COMPRESSED: 1}, [])


def test_lines_of_others_touch_no_file(tmp_path, done):
    """Whatever names a journal has, only files of the job are read, written or deleted."""
    outside = tmp_path / "outside"
    shutil.copy(CT, outside)
    record = json.loads(done.read_text().splitlines()[0])
    for name in ("zzz", "zz/top", "c"):
        line = {**record, "name": name, "source": str(outside), "target": str(outside)}
        with done.open("a") as file:
            file.write(json.dumps(line) + "\n")
    before = outside.stat()
    resume(tmp_path)
    result = run_cli("verify", tmp_path / "jls", "--workers", 1, status=ExitStatus.SOME_FAILED)
    assert "zzz: is missing; it was recorded as compressed" in result.stderr
    assert outside.stat().st_mtime_ns == before.st_mtime_ns
    assert outside.stat().st_atime_ns == before.st_atime_ns
    assert set(files_below(tmp_path / "jls")) == {"a", "b"}


def link(path, victim):
    make_link(path, victim)


def hard_link(path, victim):
    os.link(victim, path)


def dangling_link(path, victim):
    victim.unlink()
    make_link(path, victim)


def fifo(path, _):
    os.mkfifo(path)


def folder(path, _):
    path.mkdir()


def device(path, _):
    make_link(path, "/dev/zero")


@pytest.mark.skipif(os.name != "posix", reason="links")
@pytest.mark.parametrize("make", [link, hard_link, dangling_link, fifo, folder, device])
@pytest.mark.parametrize("mode", ["tree", "in-place"])
def test_the_journal_is_a_regular_file(tmp_path, make, mode):
    (tmp_path / "tree").mkdir()
    shutil.copy(CT, tmp_path / "tree" / "a")
    victim = tmp_path / "victim"
    victim.write_text("precious\n")
    target = tmp_path / ("jls" if mode == "tree" else "tree")
    target.mkdir(exist_ok=True)
    make(target / JOURNAL_NAME, victim)
    arguments = [tmp_path / "tree", target] if mode == "tree" else ["--in-place", tmp_path / "tree"]
    result = run_cli("compress", *arguments, status=ExitStatus.WRONG_USAGE)
    assert "a journal must be a regular file" in result.stderr
    assert not victim.exists() or victim.read_text() == "precious\n"
    assert (tmp_path / "tree" / "a").read_bytes() == CT.read_bytes()
    with pytest.raises(JournalError):
        list(batch.read_records(target / JOURNAL_NAME))
    # To verify, it is only ignored.
    assert "is ignored" in run_cli("verify", target if mode != "tree" else tmp_path / "tree").stderr or mode == "tree"


def test_a_file_that_is_no_journal_gets_no_lines(tmp_path):
    notes = tmp_path / "notes.txt"
    notes.write_text("precious")
    result = run_cli("compress", CT, CT, tmp_path / "jls", "--records", notes, status=ExitStatus.WRONG_USAGE)
    assert "exists and is no journal" in result.stderr
    assert notes.read_text() == "precious"


def test_a_journal_that_cannot_be_written_is_named(tmp_path, monkeypatch):
    for name in "ab":
        shutil.copy(CT, tmp_path / name)

    def no_space(_journal, _record):
        raise OSError(28, "No space left on device", "journal")

    monkeypatch.setattr(Journal, "add", no_space)
    result = run_cli("compress", tmp_path / "*", tmp_path / "jls", "--workers", 1, status=ExitStatus.FILE_ERROR)
    assert result.stderr == "dicom-jpegls: journal: No space left on device\n"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_the_journals_own_errors_name_it(tmp_path):
    journal = Journal(tmp_path / "journal")
    with open("/dev/full", "wb") as full:
        os.dup2(full.fileno(), journal._file.fileno())
    with pytest.raises(OSError, match="No space left") as caught:
        journal.add(Record(batch.Action.COMPRESS, "a", "a", "b", Status.FAILED))
    assert caught.value.filename == str(tmp_path / "journal")
    with pytest.raises(OSError, match="No space left"):
        journal.__exit__(None, None, None)


def test_two_jobs_do_not_write_the_same_tree(tmp_path):
    (tmp_path / "jls").mkdir()
    with batch.Journal(tmp_path / "jls" / JOURNAL_NAME):
        line = run_cli(
            "compress", CT, TEST_FILES / "MR_small.dcm", tmp_path / "jls", status=ExitStatus.WRONG_USAGE
        ).stderr
    assert "another job is writing here" in line


def test_in_place_the_word_of_a_journal_is_checked(tmp_path):
    """A tree can come with a journal that says that its files are done."""
    path = tmp_path / "tree" / "a"
    path.parent.mkdir()
    shutil.copy(CT, path)
    options = batch.plan([path.parent], None)[0].options_text()
    stat = path.stat()
    for status in ("compressed", "passed through", "skipped", "copied"):
        record = {
            "action": "compress",
            "name": "a",
            "source": str(path),
            "target": str(path),
            "status": status,
            "target_size": stat.st_size,
            "target_mtime_ns": stat.st_mtime_ns,
            "options": options,
        }
        (path.parent / JOURNAL_NAME).write_text(json.dumps(record) + "\n")
        summary = batch.transcode([path.parent], None, workers=1, dry_run=True)
        assert (summary.done_before, summary.counts) == (0, {Status.COMPRESSED: 1}), status
    assert batch.transcode([path.parent], None, workers=1).counts == {Status.COMPRESSED: 1}
    assert pydicom.dcmread(path).file_meta.TransferSyntaxUID == pydicom.uid.JPEGLSLossless
    assert batch.transcode([path.parent], None, workers=1).done_before == 1


def test_each_tree_in_place_has_its_journal(tmp_path):
    for name in ("x/1/a", "y/1/a"):
        (tmp_path / name).parent.mkdir(parents=True)
        shutil.copy(CT, tmp_path / name)
    trees = [tmp_path / "x", tmp_path / "y"]
    assert batch.transcode(trees, None, workers=1).counts == {Status.COMPRESSED: 2}
    assert [record["name"] for tree in trees for record in records_of(tree)] == ["1/a", "1/a"]
    assert batch.transcode(trees, None, workers=1).done_before == 2
    assert batch.transcode([tmp_path / "y"], None, workers=1).done_before == 1
    summary = batch.transcode(trees, None, batch.Action.DECOMPRESS, records=tmp_path / "journal", workers=1)
    assert summary.counts == {Status.DECOMPRESSED: 2}
    assert len((tmp_path / "journal").read_text().splitlines()) == 2
    again = batch.transcode(trees, None, batch.Action.DECOMPRESS, records=tmp_path / "journal", workers=1)
    assert again.done_before == 2


def test_a_job_is_resumed_by_any_spelling_of_its_paths(tmp_path, monkeypatch):
    (tmp_path / "a" / "1").mkdir(parents=True)
    shutil.copy(CT, tmp_path / "a" / "1" / "ct")
    make_link(tmp_path / "link", "a")
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path)
    assert batch.transcode(["a"], "b", workers=1).counts == {Status.COMPRESSED: 1}
    for source, target in (
        (tmp_path / "a", tmp_path / "b"),
        ("./a/", "b/"),
        ("link", "other/../b"),
        ("a/../a", tmp_path / "b"),
    ):
        assert batch.transcode([source], target, workers=1).done_before == 1, source
    monkeypatch.chdir(tmp_path / "other")
    assert batch.transcode(["../a"], "../b", workers=1).done_before == 1
    records = tmp_path / "journal"
    assert batch.transcode(["../a"], "../c", records=records, workers=1).counts == {Status.COMPRESSED: 1}
    assert batch.transcode([tmp_path / "a"], tmp_path / "c", records=records, workers=1).done_before == 1
    # The same journal for another tree: the records are of other files.
    options = Options(CodingOptions(near_lossless=2))
    assert batch.transcode(["../a"], "../d", options=options, records=records, workers=1).done_before == 0
    assert batch.transcode([tmp_path / "a"], tmp_path / "c", records=records, workers=1).done_before == 1


def test_a_resumed_job_keeps_little_of_its_journal_and_of_its_plan(tmp_path, done):
    count = 12_000
    (record,) = [record for record in batch.read_records(done) if record.name == "a"]
    root = str(tmp_path / "jls")

    # No paths: they intern their parts, and the table for that, which is not of the job, would grow with them.
    def make_job(found):
        return Job(Action.COMPRESS, found.name, found.path, os.path.join(root, found.name), root=root)

    with done.open("w") as file:
        for i in range(count):
            file.write(record._replace(name=str(i), target=os.path.join(root, str(i))).to_json() + "\n")
    tracemalloc.start()
    jobs = Plan((Found(os.path.join(tmp_path, str(i)), str(i), tmp_path) for i in range(count)), make_job)
    with ExitStack() as stack:
        journals = Journals(jobs, None, stack, print, read_only=False)
        _, peak = tracemalloc.get_traced_memory()
        assert len(journals.to_do(jobs)) == count  # the sources do not exist
    tracemalloc.stop()
    # 50 bytes for each file, and buffers: under 100 MB for a million files.
    assert done.stat().st_size > 500 * count
    assert peak < 50 * count + 2**20
