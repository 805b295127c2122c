"""The one way of a frame: signs, unused bits, colours, verification, statistics, decoding."""

import copy
import warnings
from concurrent.futures import ThreadPoolExecutor

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis.extra import numpy as hnp
from pydicom.encaps import generate_frames
from pydicom.pixels.processing import convert_color_space
from pydicom.uid import JPEGLSLossless, JPEGLSNearLossless

import dicom_jpegls as jls
from dicom_jpegls.dicom import CodingOptions, CodingStatistics, FrameCoder, FrameDecoder, ImagePixel
from dicom_jpegls.dicom import frames as frames_module
from support.dicom_files import check_refused, make_dataset, random_frames, read

NEAR = {"transfer_syntax_uid": JPEGLSNearLossless}
GREY = ImagePixel(5, 6, 1, "MONOCHROME2", 16, 12, 11, 0)
SIGNED = GREY._replace(pixel_representation=1)


# --- Signed samples and NEAR -----------------------------------------------------------------------------------------


@st.composite
def signed_images(draw):
    bits_stored = draw(st.integers(2, 16))
    near_lossless = draw(st.integers(1, min(255, ((1 << bits_stored) - 1) // 2)))
    lowest, highest = -(1 << (bits_stored - 1)), (1 << (bits_stored - 1)) - 1
    # Values at the ends and their neighbours are where it goes wrong.
    ends = st.sampled_from(
        [end for near in (0, 1, near_lossless - 1, near_lossless) for end in (lowest + near, highest - near)]
    )
    shape = draw(hnp.array_shapes(min_dims=3, max_dims=3, max_side=9))
    dtype = np.int8 if bits_stored <= 8 and draw(st.booleans()) else np.int16
    values = st.one_of(ends, st.integers(lowest, highest)).map(lambda value: min(max(value, lowest), highest))
    return draw(hnp.arrays(dtype, shape, elements=values)), bits_stored, near_lossless


@settings(max_examples=300)
@given(signed_images(), st.sampled_from(["error", "clip"]))
def test_signed_near_lossless_keeps_the_bound_or_refuses(image, signed_overflow):
    frames, bits_stored, near_lossless = image
    ds = make_dataset(frames, bits_stored=bits_stored)
    lowest, highest = -(1 << (bits_stored - 1)) + near_lossless, (1 << (bits_stored - 1)) - 1 - near_lossless
    outside = int(np.count_nonzero((frames < lowest) | (frames > highest)))
    options = {"near_lossless": near_lossless, "signed_overflow": signed_overflow, **NEAR}
    if outside and signed_overflow == "error":
        with pytest.raises(jls.DatasetError, match=rf"{outside} signed sample\(s\) .* outside {lowest} to {highest},"):
            jls.compress(ds, **options)
        return
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = jls.compress(ds, **options)
    assert [str(warning.message) for warning in caught] == (
        [f"{outside} signed sample(s) clipped to {lowest} to {highest}"] if outside else []
    )
    assert result.clipped_samples == outside
    expected = frames.astype(int).clip(lowest, highest)
    assert np.abs(jls.pixel_array(ds).reshape(frames.shape) - expected).max() <= near_lossless


@settings(max_examples=200)
@given(signed_images())
@example((np.array([[[-128, 127]]], np.int8), 8, 1))
def test_signed_near_lossless_arrays_keep_the_bound_or_refuse(image):
    frames, bits_stored, near_lossless = image
    for frame in frames:
        try:
            stream = jls.encode(frame, bits_per_sample=bits_stored, near_lossless=near_lossless)
        except jls.ParameterError as error:
            assert "signed_overflow='clip'" in str(error)  # noqa: PT017
            continue
        decoded = jls.decode(stream, out=np.empty(frame.shape, np.int16))
        assert np.abs(decoded.astype(int) - frame).max() <= near_lossless, frame


def test_unsigned_samples_may_use_the_whole_range():
    frames = np.array([[[0, 4095], [4094, 1]]], np.uint16)
    ds = make_dataset(frames, bits_stored=12)
    assert jls.compress(ds, near_lossless=2, **NEAR).clipped_samples == 0
    assert np.abs(jls.pixel_array(ds).astype(int) - frames[0]).max() <= 2


def test_the_refusal_says_how_many_samples_which_frames_and_what_is_safe():
    frames = np.zeros((14, 2, 2), np.int16)
    frames[1:, 0, 0] = 2047
    frames[3, 1, 1] = -2048
    check_refused(
        lambda ds: jls.compress(ds, near_lossless=5, **NEAR),
        make_dataset(frames, bits_stored=12),
        jls.DatasetError,
        r"14 signed sample\(s\) in frame\(s\) 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 and 3 more are outside -2043 to 2042, .*"
        r"Bits Stored 12 and near_lossless 5",
    )


# --- Bits above Bits Stored ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("big_endian", [False, True])
def test_an_overlay_in_the_high_bits_is_refused_or_cleared(big_endian):
    frames = random_frames((2, 4, 5), 12)
    overlaid = frames.copy()
    overlaid[1, 2, 2:4] |= 0x8000
    ds = make_dataset(overlaid, bits_stored=12, big_endian=big_endian)
    check_refused(
        jls.compress,
        ds,
        jls.DatasetError,
        r"2 sample\(s\) in frame\(s\) 1 have bits set above Bits Stored, 12, .*: unused_bits='keep' codes all bits",
    )
    assert jls.compress(ds, unused_bits="clear", verify=True).cleared_samples == 2
    np.testing.assert_array_equal(jls.pixel_array(ds), frames)


@pytest.mark.parametrize("mask", [-1, 0x0FFF], ids=["extended", "not extended"])
def test_the_extension_of_a_sign_and_its_absence_are_no_unused_bits(mask):
    frames = random_frames((1, 6, 6), 12, signed=True)
    frames[0, 0, 0] = -2048
    ds = make_dataset(frames & mask, bits_stored=12)
    assert jls.compress(ds, verify=True).cleared_samples == 0
    np.testing.assert_array_equal(jls.pixel_array(ds), frames[0])
    ds = make_dataset(frames & mask, bits_stored=12)
    with pytest.warns(jls.ClippedSamplesWarning):
        jls.compress(ds, near_lossless=2, signed_overflow="clip")
    assert np.abs(jls.pixel_array(ds).astype(int) - frames[0].clip(-2046, 2045)).max() <= 2


def test_a_signed_sample_with_a_stray_bit_is_refused_or_cleared():
    frames = np.array([[[0x4001, -1], [5, -2048]]], np.int16)
    ds = make_dataset(frames, bits_stored=12)
    check_refused(jls.compress, ds, jls.DatasetError, r"1 sample\(s\) in frame\(s\) 0 have bits set")
    assert jls.compress(ds, unused_bits="clear").cleared_samples == 1
    np.testing.assert_array_equal(jls.pixel_array(ds), [[1, -1], [5, -2048]])


# --- Colours ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("source", "target"), [("RGB", "YBR_FULL"), ("YBR_FULL", "RGB")])
@pytest.mark.parametrize("planar_configuration", [0, 1])
def test_colour_conversion_is_pydicoms_and_is_recorded(source, target, planar_configuration):
    frames = random_frames((2, 6, 7, 3), 8)
    ds = make_dataset(
        frames, bits_stored=8, photometric_interpretation=source, planar_configuration=planar_configuration
    )
    uid = ds.SOPInstanceUID
    jls.compress(ds, photometric_interpretation=target, verify=True)
    assert ds.PhotometricInterpretation == target
    np.testing.assert_array_equal(jls.pixel_array(ds), convert_color_space(frames, source, target))
    assert ds.LossyImageCompression == "01"
    assert "LossyImageCompressionMethod" not in ds
    assert ds.DerivationDescription == f"{source} converted to {target}"
    assert ds.ImageType[0] == "DERIVED"
    assert uid != ds.SOPInstanceUID == ds.file_meta.MediaStorageSOPInstanceUID


@pytest.mark.parametrize("bits_stored", range(9, 17))
def test_deep_rgb_is_scaled_to_8_bits(bits_stored):
    frames = random_frames((1, 6, 7, 3), bits_stored)
    ds = make_dataset(frames, bits_stored=bits_stored)
    jls.compress(ds, photometric_interpretation="YBR_FULL")
    assert (ds.BitsAllocated, ds.BitsStored, ds.HighBit) == (8, 8, 7)
    expected = convert_color_space((frames[0] >> (bits_stored - 8)).astype(np.uint8), "RGB", "YBR_FULL")
    np.testing.assert_array_equal(jls.pixel_array(ds), expected)
    assert f"RGB converted to YBR_FULL, {bits_stored} bits scaled to 8" in ds.DerivationDescription
    jls.decompress(ds)
    assert len(ds.PixelData) == 6 * 7 * 3


@pytest.mark.parametrize(
    ("make", "target", "match"),
    [
        (
            lambda: make_dataset(random_frames((1, 4, 4), 8), bits_stored=8),
            "RGB",
            "MONOCHROME2 cannot be converted to 'RGB'",
        ),
        (
            lambda: make_dataset(random_frames((1, 4, 4, 3), 8), bits_stored=8),
            "HSV",
            "must be None, 'RGB' or 'YBR_FULL'",
        ),
        (
            lambda: make_dataset(random_frames((1, 4, 4, 3), 7), bits_stored=7, photometric_interpretation="YBR_FULL"),
            "RGB",
            r"Bits Stored \(0028,0101\) 7 cannot",
        ),
    ],
)
def test_conversions_that_do_not_exist(make, target, match):
    check_refused(lambda ds: jls.compress(ds, photometric_interpretation=target), make(), jls.ParameterError, match)


@pytest.mark.parametrize("allocated", [8, 16])
@pytest.mark.parametrize("bits_stored", range(2, 8))
def test_shallow_rgb_is_scaled_to_8_bits(bits_stored, allocated):
    highest = (1 << bits_stored) - 1
    frames = random_frames((1, 6, 7, 3), bits_stored).astype(f"u{allocated // 8}")
    frames[0, 0, 0], frames[0, 0, 1] = 0, highest
    ds = make_dataset(frames, bits_stored=bits_stored)
    jls.compress(ds, photometric_interpretation="YBR_FULL", verify=True)
    assert (ds.BitsAllocated, ds.BitsStored, ds.HighBit) == (8, 8, 7)
    scaled = np.rint(frames[0] * (255 / highest)).astype(np.uint8)
    decoded = jls.pixel_array(ds)
    np.testing.assert_array_equal(decoded, convert_color_space(scaled, "RGB", "YBR_FULL"))
    assert decoded[0, 0].tolist() == [0, 128, 128]
    assert decoded[0, 1].tolist() == [255, 128, 128]
    assert f"RGB converted to YBR_FULL, {bits_stored} bits scaled to 8" in ds.DerivationDescription


def test_the_colours_that_are_there_already_need_no_conversion():
    frames = random_frames((1, 4, 4, 3), 8)
    ds = make_dataset(frames, bits_stored=8)
    uid = ds.SOPInstanceUID
    jls.compress(ds, photometric_interpretation="RGB")
    assert ds.SOPInstanceUID == uid
    assert "LossyImageCompression" not in ds
    np.testing.assert_array_equal(jls.pixel_array(ds), frames[0])


# --- Verification ----------------------------------------------------------------------------------------------------


def test_verification_reports_the_largest_error():
    ds = read("CT_small.dcm")
    assert jls.compress(copy.deepcopy(ds), verify=True).largest_error == 0
    assert jls.compress(copy.deepcopy(ds), near_lossless=3, verify=True, **NEAR).largest_error == 3
    assert jls.compress(ds).largest_error is None


@pytest.mark.parametrize("signed", [False, True])
def test_a_failed_verification_changes_nothing(monkeypatch, signed):
    original = frames_module.encode_samples

    def faulty(image, **options):
        wrong = image.copy()
        wrong[0, 0] ^= 1
        return original(wrong, **options)

    monkeypatch.setattr(frames_module, "encode_samples", faulty)
    ds = make_dataset(random_frames((2, 5, 6), 12, signed=signed), bits_stored=12)
    check_refused(
        lambda ds: jls.compress(ds, verify=True),
        ds,
        jls.JPEGLSError,
        "frame 0: verification failed: the largest error is 1, NEAR is 0",
    )


# --- FrameCoder, a frame at a time ----------------------------------------------------------------------------------


@pytest.mark.parametrize("planar_configuration", [0, 1])
@pytest.mark.parametrize("near_lossless", [0, 2])
@pytest.mark.parametrize("threads", [1, 3])
def test_frames_coded_one_by_one_are_those_of_compress(threads, near_lossless, planar_configuration):
    frames = random_frames((6, 9, 7, 3), 8)
    ds = make_dataset(frames, bits_stored=8, planar_configuration=planar_configuration)
    options = CodingOptions(near_lossless=near_lossless, verify=True)
    coder = FrameCoder(ImagePixel(9, 7, 3, "RGB", 8, 8, 7, 0, planar_configuration, 6), options)
    expected = jls.compress(ds, options=options)
    with ThreadPoolExecutor(threads) as pool:
        coded = list(pool.map(coder.encode, range(6), frames))
    assert sum((frame.statistics for frame in coded), start=CodingStatistics()) == expected
    assert expected.largest_error == near_lossless
    assert [frame.stream for frame in coded] == list(generate_frames(ds.PixelData, number_of_frames=6))
    for index, frame in enumerate(coded):
        decoded = coder.decoder.decode(index, coder.decoder.open(index, frame.stream))
        np.testing.assert_array_equal(decoded, frame.decoded, err_msg=f"frame {index}")
        assert np.abs(decoded.astype(int) - frames[index]).max() <= near_lossless, index


def test_statistics_add_up():
    whole = CodingStatistics()
    assert whole.largest_error is None
    whole += CodingStatistics(frame_count=1, native_size=20, compressed_size=5, cleared_samples=2, clipped_samples=1)
    assert whole.largest_error is None
    whole += CodingStatistics(frame_count=2, native_size=40, compressed_size=10, largest_error=3)
    whole += CodingStatistics(frame_count=1, native_size=20, compressed_size=5, largest_error=0)
    assert whole == CodingStatistics(
        frame_count=4, native_size=80, compressed_size=20, cleared_samples=2, clipped_samples=1, largest_error=3
    )
    assert whole.ratio == 4


def test_samples_are_counted_for_each_frame():
    frames = np.zeros((3, 5, 6), np.int16)
    frames[1, 0, :2] = 0x4001  # bits above Bits Stored
    frames[2, 1, 1] = 2047  # may be decoded as -2048
    coder = FrameCoder(SIGNED, CodingOptions(near_lossless=2, unused_bits="clear", signed_overflow="clip"))
    assert coder.check_samples(frames) == [(0, 0), (2, 0), (0, 1)]
    coded = [coder.encode(index, frame).statistics for index, frame in enumerate(frames)]
    assert [part.cleared_samples for part in coded] == [0, 2, 0]
    assert [part.clipped_samples for part in coded] == [0, 0, 1]


@pytest.mark.parametrize(("index", "place"), [(7, r"frame\(s\) 7"), (None, "the frame")])
def test_a_frame_whose_samples_are_refused_is_named(index, place):
    frame = np.full((5, 6), 4096, np.uint16)
    with pytest.raises(jls.DatasetError, match=rf"30 sample\(s\) in {place} have bits set above Bits Stored, 12"):
        FrameCoder(GREY, CodingOptions()).encode(index, frame)


@pytest.mark.parametrize(("index", "place"), [(7, ", frame 7: "), (None, ": ")])
def test_a_stream_that_is_refused_is_named(index, place):
    decoder = FrameDecoder(GREY)
    with pytest.raises(jls.InvalidStreamError, match=r"^Pixel Data \(7FE0,0010\)" + place):
        decoder.open(index, b"no stream")
    other = jls.encode(np.zeros((5, 7), np.uint16), bits_per_sample=12)
    with pytest.raises(jls.DatasetError, match=rf"\(7FE0,0010\){place}Columns \(0028,0011\) is 6; .* has 7"):
        decoder.open(index, other)


def test_a_wrong_output_array_is_the_callers_fault():
    stream = jls.encode(np.zeros((5, 6), np.uint16), bits_per_sample=12)
    decoder = FrameDecoder(GREY)
    with pytest.raises(jls.ParameterError, match=r"^out: "):
        decoder.decode(0, decoder.open(0, stream), np.empty((5, 6), np.float32))


@pytest.mark.parametrize(
    ("image_pixel", "options", "uid", "error", "match"),
    [
        (GREY, {}, "1.2.3", jls.ParameterError, "transfer_syntax_uid: must be .*4.80.* or .*4.81.*, found '1.2.3'"),
        (GREY, {"near_lossless": 1}, JPEGLSLossless, jls.ParameterError, "near_lossless: 1 is allowed only with"),
        (
            GREY._replace(bits_stored=7, high_bit=6),
            {"near_lossless": 64},
            None,
            jls.ParameterError,
            "near_lossless: .*63",
        ),
        (
            GREY,
            {"photometric_interpretation": "RGB"},
            None,
            jls.ParameterError,
            "photometric_interpretation: MONOCHROME2",
        ),
        (GREY._replace(bits_stored=17), {}, None, jls.DatasetError, r"Bits Stored \(0028,0101\) is 17"),
        (
            GREY._replace(photometric_interpretation="PALETTE COLOR"),
            {"near_lossless": 1},
            None,
            jls.DatasetError,
            "'PALETTE COLOR'; JPEG-LS Near-lossless allows",
        ),
    ],
)
def test_options_and_attributes_that_do_not_fit(image_pixel, options, uid, error, match):
    options = CodingOptions(**options)
    with pytest.raises(error, match=match) as caught:
        FrameCoder(image_pixel, options, uid)
    assert type(caught.value) is error


@pytest.mark.parametrize(("near_lossless", "uid"), [(0, JPEGLSLossless), (1, JPEGLSNearLossless)])
def test_the_transfer_syntax_follows_from_near(near_lossless, uid):
    assert FrameCoder(GREY, CodingOptions(near_lossless=near_lossless)).transfer_syntax_uid == uid
