"""No dataset makes a public function raise anything but the documented errors, whatever its attributes hold."""

import copy
import io
import warnings

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.sequence import Sequence
from pydicom.tag import Tag
from pydicom.uid import ExplicitVRBigEndian, JPEGLSLossless, JPEGLSNearLossless

import dicom_jpegls as jls
from dicom_jpegls.dicom import decode_nested_pixel_data
from support.dicom_files import make_dataset, random_frames

# Whatever is in a dataset, nothing else may be raised.
ALLOWED = (jls.JPEGLSError, MemoryError, TypeError, OSError)

FUNCTIONS = {
    "compress": jls.compress,
    "compress near-lossless": lambda ds: jls.compress(ds, near_lossless=1, signed_overflow="clip", unused_bits="clip"),
    "compress by colour": lambda ds: jls.compress(ds, photometric_interpretation="YBR_FULL"),
    "compress an array": lambda ds: jls.compress(ds, arr=np.zeros((5, 6), np.uint16)),
    "decompress": jls.decompress,
    "decompress_partial": jls.decompress_partial,
    "pixel_array": jls.pixel_array,
    "pixel_array_partial": jls.pixel_array_partial,
    "iter_frames": lambda ds: list(jls.iter_frames(ds, workers=1)),
    "decode_nested_pixel_data": decode_nested_pixel_data,
}

KEYWORDS = (
    "Rows",
    "Columns",
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "PlanarConfiguration",
    "NumberOfFrames",
    "ExtendedOffsetTable",
    "ExtendedOffsetTableLengths",
    "PixelData",
    "FloatPixelData",
    "SOPInstanceUID",
    "SOPClassUID",
    "ImageType",
    "DerivationDescription",
    "DerivationCodeSequence",
    "SourceImageSequence",
    "LossyImageCompression",
    "LossyImageCompressionRatio",
    "LossyImageCompressionMethod",
    "IconImageSequence",
    "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence",
)
VRS = ("US", "SS", "UL", "IS", "DS", "CS", "LO", "ST", "UI", "OB", "OW", "OV", "SQ", "UN", "FD", "AT", "PN", "DA")


def native():
    return make_dataset(random_frames((1, 5, 6), 12), bits_stored=12)


def compressed():
    ds = make_dataset(random_frames((2, 5, 6), 12), bits_stored=12)
    jls.compress(ds, workers=1)
    return ds


def with_icon():
    ds = native()
    item = Dataset()
    item.update(compressed())
    ds.IconImageSequence = [item]
    return ds


DATASETS = {
    "native": native(),
    "big-endian": make_dataset(random_frames((1, 5, 6, 3), 8), bits_stored=8, big_endian=True),
    "compressed": compressed(),
    "with icon": with_icon(),
}

numbers = st.integers(-3, 20) | st.sampled_from([255, 65535, 65536, 2**31, 2**32 - 1, 2**63, 2**64, -(2**63)])
scalars = numbers | st.none() | st.text(max_size=8) | st.binary(max_size=40) | st.floats() | st.booleans()
items = st.just(Sequence([Dataset()])) | st.just(Sequence([])) | st.builds(lambda: Sequence([compressed()]))
values = scalars | st.lists(scalars, max_size=3) | items


def set_value(ds, keyword, vr, value):
    """Put a value into a dataset without a check, as if it had been read so."""
    element = DataElement(Tag(keyword), vr, b"" if vr in ("OB", "OW", "UN") else None)
    element._value = value
    ds._dict[element.tag] = element


def set_raw(ds, keyword, vr, value):
    tag = Tag(keyword)
    ds._dict[tag] = RawDataElement(tag, vr, len(value), value, 0, vr is None, True)


def check(ds):
    for name, function in FUNCTIONS.items():
        subject = copy.deepcopy(ds)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                function(subject)
        except ALLOWED:
            pass
        except Exception as error:
            raise AssertionError(f"{name} raised {error!r}") from error


BUDGET = settings(max_examples=200, suppress_health_check=list(HealthCheck))


@BUDGET
@given(
    st.sampled_from(list(DATASETS)),
    st.lists(st.tuples(st.sampled_from(KEYWORDS), st.sampled_from(VRS), values), min_size=1, max_size=3),
)
@example("compressed", [("ExtendedOffsetTable", "OV", (2**63).to_bytes(8, "little") * 2)])
@example("native", [("LossyImageCompressionRatio", "DS", "a")])
@example("native", [("ImageType", "CS", [3, None])])
@example("native", [("DerivationDescription", "ST", ["a", 2])])
@example("with icon", [("IconImageSequence", "SQ", 3)])
def test_any_value_of_any_type(kind, changes):
    ds = copy.deepcopy(DATASETS[kind])
    for keyword, vr, value in changes:
        set_value(ds, keyword, vr, value)
    check(ds)


