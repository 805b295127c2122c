"""Extensions of other packages against this one: the examples, built and run as their users would, and the header."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pydicom
import pytest

import dicom_jpegls as jls
from dicom_jpegls import _codec
from support.commands import ROOT, run, succeed

INCLUDE = Path(jls.get_include())
PYTHON_INCLUDE = Path(sysconfig.get_path("include"))
EXAMPLES = ["cython_extension", "c_extension"]

if os.name == "nt":
    pytest.skip("the tests call a Unix compiler", allow_module_level=True)
if not shutil.which("cc") or not shutil.which("c++"):
    pytest.skip("there is no C or C++ compiler", allow_module_level=True)
if not (PYTHON_INCLUDE / "Python.h").exists():
    pytest.skip("Python's headers are not installed", allow_module_level=True)


@pytest.fixture(scope="session")
def package(tmp_path_factory):
    """A folder with this package as its wheel has it, and what it imports: nothing of the sources, nothing to link."""
    site = tmp_path_factory.mktemp("package")
    excluded = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["scikit-build"]["wheel"]["exclude"]
    ignored = shutil.ignore_patterns("__pycache__", *(Path(pattern).name for pattern in excluded))
    shutil.copytree(Path(jls.__file__).parent, site / "dicom_jpegls", ignore=ignored)
    shutil.copy2(_codec.__file__, site / "dicom_jpegls")  # elsewhere in an installation for development
    for module in (np, pydicom):
        folder = Path(module.__file__).parent
        for path in [folder, *folder.parent.glob(f"{folder.name}.libs"), *folder.parent.glob(f"{folder.name}-*-info")]:
            (site / path.name).symlink_to(path)
    return site


@pytest.fixture(scope="session")
def installed(tools, package, tmp_path_factory):
    """A folder with the examples, which pip has built with the tools and the package at hand."""
    directory = tmp_path_factory.mktemp("examples")

    def install(name):
        pip = [tools.python, "-m", "pip", "install", "--no-build-isolation", "--no-deps", "--no-index"]
        pip += ["--config-settings", "cmake.build-type=Debug"]  # compiles faster
        succeed(*pip, "--target", directory / name, ROOT / "examples" / name, PYTHONPATH=os.fspath(package))
        return directory / name

    with ThreadPoolExecutor(len(EXAMPLES)) as pool:
        return list(pool.map(install, EXAMPLES))


@pytest.fixture
def python(tools, package, installed):
    """A function that runs code with the examples and the package."""
    path = os.pathsep.join(os.fspath(folder) for folder in [*installed, package, ROOT / "tests"])

    def python(*arguments):
        return succeed(tools.python, *arguments, PYTHONPATH=path)

    return python


def test_package_is_that_of_the_wheel(package, python):
    assert python("-c", "import dicom_jpegls._codec as c; print(c.__file__)").startswith(os.fspath(package.resolve()))
    files = {path.relative_to(package / "dicom_jpegls").as_posix() for path in (package / "dicom_jpegls").rglob("*.*")}
    assert {"_codec.pxd", "include/dicom_jpegls/dicom_jpegls.h"} <= files
    assert not [name for name in files if name.endswith((".pyx", ".hpp")) or name in ("charls.pxd", "native.pxd")]


def test_cython_example_runs(python):
    output = re.fullmatch(
        r"20 frames: 2621440 bytes packed into (\d+) unpacked without a difference", python("-m", "frame_archive")
    )
    assert output
    assert 100_000 < int(output[1]) < 500_000


CYTHON = """
import numpy as np
from frame_archive import pack, unpack
from support.jls_streams import encode_image, make_image

volume = np.stack([make_image(kind, (33, 21), 12) for kind in ("noise", "smooth", "flat", "extremes") * 3])
block, offsets = pack(volume, bits_per_sample=12)
streams = [block[a:b] for a, b in zip(offsets[:-1], offsets[1:])]
assert streams == [encode_image(frame, bits=12) for frame in volume]
wide = np.full((12, 33, 30), 0xA5A5, np.uint16)
unpack(block, offsets, wide[:, :, 5:26])  # a region
assert (wide[:, :, 5:26] == volume).all() and (wide[:, :, :5] == 0xA5A5).all() and (wide[:, :, 26:] == 0xA5A5).all()
near = np.empty_like(volume)
unpack(*pack(volume, bits_per_sample=12, near_lossless=3), near)
assert abs(near.astype(int) - volume).max() == 3

