"""What the tests of commands share."""

import pytest

from support.archive_tree import make_shared_tree


@pytest.fixture(scope="session")
def tree(tmp_path_factory):
    """A tree of files, and the names of those that are broken."""
    return make_shared_tree(tmp_path_factory)
