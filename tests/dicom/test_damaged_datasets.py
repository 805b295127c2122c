"""Damaged datasets and streams, as Hypothesis damages them: pixels or an error of ours, and nothing half done."""

import copy

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.encaps import encapsulate, generate_fragments
from pydicom.uid import JPEGLSLossless

import dicom_jpegls as jls
from support.dicom_files import make_dataset, random_frames
from support.jls_streams import encode_image, encode_strips, make_image


def compressed(frames, bits_stored, *, offset_table="basic"):
    ds = make_dataset(frames, bits_stored=bits_stored)
    jls.compress(ds, JPEGLSLossless, offset_table=offset_table)
    return ds


DATASETS = [
    compressed(random_frames((3, 6, 8), 12, signed=True), 12),
    compressed(random_frames((2, 6, 8, 3), 8), 8, offset_table="extended"),
    compressed(random_frames((1, 6, 8), 16), 16, offset_table="empty"),
]
STREAMS = [
    encode_image(make_image("noise", (6, 8), 12), bits=12, comments=[b"comment"]),
    encode_image(make_image("runs", (3, 6, 8), 8), mode=0, near=2),
    encode_strips(make_image("smooth", (12, 8, 3), 8), 1, mode=2),
]

NUMBERS = st.sampled_from([0, 1, 2, 3, 7, 8, 9, 11, 16, 17, 32, 255, 256, 65535])
ATTRIBUTES = {
    "Rows": NUMBERS,
    "Columns": NUMBERS,
    "BitsAllocated": NUMBERS,
    "BitsStored": NUMBERS,
    "HighBit": NUMBERS,
    "PixelRepresentation": NUMBERS,
    "SamplesPerPixel": NUMBERS,
    "PlanarConfiguration": NUMBERS,
    "NumberOfFrames": st.sampled_from([-1, 0, 1, 2, 4, 2**31 - 1]),
    "PhotometricInterpretation": st.sampled_from(
        ["", "RGB", "MONOCHROME1", "YBR_FULL", "YBR_ICT", "PALETTE COLOR", "X"]
    ),
    "ExtendedOffsetTable": st.binary(max_size=24),
    "ExtendedOffsetTableLengths": st.binary(max_size=24),
}


@st.composite
def damaged_bytes(draw, data):
    """Some bytes changed, some missing, some too many; most of the damage near the start, where the structure is."""
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.integers(0, len(data)) | st.integers(0, 60))
        missing = draw(st.sampled_from([0, 0, 1, 1, 1, 2, 4, 8, len(data)]))
        data = data[:place] + draw(st.binary(max_size=4)) + data[place + missing :]
    return data


def damage_bytes(draw, ds):
    ds.PixelData = draw(damaged_bytes(ds.PixelData))


def damage_fragments(draw, ds):
    """Fragments missing, repeated, in another order, cut in two, or damaged themselves."""
    fragments = list(generate_fragments(ds.PixelData))[1:]
    chosen = draw(st.lists(st.sampled_from(range(len(fragments))), min_size=1, max_size=5))
    parts = []
    for i in chosen:
        fragment = draw(st.just(fragments[i]) | damaged_bytes(fragments[i]))
        cut = draw(st.just(0) | st.integers(0, len(fragment)))
        parts += [fragment[:cut], fragment[cut:]] if cut else [fragment]
    # pydicom makes no empty fragment.
    parts = [part for part in parts if part] or [b"\0\0"]
    ds.PixelData = encapsulate(parts, has_bot=draw(st.booleans()))


def damage_attributes(draw, ds):
    for name in draw(st.lists(st.sampled_from(sorted(ATTRIBUTES)), min_size=1, max_size=3, unique=True)):
        if draw(st.booleans()) or name not in ds:
            setattr(ds, name, draw(ATTRIBUTES[name]))
        else:
            delattr(ds, name)


KINDS = [[damage_attributes], [damage_fragments], [damage_bytes], [damage_attributes, damage_fragments]]


@st.composite
def damaged_datasets(draw):
    ds = copy.deepcopy(draw(st.sampled_from(DATASETS)))
    for damage in draw(st.sampled_from(KINDS)):
        damage(draw, ds)
    return ds


USES = {
    "pixel_array": jls.pixel_array,
    "pixel_array_partial": jls.pixel_array_partial,
    "iter_frames": lambda ds: list(jls.iter_frames(ds)),
    "decompress": jls.decompress,
    "decompress_partial": jls.decompress_partial,
}


@pytest.mark.filterwarnings("ignore::UserWarning")  # pydicom's, about the values
@pytest.mark.parametrize("use", USES)
@settings(max_examples=100)
@given(ds=damaged_datasets())
def test_datasets(use, ds):
    before = copy.deepcopy(ds)
    try:
        USES[use](ds)
    except jls.JPEGLSError:
        assert ds == before
        assert ds.file_meta == before.file_meta


@pytest.mark.parametrize("use", USES)
def test_number_of_frames_that_no_data_can_hold(use):
    """Nothing is made for each frame before it is clear that the frames are there."""
    ds = copy.deepcopy(DATASETS[0])
    ds.NumberOfFrames = 2**31 - 1
    with pytest.raises(jls.DatasetError, match="Number of Frames"):
        USES[use](ds)


@settings(max_examples=300)
@given(stream=st.sampled_from(STREAMS).flatmap(damaged_bytes))
def test_streams(stream):
    try:
        info = jls.read_info(stream)
    except jls.StreamError:
        with pytest.raises(jls.StreamError):
            jls.decode(stream)
        return
    assert info.size + info.trailing_size <= len(stream)
    try:
        image = jls.decode(stream)
    except jls.StreamError:
        return
    assert image.shape[:2] == (info.height, info.width)
    assert image.max() < 2**info.bits_per_sample
    partial = jls.decode_partial(stream)
    assert partial.good_lines.all()
    assert np.array_equal(partial.image, image)
