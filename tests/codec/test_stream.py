"""The stream checks of native/stream: what is refused, how and where; and which odd streams are accepted."""

import re
from typing import NamedTuple

import numpy as np
import pytest

import dicom_jpegls as jls
from dicom_jpegls import _codec, spiff
from support.jls_streams import (
    APP0,
    APP8,
    COM,
    DNL,
    EOI,
    LSE,
    RST0,
    SOF55,
    SOI,
    SOS,
    dimensions,
    encode_image,
    encode_scan,
    encode_strips,
    frame_header,
    largest_error,
    make_image,
    number,
    parts,
    presets,
    restart_interval,
    scan_header,
    segment,
    with_segments,
)
from support.peers import libjpeg

FAULT_NAMES = {code: name for code, name, text in _codec._stream_faults()}

GREY = make_image("smooth", (3, 4), 8)
SCAN = encode_scan(GREY)
FRAME = frame_header(4, 3)
STREAM = SOI + FRAME + scan_header() + SCAN + EOI

RGB = make_image("smooth", (3, 4, 3), 8)
IDS = (1, 2, 3)
RGB_FRAME = frame_header(4, 3, ids=IDS)
PLANES = [np.ascontiguousarray(RGB[..., i]) for i in range(3)]
PLANE_SCANS = [encode_scan(plane) for plane in PLANES]
FIRST_PLANE = SOI + RGB_FRAME + scan_header([1]) + PLANE_SCANS[0]
OTHER_PLANES = scan_header([2]) + PLANE_SCANS[1] + scan_header([3]) + PLANE_SCANS[2] + EOI
LINE_SCAN = encode_scan(RGB, mode=1)
SAMPLE_SCAN = encode_scan(RGB, mode=2)


def colour_transformation(value):
    return segment(APP8, b"mrfx" + bytes([value]))


class Refused(NamedTuple):
    """A stream in two pieces: the fault is where the second one begins."""

    fault: str
    before: bytes
    rest: bytes
    marker: int | None = None
    found: int | None = None


