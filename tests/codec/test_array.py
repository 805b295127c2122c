"""encode and decode of arrays: shapes, dtypes, byte orders, strides, ranges."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import dicom_jpegls as jls
from dicom_jpegls import _codec, spiff
from support.jls_streams import encode_image, largest_error, make_image, sample_dtype

NATIVE = [np.dtype(name) for name in ("uint8", "int8", "uint16", "int16")]
ALL = [*NATIVE, NATIVE[2].newbyteorder(), NATIVE[3].newbyteorder()]
LAYOUTS = [
    ((9, 8), None),
    ((9, 8, 3), 0),
    ((9, 8, 3), 1),
    ((9, 8, 3), 2),
    ((9, 8, 4), 2),
    ((9, 8, 2), 0),
    ((9, 8, 5), 0),
]


def make(shape, dtype, seed=1):
    """Samples from the whole range of a dtype."""
    limits = np.iinfo(dtype)
    random = np.random.default_rng(seed)
    return random.integers(limits.min, limits.max + 1, shape).astype(dtype)


def as_unsigned(image):
    """The two's complement bits, in native byte order."""
    native = image.astype(image.dtype.newbyteorder("="))
    return native.view(np.uint8 if image.dtype.itemsize == 1 else np.uint16)


# --- encode -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("shape", "mode"), LAYOUTS)
@pytest.mark.parametrize("dtype", ALL, ids=str)
def test_round_trip(dtype, shape, mode):
    image = make(shape, dtype)
    before = image.copy()
    stream = jls.encode(image, interleave_mode=mode)
    assert type(stream) is bytes
    info = jls.read_info(stream)
    assert info.frame_info == (8, 9, image.dtype.itemsize * 8, 1 if image.ndim == 2 else shape[2])
    decoded = jls.decode(stream)
    assert decoded.dtype == as_unsigned(image).dtype
    assert decoded.dtype.isnative
    assert decoded.shape == shape
    assert np.array_equal(decoded, as_unsigned(image))
    out = np.empty_like(image)
    assert jls.decode(stream, out=out) is out
    assert np.array_equal(out, image)
    assert np.array_equal(image, before)


VIEWS = {
    "every other row": lambda image: image[::2],
    "part of each row": lambda image: image[1:-1, 2:-3],
    "every other column": lambda image: image[:, ::2],
    "rows upside down": lambda image: image[::-1],
    "columns reversed": lambda image: image[:, ::-1],
    "both reversed": lambda image: image[::-1, ::-1],
    "Fortran order": np.asfortranarray,
    "transposed": lambda image: image.swapaxes(0, 1),
    "one row": lambda image: image[3:4],
    "one column": lambda image: image[:, 3:4],
    "one sample": lambda image: image[3:4, 3:4],
    "one row of every other": lambda image: image[3:4:2, ::2],
    "one column upside down": lambda image: image[::-1, 3:4],
    "a row repeated": lambda image: np.broadcast_to(image[:1], image.shape),
    "a column repeated": lambda image: np.broadcast_to(image[:, :1], image.shape),
    "read-only": lambda image: np.frombuffer(image.tobytes(), image.dtype).reshape(image.shape),
}


@pytest.mark.parametrize(("shape", "mode"), LAYOUTS)
@pytest.mark.parametrize("dtype", ALL, ids=str)
@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
def test_layout_in_memory_does_not_matter(view, dtype, shape, mode):
    image = view(make(shape, dtype))
    compact = np.ascontiguousarray(image)
    stream = jls.encode(image, interleave_mode=mode)
    assert stream == jls.encode(compact, interleave_mode=mode)
    if not image.flags.writeable:
        return
    out = view(np.zeros(shape, dtype))
    jls.decode(stream, out=out)
    assert np.array_equal(out, compact)


PARTS = {name: view for name, view in VIEWS.items() if name.split()[0] in ("every", "part", "rows", "columns", "one")}


