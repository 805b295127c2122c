"""What an error says about pixel data that is not what its transfer syntax says, and about paths and arrays."""

import re

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import ExplicitVRBigEndian, JPEG2000Lossless, JPEGLSLossless, RLELossless

import dicom_jpegls as jls
from dicom_jpegls.dicom import coding_of
from support.dicom_files import check_refused, make_dataset, random_frames, read

OTHER_CODINGS = [
    ("JPEG2000.dcm", r"JPEG 2000 Image Compression \(1\.2\.840\.10008\.1\.2\.4\.91\)"),
    ("JPEG-lossy.dcm", r"JPEG Extended .*\(1\.2\.840\.10008\.1\.2\.4\.51\)"),
    ("SC_rgb_jpeg_dcmtk.dcm", r"JPEG Baseline .*\(1\.2\.840\.10008\.1\.2\.4\.50\)"),
    ("MR_small_RLE.dcm", r"RLE Lossless \(1\.2\.840\.10008\.1\.2\.5\)"),
]


@pytest.mark.parametrize(("name", "coding"), OTHER_CODINGS)
def test_frames_of_another_coding_are_named(name, coding):
    ds = read(name)
    ds.file_meta.TransferSyntaxUID = JPEGLSLossless
    match = rf"Pixel Data \(7FE0,0010\), frame 0: the frame is coded with {coding}, not with JPEG-LS as Transfer Syntax"
    for function in (jls.pixel_array, jls.decompress):
        check_refused(function, ds, jls.DatasetError, match)


def test_native_pixel_data_under_jpegls_is_named():
    ds = make_dataset(random_frames((2, 5, 6), 12), bits_stored=12)
    ds.file_meta.TransferSyntaxUID = JPEGLSLossless
    match = "not validly encapsulated: tag .* at byte 0; .*: it may be native, under a wrong Transfer Syntax UID"
    check_refused(jls.decompress, ds, jls.DatasetError, match)


@pytest.mark.parametrize(("name", "coding"), OTHER_CODINGS)
def test_encapsulated_pixel_data_under_a_native_transfer_syntax_is_named(name, coding):
    ds = read(name)
    ds.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1"
    match = "encapsulated, .*: its frames are coded with " + re.match(r"[^.(\\]+", coding).group().strip()
    check_refused(jls.compress, ds, jls.DatasetError, match)


def test_an_unknown_coding_under_a_native_transfer_syntax():
    ds = make_dataset(random_frames((1, 5, 6), 12), bits_stored=12)
    ds.PixelData = encapsulate([b"something else"])
    check_refused(jls.compress, ds, jls.DatasetError, "is encapsulated, .*: how its frames are coded is not known")


@pytest.mark.parametrize("function", [jls.pixel_array, jls.decompress, jls.pixel_array_partial])
def test_pixel_data_that_pydicom_left_out_points_to_the_function_that_reads_it(function):
    ds = make_dataset(random_frames((1, 5, 6), 12), bits_stored=12)
    jls.compress(ds)
    del ds.PixelData
    check_refused(function, ds, jls.DatasetError, "if the file is truncated; dicom_jpegls.read_truncated returns what")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff",
        b"\xff\xd8",
        b"\xff\xd8\xff",
        b"\xff\xd8\xff\xff\xff\xff",
        b"\xff\xd8\xff\xe0\x00\x00" * 3,
        b"\xff\xd8\xff\xda\x00\x04",
        b"\xff\x4f\xff\x51",
        bytes(64),
        b"\x01" + bytes(63),
        b"\x02\0\0\0\x40\0\0\0\xff\xff\xff\xff" + bytes(52),
        b"\xff" * 64,
    ],
)
def test_what_is_no_known_coding(data):
    assert coding_of(data) is None


