"""The pixel data plugin of pydicom 3: its JPEG-LS decoders and encoders run on this package.

`register` puts it first. pydicom tries its plugins in turn, so a stream or a dataset that this package refuses
would then go to the next one, which may hang on it or code it wrongly: while this plugin is registered, the others
do not take over what it has refused. ``decoding_plugin=`` and ``encoding_plugin=`` still choose any of them.
"""

from __future__ import annotations

import functools
import sys
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
from pydicom.pixels.decoders.base import JPEGLSLosslessDecoder, JPEGLSNearLosslessDecoder
from pydicom.pixels.encoders.base import JPEGLSLosslessEncoder, JPEGLSNearLosslessEncoder
from pydicom.uid import JPEGLSLossless, JPEGLSNearLossless, JPEGLSTransferSyntaxes

from dicom_jpegls import _codec
from dicom_jpegls.array import encode
from dicom_jpegls.dicom import rules
from dicom_jpegls.dicom.rules import ImagePixel
from dicom_jpegls.errors import JPEGLSError, ParameterError
from dicom_jpegls.ranges import clear_unused_bits, count_unused_bits, is_within, sample_range

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from pydicom.pixels.common import CoderBase, RunnerBase
    from pydicom.pixels.decoders.base import DecodeRunner
    from pydicom.pixels.encoders.base import EncodeRunner

LABEL = "dicom_jpegls"

# pydicom asks for these by name.
DECODER_DEPENDENCIES: dict[str, tuple[str, ...]] = dict.fromkeys(JPEGLSTransferSyntaxes, ())
ENCODER_DEPENDENCIES: dict[str, tuple[str, ...]] = dict.fromkeys(JPEGLSTransferSyntaxes, ())

_CODERS: tuple[tuple[CoderBase, str], ...] = (
    (JPEGLSLosslessDecoder, "decode_frame"),
    (JPEGLSNearLosslessDecoder, "decode_frame"),
    (JPEGLSLosslessEncoder, "encode_frame"),
    (JPEGLSNearLosslessEncoder, "encode_frame"),
)
_lock = threading.Lock()

# The runner's option in which a refusal travels from this plugin to those behind it.
_REFUSAL = "dicom_jpegls_refusal"


def register() -> None:
    """Make this package pydicom's first choice for both JPEG-LS transfer syntaxes, to decode and to encode.

    Idempotent and thread-safe; `unregister` undoes it.

    Examples
    --------
    >>> import dicom_jpegls as jls
    >>> from pydicom import examples
    >>> from pydicom.uid import JPEGLSLossless
    >>> jls.register()
    >>> ds = examples.ct
    >>> _ = ds.compress(JPEGLSLossless)
    >>> ds.pixel_array.shape
    (128, 128)
    >>> jls.unregister()
    """
    with _lock:
        for coder, function in _CODERS:
            if LABEL not in coder.available_plugins:
                coder.add_plugin(LABEL, (__name__, function))
            others = {label: other for label, other in coder._available.items() if label != LABEL}
            # One assignment, so that a thread which decodes meanwhile finds either the old order or the new one.
            coder._available = {
                LABEL: coder._available[LABEL],
                **{label: _behind_this_plugin(other) for label, other in others.items()},
            }


def unregister() -> None:
    """Undo `register`: pydicom's other plugins are as they were before."""
    with _lock:
        for coder, _ in _CODERS:
            coder._available = {
                label: getattr(other, "_in_front_of", other)
                for label, other in coder._available.items()
                if label != LABEL
            }


