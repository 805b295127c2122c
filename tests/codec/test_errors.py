"""The exceptions, and which of them the codec's codes become."""

import copy
import pickle

import pytest

import dicom_jpegls as jls
from dicom_jpegls import _codec

ERRORS = [
    jls.JPEGLSError,
    jls.StreamError,
    jls.InvalidStreamError,
    jls.UnsupportedStreamError,
    jls.ParameterError,
    jls.DatasetError,
    jls.BufferTooSmallError,
]
SUCCESS = 0
# Programs handle these numbers: none may change, whatever the version of CharLS, and none be used again.
CODEC_FAULTS = {
    1: ("invalid_argument", jls.ParameterError),
    2: ("parameter_not_supported", jls.UnsupportedStreamError),
    3: ("destination_too_small", jls.BufferTooSmallError),
    4: ("source_ends", jls.InvalidStreamError),
    5: ("invalid_data", jls.InvalidStreamError),
    6: ("too_much_data", jls.InvalidStreamError),
    7: ("invalid_operation", jls.JPEGLSError),
    8: ("transformation_precision", jls.UnsupportedStreamError),
    9: ("transformation_not_supported", jls.UnsupportedStreamError),
    10: ("other_encoding", jls.UnsupportedStreamError),
    11: ("unknown_marker", jls.InvalidStreamError),
    12: ("marker_not_found", jls.InvalidStreamError),
    13: ("not_enough_memory", MemoryError),
    14: ("unexpected_failure", jls.JPEGLSError),
    15: ("start_of_image_not_found", jls.InvalidStreamError),
    16: ("unexpected_marker", jls.InvalidStreamError),
    17: ("segment_size", jls.InvalidStreamError),
    18: ("start_of_image_repeated", jls.InvalidStreamError),
    19: ("start_of_frame_repeated", jls.InvalidStreamError),
    20: ("component_repeated", jls.InvalidStreamError),
    21: ("unexpected_end_of_image", jls.InvalidStreamError),
    22: ("preset_type", jls.InvalidStreamError),
    23: ("preset_extension", jls.UnsupportedStreamError),
    24: ("spiff_directory_end_missing", jls.InvalidStreamError),
    25: ("unexpected_restart_marker", jls.InvalidStreamError),
    26: ("restart_marker_not_found", jls.InvalidStreamError),
    27: ("callback_failed", jls.JPEGLSError),
    28: ("end_of_image_not_found", jls.InvalidStreamError),
    29: ("spiff_header", jls.InvalidStreamError),
    30: ("unexpected_line_count", jls.InvalidStreamError),
    31: ("line_count_not_found", jls.InvalidStreamError),
    32: ("unknown_component", jls.InvalidStreamError),
    33: ("spiff_in_abbreviated_format", jls.InvalidStreamError),
    100: ("argument_width", jls.ParameterError),
    101: ("argument_height", jls.ParameterError),
    102: ("argument_component_count", jls.ParameterError),
    103: ("argument_bits_per_sample", jls.ParameterError),
    104: ("argument_interleave_mode", jls.ParameterError),
    105: ("argument_near_lossless", jls.ParameterError),
    106: ("argument_presets", jls.ParameterError),
    110: ("argument_size", jls.ParameterError),
    111: ("argument_transformation", jls.ParameterError),
    112: ("argument_stride", jls.ParameterError),
    113: ("argument_encoding_options", jls.ParameterError),
    200: ("stream_width", jls.InvalidStreamError),
    201: ("stream_height", jls.InvalidStreamError),
    202: ("stream_component_count", jls.InvalidStreamError),
    203: ("stream_bits_per_sample", jls.InvalidStreamError),
    204: ("stream_interleave_mode", jls.InvalidStreamError),
    205: ("stream_near_lossless", jls.InvalidStreamError),
    206: ("stream_presets", jls.InvalidStreamError),
    207: ("stream_transformation", jls.UnsupportedStreamError),
    208: ("stream_mapping_table", jls.InvalidStreamError),
    209: ("stream_mapping_table_continuation", jls.InvalidStreamError),
}


