"""Make the pictures of docs/archives.md from images in the pydicom wheel.

Usage: python docs/make_pictures.py
"""

import io
import sys
import tempfile
import warnings
from pathlib import Path

from PIL import Image
from pydicom.data import get_testdata_file
from rich.console import Console

from dicom_jpegls import batch
from dicom_jpegls.cli.explore import draw_exploration, explore
from dicom_jpegls.cli.progress import BarDisplay

IMAGES = Path(__file__).parent / "images"

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from support.archive_tree import make_tree  # noqa: E402


def draw_progress(target: Path) -> None:
    """Compress a tree and draw the progress bar while it runs, and the table at the end."""
    console = Console(record=True, file=io.StringIO(), width=112, force_terminal=True)
    unseen = Console(file=io.StringIO(), force_terminal=True)
    with tempfile.TemporaryDirectory() as name:
        tree = Path(name) / "studies"
        make_tree(tree, 600, 3)
        console.print("[bold]$[/] dicom-jpegls compress --workers 2 studies/ archive/")

        class Recorded(BarDisplay):
            def on_record(self, record: batch.Record) -> None:
                super().on_record(record)
                if self.summary.counts.total() == 400:
                    console.print(self.progress.get_renderable())

            def show_failure(self, record: batch.Record) -> None:
                shown = Path(record.source).relative_to(name)
                console.print(f"{shown}: {record.reason}", markup=False, highlight=False)

        with Recorded(unseen, unseen) as display:
            batch.transcode([tree], Path(name) / "archive", workers=2, observer=display)
        display.out = console
        display.show_summary(interrupted=False)
    console.save_svg(str(target), title="dicom-jpegls")


def draw_small_exploration(name: str, near_lossless: list[int], target: Path) -> None:
    """Draw the plot of `explore` in fewer colours, because noise makes the PNG large."""
    draw_exploration(explore(Path(get_testdata_file(name)), near_lossless), target)
    with Image.open(target) as image:
        image.convert("RGB").quantize(64, dither=Image.Dither.NONE).save(target, optimize=True)


def main() -> None:
    """Write the pictures."""
    warnings.simplefilter("ignore")
    batch.silence_pydicom()
    IMAGES.mkdir(exist_ok=True)
    draw_progress(IMAGES / "progress.svg")
    draw_small_exploration("693_J2KI.dcm", [0, 2, 5, 10], IMAGES / "explore.png")


if __name__ == "__main__":
    main()
