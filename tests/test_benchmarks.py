"""The benchmarks run: all rows are there and all results right. Never how long they took."""

import json
import sys

import pytest

from support.commands import ROOT, succeed


@pytest.mark.skipif(not list(ROOT.glob("build/*/libcharls.a")), reason="the C++ loop needs the checkout's build folder")
def test_performance(tmp_path):
    pytest.importorskip("jpeg_ls")
    output = succeed(sys.executable, ROOT / "benchmarks/performance.py", "--quick", "--output", tmp_path)
    rows = json.loads((tmp_path / "results.json").read_text())["measurements"]
    found = {(row["section"], row["operation"], row["contender"]) for row in rows if row["value"] > 0}
    both = ("encode", "decode")
    expected = {("images", way, name) for way in both for name in (way, f"{way}_into", "C++ loop", "pyjpegls")}
    expected |= {("datasets", way, f"pydicom, {name}") for way in both for name in ("pyjpegls", "register()")}
    assert expected <= found
    assert {row[0] for row in found} >= {"images", "datasets", "workers", "strips"}
    assert "### Single images" in output
