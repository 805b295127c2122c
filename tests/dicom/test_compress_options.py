"""What `compress` promises beyond the codec: signs, stray bits, colours, attributes, offset tables, verification."""

import copy
import struct

import hypothesis.strategies as st
import numpy as np
import pydicom
import pytest
from hypothesis import example, given, settings
from hypothesis.extra import numpy as hnp
from pydicom.encaps import encapsulate, generate_fragments, generate_frames
from pydicom.pixels.processing import convert_color_space
from pydicom.uid import JPEGLSLossless, JPEGLSNearLossless

import dicom_jpegls as jls
from dicom_jpegls.dicom import dataset, pixel_data
from support.dicom_files import TEST_FILES, check_refused, make_dataset, random_frames, read

NEAR = {"transfer_syntax_uid": JPEGLSNearLossless}


# --- The promise of NEAR for signed samples -----------------------------------------------------------------------


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
        with pytest.raises(
            jls.ParameterError, match=rf"{outside} signed sample\(s\) .* outside {lowest} to {highest},"
        ):
            jls.compress(ds, **options)
        return
    if lowest > highest:  # with NEAR this large there is no safe value, and so no image that is not refused or clipped
        assert signed_overflow == "clip"
        return
    result = jls.compress(ds, **options)
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
        assert np.abs(decoded.astype(int) - frame).max() <= near_lossless


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
        jls.ParameterError,
        r"14 signed sample\(s\) in frame\(s\) 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 and 3 more lie outside -2043 to 2042, .*"
        r"Bits Stored 12 with near_lossless 5",
    )


def test_clipped_arrays_warn():
    image = np.array([[-128, 0, 127]], np.int8)
    with pytest.warns(jls.ClippedSamplesWarning, match=r"2 signed sample\(s\) clipped to -125 to 124"):
        stream = jls.encode(image, near_lossless=3, signed_overflow="clip")
    decoded = jls.decode(stream, out=np.empty((1, 3), np.int8))
    assert np.abs(decoded.astype(int) - image.clip(-125, 124)).max() <= 3


# --- Bits above Bits Stored ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("big_endian", [False, True])
def test_an_overlay_in_the_high_bits_is_refused_or_cleared(big_endian):
    frames = random_frames((2, 4, 5), 12)
    overlaid = frames.copy()
    overlaid[1, 2, 2:4] |= 0x8000
    ds = make_dataset(overlaid, bits_stored=12, big_endian=big_endian)
    check_refused(
        jls.compress, ds, jls.ParameterError, r"2 sample\(s\) in frame\(s\) 1 have bits set above Bits Stored, 12"
    )
    assert jls.compress(ds, unused_bits="clear", verify=True).cleared_samples == 2
    np.testing.assert_array_equal(jls.pixel_array(ds), frames)


def test_the_extension_of_a_sign_and_its_absence_are_no_stray_bits():
    frames = random_frames((1, 6, 6), 12, signed=True)
    assert frames.min() < 0
    for stored in (frames, frames & 0x0FFF):
        ds = make_dataset(stored, bits_stored=12)
        assert jls.compress(ds).cleared_samples == 0
        np.testing.assert_array_equal(jls.pixel_array(ds), frames[0])
        ds = make_dataset(stored, bits_stored=12)
        jls.compress(ds, near_lossless=2, signed_overflow="clip", **NEAR)
        assert np.abs(jls.pixel_array(ds).astype(int) - frames[0].clip(-2046, 2045)).max() <= 2


def test_a_signed_sample_with_a_stray_bit_is_refused_or_cleared():
    frames = np.array([[[0x4001, -1], [5, -2048]]], np.int16)
    ds = make_dataset(frames, bits_stored=12)
    check_refused(jls.compress, ds, jls.ParameterError, r"1 sample\(s\) in frame\(s\) 0 have bits set")
    assert jls.compress(ds, unused_bits="clear").cleared_samples == 1
    np.testing.assert_array_equal(jls.pixel_array(ds), [[1, -1], [5, -2048]])