def refusal(call, *arguments, **options):
    try:
        call(*arguments, **options)
    except ValueError as error:
        return print(error, end="|")

refusal(unpack, block[: offsets[3]] + block[int(offsets[3]) + 10 :], offsets - np.uint64(0), near[:12])
refusal(unpack, block, offsets, np.empty((12, 32, 21), np.uint16))
refusal(unpack, block[:-1], offsets, near)
damaged = bytearray(block)
for stream in (4, 7):
    damaged[int(offsets[stream + 1]) - 30 : int(offsets[stream + 1]) - 4] = bytes(26)
refusal(unpack, damaged, offsets, near)
refusal(pack, volume, bits_per_sample=17)
refusal(pack, volume, bits_per_sample=12, near_lossless=-1)
"""


def test_cython_example_gives_the_same_streams_and_passes_errors_on(python):
    errors = python("-c", CYTHON).split("|")
    assert errors[0] == "the offsets do not fit the block"
    assert errors[1] == "stream 0 holds a frame of another shape than out"
    assert errors[2] == "the offsets do not fit the block"
    assert re.match(r"stream 4: .*\(code \d+\)", errors[3])
    assert re.search(r"bits per sample is not in .* \(code 103\)", errors[4])
    assert re.search(r"near-lossless is outside .* \(code 105\)", errors[5])


C = """
import frame_statistics, numpy, sys
from support.jls_streams import encode_image, make_image

images = {bits: make_image("noise", (40, 50), bits) for bits in (2, 8, 12, 16)}
images[0] = make_image("smooth", (20, 30, 3), 8)
frames = [encode_image(image, bits=bits or 8) for bits, image in images.items()]
found = frame_statistics.measure([frames[0], bytearray(frames[1]), memoryview(frames[2]), *frames[3:]])
assert found == [(image.min(), image.max(), image.sum(dtype=float) / image.size) for image in images.values()], found
assert frame_statistics.measure([]) == []

class Clears:  # has a buffer from Python 3.12 on
    def __buffer__(self, flags):
        changed.clear()
        return memoryview(frames[0])

if sys.version_info >= (3, 12):
    changed = [Clears(), frames[1]]
    assert frame_statistics.measure(changed) == found[:2] and changed == []
for wrong in ([frames[0], frames[1][:-2]], [b""], [5], 5):
    try:
        frame_statistics.measure(wrong)
    except (TypeError, ValueError) as error:
        print(error, end="|")
"""


def test_c_example_measures_and_passes_errors_on(python):
    errors = python("-c", C).split("|")
    assert re.fullmatch(r"frame 1: the stream ends without an EOI marker .* truncated \(code 10\d\d\)", errors[0])
    assert errors[1] == "frame 0: the stream does not start with an SOI marker (FFD8) (code 1000)"
    assert errors[2] == "a bytes-like object is required, not 'int'"
    assert errors[3] == "frames: a sequence of buffers is needed"


def test_examples_link_neither_this_package_nor_charls(installed):
    if sys.platform != "linux" or not shutil.which("readelf"):
        pytest.skip("readelf is for ELF")
    modules = [path for folder in installed for path in folder.rglob("*.so")]
    assert len(modules) == 2
    for module in modules:
        needed = re.findall(r"\(NEEDED\).*?\[(.*?)\]", succeed("readelf", "--dynamic", module))
        assert needed, module
        assert all(re.match(r"(libc|libm|libpthread|libgcc_s|ld-linux.*|libpython.*)\.so", name) for name in needed), (
            module
        )
        undefined = re.findall(r" UND (\S+)", succeed("readelf", "--wide", "--dyn-syms", module))
        assert "PyCapsule_GetPointer" in undefined, module
        assert [name for name in undefined if re.search("jpegls|charls", name, re.IGNORECASE)] == [], module


# --- The header -------------------------------------------------------------------------------------------------------

STRICT = ["-Wall", "-Wextra", "-pedantic", "-Werror", "-fsyntax-only"]
ALONE = "#include <dicom_jpegls/dicom_jpegls.h>\n#include <dicom_jpegls/dicom_jpegls.h>\ndicom_jpegls_api api;\n"
WITH_PYTHON = "#include <Python.h>\n" + ALONE


@pytest.mark.parametrize(
    ("compiler", "standard", "text"),
    [
        ("cc", "c89", ALONE),
        ("cc", "c99", ALONE),
        ("cc", "c11", WITH_PYTHON),
        ("c++", "c++11", ALONE),
        ("c++", "c++17", WITH_PYTHON),
    ],
)
def test_header_compiles_without_a_warning(compiler, standard, text):
    language = "c++" if compiler == "c++" else "c"
    folders = ["-isystem", PYTHON_INCLUDE, "-I", INCLUDE]
    command = [compiler, f"-std={standard}", *STRICT, *folders, "-x", language, "-"]
    result = subprocess.run(
        command, input=text, stderr=subprocess.STDOUT, stdout=subprocess.PIPE, text=True, check=False
    )
    assert (result.returncode, result.stdout) == (0, "")


PROBE = """
#include <Python.h>
#include <dicom_jpegls/dicom_jpegls.h>

