"""pydicom's own ways of coding pixel data, through the plugin."""

import re

import numpy as np
import pydicom
import pytest
from pydicom.encaps import encapsulate, generate_frames
from pydicom.pixels import compress, decompress, get_decoder, get_encoder, iter_pixels, pixel_array
from pydicom.pixels.decoders.base import JPEGLSLosslessDecoder, JPEGLSNearLosslessDecoder
from pydicom.pixels.encoders.base import JPEGLSLosslessEncoder, JPEGLSNearLosslessEncoder
from pydicom.uid import JPEGLSLossless, JPEGLSNearLossless

import dicom_jpegls as jls
from dicom_jpegls.dicom import FrameCoder, FrameDecoder, plugin
from support.dicom_files import JPEGLS_FILES, make_dataset, random_frames, read
from support.peers import Missing, jpeg_ls

CODERS = (JPEGLSLosslessDecoder, JPEGLSNearLosslessDecoder, JPEGLSLosslessEncoder, JPEGLSNearLosslessEncoder)
OURS = {"encoding_plugin": "dicom_jpegls"}

needs_pyjpegls = pytest.mark.skipif(isinstance(jpeg_ls, Missing), reason="the next plugin of pydicom is pyjpegls")


@pytest.fixture(autouse=True)
def registered():
    before = [dict(coder._available) for coder in CODERS]
    jls.register()
    yield
    jls.unregister()
    assert [dict(coder._available) for coder in CODERS] == before


@pytest.fixture
def calls(monkeypatch):
    """Count the frames that pass through this package's coders."""
    counted = []

    def counting(name, method):
        def call(*args, **options):
            counted.append(name)
            return method(*args, **options)

        return call

    monkeypatch.setattr(FrameDecoder, "open", counting("decode", FrameDecoder.open))
    monkeypatch.setattr(FrameCoder, "encode", counting("encode", FrameCoder.encode))
    return counted


@needs_pyjpegls
def test_it_is_first_and_stays_so_and_goes():
    jls.unregister()
    before = [list(coder._available.items()) for coder in CODERS]
    assert all("dicom_jpegls" not in coder.available_plugins for coder in CODERS)
    assert any(before)
    jls.register()
    jls.register()
    assert [next(iter(coder._available)) for coder in CODERS] == ["dicom_jpegls"] * len(CODERS)
    jls.unregister()
    jls.unregister()
    assert [list(coder._available.items()) for coder in CODERS] == before


def test_a_plugin_added_meanwhile_survives():
    JPEGLSLosslessDecoder.add_plugin("another", ("dicom_jpegls.dicom.plugin", "decode_frame"))
    try:
        jls.register()
        assert next(iter(JPEGLSLosslessDecoder._available)) == "dicom_jpegls"
        jls.unregister()
        assert JPEGLSLosslessDecoder._available["another"] is plugin.decode_frame
    finally:
        JPEGLSLosslessDecoder.remove_plugin("another")
        jls.register()


@pytest.mark.parametrize("name", JPEGLS_FILES)
def test_every_way_to_decode(name, calls):
    ds = read(name)
    decoder = get_decoder(ds.file_meta.TransferSyntaxUID)
    expected, _ = decoder.as_array(ds, raw=True, decoding_plugin="pyjpegls")
    assert not calls
    native = expected.astype(expected.dtype.newbyteorder("<")).tobytes()
    np.testing.assert_array_equal(pixel_array(ds, raw=True), expected)
    np.testing.assert_array_equal(ds.pixel_array, expected)
    np.testing.assert_array_equal(next(iter_pixels(ds, raw=True)), expected)
    np.testing.assert_array_equal(decoder.as_array(ds, raw=True, decoding_plugin="dicom_jpegls")[0], expected)
    assert bytes(decoder.as_buffer(ds)[0])[: len(native)] == native
    assert calls == ["decode"] * 5
    decompress(ds, generate_instance_uid=False)
    assert ds.PixelData[: len(native)] == native
    assert len(calls) == 6


