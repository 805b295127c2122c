"""Compare the speed and memory use of this package and its peers: tables, JSON and plots.

Usage: python benchmarks/performance.py [--output FOLDER] [--rounds N] [--write] [--quick]

All work on the same images in one process and take turns (measure.py); peers that are not installed are left out. Every
result is compared with the original samples before it is timed. ``--write`` puts the tables and a plot into
docs/performance.md. ``--quick`` uses small images and few turns: it shows that everything works, and nothing else.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import functools
import importlib
import importlib.metadata
import io
import json
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import low_level
import numpy as np
from interoperability import make_dataset, markdown_table, replace_marked, versions_text
from measure import (
    MEBIBYTE,
    Array,
    Case,
    Contender,
    Timing,
    can_measure_memory,
    compare,
    core_count,
    machine_facts,
    moved_ct,
    peak_memory,
    python_calls,
    real_cases,
    series,
    synthetic_ct,
    synthetic_dx,
)
from pydicom.dataset import Dataset
from pydicom.pixels.decoders import JPEGLSLosslessDecoder
from pydicom.pixels.encoders import JPEGLSLosslessEncoder
from pydicom.uid import JPEGLSLossless

import dicom_jpegls as jls
from dicom_jpegls import _codec
from dicom_jpegls.parallel import map_all

DOCUMENT = Path(__file__).parents[1] / "docs" / "performance.md"
PLOTS = {
    "core-speed.png": "MB of samples per second on one core, by frames and by codec",
    "image-speed.png": "MB of samples per second, by image and by package",
}
"""The plots on the page, and what they show."""

# Module and distribution of each peer.
PEERS = {
    "pyjpegls": ("jpeg_ls", "pyjpegls"),
    "imagecodecs": ("imagecodecs", "imagecodecs"),
    "pillow-jpls": ("pillow_jpls", "pillow-jpls"),
    "pylibjpeg": ("libjpeg", "pylibjpeg-libjpeg"),
    "gdcm": ("gdcm", "python-gdcm"),
}


class Measurement(NamedTuple):
    """One measured value of one contender."""

    section: str
    case: str
    operation: str
    contender: str
    value: float
    """Nanoseconds, or bytes."""
    samples: int
    """Size of the samples in bytes."""
    noise: float = 0.0
    size: int = 0
    """Size of the stream or of the pixel data in bytes, where it is measured."""


@functools.cache
def installed() -> dict[str, str | None]:
    """Return the version of each peer, None where it cannot be imported."""
    versions: dict[str, str | None] = {}
    for name, (module, distribution) in PEERS.items():
        try:
            importlib.import_module(module)
            versions[name] = f"{distribution} {importlib.metadata.version(distribution)}"
        except ImportError:
            versions[name] = None
    return versions


def expect_equal(name: str, found: Array, expected: Array) -> None:
    """Raise an error unless a result equals the original samples."""
    if not np.array_equal(found, expected):
        raise AssertionError(f"{name}: the samples differ from the original")


def measured(
    section: str, case: str, operation: str, timings: dict[str, Timing], samples: int, sizes: dict[str, int]
) -> list[Measurement]:
    """Return timings as measurements."""
    return [
        Measurement(section, case, operation, name, timing.best, samples, timing.noise, sizes.get(name, 0))
        for name, timing in timings.items()
    ]


# Single images


def image_encoders(case: Case) -> dict[str, Callable[[], Any]]:
    """Return the ways to encode an image that low_level.py lacks; each returns a stream."""
    encoders: dict[str, Callable[[], Any]] = {
        "encode": lambda: jls.encode(case.image, bits_per_sample=case.bits_per_sample)
    }
    if installed()["pillow-jpls"]:
        from PIL import Image

        def with_pillow() -> bytes:
            file = io.BytesIO()
            bits = case.bits_per_sample
            Image.fromarray(case.image).save(file, "JPEG-LS", bits_per_sample=bits, near_lossless=0, spiff=None)
            return file.getvalue()

        encoders["pillow-jpls"] = with_pillow
    return encoders


def image_decoders(stream: bytes) -> dict[str, Callable[[], Any]]:
    """Return the ways to decode an image that low_level.py lacks; each returns samples."""
    decoders: dict[str, Callable[[], Any]] = {"decode": lambda: jls.decode(stream)}
    if installed()["pillow-jpls"]:
        from PIL import Image

        decoders["pillow-jpls"] = lambda: np.asarray(Image.open(io.BytesIO(stream)))
    if installed()["pylibjpeg"]:
        import libjpeg

        decoders["pylibjpeg"] = lambda: libjpeg.decode(stream)
    return decoders


def measure_images(cases: Iterable[Case], rounds: int) -> list[Measurement]:
    """Encode and decode single images in every available way."""
    found = []
    with tempfile.TemporaryDirectory() as directory:
        loops = low_level.compile_loops(low_level.default_build(), Path(directory))
        for case in cases:
            more = image_encoders(case)
            for name, encode in more.items():
                expect_equal(f"{name}, {case.name}", jls.decode(encode()), case.image)
            contenders = low_level.encoders(case, loops) | {name: python_calls(call) for name, call in more.items()}
            size = len(more["encode"]())
            timings = compare(contenders, case.calls, rounds)
            found += measured("images", case.name, "encode", timings, case.image.nbytes, {"encode": size})

            more = image_decoders(more["encode"]())
            for name, decode in more.items():
                expect_equal(f"{name}, {case.name}", decode(), case.image)
            contenders = low_level.decoders(case, loops) | {name: python_calls(call) for name, call in more.items()}
            timings = compare(contenders, case.calls, rounds)
            found += measured("images", case.name, "decode", timings, case.image.nbytes, {})
    return found


# Datasets


def pydicom_compress(plugin: str, ds: Dataset) -> None:
    """Compress with pydicom's own loop; an empty plugin name selects the first registered one."""
    ds.compress(JPEGLSLossless, encoding_plugin=plugin)