@BUDGET
@given(
    st.sampled_from(list(DATASETS)),
    st.lists(
        st.tuples(st.sampled_from(KEYWORDS), st.sampled_from((*VRS, None)), st.binary(max_size=40)),
        min_size=1,
        max_size=3,
    ),
)
def test_any_bytes_that_pydicom_has_yet_to_parse(kind, changes):
    ds = copy.deepcopy(DATASETS[kind])
    for keyword, vr, value in changes:
        set_raw(ds, keyword, vr, value)
    check(ds)


@BUDGET
@given(st.sampled_from(list(DATASETS)), values, st.booleans())
def test_any_transfer_syntax(kind, value, raw):
    ds = copy.deepcopy(DATASETS[kind])
    if raw and isinstance(value, bytes):
        set_raw(ds.file_meta, "TransferSyntaxUID", "UI", value)
    else:
        set_value(ds.file_meta, "TransferSyntaxUID", "UI", value)
    check(ds)


@pytest.mark.parametrize("meta", [None, 3, "1.2.840.10008.1.2.4.80", Dataset()])
def test_any_file_meta_information(meta):
    ds = compressed()
    object.__setattr__(ds, "file_meta", meta)
    check(ds)


lengths = st.integers(0, 400) | st.sampled_from([2**31, 2**32 - 2, 2**32 - 1])
tags = st.sampled_from([b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0", b"\xfe\xff\x0d\xe0", b"\0\0\0\0"])
headers = st.builds(lambda tag, length: tag + length.to_bytes(4, "little"), tags, lengths)
streams = st.sampled_from([jls.encode(frame, bits_per_sample=12) for frame in random_frames((2, 5, 6), 12)])
contents = st.one_of(streams, st.binary(max_size=30), streams.map(lambda stream: stream[:40]))
sound = contents.map(lambda content: b"\xfe\xff\x00\xe0" + len(content).to_bytes(4, "little") + content)
encapsulated = st.lists(sound | sound | headers | contents, max_size=6).map(b"".join)
offsets = st.lists(
    st.integers(0, 400) | st.integers(2**31, 2**64 - 1) | st.sampled_from([0, 2**63, 2**64 - 1]), max_size=4
)
counts = st.sampled_from([None, 0, 1, 2, 3, 4, 1000, 2**31 - 1])


@settings(BUDGET, max_examples=400)
@given(encapsulated, offsets, offsets, counts, st.booleans())
def test_any_encapsulation(data, basic, extended, count, near_lossless):
    ds = compressed()
    table = b"".join((offset & 0xFFFFFFFF).to_bytes(4, "little") for offset in basic)
    ds.PixelData = b"\xfe\xff\x00\xe0" + len(table).to_bytes(4, "little") + table + data
    ds["PixelData"].is_undefined_length = True
    ds.ExtendedOffsetTable = b"".join(offset.to_bytes(8, "little") for offset in extended)
    ds.NumberOfFrames = count
    ds.file_meta.TransferSyntaxUID = JPEGLSNearLossless if near_lossless else JPEGLSLossless
    check(ds)


@settings(BUDGET, max_examples=100)
@given(encapsulated, st.sampled_from([None, 0, 1, 2, 7]))
def test_any_encapsulation_in_an_item(data, count):
    ds = with_icon()
    (item,) = ds.IconImageSequence
    item.PixelData = b"\xfe\xff\x00\xe0\0\0\0\0" + data
    item["PixelData"].is_undefined_length = True
    item.NumberOfFrames = count
    check(ds)


def written(ds):
    buffer = io.BytesIO()
    ds.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


FILES = [written(DATASETS["compressed"]), written(DATASETS["with icon"])]


@BUDGET
@given(st.sampled_from(FILES), st.integers(132, 2000), st.integers(132, 2000), st.binary(max_size=8))
def test_any_damaged_or_truncated_file(tmp_path_factory, data, size, position, change):
    damaged = data[:position] + change + data[position + len(change) :]
    path = tmp_path_factory.getbasetemp() / "damaged.dcm"
    path.write_bytes(damaged[:size])
    try:
        ds = jls.read_truncated(path)
    except (*ALLOWED, InvalidDicomError):
        return
    check(ds)


def test_a_big_endian_dataset_with_words_that_are_none():
    ds = copy.deepcopy(DATASETS["big-endian"])
    assert ds.file_meta.TransferSyntaxUID == ExplicitVRBigEndian
    for value in (b"abc", "text", 3, [b"ab", b"c"]):
        set_value(ds, "RedPaletteColorLookupTableData", "OW", value)
        with pytest.raises(jls.DatasetError):
            jls.compress(ds)
