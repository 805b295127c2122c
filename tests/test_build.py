"""The build: each way to CharLS's sources, the patches, and what goes into the sdist and the wheel.

Most tests run CMake's configuration step only, in a copy of the sources, and read what it decided.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path
from types import SimpleNamespace

import numpy
import pytest

import dicom_jpegls as jls
from dicom_jpegls import _codec
from support.commands import ENVIRONMENT, ROOT, run, succeed

if os.environ.get("DICOM_JPEGLS_TEST_INSTALLED") == "1":
    pytest.skip("the tests run against an installed wheel", allow_module_level=True)
if os.name == "nt":
    pytest.skip("the tests drive CMake with Ninja and a Unix compiler", allow_module_level=True)
if not (ROOT / ".git").exists():
    pytest.skip("the sources are no git checkout", allow_module_level=True)
if not shutil.which("git"):
    pytest.skip("git is not installed", allow_module_level=True)

# Git clones submodules from the same machine only if asked to.
LOCAL_SUBMODULES = {
    "GIT_CONFIG_COUNT": "1",
    "GIT_CONFIG_KEY_0": "protocol.file.allow",
    "GIT_CONFIG_VALUE_0": "always",
}
# Such a server does not hand out a commit that no branch or tag ends at, which is what a shallow clone asks for.
OLD_SERVER = {
    **LOCAL_SUBMODULES,
    "GIT_CONFIG_COUNT": "2",
    "GIT_CONFIG_KEY_1": "protocol.version",
    "GIT_CONFIG_VALUE_1": "0",
}

# As git writes patches: those without "diff --git" it applies in places where it skips these.
PATCH = """\
diff --git a/src/jpegls_error.cpp b/src/jpegls_error.cpp
--- a/src/jpegls_error.cpp
+++ b/src/jpegls_error.cpp
@@ -44,7 +44,7 @@
         return "Invalid argument";

     case jpegls_errc::invalid_argument_width:
-        return "{old}";
+        return "{new}";

     case jpegls_errc::invalid_argument_height:
         return "The height argument is outside the supported range [1, 65535]";
