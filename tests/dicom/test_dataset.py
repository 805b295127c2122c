"""Whole datasets: in place, exact, and untouched after an error."""

import io
import threading
from pathlib import Path

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
from support.dicom_files import (
    JPEGLS_FILES,
    NATIVE_FILES,
    check_refused,
    make_dataset,
    random_frames,
    read,
)

USES = [
    jls.compress,
    jls.decompress,
    jls.decompress_partial,
    jls.pixel_array,
    jls.pixel_array_partial,
    jls.iter_frames,
]


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
    assert native.get("PlanarConfiguration") == (None if planar_configuration is None else 0)
    np.testing.assert_array_equal(native_pixel_array(native, raw=True), expected)
    if little_endian and not planar_configuration and name != "MR_small_padded.dcm":
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
    # By plane only on request, whatever the native samples are.
    jls.compress(ds, **({"planar_configuration": 1} if planar_configuration else {}))
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
        is_shallow = bits_stored <= 8 and container.itemsize == 2
        expected = (16 if signed else 9) if is_shallow else bits_stored
        assert jls.read_info(stream).bits_per_sample == expected, container
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


@pytest.mark.parametrize("wrong", [4, -1, [0, 7]])
@pytest.mark.parametrize("function", [jls.pixel_array, jls.pixel_array_partial])
def test_frames_that_are_not_there(function, wrong):
    ds = make_dataset(random_frames((4, 5, 6), 12), bits_stored=12)
    jls.compress(ds)
    with pytest.raises(jls.ParameterError, match="frames: must be 0 to 3 for this dataset, found "):
        function(ds, frames=wrong)


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
    with pytest.raises(jls.ParameterError, match=r"out: shape must be \(3, 5, 6\), found \(2, 5, 6\)"):
        jls.pixel_array(ds, out=np.zeros((2, 5, 6), np.int16))
    with pytest.raises(TypeError, match=r"out: must be a numpy\.ndarray, not bytearray"):
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
        ({"BitsAllocated": 32}, r"Bits Allocated \(0028,0100\) is 32"),
        ({"BitsStored": 11, "HighBit": 10}, r"60 sample\(s\) in frame\(s\) 0, 1 have bits set above Bits Stored, 11"),
        ({"PhotometricInterpretation": "YBR_RCT"}, r"Photometric Interpretation \(0028,0004\) is 'YBR_RCT'"),
    ],
)
def test_compress_refuses_and_changes_nothing(changes, match):
    check_refused(jls.compress, small_dataset(**changes), jls.DatasetError, match)


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (("1.2.840.10008.1.2.4.90",), "transfer_syntax_uid: must be .* found '1.2.840.10008.1.2.4.90'"),
        ((JPEGLSLossless, 1), "near_lossless: 1 is allowed only with"),
        ((JPEGLSNearLossless, 256), "near_lossless: .*0 to 255"),
        ((JPEGLSLossless, 0, 2), "planar_configuration: must be 0 or 1, found 2"),
    ],
)
def test_compress_refuses_wrong_options(arguments, match):
    names = ("transfer_syntax_uid", "near_lossless", "planar_configuration")
    options = dict(zip(names, arguments, strict=False))
    check_refused(lambda ds: jls.compress(ds, **options), small_dataset(), jls.ParameterError, match)


@pytest.mark.parametrize("uid", [JPEGLSLossless, JPEG2000Lossless])
def test_compress_refuses_what_is_compressed_already(uid):
    ds = small_dataset()
    ds.file_meta.TransferSyntaxUID = uid
    check_refused(jls.compress, ds, jls.DatasetError, "only native pixel data can be compressed")


@pytest.mark.parametrize("function", USES)
def test_a_missing_transfer_syntax_is_named(function):
    ds = small_dataset()
    del ds.file_meta.TransferSyntaxUID
    with pytest.raises(jls.DatasetError, match=r"Transfer Syntax UID \(0002,0010\) is absent"):
        function(ds)