static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "probe", NULL, -1, NULL, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit_probe(void)
{
    const dicom_jpegls_api *api = dicom_jpegls_import();
    PyObject *module = api ? PyModule_Create(&definition) : NULL;
#ifdef Py_GIL_DISABLED
    if (module)
        PyUnstable_Module_SetGIL(module, Py_MOD_GIL_NOT_USED);
#endif
    return module;
}
"""
# What another version's header could have, and what the import then says.
HEADERS = {
    "this one": ("", "", None),
    "another ABI": (
        "DICOM_JPEGLS_ABI_VERSION 1",
        "DICOM_JPEGLS_ABI_VERSION 2",
        "the installed version has ABI 1, this extension was compiled for ABI 2",
    ),
    "more functions": (
        "} dicom_jpegls_api;",
        "int (*later)(void); } dicom_jpegls_api;",
        re.escape(f"version {jls.__version__} is installed; this extension was compiled for a later one"),
    ),
    "fewer functions": ("int (*encode_many)(dicom_jpegls_encoding *items, size_t count, size_t workers);", "", None),
    "another stream_info": (
        "} dicom_jpegls_stream_info;",
        "uint64_t later; } dicom_jpegls_stream_info;",
        "lays out the structs differently",
    ),
    "other parameters": (
        "} dicom_jpegls_encoding_parameters;",
        "uint32_t later; } dicom_jpegls_encoding_parameters;",
        "lays out the structs differently",
    ),
    "another capsule": ('"_C_API"', '"_LATER"', r"the installed version has no dicom_jpegls\._codec\._LATER"),
}


@pytest.fixture
def probe(tmp_path):
    """A function that compiles a module against a header, and gives its folder."""

    def probe(header):
        folder = tmp_path / "include/dicom_jpegls"
        folder.mkdir(parents=True)
        (folder / "dicom_jpegls.h").write_text(header)
        (tmp_path / "probe.c").write_text(PROBE)
        module = tmp_path / f"probe{sysconfig.get_config_var('EXT_SUFFIX')}"
        undefined = ["-undefined", "dynamic_lookup"] if sys.platform == "darwin" else []
        folders = ["-I", tmp_path / "include", "-I", PYTHON_INCLUDE]
        succeed("cc", "-shared", "-fPIC", *undefined, *folders, tmp_path / "probe.c", "-o", module)
        return tmp_path

    return probe


@pytest.mark.parametrize(("old", "new", "message"), HEADERS.values(), ids=HEADERS)
def test_version_mismatch_is_an_import_error(tools, package, probe, old, new, message):
    header = (INCLUDE / "dicom_jpegls/dicom_jpegls.h").read_text()
    assert old == "" or old in header
    path = os.pathsep.join([os.fspath(probe(header.replace(old, new) if old else header)), os.fspath(package)])
    status, output = run(tools.python, "-c", "import probe", PYTHONPATH=path)
    if message is None:
        assert (status, output) == (0, "")
    else:
        assert status == 1
        assert re.search(rf"ImportError: dicom_jpegls: .*{message}", output)


def test_missing_package_is_an_import_error(tools, probe):
    folder = probe((INCLUDE / "dicom_jpegls/dicom_jpegls.h").read_text())
    status, output = run(tools.python, "-c", "import probe", PYTHONPATH=os.fspath(folder))
    assert status == 1
    assert "ModuleNotFoundError: No module named 'dicom_jpegls'" in output
