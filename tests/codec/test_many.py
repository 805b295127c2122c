"""Several streams or images at once: as one after another, whatever the lanes do, and without effects on each other."""

import itertools

import numpy as np
import pytest

import dicom_jpegls as jls
from dicom_jpegls import _codec
from support.jls_streams import IMAGE_KINDS, make_image
from support.switches import lanes, scan_codecs

DEFAULT_PRESETS = jls.PresetCodingParameters(255, 3, 7, 21, 64)
OTHER_PRESETS = jls.PresetCodingParameters(255, 5, 11, 30, 64)


def images(bits, count=21, shape=(19, 33)):
    kinds = itertools.cycle(IMAGE_KINDS)
    return [make_image(next(kinds), (shape[0] + i % 3, shape[1] + i % 2, *shape[2:]), bits) for i in range(count)]


def result(function):
    """What a function returns, or the type, code and text of its error."""
    try:
        return function()
    except jls.JPEGLSError as error:
        return type(error), error.code, str(error)


@pytest.mark.parametrize("workers", [1, 2, 3])
@pytest.mark.parametrize("bits", [2, 7, 8, 9, 12, 15, 16])
def test_streams_and_samples_are_those_of_single_calls(bits, workers):
    originals = images(bits)
    streams = jls.encode_many(originals, bits_per_sample=bits, workers=workers)
    assert streams == [jls.encode(image, bits_per_sample=bits) for image in originals]
    for image, original in zip(jls.decode_many(streams, workers=workers), originals, strict=True):
        assert np.array_equal(image, original)


@pytest.mark.parametrize("near", [1, 2, 3, 30, 127])
@pytest.mark.parametrize("bits", [8, 10, 12, 15, 16])
def test_near_lossless_streams_and_samples_are_those_of_single_calls(bits, near):
    options = {"bits_per_sample": bits, "near_lossless": near}
    originals = images(bits)
    streams = jls.encode_many(originals, workers=1, **options)
    assert streams == [jls.encode(image, **options) for image in originals]
    expected = [jls.decode(stream) for stream in streams]
    for image, original, one in zip(jls.decode_many(streams, workers=1), originals, expected, strict=True):
        assert np.array_equal(image, one)
        assert np.abs(image.astype(int) - original).max() <= near


@pytest.mark.parametrize("near", [0, 2])
@pytest.mark.parametrize("bits", [8, 11, 12, 16])
@pytest.mark.parametrize("mode", [jls.InterleaveMode.LINE, jls.InterleaveMode.SAMPLE])
@pytest.mark.parametrize("components", [3, 4])
def test_streams_and_samples_of_colour_are_those_of_single_calls(components, mode, bits, near):
    options = {"bits_per_sample": bits, "interleave_mode": mode, "near_lossless": near}
    originals = images(bits, shape=(19, 33, components))
    streams = jls.encode_many(originals, workers=1, **options)
    assert streams == [jls.encode(image, **options) for image in originals]
    expected = [jls.decode(stream) for stream in streams]
    assert all(map(np.array_equal, jls.decode_many(streams, workers=1), expected))
    assert near or all(map(np.array_equal, expected, originals))


@pytest.mark.parametrize("count", [0, 1, 6, 7, 15, 16, 17, 22, 23, 32, 70])
def test_any_number_of_images(count):
    originals = images(12, count, (16, 16))
    streams = jls.encode_many(originals, bits_per_sample=12, workers=1)
    assert streams == [jls.encode(image, bits_per_sample=12) for image in originals]
    assert all(map(np.array_equal, jls.decode_many(streams, workers=1), originals))


def test_lanes_do_not_change_a_stream():
    for bits, near in itertools.product(range(8, 17), (0, 2)):
        originals = images(bits)
        with lanes(False):
            expected = jls.encode_many(originals, bits_per_sample=bits, near_lossless=near)
        assert jls.encode_many(originals, bits_per_sample=bits, near_lossless=near) == expected


