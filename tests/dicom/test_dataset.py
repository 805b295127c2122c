"""Whole datasets: in place, exact, and untouched after an error."""

import io

import numpy as np
import pydicom
import pytest
from pydicom.encaps import encapsulate, encapsulate_extended, generate_frames
from pydicom.pixels.decoders import JPEGLSLosslessDecoder, JPEGLSNearLosslessDecoder
from pydicom.pixels.utils import pixel_array as native_pixel_array
from pydicom.uid import (
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    JPEGLSNearLossless,
)

import dicom_jpegls as jls
from support.dicom_files import JPEGLS_FILES, NATIVE_FILES, check_refused, make_dataset, random_frames, read


def decoded_by_pyjpegls(ds):
    decoder = JPEGLSLosslessDecoder if ds.file_meta.TransferSyntaxUID == JPEGLSLossless else JPEGLSNearLosslessDecoder
    return decoder.as_array(ds, raw=True, decoding_plugin="pyjpegls")[0]


def written_and_read(ds):
    buffer = io.BytesIO()
    ds.save_as(buffer, enforce_file_format=True)
    buffer.seek(0)
    return pydicom.dcmread(buffer)


@pytest.mark.parametrize("name", JPEGLS_FILES)
def test_jpegls_files_decode_as_with_pyjpegls(name):
    ds = read(name)
    ours = jls.pixel_array(ds)
    theirs = decoded_by_pyjpegls(ds)
    assert ours.dtype == theirs.dtype
    np.testing.assert_array_equal(ours, theirs)


@pytest.mark.filterwarnings("ignore:The pixel data is 8320 bytes long")  # pydicom, of MR_small_padded
@pytest.mark.parametrize("name", NATIVE_FILES)
def test_native_files_round_trip_exactly(name):
    ds = read(name)
    expected = native_pixel_array(ds, raw=True)
    pixel_data = ds.PixelData
    planar_configuration = ds.get("PlanarConfiguration")
    little_endian = ds.file_meta.TransferSyntaxUID.is_little_endian

    jls.compress(ds)
    compressed = written_and_read(ds)
    assert compressed.file_meta.TransferSyntaxUID == JPEGLSLossless
    assert compressed["PixelData"].VR == "OB"
    assert compressed["PixelData"].is_undefined_length
    assert compressed.get("PlanarConfiguration") == (None if planar_configuration is None else 0)
    np.testing.assert_array_equal(jls.pixel_array(compressed), expected)
    np.testing.assert_array_equal(decoded_by_pyjpegls(compressed), expected)

    jls.decompress(compressed)
    native = written_and_read(compressed)
    assert native.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
    assert native.get("PlanarConfiguration") == planar_configuration
    np.testing.assert_array_equal(native_pixel_array(native, raw=True), expected)
    if little_endian and name != "MR_small_padded.dcm":
        assert native.PixelData == pixel_data


def test_known_sizes_of_ct_small():
    ds = read("CT_small.dcm")
    assert len(ds.PixelData) == 32768
    jls.compress(ds)
    assert len(ds.PixelData) == 14180
    ds = read("CT_small.dcm")
    original = ds.pixel_array.astype(int)
    jls.compress(ds, JPEGLSNearLossless, near_lossless=3)
    assert len(ds.PixelData) == 8508
    assert np.abs(jls.pixel_array(ds) - original).max() == 3


@pytest.mark.parametrize("planar_configuration", [0, 1])
@pytest.mark.parametrize("stored", [0, 1])
@pytest.mark.parametrize("frames", [1, 3])
def test_planar_configuration_of_the_source_and_of_the_streams(stored, planar_configuration, frames):
    pixels = random_frames((frames, 5, 7, 3), 8)
    ds = make_dataset(pixels, bits_stored=8, planar_configuration=stored)
    jls.compress(ds, planar_configuration=planar_configuration)
    modes = {jls.read_info(stream).interleave_mode for stream in generate_frames(ds.PixelData, number_of_frames=frames)}
    assert modes == {jls.InterleaveMode.NONE if planar_configuration else jls.InterleaveMode.SAMPLE}
    assert ds.PlanarConfiguration == 0
    expected = pixels if frames > 1 else pixels[0]
    np.testing.assert_array_equal(jls.pixel_array(ds), expected)
    np.testing.assert_array_equal(decoded_by_pyjpegls(ds), expected)
    jls.decompress(ds)
    assert ds.PlanarConfiguration == planar_configuration
    np.testing.assert_array_equal(native_pixel_array(ds, raw=True), expected)


@pytest.mark.parametrize("big_endian", [False, True])
@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("bits_stored", range(2, 17))
def test_every_precision_in_its_container(bits_stored, signed, big_endian):
    pixels = random_frames((2, 6, 5), bits_stored, signed=signed)
    containers = [pixels.dtype] if bits_stored > 8 else [pixels.dtype, np.dtype(f"{pixels.dtype.kind}2")]
    for container in containers:
        ds = make_dataset(pixels.astype(container), bits_stored=bits_stored, big_endian=big_endian)
        jls.compress(ds)
        stream = next(generate_frames(ds.PixelData, number_of_frames=2))
        assert jls.read_info(stream).bits_per_sample == bits_stored
        decoded = jls.pixel_array(ds)
        assert decoded.dtype == container
        np.testing.assert_array_equal(decoded, pixels)
        jls.decompress(ds)
        np.testing.assert_array_equal(native_pixel_array(ds, raw=True), pixels)


