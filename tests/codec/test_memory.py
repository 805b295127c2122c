"""Nothing leaks: references and resident memory stay flat over many calls that succeed and that fail."""

import contextlib
import gc
import mmap
import os
import sys
import sysconfig
from pathlib import Path

import numpy as np
import pytest

import dicom_jpegls as jls
from dicom_jpegls import _codec, spiff
from support.jls_streams import encode_image, make_image

CALLS = 10_000
LARGEST_GROWTH = 32 * CALLS  # bytes: less than a small allocation lost in each call
SHAPE = {"width": 8, "height": 6}
IMAGE = make_image("noise", (6, 8), 12)
PLANES = make_image("noise", (3, 6, 8), 8)
STREAM = encode_image(
    IMAGE,
    bits=12,
    comments=[b"comment"],
    application_data=[(1, b"data")],
    spiff_header=spiff.SpiffHeader(spiff.SpiffColorSpace.GRAYSCALE),
)
INVALID = STREAM[:-2]
DAMAGED = STREAM[:-30] + b"\xff\xd9"  # CharLS, not the check before it, refuses it
UNSUPPORTED = STREAM.replace(b"\xff\xf7", b"\xff\xc0")
SOURCE, TARGET = bytearray(STREAM), bytearray(IMAGE.nbytes)
ODD_TARGET = memoryview(bytearray(IMAGE.nbytes + 1))[1:]
ENCODED = bytearray(1000)
OUT = np.empty_like(IMAGE)
SWAPPED_OUT = np.empty((6, 8), IMAGE.dtype.newbyteorder())
READ_ONLY = bytes(200)
HEADER = spiff.SpiffHeader(spiff.SpiffColorSpace.GRAYSCALE)
OPTIONS = {
    "near_lossless": 1,
    "segments": jls.OptionalSegments(
        preset_coding_parameters=jls.PresetCodingParameters(4095, 30, 80, 300, 32),
        spiff_header=HEADER,
        comments=[b"comment"],
        application_data=[(1, b"data")],
    ),
}
WRONG_ANNOTATION = jls.OptionalSegments(comments=[b"fine", 5])
WRONG_HEADER = jls.OptionalSegments(spiff_header=HEADER._replace(width=1))

# A call and the error it ends with.
WORK = {
    "encode": (lambda: jls.encode(IMAGE, bits_per_sample=12, **OPTIONS), None),
    "encode a copy": (lambda: jls.encode(IMAGE[::-1], bits_per_sample=12), None),
    "encode planes": (lambda: jls.encode(PLANES.transpose(1, 2, 0), interleave_mode=0), None),
    "encode, sample out of range": (lambda: jls.encode(IMAGE, bits_per_sample=4), jls.ParameterError),
    "encode, wrong argument": (lambda: jls.encode(IMAGE, near_lossless=300), jls.ParameterError),
    "encode, no array": (lambda: jls.encode(5), TypeError),
    "decode": (lambda: jls.decode(SOURCE), None),
    "decode out": (lambda: jls.decode(SOURCE, out=OUT), None),
    "decode out by way of a copy": (lambda: jls.decode(SOURCE, out=SWAPPED_OUT), None),
    "decode, invalid": (lambda: jls.decode(INVALID), jls.InvalidStreamError),
    "decode, unsupported": (lambda: jls.decode(UNSUPPORTED), jls.UnsupportedStreamError),
    "decode, damaged": (lambda: jls.decode(DAMAGED), jls.InvalidStreamError),
    "decode, wrong out": (lambda: jls.decode(SOURCE, out=OUT[:-1]), jls.ParameterError),
    "decode, no buffer": (lambda: jls.decode(5), TypeError),
    "encode_into": (lambda: jls.encode_into(IMAGE, ENCODED, **SHAPE, bits_per_sample=12, **OPTIONS), None),
    "encode_into from an odd address": (
        lambda: jls.encode_into(ODD_TARGET, ENCODED, **SHAPE, bits_per_sample=12),
        None,
    ),
    "encode_into, too small": (
        lambda: jls.encode_into(IMAGE, TARGET, **SHAPE, bits_per_sample=12, **OPTIONS),
        jls.BufferTooSmallError,
    ),
    "encode_into, too small from an odd address": (
        lambda: jls.encode_into(ODD_TARGET, ENCODED[:20], **SHAPE, bits_per_sample=12),
        jls.BufferTooSmallError,
    ),
    "encode_into, read-only": (
        lambda: jls.encode_into(IMAGE, READ_ONLY, **SHAPE, bits_per_sample=12),
        jls.ParameterError,
    ),
    "encode_into, wrong annotation": (
        lambda: jls.encode_into(IMAGE, ENCODED, **SHAPE, bits_per_sample=12, segments=WRONG_ANNOTATION),
        jls.ParameterError,
    ),
    "encode_into, wrong SPIFF header": (
        lambda: jls.encode_into(IMAGE, ENCODED, **SHAPE, bits_per_sample=8, segments=WRONG_HEADER),
        jls.ParameterError,
    ),
    "encode_into, no buffer": (lambda: jls.encode_into(IMAGE, 5, **SHAPE, bits_per_sample=12), TypeError),
    "decode_into": (lambda: jls.decode_into(SOURCE, TARGET), None),
    "decode_into an odd address": (lambda: jls.decode_into(SOURCE, ODD_TARGET), None),
    "decode_into, too small": (lambda: jls.decode_into(SOURCE, ENCODED[:5]), jls.BufferTooSmallError),
    "decode_into, wrong stride": (lambda: jls.decode_into(SOURCE, TARGET, stride=5), jls.ParameterError),
    "decode_into, read-only": (lambda: jls.decode_into(SOURCE, READ_ONLY), jls.ParameterError),
    "decode_into, overlap": (lambda: jls.decode_into(SOURCE, SOURCE), jls.ParameterError),
    "decode_into, damaged": (lambda: jls.decode_into(DAMAGED, TARGET), jls.InvalidStreamError),
    "decode_into an odd address, damaged": (lambda: jls.decode_into(DAMAGED, ODD_TARGET), jls.InvalidStreamError),
    "decode_into, no buffer": (lambda: jls.decode_into(SOURCE, 5), TypeError),
    "read_info": (lambda: jls.read_info(SOURCE), None),
    "read_info, invalid": (lambda: jls.read_info(INVALID), jls.InvalidStreamError),
    "read_info, unsupported": (lambda: jls.read_info(UNSUPPORTED), jls.UnsupportedStreamError),
    "read_info, gaps": (lambda: jls.read_info(OUT[:, 0]), jls.ParameterError),
    "read_info, no buffer": (lambda: jls.read_info(5), TypeError),
    "Stream.decode": (lambda: _codec.Stream(SOURCE).decode(), None),
}
COUNTED = [
    IMAGE, PLANES, SOURCE, TARGET, ODD_TARGET, ENCODED, OUT, SWAPPED_OUT, STREAM, INVALID, DAMAGED, UNSUPPORTED,
    READ_ONLY, HEADER, WRONG_ANNOTATION, WRONG_HEADER, OPTIONS["segments"], *OPTIONS["segments"][1:],
    jls.InvalidStreamError, jls.UnsupportedStreamError, jls.ParameterError, jls.BufferTooSmallError, TypeError,
    jls.StreamInfo, spiff.SpiffHeader, jls.PresetCodingParameters, jls.InterleaveMode.NONE,
    jls.ColorTransformation.NONE, spiff.SpiffColorSpace.GRAYSCALE, _codec.Stream,
]  # fmt: skip
if sys.version_info < (3, 12):  # from there on they are immortal, and their counts mean nothing
    COUNTED += [None, True]