def pydicom_pixels(plugin: str, ds: Dataset) -> Array:
    """Decode with pydicom's own loop."""
    ds.pixel_array_options(decoding_plugin=plugin)
    return ds.pixel_array


def measure_datasets(section: str, name: str, frames: Array, rounds: int) -> list[Measurement]:
    """Compress and decode a whole dataset by pydicom with each plugin, and by this package alone."""
    native = make_dataset(frames, 16, "MONOCHROME2")
    compressed = copy.deepcopy(native)
    jls.compress(compressed)
    jls.register()
    try:
        compressors: dict[str, Callable[[Dataset], Any]] = {
            "compress, all workers": jls.compress,
            "compress, 1 worker": lambda ds: jls.compress(ds, workers=1),
            "pydicom, register()": functools.partial(pydicom_compress, ""),
        }
        decoders: dict[str, Callable[[Dataset], Array]] = {
            "pixel_array, all workers": jls.pixel_array,
            "pixel_array, 1 worker": lambda ds: jls.pixel_array(ds, workers=1),
            "pydicom, register()": functools.partial(pydicom_pixels, ""),
        }
        for plugin in JPEGLSLosslessEncoder.available_plugins[1:]:
            compressors[f"pydicom, {plugin}"] = functools.partial(pydicom_compress, plugin)
        for plugin in JPEGLSLosslessDecoder.available_plugins[1:]:
            decoders[f"pydicom, {plugin}"] = functools.partial(pydicom_pixels, plugin)
        sizes = {}
        for way, compress in compressors.items():
            ds = copy.deepcopy(native)
            compress(ds)
            expect_equal(way, jls.pixel_array(ds), frames)
            sizes[way] = len(ds.PixelData)
        for way, decode in decoders.items():
            expect_equal(way, decode(copy.deepcopy(compressed)), frames)
        timings = compare(fresh(compressors, native), 1, rounds)
        found = measured(section, name, "encode", timings, frames.nbytes, sizes)
        timings = compare(fresh(decoders, compressed), 1, rounds)
        return found + measured(section, name, "decode", timings, frames.nbytes, {})
    finally:
        jls.unregister()


def fresh(functions: dict[str, Callable[[Dataset], Any]], ds: Dataset) -> dict[str, Contender]:
    """Return contenders whose calls each get a fresh copy of the dataset."""
    return {name: python_calls(function, lambda: copy.deepcopy(ds)) for name, function in functions.items()}


# One core