@pytest.mark.parametrize(
    "name", ["CT_small.dcm", "examples_rgb_color.dcm", "examples_palette.dcm", "examples_overlay.dcm", "image_dfl.dcm"]
)
def test_every_way_to_encode(name, calls):
    expected = pixel_array(read(name), raw=True)
    ds = read(name)
    ds.compress(JPEGLSLossless)
    np.testing.assert_array_equal(jls.pixel_array(ds), expected)
    ds = read(name)
    compress(ds, JPEGLSLossless, expected, **OURS)
    np.testing.assert_array_equal(jls.pixel_array(ds), expected)
    ds = read(name)
    encoder = get_encoder(JPEGLSLossless)
    stream = encoder.encode(ds, **OURS)
    np.testing.assert_array_equal(jls.decode(stream), expected.view(expected.dtype.str.replace("i", "u")))
    assert calls.count("encode") == 3


def test_near_lossless_through_pydicom(calls):
    ds = read("CT_small.dcm")
    original = ds.pixel_array.astype(int)
    ds.compress(JPEGLSNearLossless, jls_error=3)
    assert len(ds.PixelData) == 8508
    assert np.abs(ds.pixel_array - original).max() == 3
    assert calls == ["encode", "decode"]


@pytest.mark.parametrize("bits_stored", range(2, 17))
@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("source", ["dataset", "array"])
def test_every_precision_and_sign(bits_stored, signed, source, calls):
    pixels = random_frames((2, 7, 5), bits_stored, signed=signed)
    ds = make_dataset(pixels, bits_stored=bits_stored)
    ds.compress(JPEGLSLossless, pixels if source == "array" else None, generate_instance_uid=False)
    np.testing.assert_array_equal(ds.pixel_array, pixels)
    assert calls == ["encode", "encode", "decode", "decode"]
    np.testing.assert_array_equal(jls.pixel_array(ds), pixels)


@pytest.mark.parametrize("planar_configuration", [0, 1])
@pytest.mark.parametrize("photometric_interpretation", ["RGB", "YBR_FULL"])
def test_colour(planar_configuration, photometric_interpretation, calls):
    pixels = random_frames((2, 7, 5, 3), 8)
    ds = make_dataset(
        pixels,
        bits_stored=8,
        planar_configuration=planar_configuration,
        photometric_interpretation=photometric_interpretation,
    )
    ds.compress(JPEGLSLossless)
    (mode,) = {jls.read_info(stream).interleave_mode for stream in generate_frames(ds.PixelData, number_of_frames=2)}
    assert mode == (jls.InterleaveMode.NONE if planar_configuration else jls.InterleaveMode.SAMPLE)
    np.testing.assert_array_equal(pixel_array(ds, raw=True), pixels)
    assert calls == ["encode", "encode", "decode", "decode"]


def signed_extremes():
    frames = np.zeros((2, 4, 4), np.int16)
    frames[1, 2, 3] = 2047
    frames[1, 3, 3] = -2048
    return make_dataset(frames, bits_stored=12), frames


def compress_dataset():
    ds, _ = signed_extremes()
    ds.compress(JPEGLSNearLossless, jls_error=3)


def compress_array():
    ds, frames = signed_extremes()
    ds.compress(JPEGLSNearLossless, frames, jls_error=3)


def compress_bytes():
    _, frames = signed_extremes()
    get_encoder(JPEGLSNearLossless).encode(
        frames[1].tobytes(),
        rows=4,
        columns=4,
        samples_per_pixel=1,
        bits_allocated=16,
        bits_stored=12,
        pixel_representation=1,
        photometric_interpretation="MONOCHROME2",
        number_of_frames=1,
        jls_error=3,
    )


@needs_pyjpegls
@pytest.mark.parametrize("compress_extremes", [compress_dataset, compress_bytes])
def test_the_near_promise_is_kept_by_refusing_and_no_other_plugin_takes_over(compress_extremes):
    match = (
        r"pyjpegls: not tried, because dicom_jpegls has refused: .*2 signed sample\(s\) in the frame are outside -2045"
    )
    with pytest.raises(RuntimeError, match=match):
        compress_extremes()


def test_of_arrays_pydicom_itself_refuses_the_extremes():
    with pytest.raises(ValueError, match="The supported range of pixel values when performing lossy JPEG-LS"):
        compress_array()


def test_clip_through_pydicom():
    ds, frames = signed_extremes()
    with pytest.warns(jls.ClippedSamplesWarning, match=r"2 signed sample\(s\) clipped to -2045 to 2044"):
        ds.compress(JPEGLSNearLossless, jls_error=3, signed_overflow="clip")
    assert np.abs(jls.pixel_array(ds) - frames.clip(-2045, 2044)).max() <= 3


