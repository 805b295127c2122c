"""Finding the files of a job, and choosing the target of each."""

from __future__ import annotations

import os
import unicodedata
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from dicom_jpegls.batch.jobs import Job, Options
from dicom_jpegls.batch.journal import JOURNAL_NAME
from dicom_jpegls.batch.records import Action, check_name
from dicom_jpegls.files import is_temporary

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

_WILDCARDS = frozenset("*?[")
_ANY_FOLDERS = "**"

# Progress is reported after so many files were found.
_FOUND_INTERVAL = 1000


class PlanError(ValueError):
    """The sources and the target of a job contradict each other."""


class Found(NamedTuple):
    """A file, and its name within its tree."""

    path: str
    name: str
    root: Path
    """The folder of the tree."""
    error: str | None = None
    """Why it cannot be read, if that is known; for a folder, why its files cannot be listed."""


@dataclass(frozen=True)
class Selection:
    """Which files of the sources belong to a job.

    Patterns have ``*``, ``?`` and ``[]``, which do not match ``/``, and ``**`` for any number of folders. They are
    compared with the name of a file within its tree, and with those of the folders that it is in; a pattern without
    ``/`` applies in every folder.
    """

    include: tuple[str, ...] = ()
    """Only files that match one of these patterns, if there is any."""
    exclude: tuple[str, ...] = ()
    """No files that match one of these patterns."""
    files: tuple[str, ...] | None = None
    """Only these files of a single source folder: their paths, absolute or relative to it."""
    follow_links: bool = False
    """Whether to follow symbolic links, to files and to folders."""

    def has(self, name: str) -> bool:
        """Whether a file belongs to the job."""
        if any(_matches(name, pattern) for pattern in self.exclude):
            return False
        return not self.include or any(_matches(name, pattern) for pattern in self.include)

    def may_have_below(self, folder: str) -> bool:
        """Whether files of a folder can belong to the job."""
        return not any(_matches(folder, pattern) for pattern in self.exclude)


def _matches(name: str, pattern: str) -> bool:
    """Whether a pattern matches a name, or that of a folder that it is in."""
    parts = pattern.strip("/").split("/")
    return _matches_parts(name, parts if "/" in pattern.strip("/") else [_ANY_FOLDERS, *parts], prefix=True)


def _matches_parts(name: str, parts: Sequence[str], *, prefix: bool = False) -> bool:
    """Whether the parts of a pattern match all parts of a name, or with `prefix` some first ones."""
    # All positions in the pattern that the name can have reached: the time is bounded, whatever the pattern.
    positions = _with_skipped({0}, parts)
    for part in name.split("/"):
        reached = set()
        for position in positions:
            if position < len(parts) and parts[position] == _ANY_FOLDERS:
                reached.add(position)
            elif position < len(parts) and fnmatchcase(part, parts[position]):
                reached.add(position + 1)
        positions = _with_skipped(reached, parts)
        if prefix and len(parts) in positions:
            return True
    return len(parts) in positions


def _with_skipped(positions: set[int], parts: Sequence[str]) -> set[int]:
    """Add the positions after each ``**``, which matches no folder, too."""
    result = set()
    for position in positions:
        result.add(position)
        while position < len(parts) and parts[position] == _ANY_FOLDERS:
            position += 1
            result.add(position)
    return result


def is_pattern(source: str | os.PathLike[str]) -> bool:
    """Whether a source is a pattern with wildcards, and not an existing file whose name has such characters."""
    return bool(_WILDCARDS & set(str(source))) and not os.path.lexists(source)


