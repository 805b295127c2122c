"""The functions for C and Cython code, called through the capsule's table as a C extension calls them.

Whether the header and the .pxd file say the same is seen when test_extensions.py compiles code against them.
"""

import ctypes
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import dicom_jpegls as jls
from dicom_jpegls import _codec, parallel
from support.commands import ROOT
from support.jls_streams import EOI, SOI, dimensions, encode_image, frame_header, make_image, scan_header

HEADER = Path(jls.get_include(), "dicom_jpegls", "dicom_jpegls.h").read_text()
CODES = {name: int(value) for name, value in re.findall(r"^    DICOM_JPEGLS_(\w+) = (\d+)", HEADER, re.MULTILINE)}
(ABI_VERSION,) = (int(value) for value in re.findall(r"^#define DICOM_JPEGLS_ABI_VERSION (\d+)$", HEADER, re.MULTILINE))
OWN_CODES = {name: code for name, code in CODES.items() if code >= 2000}


class FrameInfo(ctypes.Structure):
    _fields_ = [
        ("width", ctypes.c_uint32),
        ("height", ctypes.c_uint32),
        ("bits_per_sample", ctypes.c_int32),
        ("component_count", ctypes.c_int32),
    ]


class Presets(ctypes.Structure):
    _fields_ = [
        (name, ctypes.c_int32)
        for name in ("maximum_sample_value", "threshold1", "threshold2", "threshold3", "reset_value")
    ]


class StreamInfo(ctypes.Structure):
    _fields_ = [
        ("frame", FrameInfo),
        ("interleave_mode", ctypes.c_int32),
        ("near_lossless", ctypes.c_int32),
        ("color_transformation", ctypes.c_int32),
        ("restart_interval", ctypes.c_uint32),
        ("preset_coding_parameters", Presets),
        ("reserved", ctypes.c_uint32 * 7),
        ("size", ctypes.c_uint64),
        ("trailing_size", ctypes.c_uint64),
        ("decoded_size", ctypes.c_uint64),
    ]


class Parameters(ctypes.Structure):
    _fields_ = [
        ("near_lossless", ctypes.c_int32),
        ("interleave_mode", ctypes.c_int32),
        ("color_transformation", ctypes.c_int32),
        ("preset_coding_parameters", Presets),
        ("restart_interval", ctypes.c_uint32),
        ("is_signed", ctypes.c_uint32),
        ("reserved", ctypes.c_uint32 * 6),
    ]


class Decoding(ctypes.Structure):
    _fields_ = [
        ("source", ctypes.c_void_p),
        ("source_size", ctypes.c_size_t),
        ("destination", ctypes.c_void_p),
        ("destination_size", ctypes.c_size_t),
        ("stride", ctypes.c_size_t),
        ("info", ctypes.POINTER(StreamInfo)),
        ("is_signed", ctypes.c_uint32),
        ("reserved", ctypes.c_uint32 * 2),
        ("code", ctypes.c_int32),
    ]


class Encoding(ctypes.Structure):
    _fields_ = [
        ("source", ctypes.c_void_p),
        ("source_size", ctypes.c_size_t),
        ("stride", ctypes.c_size_t),
        ("frame", ctypes.POINTER(FrameInfo)),
        ("parameters", ctypes.POINTER(Parameters)),
        ("destination", ctypes.c_void_p),
        ("destination_size", ctypes.c_size_t),
        ("bytes_written", ctypes.c_size_t),
        ("reserved", ctypes.c_uint32 * 3),
        ("code", ctypes.c_int32),
    ]


POINTER, SIZE = ctypes.c_void_p, ctypes.c_size_t


def function(result, *arguments):
    return ctypes.CFUNCTYPE(result, *arguments)  # releases the GIL during the call


