"""Choosing NEAR by looking: the numbers are right, and a picture is there for each kind of image."""

import math
import shutil

import numpy as np
import pydicom
import pytest

import dicom_jpegls as jls
from dicom_jpegls.cli.status import ExitStatus
from support.command_line import run_cli
from support.dicom_files import TEST_FILES, make_dataset, random_frames

pytest.importorskip("skimage")
pictures = pytest.importorskip("matplotlib.image")

from dicom_jpegls.cli import explore as explore_module  # noqa: E402
from dicom_jpegls.cli.explore import (  # noqa: E402
    Units,
    compare,
    draw_comparison,
    draw_exploration,
    explore,
    noise_level,
    quality,
    units_of,
)

CT = TEST_FILES / "CT_small.dcm"


def picture(path):
    """Read a PNG; one that shows something has many values."""
    image = pictures.imread(path)
    assert len(np.unique(image)) > 20
    return image


def test_known_numbers_of_ct_small(tmp_path):
    result = run_cli("explore", CT, "--near-lossless", "3,0", "--output", tmp_path / "ct.png")
    rows = [line.split("│")[1:-1] for line in result.output.splitlines() if line.startswith("│")]
    assert [[cell.strip() for cell in row][:4] for row in rows] == [
        ["0", "14160", "2.31", "0"],
        ["3", "8488", "3.86", "3"],
    ]
    assert rows[0][5].strip() == "∞"
    assert picture(tmp_path / "ct.png").shape[1] > 800


def test_quality_against_its_definitions():
    rng = np.random.default_rng(5)
    original = rng.integers(-500, 500, (40, 30), np.int16)
    samples = original + rng.integers(-3, 4, original.shape, np.int16)
    values = quality(original, samples)
    error = samples.astype(float) - original
    assert values.largest_error == 3
    assert values.mean_error == pytest.approx(np.abs(error).mean())
    peak = float(original.max()) - float(original.min())
    assert values.psnr == pytest.approx(10 * math.log10(peak**2 / (error**2).mean()))
    assert 0.99 < values.ssim < 1
    assert quality(original, original)[:3] == (0, 0, math.inf)
    assert quality(original, original).ssim == pytest.approx(1)
    assert math.isnan(quality(original[:2], samples[:2]).ssim)


@pytest.mark.parametrize("near_lossless", [0, 1, 5])
def test_sizes_and_errors_are_those_of_compress(near_lossless):
    (trial,) = explore(CT, [near_lossless]).trials
    ds = pydicom.dcmread(CT)
    original = ds.pixel_array.astype(int)
    uid = pydicom.uid.JPEGLSNearLossless if near_lossless else pydicom.uid.JPEGLSLossless
    result = jls.compress(ds, uid, near_lossless=near_lossless)
    assert (trial.near_lossless, trial.size) == (near_lossless, result.compressed_size)
    assert trial.quality.largest_error == np.abs(jls.pixel_array(ds) - original).max()
    np.testing.assert_array_equal(trial.samples, jls.pixel_array(ds))


@pytest.mark.filterwarnings("ignore::UserWarning:pydicom")
@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("examples_rgb_color.dcm", [0, 5]),
        ("examples_palette.dcm", [0]),
        ("examples_overlay.dcm", [1, 4, 40]),
        ("SC_rgb_small_odd.dcm", [2]),
        ("JPEGLSNearLossless_08.dcm", [0, 2]),
        ("dicomdirtests/77654033/CR1/6154", [10]),
    ],
)
def test_pictures_of_all_kinds(tmp_path, name, near):
    draw_exploration(explore(TEST_FILES / name, near), tmp_path / "a.png")
    picture(tmp_path / "a.png")


@pytest.mark.parametrize("photometric_interpretation", ["MONOCHROME1", "MONOCHROME2"])
def test_the_window_of_the_dataset_is_used(tmp_path, photometric_interpretation):
    """In a window that leaves out all samples, the image is black, or white if the least value is white."""
    ds = make_dataset(
        random_frames((1, 60, 60), 12), bits_stored=12, photometric_interpretation=photometric_interpretation
    )
    ds.WindowCenter, ds.WindowWidth = 60000, 10
    ds.save_as(tmp_path / "a.dcm", enforce_file_format=True)
    draw_exploration(explore(tmp_path / "a.dcm", [0]), tmp_path / "a.png")
    image = picture(tmp_path / "a.png")
    corner = image[image.shape[0] // 4, image.shape[1] * 3 // 4, :3]
    np.testing.assert_allclose(corner, 0 if photometric_interpretation == "MONOCHROME2" else 1, atol=0.01)


def test_signed_samples_at_the_ends_are_clipped_and_counted(tmp_path):
    pixels = random_frames((1, 30, 30), 12, signed=True)
    pixels[0, :3, :5] = 2047
    make_dataset(pixels, bits_stored=12).save_as(tmp_path / "a.dcm", enforce_file_format=True)
    exploration = explore(tmp_path / "a.dcm", [0, 8])
    assert [trial.clipped_samples for trial in exploration.trials] == [0, 15]
    assert exploration.trials[1].quality.largest_error <= 16
    result = run_cli("explore", tmp_path / "a.dcm", "--near-lossless", 8, "--output", tmp_path / "a.png")
    assert "NEAR 8: " in result.stderr
    assert "signed sample(s) clipped" in result.stderr


def test_noise_is_measured_beside_edges_and_without_an_empty_background():
    rng = np.random.default_rng(3)
    image = rng.normal(1000, 12, (200, 200))
    image[:, 100:] += 900
    image[150:] = 0
    assert noise_level(image.round().astype(np.int16)) == pytest.approx(12, rel=0.05)
    assert noise_level(np.zeros((9, 9), np.uint8)) == 0
    assert noise_level(np.zeros((1, 1), np.uint8)) == 0


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"Modality": "CT", "RescaleSlope": 2, "RescaleIntercept": -1024}, ("HU", 2)),
        ({"Modality": "PT", "RescaleSlope": "0.25", "RescaleType": "BQML"}, ("BQML", 0.25)),
        ({"Modality": "CT", "RescaleSlope": 1, "RescaleType": "US"}, ("", 1)),
        ({"Modality": "MR", "RescaleSlope": None}, ("", 1)),
        ({"Modality": "CT"}, ("", 1)),
    ],
)
def test_errors_are_in_the_units_of_the_modality(attributes, expected):
    ds = pydicom.Dataset()
    for keyword, value in attributes.items():
        setattr(ds, keyword, value)
    assert units_of(ds) == expected