@pytest.mark.parametrize("path", ["image.dcm", Path("image.dcm"), b"image.dcm", None])
@pytest.mark.parametrize("function", USES)
def test_a_path_is_no_dataset(function, path):
    with pytest.raises(
        TypeError, match=rf"ds: must be a pydicom.dataset.Dataset, not {type(path).__name__}: .*dcmread"
    ):
        function(path)


def test_float_pixel_data_is_named():
    ds = small_dataset(PixelData=None)
    ds.FloatPixelData = bytes(240)
    check_refused(jls.compress, ds, jls.DatasetError, "it has FloatPixelData, which JPEG-LS cannot code")


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
        (
            {"BitsAllocated": 8, "BitsStored": 8},
            r"Bits Allocated \(0028,0100\) is 8; the JPEG-LS stream's samples have 12 bits",
        ),
        ({"NumberOfFrames": 3}, r"Number of Frames \(0028,0008\) is 3; Pixel Data holds 2 frame"),
        ({"BitsAllocated": 32}, r"Bits Allocated \(0028,0100\) is 32; JPEG-LS allows 8 or 16"),
        ({"PixelData": b"nothing encapsulated"}, r"Pixel Data \(7FE0,0010\) is not validly encapsulated"),
    ],
)
@pytest.mark.parametrize("function", [jls.decompress, jls.pixel_array])
def test_decompress_and_pixel_array_refuse_what_does_not_fit(function, changes, match):
    check_refused(function, compressed_dataset(**changes), jls.DatasetError, match)


@pytest.mark.parametrize("function", [jls.decompress, jls.pixel_array])
def test_a_damaged_frame_is_named_and_nothing_changes(function):
    ds = compressed_dataset()
    streams = list(generate_frames(ds.PixelData, number_of_frames=2))
    ds.PixelData = encapsulate([streams[0], streams[1][:-4] + b"\0\0"])
    check_refused(function, ds, jls.InvalidStreamError, r"Pixel Data \(7FE0,0010\), frame 1: the stream ends")


@pytest.mark.parametrize("function", USES[1:])
def test_native_datasets_are_not_decompressed(function):
    check_refused(function, small_dataset(), jls.DatasetError, "Explicit VR Little Endian.*must be")


def test_lossless_is_the_default():
    ds = read("CT_small.dcm")
    jls.compress(ds)
    assert ds.file_meta.TransferSyntaxUID == JPEGLSLossless


def test_near_lossless_alone_chooses_the_transfer_syntax():
    ds = make_dataset(random_frames((1, 5, 6), 12), bits_stored=12)
    assert jls.compress(ds, near_lossless=2, verify=True).largest_error == 2
    assert ds.file_meta.TransferSyntaxUID == JPEGLSNearLossless


def test_options_as_a_record_and_by_keyword():
    options = jls.CodingOptions(offset_table="empty", near_lossless=2)
    record, keywords, both = (make_dataset(random_frames((2, 5, 6), 12), bits_stored=12) for _ in range(3))
    jls.compress(record, options=options)
    jls.compress(keywords, near_lossless=2, offset_table="empty")
    assert record.PixelData == keywords.PixelData
    jls.compress(both, options=options, offset_table="extended")
    assert len(both.ExtendedOffsetTable) == 16


def test_one_warning_for_all_clipped_samples():
    frames = np.zeros((3, 4, 4), np.int16)
    frames[1:, 0, 0] = 2047
    ds = make_dataset(frames, bits_stored=12)
    with pytest.warns(jls.ClippedSamplesWarning, match=r"^2 signed sample\(s\) clipped to -2045 to 2044") as caught:
        assert jls.compress(ds, near_lossless=3, signed_overflow="clip").clipped_samples == 2
    assert len(caught) == 1
    assert caught[0].filename == __file__


