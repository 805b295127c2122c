"""Choosing NEAR: the effect of each value on an image, in numbers and in a plot."""

from __future__ import annotations

import math
import warnings
from itertools import islice
from textwrap import fill
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patches import Rectangle
from pydicom.errors import InvalidDicomError
from pydicom.multival import MultiValue
from pydicom.pixels.processing import apply_color_lut, apply_modality_lut, apply_voi_lut, convert_color_space
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from dicom_jpegls.cli.output import printable
from dicom_jpegls.dicom import CodingOptions, FrameCoder, image_pixel_changes
from dicom_jpegls.errors import DatasetError, JPEGLSError, ParameterError
from dicom_jpegls.files import SourceFile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from matplotlib.axes import Axes
    from numpy.typing import NDArray
    from pydicom import Dataset

    from dicom_jpegls.dicom import ImagePixel

# Of larger images, the plots show a region of so many rows and columns, in which single samples can be seen.
_DETAIL = 192

# Side of the window of SSIM (its authors use 7 or 11).
_SSIM_WINDOW = 7

_DOTS_PER_INCH = 110

# The median of the absolute values of a normal distribution with a standard deviation of 1.
_MEDIAN_OF_NORMAL = 0.6745

# Characters of a file name above a plot.
_LONGEST_NAME = 32
_GREY = "0.35"
_DIFFERENCES = "RdBu_r"


class Quality(NamedTuple):
    """The difference of samples from the original ones."""

    largest_error: int
    mean_error: float
    """Mean of the absolute errors."""
    psnr: float
    """Peak signal to noise ratio in dB; the peak is the range of the original's samples."""
    ssim: float
    """Structural similarity, 1 for the same image; NaN for images of fewer than 3 rows or columns."""


class Trial(NamedTuple):
    """The result for one NEAR."""

    near_lossless: int
    size: int
    """Bytes of the stream."""
    ratio: float
    """Size of the native frame divided by that of the stream."""
    quality: Quality
    clipped_samples: int
    """Signed samples that were too close to the ends of their range for this NEAR."""
    samples: NDArray[Any]
    """The decoded frame."""


class Units(NamedTuple):
    """What the differences of stored samples mean, by the Modality LUT Module (PS3.3 C.11.1)."""

    name: str
    """Of the unit, such as HU; empty if it is not known."""
    step: float
    """The size of a difference of 1 in this unit."""

    def label(self, text: str) -> str:
        """Return text with the unit after it."""
        return f"{text} / {self.name}" if self.name else text


class Exploration(NamedTuple):
    """A frame, and the results for each NEAR."""

    path: Path
    ds: Dataset
    image_pixel: ImagePixel
    samples: NDArray[Any]
    """The original frame."""
    units: Units
    noise: float
    """The standard deviation of the noise of the stored samples; see `noise_level`."""
    trials: list[Trial]


def read_frame(path: Path, frame: int = 0) -> tuple[Dataset, ImagePixel, NDArray[Any]]:
    """Read one frame of a DICOM file, decoded if it is compressed.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    frame : int, optional
        Number of the frame, from 0.

    Returns
    -------
    pydicom.dataset.Dataset, ImagePixel, numpy.ndarray
        The dataset, the attributes of the native image, and the samples (rows, columns[, samples]).

    Raises
    ------
    ParameterError
        If there is no such frame.
    DatasetError
        If the file has no image.
    """
    with SourceFile(path) as source:
        image_pixel, frames = source.decoded(as_numbers=True)
        samples = next(islice(frames, frame, None), None)
        if samples is None:
            raise ParameterError(f"frame: must be 0 to {image_pixel.number_of_frames - 1}, found {frame}")
        source.ds.update(image_pixel_changes(source.ds, image_pixel))
        return source.ds, image_pixel, samples