def test_all_differences_have_one_scale(monkeypatch, tmp_path):
    scales = []
    monkeypatch.setattr(explore_module, "_draw_difference", lambda *arguments: scales.append(arguments[-1]))
    exploration = explore(CT, [1, 10])
    draw_exploration(exploration._replace(units=Units("HU", 2.0)), tmp_path / "a.png")
    assert scales == [20, 20]


def test_a_sample_of_a_tree_by_modality(tmp_path):
    (tmp_path / "tree").mkdir()
    for name in ("CT_small.dcm", "MR_small.dcm", "README.txt"):
        shutil.copy(TEST_FILES / name, tmp_path / "tree")
    (tmp_path / "tree" / "cut").write_bytes(CT.read_bytes()[:-5000])
    arguments = ("explore", tmp_path / "tree", "--near-lossless", "0,2", "--output")
    result = run_cli(*arguments, tmp_path / "a.png")
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in result.output.splitlines() if "│" in line]
    assert [row[:4] for row in rows] == [
        ["CT", "1", "0", "14160"],
        ["CT", "1", "2", str(explore(CT, [2]).trials[0].size)],
        ["MR", "1", "0", str(explore(TEST_FILES / "MR_small.dcm", [0]).trials[0].size)],
        ["MR", "1", "2", str(explore(TEST_FILES / "MR_small.dcm", [2]).trials[0].size)],
    ]
    assert rows[1][6].endswith(" HU")
    assert "left out: 1 file(s): not a DICOM file" in result.stderr
    assert "left out: 1 file(s): Pixel Data" in result.stderr
    picture(tmp_path / "a.png")
    one = run_cli(*arguments, tmp_path / "b.png", "--sample", 1, "--seed", 4).output
    assert one == run_cli(*arguments, tmp_path / "b.png", "--sample", 1, "--seed", 4, "--force").output
    assert one.count("│ 1 ") + one.count("│     1 ") == 2
    result = run_cli(
        "explore", tmp_path / "tree" / "*.txt", "--output", tmp_path / "c.png", status=ExitStatus.NOT_CONVERTIBLE
    )
    assert "none of 1 file(s) is an image" in result.stderr


def test_frames_and_what_is_refused(tmp_path):
    pixels = random_frames((3, 30, 30), 8)
    make_dataset(pixels, bits_stored=8).save_as(tmp_path / "a.dcm", enforce_file_format=True)
    np.testing.assert_array_equal(explore(tmp_path / "a.dcm", [1], frame=2).samples, pixels[2])
    path = tmp_path / "a.png"
    line = run_cli(
        "explore", tmp_path / "a.dcm", "--frame", 3, "--output", path, status=ExitStatus.NOT_CONVERTIBLE
    ).stderr
    assert "frame: must be 0 to 2, found 3" in line
    run_cli("explore", tmp_path / "a.dcm", "--near-lossless", "1,x", status=ExitStatus.WRONG_USAGE)
    run_cli("explore", tmp_path / "a.dcm", "--near-lossless", "256", status=ExitStatus.WRONG_USAGE)
    run_cli("explore", tmp_path / "none.dcm", "--output", path, status=ExitStatus.FILE_ERROR)
    palette = TEST_FILES / "examples_palette.dcm"
    line = run_cli(
        "explore", palette, "--near-lossless", "1", "--output", path, status=ExitStatus.NOT_CONVERTIBLE
    ).stderr
    assert "JPEG-LS Near-lossless allows" in line
    path.write_bytes(b"precious")
    run_cli("explore", tmp_path / "a.dcm", "--output", path, status=ExitStatus.TARGET_EXISTS)
    assert path.read_bytes() == b"precious"


def test_compare(tmp_path):
    run_cli("compress", "--near-lossless", 4, CT, tmp_path / "near.dcm")
    output = run_cli("compare", CT, tmp_path / "near.dcm", "--output", tmp_path / "a.png").output
    assert "│             4 │" in output
    picture(tmp_path / "a.png")
    comparison = compare(CT, tmp_path / "near.dcm")
    assert comparison.quality == quality(*comparison.samples)
    draw_comparison(compare(CT, CT), tmp_path / "same.png")
    picture(tmp_path / "same.png")
    line = run_cli(
        "compare", CT, TEST_FILES / "MR_small.dcm", "--output", tmp_path / "b.png", status=ExitStatus.NOT_CONVERTIBLE
    ).stderr
    assert "shape (64, 64); that of" in line
