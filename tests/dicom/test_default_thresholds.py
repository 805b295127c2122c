"""Datasets of encoders with other default thresholds, and with fill bytes before their frames."""

import itertools
import warnings

import numpy as np
import pydicom
import pytest
from pydicom.encaps import encapsulate, encapsulate_extended

import dicom_jpegls as jls
from support.command_line import run_cli
from support.dicom_files import check_refused, make_dataset, random_frames
from support.jls_streams import encode_variant, variant_presets, without_presets
from support.single_files import written

JAI, CHARLS_1 = jls.DefaultThresholds.JAI, jls.DefaultThresholds.CHARLS_1
# Presets that no encoder has as defaults.
UNKNOWN = jls.PresetCodingParameters(0, 30, 60, 100, 0)

FUNCTIONS = [
    jls.pixel_array,
    lambda ds, **options: np.stack(list(jls.iter_frames(ds, **options))),
    lambda ds, **options: jls.pixel_array_partial(ds, **options).array,
    lambda ds, **options: jls.decompress_partial(ds, **options).array,
    lambda ds, **options: jls.decompress(ds, **options) or ds.pixel_array,
]


def compressed(frames, bits, streams):
    """Return a dataset with these streams."""
    ds = make_dataset(frames, bits_stored=bits)
    jls.compress(ds)
    ds.PixelData = encapsulate(streams)
    ds["PixelData"].is_undefined_length = True
    return ds


def of_variant(variant, bits):
    frames = random_frames((3, 40, 48), bits)
    return frames, compressed(frames, bits, [encode_variant(frame, variant, bits) for frame in frames])


def of_unknown(frames):
    streams = [
        jls.encode(frame, bits_per_sample=12, segments=jls.OptionalSegments(preset_coding_parameters=UNKNOWN))
        for frame in frames
    ]
    return compressed(frames, 12, [without_presets(stream) for stream in streams])


@pytest.mark.patched_charls
@pytest.mark.parametrize("workers", [1, 4])
@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize(("variant", "bits"), [(JAI, 13), (JAI, 16), (CHARLS_1, 6), (CHARLS_1, 7)])
def test_variants_are_recognised(variant, bits, function, workers):
    frames, ds = of_variant(variant, bits)
    with pytest.warns(jls.AssumedThresholdsWarning):
        np.testing.assert_array_equal(function(ds, workers=workers), frames)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_given_presets_are_taken(function):
    presets = variant_presets(JAI, 16)
    frames, ds = of_variant(JAI, 16)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(function(ds, preset_coding_parameters=presets), frames)

        # No known encoder's; with the standard's, all lines would come out wrong.
        frames = random_frames((3, 40, 48), 12)
        np.testing.assert_array_equal(function(of_unknown(frames), preset_coding_parameters=UNKNOWN), frames)

        # They do not replace those in the streams.
        ds = make_dataset(frames, bits_stored=12)
        jls.compress(ds)
        with_presets = [
            jls.encode(frame, bits_per_sample=12, segments=jls.OptionalSegments(preset_coding_parameters=UNKNOWN))
            for frame in frames
        ]
        ds = compressed(frames, 12, with_presets)
        np.testing.assert_array_equal(function(ds, preset_coding_parameters=(0, 3, 7, 21, 0)), frames)


def test_unknown_presets_are_no_silent_error():
    ds = of_unknown(random_frames((2, 40, 48), 12))
    for function in (jls.pixel_array, jls.decompress):
        check_refused(function, ds, jls.InvalidStreamError, "frame 0")
    assert set(jls.pixel_array_partial(ds).errors) == {0, 1}


def test_damaged_streams_of_an_encoder_need_its_presets():
    frames, ds = of_variant(JAI, 16)
    streams = list(pydicom.encaps.generate_frames(ds.PixelData, number_of_frames=3))
    streams[1] = streams[1][:1500]
    ds = compressed(frames, 16, streams)
    pixels = jls.pixel_array_partial(ds, preset_coding_parameters=variant_presets(JAI, 16))
    assert list(pixels.errors) == [1]
    good = pixels.good_lines
    assert 10 < good[1].sum() < 40
    np.testing.assert_array_equal(pixels.array[good], frames[good])
    image, lines, error = jls.decode_partial(streams[1], preset_coding_parameters=variant_presets(JAI, 16))
    assert error is not None
    np.testing.assert_array_equal(lines, good[1])
    np.testing.assert_array_equal(image[lines], frames[1][lines])


