"""Builds JPEG-LS streams byte by byte, takes them apart, and makes the images that go into them."""

import zlib
from typing import NamedTuple

import numpy as np

from dicom_jpegls import DefaultThresholds, OptionalSegments, PresetCodingParameters, _codec

SOI, EOI = b"\xff\xd8", b"\xff\xd9"
SOF55, LSE, SOS, DRI, DNL, COM, APP0, APP8, RST0 = 0xF7, 0xF8, 0xDA, 0xDD, 0xDC, 0xFE, 0xE0, 0xE8, 0xD0


def number(value, size):
    return value.to_bytes(size, "big")


def segment(marker, data=b""):
    return bytes([0xFF, marker]) + number(len(data) + 2, 2) + data


def frame_header(width, height, *, bits=8, ids=(1,), sampling=0x11):
    components = b"".join(bytes([i, sampling, 0]) for i in ids)
    return segment(SOF55, bytes([bits]) + number(height, 2) + number(width, 2) + bytes([len(ids)]) + components)


def scan_header(ids=(1,), *, near=0, mode=0, table=0, point_transform=0):
    selectors = b"".join(bytes([i, table]) for i in ids)
    return segment(SOS, bytes([len(ids)]) + selectors + bytes([near, mode, point_transform]))


def presets(maximum=0, threshold1=0, threshold2=0, threshold3=0, reset=0):
    return segment(LSE, b"\1" + b"".join(number(v, 2) for v in (maximum, threshold1, threshold2, threshold3, reset)))


def dimensions(width, height, size):
    return segment(LSE, bytes([4, size]) + number(height, size) + number(width, size))


def restart_interval(lines, size=2):
    return segment(DRI, number(lines, size))


class Part(NamedTuple):
    marker: int
    data: bytes
    scan: bytes  # the entropy-coded data after an SOS segment, restart markers included


def parts(stream):
    """The segments between SOI and EOI."""
    assert stream[:2] == SOI
    found = []
    position = 2
    while True:
        assert stream[position] == 0xFF
        while stream[position + 1] == 0xFF:  # fill bytes
            position += 1
        marker = stream[position + 1]
        if marker == EOI[1]:
            return found
        end = position + 2 + int.from_bytes(stream[position + 2 : position + 4], "big")
        data, scan = stream[position + 4 : end], b""
        position = end
        if marker == SOS:
            while stream[end] != 0xFF or stream[end + 1] < 0x80 or stream[end + 1] in (*range(RST0, RST0 + 8), 0xFF):
                end += 1
            scan = stream[position:end].rstrip(b"\xff")  # without fill bytes
            position = end
        found.append(Part(marker, data, scan))


def scans(stream):
    """The entropy-coded data of each scan."""
    return [part.scan for part in parts(stream) if part.marker == SOS]


def join(part_list):
    """A stream of parts; the inverse of `parts`, but for fill bytes."""
    return SOI + b"".join(segment(part.marker, part.data) + part.scan for part in part_list) + EOI


def with_segments(stream, *added, before=SOF55):
    """The stream with segments inserted before the first one of a kind."""
    split = parts(stream)
    index = next(i for i, part in enumerate(split) if part.marker == before)
    return join(split[:index])[:-2] + b"".join(added) + join(split[index:])[2:]


def encode_scan(image, **options):
    """The entropy-coded data of an image that is coded in one scan."""
    (scan,) = scans(encode_image(image, **options))
    return scan


def encode_image(image, *, bits=8, near=0, mode=None, **options):
    """Encode an array in the memory order of the interleave mode: planes are axis 0 for mode 0.

    The options are those of `encode_into` and the fields of `OptionalSegments`.
    """
    if image.ndim == 2:
        components, (height, width) = 1, image.shape
    elif mode == 0:
        components, height, width = image.shape
    else:
        height, width, components = image.shape
    return _codec.encode(
        image,
        width=width,
        height=height,
        component_count=components,
        bits_per_sample=bits,
        near_lossless=near,
        interleave_mode=mode,
        **with_record(options),
    )


def with_record(options):
    """Options of `encode_into`, with those that are fields of `OptionalSegments` in such a record."""
    fields = {name: value for name, value in options.items() if name in OptionalSegments._fields}
    others = {name: value for name, value in options.items() if name not in fields}
    return others | {"segments": OptionalSegments(**fields)} if fields else others


def scaled(bits, near, factor):
    """The presets by the formula of T.87 C.2.4.1.1.1 for MAXVAL from 128 on."""
    maximum = 2**bits - 1
    values, low = [maximum], near + 1
    for threshold in (factor + 2 + 3 * near, 4 * factor + 3 + 5 * near, 17 * factor + 4 + 7 * near):
        low = low if threshold > maximum or threshold < low else threshold
        values.append(low)
    return PresetCodingParameters(*values, 64)


def variant_presets(variant, bits, near=0):
    maximum = 2**bits - 1
    return scaled(bits, near, ((maximum if variant == DefaultThresholds.JAI else min(maximum, 4095)) + 128) // 256)


def without_presets(stream):
    return join([part for part in parts(stream) if part.marker != LSE])


def encode_variant(image, variant, bits, near=0, **options):
    """A stream as the other encoder writes it: its thresholds are not in the stream."""
    presets = variant_presets(variant, bits, near)
    return without_presets(encode_image(image, bits=bits, near=near, preset_coding_parameters=presets, **options))


def encode_strips(image, lines, *, size=2, **options):
    """A stream with restart markers: its intervals are what strips of lines give that are coded alone (T.87 C.2.5)."""
    axis = 1 if options.get("mode") == 0 and image.ndim == 3 else 0
    height = image.shape[axis]
    strips = [
        scans(
            encode_image(np.ascontiguousarray(image.take(range(top, min(top + lines, height)), axis=axis)), **options)
        )
        for top in range(0, height, lines)
    ]
    joined = iter(
        first + b"".join(bytes([0xFF, RST0 + i % 8]) + strip for i, strip in enumerate(rest))
        for first, *rest in zip(*strips, strict=True)
    )
    whole = parts(encode_image(image, **options))
    stream = join([part._replace(scan=next(joined)) if part.marker == SOS else part for part in whole])
    return with_segments(stream, restart_interval(lines, size))


def sample_dtype(bits):
    return np.uint8 if bits <= 8 else np.uint16


IMAGE_KINDS = ("noise", "flat", "smooth", "runs", "extremes", "checkerboard", "border")


def make_image(kind, shape, bits):
    """An image of a kind, always the same for the same arguments."""
    random = np.random.default_rng(zlib.crc32(repr((kind, shape, bits)).encode()))
    maximum = (1 << bits) - 1
    place = np.indices(shape)
    if kind == "noise":
        image = random.integers(0, maximum + 1, shape)
    elif kind == "flat":
        image = np.full(shape, maximum)
    elif kind == "smooth":
        image = place.sum(axis=0) * 3 + random.integers(0, 2, shape)
    elif kind == "runs":
        image = place[1] // 7 * 5 + place[0] // 3
    elif kind == "extremes":
        image = random.integers(0, 2, shape) * maximum
    elif kind == "checkerboard":
        image = place.sum(axis=0) % 2 * maximum
    elif kind == "border":  # all the same but for the last column, or the last component
        image = (place[-1] == shape[-1] - 1) * random.integers(0, 2, shape) * maximum
    else:
        raise AssertionError(kind)
    return np.clip(image, 0, maximum).astype(sample_dtype(bits))


def largest_error(image, decoded):
    assert decoded.shape == image.shape
    return int(np.abs(decoded.astype(np.int64) - image).max())
