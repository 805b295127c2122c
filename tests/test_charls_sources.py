"""Fetching CharLS from a package index: only the pinned file is asked for, and nothing of it is run."""

import gzip
import hashlib
import importlib.util
import io
import json
import os
import re
import shutil
import tarfile
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from support.commands import ROOT

if not (ROOT / "build_support").is_dir():
    pytest.skip("the sources are not here", allow_module_level=True)

needs_pip = pytest.mark.skipif(importlib.util.find_spec("pip") is None, reason="this Python has no pip")

FALSE = shutil.which("false")
NAME = "pyjpegls-1.5.1.tar.gz"
PREFIX = "pyjpegls-1.5.1/lib/charls"
WANTED = {
    "include/charls/charls.h": b"// charls.h",
    "include/charls/version.h": b"#define CHARLS_VERSION_MAJOR 2\n",
    "src/jpegls.cpp": b"// jpegls.cpp",
    "LICENSE.md": b"BSD",
}
# What pip would run to learn the metadata of an sdist, after it has installed the requirements.
TRAP = b"""
[build-system]
requires = ["not-to-be-installed"]
build-backend = "trap"
backend-path = ["."]
"""


@pytest.fixture(scope="module")
def sources():
    spec = importlib.util.spec_from_file_location("charls_sources", ROOT / "build_support/charls_sources.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def real_settings(sources):
    return sources.pip_settings


def make_sdist(files):
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return gzip.compress(data.getvalue(), mtime=0)


@pytest.fixture
def sdist(tmp_path):
    trap = f"open({str(tmp_path / 'run')!r}, 'w')".encode()
    return make_sdist(
        {
            "pyjpegls-1.5.1/pyproject.toml": TRAP,
            "pyjpegls-1.5.1/setup.py": trap,
            "pyjpegls-1.5.1/trap.py": trap,
            f"{PREFIX}/src/CMakeLists.txt": b"not wanted",
            f"{PREFIX}/test/data.jls": b"not wanted",
            "../outside/lib/charls/src/escaped.cpp": b"not wanted",
            f"{PREFIX}/src/../../../../escaped.cpp": b"not wanted",
        }
        | {f"{PREFIX}/{name}": content for name, content in WANTED.items()}
    )


@pytest.fixture
def root(tmp_path, sdist):
    """A source tree without CharLS that pins this sdist."""
    root = tmp_path / "root"
    (root / "build_support").mkdir(parents=True)
    (root / "charls").mkdir()
    pinned = f"# A comment\n{hashlib.sha256(sdist).hexdigest()}  {NAME}\n"
    (root / "build_support/charls-index.txt").write_text(pinned)
    return root


@pytest.fixture
def serve():
    """A function that serves pages, each a content type and bytes; it returns the URL and the list of requests."""
    servers = []

    def serve(pages):
        requests = []

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                requests.append((self.path, self.headers.get("Authorization")))
                status, (kind, content) = (200, pages[self.path]) if self.path in pages else (404, ("text/plain", b""))
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_):
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        Thread(target=partial(server.serve_forever, poll_interval=0.01), daemon=True).start()
        servers.append(server)
        return f"127.0.0.1:{server.server_port}", requests

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture(autouse=True)
def settings(sources, monkeypatch, tmp_path):
    """What pip is configured to use."""
    for name in ["http_proxy", "HTTP_PROXY"]:
        monkeypatch.delenv(name, raising=False)
    settings = {"index-url": (tmp_path / "no-index").as_uri()}
    monkeypatch.setattr(sources, "pip_settings", lambda: settings)
    return settings


def html(*targets):
    return "text/html", "".join(f'<a href="{target}">a file</a><br>' for target in targets).encode()


def files(directory):
    return {path.relative_to(directory).as_posix() for path in directory.rglob("*") if path.is_file()}


@pytest.mark.parametrize("kind", ["html", "json"])
def test_only_the_pinned_file_is_fetched_and_nothing_is_run(sources, serve, root, sdist, tmp_path, kind, settings):
    links = [
        f"../../files/{name}" for name in ("pyjpegls-1.5.0.tar.gz", "pyjpegls-1.5.1-cp311-x.whl", f"{NAME}#sha256=0")
    ]
    page = html(*links)
    if kind == "json":
        page = "application/vnd.pypi.simple.v1+json", json.dumps({"files": [{"url": link} for link in links]}).encode()
    host, requests = serve({"/simple/pyjpegls/": page, f"/files/{NAME}": ("application/gzip", sdist)})
    settings["index-url"] = f"http://{host}/simple"
    assert sources.find(root) == ("index", root / "charls-index")
    assert [path for path, _ in requests] == ["/simple/pyjpegls/", f"/files/{NAME}"]
    assert not (tmp_path / "run").exists()
    assert files(root / "charls-index") == {*WANTED, "sha256"}
    assert (root / "charls-index/src/jpegls.cpp").read_bytes() == WANTED["src/jpegls.cpp"]
    assert files(tmp_path) == {f"root/charls-index/{name}" for name in (*WANTED, "sha256")} | {
        "root/build_support/charls-index.txt"
    }
    # The second time they are there.
    assert sources.find(root) == ("index", root / "charls-index")
    assert len(requests) == 2


