"""Runs the tools that build things."""

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]

# The settings of whoever runs the tests, or of a git hook that does, are kept out.
ENVIRONMENT = {
    **{key: value for key, value in os.environ.items() if not key.startswith(("CMAKE_", "GIT_", "SKBUILD_"))},
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "LC_ALL": "C",
}


def run(*command, cwd=None, **environment):
    """The exit status and the output of a command, on one line since CMake wraps its messages."""
    result = subprocess.run(
        [os.fspath(part) for part in command],
        cwd=cwd,
        env=ENVIRONMENT | environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return result.returncode, " ".join(result.stdout.split())


def succeed(*command, cwd=None, **environment):
    status, output = run(*command, cwd=cwd, **environment)
    assert status == 0, output
    return output