class Api(ctypes.Structure):
    _fields_ = [
        ("abi_version", ctypes.c_uint32),
        ("api_size", ctypes.c_uint32),
        ("stream_info_size", ctypes.c_uint32),
        ("encoding_parameters_size", ctypes.c_uint32),
        ("read_info", function(ctypes.c_int, POINTER, SIZE, POINTER)),
        ("decode", function(ctypes.c_int, POINTER, SIZE, POINTER, SIZE, SIZE, POINTER)),
        ("encode", function(ctypes.c_int, POINTER, SIZE, SIZE, POINTER, POINTER, POINTER, SIZE, POINTER)),
        ("max_encoded_size", function(ctypes.c_int, POINTER, POINTER)),
        ("error_text", function(ctypes.c_char_p, ctypes.c_int)),
        ("version", function(ctypes.c_char_p)),
        ("decode_signed", function(ctypes.c_int, POINTER, SIZE, POINTER, SIZE, SIZE, POINTER)),
        ("decoding_size", ctypes.c_uint32),
        ("encoding_size", ctypes.c_uint32),
        ("decode_many", function(ctypes.c_int, ctypes.POINTER(Decoding), SIZE, SIZE)),
        ("encode_many", function(ctypes.c_int, ctypes.POINTER(Encoding), SIZE, SIZE)),
    ]


def load():
    get_pointer = ctypes.pythonapi.PyCapsule_GetPointer
    get_pointer.restype, get_pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    return Api.from_address(get_pointer(_codec._C_API, b"dicom_jpegls._codec._C_API"))


API = load()


def address(array):
    return array.ctypes.data


def as_array(data):
    return np.frombuffer(data, np.uint8)


def read_info(data):
    array, info = as_array(data), StreamInfo()
    return API.read_info(address(array), array.size, ctypes.byref(info)), info


def decode(data, target, size=None, stride=0, function=API.decode):
    array, info = as_array(data), StreamInfo()
    size = target.nbytes if size is None else size
    return function(address(array), array.size, address(target), size, stride, ctypes.byref(info)), info


def encode(source, frame, parameters=None, *, size=None, stride=0, capacity=100_000):
    target, written = np.full(capacity + 16, 0xA5, np.uint8), ctypes.c_size_t(77)
    size = source.nbytes if size is None else size
    code = API.encode(
        address(source),
        size,
        stride,
        ctypes.byref(frame),
        None if parameters is None else ctypes.byref(parameters),
        address(target),
        capacity,
        ctypes.byref(written),
    )
    assert (target[capacity:] == 0xA5).all()
    if code != 0:
        assert written.value == 77
        return code, target[:capacity]
    return code, target[: written.value].tobytes()


def test_table_says_what_it_is():
    assert API.abi_version == ABI_VERSION
    assert API.api_size == ctypes.sizeof(Api)
    assert API.stream_info_size == ctypes.sizeof(StreamInfo)
    assert API.encoding_parameters_size == ctypes.sizeof(Parameters)
    assert API.decoding_size == ctypes.sizeof(Decoding)
    assert API.encoding_size == ctypes.sizeof(Encoding)
    assert API.version().decode() == jls.__version__


def test_every_code_has_a_text():
    for code in range(1000):
        assert API.error_text(code).decode() == _codec.error_text(code), code
    for code, _, text in _codec._stream_faults():
        assert API.error_text(code).decode() == text, code
    texts = [API.error_text(code).decode() for code in OWN_CODES.values()]
    assert len(set(texts)) == len(texts) == 8
    unknown = API.error_text(999)
    assert unknown not in [text.encode() for text in texts]
    for code in (-1, -(2**31), 2**31 - 1, 1999, max(OWN_CODES.values()) + 1):
        assert API.error_text(code) == unknown, code


IMAGES = {
    "8 bits": (make_image("noise", (7, 9), 8), 8, 0),
    "2 bits": (make_image("noise", (7, 9), 2), 2, 0),
    "12 bits": (make_image("smooth", (7, 9), 12), 12, 0),
    "16 bits": (make_image("noise", (7, 9), 16), 16, 0),
    "planes": (make_image("smooth", (3, 7, 9), 8), 8, 0),
    "lines": (make_image("smooth", (7, 9, 3), 12), 12, 1),
    "pixels": (make_image("smooth", (7, 9, 3), 8), 8, 2),
    "pixels of four": (make_image("smooth", (7, 9, 4), 16), 16, 2),
    "two planes": (make_image("noise", (2, 7, 9), 16), 16, 0),
}


