"""The floors of the package: imports point down, and the tools use only what the floors below export."""

import ast
import importlib
from pathlib import Path

import pytest

import dicom_jpegls

SOURCES = Path(dicom_jpegls.__file__).parent

# From the bottom to the top. A module imports from its own floor and from those below.
FLOORS = (
    ("errors", "spiff"),
    ("parameters", "parallel", "ranges", "c_api"),
    ("_codec",),
    ("array",),
    ("dicom",),
    ("files",),
    ("batch",),
    ("cli",),
)
RANKS = {name: rank for rank, names in enumerate(FLOORS) for name in names}

# The interface of another package has its place beside the DICOM floor, and imports only from the floors below that.
RANKS["compat"] = RANKS["dicom"]

# Only the package itself, the face of all floors, is above them.
RANKS["__init__"] = len(FLOORS)

# Products of their own: they must not use what the floors below keep to themselves.
TOOLS = {"files", "batch", "cli", "compat"}

# Floors that are packages; of the others, which are single modules, all names without an underscore are exported.
PACKAGES = {"dicom", "files", "batch", "cli", "compat"}


def module_names():
    """Return the modules with Python source, and the compiled one by its stub."""
    paths = [*SOURCES.rglob("*.py"), *SOURCES.glob("*.pyi")]
    return sorted({path.relative_to(SOURCES).with_suffix("").as_posix().replace("/", ".") for path in paths})


MODULES = module_names()


def parse(module):
    path = SOURCES / module.replace(".", "/")
    return ast.parse((source if (source := path.with_suffix(".py")).exists() else path.with_suffix(".pyi")).read_text())


def floor_of(module):
    return "cli" if module == "__main__" else module.partition(".")[0]


def imports_of(module):
    """Yield (imported module, name or None) for each import from the package, also those for type checkers only."""
    for node in ast.walk(parse(module)):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} has a relative import in line {node.lineno}"
            if node.module == "dicom_jpegls":
                for alias in node.names:
                    # Either a module of the package, or a name of its face.
                    is_module = alias.name in RANKS
                    yield (alias.name, None) if is_module else ("__init__", alias.name)
            elif (node.module or "").startswith("dicom_jpegls."):
                for alias in node.names:
                    yield node.module.removeprefix("dicom_jpegls."), alias.name
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.partition(".")[0] == "dicom_jpegls":
                    yield alias.name.partition(".")[2] or "__init__", None


def attributes_of(module, name):
    """Return the attributes that a module uses of a name, such as an imported module."""
    return {
        node.attr
        for node in ast.walk(parse(module))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == name
    }


def test_all_modules_are_found():
    assert len(MODULES) >= 40, MODULES
    assert {floor_of(module) for module in MODULES} <= RANKS.keys()
    assert sum(len(list(imports_of(module))) for module in MODULES) > 300


@pytest.mark.parametrize("module", MODULES)
def test_imports_point_down(module):
    rank = RANKS[floor_of(module)]
    for imported, name in imports_of(module):
        other = floor_of(imported)
        is_own_floor = other == floor_of(module)
        assert is_own_floor or RANKS[other] < rank, f"{module} imports {name or 'all'} from {imported}"


@pytest.mark.parametrize("module", [module for module in MODULES if floor_of(module) in TOOLS])
def test_tools_use_only_what_other_floors_export(module):
    for imported, name in imports_of(module):
        other = floor_of(imported)
        if other == floor_of(module):
            continue
        names = {name} if name is not None else attributes_of(module, imported)
        if other in PACKAGES:
            assert imported == other, f"{module} imports {name} from {imported}; {other} is what exports names"
            exported = importlib.import_module(f"dicom_jpegls.{other}").__all__
            assert names <= set(exported), (
                f"{module} uses {sorted(names - set(exported))}, which {other} does not export"
            )
        private = {used for used in names if used.startswith("_") and used != "__version__"}
        assert not private, f"{module} uses {sorted(private)} of {imported}"


@pytest.mark.parametrize("floor", sorted(PACKAGES - {"cli", "compat"}))
def test_what_a_floor_exports_is_there_and_sorted(floor):
    package = importlib.import_module(f"dicom_jpegls.{floor}")
    assert all(hasattr(package, name) for name in package.__all__)
    constants_first = sorted(package.__all__, key=lambda name: (not name.isupper(), not name[0].isupper(), name))
    assert list(package.__all__) == constants_first
