"""Entropy-coded data that CharLS decodes without our patches, although it is not what an encoder writes.

The pyjpegls wheel has an unpatched CharLS 2.4.2. The program patches.cpp shows what each patch changes inside CharLS.
"""

import numpy as np
import pytest

import dicom_jpegls as jls
from support.jls_streams import (
    EOI,
    RST0,
    SOI,
    encode_image,
    encode_strips,
    frame_header,
    make_image,
    scan_header,
    scans,
)
from support.peers import jpeg_ls, libjpeg


def refuse(stream, sound):
    """The stream is refused by us; an unpatched CharLS makes an image of the kind of the sound stream's from it."""
    with pytest.raises(jls.InvalidStreamError):
        jls.decode(stream)
    assert len(jpeg_ls.decode_buffer(stream)[0]) == jls.decode(sound).nbytes


def pack(bits):
    """Entropy-coded data of bits that have no run of ones that is long enough for bit stuffing."""
    bits += "0" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big")


@pytest.mark.patched_charls
@pytest.mark.parametrize("zeros", [23, 30, 63, 64, 200])
def test_escape_code_has_its_number_of_zero_bits(zeros):
    # One sample: a run of length 0, ended by a sample whose code has at most LIMIT - J[0] - 1 = 31 bits. The escape
    # code leaves 9 of them for its end (T.87 A.5.3, A.7.2).
    sound, damaged = (
        SOI + frame_header(1, 1) + scan_header() + pack("0" + "0" * count + "1" + "01011010") + EOI
        for count in (22, zeros)
    )
    assert np.array_equal(jls.decode(sound), libjpeg.decode(sound))
    refuse(damaged, sound)


@pytest.mark.patched_charls
def test_bits_missing_at_the_end_of_a_scan():
    missing = 0
    for size in range(3, 30):
        stream = encode_image(make_image("noise", (1, size), 8))
        (scan,) = scans(stream)
        begin = stream.index(scan)
        damaged = stream[: begin + len(scan) - 1] + EOI
        if damaged[-3] == 0xFF:
            continue
        with pytest.raises(jls.InvalidStreamError):
            jls.decode(damaged)
        try:
            jpeg_ls.decode_buffer(damaged)
        except Exception:
            continue
        missing += 1
    assert missing > 0


@pytest.mark.patched_charls
@pytest.mark.parametrize("size", range(1, 7))
def test_data_left_before_a_restart_marker(size):
    sound = encode_strips(make_image("noise", (4, 11), 8), 2)
    marker = sound.index(bytes([0xFF, RST0]))
    refuse(sound[:marker] + b"\x55" * size + sound[marker:], sound)


@pytest.mark.parametrize("near", [0, 1])
@pytest.mark.parametrize("size", [1, 10, 63, 64, 90, 91, 100])  # CharLS has a table from 64 x 64 on for these 15 bits
def test_presets_without_and_with_a_table(size, near):
    image = make_image("smooth", (size, size), 15)
    stream = encode_image(image, bits=15, near=near, preset_coding_parameters=(0, 9, 40, 200, 63))
    expected = np.frombuffer(jpeg_ls.decode_buffer(stream)[0], np.uint16).reshape(size, size)
    assert np.array_equal(jls.decode(stream), expected)
    assert np.abs(expected.astype(int) - image).max() <= near
