"""Datasets of many frames, which are coded together: as frame by frame, with the same errors."""

import copy
import gc

import numpy as np
import pytest
from pydicom.encaps import encapsulate, generate_frames
from pydicom.pixels import iter_pixels

import dicom_jpegls as jls
from dicom_jpegls import _codec
from dicom_jpegls.dicom import frames_at_once, image_pixel_of
from support.dicom_files import make_dataset, random_frames
from support.switches import lanes

COUNTS = (1, 2, 7, 8, 16, 20, 40)


def compressed(count, bits_stored=12, **options):
    ds = make_dataset(random_frames((count, 30, 41), bits_stored, signed=bits_stored == 11), bits_stored=bits_stored)
    native = copy.deepcopy(ds)
    jls.compress(ds, **options)
    return ds, native


def with_damaged_frame(ds, number):
    """Replace the middle of a frame's stream by zeros."""
    frames = list(generate_frames(ds.PixelData, number_of_frames=int(ds.NumberOfFrames)))
    middle = len(frames[number]) // 2
    frames[number] = frames[number][:middle] + bytes(40) + frames[number][middle + 40 :]
    ds.PixelData = encapsulate(frames)
    return ds


@pytest.mark.parametrize("workers", [1, 2, 3])
@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("bits_stored", [8, 11, 12, 16])
def test_all_ways_are_those_of_single_frames(bits_stored, count, workers):
    ds, native = compressed(count, bits_stored, workers=workers)
    with lanes(False):
        assert compressed(count, bits_stored)[0].PixelData == ds.PixelData
        expected = jls.pixel_array(ds)
    found = jls.pixel_array(ds, workers=workers)
    assert found.dtype == expected.dtype
    assert np.array_equal(found, expected)
    assert np.array_equal(np.squeeze(np.stack(list(jls.iter_frames(ds, workers=workers)))), np.squeeze(expected))
    numbers = [count - 1, *range(count), 0]
    assert np.array_equal(
        jls.pixel_array(ds, frames=numbers, workers=workers), expected.reshape(count, 30, 41)[numbers]
    )
    jls.decompress(ds, workers=workers)
    assert ds.PixelData == native.PixelData


@pytest.mark.parametrize("options", [{"near_lossless": 2}, {"restart_interval": 7}, {"verify": True}], ids=str)
def test_options(options):
    for workers in (1, 2):
        ds, _ = compressed(20, 12, workers=workers, **options)
        with lanes(False):
            expected, _ = compressed(20, 12, workers=workers, **options)
        assert ds.PixelData == expected.PixelData
        with lanes(False):
            samples = jls.pixel_array(ds)
        assert np.array_equal(jls.pixel_array(ds, workers=workers), samples)


@pytest.mark.parametrize("options", [{}, {"near_lossless": 2}, {"restart_interval": 9}], ids=str)
@pytest.mark.parametrize("workers", [1, 2])
def test_frames_of_colour_by_line(workers, options):
    native = random_frames((20, 30, 41, 3), 8)
    ds = make_dataset(native, bits_stored=8)
    jls.compress(ds)
    streams = jls.encode_many(native, interleave_mode=jls.InterleaveMode.LINE, **options)
    ds.PixelData = encapsulate(streams)
    with lanes(False):
        expected = jls.pixel_array(ds)
    assert np.abs(expected.astype(int) - native).max() == options.get("near_lossless", 0)
    assert np.array_equal(jls.pixel_array(ds, workers=workers), expected)
    assert np.array_equal(np.stack(list(jls.iter_frames(ds, workers=workers))), expected)
    damaged = with_damaged_frame(ds, 9)
    with lanes(False), pytest.raises(jls.InvalidStreamError) as alone:
        jls.pixel_array(damaged)
    with pytest.raises(jls.InvalidStreamError, match="frame 9: CharLS") as found:
        jls.pixel_array(damaged, workers=workers)
    assert str(found.value) == str(alone.value)


def test_more_frames_than_are_coded_together():
    frames = random_frames((150, 9, 31), 12)
    ds = make_dataset(frames, bits_stored=12)
    statistics = jls.compress(ds, workers=1, verify=True)
    assert (statistics.frame_count, statistics.largest_error) == (150, 0)
    assert np.array_equal(jls.pixel_array(ds, workers=1), frames)


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("number", [0, 1, 9, 19])
def test_damaged_frame_is_named_and_others_are_decoded(number, workers):
    ds = with_damaged_frame(compressed(20)[0], number)
    before = copy.deepcopy(ds)
    with pytest.raises(jls.InvalidStreamError, match=rf"Pixel Data \(7FE0,0010\), frame {number}: CharLS"):
        jls.pixel_array(ds, workers=workers)
    with pytest.raises(jls.InvalidStreamError, match=rf"Pixel Data \(7FE0,0010\), frame {number}: CharLS"):
        jls.decompress(ds, workers=workers)
    assert ds == before
    found = []
    with pytest.raises(jls.InvalidStreamError, match=rf"frame {number}: CharLS"):
        found.extend(jls.iter_frames(ds, workers=workers))
    assert len(found) == number


