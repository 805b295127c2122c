"""Threads on the same buffers and objects. On a free-threaded Python nothing keeps them apart."""

import os
import subprocess
import sys
import sysconfig
import threading

import numpy as np
import pytest
from pydicom.pixels.decoders.base import JPEGLSLosslessDecoder

import dicom_jpegls as jls
from dicom_jpegls import _codec
from support.dicom_files import make_dataset, random_frames
from support.jls_streams import make_image

FREE_THREADED = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))


@pytest.mark.skipif(not FREE_THREADED, reason="this Python has a GIL")
def test_the_gil_stays_off():
    script = """if True:
        import sys
        import dicom_jpegls
        assert dicom_jpegls._codec.Stream
        dicom_jpegls.register()
        dicom_jpegls.install_as_pyjpegls()
        assert not sys._is_gil_enabled()
    """
    environment = {name: value for name, value in os.environ.items() if name != "PYTHON_GIL"}
    subprocess.run([sys.executable, "-W", "error", "-c", script], env=environment, check=True)


def in_threads(count, work):
    """Run a function in threads that all start at the same moment; gives the results, exceptions among them."""
    barrier = threading.Barrier(count)
    results = [None] * count

    def run(i):
        barrier.wait()
        try:
            results[i] = work(i)
        except BaseException as error:
            results[i] = error

    threads = [threading.Thread(target=run, args=(i,)) for i in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


FORMATS = {
    "gray": {"bits_per_sample": 12},
    "planes": {"bits_per_sample": 12, "interleave_mode": jls.InterleaveMode.NONE},
    "strips": {"bits_per_sample": 12, "restart_interval": 3},
}


def image_of(name):
    return make_image("noise", (40, 30, 3) if name == "planes" else (40, 30), 12)


def in_memory(name):
    """The samples in the order in which they lie in a buffer."""
    return np.ascontiguousarray(image_of(name).transpose(2, 0, 1)) if name == "planes" else image_of(name)


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("name", FORMATS)
def test_the_same_buffers(name, workers):
    image, options = image_of(name), FORMATS[name]
    size = {"width": 30, "height": 40, "component_count": 1 if image.ndim == 2 else 3}
    expected = jls.encode(image, **options)
    stream = bytearray(expected)
    source = bytearray(in_memory(name).tobytes())

    def work(_):
        for _ in range(30):
            assert np.array_equal(jls.decode(stream, workers=workers), image)
            assert _codec.encode(source, **size, **options, workers=workers) == expected
            assert jls.read_info(stream).width == 30

    assert in_threads(6, work) == [None] * 6
    # Each thread has given back what it held.
    stream.append(0)
    source.append(0)


@pytest.mark.parametrize("kind", [bytearray, lambda data: memoryview(bytearray(data))])
def test_a_buffer_is_held_and_given_back_by_many(kind):
    for _ in range(20):
        source = kind(jls.encode(np.zeros((4, 4), np.uint8)))

        def work(_, source=source):
            for _ in range(300):
                jls.read_info(source)

        assert in_threads(4, work) == [None] * 4
        if isinstance(source, memoryview):
            source.release()
        else:
            source.append(0)


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("name", FORMATS)
def test_one_stream_object(name, workers):
    stream = _codec.Stream(jls.encode(image_of(name), **FORMATS[name]))
    expected = in_memory(name)
    volume = np.zeros((6, *expected.shape), np.uint16)

    def work(i):
        for _ in range(30):
            volume[i] = 0
            stream.decode_into(volume[i], workers=workers)
            assert np.array_equal(volume[i], expected)
            assert stream.decode(workers=workers) == expected.tobytes()
            good, error = stream.decode_partial_into(volume[i])
            assert all(good)
            assert error is None
            assert stream.info.bits_per_sample == 12

    assert in_threads(6, work) == [None] * 6
    assert (volume == expected).all()


def test_a_stream_object_keeps_its_buffer():
    image = image_of("gray")
    stream = _codec.Stream(bytearray(jls.encode(image, bits_per_sample=12)))

    def work(i):
        for _ in range(300):
            if i == 0:
                stream.__init__(bytes(1000))
            else:
                assert stream.decode() == image.tobytes()

    assert in_threads(3, work) == [None] * 3
    assert stream.info.width == 30
    with pytest.raises(TypeError):
        _codec.Stream.__new__(_codec.Stream)


def test_one_damaged_stream_object():
    image = image_of("strips")
    sound = jls.encode(image, **FORMATS["strips"])
    stream = _codec.Stream(sound[:-200], partial=True)
    expected = np.zeros_like(image)
    good, _ = stream.decode_partial_into(expected)
    assert 0 < sum(good) < 40
    expected[np.frombuffer(good, np.uint8) == 0] = 0

    def work(_):
        errors = []
        for _ in range(30):
            target = np.zeros_like(image)
            found, error = stream.decode_partial_into(target)
            assert found == good
            assert error is stream.damage
            target[np.frombuffer(found, np.uint8) == 0] = 0
            assert np.array_equal(target, expected)
            with pytest.raises(jls.InvalidStreamError) as caught:
                stream.decode_into(target)
            errors.append(caught.value)
        return errors

    errors = [error for errors in in_threads(4, work) for error in errors]
    assert {str(error) for error in errors} == {str(stream.damage)}
    # Raising changes an exception, so none is raised twice.
    assert len({id(error) for error in [*errors, stream.damage]}) == 121
    assert stream.damage.__traceback__ is None


def test_one_dataset():
    frames = random_frames((5, 40, 30), 12, signed=True)
    ds = make_dataset(frames, bits_stored=12)
    jls.compress(ds, restart_interval=7)
    out = np.zeros((4, *frames.shape), np.int16)

    def work(i):
        for _ in range(5):
            assert np.array_equal(jls.pixel_array(ds, workers=1 + i % 2), frames)
            assert all(map(np.array_equal, jls.iter_frames(ds, workers=1 + i % 2), frames))
            jls.pixel_array(ds, out=out[i], workers=2)

    assert in_threads(4, work) == [None] * 4
    assert (out == frames).all()


def test_registering_while_others_decode():
    image = random_frames((1, 40, 30), 12)
    ds = make_dataset(image, bits_stored=12)
    jls.compress(ds)
    # So that there is a decoder at any time.
    JPEGLSLosslessDecoder.add_plugin("another", ("dicom_jpegls.dicom.plugin", "decode_frame"))
    before = dict(JPEGLSLosslessDecoder._available)

    def work(i):
        for _ in range(50):
            if i % 2:
                jls.register()
                jls.unregister()
            else:
                assert np.array_equal(JPEGLSLosslessDecoder.as_array(ds)[0], image[0])

    try:
        assert in_threads(4, work) == [None] * 4
        assert dict(JPEGLSLosslessDecoder._available) == before
    finally:
        JPEGLSLosslessDecoder.remove_plugin("another")


@pytest.mark.parametrize("name", FORMATS)
def test_buffers_that_change_meanwhile_do_no_harm(name):
    options = FORMATS[name]
    image = image_of(name)
    sound = jls.encode(image, **options)
    stream = bytearray(sound)
    source = image.copy()
    done = threading.Event()

    def work(i):
        random = np.random.default_rng(i)
        if i == 0:
            while not done.is_set():
                position = int(random.integers(0, len(stream)))
                stream[position] ^= 1 << int(random.integers(0, 8))
                source[tuple(random.integers(0, n) for n in source.shape)] = random.integers(0, 65536)
                stream[position] = sound[position]
            return {"changed"}
        outcomes = set()
        try:
            for _ in range(100):
                try:
                    outcomes.add(jls.decode(stream, workers=1 + i % 2).shape)
                except jls.JPEGLSError as error:
                    outcomes.add(type(error))
                jls.encode(source, **options, check_range=False)
        finally:
            done.set()
        return outcomes

    results = in_threads(3, work)
    done.set()
    assert all(isinstance(result, set) for result in results), results
    allowed = {image.shape, jls.InvalidStreamError, jls.UnsupportedStreamError, "changed"}
    shapes = {outcome for result in results for outcome in result}
    assert all(outcome in allowed or isinstance(outcome, tuple) for outcome in shapes)
