"""Which files there are, and what each is to become."""

from __future__ import annotations

import glob
import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from dicom_jpegls.batch.records import JOURNAL_NAME, Action, Job, Options
from dicom_jpegls.files.target import is_temporary

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_WILDCARDS = frozenset("*?[")


class PlanError(ValueError):
    """The sources and the target do not fit each other."""


class Found(NamedTuple):
    """A file, and its name within its tree."""

    path: Path
    name: str


def find_files(sources: Iterable[str | os.PathLike[str]], *, exclude: Path | None = None) -> list[Found]:
    """List the files that some sources mean, in the order of their names.

    Parameters
    ----------
    sources : iterable of str or path
        Files; folders, with everything below them; patterns with ``*``, ``?``, ``[]`` and ``**``. A file's name within
        its tree is relative to the folder, or to what is in front of the pattern's first wildcard.
    exclude : pathlib.Path, optional
        A folder to leave out, with everything below it: a target inside a source.

    Raises
    ------
    FileNotFoundError
        If there is no such file or folder, or nothing matches a pattern.

    Notes
    -----
    Links to folders are not followed. A job's own journal and temporary files are no sources.
    """
    excluded = exclude.resolve() if exclude is not None else None
    found: list[Found] = []
    for source in sources:
        path = Path(source)
        if path.is_dir():
            found += _below(path, path, excluded)
        elif os.path.lexists(path):
            found.append(Found(path, path.name))
        elif _WILDCARDS & set(str(source)):
            matches = [Path(match) for match in sorted(glob.glob(str(source), recursive=True, include_hidden=True))]
            base = _in_front_of_wildcards(path)
            files = [match for match in matches if not match.is_dir() and _is_wanted(match, excluded)]
            if not files:
                raise FileNotFoundError(2, "No file matches", str(source))
            found += [Found(match, match.relative_to(base).as_posix()) for match in files]
        else:
            raise FileNotFoundError(2, os.strerror(2), str(source))
    return sorted(found, key=lambda file: file.name)


def _below(folder: Path, root: Path, excluded: Path | None) -> Iterator[Found]:
    if excluded is not None and folder.resolve() == excluded:
        return
    with os.scandir(folder) as entries:
        for entry in entries:
            path = Path(entry.path)
            if entry.is_dir(follow_symlinks=False):
                yield from _below(path, root, excluded)
            elif not path.is_dir() and _is_own(path):
                yield Found(path, path.relative_to(root).as_posix())


def _is_own(path: Path) -> bool:
    return path.name != JOURNAL_NAME and not is_temporary(path.name)


def _is_wanted(path: Path, excluded: Path | None) -> bool:
    return _is_own(path) and (excluded is None or excluded not in path.resolve().parents)


def _in_front_of_wildcards(pattern: Path) -> Path:
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
    """Decide for each file what it is to become: the same name below the target, or itself if there is no target.

    Parameters
    ----------
    sources : iterable of str or path
        See `find_files`.
    target : str or path, optional
        A folder; None converts in place. For `Action.VERIFY` the file or the folder to compare with, or None.
    action : Action
        What to do.
    options : Options
        How to do it.

    Returns
    -------
    list of Job
        For `run_job`, on this machine or on others that have the same files under the same names.

    Raises
    ------
    FileNotFoundError
        See `find_files`.
    PlanError
        If two sources would become the same file.

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
            place = None if action is Action.VERIFY else str(path)
        elif action is Action.VERIFY and not folder.is_dir():
            place = str(folder)
        else:
            place = str(folder / name)
        if name in jobs and jobs[name].source != str(path):
            raise PlanError(
                f"{jobs[name].source} and {path} would both become {place}: give the folder that they have in common"
            )
        jobs[name] = Job(action, name, str(path), place, options or Options())
    return list(jobs.values())
