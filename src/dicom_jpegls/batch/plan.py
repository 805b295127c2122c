"""Finding the files of a job, and choosing the target of each."""

from __future__ import annotations

import copy
import heapq
import json
import os
import unicodedata
import zlib
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from itertools import chain, islice
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, overload

import numpy as np

from dicom_jpegls.batch.jobs import Job, Options
from dicom_jpegls.batch.journal import JOURNAL_NAME
from dicom_jpegls.batch.records import Action, check_name
from dicom_jpegls.files import is_temporary

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Iterator

_WILDCARDS = frozenset("*?[")
_ANY_FOLDERS = "**"

# Progress is reported after so many files were found.
_FOUND_INTERVAL = 1000

# How many files of a plan are compressed together, and how many such blocks are kept expanded: the jobs of a journal
# are nearly in the order of the plan.
_BLOCK_SIZE = 256
_EXPANDED_BLOCKS = 16


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
    return list(iterate_files(sources, selection, without=without, on_found=on_found))


def iterate_files(
    sources: Iterable[str | os.PathLike[str]],
    selection: Selection | None = None,
    *,
    without: Path | None = None,
    on_found: Callable[[int], None] = lambda _count: None,
) -> Iterator[Found]:
    """Do what `find_files` does, one file at a time: a folder is listed when its turn comes."""
    selection = selection or Selection()
    excluded = os.path.realpath(without) if without is not None else None
    sources = list(sources)
    named: list[Found] = []
    trees: list[Iterator[Found]] = []
    if selection.files is not None:
        named = _selected_files(sources, selection)
        sources = []
    for source in sources:
        path = Path(source)
        if path.is_dir():
            trees.append(_files_below(path, selection, excluded))
        elif is_pattern(source):
            trees.append(_matching_files(path, selection, excluded))
        elif os.path.lexists(path):
            if selection.has(path.name):
                real_path = os.path.realpath(path) if path.is_symlink() else str(path)
                named.append(Found(real_path, path.name, path.parent))
        else:
            raise FileNotFoundError(2, os.strerror(2), str(source))
    by_name = attrgetter("name")
    for count, found in enumerate(heapq.merge(sorted(named, key=by_name), *trees, key=by_name), start=1):
        if count % _FOUND_INTERVAL == 0:
            on_found(count)
        yield found


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
    return list(found.values())


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
    """List all that is in a folder, sorted by name; without recursion, since trees can be deeper than Python's stack.

    No more is kept than the names in folders of which not all have had their turn.
    """
    waiting = [""]  # a heap of names within the tree; those in a folder come after its own
    folders = {"": os.path.realpath(root)}  # the real paths of those that are folders
    links: dict[str, str] = {}  # the real paths of those that are links to files
    visited = set(folders.values())
    start = os.path.join(root, "")
    while waiting:
        name = heapq.heappop(waiting)
        if name not in folders:
            yield Found(links.pop(name) if name in links else start + _as_path(name), name, root)
            continue
        real_folder = folders.pop(name)
        if real_folder == excluded:
            continue
        prefix = f"{name}/" if name else ""
        try:
            with os.scandir(start + _as_path(name) if name else root) as entries:
                for entry in entries:
                    below = prefix + entry.name
                    follows = selection.follow_links and entry.is_symlink()
                    real_path = os.path.realpath(entry.path) if follows else None
                    if _is_folder(entry, follows):
                        if not selection.may_have_below(below) or real_path in visited:
                            continue
                        folders[below] = real_path or os.path.join(real_folder, entry.name)
                        if selection.follow_links:
                            visited.add(folders[below])
                    elif real_path is not None:
                        links[below] = real_path
                    heapq.heappush(waiting, below)
        except OSError as error:
            yield Found(str(root / name), name or root.name, root, f"cannot be listed: {error.strerror}")


def _as_path(name: str) -> str:
    """Return the path of a file, within its tree, by its name."""
    return name if os.sep == "/" else name.replace("/", os.sep)


def _is_folder(entry: os.DirEntry[str], follows: bool) -> bool:
    try:
        return entry.is_dir(follow_symlinks=follows)
    except OSError:  # a link to itself, for example; reading it will report it
        return False