@contextlib.contextmanager
def switched(*switches: Callable[[bool], bool]) -> Iterator[None]:
    """Switch off parts of the codec."""
    before = [switch(False) for switch in switches]
    try:
        yield
    finally:
        for switch, on in zip(switches, before, strict=True):
            switch(on)


def measure_core(cases: Iterable[Case], rounds: int) -> list[Measurement]:
    """Code frames, (frames, rows, columns), on one core: with and without lanes, with CharLS's codecs, and by peers."""
    found = []
    for name, frames, bits, _ in cases:
        images = list(frames)
        streams = jls.encode_many(images, bits_per_sample=bits, workers=1)

        def encode(images: list[Array] = images, bits: int = bits) -> list[bytes]:
            return jls.encode_many(images, bits_per_sample=bits, workers=1)

        def decode(streams: list[bytes] = streams) -> list[Array]:
            return jls.decode_many(streams, workers=1)

        encoders: dict[str, Callable[[], list[bytes]]] = {}
        decoders: dict[str, Callable[[], list[Array]]] = {}
        for way, switches in CODECS.items():
            encoders[way] = switched(*switches)(encode)
            decoders[way] = switched(*switches)(decode)
        if installed()["pyjpegls"]:
            import jpeg_ls

            height, width = images[0].shape
            sources = [image.tobytes() for image in images]
            encoders["pyjpegls"] = lambda height=height, width=width, bits=bits, sources=sources: [
                jpeg_ls.encode_buffer(source, height, width, 1, bits) for source in sources
            ]
            decoders["pyjpegls"] = lambda streams=streams: list(map(jpeg_ls.decode_buffer, streams))
        if installed()["imagecodecs"]:
            import imagecodecs

            encoders["imagecodecs"] = lambda images=images: list(map(imagecodecs.jpegls_encode, images))
            decoders["imagecodecs"] = lambda streams=streams: list(map(imagecodecs.jpegls_decode, streams))
        for way in CODECS:
            if encoders[way]() != streams:
                raise AssertionError(f"{way}, {name}: the streams differ")
            expect_equal(f"{way}, {name}", np.stack(decoders[way]()), frames)
        for operation, calls in (("encode", encoders), ("decode", decoders)):
            timings = compare({way: python_calls(call) for way, call in calls.items()}, 1, rounds)
            found += measured("core", name, operation, timings, frames.nbytes, {})
    return found


CODECS: dict[str, tuple[Callable[[bool], bool], ...]] = {
    "16 lanes": (),
    "scan codecs": (_codec._use_lanes,),
    "CharLS": (_codec._use_lanes, _codec._use_scan_codecs),
}
"""The codecs of this package, by what is switched off for them."""


# Many small images


def measure_batch(images: list[Array], bits: int, rounds: int) -> list[Measurement]:
    """Code small images together and one after another."""
    streams = [jls.encode(image, bits_per_sample=bits) for image in images]
    encoders: dict[str, Callable[[], Any]] = {
        "many, 1 worker": lambda: jls.encode_many(images, bits_per_sample=bits, workers=1),
        "one after another": lambda: [jls.encode(image, bits_per_sample=bits) for image in images],
    }
    decoders: dict[str, Callable[[], Any]] = {
        "many, 1 worker": lambda: jls.decode_many(streams, workers=1),
        "one after another": lambda: list(map(jls.decode, streams)),
    }
    if installed()["pyjpegls"]:
        import jpeg_ls

        height, width = images[0].shape
        sources = [image.tobytes() for image in images]
        encoders["pyjpegls"] = lambda: [jpeg_ls.encode_buffer(source, height, width, 1, bits) for source in sources]
        decoders["pyjpegls"] = lambda: list(map(jpeg_ls.decode_buffer, streams))
    if encoders["many, 1 worker"]() != streams:
        raise AssertionError("encode_many: the streams differ from those of encode")
    for name in ("many, 1 worker", "one after another"):
        expect_equal(name, np.stack(decoders[name]()), np.stack(images))
    case = f"{len(images)} of {images[0].shape[0]} x {images[0].shape[1]}, {bits} bits"
    size = sum(image.nbytes for image in images)
    found = []
    for operation, calls in (("encode", encoders), ("decode", decoders)):
        timings = compare({name: python_calls(call) for name, call in calls.items()}, 10, rounds)
        found += measured("batch", case, operation, timings, size, {})
    return found


