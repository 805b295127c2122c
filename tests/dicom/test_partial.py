"""What is decoded of damaged and truncated datasets: the lines that are there, and nothing that is not."""

import io
import tracemalloc

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.encaps import encapsulate, generate_fragments

import dicom_jpegls as jls
from support.dicom_files import check_refused, make_dataset, random_frames
from support.jls_streams import frame_header, scan_header


def compressed(frames, **options):
    ds = make_dataset(frames, bits_stored=12, **options)
    jls.compress(ds)
    return ds


def replace_fragments(ds, change):
    fragments = list(generate_fragments(ds.PixelData))[1:]
    change(fragments)
    ds.PixelData = encapsulate(fragments, has_bot=False)
    ds["PixelData"].is_undefined_length = True


FRAMES = random_frames((4, 16, 20), 12, signed=True)


def damage_frame_2(fragments):
    fragments[2] = fragments[2][:250] + b"\xff\xd9"


def test_damaged_frame_of_a_dataset():
    ds = compressed(FRAMES)
    replace_fragments(ds, damage_frame_2)
    with pytest.raises(jls.InvalidStreamError, match="frame 2"):
        jls.pixel_array(ds)
    array, good, errors = jls.pixel_array_partial(ds, fill_value=-2048)
    assert set(errors) == {2}
    assert isinstance(errors[2], jls.InvalidStreamError)
    assert good.shape == (4, 16)
    assert good[[0, 1, 3]].all()
    assert 2 < good[2].sum() < 16
    assert np.array_equal(array[good], FRAMES[good])
    assert (array[~good] == -2048).all()

    single = jls.pixel_array_partial(ds, frames=2, fill_value=-2048)
    assert np.array_equal(single.array, array[2])
    assert np.array_equal(single.good_lines, good[2])


def test_decompress_partial_records_what_is_missing():
    ds = compressed(FRAMES)
    ds.ImageType = ["ORIGINAL", "PRIMARY"]
    replace_fragments(ds, damage_frame_2)
    uid = ds.SOPInstanceUID
    before = ds.PixelData
    with pytest.raises(jls.InvalidStreamError):
        jls.decompress(ds)
    assert ds.PixelData == before
    assert ds.SOPInstanceUID == uid
    result = jls.decompress_partial(ds)
    assert np.array_equal(result.array, ds.pixel_array)
    assert np.array_equal(ds.pixel_array[result.good_lines], FRAMES[result.good_lines])
    assert (ds.pixel_array[~result.good_lines] == 0).all()
    missing = 64 - int(result.good_lines.sum())
    assert (
        f"{missing} of 64 lines, in frame(s) 2, could not be decoded and have the value 0" in ds.DerivationDescription
    )
    assert ds.ImageType == ["DERIVED", "PRIMARY"]
    assert ds.SOPInstanceUID != uid
    assert ds.file_meta.MediaStorageSOPInstanceUID == ds.SOPInstanceUID


def test_valid_data_is_decompressed_as_usual():
    partial, whole = compressed(FRAMES), compressed(FRAMES)
    uid = partial.SOPInstanceUID
    result = jls.decompress_partial(partial)
    assert jls.decompress(whole) is None
    assert partial.PixelData == whole.PixelData
    assert partial.SOPInstanceUID == uid
    assert result.good_lines.all()
    assert result.errors == {}


def test_missing_frames_are_filled():
    ds = compressed(FRAMES)
    replace_fragments(ds, lambda fragments: fragments.pop())
    with pytest.raises(jls.DatasetError, match=r"Number of Frames \(0028,0008\) is 4; Pixel Data holds 3 frame"):
        jls.pixel_array(ds)
    array, good, errors = jls.pixel_array_partial(ds)
    assert good[:3].all()
    assert not good[3].any()
    assert np.array_equal(array[:3], FRAMES[:3])
    assert (array[3] == 0).all()
    assert set(errors) == {3}


def test_frame_that_does_not_start_with_soi():
    ds = compressed(FRAMES)

    def damage_start(fragments):
        fragments[1] = b"\0\0" + fragments[1][2:]

    replace_fragments(ds, damage_start)
    array, good, errors = jls.pixel_array_partial(ds)
    assert good[[0, 2, 3]].all()
    assert not good[1].any()
    assert np.array_equal(array[good], FRAMES[good])
    assert set(errors) == {1}