def frame_of(image, bits, mode):
    components = 1 if image.ndim == 2 else image.shape[0 if mode == 0 else 2]
    return FrameInfo(9, 7, bits, components)


@pytest.mark.parametrize("near", [0, 1])
@pytest.mark.parametrize(("image", "bits", "mode"), IMAGES.values(), ids=IMAGES)
def test_same_streams_and_samples_as_in_python(image, bits, mode, near):
    frame = frame_of(image, bits, mode)
    code, stream = encode(image, frame, Parameters(near_lossless=near, interleave_mode=mode))
    assert (code, stream) == (0, encode_image(image, bits=bits, near=near, mode=mode))

    target = np.zeros_like(image)
    code, info = decode(stream, target)
    assert code == 0
    expected = np.zeros_like(image)
    python_info = jls.decode_into(stream, expected)
    assert np.array_equal(target, expected)
    for found in (info, read_info(stream + b"more")[1]):
        assert (found.frame.width, found.frame.height) == (python_info.width, python_info.height) == (9, 7), found
        assert found.frame.bits_per_sample == python_info.bits_per_sample == bits, found
        assert found.frame.component_count == python_info.component_count, found
        for name in ("interleave_mode", "near_lossless", "color_transformation", "restart_interval", "size"):
            assert getattr(found, name) == getattr(python_info, name), name
        for name in jls.PresetCodingParameters._fields:
            assert getattr(found.preset_coding_parameters, name) == getattr(
                python_info.preset_coding_parameters, name
            ), name
        assert found.decoded_size == image.nbytes, found
        assert not any(found.reserved), found
    assert read_info(stream + b"more")[1].trailing_size == 4


@pytest.mark.parametrize("name", [name for name in IMAGES if name not in ("planes", "lines")])
def test_no_parameters_mean_those_that_python_chooses(name):
    image, bits, mode = IMAGES[name]
    assert encode(image, frame_of(image, bits, mode)) == (0, encode_image(image, bits=bits, mode=mode))


def test_other_parameters_reach_the_encoder():
    presets = jls.PresetCodingParameters(4095, 30, 80, 300, 32)
    image = IMAGES["lines"][0]
    frame = frame_of(image, 12, 1)
    code, stream = encode(image, frame, Parameters(interleave_mode=1, preset_coding_parameters=Presets(*presets)))
    assert (code, stream) == (0, encode_image(image, bits=12, mode=1, preset_coding_parameters=presets))
    image = IMAGES["pixels"][0]
    code, stream = encode(image, frame_of(image, 8, 2), Parameters(interleave_mode=2, color_transformation=2))
    assert (code, stream) == (0, encode_image(image, mode=2, color_transformation=2))
    assert read_info(stream)[1].color_transformation == 2


@pytest.mark.parametrize("lines", [1, 2, 6, 7, 65535, 2**32 - 1])
@pytest.mark.parametrize("name", ["12 bits", "planes", "lines", "pixels of four"])
def test_restart_interval(name, lines):
    image, bits, mode = IMAGES[name]
    code, stream = encode(image, frame_of(image, bits, mode), Parameters(interleave_mode=mode, restart_interval=lines))
    assert (code, stream) == (0, encode_image(image, bits=bits, mode=mode, restart_interval=min(lines, 65535)))
    target = np.zeros_like(image)
    code, info = decode(stream, target)
    assert (code, info.restart_interval) == (0, lines if lines < 7 else 0)
    assert np.array_equal(target, image)


