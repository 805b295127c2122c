"""One DICOM file: read frame by frame, converted, verified, and written completely or not at all."""

from dicom_jpegls.files.convert import (
    Conversion,
    compress_file,
    compress_steps,
    decompress_file,
    decompress_steps,
    needs_recoding,
)
from dicom_jpegls.files.errors import NotConvertibleError, NothingToDoError, NotVerifiedError, describe_error
from dicom_jpegls.files.opening import (
    DEFAULT_READ_OPTIONS,
    MAXIMUM_INFLATED_SIZE,
    ReadOptions,
    open_regular,
    same_contents,
)
from dicom_jpegls.files.source import SourceFile, file_size, ignore_frame, read_attributes, reading_dataset
from dicom_jpegls.files.steps import (
    FRAMES_TOGETHER,
    SIZE_TOGETHER,
    SharedCoding,
    Steps,
    code_together,
    finish_steps,
    next_step,
)
from dicom_jpegls.files.target import (
    NewFile,
    is_temporary,
    lock_file,
    remove_leftovers,
    sync_folder,
    temporary_path,
)
from dicom_jpegls.files.verify import Verification, file_sha256, read_stream, verify_file, verify_steps
from dicom_jpegls.files.writer import copy_file, copy_steps

__all__ = [
    "DEFAULT_READ_OPTIONS",
    "FRAMES_TOGETHER",
    "MAXIMUM_INFLATED_SIZE",
    "SIZE_TOGETHER",
    "Conversion",
    "NewFile",
    "NotConvertibleError",
    "NotVerifiedError",
    "NothingToDoError",
    "ReadOptions",
    "SharedCoding",
    "SourceFile",
    "Steps",
    "Verification",
    "code_together",
    "compress_file",
    "compress_steps",
    "copy_file",
    "copy_steps",
    "decompress_file",
    "decompress_steps",
    "describe_error",
    "file_sha256",
    "file_size",
    "finish_steps",
    "ignore_frame",
    "is_temporary",
    "lock_file",
    "needs_recoding",
    "next_step",
    "open_regular",
    "read_attributes",
    "read_stream",
    "reading_dataset",
    "remove_leftovers",
    "same_contents",
    "sync_folder",
    "temporary_path",
    "verify_file",
    "verify_steps",
]
