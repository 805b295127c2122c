"""The examples of each page run in a new folder, and are skipped where a package that they need is not installed."""

import importlib.util

import pytest

NEEDED = {"dask.md": "dask.array", "zarr.md": "zarr"}
# It has no examples: to collect it shows that it can be imported.
collect_ignore = [] if importlib.util.find_spec("PIL") else ["make_pictures.py"]


@pytest.fixture(autouse=True)
def _page(request, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if module := NEEDED.get(request.path.name):
        pytest.importorskip(module)