"""
ORIGINAL = "The width argument is outside the supported range [1, 65535]"
OUR_PATCHES = sorted(path.stem for path in ROOT.glob("patches/*.patch"))


def git(directory, *arguments):
    identity = ["-c", "user.name=test", "-c", "user.email=test@example.com"]
    return succeed("git", *identity, *arguments, cwd=directory)


@pytest.fixture(scope="session")
def configure(tools):
    """A function that configures a source tree with what scikit-build-core passes to CMake."""

    def configure(tree, build, *definitions, **environment):
        return run(
            tools.bin / "cmake",
            *("-S", tree, "-B", build, "-G", "Ninja"),
            f"-DCMAKE_MAKE_PROGRAM={tools.bin / 'ninja'}",
            f"-DCMAKE_MODULE_PATH={tools.modules}",
            f"-DCYTHON_EXECUTABLE={tools.bin / 'cython'}",
            f"-DPython_EXECUTABLE={tools.python}",
            "-DSKBUILD_PROJECT_NAME=dicom_jpegls",
            "-DSKBUILD_PROJECT_VERSION=1.2.3",
            "-DSKBUILD_PROJECT_VERSION_FULL=1.2.3.dev4",
            "-DSKBUILD_SABI_COMPONENT=Development.SABIModule",
            "-DSKBUILD_SABI_VERSION=3.11",
            *definitions,
            **environment,
        )

    return configure


@pytest.fixture(scope="session")
def configured(configure):
    """The same where it must work: what build_info.h then says, and the output."""

    def configured(tree, build, *definitions, **environment):
        status, output = configure(tree, build, *definitions, **environment)
        assert status == 0, output
        lines = (build / "include/build_info.h").read_text()
        info = dict(re.findall(r'#define DICOM_JPEGLS_(\w+) "(.*)"', lines))
        patches = info["CHARLS_PATCHES"]
        return SimpleNamespace(
            version=info["VERSION"],
            source=info["CHARLS_SOURCE"],
            patches=patches.split(";") if patches else [],
            output=output,
        )

    return configured


def copy_sources(tree):
    """Copy what is in the checkout, committed or not, without the submodule and without .git."""
    names = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        env={key: value for key, value in os.environ.items() if not key.startswith("GIT_")},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout.split("\0")
    for name in filter(None, names):
        if (ROOT / name).is_file():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, tree / name)
    (tree / "charls").mkdir(parents=True)
    return tree


@pytest.fixture
def tree(tmp_path):
    return copy_sources(tmp_path / "tree")


@pytest.fixture
def build(tmp_path):
    return tmp_path / "build"


@pytest.fixture(scope="session")
def from_index(configured, tmp_path_factory):
    """What configuring made of sources that have no CharLS: the sources from the package index among it."""
    directory = tmp_path_factory.mktemp("index")
    tree = copy_sources(directory / "tree")
    build = directory / "build"
    result = configured(tree, build)
    return SimpleNamespace(tree=tree, build=build, result=result, charls=tree / "charls-index")


@pytest.fixture(scope="session")
def charls(from_index):
    return from_index.charls


@pytest.fixture(scope="session")
def upstream(charls, tmp_path_factory):
    """A git repository of CharLS, and a commit of it that no branch ends at."""
    directory = tmp_path_factory.mktemp("upstream")
    shutil.copytree(charls, directory, dirs_exist_ok=True)
    git(directory, "init", "--quiet")
    git(directory, "add", ".")
    git(directory, "commit", "--quiet", "--message", "One")
    commit = git(directory, "rev-parse", "HEAD")
    git(directory, "commit", "--quiet", "--allow-empty", "--message", "Two")
    return SimpleNamespace(path=directory, commit=commit)


@pytest.fixture(scope="session")
def no_index(tmp_path_factory):
    """The environment in which pip reaches no package index."""
    nothing = tmp_path_factory.mktemp("nothing")
    return {"PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": os.fspath(nothing)}


def make_checkout(tree, url, commit):
    """Put the sources in a repository whose submodule has this URL and commit."""
    git(tree, "init", "--quiet")
    git(tree, "add", ".")
    git(tree, "update-index", "--add", "--cacheinfo", f"160000,{commit},charls")
    git(tree, "commit", "--quiet", "--message", "All")
    git(tree, "config", "submodule.charls.url", url)


def add_patch(tree, name, old, new):
    (tree / "patches" / f"{name}.patch").write_text(PATCH.format(old=old, new=new))


# --- Where CharLS comes from ------------------------------------------------------------------------------------------


def test_given_path_comes_first(tree, build, charls, configured, no_index):
    shutil.copytree(charls, tree / "charls", dirs_exist_ok=True)
    result = configured(tree, build, f"-DCHARLS_SOURCE_DIR={charls}", **no_index)
    assert (result.source, result.patches) == ("path", OUR_PATCHES)
    assert result.version == "1.2.3.dev4"


def test_filled_submodule_folder_is_taken_as_it_is(tree, build, charls, upstream, configured, no_index):
    make_checkout(tree, upstream.path, upstream.commit)
    shutil.copytree(charls, tree / "charls", dirs_exist_ok=True)
    (tree / "charls/marker").touch()
    result = configured(tree, build, **LOCAL_SUBMODULES, **no_index)
    assert (result.source, result.patches) == ("submodule", OUR_PATCHES)
    assert "updating" not in result.output
    assert (tree / "charls/marker").exists()


@pytest.mark.parametrize(
    ("prefix", "environment"),
    [("", LOCAL_SUBMODULES), ("file://", LOCAL_SUBMODULES), ("file://", OLD_SERVER)],
    ids=["path", "url", "old-server"],
)
def test_empty_submodule_is_updated(tree, build, upstream, configured, no_index, prefix, environment):
    make_checkout(tree, f"{prefix}{upstream.path}", upstream.commit)
    result = configured(tree, build, **environment, **no_index)
    assert (result.source, result.patches) == ("submodule", OUR_PATCHES)
    assert git(tree / "charls", "rev-parse", "HEAD") == upstream.commit
    # What the user's own git commands meet afterwards.
    assert git(tree, "status", "--porcelain") == ""


def test_index_comes_after_the_submodule(tree, build, tmp_path, from_index, upstream, configured, no_index):
    make_checkout(tree, tmp_path / "gone", upstream.commit)
    # Downloaded before: once is enough for the tests.
    shutil.copytree(from_index.charls, tree / "charls-index")
    result = configured(tree, build, **LOCAL_SUBMODULES, **no_index)
    assert result.source == "index"
    assert not (tree / ".git/modules").exists(), "what is left of a failed clone blocks later ones"


def test_index(from_index):
    assert from_index.result.source == "index"
    assert from_index.result.patches == OUR_PATCHES
    assert "downloading" in from_index.result.output
    assert (from_index.charls / "src/jpegls.cpp").is_file()
    assert not (from_index.charls.parent / "charls/src").exists(), "the submodule's folder is git's"


def test_index_is_asked_once(from_index, configured, no_index):
    result = configured(from_index.tree, from_index.build, **no_index)
    assert result.source == "index"
    assert "downloading" not in result.output


def test_wrong_hash_stops_the_build(tree, build, configure):
    pinned = tree / "build_support/charls-index.txt"
    right = pinned.read_text()
    wrong = re.sub(r"^\w{4}", "0000", right, flags=re.MULTILINE)
    assert wrong != right
    pinned.write_text(wrong)
    status, output = configure(tree, build)
    assert status != 0
    assert re.search(r"pyjpegls-1.5.1.tar.gz\S* has the SHA-256 d0fe\w{60}, but must have 0000\w{60}", output), output
    assert not (tree / "charls-index").exists()


@pytest.mark.parametrize("checkout", [True, False], ids=["checkout", "sdist"])
def test_error_without_any_source_says_what_to_do(tree, build, tmp_path, upstream, configure, no_index, checkout):
    if checkout:
        make_checkout(tree, tmp_path / "gone", upstream.commit)
    status, output = configure(tree, build, **LOCAL_SUBMODULES, **no_index)
    assert status != 0
    assert f"The folder {tree / 'charls'} is empty" in output
    assert ("git submodule update failed (128). fatal: " if checkout else "the checkout has no submodule") in output
    assert "From the Python package index: no index has pyjpegls-1.5.1.tar.gz" in output
    for remedy in ["git submodule update --init charls", "pip config set global.index-url"]:
        assert remedy in output
    for option in ["CHARLS_SOURCE_DIR=/path/to/charls", "DICOM_JPEGLS_SYSTEM_CHARLS=ON"]:
        assert f"pip install . -C cmake.define.{option}" in output


def test_given_path_without_charls_is_an_error(tree, build, tmp_path, charls, configure):
    # Sources elsewhere do not stand in for what was asked for.
    shutil.copytree(charls, tree / "charls", dirs_exist_ok=True)
    status, output = configure(tree, build, f"-DCHARLS_SOURCE_DIR={tmp_path}")
    assert status != 0
    assert f"CHARLS_SOURCE_DIR is {tmp_path}, which does not hold CharLS's sources" in output


@pytest.mark.parametrize(("name", "number"), [("MAJOR", 4), ("MINOR", 3)])
def test_other_charls_version_is_an_error(tree, build, charls, configure, name, number):
    shutil.copytree(charls, tree / "charls", dirs_exist_ok=True)
    header = tree / "charls/include/charls/version.h"
    text, count = re.subn(rf"(define CHARLS_VERSION_{name}) \d+", rf"\g<1> {number}", header.read_text())
    assert count == 1
    header.write_text(text)
    status, output = configure(tree, build)
    assert status != 0
    assert "does not hold CharLS 2.4 or later, up to 3" in output


def test_installed_charls(tree, build, tmp_path, charls, configured):
    shutil.copytree(charls, tree / "charls", dirs_exist_ok=True)
    add_patch(tree, "9000-test", ORIGINAL, "Patched")
    config = tmp_path / "prefix/lib/cmake/charls"
    config.mkdir(parents=True)
    (config / "charlsConfig.cmake").write_text("add_library(charls INTERFACE IMPORTED)\n")
    (config / "charlsConfigVersion.cmake").write_text(
        'set(PACKAGE_VERSION "2.4.1")\nset(PACKAGE_VERSION_COMPATIBLE TRUE)\n'
    )
    result = configured(tree, build, "-DDICOM_JPEGLS_SYSTEM_CHARLS=ON", f"-DCMAKE_PREFIX_PATH={tmp_path / 'prefix'}")
    assert (result.source, result.patches) == ("system", [])


def test_missing_installed_charls_is_an_error(tree, build, charls, configure):
    shutil.copytree(charls, tree / "charls", dirs_exist_ok=True)
    # The machine may have one.
    absent = "-DCMAKE_DISABLE_FIND_PACKAGE_charls=ON"
    status, output = configure(tree, build, "-DDICOM_JPEGLS_SYSTEM_CHARLS=ON", absent)
    assert status != 0
    assert "CMake finds no CharLS 2.4 or later" in output
    assert "libcharls-dev" in output


# --- Patches ----------------------------------------------------------------------------------------------------------

WITHOUT_GIT = "-DCMAKE_DISABLE_FIND_PACKAGE_Git=ON"
PATCH_TOOLS = [
    pytest.param([], id="git"),
    pytest.param(
        [WITHOUT_GIT], id="patch", marks=pytest.mark.skipif(not shutil.which("patch"), reason="patch is not installed")
    ),
]


@pytest.mark.parametrize("tool", PATCH_TOOLS)
@pytest.mark.parametrize("place", ["no repository", "a checkout", "a foreign repository", "a git hook"])
def test_patches_are_applied_in_order_to_a_copy(tree, charls, upstream, configured, tool, place):
    environment = {}
    if place == "a checkout":
        make_checkout(tree, upstream.path, upstream.commit)
    if place in ("a foreign repository", "a git hook"):
        git(tree.parent, "init", "--quiet")
    if place == "a git hook":
        environment = {"GIT_DIR": f"{tree.parent / '.git'}", "GIT_WORK_TREE": f"{tree.parent}"}
    add_patch(tree, "9001-test", "Patched once", "Patched twice")
    add_patch(tree, "9000-test", ORIGINAL, "Patched once")
    build = tree / "build"
    result = configured(tree, build, f"-DCHARLS_SOURCE_DIR={charls}", *tool, **environment)
    assert result.patches == [*OUR_PATCHES, "9000-test", "9001-test"]
    assert '"Patched twice"' in (build / "charls-patched/src/jpegls_error.cpp").read_text()
    assert ORIGINAL in (charls / "src/jpegls_error.cpp").read_text()


def test_next_configuration_touches_only_what_changes(tree, build, charls, configured):
    sources = build / "charls-patched/src"

    def times():
        configured(tree, build, f"-DCHARLS_SOURCE_DIR={charls}")
        return {path.name: path.stat().st_mtime_ns for path in sources.iterdir()}

    first = times()
    (sources / "of_another_version.cpp").touch()
    assert times() == first
    add_patch(tree, "9000-test", ORIGINAL, "Patched")
    last = times()
    assert [name for name, time in first.items() if last[name] != time] == ["jpegls_error.cpp"]


@pytest.mark.parametrize("tool", PATCH_TOOLS)
def test_patch_that_does_not_apply_stops_the_build(tree, build, charls, configure, tool):
    add_patch(tree, "9000-good", ORIGINAL, "Patched")
    add_patch(tree, "9001-bad", ORIGINAL, "Patched again")
    status, output = configure(tree, build, f"-DCHARLS_SOURCE_DIR={charls}", *tool)
    assert status != 0
    assert f"patches/9001-bad.patch does not apply to the CharLS sources of {charls}" in output


def test_patches_need_git_or_patch(tree, build, charls, configure):
    add_patch(tree, "9000-test", ORIGINAL, "Patched")
    # An empty path stands for one that was looked for and not found.
    status, output = configure(tree, build, f"-DCHARLS_SOURCE_DIR={charls}", WITHOUT_GIT, "-DPATCH_EXECUTABLE=")
    assert status != 0
    assert "Neither git nor patch is there to apply patches/" in output


# What tests/codec/patches.cpp prints, and for what a patch changes, what it prints without that patch.
UNCHANGED = {
    "largest Golomb parameter of 16 bits": "15",
    "as many zero bits as a code may have": "63",
    "the end of a scan": "0",
    "seven bits and a byte of zeros before a marker": "0",
}
CHANGED = {
    "0001-bound-golomb-parameter-in-run-mode": {"a Golomb parameter above those of 16 bits": ("refused", "20")},
    "0002-bound-zero-bits-of-a-code": {"more zero bits than any code has": ("refused", "95")},
    "0003-check-end-of-scan-data": {
        "bits missing at the end of a scan": ("refused", "0"),
        "eight bits and a byte of zeros before a marker": ("refused", "0"),
        "a marker only past the end of the buffer": ("refused", "0"),
    },
    "0004-compare-the-fourth-component-in-runs": {"pixels that differ in the fourth component only": ("0", "1")},
    "0006-check-room-for-the-byte-before-the-end": {
        "the byte after a destination that the scan has filled": ("0", "255")
    },
}
# The same of tests/codec/patches_charls_3.cpp.
UNCHANGED_3 = UNCHANGED | {
    "a marker only past the end of the buffer": "refused",
    "a transformation of two components": "refused",
}
CHANGED_3 = {
    "0001-bound-golomb-parameter-in-run-mode": CHANGED["0001-bound-golomb-parameter-in-run-mode"],
    "0002-bound-zero-bits-of-a-code": CHANGED["0002-bound-zero-bits-of-a-code"],
    "0003-check-end-of-scan-data": {
        "bits missing at the end of a scan": ("refused", "0"),
        "eight bits and a byte of zeros before a marker": ("refused", "0"),
        "data left before a restart marker": ("refused", "0"),
    },
    "0006-check-room-for-the-byte-before-the-end": CHANGED["0006-check-room-for-the-byte-before-the-end"],
    "0008-undo-colour-transformations-as-2.4-does": {
        "a transformation of planes": ("0", "refused"),
        "a transformation of four components": ("0", "refused"),
        "transformation undone in lines": ("133", "1"),
        "transformation undone in pixels": ("131", "1"),
    },
}


def outcomes(program, parts, charls, folder, missing, directory):
    """What the program prints with a copy of patched CharLS sources from which one patch is taken back, or none.

    It needs some parts of CharLS, by the names of their files.
    """
    sources = directory / "charls"
    shutil.copytree(charls, sources)
    if missing:
        succeed("git", "apply", "--reverse", ROOT / folder / f"{missing}.patch", cwd=sources)
    options = ["-std=c++17", "-DCHARLS_STATIC", "-DCHARLS_LIBRARY_BUILD", "-DNDEBUG"]
    options += [f"-I{sources / 'include'}", f"-I{sources}", f"-I{sources / 'src'}"]
    files = [ROOT / "tests/codec" / program, *(sources / f"src/{part}.cpp" for part in parts)]
    succeed("c++", *options, *files, "-o", directory / "program")
    output = subprocess.run([directory / "program"], stdout=subprocess.PIPE, text=True, check=True).stdout
    return dict(line.split(": ") for line in output.splitlines())


def expected_outcomes(unchanged, changed, missing):
    return unchanged | {
        name: without if patch == missing else patched
        for patch, names in changed.items()
        for name, (patched, without) in names.items()
    }


@pytest.mark.parametrize("missing", [None, *CHANGED])
def test_what_patches_change(missing, from_index, tmp_path):
    """Tests that what CharLS is patched for is there, and is not there without the one patch."""
    parts = ["jpegls_error", "jpeg_stream_writer"]
    printed = outcomes("patches.cpp", parts, from_index.build / "charls-patched", "patches", missing, tmp_path)
    assert printed == expected_outcomes(UNCHANGED, CHANGED, missing)


@pytest.fixture(scope="session")
def charls_3(configured, tmp_path_factory):
    if not (sources := os.environ.get("DICOM_JPEGLS_TEST_CHARLS_3")):
        pytest.skip("needs the sources of CharLS 3: `make charls-3` runs it")
    build = tmp_path_factory.mktemp("charls-3")
    info = configured(ROOT, build, f"-DCHARLS_SOURCE_DIR={sources}")
    return SimpleNamespace(info=info, patched=build / "charls-patched")


def test_charls_3_gets_its_own_patches(charls_3):
    assert charls_3.info.patches == sorted(path.stem for path in ROOT.glob("patches/charls-3/*.patch"))


@pytest.mark.parametrize("missing", [None, *CHANGED_3])
def test_what_patches_to_charls_3_change(missing, charls_3, tmp_path):
    parts = ["jpegls_error", "jpeg_stream_reader", "jpeg_stream_writer"]
    printed = outcomes("patches_charls_3.cpp", parts, charls_3.patched, "patches/charls-3", missing, tmp_path)
    assert printed == expected_outcomes(UNCHANGED_3, CHANGED_3, missing)


# --- The sdist, the wheel and the compiled module ---------------------------------------------------------------------


def exported_symbols(module):
    if sys.platform != "linux":
        pytest.skip("nm -D is for ELF")
    if not shutil.which("nm"):
        pytest.skip("nm is not installed")
    output = subprocess.run(
        ["nm", "-D", "--defined-only", module], env=ENVIRONMENT, stdout=subprocess.PIPE, text=True, check=True
    ).stdout
    return [line.split()[-1] for line in output.splitlines()]


def test_module_exports_nothing_but_its_start():
    assert exported_symbols(_codec.__file__) == ["PyInit__codec"]


def sdist_command(tools, directory):
    return [tools.python, "-m", "build", "--no-isolation", "--sdist", "--outdir", directory]


def tools_first(tools):
    return {"PATH": f"{tools.bin}{os.pathsep}{os.environ['PATH']}"}


@pytest.fixture(scope="session")
def artefacts(tools, charls, no_index, tmp_path_factory):
    """An sdist from a checkout with CharLS in the submodule's folder, and the wheel from that sdist.

    The sdist is unpacked inside of a foreign repository, where git would rather not apply patches.
    """
    directory = tmp_path_factory.mktemp("artefacts")
    tree = copy_sources(directory / "tree")
    shutil.copytree(charls, tree / "charls", dirs_exist_ok=True)
    (tree / "charls/LICENSE.md").write_text("CharLS's own\n")
    for name in ["test/data/large.jls", "unittest/test.cpp", "src/design/notes.txt", ".git"]:
        (tree / "charls" / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / "charls" / name).write_text("not for the sdist\n")
    for name in ["_codec.abi3.so", "__pycache__/errors.cpython-311.pyc"]:
        (tree / "src/dicom_jpegls" / name).parent.mkdir(exist_ok=True)
        (tree / "src/dicom_jpegls" / name).write_text("stale\n")
    add_patch(tree, "9000-test", ORIGINAL, "The width is not to be patched away")
    succeed(*sdist_command(tools, directory / "dist"), tree, **tools_first(tools))
    (sdist,) = (directory / "dist").glob("*.tar.gz")
    outer = directory / "outer"
    outer.mkdir()
    git(outer, "init", "--quiet")
    with tarfile.open(sdist) as archive:
        names = archive.getnames()
        archive.extractall(outer, filter="data")
    (unpacked,) = (path for path in outer.iterdir() if path.name != ".git")

    build = [tools.python, "-m", "build", "--no-isolation"]
    quickly = "--config-setting=cmake.build-type=Debug"
    succeed(*build, "--wheel", quickly, "--outdir", directory / "dist", unpacked, **tools_first(tools), **no_index)
    (wheel,) = (directory / "dist").glob("*.whl")
    site = directory / "site"
    with zipfile.ZipFile(wheel) as archive:
        wheel_names = archive.namelist()
    pip = [tools.python, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", site]
    succeed(*pip, wheel)
    return SimpleNamespace(
        tree=tree,
        unpacked=unpacked,
        sdist=sdist,
        description=(unpacked / "PKG-INFO").read_text(encoding="utf-8"),
        sdist_names={name.removeprefix(f"{unpacked.name}/") for name in names},
        wheel=wheel,
        wheel_names=set(wheel_names),
        site=site,
    )


def test_sdist_holds_all_that_a_build_needs(artefacts):
    tree = artefacts.tree
    wanted = {"CMakeLists.txt", "LICENSE", "Makefile", "README.md", "PKG-INFO", "pyproject.toml", "charls/LICENSE.md"}
    patterns = [
        "LICENSES/*",
        "build_support/*",
        "cmake/*",
        "patches/*",
        "tests/**/*.*",
        "docs/**/*.*",
        "benchmarks/**/*.*",
    ]
    patterns += ["src/**/*.p*", "src/**/*.[ch]pp", "src/**/*.h", "examples/**/*.*", "fuzz/*.*"]
    patterns += ["charls/include/charls/*.h", "charls/src/*.h", "charls/src/*.cpp"]
    for pattern in patterns:
        names = {path.relative_to(tree).as_posix() for path in tree.glob(pattern) if path.is_file()}
        names = {name for name in names if not name.endswith((".pyc", ".so"))}
        assert names, pattern
        wanted |= names
    assert wanted - artefacts.sdist_names == set()


def test_sdist_holds_no_more_of_charls_than_its_code_and_licence(artefacts):
    folders = {name.rpartition("/")[0] for name in artefacts.sdist_names if name.startswith("charls/")}
    assert folders == {"charls", "charls/include/charls", "charls/src"}
    assert [name for name in artefacts.sdist_names if name.endswith((".jls", ".so", ".pyc", ".git"))] == []


def test_unpacked_sdist_has_tests_that_are_found(artefacts):
    output = succeed(sys.executable, "-m", "pytest", "--collect-only", "-q", cwd=artefacts.unpacked)
    assert re.search(r"\b\d{4} tests collected\b", output), output[-500:]


def test_sdist_names_its_charls(artefacts):
    assert "The source distribution carries CharLS 2.4.2, taken from its own repository." in artefacts.description


def test_sdist_from_an_empty_submodule_folder_carries_charls(from_index, tools, tmp_path, no_index):
    succeed(*sdist_command(tools, tmp_path / "dist"), from_index.tree, **tools_first(tools), **no_index)
    (sdist,) = (tmp_path / "dist").iterdir()
    with tarfile.open(sdist) as archive:
        top = archive.getnames()[0].partition("/")[0]
        description = archive.extractfile(f"{top}/PKG-INFO").read().decode()
        carried = archive.extractfile(f"{top}/charls-index/src/jpegls.cpp").read()
        assert archive.extractfile(f"{top}/charls-index/sha256").read().decode().startswith("d0fe")
    assert carried == (from_index.charls / "src/jpegls.cpp").read_bytes()
    assert "The source distribution carries CharLS 2.4.2, taken from pyjpegls-1.5.1.tar.gz." in description


def test_no_sdist_without_charls(tree, tools, tmp_path, no_index):
    status, output = run(*sdist_command(tools, tmp_path / "dist"), tree, **tools_first(tools), **no_index)
    assert status != 0
    assert "CharLS's sources cannot be found." in output
    assert "git submodule update --init charls" in output
    assert not list(tmp_path.glob("dist/*"))


def test_wheel_lists_charls_and_its_patches(artefacts):
    (name,) = (name for name in artefacts.wheel_names if name.endswith(".dist-info/sboms/charls.cdx.json"))
    with zipfile.ZipFile(artefacts.wheel) as archive:
        text = archive.read(name).decode()
    (component,) = json.loads(text)["components"]
    assert (component["name"], component["version"]) == ("CharLS", "2.4.2")
    assert component["properties"] == [{"name": "dicom-jpegls:charls-source", "value": "submodule"}]
    patches = [patch["diff"]["url"] for patch in component["pedigree"]["patches"]]
    assert patches == [f"patches/{name}.patch" for name in [*OUR_PATCHES, "9000-test"]]
    validation = pytest.importorskip("cyclonedx.validation.json")
    schema = pytest.importorskip("cyclonedx.schema")
    assert validation.JsonStrictValidator(schema.SchemaVersion.V1_6).validate_str(text) is None


def test_wheel_holds_the_package_and_nothing_else(artefacts):
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    metadata = f"dicom_jpegls-{version}.dist-info"
    assert {name.partition("/")[0] for name in artefacts.wheel_names} == {"dicom_jpegls", metadata}
    assert {f"{metadata}/licenses/LICENSE", f"{metadata}/licenses/LICENSES/BSD-3-Clause.txt"} <= (artefacts.wheel_names)
    package = {name for name in artefacts.wheel_names if name.startswith("dicom_jpegls/")}
    sources = (path.relative_to(ROOT / "src").as_posix() for path in (ROOT / "src/dicom_jpegls").rglob("*.py"))
    assert package >= {"dicom_jpegls/py.typed", "dicom_jpegls/_codec.pyi", "dicom_jpegls/_codec.abi3.so", *sources}
    assert package >= {"dicom_jpegls/_codec.pxd", "dicom_jpegls/include/dicom_jpegls/dicom_jpegls.h"}
    # Only what Python, a type checker or the compiler of another package reads.
    suffixes = {Path(name).suffix for name in package}
    assert suffixes == {".py", ".pyi", ".pxd", ".h", ".typed", ".so"}
    assert package.isdisjoint({"dicom_jpegls/charls.pxd", "dicom_jpegls/native.pxd"})


def test_wheel_is_for_all_pythons_since_3_11(artefacts):
    assert artefacts.wheel.name.split("-")[2:4] == ["cp311", "abi3"]


def test_wheel_works(artefacts):
    # NumPy and pydicom come from the environment of the tests, the package from the wheel.
    script = f"""
