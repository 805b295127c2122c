"""Make the pictures of docs/archives.md from images in the pydicom wheel.

Usage: python docs/make_pictures.py

Needs the extras of the package, and Chromium for the report.
"""

import io
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

from PIL import Image
from pydicom.data import get_testdata_file
from rich.console import Console

from dicom_jpegls import batch
from dicom_jpegls.cli.explore import by_modality, draw_exploration, draw_modalities, explore, explore_files
from dicom_jpegls.cli.progress import BarDisplay, summary_table
from dicom_jpegls.cli.report import write_report

IMAGES = Path(__file__).parent / "images"

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from support.archive_tree import make_tree  # noqa: E402


def draw_progress(target: Path) -> None:
    """Compress a tree and draw the progress bar while it runs, and the table at the end; draw the report beside it."""
    console = Console(record=True, file=io.StringIO(), width=80, force_terminal=True)
    unseen = Console(file=io.StringIO(), width=80, force_terminal=True)
    with tempfile.TemporaryDirectory() as name:
        tree = Path(name) / "studies"
        make_tree(tree, 600, 3)
        console.print("[bold]$[/] dicom-jpegls compress --workers 2 studies/ archive/", highlight=False)

        class Recorded(BarDisplay):
            def on_record(self, record: batch.Record) -> None:
                super().on_record(record)
                if self.summary.counts.total() == 400:
                    console.print(self.progress.get_renderable())

            def show_failure(self, record: batch.Record) -> None:
                shown = Path(record.source).relative_to(name)
                console.print(f"{shown}: {record.reason}", markup=False, highlight=False)

        start = time.monotonic()
        with Recorded(console=unseen) as display:
            batch.transcode([tree], Path(name) / "archive", workers=2, observer=display)
        failures = display.summary.failures
        failures[:] = [record._replace(source=str(Path(record.source).relative_to(name))) for record in failures]
        console.print(summary_table(display.summary, time.monotonic() - start))
        write_report(Path(name) / "report.html", display.summary)
        draw_page(Path(name) / "report.html", target.with_name("report.png"))
    console.save_svg(str(target), title="dicom-jpegls")


def draw_page(page: Path, target: Path) -> None:
    """Draw a page as a browser shows it."""
    options = ["--headless", "--no-sandbox", "--hide-scrollbars", "--window-size=1000,1150"]
    subprocess.run(["chromium", *options, f"--screenshot={target}", page.as_uri()], check=True, capture_output=True)


def draw_small_exploration(name: str, near_lossless: list[int], target: Path) -> None:
    """Draw the plot of `explore` in fewer colours, because noise makes the PNG large."""
    draw_exploration(explore(Path(get_testdata_file(name)), near_lossless), target)
    with Image.open(target) as image:
        image.convert("RGB").quantize(64, dither=Image.Dither.NONE).save(target, optimize=True)


def draw_sample(target: Path) -> None:
    """Draw the plot of `explore` for a tree."""
    folder = Path(get_testdata_file("CT_small.dcm")).parent
    paths = [*sorted(folder.glob("dicomdirtests/7765*/*/*")), *(folder / f"{name}_small.dcm" for name in ("CT", "MR"))]
    files = explore_files(paths, [0, 1, 2, 3, 5, 10], limit=len(paths), on_skip=lambda _path, _error: None)
    draw_modalities(by_modality(files), target)


def main() -> None:
    """Write the pictures."""
    warnings.simplefilter("ignore")
    batch.silence_pydicom()
    IMAGES.mkdir(exist_ok=True)
    draw_progress(IMAGES / "progress.svg")
    draw_small_exploration("693_J2KI.dcm", [0, 2, 5, 10], IMAGES / "explore.png")
    draw_sample(IMAGES / "explore-sample.png")


if __name__ == "__main__":
    main()
