"""Print requirements of pyproject.toml, one a line: those of a dependency group, or the lowest versions of all."""

import re
import sys
import tomllib
from pathlib import Path


def group(settings, name):
    """Return the requirements of a dependency group, those of the groups in it included."""
    result = []
    for entry in settings["dependency-groups"][name]:
        result += [entry] if isinstance(entry, str) else group(settings, entry["include-group"])
    return result


def oldest(settings):
    """Return the lowest version that each dependency and build requirement may have, as constraints for pip."""
    project = settings["project"]
    requirements = [*settings["build-system"]["requires"], *project["dependencies"]]
    for extra in project["optional-dependencies"].values():
        requirements += extra
    bounds = [re.fullmatch(r"([\w.-]+)>=([\d.]+)", requirement) for requirement in requirements]
    return [f"{bound[1]}=={bound[2]}" for bound in bounds]


if __name__ == "__main__":
    settings = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))
    (name,) = sys.argv[1:]
    print("\n".join(oldest(settings) if name == "--oldest" else group(settings, name)))