def test_odd_native_length_is_padded():
    ds = make_dataset(random_frames((1, 3, 3), 8), bits_stored=8)
    jls.compress(ds)
    jls.decompress(ds)
    assert len(ds.PixelData) == 10
    assert ds.PixelData[-1] == 0


def test_frames_of_pixel_array():
    pixels = random_frames((4, 5, 6), 12)
    ds = make_dataset(pixels, bits_stored=12)
    jls.compress(ds)
    np.testing.assert_array_equal(jls.pixel_array(ds, frames=2), pixels[2])
    np.testing.assert_array_equal(jls.pixel_array(ds, frames=np.int64(3)), pixels[3])
    np.testing.assert_array_equal(jls.pixel_array(ds, frames=[3, 0, 3]), pixels[[3, 0, 3]])
    np.testing.assert_array_equal(jls.pixel_array(ds, frames=range(1, 2)), pixels[1:2])
    for bad in (4, -1, [0, 7]):
        with pytest.raises(jls.ParameterError, match="the dataset has frames 0 to 3"):
            jls.pixel_array(ds, frames=bad)


def test_out_of_pixel_array():
    pixels = random_frames((3, 5, 6), 12, signed=True)
    ds = make_dataset(pixels, bits_stored=12)
    jls.compress(ds)
    out = np.zeros((3, 5, 6), np.int16)
    assert jls.pixel_array(ds, out=out) is out
    np.testing.assert_array_equal(out, pixels)
    wide = np.zeros((5, 12), np.int32)
    jls.pixel_array(ds, frames=1, out=wide[:, ::2])
    np.testing.assert_array_equal(wide[:, ::2], pixels[1])
    assert not wide[:, 1::2].any()
    with pytest.raises(jls.ParameterError, match=r"out: shape \(2, 5, 6\); \(3, 5, 6\) is needed"):
        jls.pixel_array(ds, out=np.zeros((2, 5, 6), np.int16))
    with pytest.raises(TypeError, match=r"out: a numpy\.ndarray is needed, not bytearray"):
        jls.pixel_array(ds, out=bytearray(90))


@pytest.mark.parametrize("table", ["basic", "empty", "extended"])
def test_offset_tables_are_read(table):
    pixels = random_frames((3, 5, 6), 12)
    ds = make_dataset(pixels, bits_stored=12)
    jls.compress(ds)
    streams = list(generate_frames(ds.PixelData, number_of_frames=3))
    if table == "extended":
        ds.PixelData, ds.ExtendedOffsetTable, ds.ExtendedOffsetTableLengths = encapsulate_extended(streams)
    else:
        ds.PixelData = encapsulate(streams, has_bot=table == "basic")
    np.testing.assert_array_equal(jls.pixel_array(ds), pixels)
    jls.decompress(ds)
    assert "ExtendedOffsetTable" not in ds
    assert "ExtendedOffsetTableLengths" not in ds


def test_pydicom_sees_the_new_pixels_and_not_its_cached_array():
    ds = read("CT_small.dcm")
    original = ds.pixel_array.copy()
    jls.compress(ds, JPEGLSNearLossless, near_lossless=2)
    assert 0 < np.abs(ds.pixel_array.astype(int) - original).max() <= 2


def test_a_big_endian_dataset_becomes_little_endian_throughout():
    lut = np.array([0x0102, 0x0304], ">u2")
    item = pydicom.Dataset()
    item.add_new("LUTData", "OW", lut.tobytes())
    item.add_new("SelectorFDValue", "FD", 1.5)
    ds = make_dataset(random_frames((1, 5, 6), 12), bits_stored=12, big_endian=True)
    ds.ModalityLUTSequence = [item]
    ds.add_new("TrackPointIndexList", "OL", np.array([7], ">u4").tobytes())
    ds = written_and_read(ds)
    assert ds.original_encoding == (False, False)

    jls.compress(ds)
    ds = written_and_read(ds)
    assert ds.original_encoding == (False, True)
    assert ds.ModalityLUTSequence[0].LUTData == lut.astype("<u2").tobytes()
    assert ds.ModalityLUTSequence[0].SelectorFDValue == 1.5
    assert ds.TrackPointIndexList == np.array([7], "<u4").tobytes()
    np.testing.assert_array_equal(jls.pixel_array(ds), random_frames((1, 5, 6), 12)[0])


