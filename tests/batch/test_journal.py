"""The journal: lines that were cut off, and two jobs for one folder."""

import shutil

from dicom_jpegls import batch
from dicom_jpegls.batch import JOURNAL_NAME, Status
from dicom_jpegls.cli.status import ExitStatus
from support.command_line import run_cli
from support.dicom_files import TEST_FILES

CT = TEST_FILES / "CT_small.dcm"


def test_a_torn_line_of_the_journal_is_done_again(tmp_path):
    shutil.copy(CT, tmp_path / "a")
    shutil.copy(CT, tmp_path / "b")
    batch.transcode([tmp_path / "a", tmp_path / "b"], tmp_path / "jls", workers=1)
    journal = tmp_path / "jls" / JOURNAL_NAME
    journal.write_bytes(journal.read_bytes()[:-40])
    summary = batch.transcode([tmp_path / "a", tmp_path / "b"], tmp_path / "jls", workers=1)
    assert (summary.done_before, summary.counts) == (1, {Status.COMPRESSED: 1})
    assert [record.name for record in batch.read_records(journal)] == ["a", "b"]
    assert batch.transcode([tmp_path / "a", tmp_path / "b"], tmp_path / "jls", workers=1).done_before == 2


def test_two_jobs_do_not_write_the_same_tree(tmp_path):
    (tmp_path / "jls").mkdir()
    with batch.Journal(tmp_path / "jls" / JOURNAL_NAME):
        line = run_cli(
            "compress", CT, TEST_FILES / "MR_small.dcm", tmp_path / "jls", status=ExitStatus.WRONG_USAGE
        ).stderr
    assert "another job is writing here" in line
