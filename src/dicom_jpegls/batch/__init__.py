"""Trees of files: compressed, decompressed and verified on one machine or many."""

from dicom_jpegls.batch.jobs import Action, Job, NonConvertible, Options, Record, Status, run_job, statistics_values
from dicom_jpegls.batch.journal import JOURNAL_NAME, Journal, JournalInUseError, read_records
from dicom_jpegls.batch.plan import Found, PlanError, find_files, is_pattern, plan
from dicom_jpegls.batch.pool import silence_pydicom
from dicom_jpegls.batch.run import Observer, Summary, transcode

__all__ = [
    "JOURNAL_NAME",
    "Action",
    "Found",
    "Job",
    "Journal",
    "JournalInUseError",
    "NonConvertible",
    "Observer",
    "Options",
    "PlanError",
    "Record",
    "Status",
    "Summary",
    "find_files",
    "is_pattern",
    "plan",
    "read_records",
    "run_job",
    "silence_pydicom",
    "statistics_values",
    "transcode",
]