# --- Colours ------------------------------------------------------------------------------------------------------


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
def test_deep_rgb_is_scaled_down_to_8_bits(bits_stored):
    frames = random_frames((1, 6, 7, 3), bits_stored)
    ds = make_dataset(frames, bits_stored=bits_stored)
    jls.compress(ds, photometric_interpretation="YBR_FULL")
    assert (ds.BitsAllocated, ds.BitsStored, ds.HighBit) == (8, 8, 7)
    expected = convert_color_space((frames[0] >> (bits_stored - 8)).astype(np.uint8), "RGB", "YBR_FULL")
    np.testing.assert_array_equal(jls.pixel_array(ds), expected)
    assert f"RGB converted to YBR_FULL, {bits_stored} bits scaled down to 8" in ds.DerivationDescription
    jls.decompress(ds)
    assert len(ds.PixelData) == 6 * 7 * 3


@pytest.mark.parametrize(
    ("make", "target", "match"),
    [
        (lambda: make_dataset(random_frames((1, 4, 4), 8), bits_stored=8), "RGB", "'RGB' cannot be made from 'MONOC"),
        (lambda: make_dataset(random_frames((1, 4, 4, 3), 8), bits_stored=8), "HSV", "'HSV' cannot be made from 'RGB'"),
        (lambda: make_dataset(random_frames((1, 4, 4, 3), 7), bits_stored=7), "YBR_FULL", r"Bits Stored .* is 7; "),
    ],
)
def test_conversions_that_do_not_exist(make, target, match):
    check_refused(lambda ds: jls.compress(ds, photometric_interpretation=target), make(), jls.ParameterError, match)


def test_the_colours_that_are_there_already_need_no_conversion():
    frames = random_frames((1, 4, 4, 3), 8)
    ds = make_dataset(frames, bits_stored=8)
    uid = ds.SOPInstanceUID
    jls.compress(ds, photometric_interpretation="RGB")
    assert ds.SOPInstanceUID == uid
    assert "LossyImageCompression" not in ds
    np.testing.assert_array_equal(jls.pixel_array(ds), frames[0])


# --- Lossy attributes (PS3.3 C.7.6.1.1.5) -------------------------------------------------------------------------


def test_lossy_attributes():
    ds = read("CT_small.dcm")
    original = copy.deepcopy(ds)
    result = jls.compress(ds, near_lossless=3, **NEAR)
    assert ds.LossyImageCompression == "01"
    assert float(ds.LossyImageCompressionRatio) == round(32768 / result.compressed_size, 3)
    assert ds.LossyImageCompressionMethod == "ISO_14495_1"
    assert ds.ImageType == ["DERIVED", *original.ImageType[1:]]
    assert ds.DerivationDescription.startswith("JPEG-LS near-lossless compression, largest error 3, ratio 3.8")
    (code,) = ds.DerivationCodeSequence
    assert (code.CodeValue, code.CodingSchemeDesignator) == ("113040", "DCM")
    assert original.SOPInstanceUID != ds.SOPInstanceUID == ds.file_meta.MediaStorageSOPInstanceUID
    (source,) = ds.SourceImageSequence
    assert source.ReferencedSOPInstanceUID == original.SOPInstanceUID
    assert source.ReferencedSOPClassUID == original.SOPClassUID
    assert source.PurposeOfReferenceCodeSequence[0].CodeValue == "121320"