@pytest.mark.parametrize("shift", [0, 1], ids=["even address", "odd address"])
@pytest.mark.parametrize("gap", [0, 2, 14])
@pytest.mark.parametrize(("image", "bits", "mode"), IMAGES.values(), ids=IMAGES)
def test_stride_and_address(image, bits, mode, gap, shift):
    """Exactly as many bytes as there are between the first and the last sample are enough, wherever they lie."""
    line = image.itemsize * 9 * (1 if image.ndim == 2 or mode == 0 else image.shape[2])
    lines = image.nbytes // line
    size = (line + gap) * (lines - 1) + line
    stream = encode_image(image, bits=bits, mode=mode)
    memory = np.full((line + gap) * lines + 66, 0xA5, np.uint8)
    part = memory[32 + shift + address(memory) % 2 :]
    for missing in (1, 2, line):
        code, info = decode(stream, part, size - missing, line + gap)
        assert (code, info.frame.width) == (CODES["DESTINATION_TOO_SMALL"], 0), missing
        assert (memory == 0xA5).all(), missing
        code, untouched = encode(
            part, frame_of(image, bits, mode), Parameters(interleave_mode=mode), size=size - missing, stride=line + gap
        )
        assert code == CODES["SOURCE_TOO_SMALL"], missing
        assert (untouched == 0xA5).all(), missing
    code, _ = decode(stream, part, size, line + gap)
    assert code == 0
    rows = np.lib.stride_tricks.as_strided(part, (lines, line), (line + gap, 1))
    assert rows.tobytes() == image.tobytes()
    assert (memory == 0xA5).sum() >= memory.size - image.nbytes
    rows[...] = 0xA5
    assert (memory == 0xA5).all()

    rows[...] = image.view(np.uint8).reshape(lines, line)
    parameters = Parameters(interleave_mode=mode)
    assert encode(part, frame_of(image, bits, mode), parameters, size=size, stride=line + gap) == (0, stream)


@pytest.mark.parametrize("shift", [0, 1], ids=["even address", "odd address"])
@pytest.mark.parametrize("gap", [0, 6])
@pytest.mark.parametrize("bits", [2, 7, 8, 12, 15, 16])
def test_signed_samples(bits, gap, shift):
    dtype = np.dtype(np.int8 if bits <= 8 else np.int16)
    half = 1 << (bits - 1)
    image = np.random.default_rng(bits).integers(-half, half, (7, 9)).astype(dtype)
    frame = FrameInfo(9, 7, bits, 1)
    stream = encode_image(image, bits=bits)
    code, found = encode(image, frame, Parameters(is_signed=1))
    assert (code, found) == (0, stream)

    line = image.itemsize * 9
    memory = np.full((line + gap) * 7 + 66, 0xA5, np.uint8)
    part = memory[32 + shift + address(memory) % 2 :]
    code, info = decode(stream, part, (line + gap) * 6 + line, line + gap, API.decode_signed)
    assert (code, info.frame.bits_per_sample) == (0, bits)
    rows = np.lib.stride_tricks.as_strided(part, (7, line), (line + gap, 1))
    assert rows.tobytes() == image.tobytes()
    rows[...] = 0xA5
    assert (memory == 0xA5).all()


@pytest.mark.parametrize("bits", [8, 12, 16])
def test_signed_samples_that_near_lossless_coding_may_reverse_are_refused(bits):
    near, half = 3, 1 << (bits - 1)
    image = np.zeros((7, 9), np.int8 if bits == 8 else np.int16)
    frame = FrameInfo(9, 7, bits, 1)
    for sample, code in ((half - 1 - near, 0), (near - half, 0), (half - near, 2007), (near - half - 1, 2007)):
        image[3, 4] = sample
        assert encode(image, frame, Parameters(near_lossless=near, is_signed=1))[0] == code, sample
        assert encode(image, frame, Parameters(near_lossless=near))[0] == 0, sample
        assert encode(image, frame, Parameters(is_signed=1))[0] == 0, sample


