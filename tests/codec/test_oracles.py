"""Other decoders and encoders of JPEG-LS as oracles: CharLS 2.4.2 (pyjpegls), CharLS 2.4.3 (imagecodecs), libjpeg.

The first two share CharLS with this package, libjpeg (pylibjpeg-libjpeg) is independent of it. What a peer cannot do
is written here as a condition and checked, so that the test notices when it can.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dicom_jpegls as jls
from dicom_jpegls import spiff
from support.jls_streams import IMAGE_KINDS, LSE, encode_image, join, largest_error, make_image, parts, segment
from support.peers import imagecodecs, jpeg_ls, libjpeg

# (components, interleave mode) that are possible; line and sample interleave need 3 or 4 components.
LAYOUTS = [(1, 0), (3, 0), (3, 1), (3, 2), (4, 0), (4, 1), (4, 2)]
SIZES = [(1, 1), (1, 17), (17, 1), (2, 2), (3, 3), (37, 23)]


def decode_with_imagecodecs(stream):
    return imagecodecs.jpegls_decode(stream)


def decode_with_pyjpegls(stream):
    # Not jpeg_ls.decode: it gives the four components of a pixel the wrong shape.
    samples, header = jpeg_ls.decode_buffer(stream)
    array = np.frombuffer(samples, np.uint8 if header["bits_per_sample"] <= 8 else "<u2")
    shape = header["height"], header["width"], header["components"]
    if header["components"] == 1:
        return array.reshape(shape[:2])
    if header["interleave_mode"] == 0:
        return array.reshape(shape[2], *shape[:2]).transpose(1, 2, 0)
    return array.reshape(shape)


def decode_with_libjpeg(stream):
    return libjpeg.decode(stream)


DECODERS = {
    "imagecodecs": decode_with_imagecodecs,
    "pyjpegls": decode_with_pyjpegls,
    "libjpeg": decode_with_libjpeg,
}


def encode_with_pyjpegls(image, bits, near, mode):
    """The stream; None if pyjpegls gave its encoder too small a buffer."""
    rows, columns = image.shape[:2]
    components = image.shape[2] if image.ndim == 3 else 1
    source = (image.transpose(2, 0, 1) if image.ndim == 3 and mode == 0 else image).tobytes()
    try:
        return bytes(jpeg_ls.encode_buffer(source, rows, columns, components, bits, near, mode))
    except RuntimeError as error:
        assert "destination buffer is too small" in str(error)  # noqa: PT017
        return None


def too_small_for_pyjpegls(image, size):
    # It takes twice the raw size, headers included; CharLS asks for up to 4 bytes more than it uses.
    return 2 * image.nbytes < size + 4


def nears(bits):
    return sorted({0, 1, min(255, ((1 << bits) - 1) // 2)})


def check_in_both_directions(image, bits, near, mode):
    ours = jls.encode(image, bits_per_sample=bits, near_lossless=near, interleave_mode=mode)
    decoded = jls.decode(ours)
    assert decoded.dtype == image.dtype
    assert largest_error(image, decoded) <= near
    for name, decode in DECODERS.items():
        theirs = decode(ours)
        assert theirs.dtype == image.dtype, name
        assert np.array_equal(theirs, decoded), name

    # Below 8 bits CharLS itself writes no default thresholds, but we do: older versions of it have others.
    expected = ours if bits >= 8 else even(join([part for part in parts(ours) if part.marker != LSE]))
    stream = encode_with_pyjpegls(image, bits, near, mode)
    if stream is None:
        assert too_small_for_pyjpegls(image, len(expected))
    else:
        judged = libjpeg.decode(stream)
        assert np.array_equal(jls.decode(stream), judged)
        if largest_error(image, judged) <= near:
            assert even(stream) == expected
        else:
            # The encoder of CharLS 2.4 loses samples, see below.
            assert (image.shape[2:], mode, bits, near) == ((4,), 2, 8, 0)

    # imagecodecs takes the precision from the dtype, and the interleave mode from the number of components.
    if bits in (8, 16) and mode == {1: 0, 3: 2, 4: 1}[1 if image.ndim == 2 else image.shape[2]]:
        stream = imagecodecs.jpegls_encode(image, level=near)
        assert np.array_equal(jls.decode(stream), decoded)
        info = jls.read_info(stream)
        segments = jls.OptionalSegments(spiff_header=info.spiff_header)  # imagecodecs' own, the rest must be as ours
        assert even(stream) == jls.encode(
            image, bits_per_sample=bits, near_lossless=near, interleave_mode=mode, segments=segments
        )


def even(stream):
    """The stream as our encoder ends it: with a fill byte before EOI if its length is odd."""
    return stream if len(stream) % 2 == 0 else stream[:-2] + b"\xff" + stream[-2:]


@pytest.mark.parametrize(("components", "mode"), LAYOUTS)
@pytest.mark.parametrize("bits", range(2, 17))
def test_streams_agree_with_the_peers(bits, components, mode):
    for rows, columns in SIZES:
        shape = (rows, columns) if components == 1 else (rows, columns, components)
        for kind in IMAGE_KINDS:
            image = make_image(kind, shape, bits)
            for near in nears(bits):
                check_in_both_directions(image, bits, near, mode)


@st.composite
def coding_tasks(draw):
    bits = draw(st.integers(2, 16))
    components, mode = draw(st.sampled_from(LAYOUTS))
    near = draw(st.integers(0, min(255, ((1 << bits) - 1) // 2)))
    rows, columns = draw(st.integers(1, 24)), draw(st.integers(1, 24))
    maximum = (1 << bits) - 1
    # Samples near each other give runs and all contexts, samples at will give escapes.
    low = draw(st.integers(0, maximum))
    high = draw(st.one_of(st.integers(low, min(maximum, low + 3)), st.integers(low, maximum)))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shape = (rows, columns) if components == 1 else (rows, columns, components)
    image = random.integers(low, high + 1, shape).astype(np.uint8 if bits <= 8 else np.uint16)
    return image, bits, near, mode


@settings(max_examples=400)
@given(coding_tasks())
def test_random_streams_agree_with_the_peers(task):
    check_in_both_directions(*task)


def test_fourth_component_is_not_lost_as_in_charls():
    # The encoder of CharLS 2.4 takes a pixel for one of a run without a look at its fourth component, if there are
    # four lossless ones of 8 bits in sample interleave: an edge in a plane of alpha comes back as the left neighbour.
    image = np.zeros((16, 16, 4), np.uint8)
    image[4:12, 4:12, 3] = 255
    ours = jls.encode(image, interleave_mode=jls.InterleaveMode.SAMPLE)
    for decode in DECODERS.values():
        assert np.array_equal(decode(ours), image)
    theirs = encode_with_pyjpegls(image, 8, 0, 2)
    for decode in (*DECODERS.values(), jls.decode):
        assert not decode(theirs)[..., 3].any()


@pytest.mark.parametrize("name", ["imagecodecs", "pyjpegls"])
@pytest.mark.parametrize("components", [2, 5, 255])
def test_planes_of_any_number_decode_in_charls(components, name):
    image = make_image("smooth", (5, 6, components), 12)
    assert np.array_equal(DECODERS[name](jls.encode(image, bits_per_sample=12)), image)


def test_two_planes_decode_in_libjpeg_and_more_than_four_do_not():
    image = make_image("smooth", (5, 6, 2), 12)
    assert np.array_equal(libjpeg.decode(jls.encode(image, bits_per_sample=12)), image)
    with pytest.raises(RuntimeError, match="-1024"):
        libjpeg.decode(jls.encode(make_image("smooth", (5, 6, 5), 12), bits_per_sample=12))


@pytest.mark.parametrize("components", [2, 5])
def test_other_numbers_of_planes_are_coded_as_pyjpegls_does(components):
    image = make_image("smooth", (9, 7, components), 10)
    assert even(encode_with_pyjpegls(image, 10, 0, 0)) == jls.encode(image, bits_per_sample=10)


@pytest.mark.parametrize("mode", [jls.InterleaveMode.LINE, jls.InterleaveMode.SAMPLE])
@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("transformation", list(jls.ColorTransformation)[1:])
@pytest.mark.parametrize("name", ["imagecodecs", "pyjpegls"])  # libjpeg does not know HP's transformations
def test_colour_transformations_decode_in_charls(name, transformation, bits, mode):
    image = make_image("noise", (13, 17, 3), bits)
    segments = jls.OptionalSegments(color_transformation=transformation)
    stream = jls.encode(image, segments=segments, interleave_mode=mode)
    assert np.array_equal(DECODERS[name](stream), image)


@pytest.mark.parametrize("near", [0, 2])
@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize(
    ("components", "mode"), [(1, 0), (2, 0), (3, 0), (3, 1), (3, 2), (4, 0), (4, 1), (4, 2), (5, 0)]
)
@pytest.mark.parametrize("name", ["imagecodecs", "pyjpegls"])
def test_colour_transformation_segments_mean_the_same_in_charls(name, components, mode, bits, near):
    shape = (5, 6) if components == 1 else (components, 5, 6) if mode == 0 else (5, 6, components)
    plain = encode_image(make_image("noise", shape, bits), bits=bits, mode=mode, near=near)
    for number in (1, 2, 3):
        stream = plain[:2] + segment(0xE8, b"mrfx" + bytes([number])) + plain[2:]
        assert np.array_equal(jls.decode(stream), DECODERS[name](stream)), number


@pytest.mark.parametrize("mode", [0, 1, 2])
@pytest.mark.parametrize("name", sorted(DECODERS))
def test_annotated_streams_decode_in_the_peers(name, mode):
    image = make_image("smooth", (9, 8, 3), 12)
    segments = jls.OptionalSegments(
        spiff_header=spiff.SpiffHeader(color_space=spiff.SpiffColorSpace.RGB),
        comments=[b"one", b"two"],
        application_data=[(0, b"x"), (15, bytes(300))],
    )
    stream = jls.encode(image, bits_per_sample=12, interleave_mode=mode, segments=segments)
    assert np.array_equal(DECODERS[name](stream), image)


def test_empty_comment_decodes_in_the_peers_but_libjpeg():
    image = make_image("smooth", (9, 8), 8)
    stream = jls.encode(image, segments=jls.OptionalSegments(comments=[b""]))
    assert np.array_equal(decode_with_imagecodecs(stream), image)
    assert np.array_equal(decode_with_pyjpegls(stream), image)
    with pytest.raises(RuntimeError, match="COM marker size out of range"):
        libjpeg.decode(stream)
