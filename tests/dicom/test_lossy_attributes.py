"""Attributes that mark a dataset as derived (PS3.3 C.7.6.1.1.5)."""

import copy

import pytest
from pydicom.uid import JPEGLSNearLossless

import dicom_jpegls as jls
from support.dicom_files import read

NEAR = {"transfer_syntax_uid": JPEGLSNearLossless}


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
