"""Every way in which pixel data is stored in a file."""

import struct
import zlib

import numpy as np
import pydicom
import pytest
from pydicom.encaps import encapsulate, generate_frames
from pydicom.pixels.utils import pixel_array as native_pixel_array
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGLSLossless,
)

import dicom_jpegls as jls
from dicom_jpegls.files import NotConvertibleError, ReadOptions, SourceFile, compress_file, decompress_file, verify_file
from support.dicom_files import TEST_FILES, little_endian, make_dataset, random_frames, read
from support.raw_elements import SEQUENCE_END, UNDEFINED, dataset_bytes, dicom_file, explicit, image_elements, item
from support.single_files import compressed, written

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:pydicom")


@pytest.mark.parametrize(
    ("name", "photometric_interpretation"),
    [
        ("MR_small_RLE.dcm", "MONOCHROME2"),
        ("SC_rgb_rle_16bit_2frame.dcm", "RGB"),
    ],
)
def test_files_coded_otherwise_are_decoded_first(tmp_path, name, photometric_interpretation):
    compress_file(TEST_FILES / name, tmp_path / "jls.dcm")
    ds = pydicom.dcmread(tmp_path / "jls.dcm")
    assert ds.PhotometricInterpretation == photometric_interpretation
    np.testing.assert_array_equal(jls.pixel_array(ds), native_pixel_array(read(name), raw=True))


def test_subsampled_colours_of_jpeg_become_whole_ones(tmp_path):
    pytest.importorskip("PIL")
    source = TEST_FILES / "SC_rgb_dcmtk_+eb+cy+np.dcm"
    before = read(source.name)
    assert before.PhotometricInterpretation == "YBR_FULL_422"
    compress_file(source, tmp_path / "jls.dcm")
    ds = pydicom.dcmread(tmp_path / "jls.dcm")
    assert (ds.PhotometricInterpretation, ds.LossyImageCompression) == ("YBR_FULL", "01")
    np.testing.assert_array_equal(jls.pixel_array(ds), native_pixel_array(before, raw=True))


@pytest.mark.parametrize("uid", [ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian])
def test_other_encodings_of_the_dataset(tmp_path, uid):
    pixels = random_frames((3, 20, 10), 12)
    ds = make_dataset(pixels, bits_stored=12)
    ds.file_meta.TransferSyntaxUID = uid
    ds.PatientName = "Someone"
    _, result = compressed(ds, tmp_path)
    np.testing.assert_array_equal(jls.pixel_array(result), pixels)
    assert (result.PatientName, result.SOPInstanceUID) == ("Someone", ds.SOPInstanceUID)


def deflated(tmp_path, pixels, bits_stored):
    ds = make_dataset(pixels, bits_stored=bits_stored)
    ds.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    return written(ds, tmp_path / "deflated.dcm")


def test_deflated_data_that_inflates_beyond_the_option_is_refused(tmp_path):
    path = deflated(tmp_path, np.zeros((1, 200, 100), np.uint8), 8)
    with pytest.raises(jls.DatasetError, match="the deflated dataset inflates to more than 10000 bytes"):
        compress_file(path, tmp_path / "jls.dcm", reading=ReadOptions(max_inflated_size=10_000))
    compress_file(path, tmp_path / "jls.dcm", reading=ReadOptions(max_inflated_size=30_000))


def test_large_deflated_data_is_bounded_by_its_ratio(tmp_path, monkeypatch):
    monkeypatch.setattr("dicom_jpegls.files.opening._INFLATED_AT_ANY_RATIO", 100_000)
    path = deflated(tmp_path, np.zeros((20, 200, 100), np.uint8), 8)
    ratio = 20 * 200 * 100 / path.stat().st_size
    monkeypatch.setattr("dicom_jpegls.files.opening._MAXIMUM_RATIO", int(ratio / 2))
    with pytest.raises(jls.DatasetError, match=r"inflates to more than .* bytes, the limit for its size"):
        compress_file(path, tmp_path / "jls.dcm")
    assert not (tmp_path / "jls.dcm").exists()


def test_attributes_of_deflated_data_are_read_without_inflating_the_pixels(tmp_path):
    path = deflated(tmp_path, np.zeros((40, 1000, 100), np.uint8), 8)
    with SourceFile(path, ReadOptions(max_inflated_size=2**17)) as source:
        assert (source.ds.Rows, source.pixel_data_size) == (1000, 4_000_000)
        frames = source.native_frames(source.image_pixel)
        assert not next(frames).any()
        with pytest.raises(jls.DatasetError, match="inflates to more than 131072 bytes"):
            list(frames)


@pytest.mark.parametrize("damage", ["cut", "changed"])
def test_damaged_deflated_data_is_refused(tmp_path, damage):
    path = deflated(tmp_path, random_frames((1, 50, 50), 12), 12)
    data = bytearray(path.read_bytes())
    if damage == "cut":
        del data[-1000:]
    else:
        meta_length = struct.unpack_from("<L", data, 140)[0]
        data[144 + meta_length] = 0x07  # a block of the reserved type (RFC 1951 3.2.3)
    path.write_bytes(data)
    with pytest.raises(jls.DatasetError, match=r"the deflated dataset is (cut off|damaged)"):
        compress_file(path, tmp_path / "jls.dcm")
    assert not (tmp_path / "jls.dcm").exists()