# Several cores


def measure_workers(name: str, frames: Array, rounds: int) -> list[Measurement]:
    """Compress and decode the same dataset with increasing numbers of workers."""
    native = make_dataset(frames, 16, "MONOCHROME2")
    compressed = copy.deepcopy(native)
    jls.compress(compressed)
    counts = sorted({*(1 << i for i in range(core_count().bit_length())), core_count()})
    compress = {str(count): functools.partial(jls.compress, workers=count) for count in counts}
    decode = {str(count): functools.partial(jls.pixel_array, workers=count) for count in counts}
    timings = compare(fresh(compress, native), 1, rounds)
    found = measured("workers", name, "encode", timings, frames.nbytes, {})
    timings = compare(fresh(decode, compressed), 1, rounds)
    return found + measured("workers", name, "decode", timings, frames.nbytes, {})


def measure_strips(case: Case, rounds: int) -> list[Measurement]:
    """Code one large frame without restart markers by one worker, and with them by all.

    The upper bound for all cores is one frame per core, since frames share nothing.
    """
    bits, cores = case.bits_per_sample, core_count()
    plain = jls.encode(case.image, bits_per_sample=bits)
    strips = jls.encode(case.image, bits_per_sample=bits, restart_interval="auto", workers=None)
    outs = [np.empty_like(case.image) for _ in range(cores)]

    def encode(_index: int = 0) -> bytes:
        return jls.encode(case.image, bits_per_sample=bits)

    def decode(index: int = 0) -> Array:
        return jls.decode(plain, out=outs[index])

    one, auto, each = "1 worker", 'restart_interval="auto", all workers', "one frame per worker, time per frame"
    encoders: dict[str, Callable[[], Any]] = {
        one: encode,
        auto: lambda: jls.encode(case.image, bits_per_sample=bits, restart_interval="auto", workers=None),
        each: lambda: map_all(encode, range(cores), cores)[-1],
    }
    decoders: dict[str, Callable[[], Any]] = {
        one: decode,
        auto: lambda: jls.decode(strips, out=outs[0], workers=None),
        each: lambda: map_all(decode, range(cores), cores)[-1],
    }
    for way, call in decoders.items():
        expect_equal(way, call(), case.image)
    found = []
    sizes = {one: len(plain), auto: len(strips), each: len(plain)}
    for operation, calls in (("encode", encoders), ("decode", decoders)):
        timings = compare({name: python_calls(call) for name, call in calls.items()}, case.calls, rounds)
        timings[each] = timings[each]._replace(best=timings[each].best / cores)
        found += measured("strips", case.name, operation, timings, case.image.nbytes, sizes)
        sizes = {}
    return found


# Memory: input from a file, output returned


def _image_in(path: Path) -> tuple[Array, int]:
    """Read a square 12-bit image."""
    samples = np.fromfile(path, np.uint16)
    side = round(samples.size**0.5)
    return samples.reshape(side, side), 12


def _encode(path: Path) -> tuple[Any, ...]:
    image, bits = _image_in(path)
    return image, jls.encode(image, bits_per_sample=bits)


