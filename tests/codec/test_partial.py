"""What is read of damaged streams: the lines that are there, all of them, and nothing that is not."""

import numpy as np
import pytest

import dicom_jpegls as jls
from support.dicom_files import random_frames
from support.jls_streams import (
    EOI,
    RST0,
    SOS,
    encode_image,
    encode_scan,
    encode_strips,
    join,
    make_image,
    parts,
    scans,
)

FILL = 3


def check(stream, expected, *, fill=FILL):
    """What is marked as good is right, everything else is filled; gives the good lines."""
    result = jls.decode_partial(stream, fill_value=fill)
    assert result.image.shape == expected.shape
    good = result.good_lines
    assert good.shape == (expected.shape[0], *expected.shape[2:])
    places = np.broadcast_to(good[:, np.newaxis], expected.shape)
    assert np.array_equal(result.image[places], expected[places])
    assert (result.image[~places] == fill).all()
    assert (result.error is None) == bool(good.all()) or result.error is not None
    return good, result.error


CASES = {
    "8 bits": ((24, 17), {}),
    "12 bits": ((24, 17), {"bits": 12}),
    "16 bits": ((24, 17), {"bits": 16}),
    "sample interleave": ((12, 9, 3), {"mode": 2}),
    "line interleave": ((12, 9, 3), {"mode": 1}),
    "4 components": ((12, 9, 4), {"mode": 2, "bits": 16}),
}


@pytest.mark.parametrize("kind", ["noise", "smooth", "runs"])
@pytest.mark.parametrize("name", CASES)
def test_truncated_at_every_byte(name, kind):
    shape, options = CASES[name]
    image = make_image(kind, shape, options.get("bits", 8))
    stream = encode_image(image, **options)
    header = stream.index(encode_scan(image, **options))
    # A line is there once the bytes are that its image needs, but for the last one, which may be shared with the next.
    needed = [header + len(encode_scan(image[:n], **options)) for n in range(1, shape[0] + 1)]
    before = 0
    for size in range(header, len(stream)):
        good, error = check(stream[:size], image)
        lines = good.reshape(shape[0], -1).all(axis=1)
        count = int(lines.sum())
        assert lines[:count].all(), size
        assert before <= count, size
        end = len(stream[:size].rstrip(b"\0"))  # zeros may be padding
        assert count >= sum(end > bytes_needed for bytes_needed in needed), size
        assert isinstance(error, jls.InvalidStreamError), size
        before = count
    good, error = check(stream, image)
    assert good.all()
    assert error is None


@pytest.mark.parametrize("lines", [None, 3])
@pytest.mark.parametrize("bits", [2, 5, 8, 12, 16])
@pytest.mark.parametrize("kind", ["noise", "smooth", "runs"])
def test_truncated_and_padded_with_zeros(kind, bits, lines):
    image = make_image(kind, (12, 11), bits)
    stream = encode_image(image, bits=bits, restart_interval=lines)
    (scan,) = scans(stream)
    start = stream.index(scan)
    for size in range(start + 1, len(stream) - 2):
        for zeros in (1, 2, len(stream) - size, len(stream) - size + 40):
            for ending in (b"", EOI):
                padded = stream[:size] + bytes(zeros) + ending
                result = jls.decode_partial(padded)
                if result.error is not None:
                    good = result.good_lines
                    assert np.array_equal(result.image[good], image[good]), (size, zeros, ending)
                elif not np.array_equal(result.image, image):
                    # The zeros complete the stream of another image, but for a 00 that old encoders write.
                    again = scans(encode_image(result.image, bits=bits, restart_interval=lines))
                    assert scans(padded)[0] in (again[0], again[0] + b"\0"), (size, zeros, ending)


def test_hole_of_zeros_is_the_end_of_an_interval():
    image = make_image("noise", (40, 14), 8)
    stream = encode_image(image)
    (scan,) = scans(stream)
    start = stream.index(scan)
    for begin in range(start + 50, start + 250, 7):
        damaged = stream[:begin] + bytes(30) + stream[begin + 30 :]
        good, error = check(damaged, image)
        assert good.any()
        assert isinstance(error, jls.InvalidStreamError)
        whole = encode_scan(image[: good.sum() + 2])
        assert len(whole) > begin - start - 20  # not many lines are lost before it


@pytest.mark.parametrize("more", [b"\x5a" * 6, b"\1\2\3\4", b"\x5a" + bytes(9)])
def test_data_left_after_the_last_line_leaves_no_line(more):
    image, stream = restart_stream()
    at = interval_positions(stream)
    good, error = check(stream[: at[4]] + more + stream[at[4] :], image)
    assert good[:8].all()
    assert not good[8:10].any()
    assert good[10:].all()
    assert isinstance(error, jls.InvalidStreamError)
    image = make_image("noise", (12, 9), 8)
    (scan,) = scans(encode_image(image))
    stream = encode_image(image).replace(scan, scan + more)
    good, error = check(stream, image)
    assert not good.any()
    assert isinstance(error, jls.InvalidStreamError)