def test_frames_in_several_fragments_are_put_together(tmp_path):
    pixels = random_frames((3, 30, 20), 12)
    ds = make_dataset(pixels, bits_stored=12)
    jls.compress(ds)
    ds.PixelData = encapsulate(list(generate_frames(ds.PixelData, number_of_frames=3)), fragments_per_frame=3)
    path = written(ds, tmp_path / "jls.dcm")
    decompress_file(path, tmp_path / "native.dcm")
    np.testing.assert_array_equal(pydicom.dcmread(tmp_path / "native.dcm").pixel_array, pixels)


def test_float_pixel_data_is_named(tmp_path):
    ds = make_dataset(random_frames((1, 10, 10), 12), bits_stored=12)
    del ds.PixelData
    ds.FloatPixelData = bytes(400)
    with pytest.raises(NotConvertibleError, match="it has FloatPixelData, which JPEG-LS cannot code"):
        SourceFile(written(ds, tmp_path / "a.dcm"))


def test_empty_fragments_before_the_first_stream_are_skipped(tmp_path):
    """The same index finds the frames of datasets in memory and of files."""
    pixels = random_frames((1, 30, 20), 12)
    ds = make_dataset(pixels, bits_stored=12)
    jls.compress(ds)
    (stream,) = generate_frames(ds.PixelData, number_of_frames=1)
    items = (b"", b"", stream)  # the first one is the offset table
    ds.PixelData = b"".join(struct.pack("<HHL", 0xFFFE, 0xE000, len(item)) + item for item in items)
    path = written(ds, tmp_path / "jls.dcm")
    np.testing.assert_array_equal(jls.pixel_array(pydicom.dcmread(path)), pixels[0])
    decompress_file(path, tmp_path / "native.dcm")
    np.testing.assert_array_equal(pydicom.dcmread(tmp_path / "native.dcm").pixel_array, pixels[0])


@pytest.mark.parametrize(
    "uid",
    [
        "1.2.3.4.5",
        "1.2.840.113619.5.2",  # of GE: implicit, with big-endian pixel data
        "1.2.840.10008.1.2.4.110",  # JPEG XL
        "1.2.840.10008.1.2.4.100",  # MPEG-2
        "1.2.840.10008.1.2.4.95",  # JPIP, deflated
    ],
)
@pytest.mark.parametrize("body", ["a dataset", "something else"])
def test_unknown_transfer_syntaxes_are_not_convertible(tmp_path, uid, body):
    """The file is sound, and copied or skipped by choice."""
    elements = dataset_bytes(image_elements(random_frames((1, 9, 9), 12)[0]))
    path = tmp_path / "a.dcm"
    path.write_bytes(dicom_file(uid, elements if body == "a dataset" else bytes(range(256)) * 3))
    for function in (compress_file, decompress_file):
        with pytest.raises(NotConvertibleError, match=uid):
            function(path, tmp_path / "b.dcm")


def deflated_frames(pixels, *, bits_stored=12, damage=lambda data: data):
    """Return a file in the transfer syntax Deflated Image Frame Compression (PS3.5 A.4.13)."""
    fragments = []
    for frame in pixels:
        deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
        data = damage(deflater.compress(little_endian(frame)) + deflater.flush())
        fragments.append(item(data + b"\0" * (len(data) % 2)))
    elements = image_elements(pixels[0], bits_stored)
    elements[0x00280008] = explicit(0x00280008, "IS", f"{len(pixels):<2}".encode())
    value = item(b"") + b"".join(fragments) + SEQUENCE_END
    elements[0x7FE00010] = explicit(0x7FE00010, "OB", value, length=UNDEFINED)
    return dicom_file("1.2.840.10008.1.2.8.1", dataset_bytes(elements))


def test_deflated_frames_are_inflated(tmp_path):
    pixels = random_frames((3, 20, 10), 12)
    (tmp_path / "a.dcm").write_bytes(deflated_frames(pixels))
    compress_file(tmp_path / "a.dcm", tmp_path / "jls.dcm")
    np.testing.assert_array_equal(jls.pixel_array(pydicom.dcmread(tmp_path / "jls.dcm")), pixels)
    verify_file(tmp_path / "jls.dcm", tmp_path / "a.dcm")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda _: b"\x07" * 20, "frame 0: .*invalid block type"),
        (lambda data: data[: len(data) // 2], "frame 0: inflates to .* bytes or more; 400 are needed"),
        (lambda _: zlib.compress(bytes(10**6), wbits=-15), "inflates to 402 bytes or more; 400 are needed"),
    ],
)
def test_damaged_deflated_frames_are_refused(tmp_path, damage, message):
    (tmp_path / "a.dcm").write_bytes(deflated_frames(random_frames((2, 20, 10), 12), damage=damage))
    with pytest.raises(jls.DatasetError, match=message):
        compress_file(tmp_path / "a.dcm", tmp_path / "jls.dcm")


