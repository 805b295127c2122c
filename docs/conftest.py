"""The examples of each page run in a new folder, and are skipped where a package that they need is not installed."""

import pytest

NEEDED = {"dask.md": "dask.array", "zarr.md": "zarr"}


@pytest.fixture(autouse=True)
def _page(request, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if module := NEEDED.get(request.path.name):
        pytest.importorskip(module)