REST = scan_header() + SCAN + EOI
REFUSED = [
    Refused("no_start_of_image", b"", b""),
    Refused("no_start_of_image", b"", b"\xff"),
    Refused("no_start_of_image", b"", EOI),
    Refused("no_start_of_image", b"", b"\0" + STREAM),
    Refused("no_start_of_image", b"", FRAME + REST),
    Refused("truncated", SOI, b"\xff"),
    Refused("truncated", SOI, b"\xff\xf7", 0xFFF7),
    Refused("truncated", SOI, b"\xff\xf7\0", 0xFFF7),
    Refused("truncated", SOI, FRAME[:-1], 0xFFF7),
    Refused("truncated", SOI + FRAME, scan_header()[:-1], 0xFFDA),
    Refused("truncated", SOI + b"\xff\xff", b"\xff\xfe\0\3", 0xFFFE),
    Refused("marker_expected", SOI, b"\0" + FRAME + REST),
    Refused("marker_expected", SOI + FRAME, b"\xfe\xff" + REST),
    Refused("segment_length", SOI, b"\xff\xfe\0\0" + FRAME + REST, 0xFFFE),
    Refused("segment_length", SOI, b"\xff\xfe\0\1" + FRAME + REST, 0xFFFE),
    Refused("segment_length", SOI, segment(SOF55, bytes([8, 0, 3, 0, 4])) + REST, 0xFFF7, 5),
    Refused("segment_length", SOI, segment(SOF55, FRAME[4:] + b"\0") + REST, 0xFFF7, 10),
    Refused("segment_length", SOI, segment(SOF55, FRAME[4:-1]) + REST, 0xFFF7, 8),
    Refused("segment_length", SOI, segment(LSE) + FRAME + REST, 0xFFF8, 0),
    Refused("segment_length", SOI, segment(LSE, b"\1" + bytes(9)) + FRAME + REST, 0xFFF8, 10),
    Refused("segment_length", SOI, segment(LSE, b"\1" + bytes(11)) + FRAME + REST, 0xFFF8, 12),
    Refused("segment_length", SOI, segment(LSE, b"\4") + FRAME + REST, 0xFFF8, 1),
    Refused("segment_length", SOI, segment(LSE, b"\4\1\3\4") + FRAME + REST, 0xFFF8, 4),
    Refused("segment_length", SOI, segment(LSE, b"\4\5" + bytes(10)) + FRAME + REST, 0xFFF8, 12),
    Refused("segment_length", SOI, segment(LSE, b"\4\2" + bytes(3)) + FRAME + REST, 0xFFF8, 5),
    Refused("segment_length", SOI, restart_interval(1, 1) + FRAME + REST, 0xFFDD, 1),
    Refused("segment_length", SOI, restart_interval(1, 5) + FRAME + REST, 0xFFDD, 5),
    Refused("segment_length", SOI + FRAME, segment(SOS) + SCAN + EOI, 0xFFDA, 0),
    Refused("segment_length", SOI + FRAME, segment(SOS, b"\1\1\0\0\0") + SCAN + EOI, 0xFFDA, 5),
    Refused("segment_length", SOI + FRAME, segment(SOS, b"\1\1\0\0\0\0\0") + SCAN + EOI, 0xFFDA, 7),
    Refused("unknown_marker", SOI, b"\xff\0" + FRAME + REST),
    *(
        Refused("unknown_marker", SOI, segment(marker) + FRAME + REST, 0xFF00 | marker)
        # TEM, the last one below SOF0, DHT, JPG, DAC, DQT, DHP, EXP, JPG0, JPG13
        for marker in (0x01, 0xBF, 0xC4, 0xC8, 0xCC, 0xDB, 0xDE, 0xDF, 0xF0, 0xFD)
    ),
    Refused("unexpected_marker", SOI, SOI + FRAME + REST, 0xFFD8),
    Refused("unexpected_marker", SOI + FRAME, FRAME + REST, 0xFFF7),
    Refused("unexpected_marker", SOI, scan_header() + FRAME + REST, 0xFFDA),
    Refused("unexpected_marker", SOI, EOI, 0xFFD9),
    Refused("unexpected_marker", SOI + FRAME, EOI, 0xFFD9),
    Refused("unexpected_marker", STREAM[:-2], segment(COM) + EOI, 0xFFFE),
    Refused("unexpected_marker", FIRST_PLANE, dimensions(4, 3, 2) + OTHER_PLANES, 0xFFF8, 4),
    Refused("unexpected_marker", FIRST_PLANE, RGB_FRAME + OTHER_PLANES, 0xFFF7),
    *(
        Refused("other_jpeg_process", SOI, segment(marker, FRAME[4:]) + REST, 0xFF00 | marker)
        for marker in (0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF, 0xF9)
    ),
    Refused("line_count_later", FIRST_PLANE, segment(DNL, number(3, 2)) + OTHER_PLANES, 0xFFDC),
    *(Refused("bits_per_sample", SOI, frame_header(4, 3, bits=bits) + REST, 0xFFF7, bits) for bits in (0, 1, 17, 255)),
    Refused("dimension_missing", SOI + frame_header(0, 3), REST, 0xFFDA),
    Refused("dimension_missing", SOI + dimensions(0, 3, 2) + frame_header(0, 0), REST, 0xFFDA),
    Refused("dimension_repeated", SOI + dimensions(4, 3, 2), FRAME + REST, 0xFFF7, 3),
    Refused("dimension_repeated", SOI + FRAME, dimensions(5, 0, 2) + REST, 0xFFF8, 5),
    Refused("dimension_repeated", SOI + dimensions(0, 3, 2), dimensions(0, 7, 2) + FRAME + REST, 0xFFF8, 7),
    Refused("too_many_samples", SOI + frame_header(32768, 16385), REST, 0xFFDA, 32768 * 16385),
    Refused("dimension_too_large", SOI, dimensions(65536, 3, 3) + frame_header(0, 0) + REST, 0xFFF8, 65536),
    Refused("dimension_too_large", SOI, dimensions(4, 2**32 - 1, 4) + frame_header(0, 0) + REST, 0xFFF8, 2**32 - 1),
    Refused("component_count", SOI, frame_header(4, 3, ids=()) + REST, 0xFFF7),
    Refused("component_repeated", SOI, frame_header(4, 3, ids=(1, 2, 1)) + REST, 0xFFF7, 1),
    *(
        Refused("subsampling", SOI, frame_header(4, 3, ids=IDS, sampling=sampling) + REST, 0xFFF7, sampling)
        for sampling in (0x00, 0x10, 0x12, 0x21, 0x22)
    ),
    *(
        Refused("preset_type", SOI, segment(LSE, bytes([kind]) + bytes(10)) + FRAME + REST, 0xFFF8, kind)
        for kind in (0, 11, 14, 255)
    ),
    *(
        Refused("preset_extension", SOI, segment(LSE, bytes([kind]) + bytes(10)) + FRAME + REST, 0xFFF8, kind)
        for kind in (5, 6, 7, 8, 9, 10, 12, 13)
    ),
    Refused("mapping_table", SOI, segment(LSE, b"\2\1\1" + bytes(256)) + FRAME + REST, 0xFFF8, 2),
    Refused("mapping_table", SOI, segment(LSE, b"\3\1\1" + bytes(256)) + FRAME + REST, 0xFFF8, 3),
    Refused("mapping_table", SOI + FRAME, scan_header(table=9) + SCAN + EOI, 0xFFDA, 9),
    *(
        Refused("preset_value", SOI + FRAME + presets(*values), REST, 0xFFDA)
        for values in (
            (256,),
            (0, 256),
            (0, 9, 8),
            (0, 9, 9, 8),
            (0, 0, 256),
            (0, 0, 0, 256),
            (0, 0, 2),  # below the default T1
            (0, 0, 0, 6),  # below the default T2
            (0, 8),  # above the default T2
            (0, 0, 22),  # above the default T3
            (0, 0, 0, 0, 1),
            (0, 0, 0, 0, 2),
            (0, 0, 0, 0, 256),
        )
    ),
    Refused("preset_value", SOI + FRAME + presets(0, 3, 30, 40), scan_header(near=3) + SCAN + EOI, 0xFFDA),
    Refused("preset_maximum", SOI + FRAME + presets(254), REST, 0xFFDA),
    Refused("preset_maximum", SOI + FRAME + presets(1), REST, 0xFFDA),
    Refused("preset_reset", SOI + frame_header(4, 3, bits=12) + presets(0, 0, 0, 0, 256), REST, 0xFFDA),
    Refused(
        "preset_reset", SOI + RGB_FRAME + presets(0, 0, 0, 0, 63), scan_header(IDS, mode=2) + SAMPLE_SCAN + EOI, 0xFFDA
    ),
    Refused("color_transformation", SOI, colour_transformation(6) + RGB_FRAME + REST, 0xFFE8, 6),
    Refused("color_transformation", SOI, colour_transformation(255) + RGB_FRAME + REST, 0xFFE8, 255),
    Refused("color_transformation_kind", SOI, colour_transformation(4) + RGB_FRAME + REST, 0xFFE8, 4),
    Refused("color_transformation_kind", SOI, colour_transformation(5) + RGB_FRAME + REST, 0xFFE8, 5),
    *(
        Refused(
            "color_transformation_use",
            SOI + colour_transformation(2) + frame_header(4, 3, bits=bits, ids=IDS),
            scan_header(IDS, mode=mode) + SAMPLE_SCAN + EOI,
            0xFFDA,
            2,
        )
        for bits, mode in ((7, 1), (9, 1), (12, 2), (15, 2))
    ),
    Refused("scan_components", SOI + FRAME, segment(SOS, bytes(4)) + SCAN + EOI, 0xFFDA, 0),
    Refused("scan_components", SOI + FRAME, scan_header(IDS, mode=2) + SAMPLE_SCAN + EOI, 0xFFDA, 3),
    Refused("scan_components", SOI + RGB_FRAME, scan_header([1, 2], mode=1) + LINE_SCAN + EOI, 0xFFDA, 2),
    Refused("scan_components", FIRST_PLANE, scan_header([2, 3], mode=1) + LINE_SCAN + EOI, 0xFFDA, 2),
    Refused("scan_components", FIRST_PLANE, scan_header(IDS, mode=2) + SAMPLE_SCAN + EOI, 0xFFDA, 3),
    Refused("scan_component", SOI + FRAME, scan_header([2]) + SCAN + EOI, 0xFFDA, 2),
    Refused("scan_component", FIRST_PLANE, scan_header([1]) + PLANE_SCANS[1] + OTHER_PLANES, 0xFFDA, 1),
    Refused("scan_component", STREAM[:-2], scan_header([1]) + SCAN + EOI, 0xFFDA, 1),
    Refused("scan_component", SOI + RGB_FRAME, scan_header([1, 1, 2], mode=2) + SAMPLE_SCAN + EOI, 0xFFDA, 1),
    Refused("scan_order", SOI + RGB_FRAME, scan_header([2]) + PLANE_SCANS[1] + EOI, 0xFFDA, 2),
    Refused("scan_order", SOI + RGB_FRAME, scan_header([3, 2, 1], mode=2) + SAMPLE_SCAN + EOI, 0xFFDA, 3),
    Refused("near_lossless", SOI + FRAME, scan_header(near=128) + SCAN + EOI, 0xFFDA, 128),
    Refused("near_lossless", SOI + frame_header(4, 3, bits=2), scan_header(near=2) + SCAN + EOI, 0xFFDA, 2),
    Refused("interleave_mode", SOI + FRAME, scan_header(mode=1) + SCAN + EOI, 0xFFDA, 1),
    Refused("interleave_mode", SOI + FRAME, scan_header(mode=2) + SCAN + EOI, 0xFFDA, 2),
    Refused("interleave_mode", SOI + RGB_FRAME, scan_header(IDS, mode=0) + LINE_SCAN + EOI, 0xFFDA, 0),
    Refused("interleave_mode", SOI + RGB_FRAME, scan_header(IDS, mode=3) + LINE_SCAN + EOI, 0xFFDA, 3),
    Refused("interleave_mode", SOI + RGB_FRAME, scan_header(IDS, mode=255) + LINE_SCAN + EOI, 0xFFDA, 255),
    *(
        Refused(
            "interleave_mode_two",
            SOI + frame_header(4, 3, ids=range(count)),
            scan_header(range(count), mode=mode) + LINE_SCAN + EOI,
            0xFFDA,
            count,
        )
        for count in (2, 5)
        for mode in (1, 2)
    ),
    Refused("point_transform", SOI + FRAME, scan_header(point_transform=1) + SCAN + EOI, 0xFFDA, 1),
    Refused("scans_missing", FIRST_PLANE, EOI, 0xFFD9),
    Refused("scans_missing", FIRST_PLANE + scan_header([2]) + PLANE_SCANS[1], EOI, 0xFFD9),
    Refused("restart_marker", SOI, b"\xff\xd0" + FRAME + REST, 0xFFD0),
    Refused("restart_marker", STREAM[:-2], b"\xff\xd0" + SCAN + EOI, 0xFFD0, 0),
    Refused(
        "restart_marker",
        SOI + restart_interval(1) + STREAM[2:-2],
        b"\xff\xd1" + SCAN + b"\xff\xd1" + SCAN + EOI,
        0xFFD1,
        1,
    ),
    Refused(
        "restart_marker",
        SOI + restart_interval(2) + STREAM[2:-2] + b"\xff\xd0" + SCAN,
        b"\xff\xd1" + SCAN + EOI,
        0xFFD1,
        1,
    ),
    Refused("restart_marker_missing", SOI + restart_interval(2) + STREAM[2:-2], EOI, 0xFFD9, 0),
    Refused("restart_marker_missing", SOI + restart_interval(1) + STREAM[2:-2] + b"\xff\xd0" + SCAN, EOI, 0xFFD9, 1),
    Refused("scan_data_too_short", SOI + frame_header(1, 65535), scan_header() + bytes(8191) + EOI, 0xFFDA, 8191),
    Refused("scan_data_too_short", SOI + frame_header(65535, 33), scan_header() + bytes(8) + EOI, 0xFFDA, 8),
    Refused(
        "scan_data_too_short",
        SOI + frame_header(1, 8, ids=IDS),
        scan_header(IDS, mode=1) + bytes(2) + EOI,
        0xFFDA,
        2,
    ),
    Refused("no_end_of_image", SOI, b""),
    Refused("no_end_of_image", SOI + segment(COM, b"hello"), b""),
    Refused("no_end_of_image", STREAM[:-2], b""),
    Refused("no_end_of_image", STREAM[:-1], b""),
    Refused("no_end_of_image", STREAM[:-2] + b"\xff\0", b""),
]


