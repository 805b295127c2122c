"""The record of coding options: checked when it is created, whether or not a value would matter."""

import json
import pickle
from dataclasses import FrozenInstanceError, asdict, fields, replace
from typing import get_type_hints

import numpy as np
import pytest
from pydicom.uid import JPEGLSLossless, JPEGLSNearLossless

import dicom_jpegls as jls
from dicom_jpegls.dicom import CodingKeywords, CodingOptions
from support.dicom_files import make_dataset, random_frames

WRONG = [
    ("near_lossless", -1, "near_lossless: .*-1"),
    ("near_lossless", 256, "near_lossless: .*256"),
    ("near_lossless", 1.0, r"near_lossless: .*1\.0"),
    ("near_lossless", "1", "near_lossless: .*'1'"),
    ("planar_configuration", 2, "planar_configuration: must be 0 or 1, found 2"),
    ("planar_configuration", "0", "planar_configuration: must be 0 or 1, found '0'"),
    (
        "photometric_interpretation",
        "YBR_ICT",
        "photometric_interpretation: must be None, 'RGB' or 'YBR_FULL', found 'YBR_",
    ),
    ("signed_overflow", "clipp", "signed_overflow: must be 'error' or 'clip', found 'clipp'"),
    ("signed_overflow", None, "signed_overflow: must be 'error' or 'clip', found None"),
    ("planar_configuration", None, "planar_configuration: must be 0 or 1, found None"),
    ("unused_bits", "wrap", "unused_bits: must be 'error', 'keep', 'clear' or 'clip', found 'wrap'"),
    ("unused_bits", ["clear"], r"unused_bits: must be .*'clear' or 'clip', found \['clear'\]"),
    ("unused_bits", np.array(["clear"]), "unused_bits: must be .*'clear' or 'clip', found array"),
    ("reduce_bits_allocated", 8, "reduce_bits_allocated: must be True or False, found 8"),
    ("offset_table", "none", "offset_table: must be 'basic', 'extended' or 'empty', found 'none'"),
    ("lossy_attributes", "no", "lossy_attributes: must be True or False, found 'no'"),
    ("verify", None, "verify: must be True or False, found None"),
    ("restart_interval", 0, "restart_interval: must be 1 to 65535 lines, 'auto' or None, found 0"),
    ("restart_interval", 65536, "restart_interval: must be 1 to 65535 lines, 'auto' or None, found 65536"),
    ("restart_interval", "often", "restart_interval: must be 1 to 65535 lines, 'auto' or None, found 'often'"),
    ("restart_interval", 2.5, r"restart_interval: must be 1 to 65535 lines, 'auto' or None, found 2\.5"),
]


@pytest.mark.parametrize(("name", "value", "match"), WRONG)
def test_a_wrong_value_is_refused_when_the_record_is_created(name, value, match):
    with pytest.raises(jls.ParameterError, match=match):
        CodingOptions(**{name: value})
    with pytest.raises(jls.ParameterError, match=match):
        replace(CodingOptions(), **{name: value})


@pytest.mark.parametrize(("name", "value", "match"), WRONG)
def test_a_wrong_value_is_refused_before_anything_else(name, value, match):
    native = make_dataset(random_frames((1, 4, 4), 8), bits_stored=8)
    before = native.PixelData
    for ds in (native, "a path", None):
        with pytest.raises(jls.ParameterError, match=match):
            jls.compress(ds, **{name: value})
    assert native.PixelData == before


@pytest.mark.parametrize(
    "others", [{"near_lossless": 1}, {"photometric_interpretation": "RGB"}, {"reduce_bits_allocated": True}]
)
def test_bits_that_are_kept_cannot_be_changed(others):
    with pytest.raises(jls.ParameterError, match=f"unused_bits: 'keep' .* {next(iter(others))}"):
        CodingOptions(unused_bits="keep", **others)


def test_an_unknown_option_is_a_type_error():
    with pytest.raises(TypeError, match="near"):
        jls.compress(make_dataset(random_frames((1, 4, 4), 8), bits_stored=8), near=2)


def test_the_keywords_are_the_attributes_of_the_record():
    assert get_type_hints(CodingKeywords) == get_type_hints(CodingOptions)


def test_values_become_plain_python():
    options = CodingOptions(
        near_lossless=np.int64(3),
        planar_configuration=np.uint16(1),
        signed_overflow=np.str_("clip"),
        verify=np.bool_(True),
        restart_interval=np.int32(9),
    )
    assert options == CodingOptions(
        near_lossless=3, planar_configuration=1, signed_overflow="clip", verify=True, restart_interval=9
    )
    assert CodingOptions(**json.loads(json.dumps(asdict(options)))) == options


def test_the_record_is_frozen_hashable_and_can_be_pickled():
    options = CodingOptions(near_lossless=2, restart_interval="auto")
    assert pickle.loads(pickle.dumps(options)) == options
    assert len({options, replace(options)}) == 1
    with pytest.raises(FrozenInstanceError):
        options.near_lossless = 3


@pytest.mark.parametrize(("near_lossless", "uid"), [(0, JPEGLSLossless), (1, JPEGLSNearLossless)])
def test_the_transfer_syntax(near_lossless, uid):
    assert CodingOptions(near_lossless=near_lossless).transfer_syntax_uid == uid


def test_the_defaults_lose_nothing_and_are_read_by_every_decoder():
    defaults = {field.name: field.default for field in fields(CodingOptions)}
    assert defaults == {
        "near_lossless": 0,
        "planar_configuration": 0,
        "photometric_interpretation": None,
        "signed_overflow": "error",
        "unused_bits": "error",
        "reduce_bits_allocated": False,
        "offset_table": "basic",
        "lossy_attributes": True,
        "restart_interval": None,
        "verify": False,
    }
