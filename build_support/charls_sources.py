"""Find the CharLS sources to build, and fetch them where the checkout has none.

The first of these that is there: the submodule's folder; the submodule, fetched by git; the sources inside the sdist
that charls-index.txt names, from the package indexes that pip is configured to use. Called by cmake/CharLS.cmake, and
by the build backend before it makes an sdist. Nothing of what is downloaded is run, and its SHA-256 is checked before
it is opened.
"""

import ast
import base64
import hashlib
import json
import os
import re
import shutil
import ssl
import subprocess
import sys
import tarfile
import tempfile
import urllib.error
import urllib.parse
import urllib.request
from html.parser import HTMLParser
from pathlib import Path

ROOT = Path(__file__).parents[1]
PINNED = "build_support/charls-index.txt"

# The parts of CharLS that the build reads.
WANTED = re.compile(r"[^/]+/lib/charls/(include/charls/[^/]+\.h|src/[^/]+\.(?:cpp|h)|LICENSE\.md)")
MAX_DOWNLOAD = 1 << 26  # bytes, of a page or of the sdist
MAX_SOURCES = 1 << 24  # bytes, unpacked

REMEDIES = """\
Do one of these:
  git submodule update --init charls
  point pip at a package index that this machine reaches (pip config set global.index-url ...)
  pass the folder of CharLS sources: pip install . -C cmake.define.CHARLS_SOURCE_DIR=/path/to/charls
  link an installed CharLS: pip install . -C cmake.define.DICOM_JPEGLS_SYSTEM_CHARLS=ON"""


class NotFoundError(Exception):
    """No sources: why, in one line."""


def submodule(root):
    """Return the submodule's folder."""
    return root / "charls"


def from_index(root):
    """Return the folder for the sources from the package index."""
    return root / "charls-index"


def pinned(root):
    """Return the file name and the SHA-256 of the sdist to download; the file has the form of sha256sum."""
    lines = (root / PINNED).read_text().splitlines()
    (line,) = (line for line in lines if line and not line.startswith("#"))
    sha256, name = line.split()
    return name, sha256


def holds_sources(directory):
    """Return whether a folder holds what is built: false for an empty submodule folder."""
    return (directory / "include/charls/charls.h").is_file() and (directory / "src/jpegls.cpp").is_file()


def present(root):
    """Return the kind (submodule or index) and the folder of sources that are there, or None."""
    if holds_sources(submodule(root)):
        return "submodule", submodule(root)
    directory = from_index(root)
    stamp = directory / "sha256"
    if holds_sources(directory) and stamp.is_file() and stamp.read_text().strip() == pinned(root)[1]:
        return "index", directory
    return None


def find(root):
    """Return the kind and the folder of the sources, fetched if need be.

    Raises
    ------
    SystemExit
        If there are none, with the reasons and what to do.
    """
    if found := present(root):
        return found
    errors = []
    for what, fetch in [
        (f"The folder {submodule(root)} is empty;", update_submodule),
        ("From the Python package index:", download_from_index),
    ]:
        try:
            fetch(root)
        except NotFoundError as error:
            errors.append(f"  {what} {error}")
        if found := present(root):
            return found
    sys.exit("\n".join(["CharLS's sources cannot be found.", *errors, REMEDIES]))


def version(directory):
    """Return the version of CharLS, such as 2.4.2."""
    text = (directory / "include/charls/version.h").read_text()
    return ".".join(re.search(rf"define CHARLS_VERSION_{part} (\d+)", text)[1] for part in ("MAJOR", "MINOR", "PATCH"))


# --- The submodule ----------------------------------------------------------------------------------------------------