def _encode_pyjpegls(path: Path) -> tuple[Any, ...]:
    import jpeg_ls

    source = path.read_bytes()
    side = round((len(source) // 2) ** 0.5)
    return source, jpeg_ls.encode_buffer(source, side, side, 1, 12)


def _encode_imagecodecs(path: Path) -> tuple[Any, ...]:
    import imagecodecs

    image, _ = _image_in(path)
    return image, imagecodecs.jpegls_encode(image)


def _decode(path: Path) -> tuple[Any, ...]:
    stream = path.read_bytes()
    return stream, jls.decode(stream)


def _decode_pyjpegls(path: Path) -> tuple[Any, ...]:
    import jpeg_ls

    stream = path.read_bytes()
    return stream, jpeg_ls.decode_buffer(stream)


def _decode_imagecodecs(path: Path) -> tuple[Any, ...]:
    import imagecodecs

    stream = path.read_bytes()
    return stream, imagecodecs.jpegls_decode(stream)


ENCODERS_OF_FILES: dict[str, tuple[str | None, Callable[[Path], tuple[Any, ...]]]] = {
    "encode": (None, _encode),
    "pyjpegls": ("pyjpegls", _encode_pyjpegls),
    "imagecodecs": ("imagecodecs", _encode_imagecodecs),
}
DECODERS_OF_FILES: dict[str, tuple[str | None, Callable[[Path], tuple[Any, ...]]]] = {
    "decode": (None, _decode),
    "pyjpegls": ("pyjpegls", _decode_pyjpegls),
    "imagecodecs": ("imagecodecs", _decode_imagecodecs),
}


def measure_memory(case: Case, with_peers: bool) -> list[Measurement]:
    """Measure the peak increase of resident memory while an image is encoded and decoded."""
    if not can_measure_memory():
        return []
    found = []
    with tempfile.TemporaryDirectory() as directory:
        image, small = Path(directory, "image"), Path(directory, "small image")
        case.image.tofile(image)
        case.image[:64, :64].tofile(small)
        stream, small_stream = Path(directory, "stream"), Path(directory, "small stream")
        stream.write_bytes(jls.encode(case.image, bits_per_sample=case.bits_per_sample))
        small_stream.write_bytes(jls.encode(case.image[:64, :64], bits_per_sample=case.bits_per_sample))
        size = stream.stat().st_size
        for operation, functions, source, warm_up in (
            ("encode", ENCODERS_OF_FILES, image, small),
            ("decode", DECODERS_OF_FILES, stream, small_stream),
        ):
            for name, (peer, function) in functions.items():
                if peer is None or (with_peers and installed()[peer]):
                    peak = peak_memory(function, source, warm_up)
                    found.append(Measurement("memory", case.name, operation, name, peak, case.image.nbytes, size=size))
    return found


# Results


def duration(nanoseconds: float) -> str:
    """Format a time in a suitable unit."""
    return f"{nanoseconds / 1e3:.1f} us" if nanoseconds < 1e6 else f"{nanoseconds / 1e6:.1f} ms"


def rate(measurement: Measurement) -> str:
    """Format megabytes of samples per second."""
    return f"{measurement.samples / measurement.value * 1e3:.0f} MB/s"


def select(measurements: Iterable[Measurement], section: str) -> dict[tuple[str, str], dict[str, Measurement]]:
    """Return the measurements of a section by case and operation, then by contender."""
    selected: dict[tuple[str, str], dict[str, Measurement]] = {}
    for measurement in measurements:
        if measurement.section == section:
            row = selected.setdefault((measurement.case, measurement.operation), {})
            row[measurement.contender] = measurement
    return selected


def image_table(measurements: list[Measurement]) -> str:
    """Tabulate the times of this package and how many times as long the others take."""
    others = ("pyjpegls", "imagecodecs", "pillow-jpls", "pylibjpeg")
    lines = []
    for (case, operation), row in select(measurements, "images").items():
        into, simple, loop = row[f"{operation}_into"], row[operation], row["C++ loop"]
        difference = into.value - loop.value
        lines.append(
            [
                f"{case}, {operation}",
                duration(into.value),
                rate(into),
                duration(simple.value),
                f"{difference / 1e3:+.1f} us, {difference / loop.value:+.1%}",
                *(f"x {row[name].value / into.value:.2f}" if name in row else "" for name in others),
            ]
        )
    header = ["", "`…_into`", "", "`encode`, `decode`", "`…_into` compared with a C++ loop", *others]
    return markdown_table(header, lines)


def relative_table(table: str, yardstick: str) -> Callable[[list[Measurement]], str]:
    """Return a function that tabulates the time of each contender and its speed relative to one of them."""

    def tabulate(measurements: list[Measurement]) -> str:
        lines = []
        for (_, operation), row in select(measurements, table).items():
            reference = row.get(yardstick)
            for name, measurement in row.items():
                ratio = f"x {reference.value / measurement.value:.2f}" if reference else ""
                lines.append([operation, name, duration(measurement.value), rate(measurement), ratio])
        return markdown_table(["", "", "time", "samples", f"speed relative to {yardstick}"], lines)

    return tabulate


def core_table(measurements: list[Measurement]) -> str:
    """Tabulate the speeds on one core, and how many times CharLS's that of the lanes is."""
    lines = []
    for (case, operation), row in select(measurements, "core").items():
        ratio = f"x {row['CharLS'].value / row['16 lanes'].value:.2f}"
        lines.append([f"{case}, {operation}", *(rate(row[name]) if name in row else "" for name in CORE), ratio])
    return markdown_table(["", *CORE, "lanes relative to CharLS"], lines)


CORE = (*CODECS, "pyjpegls", "imagecodecs")


def worker_table(measurements: list[Measurement]) -> str:
    """Tabulate the speed by number of workers."""
    lines = []
    for (_, operation), row in select(measurements, "workers").items():
        one = row["1"]
        for name, measurement in row.items():
            speedup = f"x {one.value / measurement.value:.2f}"
            lines.append([operation, name, duration(measurement.value), rate(measurement), speedup])
    return markdown_table(["", "workers", "time", "samples", "speed relative to 1 worker"], lines)


def strip_table(measurements: list[Measurement]) -> str:
    """Tabulate the gain and the cost of restart markers."""
    lines = []
    for (_, operation), row in select(measurements, "strips").items():
        one = row["1 worker"]
        for name, measurement in row.items():
            size = f"{measurement.size} bytes, {measurement.size / one.size - 1:+.2%}" if one.size else ""
            speedup = f"x {one.value / measurement.value:.2f}"
            lines.append([operation, name, duration(measurement.value), speedup, size])
    return markdown_table(["", "", "time", "speed relative to 1 worker", "stream"], lines)


def memory_table(measurements: list[Measurement]) -> str:
    """Tabulate the peak and the part of it that is neither input nor output."""
    lines = []
    for (_, operation), row in select(measurements, "memory").items():
        for name, measurement in row.items():
            more = measurement.value - measurement.samples - measurement.size
            lines.append([operation, name, f"{measurement.value / MEBIBYTE:.1f} MiB", f"{more / MEBIBYTE:+.1f} MiB"])
    return markdown_table(["", "", "peak above the baseline", "without samples and stream"], lines)


def report(measurements: list[Measurement]) -> str:
    """Return all tables as Markdown."""
    noises = sorted(measurement.noise for measurement in measurements if measurement.section != "memory")
    sections = {measurement.section: measurement.case for measurement in measurements}
    text = [f"{machine_facts()}."]
    for section, (title, table) in SECTIONS.items():
        if section in sections:
            text += [f"### {title.format(sections[section])}", table(measurements)]
    text.append(
        f"Noise: the shortest times of the odd and of the even turns differ by at most {noises[len(noises) // 2]:.1%} "
        f"in half of the rows, and by at most {noises[len(noises) * 9 // 10]:.1%} in nine rows of ten."
    )
    return "\n\n".join([*text, versions_text(installed())])


SECTIONS: dict[str, tuple[str, Callable[[list[Measurement]], str]]] = {
    "core": ("One core: 40 frames", core_table),
    "images": ("Single images", image_table),
    "datasets": ("A dataset: {}", relative_table("datasets", "pydicom, pyjpegls")),
    "real": ("A dataset: {}", relative_table("real", "pydicom, pyjpegls")),
    "batch": ("Many small images: {}", relative_table("batch", "pyjpegls")),
    "workers": ("The same dataset by number of workers", worker_table),
    "strips": ("One large frame on all cores: {}", strip_table),
    "memory": ("Peak memory: {}", memory_table),
}


# Plots


def plot(measurements: list[Measurement], folder: Path) -> None:
    """Draw the plots of the sections that have one."""
    try:
        import matplotlib
    except ImportError:
        print("No plots: matplotlib is not installed")
        return
    matplotlib.use("Agg")
    from matplotlib import pyplot

    def bars(axes: Any, rows: dict[str, dict[str, float]], label: str) -> None:
        names = list(dict.fromkeys(name for row in rows.values() for name in row))
        for i, name in enumerate(names):
            places = [place + i * 0.8 / len(names) for place, row in enumerate(rows.values()) if name in row]
            axes.barh(places, [row[name] for row in rows.values() if name in row], 0.8 / len(names), label=name)
        axes.set_yticks([place + 0.4 - 0.4 / len(names) for place in range(len(rows))], list(rows))
        axes.invert_yaxis()
        axes.set_xlabel(label)
        axes.grid(axis="x", alpha=0.3)

    def save(name: str, figure: Any) -> None:
        figure.savefig(folder / name, dpi=80, bbox_inches="tight")
        pyplot.close(figure)

    for section, name in (
        ("core", "core-speed.png"),
        ("images", "image-speed.png"),
        ("datasets", "dataset-speed.png"),
        ("memory", "memory.png"),
    ):
        rows = select(measurements, section)
        if not rows:
            continue
        figure, axes = pyplot.subplots(1, 2, figsize=(12, 4.5))
        for i, operation in enumerate(("encode", "decode")):
            chosen = {case: row for (case, of), row in rows.items() if of == operation}
            if section == "memory":
                values = {case: {n: m.value / MEBIBYTE for n, m in row.items()} for case, row in chosen.items()}
                bars(axes[i], values, "MiB above the baseline")
            else:
                values = {case: {n: m.samples / m.value * 1e3 for n, m in row.items()} for case, row in chosen.items()}
                bars(axes[i], values, "MB of samples per second")
            axes[i].set_title(operation)
            axes[i].legend(loc="upper center", bbox_to_anchor=(0.4, -0.14), ncols=4, fontsize=7)
        figure.tight_layout()
        save(name, figure)

    figure, axes = pyplot.subplots(figsize=(5, 4))
    for (_, operation), row in select(measurements, "workers").items():
        axes.plot([int(name) for name in row], [row["1"].value / m.value for m in row.values()], "o-", label=operation)
    axes.plot([1, core_count()], [1, core_count()], ":", color="gray", label="ideal")
    axes.set_xlabel("workers")
    axes.set_ylabel("speed relative to 1 worker")
    axes.legend()
    save("workers.png", figure)


def measure_all(rounds: int, quick: bool) -> list[Measurement]:
    """Run everything, on small images if `quick`."""
    size = 64 if quick else 512
    large = Case(f"{8 * size} x {8 * size}, 12 bits", synthetic_dx(8 * size), 12, 1)
    cases = [case._replace(calls=1) for case in real_cases()[:2]] if quick else [*real_cases(), large]
    frames = synthetic_ct(4 if quick else 40, size)
    name = f"{len(frames)} frames of {size} x {size}, signed 16 bits"
    found = measure_core(series(4 if quick else 40, size), rounds)
    found += measure_images(cases, rounds)
    # More turns, since all cores are seldom idle at once.
    patient = rounds if quick else 3 * rounds
    found += measure_datasets("datasets", name, frames, patient)
    real = moved_ct(len(frames), size)
    of_real = f"{len(real)} frames of {size} x {size}, a real CT slice, moved, signed 16 bits"
    found += measure_datasets("real", of_real, real, patient)
    tiles = synthetic_dx(256).reshape(8, 32, 8, 32).swapaxes(1, 2).reshape(64, 32, 32)
    found += measure_batch(list(tiles), 12, patient)
    found += measure_workers(name, frames, patient)
    found += measure_strips(large, patient)
    return found + measure_memory(large, with_peers=not quick)


def main() -> None:
    """Print the tables, and write them to a folder with all numbers and plots."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path("benchmark-output"), help="for JSON and plots")
    parser.add_argument("--rounds", type=int, default=10, help="turns of each contender on one core")
    parser.add_argument("--write", action="store_true", help=f"update {DOCUMENT.name}")
    parser.add_argument("--quick", action="store_true", help="show that everything works, on small images")
    arguments = parser.parse_args()
    measurements = measure_all(2 if arguments.quick else arguments.rounds, arguments.quick)
    content = report(measurements)
    print(content)
    arguments.output.mkdir(parents=True, exist_ok=True)
    results = {
        "machine": machine_facts(),
        "charls": jls.charls_build(),
        "peers": installed(),
        "measurements": [measurement._asdict() for measurement in measurements],
    }
    (arguments.output / "results.json").write_text(json.dumps(results, indent=1, default=list) + "\n")
    plot(measurements, arguments.output)
    if arguments.write:
        for name in PLOTS:
            (DOCUMENT.parent / "images" / name).write_bytes((arguments.output / name).read_bytes())
        pictures = "\n\n".join(f"![{text}](images/{name})" for name, text in PLOTS.items())
        replace_marked(DOCUMENT, f"{content}\n\n{pictures}")


if __name__ == "__main__":
    main()
