"""Bits Allocated, Bits Stored and the precision of the streams: numbers within Bits Stored, and all bits if wanted."""

import numpy as np
import pytest
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import JPEGLSLossless, JPEGLSNearLossless

import dicom_jpegls as jls
from support.dicom_files import check_refused, little_endian, make_dataset, random_frames


def precisions(ds):
    number = int(ds.get("NumberOfFrames", 1))
    return {jls.read_info(stream).bits_per_sample for stream in generate_frames(ds.PixelData, number_of_frames=number)}


def deep_dataset(words, bits_stored, precision=16):
    """Make a dataset whose streams have more bits than Bits Stored, as other encoders write them."""
    ds = make_dataset(words, bits_stored=bits_stored)
    unsigned = words.view(np.uint16) & ((1 << precision) - 1)
    ds.PixelData = encapsulate([jls.encode(frame, bits_per_sample=precision) for frame in unsigned])
    ds["PixelData"].VR = "OB"
    ds["PixelData"].is_undefined_length = True
    ds.file_meta.TransferSyntaxUID = JPEGLSLossless
    return ds


def every_number(ds):
    """Return the samples as each function delivers numbers, by name."""
    shape = jls.pixel_array(ds).shape
    out = np.empty(shape, np.int32)
    jls.register()
    try:
        plugin = ds.pixel_array
    finally:
        jls.unregister()
    return {
        "pixel_array": jls.pixel_array(ds),
        "pixel_array out": jls.pixel_array(ds, out=out),
        "iter_frames": np.stack(list(jls.iter_frames(ds))).reshape(shape),
        "pixel_array_partial": jls.pixel_array_partial(ds).array,
        "plugin": plugin,
    }


@pytest.mark.parametrize("precision", [13, 15, 16])
@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("upper", ["zero", "overlay", "sign"])
def test_numbers_are_within_bits_stored_whatever_the_streams_hold(precision, signed, upper):
    numbers = random_frames((2, 6, 7), 12, signed=signed)
    words = numbers.view(np.uint16).copy()
    if upper != "sign":
        words &= 0x0FFF
    if upper == "overlay":
        words[1, 2:4, 3:] |= 1 << (precision - 1)
    words = words.view(numbers.dtype)
    ds = deep_dataset(words, 12, precision)
    for name, found in every_number(ds).items():
        np.testing.assert_array_equal(found, numbers, err_msg=name)
    jls.decompress(ds)
    restored = np.frombuffer(ds.PixelData, "<u2").reshape(words.shape)
    mask = (1 << precision) - 1
    np.testing.assert_array_equal(restored & mask, words.view(np.uint16) & mask)
    np.testing.assert_array_equal(ds.pixel_array, numbers)


def test_fill_values_are_not_masked():
    words = random_frames((1, 40, 30), 12)
    ds = deep_dataset(words, 12)
    ds.PixelData = ds.PixelData[:-900]
    array, good_lines, errors = jls.pixel_array_partial(ds, fill_value=65535)
    assert list(errors) == [0]
    assert 0 < good_lines.sum() < 40
    np.testing.assert_array_equal(array[good_lines], words[0, good_lines])
    assert (array[~good_lines] == 65535).all()


def test_a_high_bit_that_would_mean_other_bits_is_refused_for_numbers():
    words = random_frames((1, 6, 7), 12) << 4
    ds = deep_dataset(words, 12)
    ds.HighBit = 15
    for function in (jls.pixel_array, lambda ds: list(jls.iter_frames(ds))):
        with pytest.raises(jls.DatasetError, match=r"High Bit \(0028,0102\) is 15; it must be one less than Bits Sto"):
            function(ds)
    jls.decompress(ds)
    assert ds.PixelData == little_endian(words)


@pytest.mark.parametrize(("dtype", "fits"), [("u2", True), ("i2", False), ("i4", True), ("u4", True), ("f4", False)])
def test_output_arrays_can_hold_the_numbers(dtype, fits):
    frames = random_frames((1, 6, 7), 16)
    ds = make_dataset(frames, bits_stored=16)
    jls.compress(ds)
    out = np.zeros((6, 7), dtype)
    if fits:
        np.testing.assert_array_equal(jls.pixel_array(ds, out=out), frames[0])
    else:
        with pytest.raises(jls.ParameterError, match="out: must have an integer dtype that can hold 0 to 65535"):
            jls.pixel_array(ds, out=out)


def test_signed_numbers_need_a_signed_output_array():
    frames = random_frames((1, 6, 7), 12, signed=True)
    ds = make_dataset(frames, bits_stored=12)
    jls.compress(ds)
    with pytest.raises(jls.ParameterError, match="can hold -2048 to 2047, found uint16"):
        jls.pixel_array(ds, out=np.zeros((6, 7), np.uint16))


# --- 8 bits in 16 ----------------------------------------------------------------------------------------------------