@pytest.mark.parametrize("view", PARTS.values(), ids=PARTS)
@pytest.mark.parametrize("dtype", [np.uint8, np.int16])
def test_decoding_into_a_view_leaves_the_rest_alone(view, dtype):
    whole = make((9, 8, 3), dtype)
    part = view(whole)
    assert np.shares_memory(whole, part)
    expected = whole.copy()
    image = make(part.shape, dtype, seed=2)
    view(expected)[...] = image
    jls.decode(jls.encode(image), out=part)
    assert np.array_equal(whole, expected)


@pytest.mark.parametrize("mode", [0, 1, 2, None])
def test_planes_in_memory(mode):
    planes = make((3, 9, 8), np.uint16)
    image = planes.transpose(1, 2, 0)
    stream = jls.encode(image, interleave_mode=mode)
    assert stream == jls.encode(image.copy(order="C"), interleave_mode=mode)
    assert np.array_equal(jls.decode(stream), image)
    out = np.zeros_like(planes)
    jls.decode(stream, out=out.transpose(1, 2, 0))
    assert np.array_equal(out, planes)
    # A plane's rows and planes at other distances than the rows'.
    wide = np.zeros((3, 9, 20), np.uint16)
    jls.decode(stream, out=wide[:, :, 5:13].transpose(1, 2, 0))
    assert np.array_equal(wide[:, :, 5:13], planes)
    assert not wide[:, :, :5].any()
    assert not wide[:, :, 13:].any()
    tall = np.zeros((3, 14, 8), np.uint16)
    jls.decode(stream, out=tall[:, 2:11].transpose(1, 2, 0))
    assert np.array_equal(tall[:, 2:11], planes)
    assert not tall[:, :2].any()
    assert not tall[:, 11:].any()
    assert jls.encode(tall[:, 2:11].transpose(1, 2, 0), interleave_mode=mode) == stream


def test_a_stream_of_planes_decodes_to_a_view_of_the_planes():
    decoded = jls.decode(jls.encode(make((9, 8, 3), np.uint8), interleave_mode=jls.InterleaveMode.NONE))
    assert decoded.shape == (9, 8, 3)
    assert decoded.transpose(2, 0, 1).flags.c_contiguous


def test_records_with_rows_at_odd_distances():
    # Like a file whose lines have a header of one byte: 16-bit samples at odd addresses, an odd distance apart.
    lines = np.zeros(9, np.dtype([("header", np.uint8), ("samples", np.uint16, (8,))]))
    image = make((9, 8), np.uint16)
    lines["samples"] = image
    assert lines["samples"].strides == (17, 2)
    stream = jls.encode(lines["samples"])
    assert stream == jls.encode(image)
    again = np.zeros_like(lines)
    jls.decode(stream, out=again["samples"])
    assert np.array_equal(again, lines)


@pytest.mark.parametrize("dtype", NATIVE, ids=str)
def test_one_component_may_have_an_axis_of_its_own(dtype):
    image = make((9, 8, 1), dtype)
    stream = jls.encode(image)
    assert stream == jls.encode(image[..., 0])
    assert jls.decode(stream).shape == (9, 8)


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (1, 1, 3), (1, 9, 3), (9, 1, 3), (1, 1, 1), (1, 1, 2)])
@pytest.mark.parametrize("dtype", ALL, ids=str)
def test_axes_of_length_one(dtype, shape):
    image = make(shape, dtype)
    for mode in (None, 0, 1, 2) if shape[2:] == (3,) else (None,):
        decoded = jls.decode(jls.encode(image, interleave_mode=mode))
        assert np.array_equal(decoded, as_unsigned(image).reshape(decoded.shape)), mode