def test_truncated_in_the_header_raises():
    image = make_image("smooth", (6, 5), 8)
    stream = encode_image(image)
    for size in range(stream.index(encode_scan(image))):
        with pytest.raises(jls.InvalidStreamError):
            jls.decode_partial(stream[:size])


def test_near_lossless_and_presets_are_kept():
    image = make_image("noise", (20, 30), 12)
    stream = encode_image(image, bits=12, near=5, preset_coding_parameters=(0, 30, 60, 100, 40))
    expected = jls.decode(stream)
    good, _ = check(stream[: len(stream) * 2 // 3], expected)
    assert 8 <= good.sum() <= 14


def test_color_transformation_is_kept():
    image = make_image("noise", (20, 10, 3), 8)
    stream = encode_image(image, mode=1, color_transformation=2)
    good, _ = check(stream[: len(stream) // 2], image)
    assert 6 <= good.all(axis=1).sum() <= 11


def planar_stream():
    image = make_image("noise", (12, 9, 3), 8)
    return image, encode_image(np.ascontiguousarray(image.transpose(2, 0, 1)), mode=0)


def test_damage_in_one_plane_leaves_the_others():
    image, stream = planar_stream()
    split = parts(stream)
    scans = [i for i, part in enumerate(split) if part.marker == SOS]
    split[scans[1]] = split[scans[1]]._replace(scan=split[scans[1]].scan[:50])
    good, error = check(join(split), image)
    assert good[:, 0].all()
    assert 3 <= good[:, 1].sum() <= 6
    assert good[:, 2].all()
    assert isinstance(error, jls.InvalidStreamError)


def test_missing_planes_are_filled():
    image, stream = planar_stream()
    split = parts(stream)
    first = next(i for i, part in enumerate(split) if part.marker == SOS)
    good, error = check(join(split[: first + 1]), image)
    assert good[:, 0].all()
    assert not good[:, 1:].any()
    assert "every component" in str(error)


RESTART_OPTIONS = [("8 bits", {}), ("color", {"mode": 2}), ("near", {"bits": 12, "near": 0})]


def restart_stream(lines=2, height=40, **options):
    shape = (height, 14, 3) if options.get("mode") else (height, 14)
    image = make_image("noise", shape, options.get("bits", 8))
    return image, encode_strips(image, lines, **options)


def interval_positions(stream):
    """Where the restart markers are."""
    return [i for i in range(len(stream) - 1) if stream[i] == 0xFF and RST0 <= stream[i + 1] < RST0 + 8]


@pytest.mark.parametrize("options", [o for _, o in RESTART_OPTIONS], ids=[n for n, _ in RESTART_OPTIONS])
@pytest.mark.parametrize("lost", [1, 2, 7])
def test_lines_behind_lost_restart_intervals_are_found_again(lost, options):
    image, stream = restart_stream(**options)
    at = interval_positions(stream)
    # From the middle of interval 5 on, so many markers are gone.
    begin, end = at[4] + 10, at[4 + lost] + 10
    good, error = check(stream[:begin] + stream[end:], image)
    lines = good.reshape(len(image), -1).all(axis=1)
    assert lines[:10].all()
    assert not lines[10 : 10 + 2 * (lost + 1)].any()
    assert lines[10 + 2 * (lost + 1) :].all()
    assert isinstance(error, jls.InvalidStreamError)


@pytest.mark.parametrize("lost", [8, 9, 16])
def test_lines_behind_too_many_lost_restart_intervals_are_not_guessed(lost):
    image, stream = restart_stream(height=80)
    at = interval_positions(stream)
    good, error = check(stream[: at[4] + 10] + stream[at[4 + lost] + 10 :], image)
    assert not good[10:].any()
    assert good[:10].all() == (lost % 8 != 0)  # otherwise no number tells where they are missing
    assert isinstance(error, jls.InvalidStreamError)


@pytest.mark.parametrize("ending", [b"", EOI])
@pytest.mark.parametrize("size", [10, 20])
def test_truncated_within_a_restart_interval(ending, size):
    image, stream = restart_stream()
    at = interval_positions(stream)
    good, error = check(stream[: at[7] + size] + ending, image)
    assert good[:16].all()
    assert not good[17:].any()
    assert isinstance(error, jls.InvalidStreamError)


def test_damaged_restart_marker_is_no_reason_to_lose_the_rest():
    image, stream = restart_stream()
    at = interval_positions(stream)
    damaged = bytearray(stream)
    damaged[at[3] + 1] = 0xA5  # no marker that a stream may hold
    good, _ = check(bytes(damaged), image)
    assert good[:6].all()
    assert good[10:].all()


@pytest.mark.parametrize("kind", ["noise", "smooth", "runs"])
def test_small_restart_intervals_are_tried_together(kind):
    image = make_image(kind, (200, 3), 8)
    stream = encode_strips(image, 1)
    at = interval_positions(stream)
    for damaged in range(20, 180, 9):
        # The lines of a piece of at least 48 samples and bytes may be lost: at most 12 of 3 samples and a byte each.
        good, error = check(stream[: at[damaged - 1] + 2] + b"\x01" + stream[at[damaged] :], image)
        assert good.sum() >= 188 or error is None, damaged
        assert good[:damaged].sum() >= damaged - 1 or error is None, damaged
        good, error = check(stream[: at[damaged - 1] + 2] + stream[at[damaged + 2] :], image)
        assert good.sum() >= 173, damaged
        assert good[damaged + 15 :].all(), damaged
        assert error is not None
    for size in range(at[100], at[110]):
        good, error = check(stream[:size], image)
        assert good.sum() >= 99, size
        assert error is not None


def test_zeros_within_small_restart_intervals_are_no_lines():
    image = make_image("noise", (60, 3), 8)
    stream = encode_strips(image, 1)
    at = interval_positions(stream)
    for damaged in range(8, 50):
        begin, end = at[damaged - 1] + 2, at[damaged]
        for kept in range(end - begin - 1):  # one zero may end a line
            for zeros in (end - begin - kept, 20):
                good, _ = check(stream[: begin + kept] + bytes(zeros) + stream[end:], image)
                assert good.sum() >= 45


def test_bit_flips_give_lines_or_errors():
    random = np.random.default_rng(7)
    image, stream = restart_stream(lines=3)
    sound = jls.read_info(stream)
    outcomes = set()
    for _ in range(400):
        damaged = bytearray(stream)
        bit = int(random.integers(0, len(stream) * 8))
        damaged[bit // 8] ^= 1 << bit % 8
        try:
            result = jls.decode_partial(damaged, fill_value=FILL)
        except jls.StreamError:
            outcomes.add("header")
            continue
        outcomes.add("partial" if result.error else "sound")
        if result.image.shape == image.shape and jls.read_info(stream).frame_info == sound.frame_info:
            assert (result.image[~result.good_lines] == FILL).all()
    assert {"header", "partial"} <= outcomes


def test_into_an_array():
    image = make_image("noise", (10, 12), 12)
    stream = encode_image(image, bits=12)[:100]
    mosaic = np.full((20, 30), 77, np.uint16)
    result = jls.decode_partial(stream, out=mosaic[5:15, 4:16], fill_value=9)
    assert np.array_equal(result.image, mosaic[5:15, 4:16])
    assert 2 <= result.good_lines.sum() <= 8
    assert np.array_equal(mosaic[5:15, 4:16][result.good_lines], image[result.good_lines])
    assert (mosaic[5:15, 4:16][~result.good_lines] == 9).all()
    mosaic[5:15, 4:16] = 77
    assert (mosaic == 77).all()


def test_into_signed_and_wide_arrays():
    image = random_frames((10, 12), 12, signed=True)
    stream = jls.encode(image, bits_per_sample=12)[:130]
    for dtype in (np.int16, np.int32):
        result = jls.decode_partial(stream, out=np.empty(image.shape, dtype), fill_value=-2048)
        assert np.array_equal(result.image[result.good_lines], image[result.good_lines]), dtype
        assert (result.image[~result.good_lines] == -2048).all(), dtype
        assert 0 < result.good_lines.sum() < 10, dtype


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fill_value": 256}, r"^fill_value: 256 is not in the range 0 to 255 of the image's samples$"),
        ({"fill_value": -1}, r"^fill_value: -1 is not in the range 0 to 255 of the image's samples$"),
        (
            {"fill_value": 128, "signed": True},
            r"^fill_value: 128 is not in the range -128 to 127 of the image's samples$",
        ),
    ],
)
def test_options_are_checked(options, message):
    with pytest.raises(jls.ParameterError, match=message):
        jls.decode_partial(encode_image(make_image("smooth", (3, 3), 8)), **options)


def test_default_raises_and_fills_nothing():
    stream = encode_image(make_image("noise", (10, 12), 8))[:80]
    out = np.full((10, 12), 7, np.uint8)
    with pytest.raises(jls.InvalidStreamError, match="truncated"):
        jls.decode(stream, out=out)
    assert (out == 7).all()


def test_fill_bytes_before_restart_markers_cost_no_line():
    image = make_image("noise", (12, 8), 8)
    stream = jls.encode(image, restart_interval=1)
    scan = stream.index(b"\xff\xda") + 10
    filled = bytearray(stream[:scan])
    for first, second in zip(stream[scan:], stream[scan + 1 :] + b"\0", strict=True):
        if first == 0xFF and 0xD0 <= second <= 0xD7:
            filled += b"\xff\xff\xff"
        filled.append(first)
    for damaged in (stream, bytes(filled)):
        found = jls.decode_partial(damaged[:-3])
        assert found.error is not None
        assert found.good_lines.tolist() == [True] * 11 + [False]
        np.testing.assert_array_equal(found.image[:11], image[:11])
