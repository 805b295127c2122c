"""Published faults of CharLS: what docs/security.md states about each is shown here."""

import pytest

import dicom_jpegls as jls
from dicom_jpegls import _codec
from support.jls_streams import EOI, SOI, dimensions, frame_header, scan_header

LARGEST = 100_000  # that CharLS 2.4.4 allows, and so does this package at most
SCAN = bytes(64)


def with_size(width, height, size, **options):
    """A stream whose dimensions are in an LSE segment of type 4, with numbers of `size` bytes."""
    header = frame_header(0, 0, **options)
    return SOI + dimensions(width, height, size) + header + scan_header(options.get("ids", (1,))) + SCAN + EOI


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize(
    ("width", "height"),
    [
        (2**32 - 1, 2**32 - 1),  # products beyond 64 bits, with components and bytes of a sample
        (2**31, 2**31),
        (2**32 - 1, 1),
        (1, 2**32 - 1),
        (2**16, 2**16),  # products of exactly 2^32
        (LARGEST + 1, 1),
        (1, LARGEST + 1),
    ],
)
def test_sizes_that_overflow_are_refused_before_charls(width, height, bits):
    """GHSA-mqrg-gfc8-73ff: by a check of ours, whose codes begin at 1000, whatever the limits of the caller are."""
    stream = with_size(width, height, 4, bits=bits)
    calls = {
        "read_info": lambda **options: jls.read_info(stream, **options),
        "decode": lambda **options: jls.decode(stream, **options),
        "decode_into": lambda **options: jls.decode_into(stream, bytearray(64), **options),
        "Stream": lambda **options: _codec.Stream(stream, **options),
    }
    for name, call in calls.items():
        for limits in ({}, {"max_dimension": LARGEST, "max_samples": 2**63 - 1}):
            with pytest.raises(jls.StreamError) as raised:
                call(**limits)
            assert raised.value.code >= 1000, name


@pytest.mark.parametrize("components", [1, 3, 255])
def test_the_largest_sizes_are_computed_in_64_bits(components):
    """The number of samples of the largest dimensions is compared with the limit, and not what is left of it."""
    ids = tuple(range(1, components + 1))
    stream = with_size(LARGEST, LARGEST, 4, bits=16, ids=ids)
    samples = LARGEST * LARGEST * components
    with pytest.raises(jls.StreamError, match="samples") as raised:
        jls.read_info(stream, max_dimension=LARGEST, max_samples=samples - 1)
    assert raised.value.code >= 1000
    if components == 1:  # within the limit, it has too few bytes for its lines: nothing is allocated
        with pytest.raises(jls.InvalidStreamError, match="too short"):
            jls.decode(stream, max_dimension=LARGEST, max_samples=samples)
