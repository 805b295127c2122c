"""Symbolic links."""

import pytest


def make_link(link, target):
    """Make a symbolic link; skip the test where the system has none, as Windows for users without the right to."""
    try:
        link.symlink_to(target)
    except OSError as error:
        pytest.skip(f"no symbolic link can be made: {error}")
    if not link.is_symlink():  # wine makes links, and does not find them
        pytest.skip("a symbolic link cannot be found")
