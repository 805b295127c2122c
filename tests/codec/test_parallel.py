"""Several threads give what one gives, stop when they are told to, and get on with each other."""

import itertools
import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import dicom_jpegls as jls
from dicom_jpegls import _codec, parallel, spiff
from dicom_jpegls.parallel import MAXIMUM_WORKERS, map_all, map_in_order, worker_count
from support.commands import ROOT
from support.jls_streams import IMAGE_KINDS, RST0, encode_strips, largest_error, make_image, scans, with_record
from support.peers import imagecodecs, libjpeg

# --- The pool ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_results_come_in_order_and_memory_is_bounded(workers):
    taken, given = itertools.count(), itertools.count()
    ahead = []
    count_taken = count_given = 0

    def items():
        nonlocal count_taken
        for i in range(50):
            count_taken = next(taken) + 1
            ahead.append(count_taken - count_given)
            yield i

    def work(i):
        time.sleep(0.001 * (i % 3))
        return i * i

    for i, result in enumerate(map_in_order(work, items(), workers)):
        count_given = next(given) + 1
        assert result == i * i, i
    assert count_given == 50
    assert max(ahead) <= 2 * workers


def test_an_error_ends_the_work_and_leaves_no_thread():
    started = []

    def work(i):
        started.append(i)
        if i == 3:
            raise KeyError(i)

    with pytest.raises(KeyError):
        list(map_in_order(work, range(1000), 2))
    assert len(started) < 12
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("dicom_jpegls")]


def test_closing_ends_the_work():
    started = []
    results = map_in_order(started.append, range(1000), 3)
    next(results)
    results.close()
    assert len(started) <= 6
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("dicom_jpegls")]


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_all_results_are_in_order_and_the_caller_works_too(workers):
    threads = set()

    def work(i):
        threads.add(threading.current_thread())
        time.sleep(0.001 * (1 + i % 3))
        return i * i

    assert map_all(work, range(50), workers) == [i * i for i in range(50)]
    assert len(threads) == workers
    assert threading.current_thread() in threads
    assert map_all(work, (), workers) == []
    assert map_all(str, "a", workers) == ["a"]  # perhaps done before another thread begins


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_the_first_item_that_fails_is_the_one_that_is_told(workers):
    started = []

    def work(i):
        started.append(i)
        time.sleep(0.01 if i == 3 else 0.001)  # later ones have failed when this one does
        if i >= 3:
            raise KeyError(i)

    with pytest.raises(KeyError, match=r"^3$"):
        map_all(work, range(1000), workers)
    assert len(started) < 20
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("dicom_jpegls")]


@pytest.mark.parametrize("function", [map_all, lambda *arguments: list(map_in_order(*arguments))])
def test_a_thread_that_was_starting_is_waited_for(monkeypatch, function):
    start, running = threading.Thread.start, []

    def interrupted(thread):
        start(thread)
        raise KeyboardInterrupt  # as if the signal came before start() returned

    def work(item):
        running.append(item)
        time.sleep(0.05)
        running.remove(item)

    monkeypatch.setattr(threading.Thread, "start", interrupted)
    with pytest.raises(KeyboardInterrupt):
        function(work, range(100), 2)
    assert running == []
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("dicom_jpegls")]


def test_no_more_threads_than_items(monkeypatch):
    counts = []
    pool = parallel.ThreadPoolExecutor
    monkeypatch.setattr(parallel, "ThreadPoolExecutor", lambda n, **options: (counts.append(n), pool(n, **options))[1])
    assert map_all(str, range(3), MAXIMUM_WORKERS) == ["0", "1", "2"]
    assert counts == [2]  # and the calling thread
    assert map_all(str, range(1), MAXIMUM_WORKERS) == ["0"]
    assert counts == [2]


@pytest.mark.parametrize("workers", [40000, 2**28, 2**60, 2**64])
def test_many_workers_do_what_one_does(workers):
    image = make_image("smooth", (600, 16), 8)
    for restart_interval in (20, "auto"):
        stream = jls.encode(image, restart_interval=restart_interval, workers=workers)
        assert np.array_equal(jls.decode(stream, workers=workers), image)
    assert jls.encode(image, restart_interval=20, workers=workers) == jls.encode(image, restart_interval=20)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("dicom_jpegls")]