def explore(path: Path, near_lossless: Iterable[int], *, frame: int = 0) -> Exploration:
    """Compress a frame with several values of NEAR.

    Parameters
    ----------
    path : pathlib.Path
        A DICOM file.
    near_lossless : iterable of int
        Largest absolute errors; 0 is lossless.
    frame : int, optional
        Number of the frame, from 0.

    Raises
    ------
    ParameterError
        If NEAR is too large for the precision, or there is no such frame.
    DatasetError
        If the image cannot be coded with JPEG-LS.
    """
    ds, image_pixel, samples = read_frame(path, frame)
    trials = []
    for near in near_lossless:
        options = CodingOptions(near_lossless=near, signed_overflow="clip", unused_bits="clear", verify=True)
        coded = FrameCoder(image_pixel, options).encode(frame, samples)
        assert coded.decoded is not None  # it was verified
        statistics = coded.statistics
        trials.append(
            Trial(
                near,
                statistics.compressed_size,
                statistics.ratio,
                quality(samples, coded.decoded),
                statistics.clipped_samples,
                coded.decoded,
            )
        )
    return Exploration(path, ds, image_pixel, samples, units_of(ds), noise_level(samples), trials)


def units_of(ds: Dataset) -> Units:
    """Return the units of the differences of samples; stored ones if a LUT or nothing says what they mean."""
    slope = ds.get("RescaleSlope")
    if "ModalityLUTSequence" in ds or not slope:
        return Units("", 1.0)
    name = str(ds.get("RescaleType") or ("HU" if ds.get("Modality") == "CT" else ""))
    # "US" is "unspecified" (PS3.3 C.11.1.1.2).
    return Units("" if name == "US" else printable(name)[:16], abs(float(slope)))


