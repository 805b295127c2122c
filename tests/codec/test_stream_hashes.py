"""Streams are byte for byte the recorded ones: what is coded changes only on purpose.

After such a change, `python tests/codec/test_stream_hashes.py` in the development environment records them again.
"""

import hashlib
import itertools
import json
import sys
from pathlib import Path

import numpy as np
import pytest

RECORD = Path(__file__).with_name("stream_hashes.json")
SHAPES = ((1, 1), (2, 19), (16, 5), (37, 64))


def images(components, bits):
    from support.jls_streams import IMAGE_KINDS, make_image

    for rows, columns in SHAPES:
        for kind in IMAGE_KINDS:
            shape = (rows, columns) if components == 1 else (rows, columns, components)
            yield make_image(kind, shape, bits)


def cases():
    """Name, components, bits per sample and options of each case."""
    for bits in range(2, 17):
        nears = sorted({0, 1, 2, 3, 7, min(255, (2**bits - 1) // 2)} & set(range((2**bits - 1) // 2 + 1)))
        for near, components in itertools.product(nears, (1, 2, 3, 4)):
            for mode in (0, 1, 2) if components > 2 else (0,):
                name = f"{bits} bits, {components} components, mode {mode}, NEAR {near}"
                yield name, components, bits, {"mode": mode, "near": near}
        for near, mode in ((0, 0), (0, 1), (1 % (2**bits // 2), 2)):
            name = f"{bits} bits, 3 components, mode {mode}, NEAR {near}, restart interval 3"
            yield name, 3, bits, {"mode": mode, "near": near, "restart_interval": 3}


CASES = {name: (components, bits, options) for name, components, bits, options in cases()}


def stream_hash(components, bits, options):
    from support.jls_streams import encode_image

    result = hashlib.sha256()
    for image in images(components, bits):
        planar = components > 1 and options["mode"] == 0
        source = np.ascontiguousarray(image.transpose(2, 0, 1)) if planar else image
        result.update(encode_image(source, bits=bits, **options))
    return result.hexdigest()[:24]


@pytest.mark.parametrize("bits", range(2, 17))
def test_streams_are_as_recorded(bits):
    recorded = json.loads(RECORD.read_text())
    assert set(recorded) == set(CASES)
    found = {name: stream_hash(*case) for name, case in CASES.items() if case[1] == bits}
    assert len(found) > 10
    assert found == {name: recorded[name] for name in found}


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))
    RECORD.write_text(json.dumps({name: stream_hash(*case) for name, case in CASES.items()}, indent=0) + "\n")