def test_lossy_attributes_are_appended_to_earlier_ones():
    ds = read("CT_small.dcm")
    ds.LossyImageCompression = "01"
    ds.LossyImageCompressionRatio = "10"
    ds.LossyImageCompressionMethod = "ISO_10918_1"
    ds.DerivationDescription = "averaged"
    jls.compress(ds, near_lossless=1, **NEAR)
    assert ds.LossyImageCompressionRatio[0] == 10
    assert len(ds.LossyImageCompressionRatio) == 2
    assert list(ds.LossyImageCompressionMethod) == ["ISO_10918_1", "ISO_14495_1"]
    assert ds.DerivationDescription.startswith("averaged; JPEG-LS near-lossless")
    jls.decompress(ds)
    jls.compress(ds, near_lossless=1, **NEAR)
    assert len(ds.LossyImageCompressionMethod) == 3
    assert len(ds.SourceImageSequence) == 2
    assert len(ds.DerivationCodeSequence) == 2


@pytest.mark.parametrize(
    "options",
    [{}, {"transfer_syntax_uid": JPEGLSNearLossless}, {"near_lossless": 3, "lossy_attributes": False, **NEAR}],
)
def test_nothing_is_recorded_without_a_loss_or_on_request(options):
    ds = read("CT_small.dcm")
    jls.compress(ds, **options)
    original = read("CT_small.dcm")
    assert [element for element in ds if element.keyword != "PixelData"] == [
        element for element in original if element.keyword != "PixelData"
    ]
    assert ds.file_meta.MediaStorageSOPInstanceUID == original.file_meta.MediaStorageSOPInstanceUID


# --- Encapsulation ------------------------------------------------------------------------------------------------


def count_fragments(ds):
    return len(list(generate_fragments(ds.PixelData))) - 1  # the first item is the offset table


@pytest.mark.parametrize("offset_table", ["basic", "extended", "empty"])
def test_offset_tables_are_written(offset_table):
    frames = random_frames((3, 5, 6), 12)
    ds = make_dataset(frames, bits_stored=12)
    jls.compress(ds, offset_table=offset_table)
    streams = list(generate_frames(ds.PixelData, number_of_frames=3))
    offsets = [0, len(streams[0]) + 8, len(streams[0]) + len(streams[1]) + 16]
    (basic_size,) = struct.unpack_from("<L", ds.PixelData, 4)
    if offset_table == "basic":
        assert struct.unpack_from("<3L", ds.PixelData, 8) == tuple(offsets)
        assert "ExtendedOffsetTable" not in ds
    else:
        assert basic_size == 0
    if offset_table == "extended":
        assert struct.unpack("<3Q", ds.ExtendedOffsetTable) == tuple(offsets)
        assert struct.unpack("<3Q", ds.ExtendedOffsetTableLengths) == tuple(len(stream) for stream in streams)
    assert count_fragments(ds) == 3
    np.testing.assert_array_equal(ds.pixel_array, frames)


def test_extended_offset_table_from_4_gib_on(monkeypatch):
    monkeypatch.setattr(pixel_data, "_MAXIMUM_BASIC_OFFSET", 100)
    ds = make_dataset(random_frames((3, 25, 26), 12), bits_stored=12)
    jls.compress(ds)
    assert "ExtendedOffsetTable" in ds


def three_frames():
    frames = random_frames((3, 25, 26), 12)
    ds = make_dataset(frames, bits_stored=12)
    jls.compress(ds)
    return ds, frames, list(generate_frames(ds.PixelData, number_of_frames=3))


@pytest.mark.parametrize("table", [True, False])
@pytest.mark.parametrize("parts", [2, 5])
def test_frames_split_over_fragments(parts, table):
    ds, frames, streams = three_frames()
    ds.PixelData = encapsulate(streams, fragments_per_frame=parts, has_bot=table)
    assert count_fragments(ds) == 3 * parts
    np.testing.assert_array_equal(jls.pixel_array(ds), frames)
    jls.decompress(ds)
    np.testing.assert_array_equal(ds.pixel_array, frames)


@pytest.mark.parametrize("table", [True, False])
def test_more_frames_than_the_number_of_frames_are_refused(table):
    ds, _, streams = three_frames()
    ds.NumberOfFrames = 1
    ds.PixelData = encapsulate(streams, has_bot=table)
    with pytest.raises(jls.ParameterError, match=r"Number of Frames \(0028,0008\) is 1; Pixel Data holds 3 frame"):
        jls.pixel_array(ds)