def noise_level(samples: NDArray[Any]) -> float:
    """Return the standard deviation of the noise, from the diagonal differences in blocks of 2 x 2 samples.

    Edges and gradients hardly change their median. Blocks of four equal samples, such as those of an empty background,
    are left out. 0 if there are no others.
    """
    rows, columns = (size // 2 * 2 for size in samples.shape[:2])
    blocks = samples[:rows, :columns].astype(np.float64)
    first, second, third, fourth = blocks[::2, ::2], blocks[::2, 1::2], blocks[1::2, ::2], blocks[1::2, 1::2]
    is_varied = (first != second) | (first != third) | (first != fourth)
    if not is_varied.any():
        return 0.0
    # Of four independent samples, half the difference of the sums of opposite ones has their standard deviation.
    return float(np.median(np.abs((first - second - third + fourth) / 2)[is_varied]) / _MEDIAN_OF_NORMAL)


class SampledFile(NamedTuple):
    """The results for one file of several."""

    modality: str
    native_size: int
    units: Units
    noise: float
    trials: list[Trial]
    """Without samples."""


def explore_files(
    paths: Iterable[Path],
    near_lossless: Sequence[int],
    *,
    frame: int = 0,
    limit: int,
    on_skip: Callable[[Path, Exception], None],
) -> list[SampledFile]:
    """Compress a frame of several files with several values of NEAR.

    Parameters
    ----------
    paths : iterable of pathlib.Path
        The files, in the order in which they are tried.
    near_lossless : sequence of int
        Largest absolute errors; 0 is lossless.
    frame : int, optional
        Number of the frame of each file, from 0.
    limit : int
        So many images are enough.
    on_skip : callable
        Called with each file that is left out, and why.
    """
    found: list[SampledFile] = []
    for path in paths:
        if len(found) == limit:
            break
        try:
            one = explore(path, near_lossless, frame=frame)
        except (JPEGLSError, InvalidDicomError, OSError) as error:
            on_skip(path, error)
            continue
        modality = printable(one.ds.get("Modality") or "unknown")[:16]
        trials = [trial._replace(samples=np.empty(0)) for trial in one.trials]
        found.append(SampledFile(modality, one.image_pixel.frame_size, one.units, one.noise, trials))
    return found


class ModalityResult(NamedTuple):
    """What one NEAR does to the files of a modality."""

    modality: str
    near_lossless: int
    files: int
    native_size: int
    size: int
    mean_error: float
    """Of all files alike, in the units of each."""
    unit: str
    """The unit that all files have, or nothing."""
    noise: float
    """The median of their levels, in the same units."""

    @property
    def saved(self) -> float:
        """The part of the native bytes that is saved."""
        return 1 - self.size / self.native_size


def by_modality(files: Sequence[SampledFile]) -> list[ModalityResult]:
    """Add the results of files up, for each modality and each NEAR."""
    results = []
    for modality in sorted({file.modality for file in files}):
        chosen = [file for file in files if file.modality == modality]
        units = {file.units.name for file in chosen}
        unit = units.pop() if len(units) == 1 else ""
        for number_of_trial, trial in enumerate(chosen[0].trials):
            trials = [file.trials[number_of_trial] for file in chosen]
            errors = [one.quality.mean_error * file.units.step for one, file in zip(trials, chosen, strict=True)]
            results.append(
                ModalityResult(
                    modality,
                    trial.near_lossless,
                    len(chosen),
                    sum(file.native_size for file in chosen),
                    sum(one.size for one in trials),
                    float(np.mean(errors)),
                    unit,
                    float(np.median([file.noise * file.units.step for file in chosen])),
                )
            )
    return results


def draw_modalities(results: Sequence[ModalityResult], target: Path) -> None:
    """Write a PNG: for each modality the bytes saved against the mean error, as a part of the noise as well."""
    figure = Figure(figsize=(11, 4.6), layout=ConstrainedLayoutEngine(h_pad=0.12, w_pad=0.12))
    axes, noise_axes = figure.subplots(1, 2, sharey=True)
    lowest = min(results, key=lambda result: result.saved).modality  # has room for the numbers below its curve
    for modality in dict.fromkeys(result.modality for result in results):
        chosen = [result for result in results if result.modality == modality]
        label = f"{modality}, {chosen[0].files} file(s)" + (f", {chosen[0].unit}" if chosen[0].unit else "")
        saved = [100 * result.saved for result in chosen]
        (curve,) = axes.plot([result.mean_error for result in chosen], saved, "o-", label=label)
        for result in chosen:
            place = (result.mean_error, 100 * result.saved)
            axes.annotate(
                f"{result.near_lossless}",
                place,
                xytext=(4, -11) if modality == lowest else (-4, 5),
                textcoords="offset points",
                ha="left" if modality == lowest else "right",
                fontsize=8,
                color=curve.get_color(),
            )
        if chosen[0].noise:
            noise_axes.plot([result.mean_error / result.noise for result in chosen], saved, "o-", label=label)
    axes.set_xlabel("mean error, in the units of the modality; the numbers are NEAR")
    noise_axes.set_xlabel("mean error, as a part of the noise")
    axes.set_ylabel("% of the native bytes saved")
    for one in (axes, noise_axes):
        one.grid(alpha=0.3)
        one.margins(0.08)
    axes.legend(loc="lower right")
    _save(figure, target)


def quality(original: NDArray[Any], samples: NDArray[Any]) -> Quality:
    """Compare samples with the original ones of the same shape."""
    error = np.abs(samples.astype(np.int32) - original)
    peak = max(1, int(original.max()) - int(original.min()))
    largest = int(error.max())
    psnr = math.inf
    if largest:
        psnr = peak_signal_noise_ratio(original, samples, data_range=peak)  # type: ignore[no-untyped-call]
    side = min(_SSIM_WINDOW, *original.shape[:2])
    ssim = math.nan
    if side >= 3:
        ssim = structural_similarity(  # type: ignore[no-untyped-call]
            original.astype(np.float64),
            samples.astype(np.float64),
            win_size=side - (side + 1) % 2,
            data_range=peak,
            channel_axis=2 if original.ndim == 3 else None,
        )
    return Quality(largest, float(error.mean()), float(psnr), float(ssim))


def draw_exploration(exploration: Exploration, target: Path) -> None:
    """Write a PNG: the image and a rate-distortion curve, and for each NEAR the decoded image and the difference.

    All differences have one scale.
    """
    trials, units = exploration.trials, exploration.units
    window = _ScreenTransform(exploration.ds, exploration.image_pixel, exploration.samples)
    detail = _detail(window.shown(exploration.samples))
    figure = Figure(figsize=(3.6 + 2.4 * len(trials), 6.6), layout=ConstrainedLayoutEngine(h_pad=0.12, w_pad=0.06))
    grid = figure.add_gridspec(2, len(trials) + 1, width_ratios=[1.5, *[1.0] * len(trials)])
    _draw_original(figure.add_subplot(grid[0, 0]), exploration, window, detail)
    _draw_curve(figure.add_subplot(grid[1, 0]), trials)
    scale = max(1, *(trial.quality.largest_error for trial in trials)) * units.step
    differences = []
    for column, trial in enumerate(trials, 1):
        axes = figure.add_subplot(grid[0, column])
        window.draw(axes, trial.samples[detail])
        axes.set_title(f"NEAR {trial.near_lossless}", fontweight="bold")
        axes.set_xlabel(f"{trial.size:,} bytes, {trial.ratio:.2f} : 1\n{_quality_text(trial.quality)}")
        axes = figure.add_subplot(grid[1, column])
        differences.append(axes)
        _draw_difference(axes, exploration.samples[detail], trial.samples[detail], trial.quality, units, scale)
        if trial.near_lossless and exploration.noise:
            times = trial.near_lossless / exploration.noise
            axes.set_xlabel(f"{axes.get_xlabel()}\nNEAR is {times:.2g} x the noise", parse_math=False)
    _add_colour_bar(figure, differences, exploration.samples.ndim == 3, units, scale)
    _save(figure, target)


class Comparison(NamedTuple):
    """A frame of two files."""

    paths: tuple[Path, Path]
    datasets: tuple[Dataset, Dataset]
    image_pixel: ImagePixel
    """Of the first file."""
    samples: tuple[NDArray[Any], NDArray[Any]]
    units: Units
    """Of the first file."""
    quality: Quality
    """The difference of the second from the first."""


def compare(first: Path, second: Path, *, frame: int = 0) -> Comparison:
    """Compare a frame of two files.

    Raises
    ------
    DatasetError
        If the shapes differ, or a file has no image.
    ParameterError
        If there is no such frame.
    """
    ds, image_pixel, samples = read_frame(first, frame)
    other_ds, _, other = read_frame(second, frame)
    if samples.shape != other.shape:
        raise DatasetError(f"shape {other.shape}; that of {first} is {samples.shape}")
    return Comparison(
        (first, second), (ds, other_ds), image_pixel, (samples, other), units_of(ds), quality(samples, other)
    )


def draw_comparison(comparison: Comparison, target: Path) -> None:
    """Write a PNG with the frame of both files, the amplified difference and a histogram of the errors."""
    original, other = comparison.samples
    figure = Figure(figsize=(14, 4.6), layout=ConstrainedLayoutEngine(h_pad=0.12, w_pad=0.06))
    grid = figure.add_gridspec(1, 4, width_ratios=[1, 1, 1, 1.1])
    # The window of the first file for both: different windows would show as a difference.
    window = _ScreenTransform(comparison.datasets[0], comparison.image_pixel, original)
    detail = _detail(window.shown(original))
    for column, path in enumerate(comparison.paths):
        axes = figure.add_subplot(grid[0, column])
        window.draw(axes, comparison.samples[column][detail])
        _set_name(axes, path)
        transfer_syntax = comparison.datasets[column].file_meta.TransferSyntaxUID.name
        text = f"{fill(printable(transfer_syntax), 42)}\n{path.stat().st_size:,} bytes"
        axes.set_xlabel(text, parse_math=False)
    units, scale = comparison.units, max(1, comparison.quality.largest_error) * comparison.units.step
    axes = figure.add_subplot(grid[0, 2])
    _draw_difference(axes, original[detail], other[detail], comparison.quality, units, scale)
    _add_colour_bar(figure, [axes], original.ndim == 3, units, scale)
    axes = figure.add_subplot(grid[0, 3])
    _draw_histogram(axes, other.astype(np.int32) - original)
    axes.set_title(_quality_text(comparison.quality))
    _save(figure, target)


def _set_name(axes: Axes, path: Path) -> None:
    """Write the name of a file above a plot, as it is: not as a formula, and not wider than the plot."""
    name = printable(path.name)
    if len(name) > _LONGEST_NAME:
        name = f"{name[: _LONGEST_NAME // 2]}…{name[-_LONGEST_NAME // 2 :]}"
    axes.set_title(name, fontweight="bold", parse_math=False)


def _save(figure: Figure, target: Path) -> None:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # the font has no Chinese characters, for example
        figure.savefig(target, dpi=_DOTS_PER_INCH, format="png")


def _quality_text(values: Quality) -> str:
    return f"PSNR {number(values.psnr, 1)} dB, SSIM {number(values.ssim, 4)}"


def number(value: float, digits: int) -> str:
    """Format a number, with signs for infinity and for unknown."""
    if math.isinf(value):
        return "∞"
    return "-" if math.isnan(value) else f"{value:.{digits}f}"


def _detail(shown: NDArray[Any]) -> tuple[slice, slice]:
    """Choose the region of a large image to draw: where neighbours differ most on the screen."""
    rows, columns = shown.shape[:2]
    height, width = min(rows, _DETAIL), min(columns, _DETAIL)
    if (height, width) == (rows, columns):
        return slice(0, rows), slice(0, columns)
    grey = shown.astype(np.float64).reshape(rows, columns, -1).mean(axis=2)
    activity = np.log1p(np.abs(np.diff(grey, axis=1, prepend=grey[:, :1])))
    sums = np.pad(activity.cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))
    inside = sums[height:, width:] - sums[:-height, width:] - sums[height:, :-width] + sums[:-height, :-width]
    top, left = (int(start) for start in np.unravel_index(int(inside.argmax()), inside.shape))
    return slice(top, top + height), slice(left, left + width)