def update_submodule(root):
    """Fetch the submodule."""
    if not (root / ".git").exists() or not shutil.which("git"):
        raise NotFoundError("the checkout has no submodule")
    # A server that drops packets ends the fetch instead of stopping the build for ever.
    patience = ["-c", "http.lowSpeedLimit=10000", "-c", "http.lowSpeedTime=20"]

    def git(*arguments, cwd=root, timeout=60):
        environment = os.environ | {"GIT_TERMINAL_PROMPT": "0"}
        try:
            result = subprocess.run(
                ["git", *patience, *arguments],
                cwd=cwd,
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=timeout,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return 1, "", f"no answer within {timeout} s"
        return result.returncode, result.stdout.strip(), result.stderr.strip()

    _, entry, error = git("ls-files", "--stage", "charls")
    if not entry.startswith("160000 "):
        raise NotFoundError(f"git finds no submodule in the checkout. {error}".strip())
    say("updating the submodule")
    git("submodule", "--quiet", "init", "charls")
    _, url, _ = git("config", "submodule.charls.url")
    # A question first: git waits minutes for a firewall that drops packets, and a clone killed then blocks later ones.
    status, _, error = git("ls-remote", "--quiet", url, "HEAD", timeout=20)
    if status == 0:
        status, _, error = git("submodule", "update", "--depth", "1", "charls", timeout=600)
        # Some servers have no shallow clones, or refuse a commit that no branch ends at.
        if status != 0:
            if (submodule(root) / ".git").exists():
                git("fetch", "--unshallow", cwd=submodule(root), timeout=600)
            status, _, error = git("submodule", "update", "charls", timeout=600)
    if status != 0:
        raise NotFoundError(f"git submodule update failed ({status}). {error}")


# --- The package index ------------------------------------------------------------------------------------------------


def download_from_index(root):
    """Download the pinned sdist, check its SHA-256 and unpack the CharLS sources in it."""
    say("downloading the sources from the Python package index")
    name, sha256 = pinned(root)
    settings = pip_settings()
    opener = Opener(settings)
    errors = []
    for page in pages(settings, name):
        try:
            for link in opener.links(page):
                if urllib.parse.unquote(urllib.parse.urlsplit(link).path).rpartition("/")[2] != name:
                    continue
                archive = opener.read(link)
                found = hashlib.sha256(archive).hexdigest()
                if found == sha256:
                    unpack(archive, sha256, from_index(root))
                    return
                errors.append(f"{without_password(link)} has the SHA-256 {found}, but must have {sha256}")
        except (OSError, ValueError) as error:
            errors.append(f"{without_password(page)}: {error}")
    raise NotFoundError("; ".join(errors) or f"no index has {name}")


def unpack(archive, sha256, target):
    """Write the wanted files of the sdist to a new folder that replaces the target."""
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f"{target.name}-") as directory:
        new = Path(directory) / "new"
        with tempfile.TemporaryFile() as file:
            file.write(archive)
            file.seek(0)
            with tarfile.open(fileobj=file) as tar:
                members = [(member, WANTED.fullmatch(member.name)) for member in tar if member.isreg()]
                members = [(member, match[1]) for member, match in members if match]
                if sum(member.size for member, _ in members) > MAX_SOURCES:
                    raise NotFoundError(f"the CharLS sources in it exceed {MAX_SOURCES} bytes")
                for member, path in members:
                    (new / path).parent.mkdir(parents=True, exist_ok=True)
                    (new / path).write_bytes(tar.extractfile(member).read())
        if not holds_sources(new):
            raise NotFoundError("the file has the right SHA-256, but holds no CharLS sources")
        (new / "sha256").write_text(f"{sha256}\n")
        shutil.rmtree(target, ignore_errors=True)
        new.rename(target)


def pip_settings():
    """Return pip's settings by name, as its environment variables and configuration files have them."""
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    # Wide enough that pip does not wrap the lines of its help.
    environment = os.environ | {"COLUMNS": "500", "PYTHONUTF8": "1"}
    run = {"env": environment, "capture_output": True, "encoding": "utf-8", "check": False}
    listed = subprocess.run([*pip, "config", "list"], **run)
    if listed.returncode != 0:
        raise NotFoundError("pip, whose settings name the package index, does not run with " + sys.executable)
    by_section = {}
    for line in listed.stdout.splitlines():
        key, _, value = line.partition("=")
        section, _, setting = key.rpartition(".")
        by_section.setdefault(section, {})[setting] = ast.literal_eval(value)
    settings = {}
    for section in ("global", "download", ":env:"):  # the last one wins
        settings |= by_section.get(section, {})
    if "index-url" not in settings:  # pip's own default, which it says in its help only
        text = subprocess.run([*pip, "download", "--help"], **run).stdout
        if default := re.search(r"--index-url\b.*?\(default\s+(\S+?)\)", text, re.DOTALL):
            settings["index-url"] = default[1]
    return settings


