"""The conformance streams of ITU-T T.87 annex E."""

import pytest

import dicom_jpegls as jls
from support.conformance import STREAMS, folder, read_image, read_stream
from support.jls_streams import largest_error, parts, scans

NON_DEFAULT = jls.PresetCodingParameters(255, 9, 9, 9, 31)  # README_IMG.TXT

STREAMS_BY_NAME = pytest.mark.parametrize(
    ("name", "image_name", "bits", "mode", "near"), STREAMS, ids=[row[0] for row in STREAMS]
)


def test_every_conformance_stream_is_tested():
    assert {path.stem for path in folder().glob("*.JLS")} == {row[0] for row in STREAMS} | {"T8SSE0", "T8SSE3"}


@STREAMS_BY_NAME
def test_header_is_read(name, image_name, bits, mode, near):
    stream = read_stream(name)
    info = jls.read_info(stream)
    image = read_image(image_name)
    assert info.frame_info == (image.shape[1], image.shape[0], bits, 1 if image.ndim == 2 else 3)
    assert info.interleave_mode is mode
    assert info.near_lossless == near
    assert info.size == len(stream)
    if name.startswith("T8ND"):
        assert info.preset_coding_parameters == NON_DEFAULT


@STREAMS_BY_NAME
def test_stream_decodes_to_the_reference_image(name, image_name, bits, mode, near):  # noqa: ARG001
    image = read_image(image_name)
    decoded = jls.decode(read_stream(name))
    assert decoded.dtype == image.dtype
    # A near-lossless coder on such images reaches the bound: less would mean that NEAR was not read.
    assert largest_error(image, decoded) == near


@STREAMS_BY_NAME
def test_encoder_reproduces_the_entropy_coded_data(name, image_name, bits, mode, near):
    reference = read_stream(name)
    ours = jls.encode(
        read_image(image_name),
        bits_per_sample=bits,
        near_lossless=near,
        interleave_mode=mode,
        segments=jls.OptionalSegments(preset_coding_parameters=NON_DEFAULT if name.startswith("T8ND") else None),
    )
    assert scans(ours) == scans(reference)
    # The headers hold the same, too; the whole stream differs by the padding to an even length alone.
    assert parts(ours) == parts(reference)
    assert len(ours) == len(reference) + len(reference) % 2


@pytest.mark.parametrize(("name", "sampling"), [("T8SSE0", 0x24), ("T8SSE3", 0x24)])
def test_subsampled_stream_is_refused(name, sampling):
    stream = read_stream(name)
    for use in (jls.read_info, jls.decode):
        with pytest.raises(jls.UnsupportedStreamError, match=rf"subsampled.*found {sampling}\b") as caught:
            use(stream)
        assert (caught.value.offset, caught.value.marker) == (2, 0xFFF7)