def test_frames_are_not_guessed():
    ds = compressed(FRAMES)

    def damage_border(fragments):
        fragments[0] = fragments[0].replace(b"\xff\xd9", b"\0\0")
        fragments[1] = b"\0\0" + fragments[1][2:]
        fragments[:] = [half for f in fragments for half in (f[:100], f[100:])]

    replace_fragments(ds, damage_border)
    with pytest.raises(jls.DatasetError, match=r"Number of Frames \(0028,0008\) is 4; Pixel Data holds 3 frame"):
        jls.pixel_array_partial(ds)


def test_frames_that_do_not_fit_the_attributes_are_filled():
    ds = compressed(FRAMES)
    replace_fragments(ds, lambda fragments: fragments.__setitem__(1, jls.encode(FRAMES[1, :15], bits_per_sample=12)))
    array, good, errors = jls.pixel_array_partial(ds, fill_value=1)
    assert good[[0, 2, 3]].all()
    assert not good[1].any()
    assert (array[1] == 1).all()
    assert list(errors) == [1]
    assert "Rows (0028,0010) is 16; the JPEG-LS stream has 15" in str(errors[1])


@pytest.mark.parametrize("function", [jls.pixel_array_partial, jls.decompress_partial])
def test_datasets_without_a_frame_that_can_be_decoded_are_refused(function):
    ds = compressed(FRAMES)
    ds.Rows = 15
    check_refused(function, ds, jls.DatasetError, r"frame 0: Rows \(0028,0010\) is 15; the JPEG-LS stream has 16")
    replace_fragments(ds, lambda fragments: fragments.__setitem__(slice(None), [b"\xff\xd8"] * 4))
    check_refused(function, ds, jls.InvalidStreamError, "frame 0: .* ends without an EOI marker")


def test_frames_that_are_asked_for_and_missing_are_refused():
    ds = compressed(FRAMES)
    replace_fragments(ds, lambda fragments: fragments.pop())
    with pytest.raises(jls.DatasetError, match="frame 3: the frame is missing"):
        jls.pixel_array_partial(ds, frames=3)
    result = jls.pixel_array_partial(ds, frames=[3, 0, 3])
    assert list(result.errors) == [3]
    assert result.good_lines.all(axis=1).tolist() == [False, True, False]


def claiming_dataset(fragments, count, rows, columns):
    """A dataset of a few bytes, with attributes for many samples."""
    ds = compressed(FRAMES[:1])
    replace_fragments(ds, lambda old: old.__setitem__(slice(None), fragments))
    ds.Rows, ds.Columns, ds.NumberOfFrames = rows, columns, count
    return ds


FLAT = jls.encode(np.zeros((500, 400), np.uint16), bits_per_sample=12)
HEADERS = b"\xff\xd8" + frame_header(65535, 8191, bits=12) + scan_header() + b"\x80"
CLAIMS = {
    "no frame": (claiming_dataset([b"\xff\xd8"], 1, 65535, 65535), {}),
    "missing frames": (claiming_dataset([FLAT], len(FLAT), 500, 400), {"max_samples": 2_000_000}),
    "frames without data": (claiming_dataset([HEADERS] * 20, 20, 8191, 65535), {}),
    "a frame larger than max_samples": (claiming_dataset([FLAT], 1, 500, 400), {"max_samples": 199_999}),
}


@pytest.mark.parametrize("function", [jls.pixel_array_partial, jls.decompress_partial])
@pytest.mark.parametrize(("ds", "options"), CLAIMS.values(), ids=CLAIMS)
def test_nothing_is_allocated_for_what_only_attributes_claim(function, ds, options):
    tracemalloc.start()
    try:
        with pytest.raises((jls.DatasetError, jls.StreamError)):
            function(ds, **options)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 500_000