import sys
sys.path[:0] = [{os.fspath(artefacts.site)!r}]
sys.path.append({os.fspath(Path(numpy.__file__).parents[1])!r})
import dicom_jpegls as jls, numpy
from dicom_jpegls import _codec
assert _codec.__file__.startswith({os.fspath(artefacts.site)!r}), _codec.__file__
image = numpy.arange(35, dtype=numpy.uint16).reshape(5, 7)
assert (jls.decode(jls.encode(image)) == image).all()
build = jls.charls_build()
print(jls.__version__, build["source"], *build["patches"])
print(b"The width is not to be patched away" in open(_codec.__file__, "rb").read())
"""
    # -S: else the package as installed for development is found first.
    output = succeed(sys.executable, "-I", "-S", "-c", script)
    patches = " ".join([*OUR_PATCHES, "9000-test"])
    assert output == f"{jls.__version__} submodule {patches} True"


@pytest.fixture(scope="session")
def installed_charls(charls, tmp_path_factory):
    """CharLS as a distribution installs it: a library, headers, CMake's configuration; none of our patches."""
    prefix = tmp_path_factory.mktemp("prefix")
    build = tmp_path_factory.mktemp("installed")
    shutil.copytree(charls / "include", prefix / "include")
    sources = sorted((charls / "src").glob("*.cpp"))
    options = ["-std=c++17", "-O1", "-fPIC", "-DCHARLS_STATIC", "-DCHARLS_LIBRARY_BUILD", f"-I{charls / 'include'}"]
    succeed("g++", *options, "-c", *sources, cwd=build)
    succeed("ar", "rc", prefix / "libcharls.a", *sorted(build.glob("*.o")))
    config = prefix / "lib/cmake/charls"
    config.mkdir(parents=True)
    (config / "charlsConfig.cmake").write_text(f"""
add_library(charls STATIC IMPORTED)
set_target_properties(charls PROPERTIES
  IMPORTED_LOCATION "{prefix / "libcharls.a"}" INTERFACE_INCLUDE_DIRECTORIES "{prefix / "include"}"
  INTERFACE_COMPILE_DEFINITIONS CHARLS_STATIC)
""")
    (config / "charlsConfigVersion.cmake").write_text(
        'set(PACKAGE_VERSION "2.4.2")\nset(PACKAGE_VERSION_COMPATIBLE TRUE)\n'
    )
    return prefix