@pytest.mark.parametrize("case", REFUSED, ids=[f"{case.fault}-{number}" for number, case in enumerate(REFUSED)])
def test_fault_is_named_and_placed(case):
    stream = case.before + case.rest
    for use in (jls.read_info, jls.decode, lambda src: jls.decode_into(src, bytearray(1000))):
        with pytest.raises(jls.StreamError) as caught:
            use(stream)
        error = caught.value
        assert FAULT_NAMES[error.code] == case.fault, error
        assert error.offset == len(case.before), use
        assert error.marker == case.marker, use
        assert f"at byte {error.offset}" in str(error), use
        assert (f": found {case.found} (" in str(error)) == (case.found is not None), use
        assert (f"marker {case.marker or 0:04X}" in str(error)) == (case.marker is not None), use
        text = next(text for code, _, text in _codec._stream_faults() if code == error.code)
        assert str(error).startswith(text), use


# Of these the stream may be sound: only this package cannot decode it.
UNSUPPORTED = {
    "too_many_samples",
    "other_jpeg_process",
    "line_count_later",
    "dimension_too_large",
    "subsampling",
    "preset_extension",
    "mapping_table",
    "preset_maximum",
    "preset_reset",
    "color_transformation_kind",
    "color_transformation_use",
    "scan_order",
    "interleave_mode_two",
    "point_transform",
}