def small_dataset(**changes):
    ds = make_dataset(4095 - random_frames((2, 5, 6), 12), bits_stored=12)
    for keyword, value in changes.items():
        if value is None:
            delattr(ds, keyword)
        else:
            setattr(ds, keyword, value)
    return ds


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"Rows": None}, r"Rows \(0028,0010\) is absent"),
        ({"BitsStored": None}, r"Bits Stored \(0028,0101\) is absent"),
        ({"PixelData": None}, r"Pixel Data \(7FE0,0010\) is absent.*it is no image"),
        ({"NumberOfFrames": 3}, r"has 120 bytes; 3 frame\(s\) .* need 180: it is truncated"),
        ({"NumberOfFrames": 1}, r"Number of Frames \(0028,0008\) is 1; Pixel Data has 120 bytes, 2 frames"),
        ({"NumberOfFrames": None}, r"Number of Frames \(0028,0008\) is 1; Pixel Data has 120 bytes, 2 frames"),
        ({"BitsAllocated": 32}, r"Bits Allocated \(0028,0100\) is 32"),
        ({"BitsStored": 11, "HighBit": 10}, r"60 sample\(s\) in frame\(s\) 0, 1 have bits set above Bits Stored, 11"),
        ({"PhotometricInterpretation": "YBR_RCT"}, r"Photometric Interpretation \(0028,0004\) is 'YBR_RCT'"),
    ],
)
def test_compress_refuses_and_changes_nothing(changes, match):
    check_refused(jls.compress, small_dataset(**changes), jls.ParameterError, match)


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (("1.2.840.10008.1.2.4.90",), "transfer_syntax_uid: '1.2.840.10008.1.2.4.90'; .* are allowed"),
        ((JPEGLSLossless, 1), "near_lossless: 1 is allowed only with"),
        ((JPEGLSNearLossless, 256), "near_lossless: 256 is not in the range 0 to 255"),
        ((JPEGLSLossless, 0, 2), "planar_configuration: 2; None, 0, 1 are allowed"),
    ],
)
def test_compress_refuses_wrong_options(arguments, match):
    names = ("transfer_syntax_uid", "near_lossless", "planar_configuration")
    options = dict(zip(names, arguments, strict=False))
    check_refused(lambda ds: jls.compress(ds, **options), small_dataset(), jls.ParameterError, match)


def test_compress_refuses_what_is_compressed_already():
    for uid in (JPEGLSLossless, JPEG2000Lossless):
        ds = small_dataset()
        ds.file_meta.TransferSyntaxUID = uid
        check_refused(jls.compress, ds, jls.ParameterError, "only native pixel data can be compressed")


def test_a_missing_transfer_syntax_is_named():
    ds = small_dataset()
    del ds.file_meta.TransferSyntaxUID
    for function in (jls.compress, jls.decompress, jls.pixel_array):
        with pytest.raises(jls.ParameterError, match=r"Transfer Syntax UID \(0002,0010\) is absent"):
            function(ds)


def test_float_pixel_data_is_named():
    ds = small_dataset(PixelData=None)
    ds.FloatPixelData = bytes(240)
    check_refused(jls.compress, ds, jls.ParameterError, "it has FloatPixelData, which JPEG-LS cannot code")


def test_planar_configuration_of_one_sample_per_pixel_is_ignored():
    ds = small_dataset(PlanarConfiguration=0)
    pixels = ds.pixel_array.copy()
    jls.compress(ds)
    np.testing.assert_array_equal(jls.pixel_array(ds), pixels)


def compressed_dataset(**changes):
    ds = small_dataset()
    jls.compress(ds)
    for keyword, value in changes.items():
        setattr(ds, keyword, value)
    return ds


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"Rows": 6}, r"frame 0: Rows \(0028,0010\) is 6; the JPEG-LS stream has 5"),
        ({"Columns": 60000, "Rows": 60000}, r"frame 0: Rows \(0028,0010\) is 60000; the JPEG-LS stream has 5"),
        ({"SamplesPerPixel": 3, "PlanarConfiguration": 0}, r"Samples per Pixel \(0028,0002\) is 3; .* has 1"),
        ({"BitsAllocated": 8}, r"Bits Allocated \(0028,0100\) is 8; the JPEG-LS stream's samples have 12 bits"),
        ({"NumberOfFrames": 3}, r"Number of Frames \(0028,0008\) is 3; Pixel Data holds 2 frame"),
        ({"BitsAllocated": 32}, r"Bits Allocated \(0028,0100\) is 32; JPEG-LS allows 8 or 16"),
        ({"PixelData": b"nothing encapsulated"}, r"Pixel Data \(7FE0,0010\) is not soundly encapsulated"),
    ],
)
def test_decompress_and_pixel_array_refuse_what_does_not_fit(changes, match):
    for function in (jls.decompress, jls.pixel_array):
        check_refused(function, compressed_dataset(**changes), jls.ParameterError, match)


def test_a_damaged_frame_is_named_and_nothing_changes():
    ds = compressed_dataset()
    streams = list(generate_frames(ds.PixelData, number_of_frames=2))
    ds.PixelData = encapsulate([streams[0], streams[1][:-4] + b"\0\0"])
    for function in (jls.decompress, jls.pixel_array):
        check_refused(function, ds, jls.InvalidStreamError, r"Pixel Data \(7FE0,0010\), frame 1: the stream ends")


def test_native_datasets_are_not_decompressed():
    for function in (jls.decompress, jls.pixel_array):
        check_refused(function, small_dataset(), jls.ParameterError, "Explicit VR Little Endian.*is needed")