def jpegls_file(pixels, *, uid=JPEGLSLossless, declared=None, without=()):
    """Return a JPEG-LS file in bytes that declares some frames and lacks some elements."""
    elements = {tag: data for tag, data in image_elements(pixels[0]).items() if tag not in without}
    if declared is not None:
        elements[0x00280008] = explicit(0x00280008, "IS", f"{declared:<2}".encode())
    streams = b"".join(item(jls.encode(frame, bits_per_sample=12)) for frame in pixels)
    value = item(b"") + streams + SEQUENCE_END
    elements[0x7FE00010] = explicit(0x7FE00010, "OB", value, length=UNDEFINED)
    return dicom_file(uid, dataset_bytes(elements))


def test_surplus_frames_are_left_out_and_the_result_says_so(tmp_path):
    pixels = random_frames((4, 20, 10), 12)
    (tmp_path / "a.dcm").write_bytes(jpegls_file(pixels, declared=3))
    conversion = decompress_file(tmp_path / "a.dcm", tmp_path / "b.dcm")
    (warning,) = conversion.warnings
    assert warning.startswith("Number of Frames (0028,0008) is 3; Pixel Data holds 4 frames")
    np.testing.assert_array_equal(pydicom.dcmread(tmp_path / "b.dcm").pixel_array, pixels[:3])
    # Native ones, too.
    elements = image_elements(pixels[0])
    elements[0x00280008] = explicit(0x00280008, "IS", b"2 ")
    elements[0x7FE00010] = explicit(0x7FE00010, "OW", little_endian(pixels))
    (tmp_path / "c.dcm").write_bytes(dicom_file(ExplicitVRLittleEndian, dataset_bytes(elements)))
    (warning,) = compress_file(tmp_path / "c.dcm", tmp_path / "d.dcm").warnings
    assert warning.startswith("Number of Frames (0028,0008) is 2; Pixel Data has 1600 bytes, 4 frames")
    np.testing.assert_array_equal(jls.pixel_array(pydicom.dcmread(tmp_path / "d.dcm")), pixels[:2])


def test_an_absent_high_bit_is_told_of(tmp_path):
    pixels = random_frames((1, 20, 10), 12)
    (tmp_path / "a.dcm").write_bytes(jpegls_file(pixels, without=(0x00280102,)))
    conversion = decompress_file(tmp_path / "a.dcm", tmp_path / "b.dcm")
    assert conversion.warnings == ("High Bit (0028,0102) is absent; taken to be 11, one less than Bits Stored",)
    assert compress_file(tmp_path / "b.dcm", tmp_path / "c.dcm").warnings == ()  # it was written
    assert verify_file(tmp_path / "c.dcm", tmp_path / "a.dcm").statistics.largest_error == 0


def verify_target(path, _target):
    return verify_file(path)


@pytest.mark.parametrize("function", [compress_file, decompress_file, verify_target])
def test_coded_pixels_under_a_native_transfer_syntax_are_told_what_they_are(tmp_path, function):
    (tmp_path / "a.dcm").write_bytes(jpegls_file(random_frames((1, 20, 10), 12), uid=ExplicitVRLittleEndian))
    with pytest.raises(
        jls.DatasetError,
        match=r"is encapsulated and coded with JPEG-LS .*, although .* is Explicit VR Little Endian: correct that",
    ) as caught:
        function(tmp_path / "a.dcm", tmp_path / "b.dcm")
    assert not isinstance(caught.value, NotConvertibleError)  # it fails, and is not taken for a sound file


@pytest.mark.parametrize("function", [compress_file, decompress_file, verify_target])
def test_native_pixels_under_a_compressed_transfer_syntax_are_told_what_they_are(tmp_path, function):
    elements = dataset_bytes(image_elements(random_frames((1, 20, 10), 12)[0]))
    (tmp_path / "a.dcm").write_bytes(dicom_file(JPEGLSLossless, elements))
    with pytest.raises(jls.DatasetError, match=r"is native \(not encapsulated\), although .* is JPEG-LS Lossless"):
        function(tmp_path / "a.dcm", tmp_path / "b.dcm")


def test_frames_that_pydicom_cannot_decode_are_told_of(tmp_path):
    data = bytearray((TEST_FILES / "MR_small_RLE.dcm").read_bytes())
    start = data.index(b"\xe0\x7f\x10\x00OB")
    data[start + 28 : start + 92] = b"\xff" * 64  # the header of the frame
    (tmp_path / "a.dcm").write_bytes(data)
    with pytest.raises(jls.DatasetError, match="pydicom cannot decode RLE Lossless: "):
        compress_file(tmp_path / "a.dcm", tmp_path / "b.dcm")
