"""Work on a file in steps, between which it waits: for the disk, or for the frames of other files."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, TypeVar

from dicom_jpegls.files.target import NewFile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

# Frames that are coded together, as many as the codec has lanes: a file with more does not need those of others.
FRAMES_TOGETHER = 16

# Bytes of the files that wait for each other: of the elements before Pixel Data, and of native samples. There must be
# room for several files, or none waits.
SIZE_TOGETHER = 2**25
_LARGEST_SHARE = SIZE_TOGETHER // 8

_Result = TypeVar("_Result")


class SharedCoding(NamedTuple):
    """The frames of a small file, which are coded faster together with those of other files."""

    function: Callable[[Any, list[Any]], Iterable[Any]]
    """Called with the coder and a list of items; returns a result for each item."""
    coder: object
    """Frames with the same function and coder can be coded together."""
    items: list[Any]
    size: int
    """Bytes of memory that the file needs while it waits."""

    def run(self) -> list[Any]:
        """Return the results of this file alone."""
        return list(self.function(self.coder, self.items))


Step: TypeAlias = NewFile | SharedCoding

Steps: TypeAlias = Generator[Step, Any, _Result]
"""Work that returns a result, and yields when it must wait: a new file, until it is synced; or a `SharedCoding`, whose
results it is sent. An error of either is thrown into it."""


def can_share(frames: int, size: int) -> bool:
    """Whether a file of some frames and bytes should wait until its frames can be coded with those of other files."""
    return frames < FRAMES_TOGETHER and size <= _LARGEST_SHARE


def code_together(codings: Sequence[SharedCoding]) -> list[list[Any] | Exception]:
    """Return the results, or the error, of each of several files with the same function and coder."""
    if len(codings) > 1:
        function, coder = codings[0].function, codings[0].coder
        try:
            results = iter(list(function(coder, [item for coding in codings for item in coding.items])))
        except Exception:  # which is raised again for the file that has it
            pass
        else:
            return [list(islice(results, len(coding.items))) for coding in codings]
    return list(map(_run_alone, codings))


def _run_alone(coding: SharedCoding) -> list[Any] | Exception:
    try:
        return coding.run()
    except Exception as error:
        return error


def next_step(steps: Steps[Any], outcome: object = None) -> Step:
    """Continue with the outcome of the last step, which may be an error, and return the next one.

    Raises
    ------
    StopIteration
        If there is none; its value is the result.
    """
    return steps.throw(outcome) if isinstance(outcome, Exception) else steps.send(outcome)


def finish_steps(steps: Steps[_Result]) -> _Result:
    """Do all steps of the work on one file."""
    with closing(steps):
        outcome: object = None
        try:
            while True:
                step = next_step(steps, outcome)
                outcome = None
                try:
                    if isinstance(step, NewFile):
                        step.sync()
                    else:
                        outcome = step.run()
                except Exception as error:
                    outcome = error
        except StopIteration as end:
            result: _Result = end.value
            return result
