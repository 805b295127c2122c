import os
import signal
import sys
import tomllib
import venv
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import settings

import dicom_jpegls as jls
from support.commands import ROOT, run, succeed
from support.peers import Missing, jpeg_ls

# The same examples in every run, and no deadline: nothing here is about time.
settings.register_profile("repeatable", derandomize=True, deadline=None, database=None, max_examples=150)
settings.load_profile("repeatable")

# A shell starts what runs in the background with SIGINT ignored, which the tests of Ctrl-C would inherit.
signal.signal(signal.SIGINT, signal.default_int_handler)


UNPATCHED = jls.charls_build()["source"] == "system"


def pytest_collection_modifyitems(items):
    """Begin with the file that takes longest, so that no core waits for it; skip what an unpatched CharLS cannot do."""
    items.sort(key=lambda item: item.path.name != "test_build.py")
    if UNPATCHED:
        for item in items:
            if item.get_closest_marker("patched_charls"):
                item.add_marker(pytest.mark.skip(reason="the CharLS of the system is unpatched"))


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call():
    """Skip a test where the package refuses what an unpatched CharLS cannot do, or where pydicom lacks a peer."""
    try:
        return (yield)
    except jls.JPEGLSError as error:
        if UNPATCHED and "unpatched CharLS" in str(error):
            pytest.skip(str(error))
        raise
    except RuntimeError as error:
        if isinstance(jpeg_ls, Missing) and "missing dependencies" in str(error):
            pytest.skip("pydicom decodes JPEG-LS with pyjpegls, which is not installed")
        raise


@pytest.fixture(scope="session")
def tools(tmp_path_factory):
    """An environment with the build requirements, as pip makes one."""
    if os.name == "nt":
        pytest.skip("the tests drive CMake with Ninja and a Unix compiler")
    directory = tmp_path_factory.mktemp("tools")
    venv.create(directory)
    requires = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]
    python = directory / "bin/python"
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-compile"]
    status, output = run(*pip, "build", "cmake", "ninja", "pip", *requires)
    if status != 0:
        pytest.skip(f"pip cannot install the build requirements: {output}")
    modules = succeed(python, "-c", "import cython_cmake; print(cython_cmake.__path__[0])")
    return SimpleNamespace(python=python, bin=directory / "bin", modules=Path(modules) / "cmake")