def test_worker_count(monkeypatch):
    assert worker_count(3) == 3
    assert 1 <= worker_count(None) <= (os.cpu_count() or 1)
    for large in (MAXIMUM_WORKERS, MAXIMUM_WORKERS + 1, 40000, 2**60, 2**64, 2**100):
        assert worker_count(large) == MAXIMUM_WORKERS, large
    for wrong, message in ((0, "must be at least 1, .* found 0"), (-1, "found -1"), ("two", "an integer or None")):
        with pytest.raises(jls.ParameterError, match="^workers: .*" + message):
            worker_count(wrong)
    monkeypatch.setattr(os, "process_cpu_count", lambda: 7, raising=False)
    assert worker_count(None) == 7


# --- One frame --------------------------------------------------------------------------------------------------------

FORMATS = [
    ((), None, 8),
    ((), None, 5),
    ((), None, 12),
    ((), None, 16),
    ((3,), 0, 8),
    ((3,), 1, 8),
    ((3,), 2, 8),
    ((3,), 2, 12),
    ((4,), 0, 16),
    ((4,), 1, 12),
    ((4,), 2, 8),
    ((2,), 0, 8),
]


def image_of(kind, height, width, components, bits):
    return make_image(kind, (height, width, *components), bits)


def by_oracle(stream):
    """What pylibjpeg-libjpeg and CharLS through imagecodecs decode, in our shape."""
    info = jls.read_info(stream)
    first = libjpeg.decode(stream)
    second = imagecodecs.jpegls_decode(stream)
    if info.component_count > 1 and info.interleave_mode == jls.InterleaveMode.NONE and second.shape != first.shape:
        second = second.transpose(1, 2, 0)
    return first, second


@pytest.mark.parametrize(("components", "mode", "bits"), FORMATS)
@pytest.mark.parametrize("lines", [1, 2, 7, 19, 20, 65535])
def test_strips_are_exact(components, mode, bits, lines):
    for kind, near in itertools.product(("noise", "runs"), (0, 2)):
        if near > ((1 << bits) - 1) // 2:
            continue
        image = image_of(kind, 20, 13, components, bits)
        options = {"bits_per_sample": bits, "near_lossless": near, "interleave_mode": mode, "restart_interval": lines}
        stream = jls.encode(image, **options)
        assert len(stream) % 2 == 0, (kind, near)
        # The same markers and strips as put together from images that were encoded alone.
        if lines < 20:
            source = np.ascontiguousarray(image.transpose(2, 0, 1)) if components and mode == 0 else image
            assert scans(stream) == scans(encode_strips(source, lines, bits=bits, near=near, mode=mode)), (kind, near)
        else:
            del options["restart_interval"]
            assert stream == jls.encode(image, **options), (kind, near)
        assert jls.read_info(stream).restart_interval == (lines if lines < 20 else 0), (kind, near)
        for workers in (2, 3, 8):
            assert jls.encode(image, **options, workers=workers) == stream, (kind, near, workers)
        serial = jls.decode(stream)
        assert largest_error(image, serial) <= near, (kind, near)
        for workers in (2, 3, 8, None):
            assert np.array_equal(jls.decode(stream, workers=workers), serial), (kind, near, workers)
        if components != (2,):
            for decoded in by_oracle(stream):
                assert np.array_equal(decoded, serial), (kind, near)


@pytest.mark.parametrize("size", [2, 3, 4])
@pytest.mark.parametrize(("components", "mode"), [((), None), ((3,), 0), ((3,), 2)])
def test_every_form_of_the_restart_interval_is_decoded_in_parallel(components, mode, size):
    image = image_of("noise", 30, 11, components, 12)
    source = np.ascontiguousarray(image.transpose(2, 0, 1)) if mode == 0 else image
    for lines in (1, 3, 29):
        stream = encode_strips(source, lines, size=size, bits=12, mode=mode)
        assert np.array_equal(jls.decode(stream, workers=2), image), lines


def test_everything_in_front_of_the_frame_header_is_kept():
    image = make_image("noise", (40, 30, 3), 8)
    options = {
        "interleave_mode": jls.InterleaveMode.LINE,
        "color_transformation": jls.ColorTransformation.HP2,
        "preset_coding_parameters": jls.PresetCodingParameters(0, 5, 9, 30, 40),
        "spiff_header": spiff.SpiffHeader(spiff.SpiffColorSpace.RGB, 1, 300, 200),
        "comments": [b"first", b""],
        "application_data": [(3, b"data")],
    }
    plain = jls.read_info(jls.encode(image, **with_record(options)))
    stream = jls.encode(image, **with_record(options), restart_interval=9, workers=2)
    info = jls.read_info(stream)
    assert info._replace(restart_interval=0, size=plain.size) == plain
    assert np.array_equal(jls.decode(stream, workers=2), image)
    deep = make_image("smooth", (40, 30), 16)
    stream = jls.encode(deep, restart_interval=9, workers=2)
    assert info.restart_interval == 9
    assert np.array_equal(jls.decode(stream), deep)