SIGNS = pytest.mark.parametrize("signed", [False, True])
SHALLOW = pytest.mark.parametrize("bits_stored", [2, 5, 8])


@SIGNS
@SHALLOW
def test_lossless_streams_have_more_than_8_bits_in_16(bits_stored, signed):
    frames = random_frames((2, 6, 7), bits_stored, signed=signed).astype(np.int16 if signed else np.uint16)
    ds = make_dataset(frames, bits_stored=bits_stored)
    native = ds.PixelData
    jls.compress(ds, verify=True)
    assert precisions(ds) == {16 if signed else 9}
    assert (ds.BitsAllocated, ds.BitsStored) == (16, bits_stored)
    for name, found in every_number(ds).items():
        np.testing.assert_array_equal(found, frames, err_msg=name)
    jls.decompress(ds)
    assert ds.PixelData == native


@SIGNS
@SHALLOW
@pytest.mark.parametrize("near_lossless", [0, 1])
def test_bits_allocated_is_reduced_on_request_and_for_near_lossless(bits_stored, signed, near_lossless):
    frames = random_frames((2, 6, 7), bits_stored, signed=signed).astype(np.int16 if signed else np.uint16)
    limit = 1 << (bits_stored - 1)
    if signed:
        frames = frames.clip(-limit + near_lossless, limit - 1 - near_lossless)
    ds = make_dataset(frames, bits_stored=bits_stored)
    jls.compress(ds, near_lossless=near_lossless, reduce_bits_allocated=not near_lossless, verify=True)
    assert precisions(ds) == {bits_stored}
    assert (ds.BitsAllocated, ds.BitsStored, ds.HighBit) == (8, bits_stored, bits_stored - 1)
    assert ("LossyImageCompression" in ds) == bool(near_lossless)
    for name, found in every_number(ds).items():
        assert found.dtype.itemsize == 1 or "out" in name
        assert np.abs(found.astype(int) - frames).max() <= near_lossless, name
    jls.decompress(ds)
    assert len(ds.PixelData) == 2 * 6 * 7
    assert np.abs(ds.pixel_array.astype(int) - frames).max() <= near_lossless


@pytest.mark.parametrize("bits_stored", [9, 12, 16])
def test_deeper_images_keep_bits_allocated(bits_stored):
    ds = make_dataset(random_frames((1, 6, 7), bits_stored), bits_stored=bits_stored)
    jls.compress(ds, reduce_bits_allocated=True)
    assert ds.BitsAllocated == 16
    assert precisions(ds) == {bits_stored}


def test_a_reduced_sample_whose_sign_was_not_extended():
    words = np.array([[[0x00FF, 0x0080, 0x007F, 5]]], np.int16)
    ds = make_dataset(words, bits_stored=8)
    jls.compress(ds, reduce_bits_allocated=True, verify=True)
    assert jls.pixel_array(ds).tolist() == [[-1, -128, 127, 5]]
    ds = make_dataset(words, bits_stored=8)
    jls.compress(ds, verify=True)
    assert jls.pixel_array(ds).tolist() == [[-1, -128, 127, 5]]
    jls.decompress(ds)
    assert ds.PixelData == little_endian(words)


@SIGNS
@SHALLOW
@pytest.mark.parametrize("near_lossless", [0, 1])
def test_a_round_trip_through_pydicom_has_bits_allocated(bits_stored, signed, near_lossless):
    frames = random_frames((2, 6, 7), bits_stored, signed=signed).astype(np.int16 if signed else np.uint16)
    limit = 1 << (bits_stored - 1)
    if signed:
        frames = frames.clip(-limit + near_lossless, limit - 1 - near_lossless)
    ds = make_dataset(frames, bits_stored=bits_stored)
    native = ds.PixelData
    jls.register()
    try:
        if near_lossless:
            ds.compress(JPEGLSNearLossless, jls_error=near_lossless)
        else:
            ds.compress(JPEGLSLossless)
        assert precisions(ds) == {bits_stored if near_lossless else 16 if signed else 9}
        ds.decompress()
    finally:
        jls.unregister()
    assert ds.BitsAllocated == 16
    assert len(ds.PixelData) == len(native)
    assert np.abs(ds.pixel_array.astype(int) - frames).max() <= near_lossless
    if not near_lossless:
        assert ds.PixelData == native


# --- Bits above Bits Stored ------------------------------------------------------------------------------------------


def with_unused_bits(signed):
    words = random_frames((2, 6, 7), 12, signed=signed)
    words[1, 2, 3] = 0x4001
    words[1, 5, 5] = -0x7000 if signed else 63536
    return words