def _matching_files(pattern: Path, selection: Selection, excluded: str | None) -> Iterator[Found]:
    base = _parent_of_wildcards(pattern)
    parts = pattern.relative_to(base).parts
    matches = False
    if base.is_dir():
        for file in _files_below(base, selection, excluded):
            if file.error is not None or _matches_parts(file.name, parts):
                matches = True
                yield file
    if not matches:
        raise FileNotFoundError(2, "No file matches", str(pattern))


def _belongs_to_a_job(name: str) -> bool:
    return name == JOURNAL_NAME or is_temporary(name)


def _parent_of_wildcards(pattern: Path) -> Path:
    parts = []
    for part in pattern.parts:
        if _WILDCARDS & set(part):
            break
        parts.append(part)
    return Path(*parts)


class Plan(Sequence[Job]):
    """The jobs of some files. Each is made when it is asked for, and a million of them take a few megabytes.

    Parameters
    ----------
    files : iterable of Found
        The files; they are kept in compressed blocks.
    make_job : callable
        Returns the job of a file.
    """

    def __init__(self, files: Iterable[Found], make_job: Callable[[Found], Job]) -> None:
        self._make_job = make_job
        roots: dict[Path, int] = {}
        self._roots: list[tuple[Path, str]] = []  # and what the paths of their files start with
        self._blocks: list[bytes] = []
        count = 0
        files = iter(files)
        while block := list(islice(files, _BLOCK_SIZE)):
            values = []
            for path, name, root, error in block:
                number = roots.setdefault(root, len(roots))
                if number == len(self._roots):
                    self._roots.append((root, os.path.join(root, "")))
                is_below = path == self._roots[number][1] + _as_path(name)
                values.append((None if is_below else path, name, number, error))
            self._blocks.append(zlib.compress(json.dumps(values).encode("ascii"), 1))
            count += len(block)
        self._numbers = np.arange(count, dtype=np.uint32)
        self._expanded = lru_cache(_EXPANDED_BLOCKS)(self._expand)

    def _expand(self, number: int) -> list[Found]:
        files = []
        for path, name, root_number, error in json.loads(zlib.decompress(self._blocks[number])):
            root, start = self._roots[root_number]
            files.append(Found(path or start + _as_path(name), name, root, error))
        return files

    def __len__(self) -> int:
        return len(self._numbers)

    @overload
    def __getitem__(self, index: int) -> Job: ...

    @overload
    def __getitem__(self, index: slice) -> list[Job]: ...

    def __getitem__(self, index: int | slice) -> Job | list[Job]:
        if isinstance(index, slice):
            return [self._job(number) for number in self._numbers[index].tolist()]
        return self._job(int(self._numbers[index]))

    def __iter__(self) -> Iterator[Job]:
        return map(self._job, map(int, self._numbers))

    def _job(self, number: int) -> Job:
        block, position = divmod(number, _BLOCK_SIZE)
        return self._make_job(self._expanded(block)[position])

    def without(self, done: bytearray) -> Plan:
        """Return the same plan without the jobs whose byte is not zero."""
        remaining = copy.copy(self)
        remaining._numbers = self._numbers[np.frombuffer(done, np.uint8) == 0]
        return remaining

    def changed(self, change: Callable[[Job], Job]) -> Plan:
        """Return the same plan with each job changed when it is made."""
        make_job = self._make_job
        changed = copy.copy(self)
        changed._make_job = lambda found: change(make_job(found))
        return changed

    def names(self) -> Iterator[str]:
        """Yield the names of all files that the plan was made with."""
        return chain.from_iterable((file.name for file in self._expanded(i)) for i in range(len(self._blocks)))