def test_planes_are_coded_in_parallel():
    image = make_image("noise", (33, 21, 3), 8)
    serial = jls.encode(image, interleave_mode=jls.InterleaveMode.NONE)
    assert jls.encode(image, interleave_mode=jls.InterleaveMode.NONE, workers=2) == serial
    assert np.array_equal(jls.decode(serial, workers=2), image)
    out = np.zeros((33, 21, 3), np.uint8)
    assert np.array_equal(jls.decode(serial, workers=2, out=out), image)


def test_regions_and_misaligned_buffers():
    image = make_image("noise", (30, 20), 12)
    mosaic = np.full((50, 60), 7, np.uint16)
    mosaic[10:40, 30:50] = image
    stream = jls.encode(mosaic[10:40, 30:50], bits_per_sample=12, restart_interval=4, workers=2)
    assert stream == jls.encode(image, bits_per_sample=12, restart_interval=4)
    target = np.full((50, 60), 9, np.uint16)
    jls.decode_into(stream, target[10:40, 30:50], workers=2)
    assert np.array_equal(target[10:40, 30:50], image)
    target[10:40, 30:50] = 9
    assert (target == 9).all()
    odd = bytearray(2 * 600 + 1)
    jls.decode_into(stream, memoryview(odd)[1:], workers=2)
    assert odd[1:] == image.tobytes()
    size = {"width": 20, "height": 30, "bits_per_sample": 12, "restart_interval": 4}
    assert _codec.encode(memoryview(odd)[1:], **size, workers=2) == stream


@pytest.mark.parametrize("kind", IMAGE_KINDS)
def test_into_a_buffer(kind):
    image = make_image(kind, (64, 3), 8)
    size = {"width": 3, "height": 64, "bits_per_sample": 8}
    target = bytearray(jls.max_encoded_size(**size))
    stream = jls.encode(image, restart_interval=1)
    for workers in (1, 2):
        written = jls.encode_into(image, target, **size, restart_interval=1, workers=workers)
        assert target[:written] == stream, workers
        exact = bytearray(written)
        assert jls.encode_into(image, exact, **size, restart_interval=1, workers=workers) == written, workers
        short = bytearray(written - 1)
        with pytest.raises(jls.BufferTooSmallError, match=f"dst: {written - 1} bytes are too few"):
            jls.encode_into(image, short, **size, restart_interval=1, workers=workers)


def test_automatic_restart_interval():
    large = np.zeros((4096, 4096), np.uint8)
    stream = jls.encode(large, restart_interval="auto")
    assert jls.read_info(stream).restart_interval == 64
    for workers in (1, 2, 64):
        assert jls.encode(large, restart_interval="auto", workers=workers) == stream, workers
    assert jls.read_info(jls.encode(large[:64], restart_interval="auto")).restart_interval == 0
    noisy = make_image("smooth", (2048, 512), 12)
    plain = jls.encode(noisy, bits_per_sample=12)
    assert len(jls.encode(noisy, bits_per_sample=12, restart_interval="auto")) < len(plain) * 1.003 + 100


@pytest.mark.parametrize(
    ("restart_interval", "message"),
    [
        (0, r"^restart_interval: 0 is not in the range 1 to 65535$"),
        (65536, r"^restart_interval: 65536 is not in the range 1 to 65535$"),
        ("automatic", r"^restart_interval: must be a number of lines, 'auto' or None, found 'automatic'$"),
        (1.5, r"^restart_interval: must be an integer, found 1.5$"),
    ],
)
def test_wrong_restart_interval(restart_interval, message):
    with pytest.raises(jls.ParameterError, match=message):
        jls.encode(np.zeros((4, 4), np.uint8), restart_interval=restart_interval)


def test_damage_in_an_interval_is_an_error_with_any_workers():
    stream = jls.encode(make_image("noise", (64, 30), 8), restart_interval=4)
    position = stream.index(b"\xff\xd5") - 20
    damaged = stream[:position] + bytes(10) + stream[position + 10 :]
    for workers in (1, 2):
        with pytest.raises(jls.InvalidStreamError):
            jls.decode(damaged, workers=workers)


