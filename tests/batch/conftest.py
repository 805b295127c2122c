"""What the tests of jobs share."""

import pytest

from support.archive_tree import BROKEN_KINDS, make_tree

COUNT, BROKEN = 62, 10


@pytest.fixture(scope="session")
def tree(tmp_path_factory):
    """A tree of files, and the names of those that are broken."""
    folder = tmp_path_factory.mktemp("archive") / "tree"
    broken = make_tree(folder, COUNT, BROKEN)
    assert len(broken) == BROKEN == len(BROKEN_KINDS)
    return folder, broken