def test_other_bytes_are_not_opened(sources, serve, root, sdist, monkeypatch, settings):
    host, _ = serve({"/simple/pyjpegls/": html(f"/{NAME}"), f"/{NAME}": ("application/gzip", sdist + b"\0")})
    settings["index-url"] = f"http://{host}/simple"
    monkeypatch.setattr(sources, "unpack", None)
    with pytest.raises(SystemExit, match=rf"{NAME} has the SHA-256 \w{{64}}, but must have \w{{64}}"):
        sources.find(root)
    assert not (root / "charls-index").exists()


def test_next_index_is_asked_after_one_that_fails(sources, serve, root, sdist, settings):
    bad, _ = serve({"/simple/pyjpegls/": html(f"/{NAME}"), f"/{NAME}": ("application/gzip", b"other")})
    gone, _ = serve({})
    good, _ = serve({"/simple/pyjpegls/": html(f"/{NAME}"), f"/{NAME}": ("application/gzip", sdist)})
    settings["index-url"] = f"http://{bad}/simple/"
    settings["extra-index-url"] = f"http://{gone}/simple http://{good}/simple"
    assert sources.find(root)[0] == "index"


def test_folders_of_files_and_of_indexes_are_asked(sources, root, sdist, tmp_path, settings):
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / NAME).write_bytes(sdist)
    settings["find-links"] = str(tmp_path / "links")
    settings["no-index"] = "1"
    assert sources.find(root)[0] == "index"
    (root / "charls-index/sha256").write_text("of an older pin")
    del settings["find-links"]
    with pytest.raises(SystemExit, match=f"no index has {NAME}"):
        sources.find(root)
    page = tmp_path / "simple/pyjpegls/index.html"
    page.parent.mkdir(parents=True)
    page.write_bytes(html(f"../../links/{NAME}")[1])
    del settings["no-index"]
    settings["index-url"] = (tmp_path / "simple").as_uri()
    assert sources.find(root)[0] == "index"


def test_password_goes_to_its_host_only_and_is_not_shown(sources, serve, root, sdist, settings):
    other, elsewhere = serve({f"/{NAME}": ("application/gzip", sdist)})
    host, requests = serve({"/simple/pyjpegls/": html(f"http://{other}/{NAME}")})
    settings["index-url"] = f"http://name:secret@{host}/simple"
    assert sources.find(root)[0] == "index"
    assert requests == [("/simple/pyjpegls/", "Basic bmFtZTpzZWNyZXQ=")]
    assert elsewhere == [(f"/{NAME}", None)]
    host, _ = serve({})
    settings["index-url"] = f"http://name:secret@{host}/simple"
    (root / "charls-index/sha256").unlink()
    with pytest.raises(SystemExit, match=f"http://{host}/simple/pyjpegls/: HTTP Error 404") as caught:
        sources.find(root)
    assert "secret" not in str(caught.value)


def test_bounds(sources, serve, root, sdist, monkeypatch, settings):
    host, _ = serve({"/simple/pyjpegls/": html(f"/{NAME}"), f"/{NAME}": ("application/gzip", sdist)})
    settings["index-url"] = f"http://{host}/simple"
    monkeypatch.setattr(sources, "MAX_SOURCES", 10)
    with pytest.raises(SystemExit, match="the CharLS sources in it exceed 10 bytes"):
        sources.find(root)
    monkeypatch.setattr(sources, "MAX_DOWNLOAD", len(sdist) - 1)
    with pytest.raises(SystemExit, match=f"more than {len(sdist) - 1} bytes"):
        sources.find(root)
    assert not (root / "charls-index").exists()


def test_pinned_file_without_charls(sources, serve, root, settings):
    empty = make_sdist({"pyjpegls-1.5.1/README": b""})
    (root / "build_support/charls-index.txt").write_text(f"{hashlib.sha256(empty).hexdigest()}  {NAME}\n")
    host, _ = serve({"/simple/pyjpegls/": html(f"/{NAME}"), f"/{NAME}": ("application/gzip", empty)})
    settings["index-url"] = f"http://{host}/simple"
    with pytest.raises(SystemExit, match="holds no CharLS sources"):
        sources.find(root)


@needs_pip
def test_settings_are_pips(real_settings, monkeypatch, tmp_path):
    config = tmp_path / "pip.conf"
    config.write_text("[global]\nindex-url = of-all\ncert = a.pem\n[download]\nindex-url = of-download\n")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(config))
    monkeypatch.delenv("PIP_CERT", raising=False)
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "one two")
    settings = real_settings()
    assert settings["extra-index-url"] == "one two"
    assert (settings["index-url"], settings["cert"]) == ("of-download", "a.pem")


@needs_pip
def test_default_index_is_pips_own(sources, real_settings, monkeypatch):
    for name in ["PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_NO_INDEX"]:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    (page,) = sources.pages(real_settings(), NAME)
    assert page.startswith("https://")
    assert page.endswith("/simple/pyjpegls/")


@pytest.mark.skipif(FALSE is None, reason="needs a program that fails")
def test_pip_is_required(sources, real_settings, root, monkeypatch):
    monkeypatch.setattr(sources, "pip_settings", real_settings)
    monkeypatch.setattr(sources.sys, "executable", FALSE)
    expected = f"pip, whose settings name the package index, does not run with {re.escape(FALSE or '')}"
    with pytest.raises(SystemExit, match=expected):
        sources.find(root)
