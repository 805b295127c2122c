"""Make the pictures of the guides from images in the pydicom wheel.

Usage: python docs/make_pictures.py [progress] [explore] [orthanc]

Needs the extras of the package, Chromium for the report, and Orthanc with pynetdicom for what it shows.
"""

import io
import re
import subprocess
import sys
import tempfile
import time
import warnings
from contextlib import chdir
from pathlib import Path

from PIL import Image
from pydicom.data import get_testdata_file
from rich.console import Console

from dicom_jpegls import batch
from dicom_jpegls.cli.explore import by_modality, draw_exploration, draw_modalities, explore, explore_files
from dicom_jpegls.cli.progress import BarDisplay, summary_table
from dicom_jpegls.cli.report import write_report

ROOT = Path(__file__).parents[1]
IMAGES = ROOT / "docs/images"

sys.path.insert(0, str(ROOT / "tests"))

from support.archive_tree import make_tree  # noqa: E402

# The terminal of the pictures.
COLUMNS = 80


def draw_progress() -> None:
    """Compress a tree, and draw the progress bar while it runs, the table at the end, and the report."""
    running, ended = new_console(record=True), new_console(record=True)
    running.print("$ dicom-jpegls compress --workers 2 studies/ archive/", highlight=False)

    class Recorded(BarDisplay):
        is_drawn = False

        def on_record(self, record: batch.Record) -> None:
            super().on_record(record)
            if self.summary.counts.total() == 400:
                self.show_progress()
                running.print(self.progress.get_renderable())
                self.is_drawn = True

        def show_failure(self, record: batch.Record) -> None:
            text = f"{record.source}: {record.reason}"
            if not self.is_drawn:
                for start in range(0, len(text), COLUMNS):  # as a terminal breaks lines
                    running.print(text[start : start + COLUMNS], markup=False, highlight=False)

    with tempfile.TemporaryDirectory() as name, chdir(name):
        make_tree(Path("studies"), 600, 3)
        start = time.monotonic()
        with Recorded(console=new_console()) as display:
            batch.transcode(["studies"], "archive", workers=2, observer=display)
        ended.print(summary_table(display.summary, time.monotonic() - start))
        write_report(Path("report.html"), display.summary)
        draw_page(Path("report.html").absolute(), IMAGES / "report.png")
    save_terminal(running, IMAGES / "progress.svg")
    save_terminal(ended, IMAGES / "summary.svg")


def new_console(*, record: bool = False) -> Console:
    """Return a terminal that nobody sees."""
    return Console(record=record, file=io.StringIO(), width=COLUMNS, force_terminal=True)


def save_terminal(console: Console, target: Path) -> None:
    """Write what a console has recorded, with the fonts of this machine instead of those of another host."""
    svg = console.export_svg(title="dicom-jpegls", unique_id=target.stem)
    target.write_text(re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL), encoding="utf-8")


def draw_orthanc() -> None:
    """Draw what Orthanc shows of the files of its example: two images, lossless and with NEAR 2."""
    with tempfile.TemporaryDirectory() as name:
        subprocess.run([sys.executable, ROOT / "examples/orthanc/round_trip.py", name], check=True)
        shown = [
            Image.open(Path(name, f"{image}-near-{near_lossless}.png")).convert("RGB")
            for image in ("CT_small", "examples_rgb_color")
            for near_lossless in (0, 2)
        ]
    height, gap = 256, 8
    scaled = [image.resize((image.width * height // image.height, height)) for image in shown]
    row = Image.new("RGB", (sum(image.width + gap for image in scaled) - gap, height), "white")
    position = 0
    for image in scaled:
        row.paste(image, (position, 0))
        position += image.width + gap
    row.save(IMAGES / "orthanc.png")
    shrink(IMAGES / "orthanc.png", colours=256)


def shrink(path: Path, colours: int = 64) -> None:
    """Reduce a PNG to some colours: noise makes it large."""
    with Image.open(path) as image:
        reduced = image.convert("RGB").quantize(colours, dither=Image.Dither.NONE)
    reduced.save(path, optimize=True)


def draw_page(page: Path, target: Path) -> None:
    """Draw a page as a browser shows it."""
    options = ["--headless", "--no-sandbox", "--hide-scrollbars", "--window-size=1000,1150"]
    subprocess.run(["chromium", *options, f"--screenshot={target}", page.as_uri()], check=True, capture_output=True)
    shrink(target)


def draw_sample(target: Path) -> None:
    """Draw the plot of `explore` for a tree."""
    folder = Path(get_testdata_file("CT_small.dcm")).parent
    paths = [*sorted(folder.glob("dicomdirtests/7765*/*/*")), *(folder / f"{name}_small.dcm" for name in ("CT", "MR"))]
    files = explore_files(paths, [0, 1, 2, 3, 5, 10], limit=len(paths), on_skip=lambda _path, _error: None)
    draw_modalities(by_modality(files), target)
    shrink(target)


def draw_explorations() -> None:
    """Draw the plots of `explore`, for an image and for a tree."""
    draw_exploration(explore(Path(get_testdata_file("693_J2KI.dcm")), [0, 2, 5, 10]), IMAGES / "explore.png")
    shrink(IMAGES / "explore.png")
    draw_sample(IMAGES / "explore-sample.png")


DRAWN = {
    "progress": draw_progress,
    "explore": draw_explorations,
    "orthanc": draw_orthanc,
}


def main() -> None:
    """Draw the pictures that are asked for, by default all."""
    warnings.simplefilter("ignore")
    batch.silence_pydicom()
    for name in sys.argv[1:] or DRAWN:
        DRAWN[name]()


if __name__ == "__main__":
    main()
