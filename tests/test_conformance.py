"""The conformance streams of ITU-T T.87 annex E, as the pyjpegls wheel carries them."""

import re
from pathlib import Path

import jpeg_ls
import numpy as np
import pytest

import dicom_jpegls as jls
from jls_streams import largest_error, parts, scans

FOLDER = Path(jpeg_ls.__file__).parent / "tests" / "jlsimV100"
NON_DEFAULT = jls.PresetCodingParameters(255, 9, 9, 9, 31)  # README_IMG.TXT

# Name, reference image, precision, interleave mode, NEAR.
STREAMS = [
    ("T8C0E0", "TEST8.PPM", 8, jls.InterleaveMode.NONE, 0),
    ("T8C0E3", "TEST8.PPM", 8, jls.InterleaveMode.NONE, 3),
    ("T8C1E0", "TEST8.PPM", 8, jls.InterleaveMode.LINE, 0),
    ("T8C1E3", "TEST8.PPM", 8, jls.InterleaveMode.LINE, 3),
    ("T8C2E0", "TEST8.PPM", 8, jls.InterleaveMode.SAMPLE, 0),
    ("T8C2E3", "TEST8.PPM", 8, jls.InterleaveMode.SAMPLE, 3),
    ("T8NDE0", "TEST8BS2.PGM", 8, jls.InterleaveMode.NONE, 0),
    ("T8NDE3", "TEST8BS2.PGM", 8, jls.InterleaveMode.NONE, 3),
    ("T16E0", "TEST16.PGM", 12, jls.InterleaveMode.NONE, 0),
    ("T16E3", "TEST16.PGM", 12, jls.InterleaveMode.NONE, 3),
]
STREAMS_BY_NAME = pytest.mark.parametrize(
    ("name", "image_name", "bits", "mode", "near"), STREAMS, ids=[row[0] for row in STREAMS]
)


def read_stream(name):
    return (FOLDER / f"{name}.JLS").read_bytes()


def read_image(name):
    content = (FOLDER / name).read_bytes()
    header = re.match(rb"(P[56])\s+(\d+)\s+(\d+)\s+(\d+)\s", content)
    columns, rows, maximum = (int(number) for number in header.groups()[1:])
    shape = (rows, columns, 3) if header[1] == b"P6" else (rows, columns)
    samples = np.frombuffer(content, ">u2" if maximum > 255 else "u1", offset=header.end())
    return samples.reshape(shape).astype("u2" if maximum > 255 else "u1")


def test_every_conformance_stream_is_tested():
    assert {path.stem for path in FOLDER.glob("*.JLS")} == {row[0] for row in STREAMS} | {"T8SSE0", "T8SSE3"}


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
        preset_coding_parameters=NON_DEFAULT if name.startswith("T8ND") else None,
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
