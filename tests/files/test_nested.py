"""Pixel data in the items of sequences: no coding of the old transfer syntax remains in the new file."""

import shutil
import subprocess

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.pixels.encoders import RLELosslessEncoder
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian, JPEGLSLossless, RLELossless

import dicom_jpegls as jls
from dicom_jpegls.files import NotVerifiedError, compress_file, decompress_file, verify_file
from support.dicom_files import make_dataset, random_frames
from support.single_files import written

PIXELS = random_frames((1, 40, 48), 12)
ICON = random_frames((1, 16, 16), 8)


def image_item(frames, bits_stored, coding, *, big_endian=False):
    """Return an item with an image that is native or encapsulated."""
    made = make_dataset(frames, bits_stored=bits_stored, big_endian=big_endian)
    item = Dataset()
    item.update({element.tag: element for element in made if element.tag.group in (0x0028, 0x7FE0)})
    if coding == JPEGLSLossless:
        streams = [jls.encode(frame, bits_per_sample=bits_stored) for frame in frames]
    elif coding == RLELossless:
        streams = list(
            RLELosslessEncoder.iter_encode(
                frames[0], encoding_plugin="pydicom", rows=frames.shape[1], columns=frames.shape[2], number_of_frames=1,
                samples_per_pixel=1, bits_allocated=frames.dtype.itemsize * 8, bits_stored=bits_stored,
                photometric_interpretation="MONOCHROME2", pixel_representation=0,
            )
        )  # fmt: skip
    else:
        return item
    item.PixelData = encapsulate(streams)
    item["PixelData"].VR = "OB"
    item["PixelData"].is_undefined_length = True
    return item


def nested_image(folder, uid, icon_coding):
    """Write a file with an icon, one in a private sequence, and one in a sequence in it."""
    big_endian = uid == ExplicitVRBigEndian
    ds = make_dataset(PIXELS, bits_stored=12, big_endian=big_endian)
    ds.IconImageSequence = Sequence([image_item(ICON, 8, icon_coding, big_endian=big_endian)])
    block = ds.private_block(0x0009, "SOMEONE", create=True)
    private = image_item(ICON, 8, icon_coding, big_endian=big_endian)
    private.IconImageSequence = Sequence([image_item(PIXELS, 12, icon_coding, big_endian=big_endian)])
    private.PatientComments = "stays"
    block.add_new(1, "SQ", Sequence([private]))
    # By its delimiter it is known as a sequence in implicit VR, too.
    ds[0x0009, 0x1001].is_undefined_length = True
    ds.ReferencedImageSequence = Sequence([Dataset()])
    ds.ReferencedImageSequence[0].ReferencedSOPInstanceUID = "1.2.3"
    if uid in (RLELossless, JPEGLSLossless):
        main = image_item(PIXELS, 12, uid)
        ds["PixelData"] = main["PixelData"]
    ds.file_meta.TransferSyntaxUID = uid
    return written(ds, folder / "source.dcm")


def icons(ds):
    """Return the items with pixel data by the names of their sequences."""
    private = ds[0x0009, 0x1001].value[0]
    return [(ds.IconImageSequence[0], ICON), (private, ICON), (private.IconImageSequence[0], PIXELS)]


def check_result(path, expected_syntax):
    ds = pydicom.dcmread(path)
    assert ds.file_meta.TransferSyntaxUID == expected_syntax
    for number, (icon, frames) in enumerate(icons(ds)):
        assert not icon["PixelData"].is_undefined_length, number
        assert icon.PixelData == frames.astype(frames.dtype.newbyteorder("<")).tobytes(), number
    assert icons(ds)[1][0].PatientComments == "stays"
    assert ds.ReferencedImageSequence[0].ReferencedSOPInstanceUID == "1.2.3"


def read_by_others(path, folder):
    """Read a whole file with DCMTK and GDCM, and compare its samples, where these are installed."""
    for command in (["dcmdjpls", path], ["gdcmconv", "--raw", path]):
        if shutil.which(command[0]) is None:
            continue
        target = folder / f"{command[0]}.dcm"
        done = subprocess.run([*command, target], capture_output=True, text=True, check=False)
        assert done.returncode == 0, (command, done.stderr)
        np.testing.assert_array_equal(pydicom.dcmread(target).pixel_array, PIXELS[0], err_msg=command[0])


@pytest.mark.filterwarnings("ignore::UserWarning:pydicom")
@pytest.mark.parametrize(
    ("uid", "icon_coding"),
    [
        (RLELossless, RLELossless),
        (ExplicitVRLittleEndian, RLELossless),  # left by other programs
        (ExplicitVRLittleEndian, None),
        (ImplicitVRLittleEndian, None),
        (ImplicitVRLittleEndian, JPEGLSLossless),
        (ExplicitVRBigEndian, None),
    ],
    ids=lambda value: getattr(value, "name", str(value)),
)
def test_compressed_files_have_native_icons(tmp_path, uid, icon_coding):
    source = nested_image(tmp_path, uid, icon_coding)
    compress_file(source, tmp_path / "jls.dcm")
    check_result(tmp_path / "jls.dcm", JPEGLSLossless)
    verify_file(tmp_path / "jls.dcm", source)
    read_by_others(tmp_path / "jls.dcm", tmp_path)


@pytest.mark.parametrize("icon_coding", [JPEGLSLossless, RLELossless, None], ids=lambda uid: uid and uid.name)
def test_decompressed_files_have_native_icons(tmp_path, icon_coding):
    source = nested_image(tmp_path, JPEGLSLossless, icon_coding)
    decompress_file(source, tmp_path / "native.dcm")
    check_result(tmp_path / "native.dcm", ExplicitVRLittleEndian)
    verify_file(tmp_path / "native.dcm", source)
    read_by_others(tmp_path / "native.dcm", tmp_path)


def test_an_icon_that_cannot_be_decoded_fails_the_file(tmp_path):
    source = nested_image(tmp_path, RLELossless, RLELossless)
    ds = pydicom.dcmread(source)
    icon = ds.IconImageSequence[0]
    icon.PixelData = encapsulate([b"no coding at all"])
    icon["PixelData"].is_undefined_length = True
    ds.save_as(source)
    with pytest.raises(
        jls.DatasetError, match=r"Icon Image Sequence \(0088,0200\), item 0: Pixel Data .* known coding"
    ):
        compress_file(source, tmp_path / "jls.dcm")
    assert not (tmp_path / "jls.dcm").exists()


def change_samples(ds):
    data = bytearray(icons(ds)[2][0].PixelData)
    data[7] ^= 1
    icons(ds)[2][0].PixelData = bytes(data)


def change_text(ds):
    icons(ds)[1][0].PatientComments = "other"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (change_samples, r"the pixel data in element \(0009,1001\) differs"),
        (change_text, r"element \(0009,1001\) differs, not only in its pixel data"),
    ],
)
def test_verification_compares_icons(tmp_path, change, message):
    source = nested_image(tmp_path, RLELossless, RLELossless)
    compress_file(source, tmp_path / "jls.dcm")
    ds = pydicom.dcmread(tmp_path / "jls.dcm")
    change(ds)
    ds.save_as(tmp_path / "jls.dcm")
    with pytest.raises(NotVerifiedError, match=message):
        verify_file(tmp_path / "jls.dcm", source)
