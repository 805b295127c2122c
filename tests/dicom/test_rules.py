"""The table of valid Image Pixel parameters, row by row and value by value."""

import itertools
import re

import numpy as np
import pytest

import dicom_jpegls as jls
from dicom_jpegls.dicom import rules
from dicom_jpegls.dicom.rules import ImagePixel

# Written out from the standard's table, not taken from the module under test.
PHOTOMETRIC_INTERPRETATIONS = ("MONOCHROME1", "MONOCHROME2", "PALETTE COLOR", "RGB", "YBR_FULL", "YBR_ICT", "HSV")


def is_valid(photometric, samples, representation, planar, allocated, stored, near_lossless):
    if stored > allocated or not 2 <= stored <= 16 or allocated not in (8, 16):
        return False
    if photometric in ("MONOCHROME1", "MONOCHROME2"):
        return samples == 1 and planar is None and representation in (0, 1)
    if photometric == "PALETTE COLOR":
        return samples == 1 and planar is None and representation == 0 and not near_lossless
    if photometric == "RGB":
        return samples == 3 and planar in (0, 1) and representation == 0
    if photometric == "YBR_FULL":
        return samples == 3 and planar in (0, 1) and representation == 0 and allocated == 8
    return False


def image(photometric, samples, representation, planar, allocated, stored):
    return ImagePixel(5, 7, samples, photometric, allocated, stored, stored - 1, representation, planar)


@pytest.mark.parametrize("photometric", PHOTOMETRIC_INTERPRETATIONS)
def test_exactly_the_combinations_of_the_table_are_accepted(photometric):
    seen = {True: 0, False: 0}
    for combination in itertools.product(
        (1, 3, 4), (0, 1, 2), (None, 0, 1, 2), (1, 8, 12, 16, 32), (*range(18), 32), (False, True)
    ):
        samples, representation, planar, allocated, stored, near_lossless = combination
        expected = is_valid(photometric, samples, representation, planar, allocated, stored, near_lossless)
        image_pixel = image(photometric, samples, representation, planar, allocated, stored)
        try:
            rules.check_image_pixel(image_pixel, near_lossless=near_lossless)
            accepted = True
        except jls.DatasetError:
            accepted = False
        assert accepted == expected, combination
        seen[accepted] += 1
    assert seen[False] > 0
    assert (seen[True] > 0) == (photometric not in ("YBR_ICT", "HSV"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"photometric_interpretation": "YBR_ICT"},
            r"Photometric Interpretation \(0028,0004\) is 'YBR_ICT'; .*MONOCHROME1",
        ),
        ({"samples_per_pixel": 3}, r"Samples per Pixel \(0028,0002\) is 3; MONOCHROME2 in JPEG-LS allows 1"),
        ({"pixel_representation": 2}, r"Pixel Representation \(0028,0103\) is 2; MONOCHROME2 in JPEG-LS allows 0 or 1"),
        (
            {"planar_configuration": 0},
            r"Planar Configuration \(0028,0006\) is 0; MONOCHROME2 in JPEG-LS allows no value",
        ),
        ({"bits_allocated": 32}, r"Bits Allocated \(0028,0100\) is 32; MONOCHROME2 in JPEG-LS allows 8 or 16"),
        ({"bits_stored": 1, "high_bit": 0}, r"Bits Stored \(0028,0101\) is 1; MONOCHROME2 in JPEG-LS allows 2 to 16"),
        ({"bits_allocated": 8}, r"Bits Stored \(0028,0101\) is 12; it cannot exceed Bits Allocated, 8"),
        ({"high_bit": 15}, r"High Bit \(0028,0102\) is 15; it must be one less than Bits Stored, 12"),
        ({"rows": 0}, r"Rows \(0028,0010\) is 0; 1 to 65535 is allowed"),
        ({"columns": 65536}, r"Columns \(0028,0011\) is 65536; 1 to 65535 is allowed"),
        ({"number_of_frames": -1}, r"Number of Frames \(0028,0008\) is -1; 1 or more is allowed"),
    ],
)
def test_an_error_names_the_attribute_its_value_and_what_is_allowed(changes, message):
    image_pixel = ImagePixel(5, 7, 1, "MONOCHROME2", 16, 12, 11, 0)
    rules.check_image_pixel(image_pixel)
    with pytest.raises(jls.DatasetError, match=message):
        rules.check_image_pixel(image_pixel._replace(**changes))


def test_absent_planar_configuration_of_colour_is_an_error():
    with pytest.raises(jls.DatasetError, match=r"Planar Configuration \(0028,0006\) is absent; RGB .* allows 0 or 1"):
        rules.check_image_pixel(ImagePixel(5, 7, 3, "RGB", 8, 8, 7, 0, None))


def test_palette_colour_is_refused_for_near_lossless_only():
    palette = ImagePixel(5, 7, 1, "PALETTE COLOR", 8, 8, 7, 0)
    rules.check_image_pixel(palette)
    with pytest.raises(jls.DatasetError, match="'PALETTE COLOR'; JPEG-LS Near-lossless allows MONOCHROME1"):
        rules.check_image_pixel(palette, near_lossless=True)


