"""Finding the files of a job, and choosing the target of each."""

from __future__ import annotations

import glob
import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from dicom_jpegls.batch.jobs import Action, Job, Options
from dicom_jpegls.batch.journal import JOURNAL_NAME
from dicom_jpegls.files import is_temporary

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_WILDCARDS = frozenset("*?[")


class PlanError(ValueError):
    """The sources and the target of a job contradict each other."""


class Found(NamedTuple):
    """A file, and its name within its tree."""

    path: Path
    name: str


def is_pattern(source: str | os.PathLike[str]) -> bool:
    """Whether a source is a pattern with wildcards, and not an existing file whose name has such characters."""
    return bool(_WILDCARDS & set(str(source))) and not os.path.lexists(source)


def find_files(sources: Iterable[str | os.PathLike[str]], *, exclude: Path | None = None) -> list[Found]:
    """List the files of some sources, sorted by name.

    Parameters
    ----------
    sources : iterable of str or path
        Files; folders, with everything below them; patterns with ``*``, ``?``, ``[]`` and ``**``. The name of a file
        within its tree is relative to the folder, or to the part of the pattern before its first wildcard.
    exclude : pathlib.Path, optional
        A folder to leave out with everything below it, such as a target inside a source.

    Raises
    ------
    FileNotFoundError
        If a file or folder does not exist, or no file matches a pattern.

    Notes
    -----
    Links to folders are not followed. Journals and temporary files of jobs are left out.
    """
    excluded = exclude.resolve() if exclude is not None else None
    found: list[Found] = []
    for source in sources:
        path = Path(source)
        if path.is_dir():
            found += _files_below(path, path, excluded)
        elif is_pattern(source):
            found += _matching_files(path, excluded)
        elif os.path.lexists(path):
            found.append(Found(path, path.name))
        else:
            raise FileNotFoundError(2, os.strerror(2), str(source))
    return sorted(found, key=lambda file: file.name)


def _files_below(folder: Path, root: Path, excluded: Path | None) -> Iterator[Found]:
    if excluded is not None and folder.resolve() == excluded:
        return
    with os.scandir(folder) as entries:
        for entry in entries:
            path = Path(entry.path)
            if entry.is_dir(follow_symlinks=False):
                yield from _files_below(path, root, excluded)
            elif not path.is_dir() and not _belongs_to_a_job(path):
                yield Found(path, path.relative_to(root).as_posix())


def _matching_files(pattern: Path, excluded: Path | None) -> list[Found]:
    base = _parent_of_wildcards(pattern)
    found = []
    for match in sorted(glob.glob(str(pattern), recursive=True, include_hidden=True)):
        path = Path(match)
        if path.is_dir() or _belongs_to_a_job(path):
            continue
        if excluded is None or excluded not in path.resolve().parents:
            found.append(Found(path, path.relative_to(base).as_posix()))
    if not found:
        raise FileNotFoundError(2, "No file matches", str(pattern))
    return found


def _belongs_to_a_job(path: Path) -> bool:
    return path.name == JOURNAL_NAME or is_temporary(path.name)


def _parent_of_wildcards(pattern: Path) -> Path:
    parts = []
    for part in pattern.parts:
        if _WILDCARDS & set(part):
            break
        parts.append(part)
    return Path(*parts)


def plan(
    sources: Iterable[str | os.PathLike[str]],
    target: str | os.PathLike[str] | None,
    action: Action = Action.COMPRESS,
    options: Options | None = None,
) -> list[Job]:
    """Choose the target of each file: the same name below the target folder, or the file itself without a target.

    Parameters
    ----------
    sources : iterable of str or path
        See `find_files`.
    target : str or path, optional
        A folder; None converts in place. For `Action.VERIFY` the file or folder to compare with, or None.
    action : Action
        What to do.
    options : Options
        How to do it.

    Returns
    -------
    list of Job
        For `run_job`, on this machine or on others that see the same files under the same names.

    Raises
    ------
    FileNotFoundError
        See `find_files`.
    PlanError
        If two sources have the same target.

    Examples
    --------
    >>> from dicom_jpegls import batch
    >>> import dask.bag  # doctest: +SKIP
    >>> jobs = batch.plan(["studies"], "compressed")  # doctest: +SKIP
    >>> dask.bag.from_sequence(jobs).map(batch.run_job).compute()  # doctest: +SKIP
    """
    folder = Path(target) if target is not None else None
    found = find_files(sources, exclude=folder if action is not Action.VERIFY else None)
    jobs: dict[str, Job] = {}
    for path, name in found:
        if folder is None:
            name = os.path.abspath(path)
            target_path = None if action is Action.VERIFY else str(path)
        elif action is Action.VERIFY and not folder.is_dir():
            target_path = str(folder)
        else:
            target_path = str(folder / name)
        if name in jobs and jobs[name].source != str(path):
            raise PlanError(
                f"{jobs[name].source} and {path} would both be written to {target_path}: pass their common parent "
                "directory instead"
            )
        jobs[name] = Job(action, name, str(path), target_path, options or Options())
    return list(jobs.values())
