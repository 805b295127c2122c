"""Check that the tag, the package, the changelog and the citation are of one release, and print its release notes."""

import re
import sys
import tomllib
from pathlib import Path

ENTRY = re.compile(r"## (?P<version>\S+) - (?P<date>.+)\n(?P<notes>(?:(?!## ).*\n?)*)")


def faults(root, tag):
    """Return what is wrong, one sentence each."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    version = project["version"]
    if tag != f"v{version}":
        yield f"The tag is {tag!r}, but pyproject.toml has the version {version}: the tag must be 'v{version}'."
    if not {"Repository", "Changelog", "Issues"} <= project.get("urls", {}).keys():
        yield "project.urls in pyproject.toml must have Repository, Changelog and Issues: the README needs them."
    entry = newest(root)
    if entry["version"] != version:
        yield f"The newest entry of CHANGELOG.md is {entry['version']}, not {version}."
    if not re.fullmatch(r"\d{4}-\d\d-\d\d", entry["date"]):
        yield f"The newest entry of CHANGELOG.md has the date {entry['date']!r}: it must be YYYY-MM-DD."
    if not entry["notes"].strip():
        yield "The newest entry of CHANGELOG.md is empty."
    citation = dict(
        re.findall(r"^(version|date-released): *[\"']?([^\s\"']+)", (root / "CITATION.cff").read_text(), re.M)
    )
    for key, wanted in [("version", version), ("date-released", entry["date"])]:
        if citation.get(key) != wanted:
            yield f"CITATION.cff has {key} {citation.get(key)}, not {wanted}."


def newest(root):
    """Return the version, the date and the notes of the changelog's first entry."""
    match = ENTRY.search((root / "CHANGELOG.md").read_text(encoding="utf-8"))
    return match.groupdict() if match else {"version": "missing", "date": "missing", "notes": ""}


def main(root, tag):
    """Print the notes, or end with the faults."""
    if found := list(faults(root, tag)):
        sys.exit("\n".join(found))
    print(newest(root)["notes"].strip())


if __name__ == "__main__":
    main(Path(__file__).parents[1], *sys.argv[1:])