@pytest.mark.parametrize(("bits_stored", "highest"), [(2, 1), (7, 63), (8, 127), (9, 255), (16, 255)])
def test_near_lossless_range(bits_stored, highest):
    rules.check_near_lossless(highest, bits_stored)
    with pytest.raises(jls.ParameterError, match=rf"near_lossless: .*0 to {highest} for Bits Stored .* {bits_stored}"):
        rules.check_near_lossless(highest + 1, bits_stored)
    with pytest.raises(jls.ParameterError, match=rf"near_lossless: .*0 to {highest} for Bits Stored .* {bits_stored}"):
        rules.check_near_lossless(-1, bits_stored)


@pytest.mark.parametrize(
    ("samples", "planar", "mode"),
    [(1, None, jls.InterleaveMode.NONE), (3, 0, jls.InterleaveMode.SAMPLE), (3, 1, jls.InterleaveMode.NONE)],
)
def test_planar_configuration_chooses_the_interleave_mode_and_comes_back(samples, planar, mode):
    assert rules.interleave_mode(samples, planar) == mode
    pixels = np.zeros((4, 5, samples) if samples > 1 else (4, 5), np.uint8)
    info = jls.read_info(jls.encode(pixels, interleave_mode=mode))
    assert rules.planar_configuration(info) == planar


def test_line_interleave_decodes_by_pixel():
    info = jls.read_info(jls.encode(np.zeros((4, 5, 3), np.uint8), interleave_mode=jls.InterleaveMode.LINE))
    assert rules.planar_configuration(info) == 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rows": 6}, r"Rows \(0028,0010\) is 6; the JPEG-LS stream has 5"),
        ({"columns": 8}, r"Columns \(0028,0011\) is 8; the JPEG-LS stream has 7"),
        ({"samples_per_pixel": 3}, r"Samples per Pixel \(0028,0002\) is 3; the JPEG-LS stream has 1"),
        ({"bits_allocated": 8}, r"Bits Allocated \(0028,0100\) is 8; the JPEG-LS stream's samples have 12 bits"),
    ],
)
def test_a_stream_that_disagrees_with_the_attributes_is_an_error(changes, message):
    info = jls.read_info(jls.encode(np.zeros((5, 7), np.uint16), bits_per_sample=12))
    image_pixel = ImagePixel(5, 7, 1, "MONOCHROME2", 16, 12, 11, 0)
    rules.check_stream(info, image_pixel)
    with pytest.raises(jls.DatasetError, match=message):
        rules.check_stream(info, image_pixel._replace(**changes))


@pytest.mark.parametrize(
    ("name", "keyword"),
    [
        ("rows", "Rows"),
        ("number_of_frames", "NumberOfFrames"),
        ("photometric_interpretation", "PhotometricInterpretation"),
    ],
)
def test_keywords(name, keyword):
    assert rules.keyword_of(name) == keyword


@pytest.mark.parametrize("name", ImagePixel._fields)
def test_every_attribute_can_be_named_in_an_error(name):
    assert re.fullmatch(
        r"[A-Z][A-Za-z ]+ \(0028,[0-9A-F]{4}\) is absent; an image needs it",
        str(rules.attribute_error(name, None, "an image needs it")),
    )


@pytest.mark.parametrize(("source", "target"), [("RGB", "YBR_FULL"), ("YBR_FULL", "RGB")])
def test_colour_conversions(source, target):
    image_pixel = ImagePixel(5, 7, 3, source, 8, 8, 7, 0, 1)
    assert rules.converted(image_pixel, target) == image_pixel._replace(photometric_interpretation=target)
    with pytest.raises(jls.ParameterError, match=rf"photometric_interpretation: {source} cannot .* 'PALETTE COLOR'"):
        rules.converted(image_pixel, "PALETTE COLOR")
    shallow = image_pixel._replace(bits_stored=7, high_bit=6)
    if source == "RGB":
        assert rules.converted(shallow, target) == image_pixel._replace(photometric_interpretation=target)
        return
    with pytest.raises(jls.ParameterError, match=rf"{source} of Bits Stored \(0028,0101\) 7 cannot"):
        rules.converted(shallow, target)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"bits_allocated": 32}, r"Bits Allocated \(0028,0100\) is 32; JPEG-LS allows 8 or 16"),
        ({"pixel_representation": 2}, r"Pixel Representation \(0028,0103\) is 2; JPEG-LS allows 0 or 1"),
        ({"number_of_frames": 0}, r"Number of Frames \(0028,0008\) is 0; 1 or more"),
        ({"bits_stored": 17}, r"Bits Stored \(0028,0101\) is 17; 1 to Bits Allocated, 16, is allowed"),
        ({"bits_stored": 0}, r"Bits Stored \(0028,0101\) is 0; 1 to Bits Allocated, 16, is allowed"),
    ],
)
def test_the_memory_layout_of_decoded_samples(changes, match):
    image_pixel = ImagePixel(5, 7, 1, "anything", 16, 12, 11, 0)
    rules.check_native_layout(image_pixel)
    with pytest.raises(jls.DatasetError, match=match):
        rules.check_native_layout(image_pixel._replace(**changes))