@given(data=st.data())
def test_any_strides(data):
    shape = tuple(data.draw(st.integers(1, 6)) for _ in range(data.draw(st.integers(2, 3))))
    dtype = data.draw(st.sampled_from(ALL))
    whole = make(tuple(n * 4 for n in shape), dtype)
    axes = data.draw(st.permutations(range(len(shape))))
    steps = [data.draw(st.sampled_from([-3, -2, -1, 1, 2, 3])) for _ in shape]
    starts = [data.draw(st.integers(0, n * 4 - 1 - (n - 1) * abs(step))) for n, step in zip(shape, steps, strict=True)]
    index = tuple(
        slice(start, start + n * step, step)
        if step > 0
        else slice(start + (n - 1) * -step, start - 1 if start else None, step)
        for start, n, step in zip(starts, shape, steps, strict=True)
    )
    image = whole[index].transpose(axes)
    components = image.shape[2] if image.ndim == 3 else 1
    mode = data.draw(st.sampled_from([None, 0, 1, 2] if components in (3, 4) else [None]))
    stream = jls.encode(image, interleave_mode=mode)
    assert stream == jls.encode(image.copy(order="C"), interleave_mode=mode)
    if components == image.shape[-1] == 1 and image.ndim == 3:
        return  # such a stream decodes to two dimensions
    expected = whole.copy()
    target = np.zeros_like(whole)
    view = target[index].transpose(axes)
    jls.decode(stream, out=view)
    assert np.array_equal(view, image)
    view[...] = 0
    assert not target.any()
    assert np.array_equal(whole, expected)


# --- Precision --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bits", range(2, 9))
@pytest.mark.parametrize("dtype", ALL, ids=str)
def test_up_to_8_bits_fit_into_either_container(dtype, bits):
    lowest = -(1 << (bits - 1)) if dtype.kind == "i" else 0
    image = (make_image("noise", (9, 8), bits).astype(np.int64) + lowest).astype(dtype)
    stream = jls.encode(image, bits_per_sample=bits)
    assert jls.read_info(stream).bits_per_sample == bits
    decoded = jls.decode(stream)
    assert decoded.dtype == np.uint8
    assert np.array_equal(decoded, image.astype(np.int64) & ((1 << bits) - 1))
    for container in ALL:
        out = np.empty((9, 8), container)
        jls.decode(stream, out=out)
        if container.kind == "i":
            sign = 1 << (bits - 1)
            assert np.array_equal(out, (decoded.astype(np.int64) ^ sign) - sign), container
        else:
            assert np.array_equal(out, decoded), container


@pytest.mark.parametrize("bits", range(9, 17))
@pytest.mark.parametrize("dtype", [np.uint16, np.int16, ">u2", "<u2", ">i2", "<i2"])
def test_more_than_8_bits(dtype, bits):
    image = make_image("noise", (9, 8), bits).astype(np.int64)
    if np.dtype(dtype).kind == "i":
        image -= 1 << (bits - 1)
    image = image.astype(dtype)
    stream = jls.encode(image, bits_per_sample=bits)
    assert jls.read_info(stream).bits_per_sample == bits
    decoded = jls.decode(stream)
    assert decoded.dtype == np.uint16
    assert np.array_equal(decoded, image.astype(np.int64) & ((1 << bits) - 1))
    out = np.empty_like(image)
    jls.decode(stream, out=out)
    assert np.array_equal(out, image)


@pytest.mark.parametrize("dtype", [np.uint8, np.int8])
@pytest.mark.parametrize("bits", [9, 12, 16])
def test_bytes_may_be_coded_with_more_than_8_bits(dtype, bits):
    image = make((9, 8), dtype)
    stream = jls.encode(image, bits_per_sample=bits)
    out = np.empty((9, 8), np.int16 if image.dtype.kind == "i" else np.uint16)
    jls.decode(stream, out=out)
    assert np.array_equal(out, image)


@pytest.mark.parametrize("dtype", [np.int32, np.int64, np.uint32, np.uint64])
@pytest.mark.parametrize("source", [np.int16, np.int8])
def test_out_may_be_wider_than_needed(source, dtype):
    image = make((9, 8), source)
    out = jls.decode(jls.encode(image), out=np.empty((9, 8), dtype))
    assert np.array_equal(out, image if np.dtype(dtype).kind == "i" else as_unsigned(image))


def test_precision_is_that_of_the_dtype_and_not_guessed():
    assert jls.read_info(jls.encode(np.zeros((3, 3), np.uint16))).bits_per_sample == 16
    assert jls.read_info(jls.encode(np.zeros((3, 3), np.int8))).bits_per_sample == 8