# --- Interruption -----------------------------------------------------------------------------------------------------

INTERRUPTED = """
import copy, sys, threading
import numpy as np
import dicom_jpegls as jls
sys.path.insert(0, {folder!r})
from support.dicom_files import make_dataset

def state(ds):
    return ds.PixelData, ds.file_meta.TransferSyntaxUID, ds.SOPInstanceUID

original = make_dataset(np.random.default_rng(0).integers(0, 4096, (200, 256, 256), dtype=np.uint16), bits_stored=12)
if {action!r} != "compress":
    jls.compress(original)
before = state(original)
print("ready", flush=True)
ds = None
try:
    while True:
        ds = copy.deepcopy(original)
        jls.{action}(ds, workers={workers})
        ds = None
except KeyboardInterrupt:
    assert ds is None or state(ds) == before
    assert threading.active_count() == 1
    print("as it was", flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("action", ["compress", "decompress", "pixel_array"])
def test_interruption_is_prompt_and_loses_nothing(action, workers):
    script = INTERRUPTED.format(folder=os.fspath(ROOT / "tests"), action=action, workers=workers)
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline() == "ready\n"
        time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=20)
    finally:
        process.kill()
    assert output == "as it was\n"
    assert process.returncode == 0


# --- One verdict ------------------------------------------------------------------------------------------------------

# For whatever codec: that of this package, for one or several components, and that of CharLS.
KINDS_OF_SCANS = {
    "lossless": ((1024, 600), 8, {}),
    "near-lossless": ((1024, 600), 8, {"near": 1}),
    "presets": ((1024, 600), 8, {"preset_coding_parameters": (0, 0, 0, 0, 63)}),
    "4 bits": ((1024, 600), 4, {}),
    "colour": ((600, 400, 3), 8, {"mode": 2}),
    "colour transformation": ((600, 400, 3), 8, {"mode": 1, "color_transformation": 1}),
}


def outcome(stream, workers):
    """The samples, or nothing for a stream that is refused."""
    try:
        return jls.decode(stream, workers=workers).tobytes()
    except jls.InvalidStreamError:
        return None


@pytest.mark.patched_charls
@pytest.mark.parametrize("kind", KINDS_OF_SCANS)
@pytest.mark.parametrize("marker", [RST0, 0xD9])
def test_bytes_before_a_marker_have_one_verdict_for_any_number_of_workers(kind, marker):
    shape, bits, options = KINDS_OF_SCANS[kind]
    for image_kind in ("flat", "runs"):
        sound = encode_strips(make_image(image_kind, shape, bits), 150, bits=bits, **options)
        position = sound.index(bytes([0xFF, marker]), sound.index(b"\xff\xda"))
        accepted = 0
        for added in (b"", b"\1", *(b"\0" * count + end for count in range(1, 9) for end in (b"", b"\x80"))):
            stream = sound[:position] + added + sound[position:]
            serial = outcome(stream, 1)
            assert outcome(stream, 4) == serial, (image_kind, added)
            accepted += serial is not None
        # The stream as it is and with a byte of zeros; a byte of 1 bits may be the start of another run.
        assert accepted == 2, image_kind


@pytest.mark.parametrize("kind", KINDS_OF_SCANS)
def test_a_tail_of_zeros_has_one_verdict_for_any_number_of_workers(kind):
    shape, bits, options = KINDS_OF_SCANS[kind]
    sound = encode_strips(make_image("runs", shape, bits), 150, bits=bits, **options)
    end = len(sound) - 2
    for size in (1, 2, 3, 7, 16, 100):
        stream = sound[: end - size] + bytes(size) + sound[end:]
        assert outcome(stream, 4) == outcome(stream, 1), size


def test_a_transformation_of_planes_changes_no_verdict():
    sound = jls.encode(make_image("noise", (16, 12), 8))
    start = sound.index(b"\xff\xda") + 10
    refused = 0
    for position in range(start, len(sound) - 2):
        for change in (1, 0x10, 0x80, 0xFF):
            damaged = bytearray(sound)
            damaged[position] ^= change
            transformed = damaged[:2] + b"\xff\xe8\0\7mrfx\1" + damaged[2:]
            expected = outcome(damaged, 1)
            assert outcome(transformed, 1) == expected, (position, change)
            refused += expected is None
    assert refused > 0
