"""Keeps what fuzzing has found: the fewest inputs that together reach all that is reached, in corpus.zip.

Usage: python fuzz/keep_corpus.py, after `make fuzz`.

Left out are inputs that a released decoder without this package's checks and patches crashes on or hangs at.
"""

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from make_corpus import KEPT

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from support.damage import CRASH, HANG, outcomes

BUILD = Path(__file__).parents[1] / "build" / "fuzz"
PEERS = ("pyjpegls", "imagecodecs")


def fewest(target, folder):
    """Choose inputs that reach all the code that those of a target and the seeds reach."""
    folder.mkdir()
    merge = [BUILD / target, "-set_cover_merge=1", "-use_counters=0", "-timeout=2"]
    subprocess.run([*merge, folder, BUILD / "corpus" / target, BUILD / "seeds"], check=True, stderr=subprocess.DEVNULL)
    return {f"{target}/{path.name[:16]}": path.read_bytes() for path in folder.iterdir()}


def write(archive, inputs):
    """Write an archive; the same bytes for the same inputs."""
    with zipfile.ZipFile(archive, "w") as target:
        for name in sorted(inputs):
            target.writestr(zipfile.ZipInfo(name), inputs[name], zipfile.ZIP_DEFLATED, 9)


if __name__ == "__main__":
    inputs = {}
    with tempfile.TemporaryDirectory() as temporary:
        for folder in sorted((BUILD / "corpus").iterdir()):
            inputs |= fewest(folder.name, Path(temporary, folder.name))
        for peer in PEERS:
            tried = Path(temporary, "tried.zip")
            write(tried, inputs)
            found = list(outcomes(peer, tried, time_limit=1))
            inputs = {
                name: inputs[name]
                for name, outcome in zip(sorted(inputs), found, strict=True)
                if outcome not in (CRASH, HANG)
            }
            print(f"{peer}: {len(found) - len(inputs)} of {len(found)} inputs left out")
    write(KEPT, inputs)
    print(f"{len(inputs)} inputs kept, {KEPT.stat().st_size} bytes")
