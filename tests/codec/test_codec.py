"""The functions on buffers: encode_into, decode_into, read_info, max_encoded_size, charls_build."""

import concurrent.futures
import re
import sys
import threading
import time

import numpy as np
import pydicom
import pydicom.data
import pydicom.encaps
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

import dicom_jpegls as jls
from dicom_jpegls import _codec, spiff
from support.jls_streams import (
    APP8,
    COM,
    EOI,
    IMAGE_KINDS,
    SOF55,
    SOS,
    encode_image,
    largest_error,
    make_image,
    parts,
    sample_dtype,
    scans,
    with_record,
)
from support.peers import jpeg_ls, libjpeg

LAYOUTS = [(1, 0), (2, 0), (3, 0), (3, 1), (3, 2), (4, 0), (4, 1), (4, 2), (5, 0)]
SIZES = [(1, 1), (1, 2), (2, 1), (3, 3), (1, 40), (40, 1), (19, 23)]


def shape_of(rows, columns, components, mode):
    """The shape in memory."""
    if components == 1:
        return rows, columns
    return (components, rows, columns) if mode == 0 else (rows, columns, components)


def highest_near(bits):
    return min(255, ((1 << bits) - 1) // 2)


# --- Round trips ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("components", "mode"), LAYOUTS)
@pytest.mark.parametrize("bits", range(2, 17))
def test_round_trip(bits, components, mode):
    for rows, columns in SIZES:
        arguments = {"width": columns, "height": rows, "component_count": components, "bits_per_sample": bits}
        for kind in IMAGE_KINDS:
            image = make_image(kind, shape_of(rows, columns, components, mode), bits)
            for near in {0, 1, highest_near(bits) // 2, highest_near(bits)}:
                # The bound is the size of the buffer: that it is enough is tested on the way.
                buffer = bytearray(jls.max_encoded_size(**arguments))
                size = jls.encode_into(image, buffer, **arguments, near_lossless=near, interleave_mode=mode)
                assert size % 2 == 0, (rows, columns, kind, near)
                assert buffer[size - 2 : size] == EOI, (rows, columns, kind, near)
                stream = bytes(buffer[:size])
                assert stream == encode_image(image, bits=bits, near=near, mode=mode), (rows, columns, kind, near)

                info = jls.read_info(stream)
                assert info.size == size, (rows, columns, kind, near)
                assert info.frame_info == (columns, rows, bits, components), (rows, columns, kind, near)
                assert info.near_lossless == near, (rows, columns, kind, near)
                assert info.interleave_mode == mode, (rows, columns, kind, near)
                decoded = np.empty_like(image)
                assert jls.decode_into(stream, decoded) == info, (rows, columns, kind, near)
                assert largest_error(image, decoded) <= near, (rows, columns, kind, near)
                assert int(decoded.max()) < 1 << bits, (rows, columns, kind, near)


@pytest.mark.parametrize("bits", range(2, 17))
def test_near_lossless_bound_is_used(bits):
    # Noise must come back with errors up to NEAR, or NEAR has had no effect.
    image = make_image("noise", (40, 40), bits)
    sizes = []
    for near in sorted({0, 1, 2, 5, highest_near(bits)} & set(range(highest_near(bits) + 1))):
        stream = encode_image(image, bits=bits, near=near)
        decoded = np.empty_like(image)
        jls.decode_into(stream, decoded)
        assert largest_error(image, decoded) == near, near
        sizes.append(len(stream))
    assert sizes == sorted(sizes, reverse=True)


@given(data=st.data(), bits=st.integers(2, 16), layout=st.sampled_from(LAYOUTS))
def test_round_trip_of_random_images(data, bits, layout):
    components, mode = layout
    rows, columns = data.draw(st.integers(1, 30)), data.draw(st.integers(1, 30))
    near = data.draw(st.integers(0, highest_near(bits)))
    spread = data.draw(st.integers(0, (1 << bits) - 1))
    random = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    image = random.integers(0, spread + 1, shape_of(rows, columns, components, mode)).astype(sample_dtype(bits))
    stream = encode_image(image, bits=bits, near=near, mode=mode)
    decoded = np.empty_like(image)
    jls.decode_into(stream, decoded)
    assert largest_error(image, decoded) <= near


@pytest.mark.parametrize("components", [1, 2, 3, 4, 5])
def test_default_interleave_mode(components):
    arguments = {"width": 4, "height": 3, "component_count": components, "bits_per_sample": 8}
    info = jls.read_info(_codec.encode(bytes(12 * components), **arguments))
    assert info.interleave_mode is (jls.InterleaveMode.SAMPLE if components in (3, 4) else jls.InterleaveMode.NONE)


@pytest.mark.parametrize("bits", [2, 5, 7, 9, 12, 15])
@pytest.mark.parametrize("near", [0, 1])
@pytest.mark.parametrize("mode", [0, 1, 2])
def test_bits_above_the_precision_are_ignored(bits, near, mode):
    image = make_image("noise", shape_of(9, 8, 3, mode), bits)
    above = np.arange(image.size, dtype=image.dtype).reshape(image.shape) << bits
    assert above.any()
    assert encode_image(image | above, bits=bits, near=near, mode=mode) == encode_image(
        image, bits=bits, near=near, mode=mode
    )


def test_stream_decodes_itself_into_new_memory():
    image = make_image("noise", (3, 5, 7), 12)
    stream = _codec.Stream(encode_image(image, bits=12, mode=0))
    pixels = stream.decode()
    assert type(pixels) is bytearray
    assert pixels == image.tobytes()


def test_real_image():
    folder = [
        pydicom.data.get_testdata_file(f"MR_small{kind}.dcm", download=False) for kind in ("", "_jpeg_ls_lossless")
    ]
    plain, compressed = (pydicom.dcmread(path) for path in folder)
    (frame,) = pydicom.encaps.generate_frames(compressed.PixelData, number_of_frames=1)
    samples = np.frombuffer(plain.PixelData, "<u2").astype("u2").tobytes()  # in the byte order of this machine
    assert _codec.Stream(frame).decode() == samples
    ours = _codec.encode(samples, width=plain.Columns, height=plain.Rows, bits_per_sample=plain.BitsStored)
    assert _codec.Stream(ours).decode() == samples


def test_fourth_component_is_kept_in_runs():
    # CharLS 2.4 alone does not look at it when it compares the pixels of a run: 8 bits, lossless, sample interleave.
    for left in (0, 10):
        for step in (1, 255):
            image = np.full((16, 16, 4), left, np.uint8)
            image[4:12, 4:12, 3] += np.uint8(step)
            decoded = np.empty_like(image)
            jls.decode_into(encode_image(image, mode=2), decoded)
            assert np.array_equal(decoded, image), (left, step)


# --- Information ------------------------------------------------------------------------------------------------------

EVERYTHING = {
    "near_lossless": 2,
    "interleave_mode": jls.InterleaveMode.LINE,
    "preset_coding_parameters": jls.PresetCodingParameters(4095, 30, 80, 300, 32),
    "spiff_header": spiff.SpiffHeader(spiff.SpiffColorSpace.RGB, spiff.SpiffResolutionUnits.DOTS_PER_CENTIMETER, 3, 4),
    "comments": (b"one", b"", bytes(range(256))),
    "application_data": ((0, b"JFIF"), (8, b"mrf"), (15, b""), (0, b"again")),
}


def test_information_is_complete():
    image = make_image("smooth", (5, 7, 3), 12)
    stream = _codec.encode(image, width=7, height=5, component_count=3, bits_per_sample=12, **with_record(EVERYTHING))
    info = jls.read_info(stream + b"\0\0")
    header = EVERYTHING["spiff_header"]._replace(width=7, height=5, component_count=3, bits_per_sample=12)
    expected = {
        "width": 7,
        "height": 5,
        "bits_per_sample": 12,
        "component_count": 3,
        "interleave_mode": jls.InterleaveMode.LINE,
        "near_lossless": 2,
        "color_transformation": jls.ColorTransformation.NONE,
        "preset_coding_parameters": EVERYTHING["preset_coding_parameters"],
        "restart_interval": 0,
        "spiff_header": header,
        "comments": EVERYTHING["comments"],
        "application_data": EVERYTHING["application_data"],
        "size": len(stream),
    }
    assert {name: getattr(info, name) for name in expected} == expected
    assert info.frame_info == jls.FrameInfo(width=7, height=5, bits_per_sample=12, component_count=3)
    assert not info.lossless
    assert type(info) is jls.StreamInfo
    assert type(info.preset_coding_parameters) is jls.PresetCodingParameters
    assert type(info.interleave_mode) is jls.InterleaveMode
    assert type(info.color_transformation) is jls.ColorTransformation


def test_information_of_a_bare_stream():
    info = jls.read_info(encode_image(make_image("smooth", (5, 7), 8)))
    assert info.lossless
    assert info.interleave_mode is jls.InterleaveMode.NONE
    assert info.color_transformation is jls.ColorTransformation.NONE
    assert (info.spiff_header, info.comments, info.application_data) == (None, (), ())


def test_information_is_enough_to_encode_again():
    image = make_image("smooth", (5, 7, 3), 12)
    stream = _codec.encode(image, width=7, height=5, component_count=3, bits_per_sample=12, **with_record(EVERYTHING))
    info = jls.read_info(stream)
    names = (*info.frame_info._fields, *EVERYTHING, "color_transformation")
    again = _codec.encode(image, **with_record({name: getattr(info, name) for name in names}))
    assert again == stream


@pytest.mark.parametrize("near", [0, 1, 3, 255])
@pytest.mark.parametrize("bits", range(2, 17))
def test_default_presets(bits, near):
    # T.87 C.2.4.1.1.1, written out once more.
    near = min(near, highest_near(bits))
    maximum = (1 << bits) - 1

    def clamp(value, low):
        return low if value > maximum or value < low else value

    if maximum >= 128:
        factor = (min(maximum, 4095) + 128) // 256
        first = clamp(factor + 2 + 3 * near, near + 1)
        second = clamp(4 * factor + 3 + 5 * near, first)
        third = clamp(17 * factor + 4 + 7 * near, second)
    else:
        factor = 256 // (maximum + 1)
        first = clamp(max(2, 3 // factor + 3 * near), near + 1)
        second = clamp(max(3, 7 // factor + 5 * near), first)
        third = clamp(max(4, 21 // factor + 7 * near), second)
    stream = encode_image(make_image("smooth", (5, 7), bits), bits=bits, near=near)
    assert jls.read_info(stream).preset_coding_parameters == (maximum, first, second, third, 64)


# --- Presets ----------------------------------------------------------------------------------------------------------


def decode_in_peers(stream, image, mode):
    yield libjpeg.decode(stream)
    samples, _ = jpeg_ls.decode_buffer(stream)
    array = np.frombuffer(samples, image.dtype).reshape(image.shape)
    yield array.transpose(1, 2, 0) if mode == 0 and image.ndim == 3 else array


@pytest.mark.parametrize(("components", "mode"), [(1, 0), (3, 0), (3, 1), (3, 2), (4, 2)])
@pytest.mark.parametrize(
    ("bits", "near", "thresholds", "reset"),
    [
        (8, 0, (9, 9, 9), 31),
        (8, 0, (1, 1, 1), 64),
        (8, 0, (255, 255, 255), 64),
        (8, 3, (4, 4, 4), 3),
        (8, 3, (9, 0, 60), 255),
        (2, 1, (2, 3, 3), 0),
        (12, 0, (5, 100, 4000), 128),
        (12, 7, (0, 0, 3000), 0),
        (16, 0, (1, 2, 3), 255),
        (16, 255, (300, 20000, 65535), 4),
        (13, 0, (0, 0, 0), 65),
    ],
)
def test_presets_decode_in_the_peers(bits, near, thresholds, reset, components, mode):
    if mode == 2:
        reset = 64  # anything else is refused
    presets = jls.PresetCodingParameters(0, *thresholds, reset)
    for kind in ("smooth", "noise", "runs"):
        image = make_image(kind, shape_of(31, 29, components, mode), bits)
        stream = encode_image(image, bits=bits, near=near, mode=mode, preset_coding_parameters=presets)
        found = jls.read_info(stream).preset_coding_parameters
        for given_value, value in zip(presets, found, strict=True):
            assert given_value in (0, value), (kind, given_value)
        decoded = np.empty_like(image)
        jls.decode_into(stream, decoded)
        assert largest_error(image, decoded) <= near, kind
        pixels = decoded.transpose(1, 2, 0) if mode == 0 and components > 1 else decoded
        for theirs in decode_in_peers(stream, image, mode):
            assert np.array_equal(theirs, pixels), kind


def test_presets_change_the_coding():
    image = make_image("smooth", (31, 29), 8)
    streams = {
        encode_image(image, preset_coding_parameters=presets)
        for presets in (None, (0, 9, 9, 9, 0), (0, 0, 0, 0, 31), (255, 9, 9, 9, 31))
    }
    assert len(streams) == 4


@given(
    bits=st.integers(2, 16),
    near=st.integers(0, 255),
    values=st.tuples(*[st.one_of(st.just(0), st.integers(1, 65535))] * 4),
    reset=st.sampled_from([0, 3, 64, 100, 255]),
)
@example(bits=8, near=0, values=(0, 50, 0, 0), reset=0)
@example(bits=8, near=0, values=(0, 0, 50, 0), reset=0)
@example(bits=8, near=0, values=(0, 50, 60, 70), reset=0)
def test_presets_that_are_accepted_give_a_stream_that_is_accepted(bits, near, values, reset):
    assume(near <= highest_near(bits))
    maximum = (1 << bits) - 1
    presets = jls.PresetCodingParameters(0, *sorted(value % (maximum + 1) for value in values[1:]), reset)
    for candidate in (presets, presets._replace(**dict(zip(("threshold1", "threshold2"), values[1:], strict=False)))):
        image = make_image("smooth", (9, 8), bits)
        try:
            stream = encode_image(image, bits=bits, near=near, preset_coding_parameters=candidate)
        except jls.ParameterError:
            continue
        decoded = np.empty_like(image)
        assert jls.decode_into(stream, decoded).near_lossless == near, candidate
        assert largest_error(image, decoded) <= near, candidate


@pytest.mark.parametrize(
    ("presets", "fault"),
    [
        ((254, 0, 0, 0, 0), "preset_maximum"),
        ((1, 0, 0, 0, 0), "preset_maximum"),
        ((256, 0, 0, 0, 0), "preset_value"),
        ((65535, 0, 0, 0, 0), "preset_value"),
        ((0, 256, 0, 0, 0), "preset_value"),
        ((0, 1, 0, 0, 0), "preset_value"),  # below NEAR + 1
        ((0, 9, 8, 30, 0), "preset_value"),
        ((0, 9, 20, 19, 0), "preset_value"),
        ((0, 50, 0, 0, 0), "preset_value"),  # above the default T2
        ((0, 0, 0, 0, 1), "preset_value"),
        ((0, 0, 0, 0, 2), "preset_value"),
        ((0, 0, 0, 0, 256), "preset_value"),
    ],
)
def test_presets_that_are_refused(presets, fault):
    image = make_image("smooth", (9, 8), 8)
    with pytest.raises(jls.ParameterError, match=r"^preset_coding_parameters: ") as caught:
        encode_image(image, near=1, preset_coding_parameters=presets)
    names = {code: name for code, name, _ in _codec._stream_faults()}
    assert names[caught.value.code] == fault
    assert repr(jls.PresetCodingParameters(*presets)) in str(caught.value)


def test_presets_that_charls_cannot_code_are_refused():
    names = {code: name for code, name, _ in _codec._stream_faults()}
    with pytest.raises(jls.ParameterError, match=r"^preset_coding_parameters: RESET above 255") as caught:
        encode_image(make_image("smooth", (9, 8), 12), bits=12, preset_coding_parameters=(0, 0, 0, 0, 256))
    assert names[caught.value.code] == "preset_reset"
    for reset in (3, 63, 65, 255):
        with pytest.raises(jls.ParameterError, match="other than 64 in sample interleave") as caught:
            encode_image(make_image("smooth", (9, 8, 3), 8), preset_coding_parameters=(0, 0, 0, 0, reset))
        assert names[caught.value.code] == "preset_reset", reset


# --- Colour transformations -------------------------------------------------------------------------------------------

HP = list(jls.ColorTransformation)[1:]


@pytest.mark.parametrize("mode", [jls.InterleaveMode.LINE, jls.InterleaveMode.SAMPLE])
@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("transformation", HP)
def test_colour_transformation_is_exact(transformation, bits, mode):
    for kind in IMAGE_KINDS:
        image = make_image(kind, (17, 13, 3), bits)
        stream = encode_image(image, bits=bits, mode=mode, color_transformation=transformation)
        info = jls.read_info(stream)
        assert info.color_transformation is transformation, kind
        assert info.application_data == (), kind
        decoded = np.empty_like(image)
        jls.decode_into(stream, decoded)
        assert np.array_equal(decoded, image), kind
        if kind == "noise":
            assert scans(stream) != scans(encode_image(image, bits=bits, mode=mode)), kind  # it does transform


@pytest.mark.patched_charls
@pytest.mark.parametrize(
    "options",
    [
        {"bits": 12},
        {"bits": 7},
        {"near": 1},
        {"mode": 0, "shape": (3, 9, 8)},
        {"shape": (9, 8)},
        {"shape": (9, 8, 4)},
        {"mode": 0, "shape": (5, 9, 8)},
    ],
)
@pytest.mark.parametrize("transformation", HP)
def test_colour_transformation_is_refused_elsewhere(transformation, options):
    options = {"shape": (9, 8, 3), "bits": 8} | options
    image = make_image("smooth", options.pop("shape"), options["bits"])
    message = (
        rf"^color_transformation: {transformation.name} needs 3 components .* 8 or 16 bits .* near_lossless 0; found"
    )
    with pytest.raises(jls.ParameterError, match=message):
        encode_image(image, **options, color_transformation=transformation)


# --- Annotations ------------------------------------------------------------------------------------------------------

GREY = make_image("smooth", (3, 4), 8)


def test_spiff_header_is_written_first_and_read_back():
    header = spiff.SpiffHeader(
        spiff.SpiffColorSpace.GRAYSCALE,
        spiff.SpiffResolutionUnits.DOTS_PER_INCH,
        vertical_resolution=2**32 - 1,
        horizontal_resolution=1,
        profile_id=spiff.SpiffProfileId.CONTINUOUS_TONE_BASE,
    )
    stream = encode_image(GREY, spiff_header=header, comments=[b"x"])
    assert [part.marker for part in parts(stream)] == [APP8, APP8, COM, SOF55, SOS]
    assert parts(stream)[0].data == (
        b"SPIFF\0\2\0" + b"\1\1" + b"\0\0\0\3" + b"\0\0\0\4" + b"\x08\x08\x06\x01" + b"\xff\xff\xff\xff" + b"\0\0\0\1"
    )
    found = jls.read_info(stream).spiff_header
    assert found == header._replace(width=4, height=3, component_count=1, bits_per_sample=8)
    assert jls.read_info(stream).application_data == ()
    assert type(found) is spiff.SpiffHeader
    assert [type(value) for value in found[:2]] == [spiff.SpiffColorSpace, spiff.SpiffResolutionUnits]
    assert [type(value) for value in found[4:6]] == [spiff.SpiffProfileId, spiff.SpiffCompressionType]


@pytest.mark.parametrize("space", [*spiff.SpiffColorSpace, 5, 255])
@pytest.mark.parametrize("units", [*spiff.SpiffResolutionUnits, 3, 255])
def test_spiff_enumerations(space, units):
    found = jls.read_info(encode_image(GREY, spiff_header=spiff.SpiffHeader(space, units))).spiff_header
    assert (found.color_space, found.resolution_units) == (space, units)
    assert type(found.color_space) is type(space)
    assert type(found.resolution_units) is type(units)


@pytest.mark.parametrize("profile", [*spiff.SpiffProfileId, 5, 255])
def test_spiff_profiles(profile):
    found = jls.read_info(encode_image(GREY, spiff_header=spiff.SpiffHeader(profile_id=profile))).spiff_header
    assert found.profile_id == profile
    assert type(found.profile_id) is type(profile)


def test_spiff_header_may_give_the_shape_of_the_image():
    full = spiff.SpiffHeader(width=4, height=3, component_count=1, bits_per_sample=8)
    assert encode_image(GREY, spiff_header=full) == encode_image(GREY, spiff_header=spiff.SpiffHeader())


@pytest.mark.parametrize(
    ("field", "value", "actual"),
    [("width", 5, 4), ("height", 4, 3), ("component_count", 3, 1), ("bits_per_sample", 12, 8)],
)
def test_spiff_header_must_match_the_image(field, value, actual):
    with pytest.raises(
        jls.ParameterError, match=rf"^spiff_header\.{field}: must be 0 or that of the image, {actual}, found {value}$"
    ):
        encode_image(GREY, spiff_header=spiff.SpiffHeader(**{field: value}))


@pytest.mark.parametrize(
    ("field", "value", "allowed"),
    [
        ("profile_id", -1, "0 to 255"),
        ("profile_id", 256, "0 to 255"),
        ("color_space", -1, "0 to 255"),
        ("color_space", 256, "0 to 255"),
        ("resolution_units", -1, "0 to 255"),
        ("resolution_units", 256, "0 to 255"),
        ("compression_type", spiff.SpiffCompressionType.JPEG, "6 to 6"),
        ("vertical_resolution", 0, f"1 to {2**32 - 1}"),
        ("vertical_resolution", 2**32, f"1 to {2**32 - 1}"),
        ("horizontal_resolution", 0, f"1 to {2**32 - 1}"),
        ("horizontal_resolution", 2**32, f"1 to {2**32 - 1}"),
    ],
)
def test_spiff_header_fields_have_ranges(field, value, allowed):
    message = rf"^spiff_header\.{field}: {int(value)} is not in the range {allowed}$"
    with pytest.raises(jls.ParameterError, match=message):
        encode_image(GREY, spiff_header=spiff.SpiffHeader(**{field: value}))


@pytest.mark.parametrize(
    "content",
    [b"", b"x", bytes(65533), bytearray(b"abc"), memoryview(b"abcdef")[::2], np.arange(5, dtype=np.uint8)],
    ids=["empty", "one", "longest", "bytearray", "memoryview", "ndarray"],
)
def test_annotations_of_any_buffer(content):
    # 8 is the number of SPIFF and of the colour transformation, but free otherwise.
    stream = encode_image(GREY, comments=[content], application_data=[(0, content), (8, content), (15, content)])
    info = jls.read_info(stream)
    assert info.comments == (bytes(content),)
    assert info.application_data == ((0, bytes(content)), (8, bytes(content)), (15, bytes(content)))
    assert all(type(data) is bytes for data in info.comments)
    assert np.array_equal(jls.decode(stream), GREY)


def test_annotations_keep_their_order_and_come_from_any_iterable():
    comments = tuple(bytes([i]) * i for i in range(50))
    stream = encode_image(GREY, comments=iter(comments), application_data=((i % 8, c) for i, c in enumerate(comments)))
    assert jls.read_info(stream).comments == comments
    assert jls.read_info(stream).application_data == tuple((i % 8, c) for i, c in enumerate(comments))


@pytest.mark.parametrize(
    "data",
    [
        b"mrfx\1",
        b"mrfx\xff",
        b"\0\0\0\1\xff\xd8",
        parts(encode_image(GREY, spiff_header=spiff.SpiffHeader()))[0].data,
    ],
)
def test_application_data_that_decoders_would_read_is_refused(data):
    with pytest.raises(jls.ParameterError, match=r"^application_data\[1\]: decoders would read it as"):
        encode_image(GREY, application_data=[(7, data), (8, data)])
    assert jls.read_info(encode_image(GREY, application_data=[(7, data)])).application_data == ((7, data),)


# --- Sizes ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("components", "mode"), [(1, 0), (3, 0), (3, 1), (3, 2), (4, 2), (7, 0)])
@pytest.mark.parametrize("bits", range(2, 17))
def test_max_encoded_size_holds_for_nasty_images(bits, components, mode):
    header = spiff.SpiffHeader()
    for rows, columns in ((1, 1), (1, 2), (2, 1), (2, 2), (3, 3), (5, 5), (1, 64), (64, 1), (24, 24)):
        arguments = {"width": columns, "height": rows, "component_count": components, "bits_per_sample": bits}
        enough = jls.max_encoded_size(**arguments)
        hp = 1 if components == 3 and mode and bits in (8, 16) else 0
        for kind in ("noise", "extremes", "checkerboard"):
            image = make_image(kind, shape_of(rows, columns, components, mode), bits)
            buffer = bytearray(enough)
            # With everything that writes a segment.
            size = jls.encode_into(
                image,
                buffer,
                **arguments,
                interleave_mode=mode,
                segments=jls.OptionalSegments(hp, (0, 1, 1, 1, 0), header),
            )
            assert size <= enough, (rows, columns, kind)


def test_max_encoded_size_leaves_annotations_to_the_caller():
    comments, application_data = [b"", bytes(1000)], [(1, bytes(65533)), (2, b"abc")]
    segments = jls.OptionalSegments(comments=comments, application_data=application_data)
    image = make_image("noise", (3, 3), 16)
    added = sum(4 + len(data) for data in comments) + sum(4 + len(data) for _, data in application_data)
    plain, annotated = (
        encode_image(image, bits=16),
        encode_image(image, bits=16, comments=comments, application_data=application_data),
    )
    assert len(annotated) - len(plain) in (added, added + 1)  # padded to an even length
    enough = jls.max_encoded_size(width=3, height=3, bits_per_sample=16) + added
    size = jls.encode_into(
        image,
        bytearray(enough),
        width=3,
        height=3,
        bits_per_sample=16,
        segments=segments,
    )
    assert size == len(annotated)
    with pytest.raises(jls.BufferTooSmallError, match=rf"{enough} bytes are enough"):
        jls.encode_into(
            image,
            bytearray(10),
            width=3,
            height=3,
            bits_per_sample=16,
            segments=segments,
        )


def test_max_encoded_size_grows_with_everything():
    base = {"width": 100, "height": 100, "component_count": 1, "bits_per_sample": 8}
    for name in base:
        assert jls.max_encoded_size(**base | {name: base[name] + 1}) > jls.max_encoded_size(**base), name
    largest = jls.max_encoded_size(width=65535, height=65535, component_count=255, bits_per_sample=16)
    assert 4 * 65535**2 * 255 * 2 < largest < 5 * 65535**2 * 255 * 2  # in 64 bits without an overflow


@pytest.mark.parametrize("shape", [(255, 1, 1), (255, 8, 8)])
def test_image_that_grows_a_lot_is_encoded_in_a_second_try(shape):
    # Each plane starts with coder states that expect no noise.
    image = make_image("noise", shape, 16)
    stream = encode_image(image, bits=16, mode=0)
    first_try = image.nbytes + image.nbytes // 8 + 4096  # _codec.encode
    assert len(stream) > first_try
    decoded = np.empty_like(image)
    jls.decode_into(stream, decoded)
    assert np.array_equal(decoded, image)


# --- The end of a stream ----------------------------------------------------------------------------------------------


def with_end(stream, end):
    """The stream with something else than its fill bytes and EOI at the end."""
    return stream[:-2].rstrip(b"\xff") + end


@pytest.mark.parametrize("end", [b"\0\xff\xd9", b"\xff\xd9", b"\xff\xff\xff\xd9", b"\0\xff\xff\xd9"])
@pytest.mark.parametrize(("components", "mode"), LAYOUTS)
def test_zero_and_fill_bytes_before_the_end_are_skipped(components, mode, end):
    # CharLS before 2.4.3 refuses the zero, which is in a sample of NEMA's.
    for bits in (8, 12):
        for kind in IMAGE_KINDS:
            image = make_image(kind, shape_of(9, 7, components, mode), bits)
            stream = with_end(encode_image(image, bits=bits, mode=mode), end)
            decoded = np.empty_like(image)
            assert jls.decode_into(stream, decoded).size == len(stream), (bits, kind)
            assert np.array_equal(decoded, image), (bits, kind)


# --- Arguments --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("argument", "value", "allowed"),
    [
        ("width", 0, "1 to 65535"),
        ("width", 65536, "1 to 65535"),
        ("height", -1, "1 to 65535"),
        ("height", 2**64, "1 to 65535"),
        ("component_count", 0, "1 to 255"),
        ("component_count", 256, "1 to 255"),
        ("bits_per_sample", 1, "2 to 16"),
        ("bits_per_sample", 17, "2 to 16"),
        ("near_lossless", -1, "0 to 127"),
        ("near_lossless", 128, "0 to 127"),
        ("interleave_mode", -1, "0 to 2"),
        ("interleave_mode", 3, "0 to 2"),
        ("stride", -1, f"0 to {2**32 - 1}"),
        ("stride", 2**32, f"0 to {2**32 - 1}"),
        ("color_transformation", -1, "0 to 3"),
        ("color_transformation", 4, "0 to 3"),
        ("preset_coding_parameters.maximum_sample_value", (65536, 0, 0, 0, 0), "0 to 65535"),
        ("preset_coding_parameters.threshold1", (0, -1, 0, 0, 0), "0 to 65535"),
        ("preset_coding_parameters.threshold2", (0, 0, 65536, 0, 0), "0 to 65535"),
        ("preset_coding_parameters.threshold3", (0, 0, 0, 65536, 0), "0 to 65535"),
        ("preset_coding_parameters.reset_value", (0, 0, 0, 0, -5), "0 to 65535"),
        ("application_data[0][0]", [(-1, b"")], "0 to 15"),
        ("application_data[0][0]", [(16, b"")], "0 to 15"),
    ],
)
def test_number_out_of_range_is_named_with_value_and_range(argument, value, allowed):
    number = value
    if isinstance(value, tuple):
        (number,) = (v for v in value if v)
    elif isinstance(value, list):
        number = value[0][0]
    options = with_record({"width": 4, "height": 3, "bits_per_sample": 8, re.split(r"[.\[]", argument)[0]: value})
    message = f"^{re.escape(argument)}: {number} is not in the range {allowed}$"
    with pytest.raises(jls.ParameterError, match=message) as caught:
        jls.encode_into(bytes(12), bytearray(1000), **options)
    assert caught.value.code == 1
    with pytest.raises(jls.ParameterError, match=message):
        _codec.encode(bytes(12), **options)
    if argument in ("width", "height", "component_count", "bits_per_sample"):
        with pytest.raises(jls.ParameterError, match=message):
            jls.max_encoded_size(**options)


@pytest.mark.parametrize("value", ["8", 8.0, b"8", [8], 8j])
@pytest.mark.parametrize(
    "argument",
    [
        "width",
        "height",
        "component_count",
        "bits_per_sample",
        "near_lossless",
        "interleave_mode",
        "stride",
        "color_transformation",
    ],
)
def test_what_is_no_whole_number_is_named(argument, value):
    options = with_record({"width": 4, "height": 3, "bits_per_sample": 8, argument: value})
    with pytest.raises(jls.ParameterError, match=rf"^{argument}: must be an integer, found {re.escape(repr(value))}"):
        jls.encode_into(bytes(12), bytearray(1000), **options)


def test_whole_numbers_of_other_types_are_taken():
    options = {"width": np.int64(4), "height": np.uint8(3), "bits_per_sample": np.int16(8), "near_lossless": False}
    assert _codec.encode(GREY, **options) == encode_image(GREY)


@pytest.mark.parametrize("bits", range(2, 17))
def test_near_lossless_limit_depends_on_the_precision(bits):
    image = make_image("smooth", (3, 4), bits)
    highest = highest_near(bits)
    assert jls.read_info(encode_image(image, bits=bits, near=highest)).near_lossless == highest
    with pytest.raises(jls.ParameterError, match=rf"^near_lossless: {highest + 1} is not in the range 0 to {highest}$"):
        encode_image(image, bits=bits, near=highest + 1)


@pytest.mark.parametrize("mode", [jls.InterleaveMode.LINE, jls.InterleaveMode.SAMPLE])
@pytest.mark.parametrize("components", [1, 2, 5])
def test_interleaving_needs_three_or_four_components(components, mode):
    message = rf"^interleave_mode: {mode.name} needs 3 or 4 components, found {components}: use NONE$"
    with pytest.raises(jls.ParameterError, match=message):
        _codec.encode(
            bytes(100), width=4, height=3, component_count=components, bits_per_sample=8, interleave_mode=mode
        )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"comments": b"one"}, r"^comments: must be a sequence of bytes objects"),
        ({"comments": "one"}, r"^comments: must be a sequence of bytes objects"),
        ({"comments": [b"", "one"]}, r"^comments\[1\]: must be bytes, found str"),
        ({"comments": [5]}, r"^comments\[0\]: must be bytes, found int"),
        ({"comments": [b"", bytes(65534)]}, r"^comments\[1\]: 65534 bytes are too many; a segment holds at most 65533"),
        ({"comments": 5}, r"^comments: "),
        ({"comments": None}, r"^comments: "),
        ({"application_data": [(1, "one")]}, r"^application_data\[0\]: must be bytes, found str"),
        (
            {"application_data": [(1, bytes(65534))]},
            r"^application_data\[0\]: 65534 bytes are too many; .* at most 65533",
        ),
        ({"application_data": [("1", b"")]}, r"^application_data\[0\]\[0\]: must be an integer, found '1'"),
        ({"application_data": [(1, b""), (1,)]}, r"^application_data\[1\]"),
        ({"application_data": [5]}, r"^application_data\[0\]"),
        ({"application_data": 5}, r"^application_data: "),
        ({"application_data": b"abc"}, r"^application_data"),
        ({"preset_coding_parameters": (0, 0)}, r"^preset_coding_parameters: must be 5 numbers, found 2"),
        ({"preset_coding_parameters": (0,) * 6}, r"^preset_coding_parameters: must be 5 numbers, found 6"),
        ({"preset_coding_parameters": 5}, r"^preset_coding_parameters: "),
        (
            {"preset_coding_parameters": (0, 0, 0, 0, "1")},
            r"^preset_coding_parameters\.reset_value: must be an integer, found '1'",
        ),
        ({"spiff_header": 5}, r"^spiff_header: "),
        ({"spiff_header": (1, 2)}, r"^spiff_header: "),
        (
            {"spiff_header": spiff.SpiffHeader(color_space="RGB")},
            r"^spiff_header\.color_space: must be an integer, found 'RGB'",
        ),
    ],
)
def test_argument_of_a_wrong_kind_is_named(options, message):
    with pytest.raises((jls.ParameterError, TypeError), match=message):
        jls.encode_into(bytes(12), bytearray(1000), width=4, height=3, bits_per_sample=8, **with_record(options))


def test_segments_must_be_the_record():
    with pytest.raises(jls.ParameterError, match=r"^segments: must be OptionalSegments, found \(1,\)$"):
        encode_image(GREY, segments=(1,))


def test_arguments_are_named_by_the_caller():
    with pytest.raises(TypeError):
        jls.encode_into(bytes(12), bytearray(1000), 4, 3, bits_per_sample=8)
    with pytest.raises(TypeError, match="bits_per_sample"):
        jls.encode_into(bytes(12), bytearray(1000), width=4, height=3)
    with pytest.raises(TypeError):
        jls.max_encoded_size(4, 3, 1, 8)


# --- Threads ----------------------------------------------------------------------------------------------------------


def progress_elsewhere(call):
    """How far another thread comes while `call` runs, if threads change only where one gives up the GIL."""
    count, done = 0, False

    def run():
        nonlocal count
        while not done:
            count += 1
            time.sleep(0)  # gives up the GIL

    interval = sys.getswitchinterval()
    thread = threading.Thread(target=run)
    sys.setswitchinterval(3600)  # nobody is made to give up the GIL
    try:
        thread.start()
        before = count
        call()
        return count - before
    finally:
        done = True
        sys.setswitchinterval(interval)
        thread.join()


LARGE = make_image("noise", (700, 700), 16)
LARGE_STREAM = encode_image(LARGE, bits=16)
LARGE_TARGET = bytearray(jls.max_encoded_size(width=700, height=700, bits_per_sample=16))


@pytest.mark.skipif(not getattr(sys, "_is_gil_enabled", lambda: True)(), reason="this Python has no GIL")
@pytest.mark.parametrize(
    "call",
    [
        lambda: jls.encode_into(LARGE, LARGE_TARGET, width=700, height=700, bits_per_sample=16),
        lambda: _codec.encode(LARGE, width=700, height=700, bits_per_sample=16),
        lambda: jls.decode_into(LARGE_STREAM, np.empty_like(LARGE)),
        lambda: jls.decode_into(LARGE_STREAM, memoryview(bytearray(LARGE.nbytes + 1))[1:]),  # by way of a copy
        lambda: jls.read_info(LARGE_STREAM),
    ],
    ids=["encode_into", "encode", "decode_into", "decode_into at an odd address", "read_info"],
)
def test_gil_is_released(call):
    assert progress_elsewhere(lambda: sum(range(100_000))) == 0  # so the method can fail
    # The call may be over before the other thread wakes up, so it gets more than one chance.
    assert any(progress_elsewhere(call) for _ in range(1000))


def test_threads_do_not_disturb_each_other():
    images = [make_image("noise", (40 + i, 50), 8 + i) for i in range(8)]
    streams = [encode_image(image, bits=8 + i) for i, image in enumerate(images)]

    def work(i):
        stream = encode_image(images[i], bits=8 + i)
        decoded = np.empty_like(images[i])
        jls.decode_into(streams[i], decoded)
        return stream == streams[i] and np.array_equal(decoded, images[i])

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, [i % 8 for i in range(400)]))


# --- The build --------------------------------------------------------------------------------------------------------


def test_build_says_which_charls():
    build = jls.charls_build()
    assert set(build) == {"version", "source", "patches", "fast_scan", "lanes"}
    assert isinstance(build["fast_scan"], bool)
    assert isinstance(build["lanes"], bool)
    assert re.fullmatch(r"[23]\.\d+\.\d+", build["version"])
    assert tuple(int(number) for number in build["version"].split(".")) >= (2, 4)
    assert build["source"] in ("path", "submodule", "index", "system")
    assert all(isinstance(patch, str) and patch for patch in build["patches"])
    if build["source"] == "system":
        assert build["patches"] == []
        assert not build["fast_scan"]


def test_version_is_a_version():
    assert re.match(r"\d+\.\d+\.\d+", jls.__version__)
