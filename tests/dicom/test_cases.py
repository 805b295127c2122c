"""Files as people have them, made from synthetic pixels: each with the right values."""

import io

import numpy as np
import pydicom
import pytest
from pydicom.pixels import pixel_array
from pydicom.uid import ExplicitVRLittleEndian, JPEGLSLossless

import dicom_jpegls as jls
from dicom_jpegls.dicom import decode_nested_pixel_data
from support.command_line import run_cli
from support.commands import ROOT
from support.dicom_files import check_refused, little_endian
from support.single_files import written

CASES = ROOT / "tests/cases"


def read(name):
    return pydicom.dcmread(CASES / f"{name}.dcm")


def by_plugin(ds):
    jls.register()
    try:
        return pixel_array(ds, raw=True)
    finally:
        jls.unregister()


def written_and_read(ds):
    buffer = io.BytesIO()
    ds.save_as(buffer, enforce_file_format=True)
    buffer.seek(0)
    return pydicom.dcmread(buffer)


def test_an_rle_icon():
    ds = read("icon_rle")
    ds.decompress()
    pixels, icon = ds.pixel_array.copy(), read("icon_rle").IconImageSequence[0]
    expected = pydicom.pixels.get_decoder("1.2.840.10008.1.2.5").as_array(icon, raw=True)[0]
    jls.compress(ds)
    ds = written_and_read(ds)
    np.testing.assert_array_equal(jls.pixel_array(ds), pixels)
    assert ds.IconImageSequence[0].PixelData == little_endian(expected)
    assert not ds.IconImageSequence[0]["PixelData"].is_undefined_length


def test_a_jpegls_icon():
    ds = read("icon_jls")
    (decoded,) = decode_nested_pixel_data(ds)
    jls.decompress(ds)
    ds = written_and_read(ds)
    assert ds.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
    (icon,) = ds.IconImageSequence
    assert not icon["PixelData"].is_undefined_length
    assert icon.PixelData == decoded.pixel_data
    assert len(icon.PixelData) == icon.Rows * icon.Columns * icon.SamplesPerPixel


def test_precision_16_for_12_signed_bits():
    ds = read("p16_bs12_signed_zero_upper")
    numbers = jls.pixel_array(ds)
    assert numbers.min() == -2045
    np.testing.assert_array_equal(by_plugin(ds), numbers)
    jls.decompress(ds)
    assert np.frombuffer(ds.PixelData, "<u2").max() <= 4095
    np.testing.assert_array_equal(ds.pixel_array, numbers)


def test_an_overlay_in_bit_15():
    ds = read("overlay_bit15_p16")
    numbers = jls.pixel_array(ds)
    assert numbers.max() <= 4095
    np.testing.assert_array_equal(by_plugin(ds), numbers)
    jls.decompress(ds)
    words = np.frombuffer(ds.PixelData, "<u2")
    assert (words >> 15).any()
    np.testing.assert_array_equal((words & 0x0FFF).reshape(numbers.shape), numbers)


def test_8_bits_in_16():
    ds, other = read("ba16_bs8"), read("ba16_bs8")
    numbers = jls.pixel_array(ds)
    assert numbers.dtype == np.int16
    jls.register()
    try:
        ds.decompress(generate_instance_uid=False)
    finally:
        jls.unregister()
    jls.decompress(other)
    assert len(ds.PixelData) == 3840
    assert ds.PixelData == other.PixelData == little_endian(numbers)


def test_12_bits_in_8():
    ds = read("ba8_p12")
    match = r"Bits Allocated \(0028,0100\) is 8; the JPEG-LS stream's samples have 12 bits"
    for function in (jls.pixel_array, jls.decompress):
        check_refused(function, ds, jls.DatasetError, match)
    with pytest.raises(RuntimeError, match=match):
        by_plugin(ds)


def test_subsampled_by_name_only():
    ds = read("ybr_full_422")
    samples = jls.pixel_array(ds)
    jls.decompress(ds)
    ds = written_and_read(ds)
    assert ds.PhotometricInterpretation == "YBR_FULL"
    np.testing.assert_array_equal(pixel_array(ds, raw=True), samples)


def test_a_surplus_frame():
    with pytest.warns(jls.DatasetWarning, match="is 3; Pixel Data holds 4 frames: the rest is ignored"):
        assert jls.pixel_array(read("surplus_frame")).shape == (3, 40, 48)


def test_high_bit_is_absent():
    ds = read("no_high_bit")
    with pytest.warns(jls.DatasetWarning, match=r"High Bit \(0028,0102\) is absent"):
        numbers = jls.pixel_array(ds)
    with pytest.warns(jls.DatasetWarning):
        jls.decompress(ds)
    assert ds.HighBit == 11
    np.testing.assert_array_equal(ds.pixel_array, numbers)
    del ds.HighBit
    with pytest.warns(jls.DatasetWarning):
        jls.compress(ds)
    assert ds.HighBit == 11
    np.testing.assert_array_equal(jls.pixel_array(ds), numbers)


def test_tools_write_the_high_bit_that_is_absent(tmp_path):
    icon = pydicom.Dataset()
    icon.update({e.tag: e for e in read("icon_jls").IconImageSequence[0] if e.keyword != "HighBit"})
    ds = read("no_high_bit")
    ds.IconImageSequence = [icon]
    source = written(ds, tmp_path / "source.dcm")
    for command, changed in (("decompress", tmp_path / "native.dcm"), ("compress", tmp_path / "jls.dcm")):
        lines = run_cli(command, source, changed).stderr.splitlines()
        assert len(lines) == (2 if command == "decompress" else 1), lines
        assert all("High Bit (0028,0102) is absent; taken to be " in line for line in lines)
        found = pydicom.dcmread(changed)
        assert (found.HighBit, found.IconImageSequence[0].HighBit) == (11, 7)
        run_cli("verify", changed, source)
        del found.HighBit
        source = written(found, tmp_path / "next.dcm")


def test_jpegls_under_a_native_transfer_syntax():
    ds = read("jls_under_explicit_le")
    match = (
        "encapsulated.*: its frames are coded with JPEG-LS Lossless Image Compression; set ds.file_meta.TransferSynt"
    )
    for function in (jls.compress, jls.decompress, jls.pixel_array):
        check_refused(function, ds, jls.DatasetError, match)
    ds.file_meta.TransferSyntaxUID = JPEGLSLossless
    assert jls.pixel_array(ds).shape == (40, 48)


def test_an_empty_first_fragment():
    ds = read("empty_first_fragment")
    numbers = jls.pixel_array(ds)
    assert numbers.shape == (2, 40, 48)
    np.testing.assert_array_equal(np.stack(list(jls.iter_frames(ds))), numbers)
    jls.decompress(ds)
    np.testing.assert_array_equal(ds.pixel_array, numbers)


@pytest.mark.parametrize("unused_bits", ["keep", "clip"])
def test_a_lossy_source_that_overshoots(unused_bits):
    ds = read("j2k_above_stored")
    try:
        ds.decompress()
    except RuntimeError:
        pytest.skip("no decoder for JPEG 2000 is installed")
    words = np.frombuffer(ds.PixelData, "<u2").reshape(40, 48)
    assert words.max() > 4095
    check_refused(jls.compress, ds, jls.DatasetError, "bits set above Bits Stored, 12, .*unused_bits='keep'")
    jls.compress(ds, unused_bits=unused_bits)
    jls.decompress(ds)
    restored = np.frombuffer(ds.PixelData, "<u2").reshape(40, 48)
    np.testing.assert_array_equal(restored, words if unused_bits == "keep" else words.clip(max=4095))
