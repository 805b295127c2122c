"""Images of the pydicom wheel, and datasets made from arrays."""

import copy
import warnings
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid

TEST_FILES = Path(pydicom.__file__).parent / "data" / "test_files"

JPEGLS_FILES = (
    "JPEGLSNearLossless_08.dcm",
    "JPEGLSNearLossless_16.dcm",
    "MR_small_jpeg_ls_lossless.dcm",
    "SC_rgb_jls_lossy_line.dcm",
    "SC_rgb_jls_lossy_sample.dcm",
)

# Every image with native pixel data that JPEG-LS can code.
NATIVE_FILES = (
    "CT_small.dcm",
    "ExplVR_BigEnd.dcm",
    "MR_small.dcm",
    "MR_small_bigendian.dcm",
    "MR_small_expb.dcm",
    "MR_small_implicit.dcm",
    "MR_small_padded.dcm",
    "SC_rgb_jpeg_dcmd.dcm",
    "SC_rgb_small_odd.dcm",
    "SC_rgb_small_odd_big_endian.dcm",
    "dicomdirtests/77654033/CR1/6154",
    "dicomdirtests/77654033/CT2/17106",
    "dicomdirtests/98892003/MR1/4919",
    "examples_overlay.dcm",
    "examples_palette.dcm",
    "examples_rgb_color.dcm",
    "image_dfl.dcm",
)


def read(name):
    """Read a file of the pydicom wheel, whatever pydicom thinks of its oddities."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ds = pydicom.dcmread(TEST_FILES / name)
        ds.decode()
    return ds


def make_dataset(frames, *, bits_stored, photometric_interpretation=None, planar_configuration=0, big_endian=False):
    """Make a dataset from an array (frames, rows, columns[, samples]) of the container's dtype."""
    color = frames.ndim == 4
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRBigEndian if big_endian else ExplicitVRLittleEndian
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=["dicom-jpegls"])
    ds.Rows, ds.Columns = frames.shape[1:3]
    ds.SamplesPerPixel = frames.shape[3] if color else 1
    ds.PhotometricInterpretation = photometric_interpretation or ("RGB" if color else "MONOCHROME2")
    ds.BitsAllocated = frames.dtype.itemsize * 8
    ds.BitsStored, ds.HighBit = bits_stored, bits_stored - 1
    ds.PixelRepresentation = int(frames.dtype.kind == "i")
    if color:
        ds.PlanarConfiguration = planar_configuration
    if len(frames) > 1:
        ds.NumberOfFrames = len(frames)
    native = frames.transpose(0, 3, 1, 2) if color and planar_configuration == 1 else frames
    data = np.ascontiguousarray(native, frames.dtype.newbyteorder(">" if big_endian else "<")).tobytes()
    ds.PixelData = data + b"\0" * (len(data) % 2)
    ds["PixelData"].VR = "OB" if ds.BitsAllocated == 8 else "OW"
    return ds


def little_endian(samples):
    """Return samples as the bytes of native pixel data, whatever the byte order of this machine."""
    return samples.astype(samples.dtype.newbyteorder("<")).tobytes()


def random_frames(shape, bits_stored, *, signed=False, seed=1):
    """Make frames with structure and noise that use the whole range of a precision."""
    rng = np.random.default_rng(seed)
    dtype = np.dtype(f"{'i' if signed else 'u'}{1 if bits_stored <= 8 else 2}")
    low = -(1 << (bits_stored - 1)) if signed else 0
    ramp = np.indices(shape).sum(axis=0) * max(1, (1 << bits_stored) // 64)
    noise = rng.integers(0, max(2, (1 << bits_stored) // 16), size=shape)
    return (low + (ramp + noise) % (1 << bits_stored)).astype(dtype)


def check_refused(function, ds, error, match):
    """The call fails with the error, and leaves the dataset as it was."""
    before, meta = copy.deepcopy(ds), copy.deepcopy(ds.file_meta)
    with pytest.raises(error, match=match):
        function(ds)
    assert ds == before
    assert ds.file_meta == meta
