"""A hook of MkDocs: adds the reference and the pages that lie outside of docs/, and leads links there."""

import posixpath
import re
import tomllib
from pathlib import Path

from mkdocs.structure.files import File

import dicom_jpegls

ROOT = Path(__file__).parents[1]
PAGES = {
    "README.md": "readme.md",
    "CHANGELOG.md": "changelog.md",
    "CODE_OF_CONDUCT.md": "code-of-conduct.md",
    "CONTRIBUTING.md": "contributing.md",
    "RELEASING.md": "releasing.md",
    "SECURITY.md": "security-policy.md",
    "patches/README.md": "patches.md",
}
# The pages of the reference for what the package exports: the title, and the modules that it comes from. The others, of
# whose exports only a part is public, lie in docs/reference.
REFERENCE = {
    "datasets.md": ("Datasets", r"dicom_jpegls\.(dicom|compat)\..*"),
    "streams.md": ("Arrays, streams and buffers", r"(?!.*\.(dicom|compat|errors)\b).*"),
    "errors.md": ("Errors and warnings", r"dicom_jpegls\.errors"),
}
HEADER = "src/dicom_jpegls/include/dicom_jpegls/dicom_jpegls.h"
LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\[\]]*\])*)\]\((?![a-z]+:|#)([^()\s#]+)(#[^()\s]*)?\)")


def on_files(files, config):
    """Add the pages."""
    for source, page in PAGES.items():
        text = for_site((ROOT / source).read_text(encoding="utf-8"), source)
        files.append(File.generated(config, page, content=text))
    for page, (title, modules) in REFERENCE.items():
        text = "\n\n".join([f"# {title}", *(f"::: {name}" for name in public_names(modules))])
        files.append(File.generated(config, f"reference/{page}", content=text))
    header = (ROOT / HEADER).read_text(encoding="utf-8")
    text = f"# C, C++ and Cython\n\nHow to use it: [buffers and pointers](../low-level.md).\n\n```c\n{header}```\n"
    files.append(File.generated(config, "reference/c.md", content=text))
    return files


def public_names(modules):
    """Return the full names of what the package exports from the modules that match: functions first."""
    found = []
    for name in dicom_jpegls.__all__:
        item = getattr(dicom_jpegls, name)
        if hasattr(item, "__module__") and re.fullmatch(modules, item.__module__):
            found.append((isinstance(item, type), f"dicom_jpegls.{name}"))
    return [name for _, name in sorted(found)]


def on_page_markdown(markdown, page, **_):
    """Change the pages in docs/."""
    return for_site(markdown, f"docs/{page.file.src_uri}") if page.file.generated_by is None else markdown


def for_site(text, source):
    """Return Markdown of a file of the repository as the site needs it."""
    return with_links(with_deep_lists(text), source)


def with_deep_lists(text):
    """Return Markdown whose nested lists are indented by four spaces a level, which Python-Markdown asks for."""
    lines = []
    shift, fence = "", None
    for line in text.splitlines():
        content = line.lstrip(" ")
        if fence is None:
            indent = len(line) - len(content)
            shift = " " * (0 if indent < 2 else (4 if indent < 4 else 8) - indent) if content else ""
            fence = "```" if content.startswith("```") else None
        elif content.startswith(fence):
            fence = None
        lines.append(shift + line if content else line)
    return "\n".join(lines) + "\n"


def with_links(text, source):
    """Return Markdown of a file of the repository with the links that it needs on the site."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    repository = project["urls"].get("Repository")
    folder = posixpath.dirname(source)
    # Where the page is on the site, all of whose pages lie below docs/ in the repository.
    here = posixpath.dirname(PAGES.get(source, source.removeprefix("docs/")))

    def changed(match):
        picture, words, target, anchor = match.groups(default="")
        path = posixpath.normpath(posixpath.join(folder, target))
        if path in PAGES or path.startswith("docs/"):
            on_site = PAGES.get(path, path.removeprefix("docs/"))
            place = f"({posixpath.relpath(on_site, here or '.')}{anchor})"
            # A picture leads to itself: in a narrow window it is small.
            return f"[![{words}]{place}]{place}" if picture else f"[{words}]{place}"
        if not (ROOT / path).exists():
            raise FileNotFoundError(f"{source} links to {target}, which is not there")
        return f"[{words}]({repository}/blob/main/{path}{anchor})" if repository else words

    return LINK.sub(changed, text)