@pytest.mark.parametrize("workers", [0, 1, 2, 2**64 - 1])
def test_many_items(workers):
    """Images of all kinds together, and a stream that is cut off after them, become what Python makes of each."""
    chosen = [(image, bits, mode) for image, bits, mode in IMAGES.values() for _ in range(3)]
    frames = [frame_of(*image) for image in chosen]
    parameters = [Parameters(interleave_mode=mode) for _, _, mode in chosen]
    rooms = [np.full(10_000, 0xA5, np.uint8) for _ in chosen]
    encodings = (Encoding * len(chosen))()
    for item, (image, _, _), frame, options, room in zip(encodings, chosen, frames, parameters, rooms, strict=True):
        item.source, item.source_size = address(image), image.nbytes
        item.frame, item.parameters = ctypes.pointer(frame), ctypes.pointer(options)
        item.destination, item.destination_size = address(room), room.size
    assert API.encode_many(encodings, len(encodings), workers) == 0
    streams = []
    for item, (image, bits, mode), room in zip(encodings, chosen, rooms, strict=True):
        assert item.code == 0
        streams.append(room[: item.bytes_written].tobytes())
        assert streams[-1] == encode_image(image, bits=bits, mode=mode)
        assert (room[item.bytes_written :] == 0xA5).all()

    sources = [as_array(stream) for stream in (*streams, GREY_STREAM[:-2])]
    targets = [np.zeros_like(image) for image, _, _ in chosen] + [np.full_like(GREY, 0xA5A5)]
    infos = [StreamInfo() for _ in sources]
    decodings = (Decoding * len(sources))()
    for item, source, target, info in zip(decodings, sources, targets, infos, strict=True):
        item.source, item.source_size = address(source), source.size
        item.destination, item.destination_size = address(target), target.nbytes
        item.info = ctypes.pointer(info)
    code = API.decode_many(decodings, len(decodings), workers)
    assert API.error_text(code) == b"the stream ends without an EOI marker (FFD9): it is truncated"
    assert [item.code for item in decodings] == [0] * len(chosen) + [code]
    for target, info, (image, bits, _) in zip(targets, infos, chosen, strict=False):
        assert np.array_equal(target, image)
        assert info.frame.bits_per_sample == bits
    assert (targets[-1] == 0xA5A5).all()
    assert infos[-1].size == 0


def test_most_workers_are_those_of_python():
    assert f"#define DICOM_JPEGLS_MAXIMUM_WORKERS {parallel.MAXIMUM_WORKERS}\n" in HEADER


def test_fill_bytes_before_the_stream():
    target = np.zeros_like(GREY)
    for count in (1, 2, 9):
        code, info = decode(b"\xff" * count + GREY_STREAM, target)
        assert (code, info.size) == (0, len(GREY_STREAM)), count
        assert np.array_equal(target, GREY), count
        assert read_info(b"\xff" * count + GREY_STREAM)[1].size == len(GREY_STREAM), count


GREY = IMAGES["12 bits"][0]
GREY_STREAM = encode_image(GREY, bits=12)


def parameters(**fields):
    return Parameters(**fields)


def reserved(index):
    result = Parameters()
    result.reserved[index] = 1
    return result


def presets(*values):
    return Parameters(preset_coding_parameters=Presets(*values))


COLOR = FrameInfo(9, 7, 8, 3)
REFUSED = {
    "width 0": (FrameInfo(0, 7, 12, 1), Parameters(), 100),
    "width above 16 bits": (FrameInfo(65536, 7, 12, 1), Parameters(), 100),
    "largest width": (FrameInfo(2**32 - 1, 7, 12, 1), Parameters(), 100),
    "height 0": (FrameInfo(9, 0, 12, 1), Parameters(), 101),
    "largest height": (FrameInfo(9, 2**32 - 1, 12, 1), Parameters(), 101),
    "no component": (FrameInfo(9, 7, 12, 0), Parameters(), 102),
    "256 components": (FrameInfo(9, 7, 12, 256), Parameters(), 102),
    "negative components": (FrameInfo(9, 7, 12, -(2**31)), Parameters(), 102),
    "1 bit": (FrameInfo(9, 7, 1, 1), Parameters(), 103),
    "17 bits": (FrameInfo(9, 7, 17, 1), Parameters(), 103),
    "negative bits": (FrameInfo(9, 7, -8, 1), Parameters(), 103),
    "interleave mode 3": (COLOR, parameters(interleave_mode=3), 104),
    "interleave mode -1": (COLOR, parameters(interleave_mode=-1), 104),
    "interleaved grey": (FrameInfo(9, 7, 12, 1), parameters(interleave_mode=2), 104),
    "two interleaved components": (FrameInfo(9, 7, 8, 2), parameters(interleave_mode=1), 104),
    "NEAR -1": (FrameInfo(9, 7, 12, 1), parameters(near_lossless=-1), 105),
    "NEAR 256": (FrameInfo(9, 7, 12, 1), parameters(near_lossless=256), 105),
    "NEAR of 2 bits": (FrameInfo(9, 7, 2, 1), parameters(near_lossless=2), 105),
    "negative preset": (FrameInfo(9, 7, 12, 1), presets(0, -1), 106),
    "preset above 16 bits": (FrameInfo(9, 7, 12, 1), presets(0, 0, 0, 0, 65536), 106),
    "color transformation 4": (COLOR, parameters(interleave_mode=2, color_transformation=4), 111),
    "color transformation -1": (COLOR, parameters(interleave_mode=2, color_transformation=-1), 111),
    "thresholds out of order": (FrameInfo(9, 7, 12, 1), presets(0, 9, 5, 7), "preset_value"),
    "smaller MAXVAL": (FrameInfo(9, 7, 12, 1), presets(1000), "preset_maximum"),
    "large RESET": (FrameInfo(9, 7, 12, 1), presets(0, 0, 0, 0, 300), "preset_reset"),
    "color transformation of planes": (COLOR, parameters(color_transformation=1), "color_transformation_use"),
    "first reserved field": (FrameInfo(9, 7, 12, 1), reserved(0), "RESERVED_FIELD"),
    "signedness": (FrameInfo(9, 7, 12, 1), parameters(is_signed=2), "RESERVED_FIELD"),
    "last reserved field": (FrameInfo(9, 7, 12, 1), reserved(5), "RESERVED_FIELD"),
}
FAULTS = {name: code for code, name, _ in _codec._stream_faults()}