ONE_OF_EACH = {case.fault: case for case in reversed(REFUSED)}


@pytest.mark.parametrize("case", ONE_OF_EACH.values(), ids=ONE_OF_EACH)
def test_fault_is_of_the_right_class(case):
    expected = jls.UnsupportedStreamError if case.fault in UNSUPPORTED else jls.InvalidStreamError
    with pytest.raises(jls.StreamError) as caught:
        jls.read_info(case.before + case.rest)
    assert type(caught.value) is expected


def test_every_check_is_provoked():
    provoked = set()
    for case in ONE_OF_EACH.values():
        with pytest.raises(jls.StreamError) as caught:
            jls.read_info(case.before + case.rest)
        provoked.add(FAULT_NAMES[caught.value.code])
    assert provoked | {"changed"} == set(FAULT_NAMES.values())
    assert min(FAULT_NAMES) == 1000
    assert len(FAULT_NAMES) == len(set(FAULT_NAMES.values())) == max(FAULT_NAMES) - 999


def test_changes_between_inspection_and_decoding_are_noticed():
    for original, position, value in (
        (STREAM, STREAM.index(FRAME) + 8, 5),  # the width
        (STREAM, STREAM.index(FRAME) + 4, 12),  # the precision
        (STREAM, STREAM.index(SCAN) - 3, 1),  # NEAR
        (FIRST_PLANE + OTHER_PLANES, len(FIRST_PLANE) + 8, 2),  # the interleave mode of the second scan
        (FIRST_PLANE + OTHER_PLANES, len(FIRST_PLANE) + 4, 3),  # how many components it has
    ):
        source = bytearray(original)
        stream = _codec.Stream(source)
        source[position] = value
        samples = bytearray(b"\xa5" * (4 * 3 * stream.info.component_count))
        with pytest.raises(jls.InvalidStreamError, match="changed while it was being decoded") as caught:
            stream.decode_into(samples)
        assert FAULT_NAMES[caught.value.code] == "changed", (original, position, value)
        assert set(samples) == {0xA5}, (original, position, value)