def _behind_this_plugin(other: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap another plugin's function so that it leaves alone what this plugin has refused."""
    if hasattr(other, "_in_front_of"):
        return other

    @functools.wraps(other)
    def code_frame(src: bytes, runner: RunnerBase) -> Any:
        refusal = runner.get_option(_REFUSAL)
        if refusal is not None:
            raise JPEGLSError(f"not tried, because {LABEL} has refused: {refusal}", refusal.code)
        return other(src, runner)

    code_frame._in_front_of = other  # type: ignore[attr-defined]
    return code_frame


def is_available(uid: str) -> bool:
    """Tell pydicom which transfer syntaxes this plugin serves."""
    return uid in JPEGLSTransferSyntaxes


def decode_frame(src: bytes, runner: DecodeRunner) -> bytearray:
    """Decode one frame for pydicom: little-endian samples of 1 byte up to a precision of 8 bits, otherwise of 2.

    Takes the options ``max_samples`` and ``workers``, as `dicom_jpegls.decode` does.
    """
    try:
        stream = _codec.Stream(src, max_samples=runner.get_option("max_samples", _codec.DEFAULT_MAX_SAMPLES))
        info = stream.info
        _check_frame(runner, info)
        frame = stream.decode(workers=runner.get_option("workers", 1))
    except JPEGLSError as error:
        runner.set_option(_REFUSAL, error)
        raise
    if sys.byteorder == "big" and info.bits_per_sample > 8:
        np.frombuffer(frame, np.uint16).byteswap(inplace=True)
    planar_configuration = rules.planar_configuration(info)
    if planar_configuration is not None:
        _set_frame_option(runner, "planar_configuration", planar_configuration)
    _set_frame_option(runner, "bits_allocated", 8 if info.bits_per_sample <= 8 else 16)
    return frame


def _check_frame(runner: DecodeRunner, info: Any) -> None:
    """Compare a stream with the dataset before anything is allocated: pydicom looks only afterwards."""
    rules.check_stream(
        info,
        ImagePixel(
            rows=runner.rows,
            columns=runner.columns,
            samples_per_pixel=runner.samples_per_pixel,
            photometric_interpretation=str(runner.photometric_interpretation),
            bits_allocated=16,  # pydicom takes what the stream has
            bits_stored=runner.bits_stored,
            high_bit=runner.bits_stored - 1,
            pixel_representation=runner.pixel_representation,
        ),
    )


def _set_frame_option(runner: DecodeRunner, name: str, value: int) -> None:
    if hasattr(runner, "set_frame_option"):  # pydicom 3.1 and later
        runner.set_frame_option(runner.index, name, value)  # type: ignore[attr-defined]
    else:
        runner.set_option(name, value)


def encode_frame(src: bytes, runner: EncodeRunner) -> bytes:
    """Encode one frame for pydicom, from little-endian samples of 1 byte up to 8 bits stored, otherwise of 2.

    Takes the options ``jls_error`` (NEAR), ``signed_overflow``, ``unused_bits``, ``restart_interval`` and ``workers``.
    """
    try:
        return _encode_frame(src, runner)
    except JPEGLSError as error:
        runner.set_option(_REFUSAL, error)
        raise


def _encode_frame(src: bytes, runner: EncodeRunner) -> bytes:
    near_lossless = runner.get_option("jls_error", 0)
    near_lossless_syntax = runner.transfer_syntax == JPEGLSNearLossless
    if near_lossless and not near_lossless_syntax:
        raise ParameterError(
            f"jls_error: {near_lossless} is allowed only with the transfer syntax JPEG-LS Near-lossless, "
            f"{JPEGLSNearLossless}; this is {JPEGLSLossless}"
        )
    samples_per_pixel = runner.samples_per_pixel
    bits_stored = runner.bits_stored
    planar_configuration = runner.planar_configuration if samples_per_pixel > 1 else None
    rules.check_near_lossless(near_lossless, bits_stored)

    kind = "i" if runner.pixel_representation == 1 else "u"
    samples = np.frombuffer(src, f"<{kind}{1 if bits_stored <= 8 else 2}")
    rows, columns = runner.rows, runner.columns
    image: NDArray[Any]
    if samples_per_pixel == 1:
        image = samples.reshape(rows, columns)
    elif planar_configuration == 1:
        image = samples.reshape(samples_per_pixel, rows, columns).transpose(1, 2, 0)
    else:
        image = samples.reshape(rows, columns, samples_per_pixel)
    if not is_within(image, *sample_range(bits_stored, kind == "i")):
        image = _without_unused_bits(image, bits_stored, runner.get_option("unused_bits", "error"))
    return encode(
        image,
        bits_per_sample=bits_stored,
        near_lossless=near_lossless,
        interleave_mode=rules.interleave_mode(samples_per_pixel, planar_configuration),
        restart_interval=runner.get_option("restart_interval"),
        workers=runner.get_option("workers", 1),
        check_range=False,
        signed_overflow=runner.get_option("signed_overflow", "error"),
    )


def _without_unused_bits(image: NDArray[Any], bits_stored: int, unused_bits: str) -> NDArray[Any]:
    rules.check_unused_bits(unused_bits)
    cleared = clear_unused_bits(image, bits_stored)
    count = count_unused_bits(image, cleared, bits_stored)
    if count and unused_bits == "error":
        raise rules.unused_bits_error(count, "the frame", bits_stored)
    return cleared