@pytest.mark.parametrize(("frame", "chosen", "code"), REFUSED.values(), ids=REFUSED)
def test_refused_parameters(frame, chosen, code):
    code = CODES.get(code, FAULTS.get(code, code))
    found, target = encode(np.zeros(1000, np.uint8), frame, chosen)
    assert (found, API.error_text(found)) == (code, API.error_text(code))
    assert (target == 0xA5).all()


@pytest.mark.parametrize("name", [name for name, case in REFUSED.items() if case[2] != "RESERVED_FIELD"])
def test_python_refuses_the_same(name):
    frame, chosen, code = REFUSED[name]
    presets = chosen.preset_coding_parameters
    with pytest.raises(jls.ParameterError, match=r"found|not in the range") as error:
        _codec.encode(
            bytes(1000),
            **{field: getattr(frame, field) for field, _ in FrameInfo._fields_},
            near_lossless=chosen.near_lossless,
            interleave_mode=chosen.interleave_mode,
            segments=jls.OptionalSegments(
                chosen.color_transformation, [getattr(presets, field) for field, _ in Presets._fields_]
            ),
        )
    assert error.value.code in (1, FAULTS.get(code, code))


NEEDS_64_BITS = pytest.mark.skipif(sys.maxsize < 2**32, reason="not a size_t of 32 bits")


@pytest.mark.parametrize(
    ("stride", "name"),
    [
        (1, "STRIDE_TOO_SMALL"),
        (17, "STRIDE_TOO_SMALL"),
        pytest.param(2**32, "STRIDE_TOO_SMALL", marks=NEEDS_64_BITS),
        pytest.param(2**64 - 2, "STRIDE_TOO_SMALL", marks=NEEDS_64_BITS),
        (19, "STRIDE_ODD"),
    ],
)
def test_refused_strides(stride, name):
    target = np.full(1000, 0xA5, np.uint8)
    assert decode(GREY_STREAM, target, stride=stride)[0] == CODES[name]
    assert (target == 0xA5).all()
    assert encode(np.zeros(1000, np.uint8), FrameInfo(9, 7, 12, 1), stride=stride)[0] == CODES[name]