class JobQueue:
    """Jobs that are taken one at a time, in their order."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        self._jobs = jobs
        self._taken = 0

    def __len__(self) -> int:
        return len(self._jobs) - self._taken

    @property
    def first(self) -> Job:
        """The next job, which stays in the queue."""
        return self._jobs[self._taken]

    def take(self) -> Job:
        """Take the next job."""
        self._taken += 1
        return self._jobs[self._taken - 1]


def plan(
    sources: Iterable[str | os.PathLike[str]],
    target: str | os.PathLike[str] | None,
    action: Action = Action.COMPRESS,
    options: Options | None = None,
    selection: Selection | None = None,
    *,
    on_found: Callable[[int], None] = lambda _count: None,
) -> Plan:
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
    Plan
        A sequence of jobs for `run_job`, on this machine or on others that see the same files under the same names.

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
    start = os.path.join(folder, "") if folder is not None else ""

    def make_job(found: Found) -> Job:
        root = str(found.root if folder is None else folder)
        target_path = found.path if folder is None else start + _as_path(found.name)
        return Job(action, found.name, found.path, target_path, options, root=root, error=found.error)

    files = iterate_files(sources, selection, without=folder, on_found=on_found)
    jobs = Plan(_without_repeated(files, folder), make_job)
    if folder is not None:
        _check_portable(jobs)
    return jobs


def _without_repeated(files: Iterable[Found], folder: Path | None) -> Iterator[Found]:
    """Leave out files that come again, and refuse other files of the same name; these follow each other."""
    paths: dict[Path | None, str] = {}  # of the files with the last name, by the tree that they are written to
    last = None
    for found in files:
        if found.name != last:
            paths.clear()
            last = found.name
        root = found.root if folder is None else None
        if root not in paths:
            paths[root] = found.path
            yield found
        elif paths[root] != found.path:
            raise PlanError(
                f"{paths[root]} and {found.path} would both be written to "
                f"{(folder or found.root) / found.name}: pass their common parent directory instead"
            )


def _check_target(sources: Sequence[str | os.PathLike[str]], folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise PlanError(f"{folder} is a file; the target of a tree or of several files must be a folder")
    real_target = os.path.realpath(folder)
    for source in sources:
        path = Path(source)
        root = path if path.is_dir() else _parent_of_wildcards(path) if is_pattern(path) else path.parent
        if os.path.realpath(root) == real_target:
            raise PlanError(f"{source} would be its own target: use --in-place (no target) to replace files")


def _check_portable(jobs: Plan) -> None:
    """Check that names stay different on file systems that ignore case or the Unicode form of characters."""
    # Of a million names no more is kept than hashes; those that are equal are looked at again.
    files, folders = array("q"), array("q")
    last = ""
    for name in map(_folded, jobs.names()):
        files.append(hash(name))
        for folder in _folders_of(name):
            if last.startswith(f"{folder}/"):
                break
            folders.append(hash(folder))
        last = name
    of_files, of_folders = np.frombuffer(files, np.int64), np.frombuffer(folders, np.int64)
    of_files.sort()
    suspects = set(of_files[1:][of_files[1:] == of_files[:-1]].tolist())
    are_files = np.searchsorted(of_files, of_folders) < np.searchsorted(of_files, of_folders, "right")
    suspects.update(of_folders[are_files].tolist())
    if suspects:
        _check_distinct(jobs.names(), suspects)


def _check_distinct(names: Iterable[str], suspects: Container[int]) -> None:
    """Check those names, of files and folders, whose hashes are suspect."""
    files: dict[str, str] = {}
    folders: dict[str, str] = {}
    for name in names:
        folded = _folded(name)
        if hash(folded) in suspects:
            if folded in files:
                raise _clash_error(files[folded], name)
            files[folded] = name
        for folder in _folders_of(folded):
            if hash(folder) in suspects:
                folders.setdefault(folder, name)
    for folded in files.keys() & folders.keys():
        raise _clash_error(files[folded], folders[folded])


def _folded(name: str) -> str:
    """Return what names have in common that are the same where case and Unicode forms are ignored."""
    if name.isascii():
        return name.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", name).casefold())


def _folders_of(name: str) -> Iterator[str]:
    """Yield the folders that a file is in, the nearest first."""
    end = len(name)
    while (end := name.rfind("/", 0, end)) > 0:
        yield name[:end]


def _clash_error(first: str, second: str) -> PlanError:
    return PlanError(
        f"{first} and {second} would be the same name on a file system that ignores case or Unicode forms: "
        "exclude one of them (--exclude) and convert it to another folder"
    )