def test_a_single_frame_split_over_fragments():
    ds, frames, streams = three_frames()
    ds.NumberOfFrames = 1
    ds.PixelData = encapsulate(streams[:1], fragments_per_frame=4)
    np.testing.assert_array_equal(jls.pixel_array(ds), frames[0])


def test_a_wrong_basic_offset_table_does_not_matter():
    ds, frames, _ = three_frames()
    data = bytearray(ds.PixelData)
    struct.pack_into("<3L", data, 8, 0, 10, 7)
    ds.PixelData = bytes(data)
    np.testing.assert_array_equal(jls.pixel_array(ds), frames)


def test_a_wrong_extended_offset_table_does_not_matter():
    ds, frames, _ = three_frames()
    ds.ExtendedOffsetTable = struct.pack("<3Q", 5, 6, 7)
    ds.ExtendedOffsetTableLengths = struct.pack("<3Q", 1, 2, 3)
    np.testing.assert_array_equal(jls.pixel_array(ds), frames)


def test_odd_fragments_and_padding_behind_a_frame():
    ds, frames, streams = three_frames()
    padded = [stream + padding for stream, padding in zip(streams, (b"\0\0", b"\0" * 5, b"\0"), strict=True)]
    items = b"".join(b"\xfe\xff\x00\xe0" + struct.pack("<L", len(frame)) + frame for frame in padded)
    ds.PixelData = b"\xfe\xff\x00\xe0\0\0\0\0" + items
    np.testing.assert_array_equal(jls.pixel_array(ds), frames)


def test_a_truncated_fragment_is_named():
    ds, _, streams = three_frames()
    ds.PixelData = encapsulate(streams)[:-30]
    with pytest.raises((jls.ParameterError, jls.InvalidStreamError), match=r"Pixel Data \(7FE0,0010\)"):
        jls.pixel_array(ds)


@pytest.mark.parametrize(
    ("number", "match"),
    [
        (None, r"Number of Frames \(0028,0008\) is 1; Pixel Data holds 3 frame"),
        (0, r"Number of Frames \(0028,0008\) is 1; Pixel Data holds 3 frame"),
        (2, r"Number of Frames \(0028,0008\) is 2; Pixel Data holds 3 frame"),
        (4, r"Number of Frames \(0028,0008\) is 4; Pixel Data holds 3 frame"),
        (-1, r"Number of Frames \(0028,0008\) is -1; 1 or more is allowed"),
    ],
)
def test_a_wrong_number_of_frames_is_refused(number, match):
    ds, _, _ = three_frames()
    if number is None:
        del ds.NumberOfFrames
    else:
        ds.NumberOfFrames = number
    for function in (jls.pixel_array, jls.decompress):
        check_refused(function, ds, jls.ParameterError, match)


@pytest.mark.parametrize("number", [None, 0, ""])
def test_a_single_frame_needs_no_number_of_frames(number):
    frames = random_frames((1, 5, 6), 12)
    ds = make_dataset(frames, bits_stored=12)
    if number is not None:
        ds.NumberOfFrames = number
    jls.compress(ds)
    np.testing.assert_array_equal(jls.pixel_array(ds), frames[0])
    jls.decompress(ds)
    assert len(ds.PixelData) == frames.nbytes


# --- Kinds of pixel data ------------------------------------------------------------------------------------------


def test_deferred_pixel_data_is_read():
    expected = read("CT_small.dcm").pixel_array
    ds = pydicom.dcmread(TEST_FILES / "CT_small.dcm", defer_size=1024)
    jls.compress(ds)
    np.testing.assert_array_equal(jls.pixel_array(ds), expected)