def test_null_pointers_and_nothing_at_all():
    null = CODES["NULL_POINTER"]
    info, written, enough = StreamInfo(), ctypes.c_size_t(), ctypes.c_uint64()
    frame, stream, target = FrameInfo(9, 7, 12, 1), as_array(GREY_STREAM), np.full(1000, 0xA5, np.uint8)
    for size in (0, 100):
        assert API.read_info(None, size, ctypes.byref(info)) == null, size
        assert API.decode(None, size, address(target), target.size, 0, None) == null, size
        assert API.decode(address(stream), stream.size, None, size, 0, None) == null, size
        right = [address(stream), 126, 0, ctypes.byref(frame), None, address(target), 1000, ctypes.byref(written)]
        for place in (0, 3, 5, 7):
            wrong = [None if i == place else argument for i, argument in enumerate(right)]
            wrong[1] = size if place == 0 else 126
            wrong[6] = size if place == 5 else 1000
            assert API.encode(*wrong) == null, (size, place)
    assert API.read_info(address(stream), stream.size, None) == null
    assert API.max_encoded_size(None, ctypes.byref(enough)) == API.max_encoded_size(ctypes.byref(frame), None) == null

    assert API.read_info(address(stream), 0, ctypes.byref(info)) == FAULTS["no_start_of_image"]
    assert decode(GREY_STREAM, target, 0)[0] == CODES["DESTINATION_TOO_SMALL"]
    assert encode(target, frame, size=0)[0] == CODES["SOURCE_TOO_SMALL"]
    assert encode(target, frame, capacity=0)[0] == CODES["DESTINATION_TOO_SMALL"]
    assert (target == 0xA5).all()
    assert bytes(info) == bytes(ctypes.sizeof(StreamInfo))
    assert (written.value, enough.value) == (0, 0)


def test_information_is_optional():
    stream, target = as_array(GREY_STREAM), np.zeros_like(GREY)
    assert API.decode(address(stream), stream.size, address(target), target.nbytes, 0, None) == 0
    assert np.array_equal(target, GREY)


def test_source_and_destination_must_not_overlap():
    memory = np.zeros(1000, np.uint8)
    memory[300 : 300 + len(GREY_STREAM)] = as_array(GREY_STREAM)
    before = memory.copy()
    info = StreamInfo()
    end = 300 + len(GREY_STREAM)
    for start, code in [
        (300 - GREY.nbytes, 0),
        (301 - GREY.nbytes, CODES["OVERLAP"]),
        (300, CODES["OVERLAP"]),
        (end - 1, CODES["OVERLAP"]),
        (end, 0),
    ]:
        memory[...] = before
        base = address(memory)
        # Bytes after EOI do not matter, so those of the destination may be among them.
        found = API.decode(base + 300, 700, base + start, GREY.nbytes, 0, ctypes.byref(info))
        assert found == code, (start, code)
        assert np.array_equal(memory, before) == (code != 0), (start, code)
        assert np.array_equal(memory[300:end], before[300:end]), (start, code)

    source, written, frame = address(memory), ctypes.c_size_t(), FrameInfo(9, 7, 12, 1)
    for start, code in [(126, 0), (125, CODES["OVERLAP"]), (0, CODES["OVERLAP"])]:
        before = memory.copy()
        destination = (source + start, 1000 - start)
        assert API.encode(source, 1000, 0, ctypes.byref(frame), None, *destination, ctypes.byref(written)) == code, (
            start,
            code,
        )
        assert np.array_equal(memory, before) == (code != 0), (start, code)
        assert np.array_equal(memory[:126], before[:126]), (start, code)


@pytest.mark.parametrize("name", ["12 bits", "lines", "planes"])
def test_damaged_streams_are_refused_with_the_same_codes(name):
    image, bits, mode = IMAGES[name]
    stream = encode_image(image, bits=bits, mode=mode, comments=[b"a comment"])
    damaged = [stream[:size] for size in range(len(stream))]
    damaged += [stream[:i] + bytes([byte]) + stream[i + 1 :] for i in range(len(stream)) for byte in (0, 0x55, 0xFF)]
    codes = set()
    for data in damaged:
        target, expected = np.zeros_like(image), np.zeros_like(image)
        try:
            jls.decode_into(data, expected)
        except (jls.JPEGLSError, MemoryError) as error:
            code = getattr(error, "code", CODES["NOT_ENOUGH_MEMORY"])
        else:
            code = 0
        assert decode(data, target)[0] == code, data
        assert np.array_equal(target, expected), data
        codes.add(code)
    assert len(codes) > 10