@pytest.mark.parametrize(
    ("error", "bases"),
    [
        (jls.JPEGLSError, (Exception,)),
        (jls.StreamError, (jls.JPEGLSError,)),
        (jls.InvalidStreamError, (jls.StreamError, ValueError)),
        (jls.UnsupportedStreamError, (jls.StreamError, NotImplementedError)),
        (jls.ParameterError, (jls.JPEGLSError, ValueError)),
        (jls.BufferTooSmallError, (jls.JPEGLSError, ValueError)),
    ],
)
def test_exception_tree(error, bases):
    assert error.__bases__ == bases


def test_one_clause_catches_all_errors_of_the_package():
    assert all(issubclass(error, jls.JPEGLSError) for error in ERRORS)


@pytest.mark.parametrize("error", ERRORS)
def test_default_code_is_that_of_the_class(error):
    groups = {jls.StreamError: jls.JPEGLSError, jls.DatasetError: jls.ParameterError}  # have no own code
    assert CODEC_FAULTS[error("text").code][1] is groups.get(error, error)


@pytest.mark.parametrize("error", ERRORS)
def test_code_may_be_given(error):
    assert error("text", 1007).code == 1007
    assert str(error("text", 1007)) == "text"


@pytest.mark.parametrize("error", [jls.StreamError, jls.InvalidStreamError, jls.UnsupportedStreamError])
def test_stream_errors_say_where(error):
    assert (error("text").offset, error("text").marker) == (None, None)
    assert (error("text", 1007, 12, 0xFFF7).offset, error("text", 1007, 12, 0xFFF7).marker) == (12, 0xFFF7)


def test_no_code_of_the_codec_moves():
    assert _codec._codec_faults() == {code: name for code, (name, _) in CODEC_FAULTS.items()}


def test_every_code_has_a_text_and_no_other_number_has_one():
    texts = {code: _codec.error_text(code) for code in range(-10, 1000)}
    known = {code: text for code, text in texts.items() if text != "Unknown"}
    assert set(known) == {SUCCESS, *CODEC_FAULTS}
    assert len(set(known.values())) == len(known)
    assert known[SUCCESS] == "success"


@pytest.mark.parametrize(("code", "expected"), [(code, error) for code, (_, error) in CODEC_FAULTS.items()])
def test_code_becomes_its_exception(code, expected):
    error = _codec._error(code)
    assert type(error) is expected
    assert str(error) == f"CharLS: {_codec.error_text(code)} (code {code})"
    if expected is not MemoryError:
        assert error.code == code


@pytest.mark.parametrize("code", [-1, 99, 999])
def test_unknown_code_is_still_an_error_of_this_package(code):
    error = _codec._error(code)
    assert type(error) is jls.JPEGLSError
    assert error.code == code


def test_stream_checks_do_not_share_numbers_with_the_codec():
    assert {code for code, _, _ in _codec._stream_faults()}.isdisjoint(CODEC_FAULTS)


@pytest.mark.parametrize("duplicate", [lambda error: pickle.loads(pickle.dumps(error)), copy.copy, copy.deepcopy])
@pytest.mark.parametrize("error", ERRORS)
def test_copies_of_errors_keep_everything(error, duplicate):
    original = error("text", 1007)
    twin = duplicate(original)
    assert type(twin) is error
    assert (str(twin), twin.args, twin.code) == (str(original), original.args, 1007)
    if issubclass(error, jls.StreamError):
        original = error("text", 1007, 12, 0xFFF7)
        twin = duplicate(original)
        assert (str(twin), twin.code, twin.offset, twin.marker) == ("text", 1007, 12, 0xFFF7)


def test_raised_error_survives_pickling():
    with pytest.raises(jls.InvalidStreamError) as caught:
        jls.read_info(b"\xff\xd8\xff\xfe\0\1")
    twin = pickle.loads(pickle.dumps(caught.value))
    assert (twin.code, twin.offset, twin.marker) == (caught.value.code, 2, 0xFFFE)
    assert str(twin) == str(caught.value)