@pytest.mark.parametrize(
    ("data", "uid"),
    [
        (
            b"\xff\xd8\xff\xe0\x00\x04ab\xff\xc3\x00\x0b",
            "1.2.840.10008.1.2.4.57",
        ),  # JPEG Lossless after an APP0 segment
        (b"\xff\xd8\xff\xc2\x00\x0b", "1.2.840.10008.1.2.4.55"),  # progressive JPEG
        (b"\x00\x00\x00\x0cjP  \r\n\x87\n", "1.2.840.10008.1.2.4.91"),
        (b"\xff\x4f\xff\x51\x00\x04ab\xff\x52", "1.2.840.10008.1.2.4.91"),
        (b"\xff\x4f\xff\x51\x00\x04ab\xff\x50", "1.2.840.10008.1.2.4.203"),  # High-Throughput JPEG 2000
    ],
)
def test_codings_by_their_markers(data, uid):
    assert coding_of(data) == uid


def test_fill_bytes_before_the_frame_header():
    stream = jls.encode(np.zeros((2, 3), np.uint8))
    assert coding_of(b"\xff\xd8" + b"\xff\xff" + stream[2:]) == JPEGLSLossless
    (rle,) = generate_frames(read("MR_small_RLE.dcm").PixelData, number_of_frames=1)
    assert coding_of(rle) == RLELossless


# --- An array instead of Pixel Data ----------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.uint16, np.int64, ">u2", np.int32])
@pytest.mark.parametrize("frames", [1, 3])
@pytest.mark.parametrize("shape", [(5, 6), (5, 6, 3)])
def test_an_array_is_compressed_as_by_pydicom(dtype, frames, shape):
    pixels = random_frames((frames, *shape), 12)
    ds = make_dataset(np.zeros_like(pixels), bits_stored=12, planar_configuration=1)
    array = (pixels if frames > 1 else pixels[0]).astype(dtype)
    assert jls.compress(ds, JPEGLSLossless, array, verify=True).largest_error == 0
    np.testing.assert_array_equal(jls.pixel_array(ds), array)


def test_an_array_for_a_dataset_without_pixel_data_and_transfer_syntax():
    pixels = random_frames((1, 5, 6), 12)
    source = make_dataset(pixels, bits_stored=12)
    del source.PixelData
    ds = Dataset()
    ds.update(source)
    jls.compress(ds, arr=pixels[0])
    assert ds.file_meta.TransferSyntaxUID == JPEGLSLossless
    np.testing.assert_array_equal(jls.pixel_array(ds), pixels[0])


@pytest.mark.parametrize("uid", [JPEG2000Lossless, JPEGLSLossless, ExplicitVRBigEndian])
def test_an_array_replaces_pixel_data_of_any_transfer_syntax(uid):
    pixels = random_frames((1, 5, 6), 12)
    ds = make_dataset(pixels, bits_stored=12)
    ds.PixelData = encapsulate([b"whatever"])
    ds.file_meta.TransferSyntaxUID = uid
    jls.compress(ds, arr=pixels[0])
    np.testing.assert_array_equal(jls.pixel_array(ds), pixels[0])


@pytest.mark.parametrize(
    ("array", "error", "match"),
    [
        (np.zeros((6, 5), np.uint16), jls.ParameterError, r"arr: shape must be \(5, 6\) .* found \(6, 5\)"),
        (np.zeros((5, 6)), jls.ParameterError, "arr: must have an integer dtype, found float64"),
        (np.full((5, 6), 65536), jls.ParameterError, "arr: samples must be within uint16, .* found 65536 to 65536"),
        (np.full((5, 6), -1, np.int16), jls.ParameterError, "arr: samples must be within uint16, .* found -1 to -1"),
        (np.full((5, 6), 4096), jls.DatasetError, "bits set above Bits Stored"),
        ([[0] * 6] * 5, TypeError, r"arr: must be a numpy\.ndarray, not list"),
        ("array", TypeError, r"arr: must be a numpy\.ndarray, not str"),
    ],
)
def test_an_array_that_does_not_fit(array, error, match):
    ds = make_dataset(random_frames((1, 5, 6), 12), bits_stored=12)
    check_refused(lambda ds: jls.compress(ds, arr=array), ds, error, match)