def find_files(
    sources: Iterable[str | os.PathLike[str]],
    selection: Selection | None = None,
    *,
    without: Path | None = None,
    on_found: Callable[[int], None] = lambda _count: None,
) -> list[Found]:
    """List the files of some sources, sorted by name.

    Parameters
    ----------
    sources : iterable of str or path
        Files; folders, with everything below them; patterns with ``*``, ``?``, ``[]`` and ``**``. The name of a file
        within its tree is relative to the folder, or to the part of the pattern before its first wildcard.
    selection : Selection, optional
        Which of these files; by default all.
    without : pathlib.Path, optional
        A folder to leave out with everything below it, such as a target inside a source.
    on_found : callable, optional
        Called with the number of files found so far, after every thousand.

    Raises
    ------
    FileNotFoundError
        If a file or folder does not exist, or no file matches a pattern.
    PlanError
        If `selection.files` is used with anything but one folder, or has a file outside of it.

    Notes
    -----
    A folder that cannot be listed is returned as a file with an error, and so is a selected file that does not exist.
    Links in a folder are not followed by default, but listed: `run_job` skips what is no regular file. Links that are
    sources themselves are followed. Journals and temporary files of jobs are left out.
    """
    selection = selection or Selection()
    excluded = os.path.realpath(without) if without is not None else None
    sources = list(sources)
    if selection.files is not None:
        return _selected_files(sources, selection)
    found: list[Found] = []
    for source in sources:
        path = Path(source)
        if path.is_dir():
            for file in _files_below(path, selection, excluded):
                found.append(file)
                if len(found) % _FOUND_INTERVAL == 0:
                    on_found(len(found))
        elif is_pattern(source):
            found += _matching_files(path, selection, excluded)
        elif os.path.lexists(path):
            if selection.has(path.name):
                real_path = os.path.realpath(path) if path.is_symlink() else str(path)
                found.append(Found(real_path, path.name, path.parent))
        else:
            raise FileNotFoundError(2, os.strerror(2), str(source))
    return sorted(found, key=lambda file: file.name)


def _selected_files(sources: Sequence[str | os.PathLike[str]], selection: Selection) -> list[Found]:
    if len(sources) != 1 or not os.path.isdir(sources[0]):
        raise PlanError("a list of files needs one folder as their source")
    root = Path(sources[0])
    prefixes = {os.path.abspath(root), os.path.realpath(root)}
    found = {}
    for file in selection.files or ():
        name = os.path.normpath(file) if file else ""
        if os.path.isabs(name):
            below = [os.path.relpath(name, prefix) for prefix in prefixes if Path(name).is_relative_to(prefix)]
            name = below[0] if below else ""
        name = name.replace(os.sep, "/")
        try:
            check_name(name)
        except ValueError:
            raise PlanError(f"{file!r} in the list of files is not below {root}") from None
        path = root / name
        if selection.has(name):
            error = None
            if not os.path.lexists(path):
                error = os.strerror(2)
            elif path.is_dir():
                error = "is a folder; a list must name files"
            found[name] = Found(str(path), name, root, error)
    return sorted(found.values(), key=lambda file: file.name)


def find_journals(root: Path, selection: Selection) -> Iterator[Path]:
    """Yield the folders of a tree that have a journal."""
    for file in _walk(root, selection, None):
        folder, name = os.path.split(file.path)
        if name == JOURNAL_NAME:
            yield Path(folder)


def _files_below(root: Path, selection: Selection, excluded: str | None) -> Iterator[Found]:
    for file in _walk(root, selection, excluded):
        name = file.name.rpartition("/")[2]
        if file.error is not None or (not _belongs_to_a_job(name) and selection.has(file.name)):
            yield file


def _walk(root: Path, selection: Selection, excluded: str | None) -> Iterator[Found]:
    """List all that is in a folder; without recursion, since trees can be deeper than Python's stack."""
    real_root = os.path.realpath(root)
    waiting = [("", real_root)]  # names within the tree, and real paths
    visited = {real_root}
    while waiting:
        prefix, real_folder = waiting.pop()
        if real_folder == excluded:
            continue
        folder = root / prefix if prefix else root
        try:
            with os.scandir(folder) as entries:
                listed = list(entries)
        except OSError as error:
            yield Found(str(folder), prefix or root.name, root, f"cannot be listed: {error.strerror}")
            continue
        for entry in listed:
            name = f"{prefix}/{entry.name}" if prefix else entry.name
            follows = selection.follow_links and entry.is_symlink()
            real_path = os.path.realpath(entry.path) if follows else entry.path
            if _is_folder(entry, follows):
                if not follows:
                    real_path = os.path.join(real_folder, entry.name)
                if selection.may_have_below(name) and not (follows and real_path in visited):
                    visited.add(real_path)
                    waiting.append((name, real_path))
            else:
                yield Found(real_path, name, root)


def _is_folder(entry: os.DirEntry[str], follows: bool) -> bool:
    try:
        return entry.is_dir(follow_symlinks=follows)
    except OSError:  # a link to itself, for example; reading it will report it
        return False


