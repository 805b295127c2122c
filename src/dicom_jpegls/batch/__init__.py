"""Whole trees of files: compressed, decompressed and verified on one machine or many."""

from dicom_jpegls.batch.plan import Found, PlanError, find_files, plan
from dicom_jpegls.batch.records import (
    Action,
    Job,
    Journal,
    JournalInUseError,
    Options,
    Record,
    Status,
    read_records,
)
from dicom_jpegls.batch.run import Summary, transcode
from dicom_jpegls.files.convert import run_job

__all__ = [
    "Action",
    "Found",
    "Job",
    "Journal",
    "JournalInUseError",
    "Options",
    "PlanError",
    "Record",
    "Status",
    "Summary",
    "find_files",
    "plan",
    "read_records",
    "run_job",
    "transcode",
]
