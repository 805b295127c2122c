"""The build backend: scikit-build-core's, with what it cannot know about CharLS and about the README.

* An sdist is made only with CharLS's sources in it: they are fetched first where the checkout has none.
* pip, whose settings name the package index, is a build requirement only where there are no sources yet.
* The description of the package is README.md with links that work outside of the repository, and the version of CharLS
  in the sdist.
"""

import re
import shutil
from pathlib import PurePosixPath

import charls_sources
import scikit_build_core.build as _build
from scikit_build_core.build import *  # noqa: F403 (the hooks that stay as they are)

LINK = re.compile(r"(!?)\[([^\[\]]*)\]\((?![a-z]+:|#)([^()\s]+)\)")
IMAGES = {".png", ".svg", ".gif", ".jpg"}


def build_sdist(sdist_directory, config_settings=None):
    """Make the sdist, CharLS's sources included, or stop with an error that says what to do."""
    kind, _ = charls_sources.find(charls_sources.ROOT)
    if kind == "submodule":  # what an earlier build has downloaded is not what this sdist is made from
        shutil.rmtree(charls_sources.from_index(charls_sources.ROOT), ignore_errors=True)
    return _build.build_sdist(sdist_directory, config_settings)


def _requires(hook):
    def get_requires(config_settings=None):
        missing = charls_sources.present(charls_sources.ROOT) is None
        return [*hook(config_settings), *(["pip"] if missing else [])]

    return get_requires


get_requires_for_build_sdist = _requires(_build.get_requires_for_build_sdist)
get_requires_for_build_wheel = _requires(_build.get_requires_for_build_wheel)
get_requires_for_build_editable = _requires(_build.get_requires_for_build_editable)


def dynamic_metadata(_field, _settings, project):
    """Return the description of the package, the only dynamic field."""
    text = (charls_sources.ROOT / "README.md").read_text(encoding="utf-8")
    urls = project["urls"] if "urls" in project else {}  # noqa: SIM401 (its get() raises)
    text = link_to_repository(text, urls.get("Repository"), project["version"])
    if found := charls_sources.present(charls_sources.ROOT):
        kind, directory = found
        where = "its own repository" if kind == "submodule" else charls_sources.pinned(charls_sources.ROOT)[0]
        version = charls_sources.version(directory)
        text += f"\n## CharLS inside\n\nThe source distribution carries CharLS {version}, taken from {where}.\n"
    return {"content-type": "text/markdown", "text": text}


def link_to_repository(text, repository, version):
    """Return Markdown whose relative links and pictures lead to the repository at that version.

    Without a repository the words of a link stay, and pictures and the paragraphs that hold nothing else go.
    """

    def absolute(match):
        picture, words, target = match.groups()
        if repository:
            image = PurePosixPath(target).suffix in IMAGES
            return f"{picture}[{words}]({repository.rstrip('/')}/{'raw' if image else 'blob'}/v{version}/{target})"
        return "" if picture else words

    return re.sub(r"\n{3,}", "\n\n", LINK.sub(absolute, text))
