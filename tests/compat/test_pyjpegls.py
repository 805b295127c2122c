"""Our `jpeg_ls` beside the real one, pyjpegls 1.5.1.

Nothing is installed as pyjpegls in the process of the tests, where `jpeg_ls` stays the real one: that happens in
subprocesses only.
"""

import importlib
import inspect
import io
import os
import statistics
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import dicom_jpegls as jls
from dicom_jpegls.compat import pyjpegls as ours
from support.jls_streams import SOS, presets, with_segments

real = pytest.importorskip("jpeg_ls")
real_charls = pytest.importorskip("_CharLS")
if real.__version__ != "1.5.1":  # it needs NumPy 2, and with an older NumPy other peers bring an older one
    pytest.skip(f"the installed jpeg_ls has version {real.__version__}, not 1.5.1", allow_module_level=True)

REAL_TESTS = Path(real.__file__).parent / "tests"
STREAMS = sorted(path.name for path in (REAL_TESTS / "jlsimV100").glob("*.JLS"))
# Components are subsampled, which no CharLS decodes.
UNSUPPORTED = {"T8SSE0.JLS", "T8SSE3.JLS"}


def read_stream(name):
    return (REAL_TESTS / "jlsimV100" / name).read_bytes()


def run(program, *arguments, timeout=60):
    """Run a program in a fresh interpreter; give what it prints."""
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def noise(shape, maximum, dtype, seed=1):
    """Noise on a ramp, the maximum among it."""
    rng = np.random.default_rng(seed)
    image = (np.indices(shape).sum(axis=0) * 3 + rng.integers(0, maximum // 4 + 2, shape)) % (maximum + 1)
    image.flat[0] = maximum
    return image.astype(dtype)


def as_ours(stream):
    """Return a stream of pyjpegls as our encoder writes it.

    It has the default thresholds below 8 bits, and a fill byte before its EOI marker if its length is odd (T.81
    B.1.1.2).
    """
    info = jls.read_info(stream)
    if info.bits_per_sample < 8:
        stream = type(stream)(with_segments(stream, presets(*info.preset_coding_parameters), before=SOS))
    return stream if len(stream) % 2 == 0 else stream[:-2] + b"\xff" + stream[-2:]


def assert_same_array(a, b):
    assert type(a) is type(b)
    assert a.dtype == b.dtype
    assert np.array_equal(a, b)
    assert a.flags.writeable == b.flags.writeable
    assert a.strides == b.strides


def assert_same_header(a, b):
    assert a == b
    assert list(a) == list(b)
    assert all(type(value) is int for value in a.values())


def test_the_real_one_is_real():
    assert real.__version__ == "1.5.1"
    assert inspect.getmodule(real.decode).__name__ == "jpeg_ls.CharLS"


# --- The API ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["jpeg_ls", "jpeg_ls.CharLS", "jpeg_ls.data_io", "_CharLS"])
def test_has_all_functions_with_their_parameters(name):
    if name == "jpeg_ls.data_io":
        pytest.importorskip("PIL", reason="the real one imports it at once")
    theirs = importlib.import_module(name)
    module = ours._make_modules()[name]
    functions = {
        key: value
        for key, value in vars(theirs).items()
        if callable(value) and not key.startswith("__")  # Python 3.14 has __annotate__
        if value.__module__ and value.__module__.split(".")[0] in ("jpeg_ls", "_CharLS")
    }
    assert functions
    for key, function in functions.items():
        expected = list(inspect.signature(function).parameters.values())
        actual = [
            parameter
            for parameter in inspect.signature(getattr(module, key)).parameters.values()
            # It names those that pyjpegls picks from its keywords.
            if key != "encode_pixel_data" or parameter.kind != parameter.KEYWORD_ONLY
        ]
        assert [(p.name, p.kind, p.default) for p in actual] == [(p.name, p.kind, p.default) for p in expected], key
    assert module.__name__ == name
    assert module.__spec__.name == name


def test_version_passes_the_check_of_pydicom_and_says_whose_it_is():
    version = ours._make_modules()["jpeg_ls"].__version__
    assert version.startswith("1.5.1." + jls.__version__[:3])
    assert tuple(int(part) for part in version.split(".")) > (1, 5, 1)


def test_passes_the_tests_of_pyjpegls(tmp_path):
    copy_of_tests_and_run = """
        import shutil, sys
        from pathlib import Path
        from dicom_jpegls.compat.pyjpegls import install_as_pyjpegls

        source, target = map(Path, sys.argv[1:])
        shutil.copytree(source, target / "tests")
        install_as_pyjpegls()
        import pytest

        class Outcomes:
            def pytest_runtest_logreport(self, report):
                if report.when == "call" or report.failed:
                    kind = "xfailed" if hasattr(report, "wasxfail") else report.outcome
                    print("OUTCOME", kind, report.nodeid)

        (target / "pytest.ini").write_text("[pytest]")  # nothing of ours
        assert pytest.main(["-q", "-p", "no:cacheprovider", str(target)], plugins=[Outcomes()]) == 0
        import _CharLS, jpeg_ls
        assert jpeg_ls.decode.__module__ == _CharLS.decode.__module__ == "dicom_jpegls.compat.pyjpegls"
        """
    lines = run(copy_of_tests_and_run, REAL_TESTS, tmp_path).splitlines()
    outcomes = [line.partition("OUTCOME ")[2].split(" ", 1) for line in lines if "OUTCOME " in line]
    names = {}
    for outcome, name in outcomes:
        names.setdefault(outcome, []).append(name.partition("::")[2])
    assert {outcome: len(found) for outcome, found in names.items()} == {"passed": 79, "xfailed": 6}
    # Those that pyjpegls itself expects to fail, with subsampled components.
    assert sorted(names["xfailed"]) == [
        f"{group}::test_T8SSE{near}" for group in ("TestDecodeBuffer", "TestJLSRead", "TestRead") for near in (0, 3)
    ]


# --- The same results -------------------------------------------------------------------------------------------------

ARRAYS = [
    pytest.param(shape, mode, maximum, dtype, id=f"{shape}-{mode}-{maximum}-{dtype}".replace(" ", ""))
    for shape, mode in [
        ((29, 40), None),
        ((29, 40), 2),
        ((29, 40, 3), None),
        ((29, 40, 3), 1),
        ((29, 40, 3), 2),
        ((29, 40, 4), 1),
        ((29, 40, 4), 2),
        ((3, 29, 40), None),
        ((3, 29, 40), 0),
        ((4, 29, 40), None),
        ((2, 29, 40), 0),
        ((1, 29, 40), 0),
    ]
    for maximum, dtype in [(1, "u1"), (15, "u1"), (255, "u1"), (256, "u2"), (4095, "u2"), (65535, "u2")]
]


@pytest.mark.parametrize("near", [0, 2])
@pytest.mark.parametrize(("shape", "mode", "maximum", "dtype"), ARRAYS)
def test_arrays_are_coded_alike(shape, mode, maximum, dtype, near):
    image = noise(shape, maximum, dtype)
    if near > maximum // 2 and maximum < 3:
        near = 1  # the most for 2 bits
    theirs = real.encode_array(image, near, mode)
    stream = ours.encode_array(image, near, mode)
    assert type(stream) is type(theirs) is bytearray
    assert stream == as_ours(theirs)

    assert_same_array(
        ours.encode(image, near, mode), np.frombuffer(as_ours(bytearray(real.encode(image, near, mode))), np.uint8)
    )
    target = io.BytesIO()
    ours.jlswrite(image, target, lossy_error=near, interleave_mode=mode)
    assert target.getvalue() == stream
    check_decoding(theirs)
    # Strided and of the other byte order: what pyjpegls gets from a plain copy.
    assert ours.encode_array(np.repeat(image, 2, axis=1)[:, ::2], near, mode) == stream
    assert ours.encode_array(image.astype(image.dtype.newbyteorder(">")), near, mode) == stream


def check_decoding(stream):
    vector = np.frombuffer(stream, np.uint8)
    for kind in (bytes, bytearray):
        source = kind(stream)
        header = real_charls.read_header(source)
        assert_same_header(ours.read_header(source), header)
        for function in ("decode_buffer", "decode_pixel_data"):
            samples, info = getattr(real, function)(source)
            mine = getattr(ours, function)(source)
            assert type(mine) is tuple
            assert type(mine[0]) is type(samples) is bytearray
            assert mine[0] == samples
            assert_same_header(mine[1], info)
        assert ours.decode_from_buffer(source) == samples
        if header["components"] in (1, 3):  # of others it gets the shape wrong
            assert_same_array(ours.jlsread(source), real.jlsread(source))
    if header["components"] in (1, 3):
        assert_same_array(ours.jlsread(io.BytesIO(stream)), real.jlsread(io.BytesIO(stream)))
        assert_same_array(ours.decode(vector), real.decode(vector))
        assert_same_array(ours._decode_vector(vector), real_charls.decode(vector))


@pytest.mark.parametrize("name", [name for name in STREAMS if name not in UNSUPPORTED])
def test_conformance_streams_are_decoded_alike(name):
    check_decoding(read_stream(name))


@pytest.mark.parametrize("near", [0, 2])
@pytest.mark.parametrize(("samples_per_pixel", "mode"), [(1, None), (1, 2), (3, 0), (3, 1), (3, 2), (4, 1), (5, 0)])
@pytest.mark.parametrize("bits_stored", [1, 2, 7, 8, 9, 12, 16])
def test_buffers_are_coded_alike(bits_stored, samples_per_pixel, mode, near):
    rows, columns = 23, 31
    # All bits of the container are in use, as those above a signed sample are.
    maximum, dtype = (255, "u1") if bits_stored <= 8 else (65535, "<u2")
    source = noise((rows, columns, samples_per_pixel), maximum, dtype).tobytes()
    near = min(near, (2 ** max(bits_stored, 2) - 1) // 2)
    shape = rows, columns, samples_per_pixel, bits_stored
    theirs = real.encode_buffer(source, *shape, near, mode, unknown=1)
    for kind in (bytes, bytearray, memoryview):
        stream = ours.encode_buffer(kind(source), *shape, near, mode, unknown=1)
        assert type(stream) is type(theirs) is bytearray
        assert stream == as_ours(theirs)
    assert ours._encode(source, near, 0 if samples_per_pixel == 1 else mode, *shape) == stream
    if bits_stored <= 8:
        wide = np.frombuffer(source, "u1").astype("<u2").tobytes()
        assert ours.encode_buffer(wide, *shape, near, mode) == stream
        assert as_ours(real.encode_buffer(wide, *shape, near, mode)) == stream
    if mode != 1:
        keywords = {
            "rows": rows,
            "columns": columns,
            "samples_per_pixel": samples_per_pixel,
            "bits_stored": bits_stored,
            "planar_configuration": int(mode == 0),
            "photometric_interpretation": "of no account",
        }
        assert ours.encode_pixel_data(source, near, **keywords) == as_ours(
            real.encode_pixel_data(source, near, **keywords)
        )


def test_samples_are_little_endian_on_other_machines_too(monkeypatch):
    stream = ours.encode_array(noise((29, 40), 4095, "u2"))
    samples, header = ours.decode_buffer(stream)
    monkeypatch.setattr(sys, "byteorder", "big" if sys.byteorder == "little" else "little")
    swapped, same_header = ours.decode_buffer(stream)
    assert np.array_equal(np.frombuffer(swapped, ">u2"), np.frombuffer(samples, "<u2"))
    assert same_header == header


@pytest.mark.parametrize("maximum", [3, 255, 256])
@pytest.mark.parametrize("dtype", ["u2", "<i2", ">i2", "f2"])
def test_encode_narrows_as_before(dtype, maximum):
    image = noise((29, 40), maximum, dtype)
    if maximum > 255 and dtype != "u2":
        for encode in (ours.encode, real.encode):
            with pytest.raises(ValueError, match="Invalid ndarray dtype"):
                encode(image)
    else:
        assert bytes(ours.encode(image)) == as_ours(bytes(real.encode(image)))


def test_files_are_written_and_read_alike(tmp_path):
    image = noise((29, 40, 3), 255, "u1")
    real.write(tmp_path / "real.jls", image)
    ours.write(tmp_path / "ours.jls", image)
    assert (tmp_path / "ours.jls").read_bytes() == as_ours((tmp_path / "real.jls").read_bytes())
    ours.jlswrite(image, str(tmp_path / "mode.jls"), interleave_mode=1)
    assert ours.read_header((tmp_path / "mode.jls").read_bytes())["interleave_mode"] == 1
    for path in (tmp_path / "real.jls", str(tmp_path / "ours.jls")):
        for function in ("read", "jlsread"):
            assert_same_array(getattr(ours, function)(path), getattr(real, function)(path))


def test_pictures_go_through_pillow(tmp_path):
    pytest.importorskip("PIL")
    data_io = ours._make_modules()["jpeg_ls.data_io"]
    image = noise((29, 40, 3), 255, "u1")
    data_io.write(tmp_path / "image.png", image)
    assert np.array_equal(data_io.read(tmp_path / "image.png"), image)


ERRORS = {
    "dtype": lambda m: m.encode_array(np.zeros((9, 9), np.int16)),
    "dimensions": lambda m: m.encode_array(np.zeros(9, np.uint8)),
    "no sample": lambda m: m.encode_array(np.zeros((0, 9), np.uint8)),
    "no mode": lambda m: m.encode_array(np.zeros((9, 9, 5), np.uint8)),
    "mode of an array": lambda m: m.encode_array(np.zeros((9, 9, 3), np.uint8), interleave_mode=3),
    "too many components": lambda m: m.encode_array(np.zeros((9, 9, 256), np.uint8), interleave_mode=1),
    "NEAR of an array": lambda m: m.encode_array(np.zeros((99, 99), np.uint8), lossy_error=256),
    "NEAR": lambda m: m.encode_buffer(bytes(81), 9, 9, 1, 8, lossy_error=256),
    "samples per pixel": lambda m: m.encode_buffer(bytes(81), 9, 9, 0, 8),
    "bits stored": lambda m: m.encode_buffer(bytes(81), 9, 9, 1, 17),
    "mode": lambda m: m.encode_buffer(bytes(243), 9, 9, 3, 8),
    "rows": lambda m: m.encode_buffer(bytes(81), 0, 9, 1, 8),
    "columns": lambda m: m.encode_buffer(bytes(81), 9, 65536, 1, 8),
    "length": lambda m: m.encode_buffer(bytes(80), 9, 9, 1, 8),
    "empty": lambda m: m.encode_buffer(b"", 9, 9, 1, 8),
    "attribute": lambda m: m.encode_pixel_data(bytes(81), rows=9, columns=9, bits_stored=8),
    "no stream": lambda m: m.decode_buffer(b"no stream"),
    "empty stream": lambda m: m.jlsread(b""),
    "subsampled": lambda m: m.jlsread(read_stream("T8SSE0.JLS")),
    "file": lambda m: m.jlsread("no such file"),
    "no buffer": lambda m: m.decode_buffer(7),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors_are_caught_as_before(name):
    with pytest.raises(Exception) as theirs:  # noqa: PT011
        ERRORS[name](real)
    with pytest.raises(theirs.type) as mine:
        ERRORS[name](ours)
    if theirs.type is RuntimeError:
        assert isinstance(mine.value, jls.JPEGLSError)
        assert str(mine.value)[:16] == str(theirs.value)[:16] in ("Encoding error: ", "Decoding error: ")


def test_errors_keep_what_they_say_about_the_stream():
    with pytest.raises(jls.InvalidStreamError) as original:
        jls.read_info(read_stream("T16E0.JLS")[:100])
    with pytest.raises(jls.InvalidStreamError) as translated:
        ours.read_header(read_stream("T16E0.JLS")[:100])
    assert isinstance(translated.value, RuntimeError)
    assert translated.value.__cause__ is not None
    assert str(original.value) in str(translated.value)
    for name in ("code", "offset", "marker"):
        assert getattr(translated.value, name) == getattr(original.value, name)


def test_difference_the_header_is_read_with_a_check_of_the_whole_stream():
    stream = bytes(ours.encode_array(noise((29, 40), 255, "u1")))
    assert real_charls.read_header(stream[:40]) == real_charls.read_header(stream) == ours.read_header(stream)
    with pytest.raises(jls.InvalidStreamError, match="truncated"):
        ours.read_header(stream[:40])


def test_difference_dimensions_have_the_limit_of_dicom():
    image = noise((2, 65536), 255, "u1")
    stream = real.encode_array(image)
    assert np.array_equal(real.jlsread(stream), image)
    with pytest.raises(jls.UnsupportedStreamError):
        ours.jlsread(stream)
    with pytest.raises(jls.ParameterError):
        ours.encode_array(image)


def test_a_vector_of_bytes_is_asked_for():
    stream = np.frombuffer(ours.encode_array(noise((29, 40), 255, "u1")), np.uint8)
    for decode in (ours._decode_vector, real_charls.decode):
        with pytest.raises(ValueError, match="dimension"):
            decode(stream.reshape(-1, 2))
        with pytest.raises(ValueError, match="uint8"):
            decode(stream.view(np.uint16))


# --- Faults of pyjpegls -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(1, 1), (2, 2), (5, 5), (8, 8)])
def test_fault_small_images_are_refused(shape):
    image = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    with pytest.raises(RuntimeError, match="destination buffer is too small"):
        real.encode_array(image)
    assert np.array_equal(ours.jlsread(ours.encode_array(image)), image)


def test_fault_dark_uint16_images_are_coded_wrongly():
    image = noise((29, 40), 200, np.uint16)
    theirs = real.jlsread(real.encode_array(image))
    assert theirs.dtype == np.uint8
    assert not np.array_equal(theirs, image)
    assert_same_array(ours.jlsread(ours.encode_array(image)), image)


def test_fault_byte_order_is_ignored():
    image = noise((29, 40), 4095, ">u2")
    assert not np.array_equal(real.jlsread(real.encode_array(image)), image)
    assert np.array_equal(ours.jlsread(ours.encode_array(image)), image)


@pytest.mark.parametrize("dtype", ["i2", "f2"])
def test_fault_samples_that_are_no_bytes_are_coded_as_such(dtype):
    image = np.array([[-1, 3], [1, 0.5]] * 50).astype(dtype)
    assert not np.array_equal(real.decode(real.encode(image)), image)
    with pytest.raises(ValueError, match="Invalid ndarray dtype"):
        ours.encode(image)


@pytest.mark.parametrize("near", [128, 255])
def test_fault_a_near_is_accepted_that_no_decoder_takes(near):
    image = noise((29, 40), 255, np.uint8)
    with pytest.raises(RuntimeError, match="near-lossless is outside the range"):
        real.jlsread(real.encode_array(image, near))
    for error in (RuntimeError, ValueError, jls.ParameterError):
        with pytest.raises(error, match=f"near_lossless: {near}"):
            ours.encode_array(image, near)


def test_fault_source_of_twice_the_size_is_halved():
    source = noise((29, 40), 4095, "<u4")
    assert not np.array_equal(real.jlsread(real.encode_buffer(source.tobytes(), 29, 40, 1, 12)), source)
    with pytest.raises(ValueError, match="length"):
        ours.encode_buffer(source.tobytes(), 29, 40, 1, 12)


@pytest.mark.parametrize("mode", [1, 2])
@pytest.mark.parametrize("components", [2, 5])
def test_fault_streams_without_a_sample_are_written(components, mode):
    image = noise((29, 40, components), 255, np.uint8)
    assert len(real.encode_array(image, interleave_mode=mode)) < 100
    for error in (RuntimeError, jls.ParameterError):
        with pytest.raises(error, match="interleave_mode"):
            ours.encode_array(image, interleave_mode=mode)


@pytest.mark.parametrize(("shape", "mode"), [((29, 40, 4), None), ((4, 29, 40), None), ((2, 29, 40), 0)])
def test_fault_only_one_and_three_components_are_read(shape, mode):
    image = noise(shape, 255, np.uint8)
    stream = ours.encode_array(image, interleave_mode=mode)
    with pytest.raises(ValueError, match="cannot reshape"):
        real.jlsread(stream)
    assert np.array_equal(ours.jlsread(stream), image if shape[-1] == 4 else image.transpose(1, 2, 0))


# Cut where the real one is busy for 10 seconds on the machine it was tried on.
CUT = ("T8C2E0.JLS", 0.2)


def test_fault_a_truncated_stream_takes_seconds():
    name, part = CUT
    stream = read_stream(name)
    cut = stream[: int(len(stream) * part)]
    program = (
        "import sys, jpeg_ls; data = sys.stdin.buffer.read(); print('ready', flush=True); jpeg_ls.decode_buffer(data)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        process.stdin.write(cut)
        process.stdin.close()
        assert process.stdout.readline() == b"ready" + os.linesep.encode()
        try:
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(timeout=1)
        finally:
            process.kill()

    start = time.perf_counter()
    for error in (RuntimeError, jls.InvalidStreamError):
        with pytest.raises(error):
            ours.decode_buffer(cut)
    assert time.perf_counter() - start < 0.5


@pytest.mark.parametrize("name", [name for name in STREAMS if name not in UNSUPPORTED])
def test_truncated_streams_are_refused_at_once(name):
    stream = read_stream(name)
    start = time.perf_counter()
    for size in range(0, len(stream), len(stream) // 20):
        with pytest.raises(RuntimeError):
            ours.jlsread(stream[:size])
    assert time.perf_counter() - start < 2


@pytest.mark.parametrize("direction", ["encode", "decode"])
def test_fault_the_interpreter_stands_still_meanwhile(direction):
    image = np.random.default_rng(0).integers(0, 65536, (2000, 1500), dtype=np.uint16)
    stream = bytes(ours.encode_array(image))
    source = image.tobytes()
    tasks = {
        "encode": lambda module: module.encode_buffer(source, *image.shape, 1, 16),
        "decode": lambda module: module.decode_buffer(stream),
    }
    for module, stands_still in ((real, True), (ours, False)):
        # The typical one of three, on a busy machine.
        steps = statistics.median(steps_of_another_thread(tasks[direction], module) for _ in range(3))
        assert (steps == 0) == stands_still


def steps_of_another_thread(task, module):
    """How often another thread gets its turn in the middle of the task's time."""
    times = []
    limits = []

    def measure():
        limits.append(time.perf_counter())
        task(module)
        limits.append(time.perf_counter())

    worker = threading.Thread(target=measure)
    worker.start()
    while worker.is_alive():
        times.append(time.perf_counter())
        time.sleep(0.001)
    start, end = limits
    return sum(start + 0.25 * (end - start) < moment < end - 0.25 * (end - start) for moment in times)


# --- Installation -----------------------------------------------------------------------------------------------------

CHECK_MODULES = """
    import importlib, importlib.util
    import jpeg_ls, jpeg_ls.CharLS, jpeg_ls.data_io, _CharLS
    from jpeg_ls import decode_from_buffer, debug_logger
    from jpeg_ls.data_io import write
    from dicom_jpegls.compat import pyjpegls as ours
    for module in (jpeg_ls, jpeg_ls.CharLS, jpeg_ls.data_io, _CharLS):
        assert module.__file__ == ours.__file__
        assert importlib.import_module(module.__name__) is module
        assert importlib.util.find_spec(module.__name__) is module.__spec__
    assert jpeg_ls.decode is ours.decode and _CharLS.read_header is ours.read_header
    try:
        import jpeg_ls.example
    except ImportError:
        pass
    else:
        raise AssertionError("a part of the real one")
    """
WITHOUT_REAL = "import sys; sys.modules['jpeg_ls'] = sys.modules['_CharLS'] = None\n"
INSTALL = "from dicom_jpegls.compat.pyjpegls import install_as_pyjpegls; install_as_pyjpegls()\n"


@pytest.mark.parametrize(
    "before",
    [
        pytest.param("", id="first"),
        pytest.param(WITHOUT_REAL, id="without the real one"),
        pytest.param("import jpeg_ls; real = jpeg_ls\n", id="after the real one"),
        pytest.param(INSTALL + "import jpeg_ls; first = jpeg_ls\n", id="twice"),
    ],
)
def test_installs(before):
    run(
        before
        + INSTALL
        + textwrap.dedent(CHECK_MODULES)
        + textwrap.dedent("""
            import io, logging, sys
            assert globals().get("first", jpeg_ls) is jpeg_ls
            assert globals().get("real") is not jpeg_ls
            assert all(type(handler) is logging.NullHandler for handler in logging.getLogger("jpeg_ls").handlers)
            sys.stderr = io.StringIO()
            debug_logger()
            jpeg_ls.encode_buffer(bytes(6), 2, 3, 1, 8)
            assert "2 rows, 3 columns" in sys.stderr.getvalue()
            """)
    )


def test_installs_from_many_threads():
    run(
        """
        import sys, threading
        from concurrent.futures import ThreadPoolExecutor
        from dicom_jpegls.compat.pyjpegls import install_as_pyjpegls

        sys.setswitchinterval(1e-6)
        barrier = threading.Barrier(8)

        def task(_):
            barrier.wait()
            install_as_pyjpegls()
            import jpeg_ls
            return id(jpeg_ls), id(sys.modules["_CharLS"]), id(jpeg_ls.CharLS)

        with ThreadPoolExecutor(8) as pool:
            assert len(set(pool.map(task, range(8)))) == 1
        """
    )


PYDICOM = """
    import sys, warnings
    from pathlib import Path
    import numpy as np
    import pydicom
    from pydicom.pixels.decoders import JPEGLSLosslessDecoder, JPEGLSNearLosslessDecoder
    from pydicom.pixels.encoders import JPEGLSLosslessEncoder, JPEGLSNearLosslessEncoder
    from pydicom.uid import JPEGLSLossless, JPEGLSNearLossless
    import dicom_jpegls as jls

    coders = (
        JPEGLSLosslessDecoder, JPEGLSNearLosslessDecoder, JPEGLSLosslessEncoder, JPEGLSNearLosslessEncoder
    )
    """
AVAILABLE = "assert all(('pyjpegls' in coder.available_plugins) is {} for coder in coders)\n"
USE_PYDICOM = """
    import jpeg_ls
    from dicom_jpegls.compat import pyjpegls as pyjpegls_compat

    calls = dict.fromkeys(("encode_pixel_data", "decode_pixel_data", "decode"), 0)

    def count(name):
        function = getattr(pyjpegls_compat, name)
        assert getattr(jpeg_ls, name) is function

        def counted(*arguments, **keywords):
            calls[name] += 1
            return function(*arguments, **keywords)

        setattr(jpeg_ls, name, counted)

    for name in calls:
        count(name)

    folder = Path(pydicom.__file__).parent / "data" / "test_files"
    for name in ("CT_small.dcm", "examples_rgb_color.dcm"):
        for uid, options in ((JPEGLSLossless, {}), (JPEGLSNearLossless, {"jls_error": 2})):
            ds = pydicom.dcmread(folder / name)
            expected = ds.pixel_array
            before = dict(calls)
            ds.compress(uid, encoding_plugin="pyjpegls", **options)
            ds.pixel_array_options(decoding_plugin="pyjpegls")
            decoded = ds.pixel_array
            ds.decompress(decoding_plugin="pyjpegls", as_rgb=False)
            assert calls["encode_pixel_data"] == before["encode_pixel_data"] + 1
            assert calls["decode_pixel_data"] == before["decode_pixel_data"] + 2
            assert decoded.dtype == expected.dtype
            assert np.abs(decoded.astype(int) - expected).max() <= options.get("jls_error", 0)
            assert np.array_equal(ds.pixel_array, decoded)

    for name in (
        "MR_small_jpeg_ls_lossless", "JPEGLSNearLossless_08", "JPEGLSNearLossless_16", "SC_rgb_jls_lossy_line",
        "SC_rgb_jls_lossy_sample",
    ):
        ds = pydicom.dcmread(folder / f"{name}.dcm")
        before = calls["decode_pixel_data"]
        array = pydicom.pixels.pixel_array(ds, decoding_plugin="pyjpegls", raw=True)
        assert calls["decode_pixel_data"] > before
        expected = jls.pixel_array(ds)
        assert array.dtype == expected.dtype and np.array_equal(array, expected)

    # The old handler, which pydicom imports with itself.
    ds = pydicom.dcmread(folder / "MR_small_jpeg_ls_lossless.dcm")
    handler = pydicom.config.jpegls_handler
    assert handler.is_available()
    assert np.array_equal(handler.get_pixeldata(ds), jls.pixel_array(ds).ravel())
    assert calls["decode"] == 1
    """


@pytest.mark.parametrize(
    "parts",
    [
        pytest.param((INSTALL, PYDICOM), id="before pydicom"),
        pytest.param((PYDICOM, AVAILABLE.format(True), INSTALL), id="after pydicom with the real one"),
        pytest.param((WITHOUT_REAL, INSTALL, PYDICOM), id="before pydicom without the real one"),
        pytest.param(
            (WITHOUT_REAL, PYDICOM, AVAILABLE.format(False), INSTALL), id="after pydicom without the real one"
        ),
    ],
)
def test_plugin_of_pydicom_runs_on_ours(parts):
    run("".join(map(textwrap.dedent, (*parts, AVAILABLE.format(True), USE_PYDICOM))))


def test_a_plugin_that_the_user_removed_stays_away():
    run(
        textwrap.dedent(PYDICOM)
        + "JPEGLSLosslessDecoder.remove_plugin('pyjpegls')\n"
        + INSTALL
        + "assert 'pyjpegls' not in JPEGLSLosslessDecoder.available_plugins\n"
        + "assert 'pyjpegls' in JPEGLSNearLosslessDecoder.available_plugins\n"
    )


def test_does_not_import_pydicom_itself():
    # The package does, so the module is loaded without it.
    run(
        """
        import sys
        from importlib.machinery import SourceFileLoader
        from importlib.util import module_from_spec, spec_from_file_location
        from types import ModuleType

        package = ModuleType("dicom_jpegls")
        import importlib.util
        package.__path__ = list(importlib.util.find_spec("dicom_jpegls").submodule_search_locations)
        sys.modules["dicom_jpegls"] = package
        from dicom_jpegls.compat.pyjpegls import install_as_pyjpegls
        install_as_pyjpegls()
        assert not any(name.startswith("pydicom") for name in sys.modules)
        """
    )