@pytest.mark.filterwarnings("error::dicom_jpegls.ClippedSamplesWarning")
def test_a_warning_that_is_an_error_changes_nothing():
    ds = make_dataset(np.full((1, 4, 4), 2047, np.int16), bits_stored=12)
    check_refused(
        lambda ds: jls.compress(ds, near_lossless=3, signed_overflow="clip"), ds, jls.ClippedSamplesWarning, "16 signed"
    )


# --- Workers ---------------------------------------------------------------------------------------------------------

VOLUME = random_frames((7, 40, 30), 12, signed=True)


def same_apart_from_uids(first, second):
    return all(first.get(e.tag) == e for e in second if e.keyword not in ("SOPInstanceUID", "SourceImageSequence"))


@pytest.mark.filterwarnings("ignore::dicom_jpegls.ClippedSamplesWarning")
@pytest.mark.parametrize("options", [{}, {"near_lossless": 2, "signed_overflow": "clip", "verify": True}])
@pytest.mark.parametrize("workers", [2, 5, None])
def test_datasets_are_the_same(workers, options):
    serial, parallel = (make_dataset(VOLUME, bits_stored=12) for _ in range(2))
    expected = jls.compress(serial, **options, workers=1)
    assert jls.compress(parallel, **options, workers=workers) == expected
    assert parallel.PixelData == serial.PixelData
    assert same_apart_from_uids(parallel, serial)
    decoded = jls.pixel_array(serial, workers=1)
    assert np.array_equal(jls.pixel_array(serial, workers=workers), decoded)
    assert np.array_equal(np.stack(list(jls.iter_frames(serial, workers=workers))), decoded)
    wanted = [6, 0, 6, 3]
    assert np.array_equal(jls.pixel_array(serial, frames=wanted, workers=workers), decoded[wanted])
    assert np.array_equal(np.stack(list(jls.iter_frames(serial, frames=wanted, workers=workers))), decoded[wanted])
    jls.decompress(serial, workers=1)
    jls.decompress(parallel, workers=workers)
    assert parallel.PixelData == serial.PixelData


@pytest.mark.parametrize("frames", [VOLUME[:1], random_frames((2, 40, 30, 3), 8)])
def test_restart_markers_in_datasets(frames):
    bits = 12 if frames.ndim == 3 else 8
    serial, parallel = (make_dataset(frames, bits_stored=bits, planar_configuration=1) for _ in range(2))
    jls.compress(serial, restart_interval=9, workers=1)
    jls.compress(parallel, restart_interval=9, workers=8, verify=True)
    assert parallel.PixelData == serial.PixelData
    assert parallel.PixelData.count(b"\xff\xd3") >= 1
    for workers in (1, 8):
        decoded = jls.pixel_array(parallel, workers=workers)
        assert np.array_equal(decoded, frames if len(frames) > 1 else frames[0]), workers
    jls.decompress(parallel, workers=8)
    assert np.array_equal(parallel.pixel_array, frames if len(frames) > 1 else frames[0])


def test_the_first_bad_frame_is_named_with_any_workers():
    ds = make_dataset(VOLUME, bits_stored=12)
    jls.compress(ds)
    position = ds.PixelData.index(b"\xff\xd9", len(ds.PixelData) // 2) - 300
    ds.PixelData = ds.PixelData[:position] + bytes(60) + ds.PixelData[position + 60 :]
    ds["PixelData"].is_undefined_length = True
    before = ds.PixelData
    messages = set()
    for workers in (1, 2, 4):
        with pytest.raises(jls.InvalidStreamError) as caught:
            jls.decompress(ds, workers=workers)
        messages.add(str(caught.value))
        assert ds.PixelData == before, workers
    assert len(messages) == 1, messages


def test_iterator_decodes_ahead_and_stops():
    ds = make_dataset(random_frames((20, 8, 8), 12), bits_stored=12)
    jls.compress(ds)
    frames = jls.iter_frames(ds, workers=2)
    next(frames)
    frames.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("dicom_jpegls")]
    with pytest.raises(jls.ParameterError, match="frames: must be 0 to 19 for this dataset, found 20"):
        jls.iter_frames(ds, frames=[20])
