"""The scan codecs of native/scan against CharLS's own path, in one process.

The same samples must give the same bytes and the same stream the same samples. What is no sound stream must be refused
by both, or by the scan codecs alone, or give the same.
"""

import itertools

import numpy as np
import pytest

import dicom_jpegls as jls
from dicom_jpegls import _codec
from support.jls_streams import (
    IMAGE_KINDS,
    SOS,
    encode_image,
    encode_strips,
    join,
    largest_error,
    make_image,
    parts,
    sample_dtype,
    with_record,
)
from support.switches import scan_codecs

pytestmark = pytest.mark.skipif(not jls.charls_build()["fast_scan"], reason="built without the scan codecs")

# CharLS's codes. The last is given for a second byte of zeros, after a try without the first.
INVALID_DATA, TOO_MUCH_DATA, MARKER_NOT_FOUND = 5, 6, 12

# Around the sizes of the blocks that are analyzed at once, with and without runs over their borders.
WIDTHS = (1, 2, 3, 4, 5, 15, 16, 17, 31, 33, 63, 64, 65, 127, 128, 129, 192, 257)

# Components and interleave mode.
LAYOUTS = ((1, None), (3, 0), (3, 1), (3, 2), (4, 0), (4, 1), (4, 2))


def by_both(function):
    """What a function gives with the scan codecs and without."""
    results = []
    for use in (True, False):
        with scan_codecs(use):
            results.append(function())
    return results


def encode_by_both(image, **options):
    fast, own = by_both(lambda: encode_image(image, **options))
    assert fast == own
    return fast


def decode(stream):
    """Samples and no code, or no samples and the code of the refusal."""
    try:
        return _codec.Stream(stream).decode(), None
    except jls.JPEGLSError as error:
        return None, error.code


def decode_by_both(stream):
    """Compares, and returns what the scan codecs give."""
    (fast, fast_code), (own, own_code) = by_both(lambda: decode(stream))
    if fast is not None:
        assert fast == own
    elif own is not None:
        assert fast_code in (INVALID_DATA, TOO_MUCH_DATA)
    # Data left after all lines is told from data that is wrong or missing.
    if fast_code == TOO_MUCH_DATA:
        assert own_code != INVALID_DATA
    if own_code == TOO_MUCH_DATA:
        assert fast_code in (TOO_MUCH_DATA, INVALID_DATA)
    return fast, fast_code


def assert_same(image, **options):
    stream = encode_by_both(image, **options)
    fast, own = by_both(lambda: _codec.Stream(stream).decode())
    assert fast == own
    if not options.get("near"):
        assert fast == image.tobytes()
    return stream


def shape_of(width, height, components, mode):
    if components == 1:
        return height, width
    return (components, height, width) if mode == 0 else (height, width, components)


def is_covered(image, **options):
    """Whether the scan codecs code an image: they need no byte more than the stream, CharLS's own encoder four."""
    stream = encode_image(image, **options)
    height, width = image.shape[:2]
    arguments = {
        "width": width,
        "height": height,
        "component_count": 1 if image.ndim == 2 else image.shape[2],
        "bits_per_sample": options.pop("bits"),
        "near_lossless": options.pop("near", 0),
        "interleave_mode": options.pop("mode", None),
        **with_record(options),
    }
    try:
        _codec.encode_into(image, bytearray(len(stream)), **arguments)
    except jls.BufferTooSmallError:
        return False
    return True


@pytest.mark.parametrize("use", [True, False])
@pytest.mark.parametrize(
    ("bits", "components", "mode", "near", "covered"),
    [
        *((bits, 1, None, 0, bits >= 8) for bits in range(2, 17)),
        *((bits, 1, None, 1, True) for bits in range(2, 17)),
        (8, 3, 2, 0, True),
        (16, 3, 2, 0, True),
        (12, 3, 2, 0, False),
        (8, 4, 2, 0, True),
        (16, 4, 2, 0, False),
        (8, 3, 2, 1, False),
        (8, 3, 1, 0, True),
        (12, 4, 1, 0, True),
        (16, 3, 1, 3, True),
    ],
)
def test_what_is_covered(bits, components, mode, near, covered, use):
    image = make_image("noise", shape_of(9, 9, components, mode), bits)
    with scan_codecs(use):
        assert is_covered(image, bits=bits, mode=mode, near=near) == (use and covered)