@pytest.mark.skipif(not shutil.which("g++") or not shutil.which("ar"), reason="g++ and ar are needed")
def test_build_with_an_installed_charls(tree, tools, tmp_path, installed_charls):
    site = tmp_path / "site"
    options = ["cmake.define.DICOM_JPEGLS_SYSTEM_CHARLS=ON", f"cmake.define.CMAKE_PREFIX_PATH={installed_charls}"]
    succeed(
        *(tools.python, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--target", site),
        *(argument for option in options for argument in ("-C", option)),
        tree,
        **tools_first(tools),
    )
    script = f"""
import sys
sys.path[:0] = [{os.fspath(site)!r}]
sys.path.append({os.fspath(Path(numpy.__file__).parents[1])!r})
import warnings
with warnings.catch_warnings(record=True) as caught:
    import dicom_jpegls as jls, numpy
for warning in caught:
    print(warning.category.__name__, warning.message)
build = jls.charls_build()
assert (build["source"], build["patches"]) == ("system", []), build
image = numpy.random.default_rng(1).integers(0, 4096, (30, 40), dtype=numpy.uint16)
stream = jls.encode(image, bits_per_sample=12)
assert (jls.decode(stream) == image).all()
for size in range(len(stream)):
    try:
        jls.decode(stream[:size])
    except jls.InvalidStreamError as error:
        assert error.code >= 1000, error  # refused before CharLS sees it
    else:
        raise AssertionError(size)
try:
    jls.decode_partial(stream[:1000])
except jls.JPEGLSError as error:
    assert "partial decoding is not possible" in str(error), error
else:
    raise AssertionError("partial decoding")
try:
    jls.encode(numpy.zeros((2, 2, 4), numpy.uint8))
except jls.ParameterError as error:
    print(error)
"""
    once = "UnpatchedCharLSWarning dicom_jpegls is linked to an unpatched CharLS 2.4.2"
    refused = "interleave_mode: this unpatched CharLS loses the fourth component"
    output = succeed(sys.executable, "-S", "-c", script)
    assert output.count("UnpatchedCharLSWarning") == 1
    assert output.startswith(once)
    assert "decoded to wrong pixels without an error" in output
    assert refused in output
    silenced = succeed(
        sys.executable, "-S", "-c", script, PYTHONWARNINGS="ignore:dicom_jpegls is linked to an unpatched CharLS"
    )
    assert silenced.startswith(refused)


def test_wheel_links_charls_statically_and_hides_it(artefacts):
    module = artefacts.site / "dicom_jpegls/_codec.abi3.so"
    assert exported_symbols(module) == ["PyInit__codec"]
    undefined = succeed("nm", "-D", "--undefined-only", module).split()
    assert "PyLong_FromLong" in undefined
    assert [name for name in undefined if "charls" in name] == []