def test_limit_of_the_samples_may_be_moved():
    for use in (jls.read_info, jls.decode, lambda src, **limit: jls.decode_into(src, bytearray(36), **limit)):
        use(FIRST_PLANE + OTHER_PLANES, max_samples=36)
        with pytest.raises(jls.UnsupportedStreamError) as caught:
            use(FIRST_PLANE + OTHER_PLANES, max_samples=35)
        assert FAULT_NAMES[caught.value.code] == "too_many_samples", use
        assert "exceeds the limit (max_samples): found 36" in str(caught.value), use
        for limit in (0, -1, 2**63):
            with pytest.raises(jls.ParameterError, match=rf"^max_samples: {limit} is not in the range 1 to"):
                use(STREAM, max_samples=limit)


def test_line_count_behind_the_scan_is_unsupported():
    # T.81 B.2.5: a height of 0 in the frame header announces a DNL segment after the first scan.
    stream = SOI + frame_header(4, 0) + scan_header() + SCAN + segment(DNL, number(3, 2)) + EOI
    with pytest.raises(jls.UnsupportedStreamError) as caught:
        jls.read_info(stream)
    assert FAULT_NAMES[caught.value.code] == "line_count_later"


# --- Damage -----------------------------------------------------------------------------------------------------------

RICH = with_segments(
    encode_image(
        np.stack(PLANES),
        mode=0,
        near=1,
        comments=[b"comment"],
        application_data=[(3, b"data")],
        preset_coding_parameters=jls.PresetCodingParameters(255, 5, 9, 30, 32),
        spiff_header=spiff.SpiffHeader(),
    ),
    segment(COM, b"between"),
    restart_interval(0),
    before=SOS,
)
STRIPS = SOI + restart_interval(1) + FRAME + scan_header()
STRIPS += b"".join(
    (bytes([0xFF, RST0 + i - 1]) if i else b"") + encode_scan(np.ascontiguousarray(GREY[i : i + 1])) for i in range(3)
)
STRIPS += EOI


@pytest.mark.parametrize("stream", [STREAM, RICH, STRIPS], ids=["small", "rich", "strips"])
def test_truncation_at_every_byte_is_refused(stream):
    jls.decode(stream)
    for size in range(len(stream)):
        for use in (jls.read_info, jls.decode):
            with pytest.raises(jls.InvalidStreamError) as caught:
                use(stream[:size])
            assert FAULT_NAMES[caught.value.code] in {"no_start_of_image", "truncated", "no_end_of_image"}, size


@pytest.mark.parametrize("missing", range(2, len(SCAN)))
def test_scan_cut_off_in_front_of_the_end_marker_is_refused_by_charls(missing):
    with pytest.raises(jls.InvalidStreamError, match=r"CharLS: .*code 5") as caught:
        jls.decode(STREAM[: -2 - missing] + EOI)
    assert (caught.value.code, caught.value.offset, caught.value.marker) == (5, None, None)


@pytest.mark.parametrize("stream", [STREAM, RICH, STRIPS], ids=["small", "rich", "strips"])
def test_any_byte_of_the_headers_changed_gives_information_or_a_stream_error(stream):
    scan = stream.rindex(SCAN if stream is STREAM else parts(stream)[-1].scan)
    accepted, refused = [], []
    for position in range(scan):
        damaged = bytearray(stream)
        for value in range(256):
            damaged[position] = value
            try:
                accepted.append(jls.read_info(damaged))
            except jls.StreamError as error:
                refused.append(error)
    for info in accepted:
        assert info.size <= len(stream), info
        assert 1 <= info.width <= 65535, info
        assert 1 <= info.height <= 65535, info
        assert 2 <= info.bits_per_sample <= 16, info
    for error in refused:
        assert error.offset <= len(stream), error
        assert error.code in FAULT_NAMES, error
    assert len(accepted) > 256
    assert len(refused) > 256


# --- Odd but sound ----------------------------------------------------------------------------------------------------