@pytest.mark.parametrize("dtype", [np.uint16, np.dtype(np.uint16).newbyteorder()], ids=str)
@pytest.mark.parametrize("bits", range(2, 16))
def test_too_large_sample_is_named_with_its_place(bits, dtype):
    image = np.zeros((9, 8), dtype)
    image[7, 3] = (1 << bits) - 1
    jls.encode(image, bits_per_sample=bits)
    image[7, 3] += 1
    message = rf"^image: the sample {1 << bits} at \(7, 3\) does not fit in {bits} bits \(0 to {(1 << bits) - 1}\)"
    with pytest.raises(jls.ParameterError, match=message):
        jls.encode(image, bits_per_sample=bits)


@pytest.mark.parametrize(
    ("dtype", "bits"), [*((np.int8, b) for b in range(2, 8)), *((np.int16, b) for b in range(2, 16))]
)
def test_signed_sample_outside_is_named_with_its_place(dtype, bits):
    least, greatest = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    image = np.zeros((9, 8, 3), dtype)
    image[1, 2, 0], image[8, 7, 2] = least, greatest
    jls.encode(image, bits_per_sample=bits)
    for value in (least - 1, greatest + 1):
        image[4, 5, 1] = value
        message = rf"^image: the sample {value} at \(4, 5, 1\) does not fit in {bits} bits \({least} to {greatest}\)"
        with pytest.raises(jls.ParameterError, match=message):
            jls.encode(image, bits_per_sample=bits)


@pytest.mark.parametrize("dtype", ALL, ids=str)
@pytest.mark.parametrize("bits", [2, 5, 7, 11, 15])
def test_unchecked_samples_lose_their_upper_bits(dtype, bits):
    image = make((9, 8), dtype)
    decoded = jls.decode(jls.encode(image, bits_per_sample=bits, check_range=False))
    assert np.array_equal(decoded, image.astype(np.int64) & ((1 << bits) - 1))


@pytest.mark.parametrize("value", [0, 1, 17, -1, 2**70])
@pytest.mark.parametrize("dtype", NATIVE, ids=str)
@pytest.mark.parametrize("near", [0, 1])
def test_precision_out_of_range_is_named(dtype, near, value):
    with pytest.raises(jls.ParameterError, match=rf"^bits_per_sample: {value} is not in the range 2 to 16$"):
        jls.encode(np.zeros((3, 3), dtype), bits_per_sample=value, near_lossless=near)


@pytest.mark.parametrize("value", ["8", 8.0, [8]])
@pytest.mark.parametrize("near", [0, 1])
def test_precision_that_is_no_whole_number_is_named(value, near):
    with pytest.raises((jls.ParameterError, TypeError), match="bits_per_sample"):
        jls.encode(np.zeros((3, 3), np.int16), bits_per_sample=value, near_lossless=near)


# --- Near-lossless ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("near", [1, 3, 20])
@pytest.mark.parametrize("mode", [0, 1, 2])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_near_lossless_bound(dtype, mode, near):
    image = make((19, 18, 3), dtype)
    decoded = jls.decode(jls.encode(image, near_lossless=near, interleave_mode=mode))
    assert largest_error(image.astype(np.int64), decoded) == near


@pytest.mark.parametrize("near", [1, 3, 20])
@pytest.mark.parametrize(("dtype", "bits"), [(np.int8, 8), (np.int8, 7), (np.int16, 16), (np.int16, 12), (np.int16, 8)])
def test_near_lossless_bound_of_signed_samples(dtype, bits, near):
    # All samples are far enough from the ends of the range, where the greatest number and the least are neighbours.
    limit = 1 << (bits - 1)
    image = np.random.default_rng(1).integers(-limit + near, limit - near, (19, 18)).astype(dtype)
    out = jls.decode(jls.encode(image, bits_per_sample=bits, near_lossless=near), out=np.empty_like(image))
    assert largest_error(image.astype(np.int64), out) == near