@pytest.mark.parametrize("presets", [(0, 9, 5, 7, 0), (100, 0, 0, 0, 0), (0, 0, 0, 0), 7, "text"])
def test_wrong_presets_are_refused(presets):
    _, ds = of_variant(JAI, 16)
    for function in FUNCTIONS[:1] + FUNCTIONS[-1:]:
        check_refused(
            lambda ds, function=function: function(ds, preset_coding_parameters=presets),
            ds,
            jls.ParameterError,
            "^preset_coding_parameters",
        )
    with pytest.raises(jls.ParameterError, match=r"^preset_coding_parameters"):
        next(jls.iter_frames(ds, preset_coding_parameters=presets))


@pytest.mark.patched_charls
def test_tools_convert_and_report_variants(tmp_path):
    frames, ds = of_variant(JAI, 16)
    source, target = written(ds, tmp_path / "jai.dcm"), tmp_path / "native.dcm"
    with pytest.warns(jls.AssumedThresholdsWarning):
        result = run_cli("decompress", source, target)
    (line,) = result.stderr.splitlines()
    assert "default thresholds of Java Advanced Imaging" in line
    np.testing.assert_array_equal(pydicom.dcmread(target).pixel_array, frames)
    with pytest.warns(jls.AssumedThresholdsWarning):
        run_cli("verify", source)


@pytest.mark.parametrize("bits", [7, 16])
@pytest.mark.parametrize("table", ["basic", "extended", "none"])
def test_fill_bytes_before_frames(tmp_path, table, bits):
    frames = random_frames((3, 41, 47), bits)
    ds = make_dataset(frames, bits_stored=bits)
    jls.compress(ds)
    streams = list(pydicom.encaps.generate_frames(ds.PixelData, number_of_frames=3))
    # One, two and three fill bytes before SOI (T.81 B.1.1.2); fragments are even.
    streams = [b"\xff" * count + stream for count, stream in zip(itertools.count(1), streams, strict=False)]
    streams = [stream + b"\0" * (len(stream) % 2) for stream in streams]
    if table == "extended":
        ds.PixelData, ds.ExtendedOffsetTable, ds.ExtendedOffsetTableLengths = encapsulate_extended(streams)
    else:
        ds.PixelData = encapsulate(streams, has_bot=table == "basic")
    ds["PixelData"].is_undefined_length = True
    for function in FUNCTIONS[:3]:
        np.testing.assert_array_equal(function(ds), frames)
    jls.register()
    try:
        np.testing.assert_array_equal(pydicom.pixels.pixel_array(ds, raw=True), frames)
    finally:
        jls.unregister()

    source, target = written(ds, tmp_path / "fill.dcm"), tmp_path / "native.dcm"
    run_cli("verify", source)
    run_cli("info", source)
    run_cli("decompress", source, target)
    np.testing.assert_array_equal(pydicom.dcmread(target).pixel_array, frames)
    jls.decompress(ds)
    np.testing.assert_array_equal(ds.pixel_array, frames)


def test_fill_bytes_in_an_icon_and_before_several_fragments():
    frames = random_frames((2, 40, 48), 12)
    ds = make_dataset(frames, bits_stored=12)
    jls.compress(ds)
    streams = [b"\xff\xff" + s for s in pydicom.encaps.generate_frames(ds.PixelData, number_of_frames=2)]
    for fragments in (2, 3):
        ds.PixelData = encapsulate(streams, fragments_per_frame=fragments, has_bot=False)
        ds["PixelData"].is_undefined_length = True
        np.testing.assert_array_equal(jls.pixel_array(ds), frames)

    icon = random_frames((1, 16, 16), 8)
    item = compressed(icon, 8, [b"\xff" + jls.encode(icon[0]) + b"\0"])
    del item.file_meta
    ds.IconImageSequence = [item]
    jls.decompress(ds)
    assert ds.IconImageSequence[0].PixelData == icon.tobytes()


def test_a_stream_with_fill_bytes_is_a_file(tmp_path):
    (frame,) = random_frames((1, 40, 48), 12)
    (tmp_path / "frame.jls").write_bytes(b"\xff\xff" + jls.encode(frame, bits_per_sample=12))
    run_cli("verify", tmp_path / "frame.jls")
