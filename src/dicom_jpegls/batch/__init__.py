"""Trees of files: compressed, decompressed and verified on one machine or many."""

from dicom_jpegls.batch.cluster import ClusterError
from dicom_jpegls.batch.expectations import plan_verification
from dicom_jpegls.batch.jobs import Job, NonConvertible, Options, predict, run_job
from dicom_jpegls.batch.journal import JOURNAL_NAME, Journal, JournalError, JournalInUseError, read_records
from dicom_jpegls.batch.plan import Found, Plan, PlanError, Selection, find_files, is_pattern, plan
from dicom_jpegls.batch.pool import END_SIGNALS, silence_pydicom
from dicom_jpegls.batch.records import Action, Record, Status, statistics_values
from dicom_jpegls.batch.run import Observer, Summary, transcode
from dicom_jpegls.batch.verification import verify_one

__all__ = [
    "END_SIGNALS",
    "JOURNAL_NAME",
    "Action",
    "ClusterError",
    "Found",
    "Job",
    "Journal",
    "JournalError",
    "JournalInUseError",
    "NonConvertible",
    "Observer",
    "Options",
    "Plan",
    "PlanError",
    "Record",
    "Selection",
    "Status",
    "Summary",
    "find_files",
    "is_pattern",
    "plan",
    "plan_verification",
    "predict",
    "read_records",
    "run_job",
    "silence_pydicom",
    "statistics_values",
    "transcode",
    "verify_one",
]