@pytest.mark.parametrize("value", [-128, -126, 126, 127])
def test_signed_sample_that_could_change_its_sign_is_refused(value):
    image = np.zeros((9, 8), np.int8)
    image[2, 5] = value
    message = rf"^image: with near_lossless 3, 1 signed sample.* outside -125 to 124 .* {value} at \(2, 5\)"
    with pytest.raises(jls.ParameterError, match=message):
        jls.encode(image, near_lossless=3)
    jls.encode(image)  # lossless coding keeps it
    with pytest.warns(jls.ClippedSamplesWarning, match="1 signed sample"):
        stream = jls.encode(image, near_lossless=3, signed_overflow="clip")
    assert image[2, 5] == value
    decoded = jls.decode(stream, out=np.empty_like(image))
    assert abs(int(decoded[2, 5]) - min(max(value, -125), 124)) <= 3


def test_clipping_is_silent_where_nothing_is_clipped():
    image = np.full((9, 8), 124, np.int8)
    assert jls.encode(image, near_lossless=3, signed_overflow="clip") == jls.encode(image, near_lossless=3)


@pytest.mark.parametrize(("dtype", "near"), [(np.int8, 1), (np.int8, 0), (np.uint8, 1)])
def test_signed_overflow_has_two_values(dtype, near):
    with pytest.raises(jls.ParameterError, match=r"^signed_overflow: must be 'error' or 'clip', found 'wrap'$"):
        jls.encode(np.zeros((3, 3), dtype), near_lossless=near, signed_overflow="wrap")


@pytest.mark.parametrize("value", [-1, 128, 1000])
@pytest.mark.parametrize("dtype", [np.uint8, np.int8])
def test_near_lossless_out_of_range_is_named(dtype, value):
    with pytest.raises(jls.ParameterError, match=rf"^near_lossless: {value} is not in the range 0 to 127$"):
        jls.encode(np.zeros((3, 3), dtype), near_lossless=value)


# --- What cannot be encoded -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("thing", [None, 5, [[1, 2], [3, 4]], b"abc", memoryview(b"abc")])
def test_what_is_no_array_is_a_type_error(thing):
    with pytest.raises(TypeError, match=rf"^image: must be a numpy.ndarray, not {type(thing).__name__}$"):
        jls.encode(thing)


@pytest.mark.parametrize("dtype", ["u4", "i4", "u8", "f2", "f4", "f8", "?", "c8", "S1", "V2", "O", "M8[s]", "U1"])
def test_other_dtypes_are_refused(dtype):
    with pytest.raises(jls.ParameterError, match=r"^image: dtype must be uint8, int8, uint16 or int16, found "):
        jls.encode(np.empty((3, 3), dtype))


@pytest.mark.parametrize("shape", [(), (9,), (2, 9, 8, 3), (1, 1, 9, 8)])
def test_other_numbers_of_axes_are_refused(shape):
    with pytest.raises(
        jls.ParameterError,
        match=r"^image: shape must be \(rows, columns\) or .*, found \(.*\); encode one frame per call$",
    ):
        jls.encode(np.zeros(shape, np.uint8))


@pytest.mark.parametrize("shape", [(0, 0), (0, 8), (9, 0), (9, 8, 0), (0, 8, 3)])
def test_empty_arrays_are_refused(shape):
    with pytest.raises(jls.ParameterError, match=r"^image: shape \(.*\) contains no sample$"):
        jls.encode(np.zeros(shape, np.uint8))


@pytest.mark.parametrize(("shape", "argument", "value"), [((1, 65536), "width", 65536), ((65536, 1), "height", 65536)])
def test_too_large_images_are_refused(shape, argument, value):
    with pytest.raises(jls.ParameterError, match=rf"^{argument}: {value} is not in the range 1 to 65535$"):
        jls.encode(np.zeros(shape, np.uint8))


def test_too_many_components_are_refused():
    # Most often a series of images by mistake.
    with pytest.raises(jls.ParameterError, match=r"^component_count: 256 is not in the range 1 to 255$"):
        jls.encode(np.zeros((3, 3, 256), np.uint8))