def test_output_of_another_dtype_and_layout():
    ds, _ = compressed(20)
    expected = jls.pixel_array(ds)
    for out in (
        np.zeros((20, 30, 41), np.int32),
        np.zeros((20, 30, 41), ">u2"),
        np.zeros((20, 30, 50), np.uint16)[..., 4:45],
        np.zeros((41, 30, 20), np.uint16).transpose(2, 1, 0),
    ):
        assert np.array_equal(jls.pixel_array(ds, out=out, workers=1), expected)


@pytest.mark.parametrize(("shape", "bits"), [((3, 5, 7), 8), ((1, 3, 3), 8), ((3, 5, 7), 16)], ids=str)
def test_decompressed_pixel_data_have_an_even_length(shape, bits):
    frames = random_frames(shape, bits)
    ds = make_dataset(frames, bits_stored=bits)
    expected = ds.PixelData
    jls.compress(ds)
    jls.decompress(ds)
    assert type(ds.PixelData) is bytes
    assert ds.PixelData == expected
    assert len(expected) % 2 == 0


def test_new_bytes_are_writable_only_before_they_are_bytes():
    new = _codec.NewBytes(5)
    memory = memoryview(new)
    memory[:] = b"12345"
    del memory
    assert new.content == b"12345"
    content = new.content
    del new
    gc.collect()
    assert content == b"12345"
    assert memoryview(content).readonly


def test_few_or_large_frames_are_coded_alone():
    if not jls.charls_build()["lanes"]:
        pytest.skip("no lanes on this machine")
    small = image_pixel_of(make_dataset(random_frames((1, 16, 16), 12), bits_stored=12))
    large = small._replace(rows=4000, columns=4000)
    assert [frames_at_once(small, count, 2) for count in (0, 6, 13, 14, 20, 33, 1000)] == [1, 1, 1, 7, 10, 16, 16]
    assert frames_at_once(large, 1000, 2) == 1
    with lanes(False):
        assert frames_at_once(small, 1000, 2) == 1


@pytest.fixture
def registered():
    jls.register()
    yield
    jls.unregister()


@pytest.mark.usefixtures("registered")
@pytest.mark.parametrize("count", COUNTS)
def test_plugin_decodes_ahead(count):
    ds, _ = compressed(count)
    expected = jls.pixel_array(ds)
    assert np.array_equal(ds.pixel_array, expected)
    frames = expected.reshape(count, 30, 41)
    assert np.array_equal(np.stack(list(iter_pixels(ds))), frames)


@pytest.mark.usefixtures("registered")
@pytest.mark.parametrize(
    "numbers",
    [[0], [19], [0, 1, 2], [0, 19, 1], [5, 6, 7, 8], [0, 1, 2, 1, 2, 3], [3, 1, 2, 3], [0, 0, 0], [1, 1, 2]],
    ids=str,
)
def test_plugin_decodes_frames_in_any_order(numbers):
    ds, _ = compressed(20)
    expected = jls.pixel_array(ds)
    assert np.array_equal(np.stack(list(iter_pixels(ds, indices=numbers))), expected[numbers])


@pytest.mark.usefixtures("registered")
def test_plugin_decodes_equal_frames():
    frames = np.repeat(random_frames((1, 30, 41), 12), 20, axis=0)
    frames[13] += 1
    ds = make_dataset(frames, bits_stored=12)
    jls.compress(ds)
    assert np.array_equal(ds.pixel_array, frames)
    assert np.array_equal(np.stack(list(iter_pixels(ds, indices=[1, 2, 13, 14]))), frames[[1, 2, 13, 14]])


@pytest.mark.usefixtures("registered")
@pytest.mark.parametrize("number", [0, 1, 9, 19])
def test_plugin_refuses_a_damaged_frame_in_its_turn(number):
    ds = with_damaged_frame(compressed(20)[0], number)
    found = []
    with pytest.raises(RuntimeError, match="CharLS"):
        found.extend(iter_pixels(ds))
    assert len(found) == number
