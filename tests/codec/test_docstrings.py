"""Runs the examples in the docstrings of the compiled module, where doctest does not find functions by itself."""

import doctest
import inspect

import pytest

import dicom_jpegls as jls
from dicom_jpegls import _codec

FUNCTIONS = {
    name: thing
    for name, thing in ((name, getattr(jls, name)) for name in jls.__all__)
    if callable(thing) and getattr(thing, "__module__", None) == _codec.__name__
}


def examples(name):
    return doctest.DocTestParser().get_doctest(inspect.getdoc(FUNCTIONS[name]), {}, name, _codec.__file__, 0)


def test_functions_are_found():
    assert {"charls_build", "decode_into", "encode_into", "max_encoded_size", "read_info"} <= set(FUNCTIONS)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_examples_give_what_they_say(name):
    text = inspect.getdoc(FUNCTIONS[name])
    assert "\nExamples\n--------\n>>> " in text
    output = []
    result = doctest.DocTestRunner(optionflags=doctest.REPORT_NDIFF).run(examples(name), out=output.append)
    assert result.attempted >= 2
    assert result.failed == 0, "".join(output)


def test_enough_examples_are_run():
    assert sum(bool(examples(name).examples) for name in FUNCTIONS) >= 5


def test_a_wrong_example_would_be_seen():
    wrong = doctest.DocTestParser().get_doctest(">>> 1 + 1\n3\n", {}, "wrong", None, 0)
    assert doctest.DocTestRunner().run(wrong, out=[].append).failed == 1
