"""Default thresholds: written where other decoders have other ones, and those of other encoders recognised."""

import re
import warnings
from itertools import product

import numpy as np
import pytest

import dicom_jpegls as jls
from dicom_jpegls import _codec
from support.jls_streams import (
    LSE,
    encode_image,
    encode_variant,
    make_image,
    parts,
    variant_presets,
    without_presets,
)
from support.peers import imagecodecs, libjpeg

JAI, CHARLS_1, STANDARD = jls.DefaultThresholds.JAI, jls.DefaultThresholds.CHARLS_1, jls.DefaultThresholds.STANDARD


def image_of(bits, mode, kind="noise", size=40):
    shape = {None: (size, size), 0: (3, size, size)}.get(mode, (size, size, 3))
    return make_image(kind, shape, bits)


def by_pixel(image, mode):
    return image.transpose(1, 2, 0) if mode == 0 else image


@pytest.mark.parametrize("bits", range(2, 17))
def test_presets_are_written_below_8_and_above_12_bits(bits):
    for near, lines in product((0, 1), (None, 5)):
        image = image_of(bits, None)
        stream = encode_image(image, bits=bits, near=near, restart_interval=lines)
        written = [part.data for part in parts(stream) if part.marker == LSE]
        assert len(written) == (bits < 8 or bits > 12), (near, lines)
        presets = jls.read_info(stream).preset_coding_parameters
        assert jls.read_info(without_presets(stream)).preset_coding_parameters == presets
        chosen = encode_image(image, bits=bits, near=near, restart_interval=lines, preset_coding_parameters=presets)
        assert [part.data for part in parts(chosen) if part.marker == LSE] == [
            b"\1" + b"".join(value.to_bytes(2, "big") for value in presets)
        ]
        assert jls.max_encoded_size(width=40, height=40, bits_per_sample=bits) >= len(chosen)


@pytest.mark.parametrize("mode", [None, 0, 1, 2])
@pytest.mark.parametrize("bits", range(2, 8))
def test_other_decoders_read_few_bits(bits, mode):
    for kind in ("noise", "smooth", "runs"):
        image = image_of(bits, mode, kind)
        stream = encode_image(image, bits=bits, mode=mode)
        expected = by_pixel(image, mode)
        assert np.array_equal(libjpeg.decode(stream).reshape(expected.shape), expected), kind
        found = imagecodecs.jpegls_decode(stream)
        assert np.array_equal(
            found.transpose(1, 2, 0) if found.shape == image.shape != expected.shape else found, expected
        )


VARIANTS = [(JAI, bits, 0) for bits in (13, 14, 16)] + [
    (CHARLS_1, bits, near) for bits, near in product((6, 7), (0, 2))
]


@pytest.mark.patched_charls
@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("mode", [None, 0, 1, 2])
@pytest.mark.parametrize(("variant", "bits", "near"), VARIANTS)
def test_variants_are_recognised(variant, bits, near, mode, workers):
    image = image_of(bits, mode)
    presets = variant_presets(variant, bits, near)
    stream = encode_variant(image, variant, bits, near, mode=mode)
    expected = by_pixel(image, mode)
    with pytest.warns(jls.AssumedThresholdsWarning, match=re.escape(variant.encoder)) as caught:
        found = jls.decode(stream, workers=workers)
    assert len(caught) == 1
    assert np.abs(found.astype(int) - expected).max() <= near
    memory = bytearray(image.nbytes)
    with pytest.warns(jls.AssumedThresholdsWarning):
        info = jls.decode_into(stream, memory)
    assert (info.default_thresholds, info.preset_coding_parameters) == (variant, presets)
    assert jls.read_info(stream).default_thresholds == STANDARD

    # Given by the caller, nothing is assumed.
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.array_equal(jls.decode(stream, workers=workers, preset_coding_parameters=presets), found)
        info = jls.decode_into(stream, memory, preset_coding_parameters=presets._replace(reset_value=0))
        assert (info.default_thresholds, info.preset_coding_parameters) == (STANDARD, presets)
        assert _codec.Stream(stream, preset_coding_parameters=presets).info.preset_coding_parameters == presets


def test_presets_in_the_stream_hold():
    image = image_of(12, None)
    stream = encode_image(image, bits=12, preset_coding_parameters=(0, 30, 60, 100, 0))
    other = jls.PresetCodingParameters(0, 18, 67, 276)
    assert np.array_equal(jls.decode(stream, preset_coding_parameters=other), image)
    with pytest.raises(jls.InvalidStreamError):
        jls.decode(without_presets(stream))
    found = jls.decode(without_presets(stream), preset_coding_parameters=(0, 30, 60, 100, 0))
    assert np.array_equal(found, image)


def test_restart_intervals_are_decoded_with_the_given_presets_only():
    image = image_of(16, None)
    presets = variant_presets(JAI, 16)
    stream = encode_variant(image, JAI, 16, restart_interval=10)
    with pytest.raises(jls.InvalidStreamError):
        jls.decode(stream)
    for workers in (1, 2):
        assert np.array_equal(jls.decode(stream, preset_coding_parameters=presets, workers=workers), image)
    part = _codec.Stream(stream[: len(stream) // 2], partial=True, preset_coding_parameters=presets)
    samples = np.zeros_like(image)
    good = np.frombuffer(part.decode_partial_into(samples)[0], bool)
    assert 10 <= good.sum() < 40
    assert np.array_equal(samples[good], image[good])


@pytest.mark.parametrize(
    ("presets", "message"),
    [
        ((0, 9, 5, 7, 0), "out of range.*threshold1=9"),
        ((100, 0, 0, 0, 0), "MAXVAL"),
        ((0, 0, 0, 0), "must be 5 numbers, found 4"),
        ((0, 70000, 0, 0, 0), "threshold1: 70000 is not in the range"),
        (7, "must be iterable"),
    ],
)
def test_wrong_presets_are_refused(presets, message):
    stream = encode_image(image_of(8, None))
    with pytest.raises(jls.ParameterError, match=rf"^preset_coding_parameters.*{message}"):
        jls.decode(stream, preset_coding_parameters=presets)
    with pytest.raises(jls.ParameterError, match=r"^preset_coding_parameters"):
        jls.decode_into(stream, bytearray(1600), preset_coding_parameters=presets)


def test_sound_streams_are_decoded_as_the_standard_has_it():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for bits, kind, size in product((2, 6, 7, 13, 16), ("noise", "smooth", "runs", "extremes"), (1, 2, 3, 9, 24)):
            image = image_of(bits, None, kind, size)
            stream = without_presets(encode_image(image, bits=bits))
            assert np.array_equal(jls.decode(stream), image), (bits, kind, size)
            assert jls.decode_into(stream, bytearray(image.nbytes)).default_thresholds == STANDARD


def test_truncated_streams_are_not_taken_for_a_variant():
    for bits in (7, 16):
        stream = without_presets(encode_image(image_of(bits, None), bits=bits))
        for size in range(60, len(stream) - 4, 29):
            with pytest.raises(jls.InvalidStreamError):
                jls.decode(stream[:size] + b"\xff\xd9")