@pytest.mark.parametrize("presets", [(0, 0, 0, 0, 63), (0, 4, 0, 0, 0), (0, 3, 7, 22, 64)])
def test_other_presets_are_left_to_charls(presets):
    image = make_image("noise", (9, 40), 8)
    presets = jls.PresetCodingParameters(*presets)
    assert not is_covered(image, bits=8, preset_coding_parameters=presets)
    assert_same(image, bits=8, preset_coding_parameters=presets)


def test_default_presets_are_covered_when_given():
    image = make_image("noise", (9, 40), 8)
    assert is_covered(image, bits=8, preset_coding_parameters=jls.PresetCodingParameters(255, 3, 7, 21, 64))


def test_colour_transformation_is_left_to_charls():
    image = make_image("smooth", (9, 20, 3), 8)
    options = {"bits": 8, "mode": 2, "color_transformation": jls.ColorTransformation.HP1}
    assert not is_covered(image, **options)
    assert_same(image, **options)


def test_switch_tells_what_was():
    with scan_codecs(False):
        assert _codec._use_scan_codecs(True) is False
        assert _codec._use_scan_codecs(False) is True


# --- Samples ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bits", range(2, 17))
@pytest.mark.parametrize(("components", "mode"), LAYOUTS)
def test_kinds_and_widths(bits, components, mode):
    widths = WIDTHS if components == 1 or bits in (8, 16) else (1, 64, 129)
    for kind, width in itertools.product(IMAGE_KINDS, widths):
        assert_same(make_image(kind, shape_of(width, 3, components, mode), bits), bits=bits, mode=mode)


