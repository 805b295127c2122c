"""The pixel data plugin of pydicom 3: its JPEG-LS decoders and encoders use this package.

`register` puts it first. pydicom tries its plugins in turn, so a stream or a dataset that this package refuses would be
passed to the next plugin, which may hang on it or code it incorrectly. While this plugin is registered, the others do
not take over what it has refused. ``decoding_plugin=`` and ``encoding_plugin=`` still select any of them.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import threading
from collections import deque
from typing import TYPE_CHECKING, Any, cast

from pydicom.encaps import generate_frames
from pydicom.pixels.decoders.base import JPEGLSLosslessDecoder, JPEGLSNearLosslessDecoder
from pydicom.pixels.encoders.base import JPEGLSLosslessEncoder, JPEGLSNearLosslessEncoder
from pydicom.uid import ExplicitVRLittleEndian, JPEGLSTransferSyntaxes

from dicom_jpegls._codec import DEFAULT_MAX_SAMPLES, check_size
from dicom_jpegls.dicom import rules
from dicom_jpegls.dicom.frames import FrameCoder, FrameDecoder, frames_at_once
from dicom_jpegls.dicom.options import CodingOptions
from dicom_jpegls.dicom.pixel_data import native_dtype, native_samples, native_vr
from dicom_jpegls.dicom.rules import ImagePixel
from dicom_jpegls.errors import JPEGLSError

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

# The runner's option in which an error of this plugin is passed to those after it.
_REFUSAL = "dicom_jpegls_refusal"

# The runner's option for the coder of its frames: the attributes and options are the same for all of them.
_CODER = "dicom_jpegls_coder"

# The runner's option for frames that have been decoded together with an earlier one.
_AHEAD = "dicom_jpegls_ahead"


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
            # One assignment, so that a thread that is decoding finds either the old order or the new one.
            coder._available = {
                LABEL: coder._available[LABEL],
                **{label: _after_this_plugin(other) for label, other in others.items()},
            }


def unregister() -> None:
    """Undo `register`: pydicom's other plugins are as they were before."""
    with _lock:
        for coder, _ in _CODERS:
            coder._available = {
                label: getattr(other, "_wrapped_plugin", other)
                for label, other in coder._available.items()
                if label != LABEL
            }