def test_pixel_data_in_a_file_like_object(tmp_path):
    frames = random_frames((1, 50, 60), 12)
    path = tmp_path / "pixels"
    path.write_bytes(frames.tobytes())
    ds = make_dataset(frames, bits_stored=12)
    with path.open("rb") as file:
        ds.PixelData = file
        jls.compress(ds)
    np.testing.assert_array_equal(jls.pixel_array(ds), frames[0])


@pytest.mark.parametrize(
    ("name", "match"),
    [
        ("rtdose.dcm", r"Bits Allocated \(0028,0100\) is 32"),
        ("liver_1frame.dcm", r"Bits Allocated \(0028,0100\) is 1"),
        ("rtplan.dcm", r"Pixel Data \(7FE0,0010\) is absent"),
        ("SC_ybr_full_422_uncompressed.dcm", r"Photometric Interpretation \(0028,0004\) is 'YBR_FULL_422'"),
        ("badVR.dcm", r"Number of Frames \(0028,0008\) is '1A'; a whole number is needed"),
    ],
)
def test_what_jpegls_cannot_hold_is_named(name, match):
    with pytest.raises(jls.ParameterError, match=match):
        jls.compress(read(name))


@pytest.mark.parametrize("keyword", ["FloatPixelData", "DoubleFloatPixelData"])
def test_float_pixels_are_named(keyword):
    ds = make_dataset(random_frames((1, 4, 4), 8), bits_stored=8)
    del ds.PixelData
    setattr(ds, keyword, bytes(128))
    check_refused(jls.compress, ds, jls.ParameterError, f"it has {keyword}, which JPEG-LS cannot code")


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 1, 9), (3, 9, 1), (1, 3, 3), (5, 1, 3), (1, 1, 1, 3), (3, 3, 3, 3)])
@pytest.mark.parametrize("bits_stored", [8, 12])
def test_odd_sizes(shape, bits_stored):
    frames = random_frames(shape, bits_stored)
    ds = make_dataset(frames, bits_stored=bits_stored)
    native = ds.PixelData
    jls.compress(ds, verify=True)
    for stream in generate_fragments(ds.PixelData):
        assert len(stream) % 2 == 0
    jls.decompress(ds)
    assert ds.PixelData == native


# --- Verification -------------------------------------------------------------------------------------------------


def test_verification_reports_the_largest_error():
    ds = read("CT_small.dcm")
    assert jls.compress(copy.deepcopy(ds), verify=True).largest_error == 0
    assert jls.compress(copy.deepcopy(ds), near_lossless=3, verify=True, **NEAR).largest_error == 3
    assert jls.compress(ds).largest_error is None


@pytest.mark.parametrize("signed", [False, True])
def test_a_failed_verification_changes_nothing(monkeypatch, signed):
    original = dataset.encode_samples

    def faulty(image, **options):
        wrong = image.copy()
        wrong[0, 0] ^= 1
        return original(wrong, **options)

    monkeypatch.setattr(dataset, "encode_samples", faulty)
    ds = make_dataset(random_frames((2, 5, 6), 12, signed=signed), bits_stored=12)
    check_refused(
        lambda ds: jls.compress(ds, verify=True),
        ds,
        jls.JPEGLSError,
        "frame 0: verification failed: the largest error is 1, NEAR is 0",
    )


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"signed_overflow": "wrap"}, "signed_overflow: must be 'error' or 'clip', found 'wrap'"),
        ({"unused_bits": "keep"}, "unused_bits: 'keep'; 'error' and 'clear' are allowed"),
        ({"offset_table": "none"}, "offset_table: 'none'; 'basic', 'extended', 'empty' are allowed"),
    ],
)
def test_wrong_options_are_named(options, match):
    ds = make_dataset(random_frames((1, 4, 4), 8), bits_stored=8)
    check_refused(lambda ds: jls.compress(ds, **options), ds, jls.ParameterError, match)


def test_lossless_is_the_default():
    ds = read("CT_small.dcm")
    jls.compress(ds)
    assert ds.file_meta.TransferSyntaxUID == JPEGLSLossless
