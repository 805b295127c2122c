"""Damaged streams, decoded in a process of its own: there a crash or a hang is an outcome like any other."""

import contextlib
import itertools
import multiprocessing
import os
import zipfile
from pathlib import Path

import numpy as np

from support.jls_streams import LSE, SOF55, parts

OURS = "dicom-jpegls"
OURS_IN_PART = "dicom-jpegls, partial decoding"  # too, after an error

SAME, OTHER, REFUSED = "the sound stream's pixels", "other pixels", "refused"
OUT_OF_MEMORY, CRASH, HANG = "out of memory", "crash", "no answer in time"


def segments(stream):
    """The parts of a sound stream, which are markers, segments and stretches of entropy-coded data, as slices."""
    position = 0
    while position < len(stream):
        begin = position
        if stream[begin] == 0xFF and stream[begin + 1] & 0x80:
            position += 2
            if stream[begin + 1] not in range(0xD0, 0xDA):  # SOI, EOI and RSTm stand alone
                position += int.from_bytes(stream[position : position + 2], "big")
        else:
            while not (stream[position] == 0xFF and stream[position + 1] & 0x80):
                position += 1
        yield slice(begin, position)


def damaged(stream, *, truncations, flips):
    """Truncations, flipped bits, and segments that are missing or come twice: the same ones each time."""
    count = min(truncations, len(stream))
    for i in range(count):
        yield stream[: len(stream) * i // count]
    random = np.random.default_rng(1)
    header = next(part.stop for part in segments(stream) if stream[part.start : part.start + 2] == b"\xff\xda")
    for i in range(flips):
        # One in four before the first scan: few others would hit it.
        bit = int(random.integers(0, 8 * (header if i % 4 == 0 else len(stream))))
        changed = bytearray(stream)
        changed[bit // 8] ^= 1 << bit % 8
        yield bytes(changed)
    for part in segments(stream):
        yield stream[: part.start] + stream[part.stop :]
        yield stream[: part.stop] + stream[part.start :]


def archived(file):
    """The entries of an archive."""
    with zipfile.ZipFile(file) as archive:
        for name in sorted(archive.namelist()):
            yield archive.read(name)


def decoder(name):
    """A function from stream to samples, and the errors that it may raise."""
    if name in (OURS, OURS_IN_PART):
        import dicom_jpegls as jls

        def decode_whole_or_partial(stream):
            try:
                return jls.decode(stream)
            except jls.StreamError:
                assert jls.decode_partial(stream).error
                raise

        return jls.decode if name == OURS else decode_whole_or_partial, jls.StreamError
    if name == "imagecodecs":
        import imagecodecs

        return imagecodecs.jpegls_decode, Exception
    assert name == "pyjpegls"
    import jpeg_ls

    def decode(stream):
        return np.frombuffer(jpeg_ls.decode_buffer(stream)[0], np.uint8)

    return decode, Exception


def size_in_headers(stream):
    """Number of samples that a stream's frame header, or a segment with dimensions in its place, asks for."""
    height = width = components = 0
    for part in parts(stream):
        if part.marker == SOF55:
            components = part.data[5]
            height |= int.from_bytes(part.data[1:3], "big")
            width |= int.from_bytes(part.data[3:5], "big")
        elif part.marker == LSE and part.data[0] == 4:
            size = part.data[1]
            height |= int.from_bytes(part.data[2 : 2 + size], "big")
            width |= int.from_bytes(part.data[2 + size :], "big")
    return height * width * components


def serve(connection, name, file, first, every, options):
    """Decodes inputs, each `every`-th from the number `first` on, and sends the outcome of each."""
    if name not in (OURS, OURS_IN_PART):
        silence = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silence, 1)
        os.dup2(silence, 2)
    decode, errors = decoder(name)
    expected = None
    if zipfile.is_zipfile(file):
        streams = archived(file)
    else:
        sound = Path(file).read_bytes()
        with contextlib.suppress(errors):  # of a kind that it does not read
            expected = decode(sound)
        streams = damaged(sound, **options)
    connection.send("ready")
    for stream in itertools.islice(streams, first, None, every):
        try:
            samples = decode(stream)
        except MemoryError:
            outcome = OUT_OF_MEMORY
        except errors:
            outcome = REFUSED
        except BaseException as error:
            outcome = f"{type(error).__name__}: {error}"
        else:
            outcome = SAME if np.array_equal(samples, expected) else OTHER
            if name in (OURS, OURS_IN_PART) and samples.size != size_in_headers(stream):
                outcome = f"shape {samples.shape}"
        connection.send(outcome)
    connection.send(None)


def outcomes(name, file, *, time_limit, every=1, **options):
    """Yields the outcome of each input, or of each `every`-th, that a file stands for.

    The file is an archive of streams, or a sound stream whose damaged forms are meant; `options` are those of
    `damaged`. The process goes on after a refusal, and is started again after an input that it crashed on or was busy
    with for longer than the time limit in seconds.
    """
    context = multiprocessing.get_context("spawn")
    first = 0
    finished = False
    while not finished:
        started = False
        ours, theirs = context.Pipe(duplex=False)
        process = context.Process(target=serve, args=(theirs, name, file, first, every, options), daemon=True)
        process.start()
        theirs.close()
        try:
            ours.recv()
            started = True
            while not finished:
                outcome = ours.recv() if ours.poll(time_limit) else HANG
                finished = outcome is None
                if not finished:
                    first += every
                    yield outcome
                if outcome == HANG:
                    break
        except EOFError:
            if not started:
                raise RuntimeError(f"{name} does not start") from None
            first += every
            yield CRASH
        finally:
            process.kill()
            process.join()
            ours.close()