def test_options_reach_the_stream():
    options = {"near_lossless": 1, "interleave_mode": jls.InterleaveMode.LINE}
    added = {
        "preset_coding_parameters": jls.PresetCodingParameters(255, 5, 9, 30, 32),
        "comments": (b"one",),
        "application_data": ((3, b"data"),),
    }
    header = spiff.SpiffHeader(spiff.SpiffColorSpace.RGB)
    segments = jls.OptionalSegments(spiff_header=header, **added)
    info = jls.read_info(jls.encode(make((9, 8, 3), np.uint8), segments=segments, **options))
    assert {name: getattr(info, name) for name in options | added} == options | added
    assert info.spiff_header.color_space is spiff.SpiffColorSpace.RGB
    segments = jls.OptionalSegments(color_transformation=jls.ColorTransformation.HP2)
    stream = jls.encode(make((9, 8, 3), np.uint8), segments=segments)
    assert jls.read_info(stream).color_transformation is jls.ColorTransformation.HP2


# --- decode -----------------------------------------------------------------------------------------------------------

IMAGE = make((9, 8), np.uint16)
STREAM = jls.encode(IMAGE)
RGB_STREAM = jls.encode(make((9, 8, 3), np.uint8))


def test_decoded_array_is_the_callers_own():
    first, second = jls.decode(STREAM), jls.decode(STREAM)
    assert first.flags.writeable
    assert not np.shares_memory(first, second)


def test_input_of_decode_may_be_any_buffer():
    for source in (bytearray(STREAM), memoryview(STREAM), np.frombuffer(STREAM, np.uint8)):
        assert np.array_equal(jls.decode(source), IMAGE), source


@pytest.mark.parametrize("shape", [(8, 9), (9, 8, 1), (9, 8, 3), (72,), (9, 9), (8, 8), (1, 9, 8), (0, 8)])
def test_out_of_another_shape_is_refused(shape):
    with pytest.raises(jls.ParameterError, match=r"^out: shape must be \(9, 8\), that of .*, found \(.*\)$"):
        jls.decode(STREAM, out=np.zeros(shape, np.uint16))


@pytest.mark.parametrize("shape", [(9, 8), (3, 9, 8), (9, 8, 4)])
def test_out_with_other_components_is_refused(shape):
    with pytest.raises(jls.ParameterError, match=r"^out: shape must be \(9, 8, 3\), "):
        jls.decode(RGB_STREAM, out=np.zeros(shape, np.uint8))


@pytest.mark.parametrize("dtype", ["u1", "i1", "f4", "f8", "?", "O", "c8", "V2", "S2"])
def test_out_of_another_dtype_is_refused(dtype):
    out = np.zeros((9, 8), dtype)
    with pytest.raises(jls.ParameterError, match=r"^out: dtype must be an integer of at least 16 bits, found "):
        jls.decode(STREAM, out=out)
    assert np.array_equal(out, np.zeros((9, 8), dtype))


def test_read_only_out_is_refused():
    out = np.zeros((9, 8), np.uint16)
    out.flags.writeable = False
    with pytest.raises(jls.ParameterError, match=r"^out: the array is read-only$"):
        jls.decode(STREAM, out=out)
    assert not out.any()


@pytest.mark.parametrize("thing", [5, bytearray(144), memoryview(bytearray(144)), [[0] * 8] * 9])
def test_out_that_is_no_array_is_a_type_error(thing):
    with pytest.raises(TypeError, match=rf"^out: must be a numpy.ndarray, not {type(thing).__name__}$"):
        jls.decode(STREAM, out=thing)


@pytest.mark.parametrize("bits", range(2, 17))
@pytest.mark.parametrize("mode", [0, 2])
def test_signed_out_gets_the_sign_of_the_streams_precision(bits, mode):
    # Samples as unsigned numbers; the uppermost of their bits is the sign.
    unsigned = make_image("noise", (3, 9, 8) if mode == 0 else (9, 8, 3), bits)
    stream = encode_image(unsigned, bits=bits, mode=mode)
    pixels = (unsigned.transpose(1, 2, 0) if mode == 0 else unsigned).astype(np.int64)
    expected = np.where(pixels >> (bits - 1) == 1, pixels - (1 << bits), pixels)
    for dtype in ("i1", "<i2", ">i2", "i4"):
        if np.dtype(dtype).itemsize * 8 >= bits:
            assert np.array_equal(jls.decode(stream, out=np.empty((9, 8, 3), dtype)), expected), dtype


