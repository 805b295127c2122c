"""Verifying against a reference: every element that a conversion does not change, and copies byte for byte."""

import numpy as np
import pydicom
import pytest

import dicom_jpegls as jls
from dicom_jpegls.dicom import CodingOptions
from dicom_jpegls.files import (
    NotConvertibleError,
    NotVerifiedError,
    compress_file,
    copy_steps,
    decompress_file,
    file_sha256,
    finish_steps,
    verify_file,
)
from support.dicom_files import NATIVE_FILES, TEST_FILES, make_dataset, random_frames
from support.single_files import written

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:pydicom")


def rewritten(path, **changes):
    """Change attributes of a file; those set to None are deleted."""
    ds = pydicom.dcmread(path)
    for keyword, value in changes.items():
        if value is None:
            del ds[keyword]
        else:
            setattr(ds, keyword, value)
    ds.save_as(path)


@pytest.mark.parametrize("near_lossless", [0, 2])
@pytest.mark.parametrize("name", NATIVE_FILES)
def test_a_conversion_and_its_reversal_are_verified(tmp_path, name, near_lossless):
    source = TEST_FILES / name
    options = CodingOptions(near_lossless=near_lossless, signed_overflow="clip")
    try:
        conversion = compress_file(source, tmp_path / "jls.dcm", options)
    except NotConvertibleError:
        assert near_lossless, name
        return
    verification = verify_file(tmp_path / "jls.dcm", source, options=options)
    assert verification.pixels_sha256 == conversion.pixels_sha256_after
    assert conversion.target_sha256 == file_sha256(tmp_path / "jls.dcm")
    conversion = decompress_file(tmp_path / "jls.dcm", tmp_path / "again.dcm")
    assert conversion.target_sha256 == file_sha256(tmp_path / "again.dcm")
    verify_file(tmp_path / "again.dcm", tmp_path / "jls.dcm")
    if not near_lossless:
        verify_file(tmp_path / "again.dcm", source)


ALTERATIONS = {
    "another name": ({"PatientName": "Other^Name"}, r"element \(0010,0010\) differs"),
    "a missing element": ({"PatientID": None}, r"element \(0010,0020\) is missing"),
    "another element": ({"PatientComments": "new"}, r"element \(0010,4000\) was added"),
    "a changed sequence": ({"OtherPatientIDsSequence": []}, r"element \(0010,1002\) differs"),
    "another meaning": (
        {"PhotometricInterpretation": "MONOCHROME1"},
        "PhotometricInterpretation is 'MONOCHROME1' inst",
    ),
    "more bits": ({"BitsStored": 13, "HighBit": 12}, "BitsStored is 13 instead of 16"),
    "an allegedly lost instance": ({"SOPInstanceUID": "1.2.3"}, r"element \(0008,0018\) differs"),
    "an alleged loss": ({"LossyImageCompression": "01"}, r"element \(0028,2110\) was added"),
}


@pytest.mark.parametrize("alteration", ALTERATIONS)
@pytest.mark.parametrize("near_lossless", [0, 2])
def test_altered_attributes_are_found(tmp_path, alteration, near_lossless):
    changes, message = ALTERATIONS[alteration]
    if near_lossless and ("0008,0018" in message or "0028,2110" in message):
        return  # those change with a loss
    source = TEST_FILES / "CT_small.dcm"
    target = tmp_path / "jls.dcm"
    compress_file(source, target, CodingOptions(near_lossless=near_lossless, signed_overflow="clip"))
    verify_file(target, source)
    rewritten(target, **changes)
    with pytest.raises(NotVerifiedError, match=message):
        verify_file(target, source)


def test_cleared_and_clipped_samples_are_compared_with_what_had_to_become_of_them(tmp_path):
    pixels = random_frames((2, 20, 10), 12)
    pixels[0, 3, 4:7] |= 0x8000
    source = written(make_dataset(pixels, bits_stored=12), tmp_path / "native.dcm")
    options = CodingOptions(unused_bits="clear")
    compress_file(source, tmp_path / "jls.dcm", options)
    with pytest.raises(NotVerifiedError, match=r"largest error against .* is 32768; NEAR is 0"):
        verify_file(tmp_path / "jls.dcm", source)
    assert verify_file(tmp_path / "jls.dcm", source, options=options).statistics.cleared_samples == 3

    signed = random_frames((1, 20, 10), 12, signed=True)
    signed[0, 0, :5] = -2048
    source = written(make_dataset(signed, bits_stored=12), tmp_path / "signed.dcm")
    options = CodingOptions(near_lossless=3, signed_overflow="clip")
    compress_file(source, tmp_path / "clipped.dcm", options)
    verification = verify_file(tmp_path / "clipped.dcm", source, options=options)
    assert verification.statistics.clipped_samples >= 5
    assert verification.statistics.largest_error <= 3


def test_converted_colours_are_compared_with_what_had_to_become_of_them(tmp_path):
    source = TEST_FILES / "examples_rgb_color.dcm"
    options = CodingOptions(photometric_interpretation="YBR_FULL")
    compress_file(source, tmp_path / "jls.dcm", options)
    with pytest.raises(NotVerifiedError, match="largest error"):
        verify_file(tmp_path / "jls.dcm", source)
    assert verify_file(tmp_path / "jls.dcm", source, options=options).statistics.largest_error == 0


@pytest.mark.parametrize("keyword", ["SourceApplicationEntityTitle", "ImplementationVersionName"])
def test_altered_file_meta_information_is_found(tmp_path, keyword):
    source, target = TEST_FILES / "CT_small.dcm", tmp_path / "jls.dcm"
    compress_file(source, target)
    ds = pydicom.dcmread(target)
    setattr(ds.file_meta, keyword, "ALTERED")
    ds.save_as(target)
    with pytest.raises(NotVerifiedError, match=r"element \(0002,001[36]\) differs"):
        verify_file(target, source)


@pytest.mark.parametrize("contents", [b"not DICOM", (TEST_FILES / "rtplan.dcm").read_bytes()], ids=["text", "no image"])
def test_copies_are_compared_byte_for_byte(tmp_path, contents):
    source, copy = tmp_path / "source", tmp_path / "copy"
    source.write_bytes(contents)
    assert finish_steps(copy_steps(source, copy, force=False)) == file_sha256(source)
    verification = verify_file(copy, source)
    assert (verification.shape, verification.pixels_sha256) == ((), None)
    copy.write_bytes(contents[:-1] + b"x")
    with pytest.raises(NotVerifiedError, match=r"is not a copy of .*source, and cannot be compared as an image"):
        verify_file(copy, source)


@pytest.mark.parametrize("damage", ["emptied", "without preamble", "cut"])
def test_damaged_images_are_no_copies(tmp_path, damage):
    source, target = TEST_FILES / "CT_small.dcm", tmp_path / "jls.dcm"
    compress_file(source, target)
    data = target.read_bytes()
    target.write_bytes({"emptied": b"", "without preamble": data[132:], "cut": data[:1000]}[damage])
    with pytest.raises(jls.JPEGLSError, match=r"is not a copy of|truncated|the preamble is missing"):
        verify_file(target, source)


def test_the_errors_of_equal_bytes_are_not_computed(tmp_path, monkeypatch):
    source = TEST_FILES / "CT_small.dcm"
    compress_file(source, tmp_path / "jls.dcm")
    monkeypatch.setattr(np, "abs", None)
    assert verify_file(tmp_path / "jls.dcm", source).statistics.largest_error == 0
