"""The conformance streams of ITU-T T.87 annex E, as the pyjpegls wheel carries them."""

import re
from pathlib import Path

import numpy as np

import dicom_jpegls as jls
from support.peers import jpeg_ls

# Name, reference image, precision, interleave mode, NEAR.
STREAMS = [
    ("T8C0E0", "TEST8.PPM", 8, jls.InterleaveMode.NONE, 0),
    ("T8C0E3", "TEST8.PPM", 8, jls.InterleaveMode.NONE, 3),
    ("T8C1E0", "TEST8.PPM", 8, jls.InterleaveMode.LINE, 0),
    ("T8C1E3", "TEST8.PPM", 8, jls.InterleaveMode.LINE, 3),
    ("T8C2E0", "TEST8.PPM", 8, jls.InterleaveMode.SAMPLE, 0),
    ("T8C2E3", "TEST8.PPM", 8, jls.InterleaveMode.SAMPLE, 3),
    ("T8NDE0", "TEST8BS2.PGM", 8, jls.InterleaveMode.NONE, 0),
    ("T8NDE3", "TEST8BS2.PGM", 8, jls.InterleaveMode.NONE, 3),
    ("T16E0", "TEST16.PGM", 12, jls.InterleaveMode.NONE, 0),
    ("T16E3", "TEST16.PGM", 12, jls.InterleaveMode.NONE, 3),
]


def folder():
    return Path(jpeg_ls.__file__).parent / "tests" / "jlsimV100"


def read_stream(name):
    return (folder() / f"{name}.JLS").read_bytes()


def read_image(name):
    content = (folder() / name).read_bytes()
    header = re.match(rb"(P[56])\s+(\d+)\s+(\d+)\s+(\d+)\s", content)
    columns, rows, maximum = (int(number) for number in header.groups()[1:])
    shape = (rows, columns, 3) if header[1] == b"P6" else (rows, columns)
    samples = np.frombuffer(content, ">u2" if maximum > 255 else "u1", offset=header.end())
    return samples.reshape(shape).astype("u2" if maximum > 255 else "u1")
