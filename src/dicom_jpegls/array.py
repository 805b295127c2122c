"""Arrays to streams and back. Knows shapes, dtypes and strides, but not DICOM."""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, overload

import numpy as np

from dicom_jpegls import _codec
from dicom_jpegls.errors import ClippedSamplesWarning, JPEGLSError, ParameterError, StreamError
from dicom_jpegls.parameters import InterleaveMode, OptionalSegments, PresetCodingParameters, StreamInfo
from dicom_jpegls.ranges import (
    count_outside,
    first_outside,
    is_within,
    safe_range,
    sample_range,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from dicom_jpegls.parameters import BufferLike


def encode(
    image: NDArray[Any],
    *,
    bits_per_sample: int | None = None,
    near_lossless: int = 0,
    interleave_mode: InterleaveMode | None = None,
    restart_interval: int | Literal["auto"] | None = None,
    workers: int | None = None,
    segments: OptionalSegments | None = None,
    check_range: bool = True,
    signed_overflow: Literal["error", "clip"] = "error",
) -> bytes:
    """Encode an image as a JPEG-LS stream.

    Parameters
    ----------
    image : numpy.ndarray
        Shape (rows, columns) or (rows, columns, components), dtype uint8, int8, uint16 or int16 of either byte
        order. For signed samples the two's complement bits are coded. Rows need not be adjacent (a slice of a larger
        array); any other layout is copied first.
    bits_per_sample : int, optional
        Sample precision P, 2 to 16 (T.87 C.2.2). By default all bits of the dtype; it is never derived from the values.
    near_lossless : int, optional
        Largest absolute error of a sample, 0 (lossless) to min(255, (2**P - 1) // 2).
    interleave_mode : InterleaveMode, optional
        By default sample interleave for 3 and 4 components, otherwise none.
    restart_interval : int or "auto", optional
        Lines between restart markers, 1 to 65535 (T.87 C.2.5). Restart intervals are coded independently, so they can
        be encoded and decoded in parallel. "auto" makes intervals of about 2**18 samples, which cost about 0.3 % of
        the size or less, and no markers in images that are not larger. By default there are none, because not every
        decoder reads them.
    workers : int or None, optional
        Number of threads that encode restart intervals and planes. None, the default, is one per core, but no more than
        one for each 2**18 samples, so that a small image is encoded in the calling thread. The stream does not depend
        on it.
    segments : OptionalSegments, optional
        Colour transformation, preset coding parameters, SPIFF header, comments and application data.
    check_range : bool, optional
        Whether to refuse samples that `bits_per_sample` cannot represent. If False, their upper bits are dropped.
    signed_overflow : {"error", "clip"}, optional
        How to handle signed samples closer than `near_lossless` to a limit of their range, which may be decoded as
        the opposite limit. "clip" moves them to the nearest safe value and issues a `ClippedSamplesWarning`.

    Returns
    -------
    bytes
        One complete stream of even length, as DICOM requires of fragments (PS3.5 A.4).

    Raises
    ------
    ParameterError
        If an argument is out of range, the arguments are inconsistent, or a sample does not fit them.
    TypeError
        If `image` is not an array.

    Examples
    --------
    >>> import dicom_jpegls as jls
    >>> import numpy as np
    >>> image = np.arange(64, dtype=np.uint16).reshape(8, 8)
    >>> stream = jls.encode(image, bits_per_sample=12)
    >>> bool((jls.decode(stream) == image).all())
    True
    """
    samples, precision = _checked_image(image, bits_per_sample, near_lossless, check_range, signed_overflow)
    return encode_samples(
        samples,
        bits_per_sample=precision,
        near_lossless=near_lossless,
        interleave_mode=interleave_mode,
        restart_interval=restart_interval,
        workers=workers,
        segments=segments,
    )


def _checked_image(
    image: NDArray[Any], bits_per_sample: int | None, near_lossless: int, check_range: bool, signed_overflow: str
) -> tuple[NDArray[Any], int]:
    """Return the samples to encode, and their precision; see `encode`."""
    if not isinstance(image, np.ndarray):
        raise TypeError(f"image: must be a numpy.ndarray, not {type(image).__name__}")
    if image.dtype.kind not in "ui" or image.dtype.itemsize > 2:
        raise ParameterError(f"image: dtype must be uint8, int8, uint16 or int16, found {image.dtype}")
    if image.ndim not in (2, 3):
        raise ParameterError(
            f"image: shape must be (rows, columns) or (rows, columns, components), found {image.shape}; "
            "encode one frame per call"
        )
    if image.size == 0:
        raise ParameterError(f"image: shape {image.shape} contains no sample")
    if bits_per_sample is None:
        bits_per_sample = image.dtype.itemsize * 8
    _codec.check_precision(bits_per_sample, near_lossless)
    check_signed_overflow(signed_overflow)
    if check_range:
        _check_range(image, bits_per_sample)
    if near_lossless and image.dtype.kind == "i":
        image = _guard_sign(image, bits_per_sample, near_lossless, signed_overflow)
    return image, bits_per_sample


def encode_many(
    images: Iterable[NDArray[Any]],
    *,
    bits_per_sample: int | None = None,
    near_lossless: int = 0,
    interleave_mode: InterleaveMode | None = None,
    restart_interval: int | Literal["auto"] | None = None,
    workers: int | None = None,
    check_range: bool = True,
    signed_overflow: Literal["error", "clip"] = "error",
) -> list[bytes]:
    """Encode several images, with the same streams as `encode`, but faster.

    Streams of one component, by plane or by line with 8 to 16 bits per sample, and lossless ones of 8-bit RGB by pixel
    are encoded up to sixteen at a time by each thread, if the processor has AVX2; see docs/scan-codecs.md. Images of
    any sizes and dtypes may be mixed; those of about the same size are fastest.

    Parameters
    ----------
    images : iterable of numpy.ndarray
        As `image` of `encode`.
    workers : int or None, optional
        Number of threads. None, the default, is one per core, but no more than one for each 2**18 samples of all images
        together. The streams do not depend on it.
    bits_per_sample, near_lossless, interleave_mode, restart_interval, check_range, signed_overflow
        See `encode`; for all images.

    Returns
    -------
    list of bytes
        The streams, in the order of the images.

    Raises
    ------
    ParameterError, TypeError
        As `encode`. The message begins with the number of the image. All images are checked before the first is
        encoded.

    Examples
    --------
    >>> import dicom_jpegls as jls
    >>> import numpy as np
    >>> images = np.arange(64, dtype=np.uint8).reshape(4, 4, 4)
    >>> jls.encode_many(images) == [jls.encode(image) for image in images]
    True
    """
    prepared = []
    for index, image in enumerate(images):
        try:
            samples, precision = _checked_image(image, bits_per_sample, near_lossless, check_range, signed_overflow)
            prepared.append(
                prepare_samples(
                    samples,
                    bits_per_sample=precision,
                    near_lossless=near_lossless,
                    interleave_mode=interleave_mode,
                    restart_interval=restart_interval,
                )
            )
        except (JPEGLSError, TypeError) as error:
            _name_item(error, f"images[{index}]")
            raise
    return _codec.encode_prepared(prepared, workers=workers)


def _name_item(error: Exception, item: str) -> None:
    """Begin the message of an error with the item that it is about."""
    error.args = (f"{item}: {error}", *error.args[1:])


def prepare_samples(
    image: NDArray[Any],
    *,
    bits_per_sample: int,
    near_lossless: int = 0,
    interleave_mode: InterleaveMode | None = None,
    restart_interval: int | Literal["auto"] | None = None,
) -> _codec._PreparedImage:
    """Prepare an image for `_codec.encode_prepared`, as `encode_samples` encodes it."""
    source, component_count, mode = _source_of(image, bits_per_sample, interleave_mode)
    return _codec.prepare_encoding(
        source,
        width=image.shape[1],
        height=image.shape[0],
        component_count=component_count,
        bits_per_sample=bits_per_sample,
        near_lossless=near_lossless,
        interleave_mode=mode,
        restart_interval=restart_interval,
    )


def encode_samples(
    image: NDArray[Any],
    *,
    bits_per_sample: int,
    near_lossless: int = 0,
    interleave_mode: InterleaveMode | None = None,
    restart_interval: int | Literal["auto"] | None = None,
    workers: int | None = None,
    segments: OptionalSegments | None = None,
) -> bytes:
    """Encode an image of a valid dtype and shape without checking the values of its samples; see `encode`."""
    source, component_count, mode = _source_of(image, bits_per_sample, interleave_mode)
    return _codec.encode(
        source,
        width=image.shape[1],
        height=image.shape[0],
        component_count=component_count,
        bits_per_sample=bits_per_sample,
        near_lossless=near_lossless,
        interleave_mode=mode,
        restart_interval=restart_interval,
        workers=workers,
        segments=segments,
    )


def _source_of(
    image: NDArray[Any], bits_per_sample: int, interleave_mode: InterleaveMode | None
) -> tuple[NDArray[Any], int, InterleaveMode]:
    """Return samples in the order in which they are coded, the number of components, and the interleave mode."""
    component_count = image.shape[2] if image.ndim == 3 else 1
    if interleave_mode is None:
        interleave_mode = _codec.default_interleave_mode(component_count)
    source = _unsigned_samples(image, bits_per_sample)
    planar = component_count > 1 and interleave_mode == InterleaveMode.NONE
    if planar:
        source = source.transpose(2, 0, 1)
    if not _has_regular_rows(source, planar):
        source = np.ascontiguousarray(source)
    return source, component_count, interleave_mode


class PartialImage(NamedTuple):
    """The result of `decode_partial`."""

    image: NDArray[Any]
    """As returned by `decode`, with `fill_value` in the lines that are not good."""
    good_lines: NDArray[np.bool_]
    """Shape (rows,) or (rows, components): True for each line that was decoded before a fault was found. In a truncated
    stream, also one that is padded with zeros, all of them are correct. If other bytes were changed or added, or the
    encoder had other default thresholds (`DefaultThresholds`), the fault may be found some lines later, or never, as
    JPEG-LS has no checksums; where data is left after the last line, no line of that scan or restart interval is
    marked."""
    error: StreamError | None
    """The first fault; None if the stream is valid."""


def decode(
    src: BufferLike,
    *,
    out: NDArray[Any] | None = None,
    signed: bool = False,
    max_dimension: int = _codec.DEFAULT_MAX_DIMENSION,
    max_samples: int = _codec.DEFAULT_MAX_SAMPLES,
    workers: int | None = None,
    preset_coding_parameters: PresetCodingParameters | None = None,
) -> NDArray[Any]:
    """Decode a JPEG-LS stream into an array.

    Parameters
    ----------
    src : buffer of bytes
        One stream; bytes after its EOI marker are ignored.
    out : numpy.ndarray, optional
        Array for the samples: shape (rows, columns) or (rows, columns, components), an integer dtype of at least the
        stream's precision. If the dtype is signed, the samples are sign-extended from the stream's precision. Native
        byte order and rows at a constant distance save a copy.
    signed : bool, optional
        Whether the samples are two's complement numbers of the stream's precision, which the stream does not say. They
        are then sign-extended to int8 or int16. An `out` must have a signed dtype.
    max_dimension : int, optional
        Largest width and height, 65535 (DICOM's limit) by default and at most 100000.
    max_samples : int, optional
        Largest width x height x components, 2**29 by default: a few kilobytes can claim to contain gigabytes.
    workers : int or None, optional
        Number of threads that decode restart intervals and planes; in other streams nothing can be decoded in parallel.
        None, the default, is one per core, but no more than one for each 2**18 samples, so that a small image is
        decoded in the calling thread.
    preset_coding_parameters : PresetCodingParameters, optional
        What a stream without an LSE segment with such parameters is decoded with, if its encoder did not follow the
        standard; 0 stands for the standard's default. By default the standard's are taken and, if that fails, those
        of known encoders (`DefaultThresholds`): if every scan ends where its data does, the image is returned with an
        `AssumedThresholdsWarning`. Streams with restart markers are decoded with the standard's only.

    Returns
    -------
    numpy.ndarray
        `out`, or a new array of uint8 (up to 8 bits per sample) or uint16, or of int8 or int16 if `signed`. A stream of
        planes (interleave mode none) is returned in the same shape as any other, as a view of the planes.

    Raises
    ------
    InvalidStreamError
        If the stream is damaged or truncated.
    UnsupportedStreamError
        If the stream uses a part of JPEG-LS that cannot be decoded, or exceeds a limit.
    ParameterError
        If `out` does not fit the stream, or an argument is out of range.

    Examples
    --------
    >>> import dicom_jpegls as jls
    >>> import numpy as np
    >>> stream = jls.encode(np.full((2, 3), -5, dtype=np.int16), bits_per_sample=12)
    >>> jls.decode(stream)
    array([[4091, 4091, 4091],
           [4091, 4091, 4091]], dtype=uint16)
    >>> jls.decode(stream, signed=True)
    array([[-5, -5, -5],
           [-5, -5, -5]], dtype=int16)
    """
    stream = _codec.Stream(src, max_dimension, max_samples, False, preset_coding_parameters)
    if out is None:
        return decode_stream(stream, workers, signed=signed)
    return decode_stream_into(stream, out, workers, signed=signed)


@overload
def decode_many(
    streams: Iterable[BufferLike],
    *,
    signed: bool = ...,
    max_dimension: int = ...,
    max_samples: int = ...,
    workers: int | None = ...,
    errors: Literal["raise"] = ...,
) -> list[NDArray[Any]]: ...
@overload
def decode_many(
    streams: Iterable[BufferLike],
    *,
    signed: bool = ...,
    max_dimension: int = ...,
    max_samples: int = ...,
    workers: int | None = ...,
    errors: Literal["return"],
) -> list[NDArray[Any] | Exception]: ...
def decode_many(
    streams: Iterable[BufferLike],
    *,
    signed: bool = False,
    max_dimension: int = _codec.DEFAULT_MAX_DIMENSION,
    max_samples: int = _codec.DEFAULT_MAX_SAMPLES,
    workers: int | None = None,
    errors: Literal["raise", "return"] = "raise",
) -> Any:
    """Decode several streams, to the same arrays as `decode`, but faster.

    Streams of one component, by plane or by line with 8 to 16 bits per sample, and lossless ones of 8-bit RGB by pixel,
    with default preset coding parameters, are decoded up to sixteen at a time by each thread, if the processor has
    AVX2; see docs/scan-codecs.md. Any streams may be mixed; those of about the same size are fastest.

    Parameters
    ----------
    streams : iterable of buffers of bytes
        As `src` of `decode`.
    signed, max_dimension, max_samples
        See `decode`; for all streams. `max_samples` bounds each image, not their sum.
    workers : int or None, optional
        Number of threads. None, the default, is one per core, but no more than one for each 2**18 samples of all images
        together.
    errors : {"raise", "return"}, optional
        Whether to raise the first error, or to return each error in the place of its image. In either case an error
        does not affect the other images.

    Returns
    -------
    list of numpy.ndarray
        The images, in the order of the streams, and exceptions if `errors` is "return".

    Raises
    ------
    InvalidStreamError, UnsupportedStreamError
        As `decode`, for the first such stream; the message begins with its number.
    ParameterError, TypeError
        If an argument is out of range, or a stream has no buffer.

    Examples
    --------
    >>> import dicom_jpegls as jls
    >>> import numpy as np
    >>> stream = jls.encode(np.full((2, 3), 7, dtype=np.uint8))
    >>> image, error = jls.decode_many([stream, stream[:-3]], errors="return")
    >>> int(image[0, 0]), type(error).__name__
    (7, 'InvalidStreamError')
    """
    if errors not in ("raise", "return"):
        raise ParameterError(f"errors: must be 'raise' or 'return', found {errors!r}")
    results: list[NDArray[Any] | Exception] = []
    indexes: list[int] = []
    opened: list[_codec.Stream] = []
    targets: list[NDArray[Any]] = []
    for index, src in enumerate(streams):
        try:
            stream = _codec.Stream(src, max_dimension, max_samples)
            samples = _new_samples(stream, signed)
        except (JPEGLSError, TypeError, MemoryError) as error:
            _name_item(error, f"streams[{index}]")
            if errors == "raise" or not isinstance(error, (StreamError, MemoryError)):
                raise
            results.append(error)
        else:
            indexes.append(index)
            opened.append(stream)
            targets.append(samples)
            results.append(_image_view(samples, stream))
    for index, fault in zip(indexes, _codec.decode_streams(opened, targets, workers=workers), strict=True):
        if fault is not None:
            _name_item(fault, f"streams[{index}]")
            if errors == "raise":
                raise fault
            results[index] = fault
    return results


def decode_partial(
    src: BufferLike,
    *,
    out: NDArray[Any] | None = None,
    signed: bool = False,
    fill_value: int = 0,
    max_dimension: int = _codec.DEFAULT_MAX_DIMENSION,
    max_samples: int = _codec.DEFAULT_MAX_SAMPLES,
    preset_coding_parameters: PresetCodingParameters | None = None,
) -> PartialImage:
    """Decode the undamaged lines of a JPEG-LS stream that may be damaged or truncated.

    These are the lines before the first damage and, in a stream with restart markers, those of later restart intervals.
    The frame header and a scan header must be readable. Everything runs in the calling thread.

    Parameters
    ----------
    src, out, signed, max_dimension, max_samples, preset_coding_parameters
        See `decode`.
    fill_value : int, optional
        The sample value of all other lines.

    Returns
    -------
    PartialImage
        The image, the lines that are good, and the first fault, which is None if the stream is valid.

    Raises
    ------
    InvalidStreamError, UnsupportedStreamError
        If no line can be decoded because the headers are damaged or not supported.
    ParameterError
        If `out` does not fit the stream, or an argument is out of range.
    JPEGLSError
        If the package is linked to an unpatched CharLS, which does not notice all damage.

    Examples
    --------
    >>> import dicom_jpegls as jls
    >>> import numpy as np
    >>> noise = np.random.default_rng(0).integers(0, 255, (4, 64), dtype=np.uint8)
    >>> jls.decode_partial(jls.encode(noise)[:250]).good_lines
    array([ True,  True, False, False])
    """
    stream = _codec.Stream(
        src,
        max_dimension=max_dimension,
        max_samples=max_samples,
        partial=True,
        preset_coding_parameters=preset_coding_parameters,
    )
    return decode_stream_partial(stream, out, fill_value, signed=signed)


def decode_stream(stream: _codec.Stream, workers: int | None = None, *, signed: bool = False) -> NDArray[Any]:
    """Decode an inspected stream into a new array; see `decode`."""
    samples = _new_samples(stream, signed)
    stream.decode_into(samples, workers=workers)
    return _image_view(samples, stream)


def decode_stream_into(
    stream: _codec.Stream, out: NDArray[Any], workers: int | None = None, *, signed: bool = False
) -> NDArray[Any]:
    """Decode an inspected stream into an existing array; see `decode`."""
    in_memory = _direct_target(stream.info, out, signed)
    if in_memory is not None:
        stream.decode_into(in_memory, workers=workers)
    else:
        out[...] = decode_stream(stream, workers, signed=out.dtype.kind == "i")
    return out


def decode_streams_into(
    streams: Sequence[_codec.Stream], outs: Sequence[NDArray[Any]], workers: int | None
) -> list[Exception | None]:
    """Decode inspected streams into existing arrays, and return the error of each; see `decode_many`."""
    direct = [_direct_target(stream.info, out, False) for stream, out in zip(streams, outs, strict=True)]
    targets = [
        _new_samples(stream, out.dtype.kind == "i") if target is None else target
        for stream, out, target in zip(streams, outs, direct, strict=True)
    ]
    errors = _codec.decode_streams(streams, targets, workers=workers)
    for stream, out, target, in_memory in zip(streams, outs, targets, direct, strict=True):
        if in_memory is None:
            out[...] = _image_view(target, stream)
    return errors


def decode_stream_partial(
    stream: _codec.Stream, out: NDArray[Any] | None, fill_value: int, *, signed: bool = False
) -> PartialImage:
    """Decode the undamaged lines of an inspected stream; see `decode_partial`."""
    info = stream.info
    in_memory = None if out is None else _direct_target(info, out, signed)
    signed = signed if out is None else out.dtype.kind == "i"
    check_fill_value(fill_value, info.bits_per_sample, signed)
    target = _new_samples(stream, signed) if in_memory is None else in_memory
    marks, error = stream.decode_partial_into(target)
    image = _image_view(target, stream)
    if out is not None and in_memory is None:
        out[...] = image
    if out is not None:
        image = out
    good: NDArray[np.bool_] = np.frombuffer(marks, np.bool_)
    if _is_planar(info):
        good = good.reshape(info.component_count, info.height).T
    elif info.component_count > 1:
        good = np.repeat(good[:, np.newaxis], info.component_count, axis=1)
    if error is not None:
        np.copyto(image, fill_value, where=~good[:, np.newaxis])
    return PartialImage(image, good, error)


def check_fill_value(fill_value: int, bits_per_sample: int, signed: bool) -> None:
    """Check that a fill value is in the range of the samples."""
    lowest, highest = sample_range(bits_per_sample, signed)
    if not lowest <= fill_value <= highest:
        raise ParameterError(
            f"fill_value: {fill_value} is not in the range {lowest} to {highest} of the image's samples"
        )


def _direct_target(info: StreamInfo, out: NDArray[Any], signed: bool) -> NDArray[Any] | None:
    """Check `out`; return it in the order of the stream's samples, or None if it must be filled from a copy."""
    shape = image_shape(info)
    if not isinstance(out, np.ndarray):
        raise TypeError(f"out: must be a numpy.ndarray, not {type(out).__name__}")
    if out.shape != shape:
        raise ParameterError(f"out: shape must be {shape}, that of the stream's image, found {out.shape}")
    if out.dtype.kind not in "ui" or out.dtype.itemsize * 8 < info.bits_per_sample:
        raise ParameterError(
            f"out: dtype must be an integer of at least {info.bits_per_sample} bits, found {out.dtype}"
        )
    if signed and out.dtype.kind != "i":
        raise ParameterError(f"out: dtype must be signed if signed=True, found {out.dtype}")
    if not out.flags.writeable:
        raise ParameterError("out: the array is read-only")
    in_memory = out.transpose(2, 0, 1) if _is_planar(info) else out
    direct = out.dtype.isnative and out.dtype.itemsize == sample_dtype(info.bits_per_sample).itemsize
    return in_memory if direct and _has_regular_rows(in_memory, _is_planar(info)) else None


# By bytes of a sample, and whether it is signed.
_SAMPLE_DTYPES: dict[tuple[int, bool], np.dtype[Any]] = {
    (1, False): np.dtype(np.uint8),
    (1, True): np.dtype(np.int8),
    (2, False): np.dtype(np.uint16),
    (2, True): np.dtype(np.int16),
}


def sample_dtype(bits_per_sample: int, signed: bool = False) -> np.dtype[Any]:
    """Return the dtype for samples of a precision, in native byte order."""
    return _SAMPLE_DTYPES[1 if bits_per_sample <= 8 else 2, signed]


def image_shape(info: StreamInfo) -> tuple[int, ...]:
    """Return the shape of a decoded image: (rows, columns) or (rows, columns, components)."""
    if info.component_count == 1:
        return (info.height, info.width)
    return (info.height, info.width, info.component_count)


def _check_range(image: NDArray[Any], bits_per_sample: int) -> None:
    lowest, highest = sample_range(bits_per_sample, image.dtype.kind == "i")
    if not is_within(image, lowest, highest):
        value, position = first_outside(image, lowest, highest)
        raise ParameterError(
            f"image: the sample {value} at {position} does not fit in {bits_per_sample} bits "
            f"({lowest} to {highest}): use a larger bits_per_sample, or check_range=False to drop the upper bits"
        )


def _guard_sign(image: NDArray[Any], bits_per_sample: int, near_lossless: int, signed_overflow: str) -> NDArray[Any]:
    """Refuse or clip signed samples that near-lossless coding may turn into the opposite limit of the range."""
    lowest, highest = safe_range(bits_per_sample, near_lossless)
    count = count_outside(image, lowest, highest)
    if count == 0:
        return image
    if signed_overflow == "error":
        value, position = first_outside(image, lowest, highest)
        raise ParameterError(
            f"image: with near_lossless {near_lossless}, {count} signed sample(s) outside {lowest} to {highest} may "
            f"be decoded with the opposite sign, the first is {value} at {position}: lower near_lossless, or use "
            f"signed_overflow='clip' to move them"
        )
    warnings.warn(f"{count} signed sample(s) clipped to {lowest} to {highest}", ClippedSamplesWarning, stacklevel=3)
    return image.clip(lowest, highest)


def check_signed_overflow(signed_overflow: str) -> None:
    """Check the value of the option `signed_overflow`."""
    if signed_overflow not in ("error", "clip"):
        raise ParameterError(f"signed_overflow: must be 'error' or 'clip', found {signed_overflow!r}")


def _unsigned_samples(image: NDArray[Any], bits_per_sample: int) -> NDArray[Any]:
    """Return the samples' bits in the unsigned dtype that CharLS reads, without a copy where possible."""
    dtype = sample_dtype(bits_per_sample)
    if image.dtype.itemsize == dtype.itemsize and image.dtype.isnative:
        return image.view(dtype)
    return image.astype(dtype)


def _is_planar(info: StreamInfo) -> bool:
    return info.component_count > 1 and info.interleave_mode == InterleaveMode.NONE


def _new_samples(stream: _codec.Stream, signed: bool) -> NDArray[Any]:
    """Return an uninitialised array in the order of the stream's samples: planes first if they are coded by plane."""
    shape, item_size = stream.memory
    return np.empty(shape, _SAMPLE_DTYPES[item_size, signed])


def new_array(shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return an uninitialised array.

    Raises
    ------
    MemoryError
        If it does not fit into memory, or into the addresses of a process of 32 bits.
    """
    _codec.check_size(math.prod(shape) * dtype.itemsize)
    return np.empty(shape, dtype)


def _image_view(samples: NDArray[Any], stream: _codec.Stream) -> NDArray[Any]:
    # The record is made only if the shape does not tell: small images take as long as a few calls.
    return samples.transpose(1, 2, 0) if samples.ndim == 3 and _is_planar(stream.info) else samples


def _has_regular_rows(samples: NDArray[Any], planar: bool) -> bool:
    """Return whether one stride describes the layout: contiguous rows at a constant positive distance."""
    if samples.flags.c_contiguous:
        return True
    row = samples[0, 0] if planar else samples[0]
    stride = samples.strides[1 if planar else 0]
    if planar and samples.strides[0] != stride * samples.shape[1]:
        return False
    return bool(row.flags.c_contiguous and stride >= row.nbytes and stride % samples.itemsize == 0)
