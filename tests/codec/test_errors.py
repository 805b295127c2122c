"""The exceptions, and the table that turns CharLS's codes into them."""

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
# By CharLS's public_types.h.
SUCCESS, NOT_ENOUGH_MEMORY = 0, 13


def charls_codes():
    return [code for code in range(-10, 1000) if "Unknown" not in _codec.error_text(code)]


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
def test_default_code_is_charls_own_for_that_class(error):
    groups = {jls.StreamError: jls.JPEGLSError, jls.DatasetError: jls.ParameterError}  # have no own code
    assert _codec._CHARLS_ERRORS[error("text").code] is groups.get(error, error)


@pytest.mark.parametrize("error", ERRORS)
def test_code_may_be_given(error):
    assert error("text", 1007).code == 1007
    assert str(error("text", 1007)) == "text"


@pytest.mark.parametrize("error", [jls.StreamError, jls.InvalidStreamError, jls.UnsupportedStreamError])
def test_stream_errors_say_where(error):
    assert (error("text").offset, error("text").marker) == (None, None)
    assert (error("text", 1007, 12, 0xFFF7).offset, error("text", 1007, 12, 0xFFF7).marker) == (12, 0xFFF7)


def test_table_covers_every_code_of_charls_and_no_other():
    codes = set(charls_codes())
    assert _codec.error_text(SUCCESS) == "Success"
    assert codes - {SUCCESS} == set(_codec._CHARLS_ERRORS)
    assert len(_codec._CHARLS_ERRORS) == len(codes) - 1
    assert len(codes) - 1 > 40


def test_table_names_exceptions_of_this_package_but_for_memory():
    kinds = set(_codec._CHARLS_ERRORS.values())
    assert kinds - set(ERRORS) == {MemoryError}
    assert [code for code, error in _codec._CHARLS_ERRORS.items() if error is MemoryError] == [NOT_ENOUGH_MEMORY]


@pytest.mark.parametrize("code", sorted(_codec._CHARLS_ERRORS))
def test_charls_code_becomes_its_exception(code):
    error = _codec._error(code)
    assert type(error) is _codec._CHARLS_ERRORS[code]
    assert f"(code {code})" in str(error)
    assert _codec.error_text(code) in str(error)
    if code != NOT_ENOUGH_MEMORY:
        assert error.code == code


def test_lack_of_memory_is_a_memory_error():
    assert type(_codec._error(NOT_ENOUGH_MEMORY)) is MemoryError


@pytest.mark.parametrize("code", [-1, 99, 999])
def test_unknown_charls_code_is_still_an_error_of_this_package(code):
    error = _codec._error(code)
    assert type(error) is jls.JPEGLSError
    assert error.code == code


def test_stream_checks_do_not_share_numbers_with_charls():
    assert {code for code, _, _ in _codec._stream_faults()}.isdisjoint(charls_codes())


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
