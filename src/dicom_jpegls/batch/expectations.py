"""Planning the verification of trees: which record and which reference each file has, and which files are missing."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from dicom_jpegls.batch.jobs import Job, Options
from dicom_jpegls.batch.journal import (
    JOURNAL_NAME,
    BadLine,
    JournalError,
    describe_bad_lines,
    read_records,
)
from dicom_jpegls.batch.plan import Found, PlanError, Selection, find_files, find_journals
from dicom_jpegls.batch.records import Action, Record
from dicom_jpegls.batch.verification import is_regular

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator


class Records:
    """The records of the files of archives: those of a given journal, or of the journals in the archives.

    Parameters
    ----------
    journal : pathlib.Path, optional
        A journal that is outside of its tree. By default the record of a file is in the nearest folder above it that
        has a journal.
    on_notice : callable
        Called with a message about each line of a journal that is ignored.
    """

    def __init__(self, journal: Path | None, on_notice: Callable[[str], None]) -> None:
        self._on_notice = on_notice
        self._trees: dict[str, dict[str, Record]] = {}  # by the real path of the folder
        self._folders: dict[str, str | None] = {}  # the tree that each folder belongs to
        self._moved: dict[str, Record] | None = None
        if journal is not None:
            for record in self._read(journal):
                self._trees.setdefault(record.root or "", {})[record.name] = record
        self._given = journal is not None

    def _read(self, path: Path) -> list[Record]:
        bad_lines: list[BadLine] = []
        records = list(read_records(path, bad_lines))
        for message in describe_bad_lines(path, bad_lines):
            self._on_notice(message)
        return records

    def add_root(self, root: Path) -> None:
        """Take the records of a given journal for a tree that is not where it was written, if they can be no others."""
        real_root = os.path.realpath(root)
        if self._given and len(self._trees) == 1 and not self._root_of(real_root):
            ((written, records),) = self._trees.items()
            if not Path(written).is_relative_to(real_root):
                self._trees = {real_root: records}
                self._folders.clear()

    def _root_of(self, folder: str) -> str | None:
        """Return the tree that a folder belongs to."""
        above = []
        while folder not in self._folders:
            above.append(folder)
            if folder in self._trees or (not self._given and self._read_journal(folder)):
                self._folders[folder] = folder
            elif os.path.dirname(folder) == folder:
                self._folders[folder] = None
            else:
                folder = os.path.dirname(folder)
        root = self._folders[folder]
        self._folders.update(dict.fromkeys(above, root))
        return root

    def _read_journal(self, folder: str) -> bool:
        path = Path(folder) / JOURNAL_NAME
        if not os.path.lexists(path):
            return False
        try:
            self._trees[folder] = {record.name: record for record in self._read(path)}
        except (JournalError, OSError) as error:
            self._on_notice(f"{path} is ignored: {error}")
            return False
        return True

    def record_of(self, path: str) -> Record | None:
        """Return the record of a file, if it was written or kept by a job."""
        folder, name = os.path.split(path)
        real_folder = os.path.realpath(folder)
        root = self._root_of(real_folder)
        if root is None:
            return None
        relative = os.path.relpath(os.path.join(real_folder, name), root).replace(os.sep, "/")
        record = self._trees[root].get(relative)
        return record if record is not None and record.has_target else None

    def read_journals(self, folders: Iterable[Path]) -> None:
        """Read the journals of folders, of which all other files may be missing."""
        for folder in folders:
            self._root_of(os.path.realpath(folder))

    def files_below(self, folder: Path) -> Iterator[tuple[str, Record]]:
        """Yield the names within a folder, and the records, of all files that were written or kept there."""
        real_folder = os.path.realpath(folder)
        own_root = self._root_of(real_folder)
        for root, records in list(self._trees.items()):
            if root != own_root and not Path(root).is_relative_to(real_folder):
                continue
            prefix = os.path.relpath(real_folder, root) if root == own_root else "."
            inside = os.path.relpath(root, real_folder) if root != own_root else "."
            start = "" if prefix == "." else prefix.replace(os.sep, "/") + "/"
            for name, record in records.items():
                if record.has_target and name.startswith(start):
                    below = name[len(start) :]
                    yield (below if inside == "." else f"{inside.replace(os.sep, '/')}/{below}"), record


def plan_verification(
    sources: Iterable[str | os.PathLike[str]],
    reference: str | os.PathLike[str] | None = None,
    selection: Selection | None = None,
    *,
    options: Options | None = None,
    records: str | os.PathLike[str] | None = None,
    on_notice: Callable[[str], None] = lambda _message: None,
    on_found: Callable[[int], None] = lambda _count: None,
) -> list[Job]:
    """Find the files to verify, what is known of each, and the files that should be there but are not.

    Parameters
    ----------
    sources : iterable of str or path
        See `find_files`.
    reference : str or path, optional
        A file, or a folder with the same tree. Every file that it has must be among the sources, if these are a folder.
    selection : Selection, optional
        Which files of the sources; by default all.
    options : Options, optional
        How the files were made from the reference, if no journal knows.
    records : str or path, optional
        The journal; by default the one in the nearest folder above each file.
    on_notice : callable, optional
        Called with a message about each journal, or line of one, that is ignored.
    on_found : callable, optional
        See `find_files`.

    Returns
    -------
    list of Job
        For `run_job`. A file that is missing has an error.

    Raises
    ------
    FileNotFoundError, PlanError
        See `find_files`; also if the reference does not exist.
    JournalError, OSError
        If the journal that is given cannot be read.
    """
    selection = selection or Selection()
    sources = list(sources)
    reference = Path(reference) if reference is not None else None
    if reference is not None and not os.path.lexists(reference):
        raise FileNotFoundError(2, os.strerror(2), str(reference))
    if reference is not None and reference.is_dir() and len(sources) != 1:
        raise PlanError("a reference folder is compared with one source")
    known = Records(Path(records) if records is not None else None, on_notice)
    found = find_files(sources, selection, on_found=on_found)
    for root in {file.root for file in found} | {Path(source) for source in sources if os.path.isdir(source)}:
        known.add_root(root)
    jobs = [_verification(file, reference, options or Options(), known) for file in found]
    present = {(file.root, file.name) for file in found}
    for source in map(Path, sources):
        if source.is_dir():
            missing = _missing_files(source, reference, selection, known)
            jobs += [job for name, job in missing.items() if (source, name) not in present]
    return sorted(jobs, key=lambda job: job.name)


def _verification(file: Found, reference: Path | None, options: Options, known: Records) -> Job:
    target = reference
    if target is not None and target.is_dir():
        target /= file.name
    return Job(
        Action.VERIFY,
        file.name,
        file.path,
        str(target) if target is not None else None,
        options,
        expected=known.record_of(file.path),
        root=str(file.root),
        error=file.error,
    )


def _missing_files(source: Path, reference: Path | None, selection: Selection, known: Records) -> dict[str, Job]:
    """Return a job that fails for each file of the records and of the reference; many of these files do exist."""
    jobs = {}

    def add(name: str, reason: str) -> None:
        jobs[name] = Job(Action.VERIFY, name, str(source / name), None, Options(), root=str(source), error=reason)

    known.read_journals(find_journals(source, selection))
    if reference is not None and reference.is_dir():
        for file in find_files([reference], selection):
            if file.error is not None:
                add(file.name, f"its reference, {file.path}, {file.error}")
            elif is_regular(file.path):
                add(file.name, f"is missing; {file.path} has no counterpart")
    names = None if selection.files is None else {file.name for file in find_files([source], selection)}
    for name, record in known.files_below(source):
        if selection.has(name) and (names is None or name in names):
            add(name, f"is missing; it was recorded as {record.status}")
    return jobs