def test_samples_that_are_missing_are_limited_by_max_samples():
    ds = claiming_dataset([FLAT], 4, 500, 400)
    with pytest.raises(jls.DatasetError, match=r"too short for 600000 samples of 4 frame\(s\).*allows 599999"):
        jls.pixel_array_partial(ds, max_samples=599_999)
    assert jls.pixel_array_partial(ds, max_samples=600_000).good_lines.sum() == 500
    assert jls.pixel_array_partial(ds, frames=[0, 1], max_samples=200_000).good_lines.sum() == 500


@pytest.mark.parametrize("others", [[b"\xff\xd8"] * 10_049, [bytes(10_050)]], ids=["damaged", "missing"])
def test_errors_are_kept_of_the_first_damaged_frames(others):
    pixel = jls.encode(np.zeros((1, 1), np.uint16), bits_per_sample=12)
    ds = claiming_dataset([pixel, *others], 10_050, 1, 1)
    array, good, errors = jls.pixel_array_partial(ds)
    assert list(errors) == list(range(1, 10_001))
    assert good.sum() == 1
    assert array.shape == (10_050, 1, 1)
    assert all(error.__traceback__ is None for error in errors.values())


@pytest.mark.parametrize("color", [False, True])
def test_truncated_files(tmp_path, color):
    frames = random_frames((3, 16, 20, 3) if color else (3, 16, 20), 12)
    whole = io.BytesIO()
    compressed(frames).save_as(whole, enforce_file_format=True)
    data = whole.getvalue()
    header = data.index(b"\xe0\x7f\x10\x00OB")
    scan = data.index(b"\xff\xda") + (14 if color else 10)  # after the first scan header
    path = tmp_path / "truncated.dcm"
    counts = []
    for size in [*range(header + 20, len(data), 61), len(data)]:
        path.write_bytes(data[:size])
        ds = jls.read_truncated(path)
        if size < scan:
            with pytest.raises((jls.InvalidStreamError, jls.DatasetError), match=r"Pixel Data \(7FE0,0010\)"):
                jls.pixel_array_partial(ds)
            continue
        array, good, errors = jls.pixel_array_partial(ds, fill_value=5)
        places = np.broadcast_to(good[:, :, np.newaxis], frames.shape)
        assert np.array_equal(array[places], frames[places]), size
        assert (array[~places] == 5).all(), size
        assert bool(errors) or good.all(), size
        counts.append(int(good.sum()))
    assert counts == sorted(counts)
    assert counts[-1] == good.size
    path.write_bytes(data[: header + 12])
    with pytest.raises(jls.DatasetError, match=r"Pixel Data \(7FE0,0010\) is not validly encapsulated: it has no item"):
        jls.pixel_array_partial(jls.read_truncated(path))
    path.write_bytes(data[: header + 11])
    with pytest.raises(jls.DatasetError, match=r"the file ends before Pixel Data \(7FE0,0010\)"):
        jls.read_truncated(path)
    path.write_bytes(data)
    assert jls.read_truncated(path) == dcmread(path)


def test_out_of_a_partial_array():
    ds = compressed(FRAMES)
    replace_fragments(ds, damage_frame_2)
    out = np.empty((4, 16, 20), np.int32)
    array, good, errors = jls.pixel_array_partial(ds, out=out, fill_value=7, workers=2)
    assert array is out
    assert np.array_equal(out[good], FRAMES[good])
    assert (out[~good] == 7).all()
    assert set(errors) == {2}


@pytest.mark.parametrize("function", [jls.pixel_array_partial, jls.decompress_partial])
@pytest.mark.parametrize("fill_value", [-(2**15) - 1, 2**15])
def test_a_fill_value_outside_the_range_is_refused(function, fill_value):
    check_refused(
        lambda ds: function(ds, fill_value=fill_value),
        compressed(FRAMES),
        jls.ParameterError,
        f"fill_value: {fill_value} is not in the range -32768 to 32767",
    )


@pytest.mark.parametrize("function", [jls.pixel_array, jls.decompress])
@pytest.mark.parametrize("option", ["on_error", "fill_value"])
def test_functions_for_valid_data_have_no_options_for_damaged_data(function, option):
    with pytest.raises(TypeError, match=option):
        function(compressed(FRAMES), **{option: "partial"})
