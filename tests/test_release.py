"""What a release needs: versions that agree, links that resolve on an index, hardened wheels, pinned workflows."""

import importlib.util
import platform
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from types import ModuleType

import pytest

from support.commands import ROOT

if not (ROOT / "build_support").is_dir():
    pytest.skip("the sources are not here", allow_module_level=True)

VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]


def load(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / f"build_support/{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# --- The tag, the version, the changelog, the citation ----------------------------------------------------------------


@pytest.fixture
def release(tmp_path):
    """The files of a release that is ready."""
    (tmp_path / "pyproject.toml").write_text(
        '[project]\nversion = "1.2.3"\n[project.urls]\nRepository = "a"\nChangelog = "b"\nIssues = "c"\n'
    )
    (tmp_path / "CHANGELOG.md").write_text(
        "# Changelog\n\nWords.\n\n"
        "## 1.2.3 - 2026-05-01\n\n- New.\n\n### Fixed\n\n- Old.\n\n## 1.2.2 - 2026-04-01\n\n- x\n"
    )
    (tmp_path / "CITATION.cff").write_text('cff-version: 1.2.0\nversion: "1.2.3"\ndate-released: 2026-05-01\n')
    return tmp_path


def test_release_that_is_ready(release, capsys):
    load("check_release").main(release, "v1.2.3")
    assert capsys.readouterr().out == "- New.\n\n### Fixed\n\n- Old.\n"


@pytest.mark.parametrize(
    ("file", "old", "new", "fault"),
    [
        ("pyproject.toml", "1.2.3", "1.2.4", "The tag is 'v1.2.3', but pyproject.toml has the version 1.2.4"),
        ("pyproject.toml", "Issues", "Other", "must have Repository, Changelog and Issues"),
        ("CHANGELOG.md", "## 1.2.3", "## 1.2.4", "The newest entry of CHANGELOG.md is 1.2.4, not 1.2.3"),
        ("CHANGELOG.md", "2026-05-01", "unreleased", "has the date 'unreleased': it must be YYYY-MM-DD"),
        ("CHANGELOG.md", "- New.\n\n### Fixed\n\n- Old.\n", "", "The newest entry of CHANGELOG.md is empty"),
        ("CHANGELOG.md", "## ", "# ", "The newest entry of CHANGELOG.md is missing, not 1.2.3"),
        ("CITATION.cff", '"1.2.3"', '"1.2.2"', "CITATION.cff has version 1.2.2, not 1.2.3"),
        ("CITATION.cff", "2026-05-01", "2026-04-01", "CITATION.cff has date-released 2026-04-01, not 2026-05-01"),
    ],
)
def test_release_that_is_not_ready(release, file, old, new, fault):
    text = (release / file).read_text()
    assert old in text
    (release / file).write_text(text.replace(old, new))
    with pytest.raises(SystemExit, match=re.escape(fault)):
        load("check_release").main(release, "v1.2.3")


def test_versions_agree_now():
    for name, pattern in [("CHANGELOG.md", r"^## (\S+) - "), ("CITATION.cff", r"^version: (\S+)$")]:
        text = (ROOT / name).read_text(encoding="utf-8")
        assert re.search(pattern, text, re.MULTILINE)[1] == VERSION, name
    recipe = ROOT / "recipe.yaml"
    if recipe.exists():  # not in the sdist
        assert re.search(r'^  version: "(\S+)"$', recipe.read_text(encoding="utf-8"), re.MULTILINE)[1] == VERSION


# --- The description on an index --------------------------------------------------------------------------------------


@pytest.fixture
def backend(monkeypatch):
    """The build backend without scikit-build-core."""
    fake = ModuleType("scikit_build_core.build")
    for hook in ("sdist", "wheel", "editable"):
        setattr(fake, f"get_requires_for_build_{hook}", lambda _settings: ["cmake"])
    package = ModuleType("scikit_build_core")
    package.build = fake
    monkeypatch.setitem(sys.modules, "scikit_build_core", package)
    monkeypatch.setitem(sys.modules, "scikit_build_core.build", fake)
    monkeypatch.setitem(sys.modules, "charls_sources", load("charls_sources"))
    return load("backend")


RELATIVE = "[a page](docs/a.md#b) [b](https://example.org/x) [c](#c)\n\n![A picture](docs/images/a.png)\n\nend\n"


def test_links_lead_to_the_repository(backend):
    assert backend.link_to_repository(RELATIVE, "https://example.org/r/", "1.2") == (
        "[a page](https://example.org/r/blob/v1.2/docs/a.md#b) [b](https://example.org/x) [c](#c)\n\n"
        "![A picture](https://example.org/r/raw/v1.2/docs/images/a.png)\n\nend\n"
    )


def test_without_a_repository_no_link_is_broken(backend):
    assert backend.link_to_repository(RELATIVE, None, "1.2") == "a page [b](https://example.org/x) [c](#c)\n\nend\n"


@pytest.mark.parametrize("urls", [{}, {"urls": {"Repository": "https://example.org/r"}}])
def test_description_has_no_relative_link(backend, urls):
    project = {"version": VERSION, **urls}
    description = backend.dynamic_metadata("readme", {}, project)
    assert description["content-type"] == "text/markdown"
    targets = re.findall(r"\]\(([^)]*)\)", description["text"])
    assert targets
    assert [target for target in targets if not re.match("https?://|#", target)] == []


def test_pip_is_required_only_where_charls_is_missing(backend, monkeypatch):
    monkeypatch.setattr(backend.charls_sources, "present", lambda _root: None)
    assert backend.get_requires_for_build_sdist() == ["cmake", "pip"]
    assert backend.get_requires_for_build_wheel() == ["cmake", "pip"]
    monkeypatch.setattr(backend.charls_sources, "present", lambda root: ("index", root))
    assert backend.get_requires_for_build_editable() == ["cmake"]


# --- The compiled module ----------------------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform != "linux" or not shutil.which("cc"), reason="cc for ELF is needed")
def test_wheel_that_is_not_hardened_is_refused(tmp_path):
    pytest.importorskip("elftools")
    check = load("check_hardening")
    source, module, wheel = (tmp_path / name for name in ("x.c", "x.so", "x.whl"))
    source.write_text("void f(char *); int PyInit_x(void) { char b[64]; f(b); return b[0]; }")
    missing = ["-fno-stack-protector", "-U_FORTIFY_SOURCE", "-Wl,-z,execstack", "-Wl,-z,lazy", "-Wl,-z,norelro"]
    if platform.machine() == "x86_64":
        missing += ["-fcf-protection=none"]
    subprocess.run(["cc", "-O2", "-shared", "-fPIC", *missing, source, "-o", module], check=True)
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.write(module, module.name)
    with pytest.raises(SystemExit) as refused:
        check.main([wheel])
    faults = ["stack is executable", "RELRO is missing", "stack protector is missing", "FORTIFY is missing"]
    if platform.machine() == "x86_64":
        faults += ["Control-flow protection is missing"]
    assert [fault for fault in faults if fault not in str(refused.value)] == []


def test_wheel_without_a_compiled_module_is_refused(tmp_path):
    pytest.importorskip("elftools")
    zipfile.ZipFile(tmp_path / "x.whl", "w").close()
    with pytest.raises(SystemExit, match="no compiled module"):
        load("check_hardening").main([tmp_path / "x.whl"])


# --- The repository ---------------------------------------------------------------------------------------------------


def test_oldest_versions_are_constraints():
    requirements = load("requirements")
    settings = {
        "build-system": {"requires": ["cython>=3.1"]},
        "project": {"dependencies": ["a-b>=1.2"], "optional-dependencies": {"x": ["c>=2024.1"]}},
        "dependency-groups": {"one": ["d", {"include-group": "two"}], "two": ["e==1"]},
    }
    assert requirements.oldest(settings) == ["cython==3.1", "a-b==1.2", "c==2024.1"]
    assert requirements.group(settings, "one") == ["d", "e==1"]


def test_actions_are_pinned_to_commits():
    workflows = sorted((ROOT / ".github/workflows").glob("*.yml"))
    if not workflows:
        pytest.skip("the sources are no git checkout")
    used = [
        use for path in workflows for use in re.findall(r"uses: (\S+(?: # v\S+)?)", path.read_text(encoding="utf-8"))
    ]
    assert used
    for use in used:
        assert use.startswith("./") or re.fullmatch(r"[\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", use), use
    commits = {}
    for use in used:
        if "@" in use:
            action, _, commit = use.partition("@")
            assert commits.setdefault(action, commit) == commit, f"{action} is used at two commits"


def test_workflows_call_recipes_that_exist():
    workflows = sorted((ROOT / ".github/workflows").glob("*.yml"))
    if not workflows or not shutil.which("make"):
        pytest.skip("the sources are no git checkout, or make is not installed")
    text = "".join(path.read_text(encoding="utf-8") for path in workflows)
    recipes = {*re.findall(r"\bmake ([a-z][\w-]*)", text), *re.findall(r"recipe: ([\w-]+)", text)}
    assert {"unit", "wheels", "check-release", "oldest"} <= recipes
    for recipe in sorted(recipes):
        result = subprocess.run(["make", "-n", recipe], cwd=ROOT, capture_output=True, text=True, check=False)
        assert result.returncode == 0, f"make {recipe}: {result.stderr}"