def pages(settings, name):
    """Return the URLs of the pages that may link to the file of that name."""
    project = re.sub(r"[-_.]+", "-", name.rpartition("-")[0]).lower()
    locations = settings.get("find-links", "").split()
    result = [as_url(os.path.expanduser(location)) for location in locations]
    if settings.get("no-index", "").lower() not in ("1", "true", "yes", "on"):
        indexes = [settings.get("index-url", ""), *settings.get("extra-index-url", "").split()]
        result += [f"{as_url(index).rstrip('/')}/{project}/" for index in indexes if index]
    return result


def as_url(location):
    """Return the URL of a location that may be a path."""
    return location if re.match(r"(https?|file):", location) else Path(location).absolute().as_uri()


def without_password(url):
    """Return a URL for people to read."""
    return re.sub(r"//[^/@]*@", "//", url)


class Links(HTMLParser):
    """The targets of a page's links."""

    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attributes):
        """Keep the target."""
        target = dict(attributes).get("href")
        if tag == "a" and target:
            self.found.append(target)


class Opener:
    """Opens URLs with pip's certificates, proxy and time limit; passwords in URLs go to the host they are for only."""

    def __init__(self, settings):
        context = ssl.create_default_context()
        if certificates := settings.get("cert"):
            context.load_verify_locations(certificates)
        handlers = [urllib.request.HTTPSHandler(context=context)]
        if proxy := settings.get("proxy"):
            handlers.append(urllib.request.ProxyHandler({"http": proxy, "https": proxy}))
        self._opener = urllib.request.build_opener(*handlers)
        self._timeout = float(settings.get("timeout") or settings.get("default-timeout") or 15)
        self._credentials = {}

    def links(self, page):
        """Return the absolute URLs of the links of a page of an index or of a folder."""
        parts = urllib.parse.urlsplit(page)
        if parts.scheme == "file":
            directory = Path(urllib.request.url2pathname(parts.path))
            if directory.is_dir():
                if not (directory / "index.html").is_file():
                    return [path.as_uri() for path in sorted(directory.iterdir()) if path.is_file()]
                page = (directory / "index.html").as_uri()
        text = self.read(page, accept="application/vnd.pypi.simple.v1+json, text/html;q=0.5").decode()
        if text.lstrip().startswith("{"):
            targets = [file["url"] for file in json.loads(text)["files"]]
        else:
            parser = Links()
            parser.feed(text)
            targets = parser.found
        return [urllib.parse.urljoin(page, target) for target in targets]

    def read(self, url, accept="*/*"):
        """Return the bytes at a URL."""
        parts = urllib.parse.urlsplit(url)
        user, at, host = parts.netloc.rpartition("@")
        if at:
            self._credentials[host] = base64.b64encode(urllib.parse.unquote(user).encode()).decode()
        request = urllib.request.Request(parts._replace(netloc=host).geturl(), headers={"Accept": accept})
        if host in self._credentials:
            request.add_unredirected_header("Authorization", f"Basic {self._credentials[host]}")
        try:
            with self._opener.open(request, timeout=self._timeout) as response:
                data = response.read(MAX_DOWNLOAD + 1)
        except urllib.error.HTTPError as error:
            error.close()  # it is the response, too
            raise
        if len(data) > MAX_DOWNLOAD:
            raise ValueError(f"more than {MAX_DOWNLOAD} bytes")
        return data


def say(what):
    """Report progress where it does not mix with the result."""
    print(f"-- CharLS: {what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    print(";".join(map(os.fspath, find(ROOT))))