@pytest.mark.parametrize(
    ("header", "fault"),
    [
        (dimensions(65536, 1, 3) + frame_header(0, 0), "dimension_too_large"),
        (frame_header(65535, 65535), "too_many_samples"),
    ],
)
def test_limits_are_the_defaults_of_python(header, fault):
    stream = SOI + header + scan_header() + bytes(100) + EOI
    with pytest.raises(jls.UnsupportedStreamError) as error:
        jls.read_info(stream)
    target = np.full(1000, 0xA5, np.uint8)
    assert read_info(stream)[0] == decode(stream, target)[0] == error.value.code == FAULTS[fault]
    assert (target == 0xA5).all()


def test_destination_of_any_size():
    frame = FrameInfo(9, 7, 12, 1)
    for capacity in range(len(GREY_STREAM) + 16):
        code, result = encode(GREY, frame, capacity=capacity)  # looks past the end itself
        if code == 0:
            assert result == GREY_STREAM, capacity
        else:
            assert code == CODES["DESTINATION_TOO_SMALL"], capacity
            assert capacity < len(GREY_STREAM) + 4, capacity


def test_bound_is_that_of_python():
    enough = ctypes.c_uint64()
    for frame in (FrameInfo(1, 1, 2, 1), FrameInfo(512, 512, 16, 3), FrameInfo(65535, 65535, 16, 255)):
        assert API.max_encoded_size(ctypes.byref(frame), ctypes.byref(enough)) == 0, frame
        names = [name for name, _ in FrameInfo._fields_]
        assert enough.value == jls.max_encoded_size(**{name: getattr(frame, name) for name in names}), frame
    assert API.max_encoded_size(ctypes.byref(FrameInfo(0, 1, 8, 1)), ctypes.byref(enough)) == 100


LITTLE_MEMORY = """
import resource, sys
sys.path[:0] = sys.argv[1:]
from test_c_api import *
rows, columns = 4096, 4096
frame = FrameInfo(columns, rows, 16, 1)
source, target = np.zeros(rows * columns * 2 + 1, np.uint8), np.zeros(1 << 20, np.uint8)
written = ctypes.c_size_t()
arguments = (rows * columns * 2, 0, ctypes.byref(frame), None, address(target), target.size, ctypes.byref(written))
odd = address(source) + 1 - address(source) % 2
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (1 << 24),) * 2)
print(API.encode(odd, *arguments))
stream = target[: written.value].copy()
even = address(source) + address(source) % 2
print(API.encode(even, *arguments))
size = written.value
print(API.decode(address(target), size, odd, source.size - 1, 0, None))
print(API.decode(address(target), size, even, source.size - 1, 0, None))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="address space is limited and measured as on Linux")
def test_out_of_memory_is_a_code():
    """16-bit samples at an odd address need memory for a copy; others need next to none."""
    result = subprocess.run(
        [sys.executable, "-c", LITTLE_MEMORY, str(Path(__file__).parent), str(ROOT / "tests")],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert result.stdout.split() == [str(CODES["NOT_ENOUGH_MEMORY"]), "0"] * 2


def test_any_number_of_threads():
    jobs = [(image, bits, mode) for image, bits, mode in IMAGES.values() for _ in range(20)]

    def work(job):
        image, bits, mode = job
        code, stream = encode(image, frame_of(image, bits, mode), Parameters(interleave_mode=mode))
        target = np.zeros_like(image)
        return code, stream, decode(stream, target)[0], target.tobytes()

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(work, jobs))
    for (image, bits, mode), result in zip(jobs, results, strict=True):
        assert result == (0, encode_image(image, bits=bits, mode=mode), 0, image.tobytes()), (bits, mode)


def test_documentation_shows_the_example():
    (shown,) = re.findall(r"```cython\n((?: {8}.*\n)+)```", (ROOT / "docs/low-level.md").read_text())
    example = (ROOT / "examples/cython_extension/src/frame_archive/_archive.pyx").read_text()
    parts = re.split(r"^ +\.\.\.\n", shown, flags=re.MULTILINE)
    assert len(parts) == 3
    for part in parts:
        assert part in example
