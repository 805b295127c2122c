"""The examples of the documentation that are no doctests are run here; the others by pytest itself."""

import importlib
import re
import shutil
import subprocess
import sys

import pytest

from support.commands import ENVIRONMENT, ROOT
from support.dicom_files import TEST_FILES

FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
QUOTED = re.compile(r'--8<-- "([^":]+)(?::(\w+))?"\n')

PAGES = sorted([ROOT / "README.md", *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/*/README.md")])

# What the scripts of a page need: the code before them.
SCRIPTS = {
    "README.md": "",
    "docs/pyjpegls.md": """
import numpy as np
from pydicom import examples
from pydicom.uid import JPEGLSLossless

ds = examples.ct
image = np.arange(64, dtype=np.uint8).reshape(8, 8)
""",
}


def blocks(path, *languages):
    return [code for language, code in FENCE.findall(path.read_text(encoding="utf-8")) if language in languages]


def is_script(code):
    return ">>> " not in code and not QUOTED.fullmatch(code)


def name_of(path):
    return path.relative_to(ROOT).as_posix()


def test_each_example_is_run():
    with_scripts = {name_of(path) for path in PAGES if any(map(is_script, blocks(path, "python", "pycon")))}
    assert with_scripts == SCRIPTS.keys()
    assert sum(len(blocks(path, "pycon", "python")) for path in PAGES) > 50


@pytest.mark.patched_charls
@pytest.mark.parametrize("page", SCRIPTS)
def test_scripts_of_a_page_run(tmp_path, page):
    shutil.copy(TEST_FILES / "CT_small.dcm", tmp_path / "ct.dcm")
    code = SCRIPTS[page] + "\n".join(filter(is_script, blocks(ROOT / page, "python")))
    result = subprocess.run(
        [sys.executable, "-W", "error", "-W", "ignore:'collections.abc.ByteString'", "-c", code],  # of pydicom 3.0
        cwd=tmp_path,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr


# What users may rely on of the floors that export more: what the pages of the reference name.
PUBLIC = re.compile(r"^::: dicom_jpegls\.(\w+)\.(?:\w+\.)?(\w+)$", re.MULTILINE)
REFERENCE = {name for path in ROOT.glob("docs/reference/*.md") for name in PUBLIC.findall(path.read_text())}
USED = re.compile(r"from dicom_jpegls\.(files|batch|dicom) import (?:\(([^)]*)\)|([^\n]*))|\b(batch)\.(\w+)")
USES = sorted([ROOT / "README.md", *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/*.py")])


def used_names(path):
    """Yield (module, name) for what examples use of the floors that export more than what is public."""
    code = path.read_text(encoding="utf-8") if path.suffix == ".py" else "\n".join(blocks(path, "python", "pycon"))
    has_batch = re.search(r"from dicom_jpegls import .*\bbatch\b", code)
    for module, several, names, batch, name in USED.findall(code):
        if batch and has_batch:
            yield batch, name
        for imported in re.findall(r"\w+", several or names):
            yield module, imported


def test_examples_use_only_what_the_reference_names():
    used = {(*name, name_of(path)) for path in USES for name in used_names(path)}
    assert len(used) > 15
    assert {name for name in used if name[:2] not in REFERENCE} == set()
    for module, name in REFERENCE:
        assert name in importlib.import_module(f"dicom_jpegls.{module}").__all__


QUOTATIONS = [quotation for path in PAGES for quotation in QUOTED.findall(path.read_text(encoding="utf-8"))]


@pytest.mark.parametrize(("source", "section"), QUOTATIONS)
def test_quoted_code_is_there(source, section):
    text = (ROOT / source).read_text(encoding="utf-8")
    if section:
        begin, end = f"--8<-- [start:{section}]", f"--8<-- [end:{section}]"
        assert text.count(begin) == text.count(end) == 1
        assert text.index(begin) < text.index(end)
