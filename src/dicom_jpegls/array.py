"""Arrays to streams and back. Knows shapes, dtypes and strides; knows nothing of DICOM."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, overload

import numpy as np

from dicom_jpegls import _codec
from dicom_jpegls.errors import ClippedSamplesWarning, ParameterError, StreamError
from dicom_jpegls.parameters import (
    ColorTransformation,
    InterleaveMode,
    PresetCodingParameters,
    SpiffHeader,
    StreamInfo,
)
from dicom_jpegls.ranges import (
    count_outside,
    first_outside,
    is_within,
    safe_range,
    sample_range,
    sign_extend,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from dicom_jpegls._codec import _Buffer


def encode(
    image: NDArray[Any],
    *,
    bits_per_sample: int | None = None,
    near_lossless: int = 0,
    interleave_mode: InterleaveMode | None = None,
    color_transformation: ColorTransformation = ColorTransformation.NONE,
    preset_coding_parameters: PresetCodingParameters | None = None,
    restart_interval: int | Literal["auto"] | None = None,
    workers: int | None = 1,
    spiff_header: SpiffHeader | None = None,
    comments: Iterable[_Buffer] = (),
    application_data: Iterable[tuple[int, _Buffer]] = (),
    check_range: bool = True,
    signed_overflow: str = "error",
) -> bytes:
    """Encode an image as a JPEG-LS stream.

    Parameters
    ----------
    image : numpy.ndarray
        Shape (rows, columns) or (rows, columns, components), dtype uint8, int8, uint16 or int16 of either
        byte order. Of signed samples the two's complement bits are coded. Rows may lie apart (a slice of
        a larger array); any other layout is copied first.
    bits_per_sample : int, optional
        Sample precision P, 2 to 16 (T.87 C.2.2); all bits of the dtype by default. It is never guessed
        from the values.
    near_lossless : int, optional
        Largest absolute error of a sample, 0 (lossless) to min(255, (2**P - 1) // 2).
    interleave_mode : InterleaveMode, optional
        Sample interleave by default for 3 and 4 components, otherwise none.
    color_transformation : ColorTransformation, optional
        Only for 3 components of 8 or 16 bits, lossless, interleaved. Outside the standard; not for DICOM.
    preset_coding_parameters : PresetCodingParameters, optional
        The standard's defaults when left out.
    restart_interval : int or "auto", optional
        Lines between restart markers, 1 to 65535 (T.87 C.2.5): strips of lines are then coded in parallel, and can be
        decoded so. "auto" chooses a height by rows and workers that costs about 0.3 % of the size or less, and leaves
        markers out of small images. Not every decoder reads restart markers, so there are none by default.
    workers : int or None, optional
        How many threads code strips and planes; None for one per core. 1, the default, is the calling thread.
        Except for "auto" the stream does not depend on it.
    spiff_header : SpiffHeader, optional
        Written in front of everything else.
    comments : iterable of bytes, optional
        Each becomes a COM segment of at most 65533 bytes.
    application_data : iterable of (int, bytes), optional
        Number 0 to 15 and content of APPn segments of at most 65533 bytes.
    check_range : bool, optional
        Whether to look for samples that `bits_per_sample` cannot hold. Without the look their upper bits
        are lost in silence.
    signed_overflow : {"error", "clip"}, optional
        What to do with signed samples that near-lossless coding may turn into the opposite end of the range:
        those closer to an end than `near_lossless`. "clip" moves them to the nearest safe value, with a
        `ClippedSamplesWarning`.

    Returns
    -------
    bytes
        One complete stream of even length, as DICOM fragments have (PS3.5 A.4).

    Raises
    ------
    ParameterError
        If an argument is out of range, the parameters do not fit each other, or a sample does not fit them.
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
    if not isinstance(image, np.ndarray):
        raise TypeError(f"image: a numpy.ndarray is needed, not {type(image).__name__}")
    if image.dtype.kind not in "ui" or image.dtype.itemsize > 2:
        raise ParameterError(f"image: dtype {image.dtype}; uint8, int8, uint16 and int16 can be encoded")
    if image.ndim not in (2, 3):
        raise ParameterError(
            f"image: shape {image.shape}; (rows, columns) or (rows, columns, components) is needed, one frame a call"
        )
    if image.size == 0:
        raise ParameterError(f"image: shape {image.shape}; there is no sample in it")
    if bits_per_sample is None:
        bits_per_sample = image.dtype.itemsize * 8
    _codec.check_precision(bits_per_sample, near_lossless)
    if check_range:
        _check_range(image, bits_per_sample)
    if near_lossless and image.dtype.kind == "i":
        image = _guard_sign(image, bits_per_sample, near_lossless, signed_overflow)

    return encode_samples(
        image,
        bits_per_sample=bits_per_sample,
        near_lossless=near_lossless,
        interleave_mode=interleave_mode,
        color_transformation=color_transformation,
        preset_coding_parameters=preset_coding_parameters,
        restart_interval=restart_interval,
        workers=workers,
        spiff_header=spiff_header,
        comments=comments,
        application_data=application_data,
    )


def encode_samples(
    image: NDArray[Any], *, bits_per_sample: int, interleave_mode: InterleaveMode | None = None, **options: Any
) -> bytes:
    """Encode an image of a valid dtype and shape without a look at its values; see `encode`."""
    rows, columns = image.shape[:2]
    component_count = image.shape[2] if image.ndim == 3 else 1
    if interleave_mode is None:
        interleave_mode = InterleaveMode.SAMPLE if component_count in (3, 4) else InterleaveMode.NONE
    source = _container(image, bits_per_sample)
    planar = component_count > 1 and interleave_mode == InterleaveMode.NONE
    if planar:
        source = source.transpose(2, 0, 1)
    return _codec.encode(
        source if _has_regular_rows(source, planar) else np.ascontiguousarray(source),
        width=columns,
        height=rows,
        component_count=component_count,
        bits_per_sample=bits_per_sample,
        interleave_mode=interleave_mode,
        **options,
    )


class PartialImage(NamedTuple):
    """What ``decode(..., on_error="partial")`` could read of a stream."""

    image: NDArray[Any]
    """As `decode` gives it; `fill_value` where a line is not good."""
    good_lines: NDArray[np.bool_]
    """Shape (rows,) or (rows, components): which lines were decoded before a fault was found. JPEG-LS has no checksums:
    where bytes were changed, the fault may be found some lines later, or never. Of a truncated stream all are right."""
    error: StreamError | None
    """The first fault; None if the stream is sound."""


@overload
def decode(
    src: _Buffer,
    *,
    out: NDArray[Any] | None = None,
    max_dimension: int = ...,
    max_samples: int = ...,
    workers: int | None = 1,
    on_error: Literal["raise"] = "raise",
    fill_value: int = 0,
) -> NDArray[Any]: ...


@overload
def decode(
    src: _Buffer,
    *,
    out: NDArray[Any] | None = None,
    max_dimension: int = ...,
    max_samples: int = ...,
    workers: int | None = 1,
    on_error: Literal["partial"],
    fill_value: int = 0,
) -> PartialImage: ...


def decode(
    src: _Buffer,
    *,
    out: NDArray[Any] | None = None,
    max_dimension: int = _codec.DEFAULT_MAX_DIMENSION,
    max_samples: int = _codec.DEFAULT_MAX_SAMPLES,
    workers: int | None = 1,
    on_error: Literal["raise", "partial"] = "raise",
    fill_value: int = 0,
) -> NDArray[Any] | PartialImage:
    """Decode a JPEG-LS stream into an array.

    Parameters
    ----------
    src : buffer of bytes
        One stream; bytes behind its EOI marker are ignored.
    out : numpy.ndarray, optional
        Where to put the samples: shape (rows, columns) or (rows, columns, components), an integer dtype of
        at least the stream's precision. In a signed dtype the samples are taken as two's complement
        numbers of the stream's precision. Native byte order and regular rows save a copy.
    max_dimension : int, optional
        Largest width and height, 65535 (DICOM's limit) by default and at most 100000.
    max_samples : int, optional
        Largest width x height x components, 2**29 by default: a few kilobytes can claim to hold gigabytes.
    workers : int or None, optional
        How many threads decode restart intervals and planes; None for one per core. 1, the default, is the calling
        thread. Of other streams, and of damaged ones, nothing can be decoded in parallel.
    on_error : {"raise", "partial"}, optional
        What to do with a damaged stream. "partial" gives the lines in front of the damage, and with restart markers
        also those behind it, as long as the frame header and a scan header can be read.
    fill_value : int, optional
        For "partial": the sample in all other lines.

    Returns
    -------
    numpy.ndarray
        `out`, or a new array of uint8 (up to 8 bits per sample) or uint16. A stream of planes (interleave
        mode none) gives the same shape as any other, as a view on the planes.
    PartialImage
        For "partial", of a sound stream, too: the array, which lines are good, and the first fault.

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
    >>> stream = jls.encode(np.full((2, 3), -5, dtype=np.int16))
    >>> jls.decode(stream)
    array([[65531, 65531, 65531],
           [65531, 65531, 65531]], dtype=uint16)
    >>> jls.decode(stream, out=np.empty((2, 3), dtype=np.int16))
    array([[-5, -5, -5],
           [-5, -5, -5]], dtype=int16)
    >>> noise = np.random.default_rng(0).integers(0, 255, (4, 64), dtype=np.uint8)
    >>> jls.decode(jls.encode(noise)[:250], on_error="partial").good_lines
    array([ True,  True, False, False])
    """
    check_on_error(on_error)
    stream = _codec.Stream(src, max_dimension=max_dimension, max_samples=max_samples, partial=on_error == "partial")
    if on_error == "partial":
        return decode_partial(stream, out, fill_value)
    if out is None:
        return decode_stream(stream, workers)
    return decode_stream_into(stream, out, workers)


def decode_stream(stream: _codec.Stream, workers: int | None = 1) -> NDArray[Any]:
    """Decode an inspected stream into a new array of unsigned samples; see `decode`."""
    samples: NDArray[Any] = np.empty(_memory_shape(stream.info), sample_dtype(stream.info.bits_per_sample))
    stream.decode_into(samples, workers=workers)
    return _image_view(samples, stream.info)


def decode_stream_into(stream: _codec.Stream, out: NDArray[Any], workers: int | None = 1) -> NDArray[Any]:
    """Decode an inspected stream into an existing array; see `decode`."""
    info = stream.info
    in_memory = _direct_target(info, out)
    if in_memory is not None:
        stream.decode_into(in_memory, workers=workers)
    else:
        out[...] = decode_stream(stream, workers)
    if out.dtype.kind == "i":
        sign_extend(out, info.bits_per_sample)
    return out


def decode_partial(stream: _codec.Stream, out: NDArray[Any] | None, fill_value: int) -> PartialImage:
    """Decode what can be decoded of a stream; see `decode`."""
    info = stream.info
    check_fill_value(fill_value, info.bits_per_sample, out is not None and out.dtype.kind == "i")
    in_memory = None if out is None else _direct_target(info, out)
    if in_memory is None:
        in_memory = np.empty(_memory_shape(info), sample_dtype(info.bits_per_sample))
        marks, error = stream.decode_partial_into(in_memory)
        image = _image_view(in_memory, info)
        if out is not None:
            out[...] = image
            image = out
    else:
        marks, error = stream.decode_partial_into(in_memory)
        image = in_memory if out is None else out
    if image.dtype.kind == "i":
        sign_extend(image, info.bits_per_sample)
    good: NDArray[np.bool_] = np.frombuffer(marks, np.bool_)
    if _is_planar(info):
        good = good.reshape(info.component_count, info.height).T
    elif info.component_count > 1:
        good = np.repeat(good[:, np.newaxis], info.component_count, axis=1)
    image[~good if good.ndim == 1 else np.broadcast_to(~good[:, np.newaxis, :], image.shape)] = fill_value
    return PartialImage(image, good, error)


def check_on_error(on_error: str) -> None:
    """Check the option of that name."""
    if on_error not in ("raise", "partial"):
        raise ParameterError(f"on_error: {on_error!r}; 'raise' and 'partial' are allowed")


def check_fill_value(fill_value: int, bits_per_sample: int, signed: bool) -> None:
    """Check that samples of a precision can have this value."""
    lowest, highest = sample_range(bits_per_sample, signed)
    if not lowest <= fill_value <= highest:
        raise ParameterError(
            f"fill_value: {fill_value} is not in the range {lowest} to {highest} of the image's samples"
        )


def _direct_target(info: StreamInfo, out: NDArray[Any]) -> NDArray[Any] | None:
    """Check `out`; give it in the order of the stream's samples, or None if they cannot be decoded straight into it."""
    shape = image_shape(info)
    if not isinstance(out, np.ndarray):
        raise TypeError(f"out: a numpy.ndarray is needed, not {type(out).__name__}")
    if out.shape != shape:
        raise ParameterError(f"out: shape {out.shape}; the stream's image has shape {shape}")
    if out.dtype.kind not in "ui" or out.dtype.itemsize * 8 < info.bits_per_sample:
        raise ParameterError(
            f"out: dtype {out.dtype}; an integer dtype of at least {info.bits_per_sample} bits is needed"
        )
    if not out.flags.writeable:
        raise ParameterError("out: the array is read-only")
    in_memory = out.transpose(2, 0, 1) if _is_planar(info) else out
    direct = out.dtype.isnative and out.dtype.itemsize == sample_dtype(info.bits_per_sample).itemsize
    return in_memory if direct and _has_regular_rows(in_memory, _is_planar(info)) else None


def sample_dtype(bits_per_sample: int) -> np.dtype[Any]:
    """Give the unsigned dtype that holds samples of a precision, in native byte order."""
    return np.dtype(np.uint8 if bits_per_sample <= 8 else np.uint16)


def image_shape(info: StreamInfo) -> tuple[int, ...]:
    """Give the shape of a decoded image: (rows, columns) or (rows, columns, components)."""
    if info.component_count == 1:
        return (info.height, info.width)
    return (info.height, info.width, info.component_count)


def _check_range(image: NDArray[Any], bits_per_sample: int) -> None:
    lowest, highest = sample_range(bits_per_sample, image.dtype.kind == "i")
    if not is_within(image, lowest, highest):
        value, place = first_outside(image, lowest, highest)
        raise ParameterError(
            f"image: the sample {value} at {place} does not fit into {bits_per_sample} bits "
            f"({lowest} to {highest}): choose a larger bits_per_sample, or check_range=False to cut bits off"
        )


def _guard_sign(image: NDArray[Any], bits_per_sample: int, near_lossless: int, signed_overflow: str) -> NDArray[Any]:
    """Keep the promise of NEAR for signed samples: refuse or move those too close to the ends of the range."""
    check_signed_overflow(signed_overflow)
    lowest, highest = safe_range(bits_per_sample, near_lossless)
    count = count_outside(image, lowest, highest)
    if count == 0:
        return image
    if signed_overflow == "error":
        value, place = first_outside(image, lowest, highest)
        raise ParameterError(
            f"image: with near_lossless {near_lossless}, {count} signed sample(s) outside {lowest} to {highest} may "
            f"come back with the opposite sign, the first is {value} at {place}: lower near_lossless, or "
            f"signed_overflow='clip' to move them"
        )
    warnings.warn(f"{count} signed sample(s) moved into {lowest} to {highest}", ClippedSamplesWarning, stacklevel=3)
    return image.clip(lowest, highest)


def check_signed_overflow(signed_overflow: str) -> None:
    """Check the option of that name."""
    if signed_overflow not in ("error", "clip"):
        raise ParameterError(f"signed_overflow: {signed_overflow!r}; 'error' and 'clip' are allowed")


def _container(image: NDArray[Any], bits_per_sample: int) -> NDArray[Any]:
    """Give the samples as unsigned ones in the container that CharLS wants, without a copy where that can be."""
    dtype = sample_dtype(bits_per_sample)
    if image.dtype.itemsize == dtype.itemsize and image.dtype.isnative:
        return image.view(dtype)
    return image.astype(dtype)


def _is_planar(info: StreamInfo) -> bool:
    return info.component_count > 1 and info.interleave_mode == InterleaveMode.NONE


def _memory_shape(info: StreamInfo) -> tuple[int, ...]:
    """Give the shape in which the samples of a stream lie in memory: planes first if they are coded by plane."""
    if _is_planar(info):
        return (info.component_count, info.height, info.width)
    return image_shape(info)


def _image_view(samples: NDArray[Any], info: StreamInfo) -> NDArray[Any]:
    return samples.transpose(1, 2, 0) if _is_planar(info) else samples


def _has_regular_rows(samples: NDArray[Any], planar: bool) -> bool:
    """Whether a stride says how the samples lie: rows without gaps inside, one positive distance between them."""
    if samples.flags.c_contiguous:
        return True
    row = samples[0, 0] if planar else samples[0]
    pitch = samples.strides[1 if planar else 0]
    if planar and samples.strides[0] != pitch * samples.shape[1]:
        return False
    return bool(row.flags.c_contiguous and pitch >= row.nbytes and pitch % samples.itemsize == 0)