def check(stream, image, **expected):
    """Decodes into an image whose components come last."""
    info = jls.read_info(stream)
    for name, value in expected.items():
        assert getattr(info, name) == value, (name, value)
    assert np.array_equal(jls.decode(stream), image)


@pytest.mark.parametrize("count", [1, 2, 7, 64])
def test_fill_bytes_before_markers_are_skipped(count):
    fill = b"\xff" * count
    check(SOI + fill + FRAME + fill + scan_header() + SCAN + fill + EOI, GREY)
    check(
        SOI
        + b"".join(fill + piece for piece in (segment(COM, b"x"), presets(0, 3, 7, 21, 64), RGB_FRAME))
        + b"".join(fill + scan_header([i]) + scan for i, scan in zip(IDS, PLANE_SCANS, strict=True))
        + fill
        + EOI,
        RGB,
        comments=(b"x",),
    )


def test_fill_bytes_before_restart_markers_are_skipped():
    strips = [encode_scan(np.ascontiguousarray(GREY[i : i + 1])) for i in range(3)]
    scan = strips[0] + b"\xff\xff\xff\xd0" + strips[1] + b"\xff\xff\xd1" + strips[2]
    check(SOI + restart_interval(1) + FRAME + scan_header() + scan + EOI, GREY, restart_interval=1)


@pytest.mark.parametrize("size", [2, 3, 4])
@pytest.mark.parametrize("order", ["before the frame header", "after the frame header"])
def test_dimensions_in_a_preset_segment(size, order):
    frame = frame_header(0, 0)
    both = dimensions(4, 3, size) + frame if order.startswith("before") else frame + dimensions(4, 3, size)
    check(SOI + both + REST, GREY, width=4, height=3)


@pytest.mark.parametrize("size", [2, 3, 4])
def test_one_dimension_in_a_preset_segment_and_one_in_the_frame_header(size):
    check(SOI + frame_header(4, 0) + dimensions(0, 3, size) + REST, GREY, width=4, height=3)
    check(SOI + dimensions(4, 0, size) + frame_header(0, 3) + REST, GREY, width=4, height=3)
    check(SOI + dimensions(4, 0, size) + dimensions(0, 3, size) + frame_header(0, 0) + REST, GREY, width=4, height=3)


def test_largest_dimensions_are_accepted():
    tall = np.zeros((65535, 1), np.uint8)
    check(SOI + frame_header(0, 0) + dimensions(1, 65535, 3) + scan_header() + encode_scan(tall) + EOI, tall)
    wide = np.zeros((1, 65535), np.uint8)
    check(SOI + frame_header(0, 0) + dimensions(65535, 1, 4) + scan_header() + encode_scan(wide) + EOI, wide)


def test_limit_of_the_dimensions_may_be_moved():
    # A run of 70000 zeros: a bit for each of 33 run lengths (T.87 A.7.1), with a 0 stuffed in after each FF.
    wide = SOI + frame_header(0, 0) + dimensions(70000, 1, 3) + scan_header() + b"\xff\x7f\xff\x7f\xe0" + EOI
    for use in (jls.read_info, lambda src, **limit: jls.decode_into(src, bytearray(70000), **limit)):
        assert use(wide, max_dimension=70000).width == 70000, use
        for limit in ({}, {"max_dimension": 69999}):
            with pytest.raises(jls.UnsupportedStreamError) as caught:
                use(wide, **limit)
            assert FAULT_NAMES[caught.value.code] == "dimension_too_large", limit
        assert use(STREAM, max_dimension=4).width == 4, use
        with pytest.raises(jls.UnsupportedStreamError):
            use(STREAM, max_dimension=3)
        for limit in (0, 100001, -1):
            with pytest.raises(jls.ParameterError, match=rf"^max_dimension: {limit} is not in the range 1 to 100000$"):
                use(STREAM, max_dimension=limit)