def _matching_files(pattern: Path, selection: Selection, excluded: str | None) -> list[Found]:
    base = _parent_of_wildcards(pattern)
    parts = pattern.relative_to(base).parts
    if not base.is_dir():
        raise FileNotFoundError(2, "No file matches", str(pattern))
    found = [
        file
        for file in _files_below(base, selection, excluded)
        if file.error is not None or _matches_parts(file.name, parts)
    ]
    if not found:
        raise FileNotFoundError(2, "No file matches", str(pattern))
    return found


def _belongs_to_a_job(name: str) -> bool:
    return name == JOURNAL_NAME or is_temporary(name)


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
    selection: Selection | None = None,
    *,
    on_found: Callable[[int], None] = lambda _count: None,
) -> list[Job]:
    """Choose the target of each file: the same name below the target folder, or the file itself without a target.

    Parameters
    ----------
    sources : iterable of str or path
        See `find_files`.
    target : str or path, optional
        A folder; None converts in place.
    action : Action, optional
        `Action.COMPRESS` or `Action.DECOMPRESS`; for `Action.VERIFY` see `plan_verification`.
    options : Options, optional
        How to do it.
    selection : Selection, optional
        Which files of the sources; by default all.
    on_found : callable, optional
        See `find_files`.

    Returns
    -------
    list of Job
        For `run_job`, on this machine or on others that see the same files under the same names.

    Raises
    ------
    FileNotFoundError
        See `find_files`.
    PlanError
        If two sources have the same target, or targets whose names differ only in case or in the Unicode form of
        their characters; if the target is a file, or a source itself; if links are to be followed in place.

    Examples
    --------
    >>> from dicom_jpegls import batch
    >>> import dask.bag  # doctest: +SKIP
    >>> jobs = batch.plan(["studies"], "compressed")  # doctest: +SKIP
    >>> dask.bag.from_sequence(jobs).map(batch.run_job).compute()  # doctest: +SKIP
    """
    folder = Path(target) if target is not None else None
    sources = list(sources)
    if folder is not None:
        _check_target(sources, folder)
    elif selection is not None and selection.follow_links:
        raise PlanError("links cannot be followed in place: a job in place never leaves its tree")
    options = options or Options()
    jobs: dict[tuple[str, str], Job] = {}
    for found in find_files(sources, selection, without=folder, on_found=on_found):
        root = str(found.root if folder is None else folder)
        target_path = found.path if folder is None else os.path.join(root, found.name.replace("/", os.sep))
        key = (root, found.name)
        if key in jobs and jobs[key].source != found.path:
            raise PlanError(
                f"{jobs[key].source} and {found.path} would both be written to {target_path}: pass their common parent "
                "directory instead"
            )
        jobs[key] = Job(
            action,
            found.name,
            found.path,
            target_path,
            options,
            root=root,
            error=found.error,
        )
    if folder is not None:
        _check_portable([name for _, name in jobs])
    return list(jobs.values())


def _check_target(sources: Sequence[str | os.PathLike[str]], folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise PlanError(f"{folder} is a file; the target of a tree or of several files must be a folder")
    real_target = os.path.realpath(folder)
    for source in sources:
        path = Path(source)
        root = path if path.is_dir() else _parent_of_wildcards(path) if is_pattern(path) else path.parent
        if os.path.realpath(root) == real_target:
            raise PlanError(f"{source} would be its own target: use --in-place (no target) to replace files")


def _check_portable(names: Iterable[str]) -> None:
    """Check that names stay different on file systems that ignore case or the Unicode form of characters."""
    files: dict[str, str] = {}
    folders: dict[str, str] = {}
    for name in names:
        folded = name.lower()
        if not name.isascii():
            folded = unicodedata.normalize("NFC", unicodedata.normalize("NFD", name).casefold())
        if folded in files:
            raise _clash_error(files[folded], name)
        files[folded] = name
        end = len(folded)
        while (end := folded.rfind("/", 0, end)) > 0 and folded[:end] not in folders:
            folders[folded[:end]] = name
    for folded in files.keys() & folders.keys():
        raise _clash_error(files[folded], folders[folded])


def _clash_error(first: str, second: str) -> PlanError:
    return PlanError(
        f"{first} and {second} would be the same name on a file system that ignores case or Unicode forms: "
        "exclude one of them (--exclude) and convert it to another folder"
    )
