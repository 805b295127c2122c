"""The buffers that encode_into, decode_into and read_info take, and those that they refuse."""

import array
import ctypes
import mmap
import re
import sys
import tracemalloc

import numpy as np
import pytest

import dicom_jpegls as jls
from dicom_jpegls import _codec
from support.jls_streams import encode_image, make_image

ROWS, COLUMNS = 6, 8
IMAGES = {bits: make_image("noise", (ROWS, COLUMNS), bits) for bits in (8, 12)}
STREAMS = {bits: encode_image(image, bits=bits) for bits, image in IMAGES.items()}
SHAPE = {"width": COLUMNS, "height": ROWS}
PLANES = make_image("noise", (3, ROWS, COLUMNS), 8)
PLANES_STREAM = encode_image(PLANES, mode=0)


def anonymous_map(content):
    memory = mmap.mmap(-1, len(content))
    memory[:] = content
    return memory


# Each makes a writable buffer with the given bytes.
WRITABLE = {
    "bytearray": bytearray,
    "memoryview": lambda content: memoryview(bytearray(content)),
    "memoryview of a cast": lambda content: memoryview(bytearray(content)).cast("B", (2, len(content) // 2)),
    "mmap": anonymous_map,
    "array of bytes": lambda content: array.array("B", content),
    "array of signed bytes": lambda content: array.array("b", content),
    "array of 16-bit numbers": lambda content: array.array("H", content),
    "array of signed 16-bit numbers": lambda content: array.array("h", content),
    "ndarray": lambda content: np.frombuffer(bytearray(content), np.uint8),
    "ndarray of 16-bit numbers": lambda content: np.frombuffer(bytearray(content), np.uint16),
    "ndarray of booleans": lambda content: np.frombuffer(bytearray(content), np.bool_),
    "ndarray of opaque bytes": lambda content: np.frombuffer(bytearray(content), "V1").reshape(-1, 1),
    "ctypes array of bytes": lambda content: (ctypes.c_uint8 * len(content)).from_buffer_copy(content),
    "ctypes array of characters": lambda content: (ctypes.c_char * len(content)).from_buffer_copy(content),
    "ctypes array of 16-bit numbers": lambda content: (ctypes.c_uint16 * (len(content) // 2)).from_buffer_copy(content),
    "ctypes array of arrays": lambda content: ((ctypes.c_uint16 * 1) * (len(content) // 2)).from_buffer_copy(content),
}
READABLE = WRITABLE | {
    "bytes": bytes,
    "memoryview of bytes": lambda content: memoryview(bytes(content)),
    "read-only ndarray": lambda content: np.frombuffer(bytes(content), np.uint8),
}
# Of samples of one byte, items of two bytes cannot be a row.
WIDE = {name for name in READABLE if "16-bit" in name or name == "ctypes array of arrays"}


def content(buffer):
    return bytes(memoryview(buffer).cast("B") if memoryview(buffer).contiguous else buffer)


@pytest.mark.parametrize("make", READABLE.values(), ids=READABLE)
@pytest.mark.parametrize("bits", [8, 12])
def test_any_buffer_holds_a_stream(make, bits):
    source = make(STREAMS[bits])
    assert jls.read_info(source).frame_info == (COLUMNS, ROWS, bits, 1)
    pixels = np.zeros_like(IMAGES[bits])
    assert jls.decode_into(source, pixels) == jls.read_info(STREAMS[bits])
    assert np.array_equal(pixels, IMAGES[bits])
    assert np.array_equal(jls.decode(source), IMAGES[bits])
    assert content(source) == STREAMS[bits]


@pytest.mark.parametrize("name", READABLE)
@pytest.mark.parametrize("bits", [8, 12])
def test_any_buffer_holds_the_samples_to_encode(name, bits):
    source = READABLE[name](IMAGES[bits].tobytes())
    stream = bytearray(len(STREAMS[bits]) + 16)
    if bits == 8 and name in WIDE:
        with pytest.raises(
            jls.ParameterError, match=r"^src: samples of 8 bits must have 1 byte each, found items of 2"
        ):
            jls.encode_into(source, stream, **SHAPE, bits_per_sample=bits)
        return
    size = jls.encode_into(source, stream, **SHAPE, bits_per_sample=bits)
    assert stream[:size] == STREAMS[bits]
    assert content(source) == IMAGES[bits].tobytes()


@pytest.mark.parametrize("name", WRITABLE)
@pytest.mark.parametrize("bits", [8, 12])
def test_any_writable_buffer_takes_the_decoded_samples(name, bits):
    target = WRITABLE[name](bytes(IMAGES[bits].nbytes))
    if bits == 8 and name in WIDE:
        with pytest.raises(
            jls.ParameterError, match=r"^dst: samples of 8 bits must have 1 byte each, found items of 2"
        ):
            jls.decode_into(STREAMS[bits], target)
        assert not any(content(target))
        return
    jls.decode_into(STREAMS[bits], target)
    expected = sign_extended(IMAGES[bits], bits) if "signed 16-bit" in name else IMAGES[bits]
    assert content(target) == expected.tobytes()


def sign_extended(image, bits):
    """The two's complement numbers of a precision as such of the container."""
    return np.where(image >> (bits - 1) == 1, image.astype(int) - (1 << bits), image).astype(f"i{image.itemsize}")


@pytest.mark.parametrize("shift", [0, 1], ids=["even address", "odd address"])
@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("mode", [0, 1])
@pytest.mark.parametrize("bits", [2, 7, 8, 9, 12, 15, 16])
def test_samples_of_a_signed_buffer_are_signed(bits, mode, workers, shift):
    image = make_image("noise", (3, 12, 9) if mode == 0 else (12, 9, 3), bits)
    stream = encode_image(image, bits=bits, mode=mode, restart_interval=4)
    memory = np.full(2 * image.nbytes + 1, 0xA5, np.uint8)
    flat = memory[shift : shift + 2 * image.nbytes].view(f"i{image.itemsize}")
    target = flat.reshape(*image.shape[:-1], -1)[..., : image.shape[-1]] if mode == 0 else flat[: image.size]
    jls.decode_into(stream, target, workers=workers)
    expected = sign_extended(image, bits)
    assert target.tobytes() == expected.tobytes()
    if mode == 0:  # the gaps stay as they are
        assert (flat.reshape(*image.shape[:-1], -1)[..., image.shape[-1] :].copy().view(np.uint8) == 0xA5).all()
    target[...] = 0
    good, error = _codec.Stream(stream).decode_partial_into(target)
    assert all(good)
    assert error is None
    assert target.tobytes() == expected.tobytes()
    size = image.shape[1:] if mode == 0 else image.shape[:2]
    options = {"height": size[0], "width": size[1], "component_count": 3, "bits_per_sample": bits}
    assert _codec.encode(target, **options, interleave_mode=mode, restart_interval=4) == stream


def test_bytes_of_16_bit_samples_have_no_sign():
    target = array.array("b", bytes(IMAGES[12].nbytes))
    jls.decode_into(STREAMS[12], target)
    assert target.tobytes() == IMAGES[12].tobytes()


@pytest.mark.parametrize("bits", [8, 12, 16])
def test_signed_samples_that_near_lossless_coding_may_reverse_are_refused(bits):
    near, half = 3, 1 << (bits - 1)
    image = np.zeros((5, 7), np.int8 if bits == 8 else np.int16)
    options = {"width": 7, "height": 5, "bits_per_sample": bits, "near_lossless": near}
    for safe in (half - 1 - near, near - half):
        image[2, 6] = safe
        assert _codec.encode(image, **options), safe
    for unsafe in (half - near, near - half - 1):
        image[2, 6] = unsafe
        message = rf"^src: .* signed sample {unsafe} .* {near - half} to {half - 1 - near}$"
        with pytest.raises(jls.ParameterError, match=message):
            jls.encode_into(image, bytearray(1000), **options)
        with pytest.raises(jls.ParameterError, match=message):
            _codec.encode(image, **options)
        assert _codec.encode(image, **options | {"near_lossless": 0}), unsafe
        assert _codec.encode(image.view(f"u{image.itemsize}"), **options), unsafe


@pytest.mark.parametrize("make", WRITABLE.values(), ids=WRITABLE)
def test_any_writable_buffer_takes_the_stream(make):
    target = make(bytes(jls.max_encoded_size(**SHAPE, bits_per_sample=8) // 2 * 2))
    size = jls.encode_into(IMAGES[8], target, **SHAPE, bits_per_sample=8)
    assert content(target)[:size] == STREAMS[8]


READ_ONLY = {
    "bytes": bytes(1000),
    "memoryview": memoryview(bytearray(1000)).toreadonly(),
    "mmap": mmap.mmap(-1, 1000, access=mmap.ACCESS_READ),
    "ndarray": np.frombuffer(bytes(1000), np.uint8),
}


@pytest.mark.parametrize("target", READ_ONLY.values(), ids=READ_ONLY)
def test_read_only_destination_is_refused(target):
    with pytest.raises(jls.ParameterError, match=r"^dst: must be a writable buffer of rows: "):
        jls.decode_into(STREAMS[8], target)
    with pytest.raises(jls.ParameterError, match=r"^dst: must be a writable buffer of rows: "):
        jls.encode_into(IMAGES[8], target, **SHAPE, bits_per_sample=8)
    assert not any(bytes(target))


@pytest.mark.parametrize("thing", [None, 5, "text", [1, 2, 3], (), object(), {}, bytearray, 1.5])
def test_what_has_no_buffer_is_a_type_error(thing):
    for use in (jls.read_info, jls.decode, lambda src: jls.decode_into(src, bytearray(100))):
        with pytest.raises(TypeError, match="src"):
            use(thing)
    with pytest.raises(TypeError, match="src"):
        jls.encode_into(thing, bytearray(1000), **SHAPE, bits_per_sample=8)
    with pytest.raises(TypeError, match="dst"):
        jls.decode_into(STREAMS[8], thing)
    with pytest.raises(TypeError, match="dst"):
        jls.encode_into(IMAGES[8], thing, **SHAPE, bits_per_sample=8)


@pytest.mark.parametrize(
    "empty", [b"", bytearray(), memoryview(b""), np.empty(0, np.uint8), np.empty((0, 5), np.uint8)]
)
def test_empty_source_is_no_stream(empty):
    with pytest.raises(jls.InvalidStreamError, match="does not start with an SOI"):
        jls.read_info(empty)
    with pytest.raises(jls.ParameterError, match=r"^src: 0 bytes are too few; .* need 48 bytes"):
        jls.encode_into(empty, bytearray(1000), **SHAPE, bits_per_sample=8)


@pytest.mark.parametrize("empty", [bytearray(), memoryview(bytearray()), np.empty(0, np.uint8), np.empty((3, 0), "u1")])
def test_empty_destination_is_too_small(empty):
    with pytest.raises(jls.BufferTooSmallError, match=r"^dst: 0 bytes are too few; .* need 48 bytes"):
        jls.decode_into(STREAMS[8], empty)
    with pytest.raises(jls.BufferTooSmallError, match=r"^dst: 0 bytes are too few"):
        jls.encode_into(IMAGES[8], empty, **SHAPE, bits_per_sample=8)


@pytest.mark.parametrize("bits", [8, 12])
@pytest.mark.parametrize("missing", [1, 2, 7, 40])
def test_too_small_destination_is_left_alone_and_the_needed_size_named(bits, missing):
    needed = IMAGES[bits].nbytes
    target = bytearray(b"\xa5" * (needed - missing))
    with pytest.raises(
        jls.BufferTooSmallError, match=rf"^dst: {needed - missing} bytes are too few; .* need {needed} bytes"
    ):
        jls.decode_into(STREAMS[bits], target)
    assert target == b"\xa5" * (needed - missing)


def test_needed_size_counts_the_stride_but_not_the_gap_behind_the_last_row():
    needed = 20 * (ROWS - 1) + COLUMNS
    target = bytearray(b"\xa5" * (needed - 1))
    with pytest.raises(jls.BufferTooSmallError, match=rf"need {needed} bytes"):
        jls.decode_into(STREAMS[8], target, stride=20)
    assert target == b"\xa5" * (needed - 1)
    jls.decode_into(STREAMS[8], bytearray(needed), stride=20)


@pytest.mark.parametrize("missing", [1, 2, 40])
def test_too_small_source_is_refused(missing):
    source = IMAGES[12].tobytes()[:-missing]
    with pytest.raises(
        jls.ParameterError, match=rf"^src: {len(source)} bytes are too few; .* need {ROWS * COLUMNS * 2} bytes"
    ):
        jls.encode_into(source, bytearray(1000), **SHAPE, bits_per_sample=12)


@pytest.mark.parametrize("bits", [2, 8, 12, 16])
@pytest.mark.parametrize("shape", [(1, 1), (3, 3), (9, 7)])
def test_encoder_stays_inside_a_destination_of_any_size(shape, bits):
    image = make_image("noise", shape, bits)
    stream = encode_image(image, bits=bits)
    enough = jls.max_encoded_size(width=shape[1], height=shape[0], bits_per_sample=bits)
    fitting, messages = [], []
    for size in range(len(stream) + 16):
        memory = bytearray(b"\xa5" * (size + 64))
        target = memoryview(memory)[32 : 32 + size]
        try:
            written = jls.encode_into(image, target, width=shape[1], height=shape[0], bits_per_sample=bits)
        except jls.BufferTooSmallError as error:
            messages.append(str(error))
        else:
            fitting.append(size)
            assert target[:written] == stream, size
        assert memory[:32] == memory[32 + size :] == b"\xa5" * 32, size
    for size, message in enumerate(messages):
        assert re.match(rf"dst: {size} bytes are too few .*; {enough} bytes are enough", message), (size, message)
    # "CharLS asks for some bytes more than it will use"
    assert len(stream) <= fitting[0] <= len(stream) + 4
    assert fitting == list(range(fitting[0], len(stream) + 16))


# --- Rows that lie apart ----------------------------------------------------------------------------------------------


def padded(image, gap, fill=0xA5):
    """A larger array and the part of it that has the image's shape."""
    whole = np.full((*image.shape[:-1], image.shape[-1] + gap), fill, image.dtype)
    return whole, whole[..., : image.shape[-1]]


@pytest.mark.parametrize("bits", [8, 12])
@pytest.mark.parametrize("gap", [1, 2, 5])
def test_rows_apart_are_encoded_in_place(bits, gap):
    _, part = padded(IMAGES[bits], gap)
    part[...] = IMAGES[bits]
    stream = bytearray(1000)
    assert not part.flags.c_contiguous
    size = jls.encode_into(part, stream, **SHAPE, bits_per_sample=bits)
    assert stream[:size] == STREAMS[bits]


@pytest.mark.parametrize("bits", [8, 12])
@pytest.mark.parametrize("gap", [1, 2, 5])
def test_rows_apart_are_decoded_in_place_and_the_gaps_stay(bits, gap):
    whole, part = padded(IMAGES[bits], gap)
    jls.decode_into(STREAMS[bits], part)
    assert np.array_equal(part, IMAGES[bits])
    assert (whole[:, COLUMNS:] == 0xA5).all()


def test_rows_of_planes_apart():
    whole, part = padded(PLANES, 3)
    jls.decode_into(PLANES_STREAM, part)
    assert np.array_equal(part, PLANES)
    assert (whole[..., COLUMNS:] == 0xA5).all()
    stream = bytearray(1000)
    size = jls.encode_into(part, stream, **SHAPE, component_count=3, bits_per_sample=8, interleave_mode=0)
    assert stream[:size] == PLANES_STREAM


def test_rows_of_pixels_apart():
    image = make_image("noise", (ROWS, COLUMNS, 3), 12)
    stream = encode_image(image, bits=12)
    whole = np.full((ROWS, COLUMNS + 2, 3), 0xA5, np.uint16)
    part = whole[:, 1 : COLUMNS + 1]
    jls.decode_into(stream, part)
    assert np.array_equal(part, image)
    assert (whole[:, [0, -1]] == 0xA5).all()
    target = bytearray(2000)
    assert target[: jls.encode_into(part, target, **SHAPE, component_count=3, bits_per_sample=12)] == stream


def test_a_column_of_samples():
    image = make_image("noise", (ROWS, 1), 12)
    stream = encode_image(image, bits=12)
    whole = np.full((ROWS, 4), 0xA5, np.uint16)
    jls.decode_into(stream, whole[:, 2])  # one dimension with a step
    assert np.array_equal(whole[:, 2:3], image)
    assert (whole[:, [0, 1, 3]] == 0xA5).all()
    target = bytearray(1000)
    assert target[: jls.encode_into(whole[:, 2], target, width=1, height=ROWS, bits_per_sample=12)] == stream


def test_axes_of_length_one_do_not_matter():
    whole = np.zeros((4, ROWS, 3, 2 * COLUMNS), np.uint8)
    part = whole[1:2, :, 1:2, :COLUMNS]
    part[0, :, 0] = IMAGES[8]
    target = bytearray(1000)
    assert target[: jls.encode_into(part, target, **SHAPE, bits_per_sample=8)] == STREAMS[8]


NARROW = {
    # A line would run through the gaps between the rows.
    "rows of half a line": lambda whole: whole[:, :COLUMNS][:, : COLUMNS // 2],
    "rows of all but one sample": lambda whole: whole[:, : COLUMNS - 1],
    "every other sample": lambda whole: whole[:, ::2],
}


@pytest.mark.parametrize("view", NARROW.values(), ids=NARROW)
@pytest.mark.parametrize("bits", [8, 12])
def test_rows_of_the_buffer_must_hold_the_lines(view, bits):
    whole = np.full((4 * ROWS, COLUMNS), 0xA5, IMAGES[bits].dtype)
    for stride in (0, whole.strides[0]):
        with pytest.raises((jls.ParameterError, jls.BufferTooSmallError), match=r"^(dst|stride)"):
            jls.decode_into(STREAMS[bits], view(whole), stride=stride)
        assert (whole == 0xA5).all(), stride
        with pytest.raises(jls.ParameterError, match=r"^(src|stride)"):
            jls.encode_into(view(whole), bytearray(1000), **SHAPE, bits_per_sample=bits, stride=stride)
    with pytest.raises((jls.ParameterError, jls.BufferTooSmallError), match=r"^dst"):  # nobody gave a stride
        jls.decode_into(STREAMS[bits], view(whole))


IRREGULAR = {
    "reversed rows": lambda whole: whole[::-1],
    "reversed columns": lambda whole: whole[:, ::-1],
    "transposed": lambda whole: whole.T,
    "repeated row": lambda whole: np.lib.stride_tricks.as_strided(whole, (ROWS, COLUMNS), (0, whole.itemsize)),
    "overlapping rows": lambda whole: np.lib.stride_tricks.as_strided(
        whole, (ROWS, COLUMNS), (2 * whole.itemsize, whole.itemsize)
    ),
    "two distances": lambda whole: whole.reshape(4, ROWS, -1)[:, : ROWS - 1, : COLUMNS // 2],
}


@pytest.mark.parametrize("view", IRREGULAR.values(), ids=IRREGULAR)
@pytest.mark.parametrize("bits", [8, 12])
def test_irregular_rows_are_refused(view, bits):
    whole = np.full((4 * ROWS, 2 * COLUMNS), 0xA5, IMAGES[bits].dtype)
    part = view(whole)
    pattern = "the buffer must consist of rows with a constant positive stride, found shape .* with strides"
    with pytest.raises(jls.ParameterError, match=r"^dst: " + pattern):
        jls.decode_into(STREAMS[bits], part)
    assert (whole == 0xA5).all()
    with pytest.raises(jls.ParameterError, match=r"^src: " + pattern):
        jls.encode_into(part, bytearray(1000), **SHAPE, bits_per_sample=bits)


def test_bytes_of_a_stream_must_not_lie_apart():
    whole = np.zeros((len(STREAMS[8]), 2), np.uint8)
    whole[:, 0] = np.frombuffer(STREAMS[8], np.uint8)
    for use in (jls.read_info, jls.decode):
        with pytest.raises(jls.ParameterError, match=r"^src: the bytes of a stream must be contiguous$"):
            use(whole[:, 0])
    with pytest.raises(jls.ParameterError, match=r"^dst: the bytes of a stream must be contiguous$"):
        jls.encode_into(IMAGES[8], np.zeros((500, 2), np.uint8)[:, 0], **SHAPE, bits_per_sample=8)


# --- Stride -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("bits", "stride"), [(8, 8), (8, 9), (8, 32), (12, 16), (12, 18), (12, 64)])
def test_explicit_stride(bits, stride):
    image = IMAGES[bits]
    target = bytearray(b"\xa5" * (stride * ROWS))
    jls.decode_into(STREAMS[bits], target, stride=stride)
    rows = np.frombuffer(target, np.uint8).reshape(ROWS, stride)
    line = COLUMNS * image.itemsize
    assert rows[:, :line].tobytes() == image.tobytes()
    assert (rows[:, line:] == 0xA5).all()
    stream = bytearray(1000)
    assert stream[: jls.encode_into(target, stream, **SHAPE, bits_per_sample=bits, stride=stride)] == STREAMS[bits]


@pytest.mark.parametrize(("bits", "stride"), [(8, 1), (8, 7), (12, 8), (12, 15)])
def test_too_small_stride_is_refused(bits, stride):
    line = COLUMNS * IMAGES[bits].itemsize
    with pytest.raises(
        jls.ParameterError, match=rf"^stride: must be {line} bytes .* to 4294967295 bytes, found {stride}$"
    ):
        jls.decode_into(STREAMS[bits], bytearray(1000), stride=stride)
    with pytest.raises(
        jls.ParameterError, match=rf"^stride: must be {line} bytes .* to 4294967295 bytes, found {stride}$"
    ):
        jls.encode_into(bytes(1000), bytearray(1000), **SHAPE, bits_per_sample=bits, stride=stride)


def test_odd_stride_of_16_bit_samples_is_refused():
    with pytest.raises(jls.ParameterError, match=r"^stride: must be even for samples of .* bits, found 17 bytes$"):
        jls.decode_into(STREAMS[12], bytearray(1000), stride=17)
    with pytest.raises(jls.ParameterError, match=r"^stride: must be even for samples of .* bits, found 17 bytes$"):
        jls.encode_into(bytes(1000), bytearray(1000), **SHAPE, bits_per_sample=12, stride=17)


@pytest.mark.parametrize("stride", [-1, 2**32, 2**64, -(2**70), "8", 8.0, None])
def test_impossible_stride_is_refused(stride):
    with pytest.raises(jls.ParameterError, match=r"^stride: "):
        jls.decode_into(STREAMS[8], bytearray(1000), stride=stride)
    with pytest.raises(jls.ParameterError, match=r"^stride: "):
        jls.encode_into(bytes(1000), bytearray(1000), **SHAPE, bits_per_sample=8, stride=stride)


def test_stride_must_agree_with_the_rows_of_the_buffer():
    whole, part = padded(IMAGES[8], 4)
    jls.decode_into(STREAMS[8], part, stride=12)
    assert np.array_equal(part, IMAGES[8])
    with pytest.raises(jls.ParameterError, match=r"^stride: 13 is not the distance of the rows in dst, 12 bytes"):
        jls.decode_into(STREAMS[8], part, stride=13)
    with pytest.raises(jls.ParameterError, match=r"^stride: 8 is not the distance of the rows in src, 12 bytes"):
        jls.encode_into(part, bytearray(1000), **SHAPE, bits_per_sample=8, stride=8)
    assert (whole[:, COLUMNS:] == 0xA5).all()


def test_stride_of_planes_is_that_of_a_line_of_one_plane():
    target = bytearray(b"\xa5" * (12 * 3 * ROWS))
    jls.decode_into(PLANES_STREAM, target, stride=12)
    rows = np.frombuffer(target, np.uint8).reshape(3, ROWS, 12)
    assert np.array_equal(rows[..., :COLUMNS], PLANES)
    assert (rows[..., COLUMNS:] == 0xA5).all()


# --- Samples of two bytes ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stride", [0, 16, 22])
def test_odd_addresses_of_16_bit_samples(stride):
    size = (stride or 16) * ROWS
    memory = bytearray(b"\xa5" * (size + 3))
    for start in (0, 1):
        target = memoryview(memory)[start : start + size]
        address = np.frombuffer(target, np.uint8).ctypes.data
        jls.decode_into(STREAMS[12], target, stride=stride)
        rows = np.frombuffer(target, np.uint8).reshape(ROWS, -1)
        assert rows[:, :16].tobytes() == IMAGES[12].tobytes(), address
        assert (rows[:, 16:] == 0xA5).all(), start
        assert memory[start + size :] == b"\xa5" * (3 - start), start
        stream = bytearray(1000)
        assert stream[: jls.encode_into(target, stream, **SHAPE, bits_per_sample=12, stride=stride)] == STREAMS[12], (
            start
        )
        target[:] = b"\xa5" * size


def test_odd_address_of_planes():
    planes = make_image("noise", (3, ROWS, COLUMNS), 16)
    stream = encode_image(planes, bits=16, mode=0)
    memory = bytearray(planes.nbytes + 1)
    target = memoryview(memory)[1:]
    jls.decode_into(stream, target)
    assert target == planes.tobytes()
    again = bytearray(2000)
    size = jls.encode_into(target, again, **SHAPE, component_count=3, bits_per_sample=16, interleave_mode=0)
    assert again[:size] == stream


def test_odd_address_of_a_source_whose_stream_is_refused_stays_untouched():
    target = memoryview(bytearray(b"\xa5" * (2 * ROWS * COLUMNS + 1)))[1:]
    with pytest.raises(jls.InvalidStreamError):
        jls.decode_into(STREAMS[12][:-8] + b"\xff\xd9", target)
    assert target == b"\xa5" * len(target)


@pytest.mark.parametrize("dtype", [np.uint32, np.int32, np.float32, np.uint64, "V3"])
def test_other_item_sizes_are_refused(dtype):
    size = np.dtype(dtype).itemsize
    samples = np.zeros(600 // size, dtype)
    with pytest.raises(jls.ParameterError, match=rf"^dst: items must have 1 or 2 bytes, found {size}"):
        jls.decode_into(STREAMS[8], samples)
    with pytest.raises(jls.ParameterError, match=rf"^src: items must have 1 or 2 bytes, found {size}"):
        jls.encode_into(samples, bytearray(1000), **SHAPE, bits_per_sample=8)
    with pytest.raises(jls.ParameterError, match=rf"^src: items must have 1 or 2 bytes, found {size}"):
        jls.read_info(samples)


@pytest.mark.parametrize("dtype", [np.uint16, np.int16])
def test_foreign_byte_order_is_refused(dtype):
    swapped = np.zeros((ROWS, COLUMNS), np.dtype(dtype).newbyteorder())
    with pytest.raises(jls.ParameterError, match=r"^dst: 16-bit samples must be in native byte order"):
        jls.decode_into(STREAMS[12], swapped)
    with pytest.raises(jls.ParameterError, match=r"^src: 16-bit samples must be in native byte order"):
        jls.encode_into(swapped, bytearray(1000), **SHAPE, bits_per_sample=12)
    assert not swapped.any()


def test_native_byte_order_may_be_spelled_out():
    explicit = IMAGES[12].astype("<u2" if np.little_endian else ">u2")
    stream = bytearray(1000)
    assert stream[: jls.encode_into(explicit, stream, **SHAPE, bits_per_sample=12)] == STREAMS[12]


# --- Overlap and lifetime ---------------------------------------------------------------------------------------------


def test_source_and_destination_must_not_overlap():
    memory = bytearray(STREAMS[8].ljust(1000, b"\0"))
    before = bytes(memory)
    size = len(STREAMS[8])
    for start in (0, 1, size - 1):
        with pytest.raises(jls.ParameterError, match=r"^dst: overlaps src$"):
            jls.decode_into(memoryview(memory)[:size], memoryview(memory)[start : start + 48])
    with pytest.raises(jls.ParameterError, match=r"^dst: overlaps src$"):
        jls.encode_into(memory, memory, **SHAPE, bits_per_sample=8)
    with pytest.raises(jls.ParameterError, match=r"^dst: overlaps src$"):
        jls.encode_into(memoryview(memory)[900:], memoryview(memory)[:901], **SHAPE, bits_per_sample=8)
    assert memory == before


def test_source_and_destination_may_be_neighbours():
    size = len(STREAMS[8])
    memory = bytearray(STREAMS[8] + bytes(48))
    jls.decode_into(memoryview(memory)[:size], memoryview(memory)[size:])
    assert memory == STREAMS[8] + IMAGES[8].tobytes()
    memory = bytearray(1000) + IMAGES[8].tobytes()
    written = jls.encode_into(memoryview(memory)[1000:], memoryview(memory)[:1000], **SHAPE, bits_per_sample=8)
    assert memory[:written] == STREAMS[8]


def test_buffers_are_released():
    source, target = bytearray(STREAMS[8]), bytearray(48)
    jls.read_info(source)
    jls.decode_into(source, target)
    with pytest.raises(jls.ParameterError):
        jls.decode_into(source, target, stride=1)
    with pytest.raises(jls.ParameterError):
        jls.encode_into(target, source, width=0, height=ROWS, bits_per_sample=8)
    with pytest.raises(jls.BufferTooSmallError):
        jls.encode_into(target, memoryview(source)[:10], **SHAPE, bits_per_sample=8)
    source.append(0)  # a BufferError if something still held it
    target.append(0)


def test_stream_holds_its_buffer():
    source = bytearray(STREAMS[8])
    stream = _codec.Stream(source)
    with pytest.raises(BufferError):
        source.append(0)
    pixels = bytearray(48)
    stream.decode_into(pixels)
    stream.decode_into(pixels)
    assert pixels == IMAGES[8].tobytes()
    del stream
    source.append(0)


# --- Regions of larger things: no copy in between, and nothing beside the region is touched ---------------------------

GREY = {bits: make_image("smooth", (ROWS, COLUMNS), bits) for bits in (8, 12)}
PIXELS = make_image("smooth", (ROWS, COLUMNS, 3), 12)

# A larger array, and the part that an image goes into or comes from.
REGIONS = {
    "a tile of a mosaic": (GREY[12], (4 * ROWS, 4 * COLUMNS), np.s_[ROWS : 2 * ROWS, 3 * COLUMNS :]),
    "a tile at an odd place": (GREY[8], (4 * ROWS, 4 * COLUMNS + 3), np.s_[5 : 5 + ROWS, 7 : 7 + COLUMNS]),
    "a tile of a mosaic of pixels": (PIXELS, (2 * ROWS, 3 * COLUMNS, 3), np.s_[:ROWS, COLUMNS : 2 * COLUMNS]),
    "a frame of a volume": (GREY[12], (5, ROWS, COLUMNS), np.s_[3]),
    "a frame of a volume of pixels": (PIXELS, (3, ROWS, COLUMNS, 3), np.s_[1]),
    "a part of a frame of a volume": (GREY[12], (3, ROWS + 2, COLUMNS + 5), np.s_[1, 1:-1, 2:-3]),
    "a frame of a series of volumes": (GREY[8], (2, 3, ROWS, COLUMNS), np.s_[1, 2]),
    "a plane of a planar image": (GREY[12], (3, ROWS, COLUMNS), np.s_[1]),
    "a part of a plane of a planar image": (GREY[8], (3, 2 * ROWS, 2 * COLUMNS), np.s_[2, ROWS:, :COLUMNS]),
    "every other frame row": (GREY[12], (2 * ROWS, COLUMNS), np.s_[1::2]),
    "a planar image among others": (PLANES, (4, 3, ROWS, COLUMNS), np.s_[2]),
    "planes of rows apart": (PLANES, (3, ROWS, 3 * COLUMNS), np.s_[:, :, COLUMNS : 2 * COLUMNS]),
}


def stream_of(image):
    bits = 8 if image.dtype == np.uint8 else 12
    return encode_image(image, bits=bits, mode=0 if image is PLANES else None)


def arguments_of(image):
    info = jls.read_info(stream_of(image))
    return {**info.frame_info._asdict(), "interleave_mode": info.interleave_mode}


def check_region(whole, region, image):
    """Decodes into a region and encodes from it; `whole` is writable memory as an array."""
    stream = stream_of(image)
    whole[...] = 0xA5
    part = whole[region]
    assert np.shares_memory(part, whole)
    jls.decode_into(stream, part)
    assert np.array_equal(part, image)
    others = np.ones(whole.shape, bool)
    others[region] = False
    assert (whole[others] == 0xA5).all()

    before = whole.copy()
    again = bytearray(len(stream) + 16)
    size = jls.encode_into(part, again, **arguments_of(image))
    assert again[:size] == stream
    assert np.array_equal(whole, before)


@pytest.mark.parametrize(("image", "shape", "region"), REGIONS.values(), ids=REGIONS)
def test_regions_of_arrays(image, shape, region):
    check_region(np.empty(shape, image.dtype), region, image)


@pytest.mark.parametrize(("image", "shape", "region"), REGIONS.values(), ids=REGIONS)
def test_regions_of_memory_mapped_files(image, shape, region, tmp_path):
    path = tmp_path / "volume.raw"
    header = 2 + image.itemsize
    path.write_bytes(b"\x5a" * (header + int(np.prod(shape)) * image.itemsize))
    check_region(np.memmap(path, image.dtype, "r+", header, shape), region, image)
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as memory:
        whole = np.ndarray(shape, image.dtype, memory, header)
        assert np.array_equal(whole[region], image)  # what has been decoded is in the file
        check_region(whole, region, image)
        del whole
    assert path.read_bytes()[:header] == b"\x5a" * header


def test_stream_in_a_memory_mapped_file(tmp_path):
    path = tmp_path / "image.jls"
    path.write_bytes(STREAMS[12])
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as memory:
        assert np.array_equal(jls.decode(memory), IMAGES[12])
    assert np.array_equal(jls.decode(np.memmap(path, mode="r")), IMAGES[12])
    path.write_bytes(bytes(1000))
    target = np.memmap(path, mode="r+")
    size = jls.encode_into(IMAGES[12], target, **SHAPE, bits_per_sample=12)
    target.flush()
    assert path.read_bytes() == STREAMS[12] + bytes(1000 - size)


class Tensor:
    """An array of which nothing is known but DLPack, as of other libraries' CPU tensors."""

    def __init__(self, array):
        self._array = array

    def __dlpack__(self, **options):
        return self._array.__dlpack__(**options)

    def __dlpack_device__(self):
        return self._array.__dlpack_device__()


@pytest.mark.parametrize(("image", "shape", "region"), REGIONS.values(), ids=REGIONS)
def test_regions_of_tensors_by_dlpack(image, shape, region):
    memory = np.empty(shape, image.dtype)
    whole = np.from_dlpack(Tensor(memory))
    assert np.shares_memory(whole, memory)
    if not whole.flags.writeable:
        pytest.skip("this NumPy takes over tensors for reading only")
    check_region(whole, region, image)
    assert np.array_equal(memory[region], image)


def test_regions_of_pytorch_tensors():
    torch = pytest.importorskip("torch")
    for image, shape, region in REGIONS.values():
        tensor = torch.zeros(shape, dtype=torch.uint8 if image.dtype == np.uint8 else torch.uint16)
        check_region(tensor.numpy(), region, image)
        assert np.array_equal(tensor[region].numpy(), image), (shape, region)
        tensor.zero_()
        check_region(np.from_dlpack(tensor), region, image)
        assert np.array_equal(tensor[region].numpy(), image), (shape, region)


def test_large_images_are_not_copied():
    """Memory that Python and NumPy allocate meanwhile is a small part of the image's."""
    image = make_image("smooth", (600, 500), 12)
    arguments = {"width": 500, "height": 600, "bits_per_sample": 12}
    whole = np.zeros((1200, 1500), np.uint16)
    part = whole[300:900, 500:1000]
    part[...] = image
    stream = bytearray(jls.max_encoded_size(**arguments))
    tracemalloc.start()
    try:
        size = jls.encode_into(part, stream, **arguments)
        jls.decode_into(memoryview(stream)[:size], part)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert np.array_equal(part, image)
    assert peak < 0.05 * image.nbytes


def test_planes_at_a_distance_of_their_own_go_one_by_one():
    """No single distance leads from row to row there; a stream of one component for each plane does without a copy."""
    whole = np.full((3, 2 * ROWS, 2 * COLUMNS), 0xA5, np.uint8)
    part = whole[:, ROWS:, COLUMNS:]
    with pytest.raises(jls.ParameterError, match="with a constant positive stride"):
        jls.decode_into(PLANES_STREAM, part)
    for plane, target in zip(PLANES, part, strict=True):
        jls.decode_into(encode_image(plane), target)
    assert np.array_equal(part, PLANES)
    assert (whole[:, :ROWS] == 0xA5).all()
    assert (whole[:, :, :COLUMNS] == 0xA5).all()


@pytest.fixture
def fenced_rows():
    """A function that copies 16-bit samples to rows on separate pages, between pages that nobody can access."""
    if sys.platform == "win32":
        pytest.skip("mprotect is for Unix")
    maps = []

    def fenced_rows(image, shift):
        rows, page = len(image), mmap.PAGESIZE
        memory = mmap.mmap(-1, (2 * rows + 1) * page)
        maps.append((memory, []))
        flat = np.frombuffer(memory, np.uint8)
        start = page + page - image[0].nbytes - shift
        fenced = np.ndarray(image.shape, image.dtype, flat[start:].data, 0, (2 * page, *image.strides[1:]))
        fenced[...] = image
        for gap in range(0, 2 * rows + 1, 2):
            protect(flat, gap * page, PROT_NONE)
            maps[-1][1].append((flat, gap * page))
        return fenced

    libc = ctypes.CDLL(None, use_errno=True)

    def protect(flat, offset, access):
        where = ctypes.c_void_p(flat.ctypes.data + offset)
        assert libc.mprotect(where, ctypes.c_size_t(mmap.PAGESIZE), access) == 0, ctypes.get_errno()

    PROT_NONE, PROT_READ_WRITE = 0, 3  # noqa: N806
    yield fenced_rows
    for _, gaps in maps:
        for flat, offset in gaps:
            protect(flat, offset, PROT_READ_WRITE)


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("interval", [None, 2])
@pytest.mark.parametrize("bits", [12, 16])
@pytest.mark.parametrize("shift", [0, 1], ids=["even address", "odd address"])
def test_gaps_between_rows_are_not_accessed(fenced_rows, shift, bits, interval, workers):
    image = make_image("noise", (9, 23), bits)
    source = fenced_rows(image, shift)
    options = {"bits_per_sample": bits, "restart_interval": interval, "workers": workers}
    stream = jls.encode(image, **options)
    assert jls.encode(source, **options) == stream
    assert jls.encode_many([source] * 20, **options) == [stream] * 20
    room = bytearray(len(stream) + 100)
    assert room[: jls.encode_into(source, room, width=23, height=9, **options)] == stream

    for decode in (
        lambda target: jls.decode(stream, out=target, workers=workers),
        lambda target: jls.decode_into(stream, target, workers=workers),
        lambda target: _codec.Stream(stream).decode_partial_into(target),
        lambda target: _codec.decode_streams([_codec.Stream(stream)], [target], workers=workers),
    ):
        target = fenced_rows(np.zeros_like(image), shift)
        decode(target)
        assert np.array_equal(target, image)