def _after_this_plugin(other: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap another plugin's function so that it does not code what this plugin has refused."""
    if hasattr(other, "_wrapped_plugin"):
        return other

    @functools.wraps(other)
    def code_frame(src: bytes, runner: RunnerBase) -> Any:
        refusal = runner.get_option(_REFUSAL)
        if refusal is not None:
            raise JPEGLSError(f"not tried, because {LABEL} has refused: {refusal}", refusal.code)
        return other(src, runner)

    code_frame._wrapped_plugin = other  # type: ignore[attr-defined]
    return code_frame


def is_available(uid: str) -> bool:
    """Return whether this plugin codes a transfer syntax; pydicom asks."""
    return uid in JPEGLSTransferSyntaxes


def decode_frame(src: bytes, runner: DecodeRunner) -> bytearray:
    """Decode one frame for pydicom: little-endian numbers of Bits Stored bits in Bits Allocated bits.

    All frames are by plane if the stream of the first one is, otherwise by pixel.

    Takes the options ``max_samples`` and ``workers``. By default one worker decodes, because pydicom decodes frame by
    frame and its callers often run several processes.
    """
    try:
        decoder: FrameDecoder | None = runner.get_option(_CODER)
        if decoder is None:
            decoder = _frame_decoder(runner, None)
            stream = decoder.open(None, src)
            planar_configuration = rules.planar_configuration(stream.info)
            if planar_configuration is not None:
                decoder = _frame_decoder(runner, planar_configuration)
            runner.set_option(_CODER, decoder)
        else:
            ahead = _frame_ahead(src, runner, decoder)
            if ahead is not None:
                return ahead
            stream = decoder.open(None, src)
        image_pixel = decoder.image_pixel
        frame, samples = _new_frame(decoder)
        decoder.decode(None, stream, samples, workers=runner.get_option("workers", 1))
    except JPEGLSError as error:
        runner.set_option(_REFUSAL, error)
        raise
    if image_pixel.planar_configuration is not None:
        runner.set_option("planar_configuration", image_pixel.planar_configuration)
    return frame


class _FramesAhead:
    """Decodes the frames of a runner ahead, many at a time, while pydicom asks for all of them in their order."""

    def __init__(self, runner: DecodeRunner) -> None:
        frames = generate_frames(
            cast("bytes", runner.src),
            number_of_frames=runner.number_of_frames,
            extended_offsets=runner.extended_offsets,
        )
        self._encoded = itertools.islice(frames, 1, runner.number_of_frames)  # pydicom has asked for the first
        self._left = runner.number_of_frames - 1
        self._decoded: deque[tuple[bytes, bytearray]] = deque()

    def next_frame(self, src: bytes, decoder: FrameDecoder) -> bytearray | None:
        """Return a decoded frame, or None if it is not the next one or has to be decoded alone."""
        if not self._decoded:
            self._decode(decoder)
        if self._decoded and self._decoded[0][0] == src:
            return self._decoded.popleft()[1]
        self._left = 0
        self._decoded.clear()
        return None

    def _decode(self, decoder: FrameDecoder) -> None:
        at_once = frames_at_once(decoder.image_pixel, self._left, 1)
        if at_once == 1:
            return
        self._left -= at_once
        # Whatever is wrong is found again in its turn, when the frame is decoded alone.
        with contextlib.suppress(JPEGLSError, ValueError):
            sources = list(itertools.islice(self._encoded, at_once))
            streams = [decoder.open(None, src) for src in sources]
            frames = [_new_frame(decoder) for _ in sources]
            decoder.decode_many(range(len(sources)), streams, [samples for _, samples in frames], workers=1)
            self._decoded.extend((src, frame) for src, (frame, _) in zip(sources, frames, strict=True))


def _frame_ahead(src: bytes, runner: DecodeRunner, decoder: FrameDecoder) -> bytearray | None:
    """Return a frame if it has been decoded together with others."""
    if decoder.image_pixel.samples_per_pixel > 1 or runner.is_binary or runner.get_option("workers", 1) > 1:
        return None
    ahead: _FramesAhead | None = runner.get_option(_AHEAD)
    if ahead is None:
        ahead = _FramesAhead(runner)
        runner.set_option(_AHEAD, ahead)
    return ahead.next_frame(src, decoder)


def _new_frame(decoder: FrameDecoder) -> tuple[bytearray, NDArray[Any]]:
    """Return memory for a frame as pydicom expects it, and the same as an array."""
    image_pixel = decoder.image_pixel
    frame = bytearray(check_size(image_pixel.frame_size))
    (samples,) = native_samples(frame, image_pixel, ExplicitVRLittleEndian, native_vr(image_pixel))
    return frame, samples


def _frame_decoder(runner: DecodeRunner, planar_configuration: int | None) -> FrameDecoder:
    return FrameDecoder(
        _image_pixel(runner, bits_allocated=runner.bits_allocated, planar_configuration=planar_configuration),
        max_samples=runner.get_option("max_samples", DEFAULT_MAX_SAMPLES),
        as_numbers=True,
    )


def _image_pixel(runner: RunnerBase, *, bits_allocated: int, planar_configuration: int | None = None) -> ImagePixel:
    """Return the attributes of one frame as it is passed to or from pydicom."""
    return ImagePixel(
        rows=runner.rows,
        columns=runner.columns,
        samples_per_pixel=runner.samples_per_pixel,
        photometric_interpretation=str(runner.photometric_interpretation),
        bits_allocated=bits_allocated,
        bits_stored=runner.bits_stored,
        high_bit=runner.bits_stored - 1,
        pixel_representation=runner.pixel_representation,
        planar_configuration=planar_configuration,
    )


def encode_frame(src: bytes, runner: EncodeRunner) -> bytes:
    """Encode one frame for pydicom, from little-endian samples of 1 byte for up to 8 bits stored, otherwise of 2.

    Takes the options ``jls_error``, which is NEAR, ``signed_overflow``, ``unused_bits`` and ``restart_interval``, see
    `CodingOptions`, and ``workers``. By default one worker encodes, as in `decode_frame`.
    """
    try:
        return _encode_frame(src, runner)
    except JPEGLSError as error:
        runner.set_option(_REFUSAL, error)
        raise


def _encode_frame(src: bytes, runner: EncodeRunner) -> bytes:
    coder: FrameCoder | None = runner.get_option(_CODER)
    if coder is None:
        coder = _frame_coder(runner)
        runner.set_option(_CODER, coder)
    samples = coder.native._replace(bits_allocated=_bits_in_memory(runner))
    (frame,) = native_samples(src, samples, ExplicitVRLittleEndian, native_vr(samples))
    frame = frame.astype(native_dtype(coder.native), copy=False)
    coded = coder.encode(None, frame, workers=runner.get_option("workers", 1))
    coder.warn_if_clipped(coded.statistics, stacklevel=3)
    return coded.stream


def _bits_in_memory(runner: EncodeRunner) -> int:
    """Return the size of a sample as pydicom passes it, whatever Bits Allocated is."""
    return 8 if runner.bits_stored <= 8 else 16


def _frame_coder(runner: EncodeRunner) -> FrameCoder:
    is_color = runner.samples_per_pixel > 1
    near_lossless = runner.get_option("jls_error", 0)
    bits_allocated = _bits_in_memory(runner)
    # Near-lossless streams for 8 bits stored are the same for 8 and 16 Bits Allocated, which only pydicom could change.
    if runner.bits_allocated > 8 and not near_lossless:
        bits_allocated = 16
    image_pixel = _image_pixel(
        runner,
        bits_allocated=bits_allocated,
        planar_configuration=runner.planar_configuration if is_color else None,
    )
    options = {
        "near_lossless": near_lossless,
        "planar_configuration": 1 if is_color and runner.planar_configuration == 1 else 0,
        "signed_overflow": runner.get_option("signed_overflow", "error"),
        "unused_bits": runner.get_option("unused_bits", "error"),
        "restart_interval": runner.get_option("restart_interval"),
    }
    try:
        return _new_frame_coder(image_pixel, runner.transfer_syntax, **options)
    except TypeError:  # a value that has no hash: the options say what is wrong with it
        return _new_frame_coder.__wrapped__(image_pixel, runner.transfer_syntax, **options)


# pydicom has a runner for each dataset, and the images of a series need the same coder.
@functools.lru_cache(maxsize=16, typed=True)
def _new_frame_coder(image_pixel: ImagePixel, transfer_syntax_uid: str, **options: Any) -> FrameCoder:
    return FrameCoder(image_pixel, CodingOptions(**options), transfer_syntax_uid)