class _ScreenTransform:
    """Converts samples to what a viewer shows, by the modality and VOI transformations or colours of a dataset."""

    def __init__(self, ds: Dataset, image_pixel: ImagePixel, samples: NDArray[Any]) -> None:
        self._ds = ds
        self._image_pixel = image_pixel
        self._has_voi = "VOILUTSequence" in ds or ("WindowCenter" in ds and "WindowWidth" in ds)
        self._range = (0.0, 1.0)
        if self._is_grey:
            if self._has_voi:
                # The output range of the window, which can be far from the smallest and largest value of the image.
                ends = np.array([np.iinfo(samples.dtype).min, np.iinfo(samples.dtype).max], samples.dtype)
                low, high = self._grey(ends)
            else:
                values = self._grey(samples)
                low, high = values.min(), values.max()
            self._range = (float(low), float(high) if high > low else float(low) + 1)

    @property
    def _is_grey(self) -> bool:
        return self._image_pixel.photometric_interpretation.startswith("MONOCHROME")

    def _grey(self, samples: NDArray[Any]) -> NDArray[Any]:
        values = apply_modality_lut(samples, self._ds)
        return apply_voi_lut(values, self._ds) if self._has_voi else values

    def shown(self, samples: NDArray[Any]) -> NDArray[Any]:
        """Return what a viewer shows for samples: RGB, or 0 (black) to 1 (white)."""
        if not self._is_grey:
            return self._colors(samples)
        low, high = self._range
        values = ((self._grey(samples) - low) / (high - low)).clip(0, 1)
        return 1 - values if self._image_pixel.photometric_interpretation == "MONOCHROME1" else values

    @property
    def name(self) -> str:
        """The window in words."""
        if not self._is_grey:
            return "colours as they are"
        if "VOILUTSequence" in self._ds:
            return "VOI LUT of the dataset"
        if self._has_voi:
            center, width = (
                value[0] if isinstance(value, MultiValue) else value
                for value in (self._ds.WindowCenter, self._ds.WindowWidth)
            )
            return f"window {center} / {width}"
        return f"window {self._range[0]:g} to {self._range[1]:g}, the range of the image"

    def draw(self, axes: Axes, samples: NDArray[Any]) -> None:
        """Draw samples as a viewer shows them."""
        axes.imshow(self.shown(samples), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        _remove_ticks(axes)

    def _colors(self, samples: NDArray[Any]) -> NDArray[np.uint8]:
        if self._image_pixel.photometric_interpretation == "PALETTE COLOR":
            colors = apply_color_lut(samples, self._ds)
            return (colors >> (8 * (colors.dtype.itemsize - 1))).astype(np.uint8)
        eight_bits = (samples >> max(0, self._image_pixel.bits_stored - 8)).astype(np.uint8)
        if self._image_pixel.photometric_interpretation == "YBR_FULL":
            return convert_color_space(eight_bits, "YBR_FULL", "RGB").astype(np.uint8)
        return eight_bits


def _remove_ticks(axes: Axes) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_color(_GREY)


def _draw_original(axes: Axes, exploration: Exploration, window: _ScreenTransform, detail: tuple[slice, slice]) -> None:
    image_pixel, samples = exploration.image_pixel, exploration.samples
    window.draw(axes, samples)
    _set_name(axes, exploration.path)
    axes.set_xlabel(
        f"{image_pixel.rows} x {image_pixel.columns}, {image_pixel.photometric_interpretation}, "
        f"{image_pixel.bits_stored} bits\n{image_pixel.frame_size:,} bytes native, noise {_noise_text(exploration)}\n"
        f"{printable(window.name)}",
        parse_math=False,
    )
    rows, columns = detail
    if (rows.stop - rows.start, columns.stop - columns.start) != samples.shape[:2]:
        size = (columns.stop - columns.start, rows.stop - rows.start)
        axes.add_patch(Rectangle((columns.start, rows.start), *size, fill=False, edgecolor="tab:orange", linewidth=1.5))


def _noise_text(exploration: Exploration) -> str:
    units = exploration.units
    return f"{exploration.noise * units.step:.3g}{f' {units.name}' if units.name else ''}"


def _draw_difference(
    axes: Axes, original: NDArray[Any], samples: NDArray[Any], values: Quality, units: Units, scale: float
) -> None:
    """Draw the differences, from -scale to scale in these units, with a neutral tone for 0."""
    difference = (samples.astype(np.int32) - original) * units.step
    if difference.ndim == 3:
        axes.imshow((127.5 + difference * (127.5 / scale)).clip(0, 255).astype(np.uint8), interpolation="nearest")
    else:
        axes.imshow(difference, cmap=_DIFFERENCES, vmin=-scale, vmax=scale, interpolation="nearest")
    _remove_ticks(axes)
    unit = f" {units.name}" if units.name else ""
    largest, mean = values.largest_error * units.step, values.mean_error * units.step
    text = f"largest {largest:g}{unit}\nmean {mean:.3g}{unit}" if values.largest_error else "no difference"
    axes.set_xlabel(text, parse_math=False)


def _add_colour_bar(figure: Figure, axes: list[Axes], is_colour: bool, units: Units, scale: float) -> None:
    colours = ScalarMappable(Normalize(-scale, scale), cmap="gray" if is_colour else _DIFFERENCES)
    bar = figure.colorbar(colours, ax=axes, location="right", fraction=0.05, pad=0.02)
    bar.set_label(units.label("difference of each colour" if is_colour else "difference"), parse_math=False)


def _draw_curve(axes: Axes, trials: Sequence[Trial]) -> None:
    """Draw bits per sample against PSNR; lossless, which has none, as a vertical line."""
    rates = [trial.size * 8 / trial.samples.size for trial in trials]
    points = sorted((rate, trial) for rate, trial in zip(rates, trials, strict=True) if trial.quality.largest_error)
    axes.plot([rate for rate, _ in points], [trial.quality.psnr for _, trial in points], "o-", color="tab:blue")
    for rate, trial in points:
        axes.annotate(f"{trial.near_lossless}", (rate, trial.quality.psnr), xytext=(5, -11), textcoords="offset points")
    for rate, trial in zip(rates, trials, strict=True):
        if not trial.quality.largest_error:
            axes.axvline(rate, color=_GREY, linestyle="--", linewidth=1)
            axes.annotate(
                "lossless",
                (rate, 0.03),
                xycoords=("data", "axes fraction"),
                xytext=(-2, 0),
                textcoords="offset points",
                rotation=90,
                ha="right",
                color=_GREY,
            )
    axes.set_xlabel("bits per sample")
    axes.set_ylabel("PSNR / dB")
    axes.set_title("rate and distortion by NEAR")
    axes.grid(alpha=0.3)
    axes.margins(0.12)


def _draw_histogram(axes: Axes, difference: NDArray[Any]) -> None:
    errors, counts = np.unique(difference, return_counts=True)
    axes.bar(errors, counts / counts.sum(), width=1.0, color="tab:blue", edgecolor="white", linewidth=0.5)
    axes.set_xlabel("error")
    axes.set_ylabel("fraction of the samples")
    axes.grid(alpha=0.3, axis="y")