def test_bits_above_bits_stored_through_pydicom():
    frames = np.array([[[0x0123, 0x8123], [1, 2]]], np.uint16)
    ds = make_dataset(frames, bits_stored=12)
    with pytest.raises(RuntimeError, match=r"1 sample\(s\) in the frame have bits set above Bits Stored, 12"):
        ds.compress(JPEGLSLossless)
    ds.compress(JPEGLSLossless, unused_bits="clear")
    np.testing.assert_array_equal(jls.pixel_array(ds), frames[0] & 0x0FFF)


@needs_pyjpegls
def test_a_refused_stream_is_not_given_to_the_next_plugin():
    ds = make_dataset(random_frames((1, 40, 40), 12), bits_stored=12)
    jls.compress(ds)
    (stream,) = generate_frames(ds.PixelData, number_of_frames=1)
    ds.PixelData = encapsulate([stream[:-2]])
    with pytest.raises(RuntimeError) as caught:
        _ = ds.pixel_array
    assert "dicom_jpegls: Pixel Data (7FE0,0010): the stream ends without an EOI marker" in str(caught.value)
    assert "pyjpegls: not tried, because dicom_jpegls has refused" in str(caught.value)


@needs_pyjpegls
def test_a_chosen_plugin_is_used_even_while_ours_is_first(calls):
    ds = read("MR_small_jpeg_ls_lossless.dcm")
    ours = ds.pixel_array
    theirs = pixel_array(ds, raw=True, decoding_plugin="pyjpegls")
    np.testing.assert_array_equal(ours, theirs)
    assert calls == ["decode"]
    ds = read("CT_small.dcm")
    ds.compress(JPEGLSLossless, encoding_plugin="pyjpegls")
    assert calls == ["decode"]


@pytest.mark.parametrize(
    ("keyword", "value", "match"),
    [
        ("Rows", 5, r"Rows \(0028,0010\) is 5; the JPEG-LS stream has 7"),
        ("Columns", 60000, r"Columns \(0028,0011\) is 60000; the JPEG-LS stream has 5"),
    ],
)
def test_dimensions_that_disagree_are_refused_before_decoding(keyword, value, match):
    ds = make_dataset(random_frames((1, 7, 5), 12), bits_stored=12)
    jls.compress(ds)
    setattr(ds, keyword, value)
    with pytest.raises(RuntimeError, match=match):
        _ = ds.pixel_array


def test_wrong_jls_error_is_named():
    ds = make_dataset(random_frames((1, 7, 5), 3), bits_stored=3)
    with pytest.raises(RuntimeError, match=r"near_lossless: .*0 to 3 for Bits Stored"):
        ds.compress(JPEGLSNearLossless, jls_error=4)
    with pytest.raises(RuntimeError, match="near_lossless: 2 is allowed only with"):
        get_encoder(JPEGLSLossless).encode(ds, jls_error=2)


def test_compressed_files_are_written_and_read_by_pydicom(tmp_path):
    ds = read("CT_small.dcm")
    expected = ds.pixel_array.copy()
    ds.compress(JPEGLSLossless)
    ds.save_as(tmp_path / "a.dcm")
    np.testing.assert_array_equal(pydicom.dcmread(tmp_path / "a.dcm").pixel_array, expected)


def test_restart_interval_and_workers_through_pydicom():
    image = random_frames((1, 64, 20), 12)
    ds = make_dataset(image, bits_stored=12)
    ds.compress(JPEGLSLossless, encoding_plugin="dicom_jpegls", restart_interval=16, workers=2)
    assert ds.PixelData.count(b"\xff\xd0") == 1
    np.testing.assert_array_equal(ds.pixel_array, image[0])


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("signed_overflow", "wrap"),
        ("unused_bits", "wrap"),
        ("unused_bits", ["clear"]),
        ("restart_interval", 0),
        ("jls_error", 256),
    ],
)
def test_a_wrong_option_is_refused_even_where_it_does_not_matter(option, value):
    ds = make_dataset(random_frames((1, 5, 6), 8), bits_stored=8)
    name = "near_lossless" if option == "jls_error" else option
    with pytest.raises(RuntimeError, match=rf"{name}: .*{re.escape(str(value))}"):
        get_encoder(JPEGLSNearLossless).encode(ds, **{option: value})