@pytest.mark.parametrize("components", [3, 4])
@pytest.mark.parametrize("near", [0, 2])
def test_lanes_and_charls_code_lines_of_colour_alike(near, components):
    for bits in range(8, 17):
        options = {"bits_per_sample": bits, "near_lossless": near, "interleave_mode": jls.InterleaveMode.LINE}
        originals = images(bits, shape=(19, 33, components))
        with lanes(False), scan_codecs(False):
            streams = jls.encode_many(originals, **options)
            decoded = jls.decode_many(streams)
        assert jls.encode_many(originals, **options) == streams
        assert all(map(np.array_equal, jls.decode_many(streams), decoded))


def mixed_images():
    """Images with the options that they are encoded with: what the lanes cover among what they do not."""
    segments = jls.OptionalSegments
    for i in range(9):
        yield make_image("smooth", (20, 40), 12), {"bits_per_sample": 12}
        yield make_image("noise", (24, 30), 8), {}
        yield make_image("noise", (5, 7, 3), 8), {}
        yield make_image("smooth", (20, 40), 12), {"bits_per_sample": 12, "near_lossless": 2}
        yield make_image("noise", (20, 40), 12), {"bits_per_sample": 12, "near_lossless": 1 + i % 2}
        yield make_image("smooth", (1 + i, 100), 6), {"bits_per_sample": 6}
        yield make_image("smooth", (60, 41, 3), 12), {"bits_per_sample": 12, "interleave_mode": 0}
        yield make_image("noise", (64, 80), 16), {"restart_interval": 26 + i}
        yield make_image("noise", (30, 30), 8), {"segments": segments(preset_coding_parameters=OTHER_PRESETS)}
        yield make_image("noise", (30, 30), 8), {"segments": segments(preset_coding_parameters=DEFAULT_PRESETS)}
        yield make_image("smooth", (30, 30), 8), {"segments": segments(comments=[b"one", b""])}
        yield make_image("smooth", (30 + i, 40, 3), 8), {"interleave_mode": 2}
        yield make_image("noise", (25, 31, 3), 8), {"interleave_mode": 1}
        yield make_image("smooth", (25 + i, 31, 4), 12), {"bits_per_sample": 12, "interleave_mode": 1}
        yield make_image("smooth", (30, 40, 3), 12), {"bits_per_sample": 12, "near_lossless": 2, "interleave_mode": 1}
        yield make_image("smooth", (30, 40, 3), 8), {"segments": segments(color_transformation=1)}
        yield (
            make_image("smooth", (30, 40, 3), 8),
            {"interleave_mode": 1, "segments": segments(color_transformation=1 + i % 3)},
        )
        yield np.repeat(make_image("smooth", (30, 40, 1), 8) // 16, 3, axis=2), {}
        yield np.full((70, 70), 9, np.uint8), {}
    yield make_image("noise", (300, 301), 12), {"bits_per_sample": 12}


@pytest.mark.parametrize("workers", [1, 2])
def test_streams_of_all_kinds_may_be_mixed(workers):
    streams = [jls.encode(image, **options) for image, options in mixed_images()]
    expected = [jls.decode(stream) for stream in streams]
    for found, image in zip(jls.decode_many(streams, workers=workers), expected, strict=True):
        assert found.dtype == image.dtype
        assert np.array_equal(found, image)


@pytest.mark.parametrize(
    "options",
    [
        {"near_lossless": 3},
        {"near_lossless": 2, "restart_interval": 25},
        {"near_lossless": 2, "interleave_mode": 0},
        {"restart_interval": 3},
        {"restart_interval": 64},
        {"restart_interval": "auto"},
        {"interleave_mode": 0},
        {"interleave_mode": 1},
        {"interleave_mode": 1, "near_lossless": 2},
        {"interleave_mode": 1, "restart_interval": 25},
        {"interleave_mode": 2},
        {"interleave_mode": 2, "near_lossless": 2},
        {"interleave_mode": 2, "restart_interval": 25},
        {"interleave_mode": 0, "restart_interval": 25},
    ],
    ids=str,
)
def test_options_are_those_of_single_calls(options):
    color = "interleave_mode" in options
    originals = [make_image("smooth", (70 + i, 90, 3) if color else (200 + i, 90), 8) for i in range(8)]
    streams = jls.encode_many(originals, workers=1, **options)
    assert streams == [jls.encode(image, **options) for image in originals]
    expected = [jls.decode(stream) for stream in streams]
    assert all(map(np.array_equal, jls.decode_many(streams, workers=1), expected))


def test_images_of_any_layout():
    wide = make_image("smooth", (40, 90), 12)
    views = [wide[:, 3:50], wide[::2], wide[:, ::2], wide.T, wide.astype(wide.dtype.newbyteorder(">")), wide[::-1]]
    views = views * 3
    streams = jls.encode_many(views, bits_per_sample=12)
    assert all(map(np.array_equal, jls.decode_many(streams), views))


def test_signed_samples():
    originals = [make_image("noise", (20, 30), 12).astype(np.int16) - 2048 for _ in range(17)]
    streams = jls.encode_many(originals, bits_per_sample=12)
    for image, original in zip(jls.decode_many(streams, signed=True), originals, strict=True):
        assert image.dtype == np.int16
        assert np.array_equal(image, original)


def damaged_streams(near=0):
    stream = jls.encode(make_image("smooth", (40, 60), 12), bits_per_sample=12, near_lossless=near)
    middle = len(stream) // 2
    return {
        "truncated": stream[:middle],
        "without data": stream[:60] + stream[-2:],
        "zeros": stream[:middle] + bytes(len(stream) - middle - 2) + stream[-2:],
        "other bytes": stream[:middle] + bytes(200) + stream[middle + 200 :],
        "too much data": stream[:-2] + b"\x12\x34\x56" + stream[-2:],
        "empty": b"",
        "near-lossless": jls.encode(make_image("noise", (40, 60), 12), bits_per_sample=12, near_lossless=1)[:-90],
        "a zero before the end": stream[:-2].rstrip(b"\xff") + b"\0" + stream[-2:],
    }


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("near", [0, 2])
def test_errors_are_those_of_single_calls_and_affect_no_other_stream(near, workers):
    good = jls.encode(make_image("smooth", (40, 60), 12), bits_per_sample=12, near_lossless=near)
    image = jls.decode(good)
    streams = []
    for bad in damaged_streams(near).values():
        streams += [good, good, bad, good]
    found = jls.decode_many(streams, workers=workers, errors="return")
    for index, (stream, one) in enumerate(zip(streams, found, strict=True)):
        expected = result(lambda stream=stream: jls.decode(stream))
        if stream is good:
            assert np.array_equal(one, image)
        elif isinstance(expected, tuple):
            assert (type(one), one.code) == expected[:2]
            assert str(one) == f"streams[{index}]: {expected[2]}"
        else:
            assert np.array_equal(one, expected)


@pytest.mark.parametrize(
    ("shape", "options"),
    [
        ((5, 60), {}),
        ((5, 60), {"near_lossless": 1}),
        ((5, 20, 3), {}),
        ((5, 20, 3), {"interleave_mode": 1}),
        ((5, 20, 4), {"interleave_mode": 1, "near_lossless": 1}),
    ],
    ids=str,
)
def test_every_cut_has_the_error_of_a_single_call(shape, options):
    stream = jls.encode(make_image("noise", shape, 8), **options)
    streams = [stream[:size] + b"\xff\xd9" for size in range(len(stream) - 2)]
    for cut, one in zip(streams, jls.decode_many(streams, errors="return", workers=1), strict=True):
        expected = result(lambda cut=cut: jls.decode(cut))
        if isinstance(expected, tuple):
            assert (type(one), one.code) == expected[:2]
        else:
            assert np.array_equal(one, expected)


def test_first_error_is_raised_with_its_number():
    good = jls.encode(make_image("smooth", (40, 60), 12), bits_per_sample=12)
    bad = damaged_streams()["other bytes"]
    with pytest.raises(jls.InvalidStreamError, match=r"streams\[2\]: CharLS"):
        jls.decode_many([good, good, bad, good, bad])
    with pytest.raises(jls.InvalidStreamError, match=r"streams\[1\]: "):
        jls.decode_many([good, good[:50]])


@pytest.mark.patched_charls
def test_streams_with_other_default_thresholds_are_recognized():
    image = make_image("smooth", (50, 60), 16)
    presets = jls.PresetCodingParameters(65535, 771, 1797, 5379, 64)  # Java Advanced Imaging
    stream = jls.encode(image, segments=jls.OptionalSegments(preset_coding_parameters=presets))
    start = stream.index(b"\xff\xf8")
    without = stream[:start] + stream[start + 15 :]
    with pytest.warns(jls.AssumedThresholdsWarning):
        expected = jls.decode(without)
    with pytest.warns(jls.AssumedThresholdsWarning):
        found = jls.decode_many([stream, without] * 8)
    assert np.array_equal(expected, image)
    assert all(np.array_equal(one, image) for one in found)


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize(("components", "mode"), [(1, 0), (3, 0), (3, 1), (4, 1)])
@pytest.mark.parametrize("near", [0, 1])
def test_restart_intervals_of_one_stream(near, components, mode, workers):
    image = make_image("smooth", (400, 70, components) if components > 1 else (400, 70), 12)
    options = {"bits_per_sample": 12, "restart_interval": 30, "interleave_mode": mode, "near_lossless": near}
    with lanes(False):
        expected = jls.encode(image, workers=1, **options)
    stream = jls.encode(image, workers=workers, **options)
    assert stream == expected
    with lanes(False):
        decoded = jls.decode(stream, workers=1)
    assert np.abs(decoded.astype(int) - image).max() == near
    assert np.array_equal(jls.decode(stream, workers=workers), decoded)
    middle = stream.index(b"\xff\xd5") - 90
    damaged = stream[:middle] + bytes(60) + stream[middle + 60 :]
    with lanes(False):
        error = result(lambda: jls.decode(damaged, workers=workers))
    assert result(lambda: jls.decode(damaged, workers=workers)) == error
    assert error[0] is jls.InvalidStreamError


def test_arguments_are_checked_before_anything_is_coded():
    good = np.zeros((4, 4), np.uint8)
    with pytest.raises(jls.ParameterError, match=r"images\[1\]: image: shape \(0, 4\)"):
        jls.encode_many([good, good[:0]])
    with pytest.raises(jls.ParameterError, match=r"images\[2\]: image: the sample 300"):
        jls.encode_many([good, good, np.full((2, 2), 300, np.uint16)], bits_per_sample=8)
    with pytest.raises(TypeError, match=r"images\[0\]: image: must be a numpy.ndarray"):
        jls.encode_many([b""])
    with pytest.raises(TypeError, match=r"streams\[1\]: src: must be an object with the buffer protocol"):
        jls.decode_many([jls.encode(good), 5])
    with pytest.raises(jls.ParameterError, match="errors: must be 'raise' or 'return', found 'ignore'"):
        jls.decode_many([], errors="ignore")
    with pytest.raises(jls.ParameterError, match="workers: must be at least 1"):
        jls.decode_many([jls.encode(good)], workers=0)


def test_a_target_that_is_too_small_is_refused_before_anything_is_written():
    image = make_image("noise", (16, 20), 8)
    opened = [_codec.Stream(jls.encode(image)) for _ in range(16)]
    targets = [bytearray(320) for _ in range(15)] + [bytearray(319)]
    with pytest.raises(jls.BufferTooSmallError, match="dst: 319 bytes are too few"):
        _codec.decode_streams(opened, targets)
    assert targets[0] == bytes(320)
    targets[15] = bytearray(321)
    assert _codec.decode_streams(opened, targets) == [None] * 16
    assert targets[15] == image.tobytes() + b"\0"


def test_lanes_are_reported_and_can_be_switched():
    with lanes(False):
        assert _codec._use_lanes(False) is False
    assert isinstance(jls.charls_build()["lanes"], bool)
