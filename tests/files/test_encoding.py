"""The bytes before and after Pixel Data."""

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import (
    ExplicitVRLittleEndian,
)

from dicom_jpegls.files import compress_file, decompress_file
from support.dicom_files import TEST_FILES, make_dataset, random_frames
from support.single_files import compressed

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:pydicom")


@pytest.mark.parametrize("big_endian", [False, True])
def test_what_follows_pixel_data_stays(tmp_path, big_endian):
    ds = make_dataset(random_frames((1, 9, 9), 12), bits_stored=12, big_endian=big_endian)
    padding = Dataset()
    padding.DataSetTrailingPadding = bytes(6)
    ds.update(padding)
    _, result = compressed(ds, tmp_path)
    assert result.DataSetTrailingPadding == bytes(6)
    decompress_file(tmp_path / "jls.dcm", tmp_path / "again.dcm")
    again = pydicom.dcmread(tmp_path / "again.dcm")
    assert again.DataSetTrailingPadding == bytes(6)
    assert again.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian


def test_attributes_in_front_of_the_pixels_are_copied_byte_for_byte(tmp_path):
    source = TEST_FILES / "CT_small.dcm"
    compress_file(source, tmp_path / "jls.dcm")
    decompress_file(tmp_path / "jls.dcm", tmp_path / "again.dcm")
    data, again = source.read_bytes(), (tmp_path / "again.dcm").read_bytes()
    start = data.index(b"\x08\x00\x05\x00CS")
    assert again.endswith(data[start:])