@pytest.mark.parametrize("bits", [2, 7, 8, 9, 12, 16])
@pytest.mark.parametrize(("components", "mode"), [(1, None), (3, 0), (3, 1), (3, 2), (4, 1)])
def test_near_lossless(bits, components, mode):
    largest = min(255, (2**bits - 1) // 2)
    for near in sorted({1, 2, 3, 10, largest} & set(range(largest + 1))):
        for kind, width in itertools.product(IMAGE_KINDS, (1, 16, 65, 130)):
            assert_same(make_image(kind, shape_of(width, 4, components, mode), bits), bits=bits, mode=mode, near=near)


@pytest.mark.parametrize("near", [0, 2])
@pytest.mark.parametrize("bits", [8, 12, 16])
def test_runs_over_block_borders(bits, near):
    """Runs of all lengths from all places, between samples that differ or not from the line above."""
    height, width = 9, 140
    image = np.zeros((height, width), sample_dtype(bits))
    for start, length in itertools.product((1, 60, 63, 64, 65, 127, 128), (0, 1, 2, 3, 16, 17, 63, 64, 70)):
        image[:] = np.arange(width) * 3 % 11
        for y in range(height):
            image[y, start + y : start + y + length] = 200
            image[y, start + y + length : start + y + length + 1] = 201 + y * near
        assert_same(image, bits=bits, near=near)


@pytest.mark.parametrize(("bits", "components"), [(8, 1), (8, 3), (8, 4), (12, 1), (16, 1), (16, 3)])
def test_long_runs_reach_every_index(bits, components):
    shape = shape_of(30000, 12, components, 2)
    image = np.zeros(shape, sample_dtype(bits))
    image[3::4, -1] = 1
    image[5, 77] = 2**bits - 1
    assert_same(image, bits=bits, mode=2 if components > 1 else None)


@pytest.mark.parametrize("near", [0, 1])
@pytest.mark.parametrize("bits", [8, 10, 12, 16])
def test_escape_codes_and_stuffed_bits(bits, near):
    """Statistics of a quiet image, then errors of all sizes; among the streams every byte can be followed by FF."""
    random = np.random.default_rng(bits)
    stuffed = 0
    for _ in range(30):
        image = np.full((6, 150), 2 ** (bits - 1))
        noisy = random.random(image.shape) < random.choice([0.01, 0.1, 0.5])
        image[noisy] = random.integers(0, 2**bits, np.count_nonzero(noisy))
        stream = assert_same(image.astype(sample_dtype(bits)), bits=bits, near=near)
        stuffed += next(part.scan for part in parts(stream) if part.marker == SOS).count(b"\xff")
    assert stuffed > 30


@pytest.mark.parametrize("near", [0, 3])
@pytest.mark.parametrize("bits", [8, 11, 14, 16])
@pytest.mark.parametrize(("components", "mode"), [(1, None), (3, 2), (3, 1)])
def test_codes_of_all_lengths(bits, components, mode, near):
    """Noise of each strength, so that k takes all values, and in it errors of all sizes: any number of zero bits."""
    random = np.random.default_rng(bits)
    shape = shape_of(160, 30, components, mode)
    for strength in range(bits - 1):
        image = 2 ** (bits - 1) + random.normal(0, 2**strength / 2, shape)
        spikes = random.random(shape) < 0.15
        image[spikes] += np.exp2(random.uniform(0, bits, np.count_nonzero(spikes)))
        image = np.rint(image).clip(0, 2**bits - 1).astype(sample_dtype(bits))
        assert_same(image, bits=bits, near=near, mode=mode)


@pytest.mark.parametrize("bits", range(3, 9))
def test_escape_codes_of_small_errors(bits):
    """No encoder writes them, but they can be read, and are the shorter, the fewer bits a sample has."""
    near = 1
    error_range = (2**bits - 1 + 2 * near) // (2 * near + 1) + 1
    quantized_bits = (error_range - 1).bit_length()
    limit = 2 * (bits + max(8, bits))
    for mapped in range(1, error_range):
        # A run of no samples and an interruption by an error of 1, as at the start; then a code of the regular mode.
        codes = "0" + "11" + "0" * (limit - quantized_bits - 1) + "1" + f"{mapped - 1:0{quantized_bits}b}"
        codes += "0" * (-len(codes) % 8)
        scan = int(codes, 2).to_bytes(len(codes) // 8, "big")
        stream = encode_image(np.zeros((1, 2), np.uint8), bits=bits, near=near)
        samples, code = decode_by_both(with_scan(stream, lambda _, scan=scan: scan))
        assert code is None
        assert samples[0] == 2 * near + 1


def test_bits_above_the_precision_are_ignored():
    image = np.random.default_rng(0).integers(0, 2**16, (20, 150), np.uint16)
    for bits in range(9, 16):
        stream = encode_by_both(image, bits=bits)
        assert _codec.Stream(stream).decode() == (image & (2**bits - 1)).tobytes()


def test_strides():
    canvas = np.zeros((40, 300, 3), np.uint8)
    image = make_image("smooth", (40, 100, 3), 8)
    canvas[:, 100:200] = image
    stream = encode_by_both(np.ascontiguousarray(image), mode=2)

    def decode_region():
        target = canvas.copy()
        target[:, 100:200] = 0
        jls.decode_into(stream, target[:, 100:200])
        return target.tobytes()

    assert by_both(decode_region) == [canvas.tobytes()] * 2
    arguments = {"width": 100, "height": 40, "component_count": 3, "bits_per_sample": 8, "interleave_mode": 2}
    assert by_both(lambda: _codec.encode(canvas[:, 100:200], **arguments)) == [stream] * 2


# --- Streams ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bits", "components", "mode", "near"),
    [(8, 1, None, 0), (12, 1, None, 0), (16, 1, None, 3), (8, 3, 0, 0), (8, 3, 1, 0), (8, 3, 2, 0), (16, 3, 2, 0)],
)
def test_restart_intervals(bits, components, mode, near):
    for kind, lines in itertools.product(IMAGE_KINDS, (1, 2, 5, 12, 13)):
        image = make_image(kind, shape_of(70, 12, components, mode), bits)
        stream = encode_strips(image, lines, bits=bits, mode=mode, near=near)
        samples, _ = decode_by_both(stream)
        decoded = np.frombuffer(samples, image.dtype).reshape(image.shape)
        assert largest_error(image, decoded) <= near


def small_streams():
    for bits, near in ((8, 0), (12, 0), (16, 0), (8, 2), (16, 5)):
        for kind in ("noise", "runs", "smooth"):
            yield encode_image(make_image(kind, (6, 9), bits), bits=bits, near=near)
    for mode in (0, 1, 2):
        yield encode_image(make_image("smooth", shape_of(9, 5, 3, mode), 8), mode=mode)
    yield encode_strips(make_image("runs", (12, 9), 8), 3)


def with_scan(stream, change):
    """The stream with the data of its last scan changed."""
    *front, last = parts(stream)
    return join([*front, last._replace(scan=change(last.scan))])


def test_truncated_streams():
    """A stream that is cut off is refused wherever it is cut, as one whose data is missing; or it is still whole."""
    for stream in small_streams():
        samples = _codec.Stream(stream).decode()
        size = len(parts(stream)[-1].scan)
        for end in range(size):
            fast, code = decode_by_both(with_scan(stream, lambda scan, end=end: scan[:end]))
            assert fast in (None, samples)
            assert code != TOO_MUCH_DATA


def test_truncated_streams_keep_the_same_lines():
    for stream in small_streams():
        samples = _codec.Stream(stream).decode()
        size = len(parts(stream)[-1].scan)
        for end in range(1, size, 3):
            cut = stream[: stream.rindex(parts(stream)[-1].scan) + end]

            def decode_partial(cut=cut, samples=samples):
                whole = _codec.Stream(cut, partial=True)
                target = bytearray(4096)
                good, error = whole.decode_partial_into(target)
                lines = np.frombuffer(target, np.uint8)[: len(samples)].reshape(len(good), -1)
                return good, error.code, lines[np.frombuffer(good, bool)].tobytes()

            fast, own = by_both(decode_partial)
            assert fast == own


def test_damaged_streams():
    """Every byte of the data is inverted in part, taken out or put in twice."""
    for stream in small_streams():
        size = len(parts(stream)[-1].scan)
        for place in range(size):
            for bit in range(0, 8, 3):
                decode_by_both(
                    with_scan(
                        stream, lambda scan, p=place, b=bit: scan[:p] + bytes([scan[p] ^ (1 << b)]) + scan[p + 1 :]
                    )
                )
            decode_by_both(with_scan(stream, lambda scan, p=place: scan[:p] + scan[p + 1 :]))
            decode_by_both(with_scan(stream, lambda scan, p=place: scan[: p + 1] + scan[p:]))


@pytest.mark.parametrize("tail", [b"\0" * count for count in range(1, 10)] + [b"\1", b"\x80", b"\0\1", b"\x7f\x7f"])
def test_data_behind_the_last_line(tail):
    """One byte of zeros is taken, as some encoders write it; anything else is not."""
    for stream in small_streams():
        fast, code = decode_by_both(with_scan(stream, lambda scan: scan + tail))
        if fast is None:
            assert code in (TOO_MUCH_DATA, MARKER_NOT_FOUND)
        if tail == b"\0":
            assert fast == _codec.Stream(stream).decode()


def test_fewer_lines_than_coded_leave_data():
    """A height below the true one is told as data left over, one above it as data missing."""
    stream = encode_image(make_image("noise", (20, 30), 12), bits=12)
    place = stream.index(b"\xff\xf7") + 5
    for height in range(1, 40):
        changed = stream[:place] + height.to_bytes(2, "big") + stream[place + 2 :]
        fast, code = decode_by_both(changed)
        assert code == (TOO_MUCH_DATA if height < 20 else INVALID_DATA if height > 20 else None)
        assert (fast is not None) == (height == 20)


# --- Destinations -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("use", [True, False])
@pytest.mark.parametrize(("bits", "near"), [(8, 0), (12, 0), (16, 0), (8, 2)])
def test_destinations_too_small(bits, near, use):
    """Every size below the stream's is refused, and nothing is written past the destination."""
    for kind in ("noise", "runs"):
        image = make_image(kind, (7, 11), bits)
        stream = encode_image(image, bits=bits, near=near)
        arguments = {"width": 11, "height": 7, "bits_per_sample": bits, "near_lossless": near}
        for size in range(len(stream)):
            room = bytearray(b"\x5a" * (size + 64))
            with scan_codecs(use), pytest.raises(jls.BufferTooSmallError):
                _codec.encode_into(image, memoryview(room)[:size], **arguments)
            assert room[size:] == b"\x5a" * 64
        room = bytearray(len(stream))
        assert _codec.encode_into(image, room, **arguments) == len(stream)
        assert room == stream