# Without the GIL, memory that threads have shared is freed when none can still read it.
FREES_LATER = sysconfig.get_config_var("Py_GIL_DISABLED")


STATISTICS = Path("/proc/self/statm")
HAS_RESIDENT_SIZE = STATISTICS.exists()
needs_resident_size = pytest.mark.skipif(not HAS_RESIDENT_SIZE, reason="the system does not tell the resident size")


def resident_size():
    """Bytes; always 0 where the system does not tell."""
    return int(STATISTICS.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") if HAS_RESIDENT_SIZE else 0


def repeat(call, error, times):
    expected = contextlib.nullcontext() if error is None else contextlib.suppress(error)
    for _ in range(times):
        with expected:
            call()


@pytest.mark.parametrize(("call", "error"), WORK.values(), ids=WORK)
def test_references_and_memory_stay_flat(call, error):
    if error is None:
        call()
    else:
        with pytest.raises(error):
            call()
    repeat(call, error, CALLS // 10)  # fills caches and free lists
    gc.collect()
    references = [sys.getrefcount(thing) for thing in COUNTED]
    blocks = sys.getallocatedblocks()
    size = resident_size()
    repeat(call, error, CALLS)
    growth = resident_size() - size
    gc.collect()
    for thing, before in zip(COUNTED, references, strict=True):
        assert abs(sys.getrefcount(thing) - before) < CALLS // 100, thing
    more = sys.getallocatedblocks() - blocks
    assert more < CALLS // 100
    assert more > -CALLS // 100 or FREES_LATER
    assert growth < LARGEST_GROWTH


@needs_resident_size
def test_growth_would_be_seen():
    size, blocks = resident_size(), sys.getallocatedblocks()
    lost = [bytearray(600) for _ in range(CALLS)]
    assert sys.getallocatedblocks() - blocks > CALLS // 100
    lost.append(mmap.mmap(-1, 64_000_000))  # new to this process, which memory that it allocates may not be
    np.frombuffer(lost[-1], np.uint8)[:] = 1
    assert resident_size() - size > LARGEST_GROWTH


@needs_resident_size
def test_memory_of_large_images_is_given_back():
    image = make_image("noise", (500, 500), 16)
    stream = encode_image(image, bits=16)
    swapped = np.empty((500, 500), image.dtype.newbyteorder())
    odd = memoryview(bytearray(image.nbytes + 1))[1:]

    def work():
        jls.encode(image)
        jls.encode(swapped)
        jls.decode(stream)
        jls.decode(stream, out=swapped)
        jls.decode_into(stream, odd)
        with contextlib.suppress(jls.BufferTooSmallError):
            jls.encode_into(odd, bytearray(1000), width=500, height=500, bits_per_sample=16)
        with contextlib.suppress(jls.InvalidStreamError):
            jls.decode_into(stream[: len(stream) // 2 & ~1] + b"\xff\xd9", odd)

    for _ in range(3):
        work()
    size = resident_size()
    for _ in range(20):
        work()
    assert resident_size() - size < 10 * image.nbytes