@pytest.mark.parametrize("size", [2, 3, 4])
@pytest.mark.parametrize(("components", "mode"), [(1, 0), (3, 0), (3, 1), (3, 2), (4, 0), (4, 1), (4, 2)])
@pytest.mark.parametrize("lines", [1, 2, 3, 11, 12])
def test_restart_markers_separate_strips_of_lines(lines, components, mode, size):
    # 12 lines: up to 11 markers, more than the 8 numbers there are.
    for bits, near, kind in ((8, 0, "smooth"), (8, 2, "smooth"), (12, 0, "noise"), (16, 5, "runs")):
        shape = (12, 9) if components == 1 else (components, 12, 9) if mode == 0 else (12, 9, components)
        source = make_image(kind, shape, bits)
        stream = encode_strips(source, lines, size=size, bits=bits, near=near, mode=mode if components > 1 else None)
        image = source.transpose(1, 2, 0) if components > 1 and mode == 0 else source
        decoded = jls.decode(stream)
        assert jls.read_info(stream).restart_interval == lines, (bits, near, kind)
        assert stream.count(b"\xff\xd0") == (0 if lines == 12 else -(-11 // lines // 8)) * (
            components if mode == 0 else 1
        ), (bits, near, kind)
        assert largest_error(image, decoded) <= near, (bits, near, kind)
        assert np.array_equal(decoded, libjpeg.decode(stream)), (bits, near, kind)


@pytest.mark.parametrize("size", [2, 3, 4])
@pytest.mark.parametrize("lines", [0, 3, 4, 65535])
def test_restart_interval_of_no_effect(lines, size):
    check(SOI + restart_interval(lines, size) + FRAME + REST, GREY, restart_interval=lines)


def test_restart_interval_above_two_bytes():
    check(SOI + restart_interval(65536, 3) + FRAME + REST, GREY, restart_interval=65536)
    check(SOI + restart_interval(2**32 - 1, 4) + FRAME + REST, GREY, restart_interval=2**32 - 1)


def test_restart_interval_may_change_between_scans():
    lines = [encode_scan(np.ascontiguousarray(PLANES[1][i : i + 1])) for i in range(3)]
    stream = FIRST_PLANE + restart_interval(1) + scan_header([2])
    stream += lines[0] + b"\xff\xd0" + lines[1] + b"\xff\xd1" + lines[2]
    stream += restart_interval(0) + scan_header([3]) + PLANE_SCANS[2] + EOI
    check(stream, RGB, restart_interval=0)  # that of the first scan


@pytest.mark.parametrize(
    ("tail", "trailing_size"),
    [
        (b"", 0),
        (b"\0", 0),
        (b"\xff", 0),
        (bytes(1000), 0),
        (b"\xff\0", 0),
        (EOI, 2),
        (STREAM, len(STREAM)),
        (b"\0x\0", 2),
    ],
)
def test_bytes_behind_the_end_are_ignored_but_counted(tail, trailing_size):
    check(STREAM + tail, GREY, size=len(STREAM), trailing_size=trailing_size)


def test_scans_may_differ_in_near_lossless():
    near = (2, 0, 5)
    scans = [encode_scan(plane, near=n) for plane, n in zip(PLANES, near, strict=True)]
    stream = SOI + RGB_FRAME
    stream += b"".join(scan_header([i], near=n) + scan for i, n, scan in zip(IDS, near, scans, strict=True)) + EOI
    info = jls.read_info(stream)
    assert info.near_lossless == 5
    assert info.preset_coding_parameters == (255, 9, 17, 35, 64)  # the defaults for NEAR 2, of the first scan
    decoded = jls.decode(stream)
    for i, n in enumerate(near):
        assert largest_error(PLANES[i], decoded[..., i]) <= n, (i, n)
        assert np.array_equal(decoded[..., i], jls.decode(encode_image(PLANES[i], near=n))), (i, n)
    assert np.array_equal(decoded, libjpeg.decode(stream))


def test_annotations_may_stand_between_scans():
    stream = FIRST_PLANE + segment(COM, b"one") + segment(APP0 + 4, b"two") + scan_header([2]) + PLANE_SCANS[1]
    stream += segment(COM, b"") + scan_header([3]) + PLANE_SCANS[2] + EOI
    check(stream, RGB, comments=(b"one", b""), application_data=((4, b"two"),))


def test_presets_may_change_between_scans():
    own = jls.PresetCodingParameters(255, 9, 9, 9, 31)
    scan = encode_scan(PLANES[1], preset_coding_parameters=own)
    assert scan != PLANE_SCANS[1]
    stream = FIRST_PLANE + presets(*own) + scan_header([2]) + scan
    stream += presets(255, 3, 7, 21, 64) + scan_header([3]) + PLANE_SCANS[2] + EOI
    check(stream, RGB, preset_coding_parameters=(255, 3, 7, 21, 64))
    assert np.array_equal(libjpeg.decode(stream), RGB)


def test_presets_of_zeros_are_the_defaults():
    # libjpeg takes the zeros as they are and decodes something else.
    check(SOI + presets() + FRAME + REST, GREY, preset_coding_parameters=(255, 3, 7, 21, 64))
    check(
        SOI
        + presets(255, 0, 9)
        + FRAME
        + scan_header()
        + encode_scan(GREY, preset_coding_parameters=(255, 3, 9, 21, 64))
        + EOI,
        GREY,
    )


def test_the_last_presets_before_the_scan_count():
    check(SOI + presets(0, 9, 9, 9, 31) + FRAME + presets(0, 3, 7, 21, 64) + REST, GREY)


@pytest.mark.parametrize("ids", [(0, 1, 2), (82, 71, 66), (255, 0, 128)])
def test_component_ids_are_free(ids):
    frame = frame_header(4, 3, ids=ids)
    check(SOI + frame + scan_header(ids, mode=2) + SAMPLE_SCAN + EOI, RGB, interleave_mode=jls.InterleaveMode.SAMPLE)
    planes = b"".join(scan_header([i]) + scan for i, scan in zip(ids, PLANE_SCANS, strict=True))
    check(SOI + frame + planes + EOI, RGB, interleave_mode=jls.InterleaveMode.NONE)


def test_quantization_table_selector_has_no_meaning():
    check(SOI + FRAME[:-1] + b"\x07" + REST, GREY)


@pytest.mark.parametrize("value", [1, 2, 3])
@pytest.mark.parametrize("near", [0, 2])
@pytest.mark.parametrize("bits", [6, 8, 12, 16])
@pytest.mark.parametrize("components", [1, 2, 3, 4, 5])
def test_colour_transformation_has_no_effect_on_planes(components, bits, near, value):
    shape = (5, 6) if components == 1 else (components, 5, 6)
    plain = encode_image(make_image("noise", shape, bits), bits=bits, mode=0, near=near)
    stream = plain[:2] + colour_transformation(value) + plain[2:]
    info = jls.read_info(stream)
    assert info.color_transformation is jls.ColorTransformation.NONE
    assert info.near_lossless == near
    for workers in (1, 2):
        assert np.array_equal(jls.decode(stream, workers=workers), jls.decode(plain))
    between = plain.replace(b"\xff\xda", colour_transformation(value) + b"\xff\xda", 2)
    assert np.array_equal(jls.decode(between), jls.decode(plain))


def inverse_transformation(image, bits, number):
    """HP's transformations undone in the first three components, modulo the range (2**bits)."""
    half, quarter, mask = 1 << (bits - 1), 1 << (bits - 2), (1 << bits) - 1
    first, second, third = (image[..., i].astype(np.int64) for i in range(3))
    if number == 1:
        red, green, blue = first + second - half, second, third + second - half
    elif number == 2:
        red, green = (first + second - half) & mask, second
        blue = third + (red + green >> 1) - half
    else:
        green = first - (third + second >> 2) + quarter
        red, blue = third + green - half, second + green - half
    rgb = np.stack([red, green, blue], -1) & mask
    return np.concatenate([rgb.astype(image.dtype), image[..., 3:]], -1)


@pytest.mark.parametrize("value", [1, 2, 3])
@pytest.mark.parametrize("near", [0, 2])
@pytest.mark.parametrize("mode", [1, 2])
@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("components", [3, 4])
def test_colour_transformation_is_undone_in_the_first_three_components(components, bits, mode, near, value):
    plain = encode_image(make_image("noise", (5, 6, components), bits), bits=bits, mode=mode, near=near)
    stream = plain[:2] + colour_transformation(value) + plain[2:]
    assert jls.read_info(stream).color_transformation == value
    assert np.array_equal(jls.decode(stream), inverse_transformation(jls.decode(plain), bits, value))


def test_colour_transformation_of_none_is_accepted_everywhere():
    check(SOI + colour_transformation(0) + FRAME + REST, GREY, color_transformation=0, application_data=())


@pytest.mark.parametrize(
    "data", [b"", b"mrfx", b"mrfx\1\0", b"MRFX\1", b"SPIFF\0\1", b"SPIFF\0\3" + bytes(22), bytes(40)]
)
def test_other_data_in_application_segment_8_is_the_applications(data):
    check(SOI + segment(APP8, data) + FRAME + REST, GREY, application_data=((8, data),), spiff_header=None)


def test_maximum_number_of_components():
    image = make_image("noise", (2, 3, 255), 8)
    stream = jls.encode(image)
    assert len(parts(stream)) == 1 + 255
    check(stream, image, component_count=255)


@pytest.mark.parametrize("count", [1, 2, 7])
@pytest.mark.parametrize("lines", [None, 3])
@pytest.mark.parametrize(("mode", "bits"), [(None, 6), (None, 8), (0, 16), (1, 8), (2, 12)])
def test_fill_bytes_before_any_marker(mode, bits, lines, count):
    shape = {None: (9, 8), 0: (3, 9, 8)}.get(mode, (9, 8, 3))
    image = make_image("noise", shape, bits)
    stream = encode_image(image, bits=bits, mode=mode, restart_interval=lines)
    fill = b"\xff" * count
    filled = fill + SOI
    for part in parts(stream):
        scan = re.sub(rb"\xff[\xd0-\xd7]", lambda found: fill + found[0], part.scan)
        filled += fill + segment(part.marker, part.data) + scan
    filled += fill + EOI
    info = jls.read_info(filled + b"more")
    assert (info.size, info.trailing_size) == (len(filled) - count, 4)
    for workers in (1, 2):
        found = jls.decode(filled, workers=workers)
        assert np.array_equal(found, image.transpose(1, 2, 0) if mode == 0 else image), workers
    assert jls.decode_partial(filled).error is None


def test_nothing_but_fill_bytes():
    for stream in (b"\xff", b"\xff" * 1000):
        with pytest.raises(jls.InvalidStreamError, match="does not start with an SOI marker"):
            jls.read_info(stream)