@SIGNS
@pytest.mark.parametrize("big_endian", [False, True])
def test_bits_that_are_kept_are_restored(signed, big_endian):
    words = with_unused_bits(signed)
    if signed:
        words[0, 0, 0] = 0x0FFF  # -1 without its extension
    ds = make_dataset(words, bits_stored=12, big_endian=big_endian)
    statistics = jls.compress(ds, unused_bits="keep", verify=True)
    assert (statistics.cleared_samples, statistics.largest_error) == (0, 0)
    assert ds.BitsStored == 12
    assert precisions(ds) == {16}
    numbers = words << 4 >> 4 if signed else words & 0x0FFF
    for name, found in every_number(ds).items():
        np.testing.assert_array_equal(found, numbers, err_msg=name)
    jls.decompress(ds)
    assert ds.PixelData == little_endian(words)


@pytest.mark.parametrize("container", [np.uint8, np.uint16])
def test_bits_above_a_few_are_kept(container):
    words = np.arange(256, dtype=container).reshape(1, 16, 16)
    ds = make_dataset(words, bits_stored=6)
    jls.compress(ds, unused_bits="keep")
    np.testing.assert_array_equal(jls.pixel_array(ds), words[0] & 63)
    jls.decompress(ds)
    assert ds.PixelData == little_endian(words)


def test_the_error_proposes_what_is_possible():
    ds = make_dataset(with_unused_bits(False), bits_stored=12)
    check_refused(
        jls.compress, ds, jls.DatasetError, "unused_bits='keep' codes all bits, so that decompress restores them"
    )
    check_refused(
        lambda ds: jls.compress(ds, near_lossless=1),
        ds,
        jls.DatasetError,
        "perhaps an overlay or padding: unused_bits='clip' moves the numbers to the nearest limit, 'clear' removes",
    )


@SIGNS
@pytest.mark.parametrize("near_lossless", [0, 2])
def test_an_overshoot_is_clipped_and_never_wrapped(signed, near_lossless):
    lowest, highest = (-2048, 2047) if signed else (0, 4095)
    numbers = np.linspace(lowest, highest, 42).astype(np.int16 if signed else np.uint16).reshape(1, 6, 7)
    overshot = numbers.copy()
    overshot[0, 0, 3], overshot[0, 5, 2] = highest + 1, highest + 5
    if signed:
        overshot[0, 2, 2] = lowest - 3
    ds = make_dataset(overshot, bits_stored=12)
    options = {"signed_overflow": "clip"} if signed and near_lossless else {}
    expected = overshot[0].astype(int).clip(lowest, highest)
    if options:
        expected = expected.clip(lowest + near_lossless, highest - near_lossless)
        with pytest.warns(jls.ClippedSamplesWarning):
            statistics = jls.compress(ds, unused_bits="clip", near_lossless=near_lossless, verify=True, **options)
    else:
        statistics = jls.compress(ds, unused_bits="clip", near_lossless=near_lossless, verify=True)
    assert statistics.cleared_samples == 2 + signed
    assert np.abs(jls.pixel_array(ds) - expected).max() <= near_lossless


def test_signed_numbers_that_are_too_large_do_not_pass_for_signs_without_extension():
    frames = np.array([[[2048, 4095, 1, 5]], [[2048, 4095, -1, 5]]], np.int16)
    ds = make_dataset(frames, bits_stored=12)
    check_refused(jls.compress, ds, jls.DatasetError, r"2 sample\(s\) in frame\(s\) 1 have bits set above Bits Stored")
    jls.compress(ds, unused_bits="clip")
    np.testing.assert_array_equal(jls.pixel_array(ds), frames.clip(-2048, 2047))


# --- Colour by pixel and by plane in one dataset ---------------------------------------------------------------------


@pytest.mark.parametrize("modes", ["SN", "NS", "LN", "NN", "SLN", "NLS"])
def test_frames_of_several_interleave_modes(modes):
    frames = random_frames((len(modes), 6, 7, 3), 8)
    names = {"S": jls.InterleaveMode.SAMPLE, "L": jls.InterleaveMode.LINE, "N": jls.InterleaveMode.NONE}
    ds = make_dataset(frames, bits_stored=8)
    streams = [jls.encode(frame, interleave_mode=names[mode]) for frame, mode in zip(frames, modes, strict=True)]
    ds.PixelData = encapsulate(streams)
    ds["PixelData"].is_undefined_length = True
    ds.file_meta.TransferSyntaxUID = JPEGLSLossless
    for name, found in every_number(ds).items():
        np.testing.assert_array_equal(found, frames, err_msg=name)
    jls.register()
    try:
        ds.decompress()
    finally:
        jls.unregister()
    np.testing.assert_array_equal(ds.pixel_array, frames)


def test_the_plugin_refuses_streams_deeper_than_bits_allocated():
    ds = deep_dataset(random_frames((1, 6, 7), 12), 12, 12)
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = 8, 8, 7
    match = r"Bits Allocated \(0028,0100\) is 8; the JPEG-LS stream's samples have 12 bits"
    for function in (jls.pixel_array, jls.decompress):
        check_refused(function, ds, jls.DatasetError, match)
    jls.register()
    try:
        with pytest.raises(RuntimeError, match=match):
            _ = ds.pixel_array
    finally:
        jls.unregister()