@pytest.mark.parametrize("mode", [0, 1, 2])
@pytest.mark.parametrize("bits", [2, 7, 8, 9, 12, 16])
def test_signed_samples(bits, mode):
    unsigned = make_image("noise", (3, 9, 8) if mode == 0 else (9, 8, 3), bits)
    stream = encode_image(unsigned, bits=bits, mode=mode)
    pixels = (unsigned.transpose(1, 2, 0) if mode == 0 else unsigned).astype(np.int64)
    image = jls.decode(stream, signed=True)
    assert image.dtype == (np.int8 if bits <= 8 else np.int16)
    assert np.array_equal(image, np.where(pixels >> (bits - 1) == 1, pixels - (1 << bits), pixels))
    assert jls.encode(image, bits_per_sample=bits, interleave_mode=mode) == stream
    assert np.array_equal(jls.decode_partial(stream, signed=True).image, image)
    assert jls.decode(stream, signed=False).dtype == sample_dtype(bits)
    out = np.empty_like(image)
    assert jls.decode(stream, signed=True, out=out) is out
    assert np.array_equal(out, image)
    for decode in (jls.decode, jls.decode_partial):
        with pytest.raises(jls.ParameterError, match=r"^out: dtype must be signed if signed=True, found uint16$"):
            decode(stream, signed=True, out=np.empty(image.shape, np.uint16))


def test_damaged_stream_leaves_an_out_of_another_layout_alone():
    out = np.full((9, 8), 7, np.dtype(np.uint16).newbyteorder())
    with pytest.raises(jls.InvalidStreamError):
        jls.decode(STREAM[:-20] + b"\xff\xd9", out=out)
    assert (out == 7).all()


def test_out_may_hold_the_stream_itself_if_a_copy_is_made_anyway():
    memory = np.zeros(1000, np.uint8)
    memory[: len(STREAM)] = np.frombuffer(STREAM, np.uint8)
    out = memory[:144].view(np.dtype(np.uint16).newbyteorder()).reshape(9, 8)
    jls.decode(memory, out=out)
    assert np.array_equal(out, IMAGE)


def test_out_must_not_hold_the_stream_otherwise():
    memory = np.zeros(1000, np.uint8)
    memory[: len(STREAM)] = np.frombuffer(STREAM, np.uint8)
    with pytest.raises(jls.ParameterError, match=r"^dst: overlaps src$"):
        jls.decode(memory, out=memory[:144].view(np.uint16).reshape(9, 8))
    assert bytes(memory[: len(STREAM)]) == STREAM


def test_arrays_and_buffers_give_the_same_stream():
    image = make((9, 8, 3), np.uint16)
    for mode in (1, 2):
        stream = _codec.encode(image, width=8, height=9, component_count=3, bits_per_sample=16, interleave_mode=mode)
        assert jls.encode(image, interleave_mode=mode) == stream, mode


@pytest.mark.parametrize("bits", [6, 12])
@pytest.mark.parametrize(
    ("shape", "mode", "memory"),
    [
        ((5, 7), 0, (5, 7)),
        ((5, 7, 3), 0, (3, 5, 7)),
        ((5, 7, 2), 0, (2, 5, 7)),
        ((5, 7, 3), 1, (5, 7, 3)),
        ((5, 7, 4), 2, (5, 7, 4)),
    ],
)
def test_memory_of_the_samples(shape, mode, memory, bits):
    image = make_image("noise", shape, bits)
    stream = _codec.Stream(jls.encode(image, bits_per_sample=bits, interleave_mode=jls.InterleaveMode(mode)))
    assert stream.memory == (memory, image.itemsize)
    assert stream.info is stream.info
