"""The API of pyjpegls 1.5.1 on top of this package, for code that imports ``jpeg_ls``.

`install_as_pyjpegls` replaces the modules ``jpeg_ls`` and ``_CharLS`` by it. Wherever pyjpegls is correct, the results
are the same; docs/pyjpegls.md lists the differences.
"""

from __future__ import annotations

import importlib
import logging
import os
import re
import sys
import threading
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import TYPE_CHECKING, Any, BinaryIO, TypeAlias, cast

import numpy as np

from dicom_jpegls import _codec
from dicom_jpegls.array import decode_stream
from dicom_jpegls.errors import InvalidStreamError, JPEGLSError, ParameterError, UnsupportedStreamError
from dicom_jpegls.parameters import InterleaveMode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from dicom_jpegls.parameters import StreamInfo

    _Buffer: TypeAlias = bytes | bytearray | memoryview | NDArray[Any]

_Path: TypeAlias = str | os.PathLike[str]
JLSSourceType: TypeAlias = _Path | BinaryIO | bytes | bytearray
"""What `jlsread` reads: a path, a file in binary mode, or the stream itself."""

# The release with this API.
_PYJPEGLS_VERSION = "1.5.1"

# argument_component_count in native/scan/codec_fault.hpp
_INVALID_COMPONENT_COUNT = 102
# How messages of pyjpegls begin, where its tests, and perhaps programs, look for that; others have our texts.
_SENTENCES = {
    2: "The JPEG-LS stream is encoded with a parameter value that is not supported by the CharLS decoder",
    _INVALID_COMPONENT_COUNT: "The component count argument is outside the range [1, 255]",
}
# The first code of this package's own stream checks, which CharLS does not know.
_FIRST_OWN_CODE = 1000

_LOGGER = logging.getLogger("jpeg_ls._CharLS")

_lock = threading.Lock()
_installed: dict[str, ModuleType] = {}


def install_as_pyjpegls() -> None:
    """Make ``import jpeg_ls`` import this package, whether pyjpegls is installed or not.

    Replaces the modules ``jpeg_ls`` and ``_CharLS`` until the process ends. If pydicom has been imported before, its
    plugin "pyjpegls" is redirected to this package, and made available if it was not. Names that other code has
    imported from the real pyjpegls before are not changed, so call this first. Idempotent and thread-safe.

    Examples
    --------
    >>> import dicom_jpegls as jls
    >>> jls.install_as_pyjpegls()  # doctest: +SKIP
    >>> import jpeg_ls  # doctest: +SKIP
    >>> jpeg_ls.decode.__module__  # doctest: +SKIP
    'dicom_jpegls.compat.pyjpegls'
    """
    with _lock:
        if not _installed:
            _installed.update(_make_modules())
            logging.getLogger("jpeg_ls").addHandler(logging.NullHandler())
        sys.modules.update(_installed)
        _connect_pydicom(_installed["jpeg_ls"])


# --- Errors -----------------------------------------------------------------------------------------------------------


class CodecError(JPEGLSError, RuntimeError):
    """The codec failed. Also a RuntimeError, which pyjpegls raises for everything that CharLS refuses."""


class CodecStreamError(InvalidStreamError, RuntimeError):
    """The stream is damaged, truncated, or not a JPEG-LS stream; see `CodecError`."""


class CodecParameterError(ParameterError, RuntimeError):
    """The codec refuses an argument; see `CodecError`."""


_RUNTIME_ERRORS: dict[type[JPEGLSError], type[JPEGLSError]] = {
    InvalidStreamError: CodecStreamError,
    ParameterError: CodecParameterError,
    UnsupportedStreamError: UnsupportedStreamError,  # is a RuntimeError through NotImplementedError
}


@contextmanager
def _runtime_errors(action: str) -> Iterator[None]:
    """Raise errors of this package as RuntimeErrors too, with the text for CharLS's code first, as in pyjpegls."""
    try:
        yield
    except JPEGLSError as error:
        # The class has the code that CharLS would report for errors of its kind.
        code = error.code if error.code < _FIRST_OWN_CODE else type(error).code
        sentence = _SENTENCES.get(code) or _codec.error_text(code)
        details = "" if sentence in str(error) else f" ({error})"
        translated = _RUNTIME_ERRORS.get(type(error), CodecError)(f"{action} error: {sentence}{details}")
        vars(translated).update(vars(error))
        raise translated from error


# --- Encoding: jpeg_ls and jpeg_ls.CharLS -----------------------------------------------------------------------------


def encode(data_image: NDArray[Any], lossy_error: int = 0, interleave_mode: int | None = None) -> NDArray[np.uint8]:
    """Encode an image as `encode_array` does, with 1 byte per sample if all samples of 2 bytes fit into it.

    Parameters
    ----------
    data_image : numpy.ndarray
        See `encode_array`.
    lossy_error, interleave_mode : int, optional
        See `encode_array`.

    Returns
    -------
    numpy.ndarray
        The stream, one-dimensional and of uint8.
    """
    if data_image.dtype.itemsize == 2 and np.max(data_image) <= 255:
        small = data_image.astype(np.uint8)
        if np.array_equal(small, data_image):  # not so for negative samples and fractions
            data_image = small
    return np.frombuffer(encode_array(data_image, lossy_error, interleave_mode), np.uint8)


def write(fname: _Path, data_image: NDArray[Any]) -> None:
    """Encode an image losslessly into a file.

    Parameters
    ----------
    fname : str or os.PathLike
        The file's path.
    data_image : numpy.ndarray
        See `encode_array`.
    """
    jlswrite(data_image, fname)


def jlswrite(
    arr: NDArray[Any], dst: _Path | BinaryIO, *, lossy_error: int = 0, interleave_mode: int | None = None
) -> None:
    """Encode an image into a file.

    Parameters
    ----------
    arr : numpy.ndarray
        See `encode_array`.
    dst : str, os.PathLike or file
        A path, or an object with a method ``write`` that takes bytes.
    lossy_error, interleave_mode : int, optional
        See `encode_array`.
    """
    stream = encode_array(arr, lossy_error, interleave_mode)
    if hasattr(dst, "write"):
        dst.write(stream)
    else:
        with open(dst, "wb") as file:
            file.write(stream)


def encode_array(arr: NDArray[Any], lossy_error: int = 0, interleave_mode: int | None = None) -> bytearray:
    """Encode an image.

    The precision is the number of bits that the largest sample needs, for uint16 at least 9, so that the image
    decodes to the same dtype.

    Parameters
    ----------
    arr : numpy.ndarray
        uint8 or uint16 of either byte order: (rows, columns), by pixel (rows, columns, components), or by plane
        (components, rows, columns).
    lossy_error : int, optional
        NEAR, the largest absolute error of a sample; 0 for lossless.
    interleave_mode : int, optional
        The order of the samples and how they are coded: 0 by plane, 1 by pixel and coded by line, 2 by pixel. By
        default 2 or 0, depending on whether the last or the first axis has length 3 or 4. Ignored for (rows, columns).

    Returns
    -------
    bytearray
        The stream.

    Raises
    ------
    ParameterError
        If `arr` is not such an array; also a RuntimeError if the codec refuses an argument.
    """
    if arr.dtype.kind != "u" or arr.dtype.itemsize > 2:
        raise ParameterError(f"Invalid ndarray dtype '{arr.dtype}', expecting np.uint8 or np.uint16")
    if arr.ndim == 2:
        interleave_mode = 0
        samples_per_pixel, rows, columns = 1, *arr.shape
    elif arr.ndim == 3:
        if interleave_mode is None:
            interleave_mode = _guess_interleave_mode(arr.shape)
        if interleave_mode == 0:
            samples_per_pixel, rows, columns = arr.shape
        else:
            rows, columns, samples_per_pixel = arr.shape
    else:
        raise ParameterError(f"Invalid shape - image data must be 2D or 3D, found {arr.shape}")
    if arr.size == 0:
        raise ParameterError(f"Invalid shape - there is no sample in {arr.shape}")
    return _encode_native(
        np.ascontiguousarray(arr, arr.dtype.newbyteorder("=")),
        lossy_error,
        interleave_mode,
        rows,
        columns,
        samples_per_pixel,
        max(int(arr.max()).bit_length(), 9 if arr.dtype.itemsize == 2 else 2),
    )


def _guess_interleave_mode(shape: tuple[int, ...]) -> int:
    if shape[-1] in (3, 4):
        return 2
    if shape[0] in (3, 4):
        return 0
    raise ParameterError(
        f"Invalid 'interleave_mode' value None: shape {shape} does not show which axis has the colours"
    )


def encode_buffer(
    src: _Buffer,
    rows: int,
    columns: int,
    samples_per_pixel: int,
    bits_stored: int,
    lossy_error: int = 0,
    interleave_mode: int | None = None,
    **kwargs: Any,  # noqa: ARG001
) -> bytearray:
    """Encode the samples in a buffer.

    Parameters
    ----------
    src : buffer
        1 byte per sample, or 2 in little-endian order; of samples of up to 8 bits in 2 bytes each, the upper byte
        is left out. Bits above `bits_stored` are not coded.
    rows, columns, samples_per_pixel : int
        The shape of the image.
    bits_stored : int
        The precision, 1 to 16.
    lossy_error : int, optional
        NEAR, the largest absolute error of a sample, 0 (lossless) to min(255, (2**bits_stored - 1) // 2).
    interleave_mode : int, optional
        The order of the samples and how they are coded: 0 by plane, 1 by pixel and coded by line, 2 by pixel. Ignored
        for one sample per pixel, otherwise required.
    **kwargs
        Ignored.

    Returns
    -------
    bytearray
        The stream.

    Raises
    ------
    ParameterError
        If an argument is out of range; also a RuntimeError if the codec refuses it.
    """
    if samples_per_pixel < 1:
        raise ParameterError(
            f"Invalid 'samples_per_pixel' value {samples_per_pixel}: must be greater than 1 or equal to it"
        )
    _check_range("bits_stored", bits_stored, 1, 16)
    if samples_per_pixel == 1:
        interleave_mode = 0
    elif interleave_mode not in (0, 1, 2):
        raise ParameterError(f"Invalid 'interleave_mode' value {interleave_mode}: must be 0, 1 or 2")
    # The codec allows half of it.
    _check_range("lossy_error", lossy_error, 0, 2**bits_stored - 1, f" for {bits_stored}-bit pixel data")
    _check_range("rows", rows, 1, 65535)
    _check_range("columns", columns, 1, 65535)

    samples = np.frombuffer(src, np.uint8)
    expected = rows * columns * samples_per_pixel * (1 if bits_stored <= 8 else 2)
    if bits_stored <= 8 and samples.size == 2 * expected:
        samples = np.ascontiguousarray(samples[::2])
    elif samples.size != expected:
        raise ParameterError(
            f"The 'src' length of {samples.size} bytes does not match the expected length determined from 'rows', "
            f"'columns', 'samples_per_pixel' and 'bits_stored', {expected} bytes"
        )
    return _encode(samples, lossy_error, interleave_mode, rows, columns, samples_per_pixel, bits_stored)


def _check_range(name: str, value: int, lowest: int, highest: int, note: str = "") -> None:
    if not lowest <= value <= highest:
        raise ParameterError(f"Invalid '{name}' value {value}: must be in the range ({lowest}, {highest}){note}")


def encode_pixel_data(
    src: _Buffer,
    lossy_error: int = 0,
    *,
    rows: int,
    columns: int,
    samples_per_pixel: int,
    bits_stored: int,
    planar_configuration: int | None = None,
    **kwargs: Any,  # noqa: ARG001
) -> bytearray:
    """Encode one frame of DICOM pixel data; called by pydicom.

    Parameters
    ----------
    src : buffer
        See `encode_buffer`.
    lossy_error : int, optional
        See `encode_buffer`.
    rows, columns, samples_per_pixel, bits_stored, planar_configuration : int
        The Image Pixel attributes of those names; colour of planar configuration 1 is coded by plane.
    **kwargs
        Ignored.

    Returns
    -------
    bytearray
        The stream.
    """
    mode = 0 if samples_per_pixel == 1 or planar_configuration else 2
    return encode_buffer(src, rows, columns, samples_per_pixel, bits_stored, lossy_error, mode)


# --- Decoding: jpeg_ls and jpeg_ls.CharLS -----------------------------------------------------------------------------


def read(fname: _Path) -> NDArray[Any]:
    """Decode a file.

    Parameters
    ----------
    fname : str or os.PathLike
        The file's path.

    Returns
    -------
    numpy.ndarray
        See `jlsread`.
    """
    return jlsread(fname)


def decode(data_buffer: NDArray[Any]) -> NDArray[Any]:
    """Decode a stream in an array.

    Parameters
    ----------
    data_buffer : numpy.ndarray
        The stream.

    Returns
    -------
    numpy.ndarray
        See `jlsread`.
    """
    return jlsread(data_buffer.tobytes())


def jlsread(src: JLSSourceType) -> NDArray[Any]:
    """Decode a stream or a file.

    Parameters
    ----------
    src : str, os.PathLike, file, bytes or bytearray
        A path, an object with a method ``read`` that returns bytes, or the stream.

    Returns
    -------
    numpy.ndarray
        (rows, columns) or (rows, columns, components), of uint8 up to a precision of 8 bits, otherwise uint16.

    Raises
    ------
    InvalidStreamError, UnsupportedStreamError
        If the stream cannot be decoded; also a RuntimeError.
    """
    data: bytes | bytearray
    if isinstance(src, (bytes, bytearray)):
        data = src
    elif hasattr(src, "read"):
        data = src.read()
    else:
        with open(src, "rb") as file:
            data = file.read()
    with _runtime_errors("Decoding"):
        return decode_stream(_codec.Stream(data))


def decode_buffer(src: _Buffer) -> tuple[bytearray, dict[str, int]]:
    """Decode a stream into bytes.

    Parameters
    ----------
    src : buffer of bytes
        The stream.

    Returns
    -------
    tuple of bytearray and dict
        The samples in the order in which they are coded, by plane or by pixel, little-endian; and the header as
        returned by `read_header`.

    Raises
    ------
    InvalidStreamError, UnsupportedStreamError
        If the stream cannot be decoded; also a RuntimeError.
    """
    with _runtime_errors("Decoding"):
        stream = _codec.Stream(src)
        samples = stream.decode()
    info = stream.info
    if sys.byteorder == "big" and info.bits_per_sample > 8:
        np.frombuffer(samples, np.uint16).byteswap(inplace=True)
    return samples, _header(info)


def decode_pixel_data(src: _Buffer, **kwargs: Any) -> tuple[bytearray, dict[str, int]]:  # noqa: ARG001
    """Decode one frame of DICOM pixel data; called by pydicom.

    Parameters
    ----------
    src : buffer of bytes
        The stream.
    **kwargs
        Ignored.

    Returns
    -------
    tuple of bytearray and dict
        See `decode_buffer`.
    """
    return decode_buffer(src)


def debug_logger() -> None:
    """Show the messages of the loggers below "jpeg_ls" on the standard error stream."""
    logger = logging.getLogger("jpeg_ls")
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(levelname).1s: %(message)s"))
    logger.handlers[:] = [handler]
    logger.setLevel(logging.DEBUG)


# --- _CharLS ----------------------------------------------------------------------------------------------------------


def read_header(src: _Buffer) -> dict[str, int]:
    """Read the header of a stream.

    Parameters
    ----------
    src : buffer of bytes
        The whole stream.

    Returns
    -------
    dict
        width, height, bits_per_sample, stride (bytes of a decoded line), components, allowed_lossy_error,
        interleave_mode, colour_transformation.

    Raises
    ------
    InvalidStreamError, UnsupportedStreamError
        If the stream is not valid; also a RuntimeError.
    """
    with _runtime_errors("Decoding"):
        return _header(_codec.read_info(src))


def _header(info: StreamInfo) -> dict[str, int]:
    components_in_line = 1 if info.interleave_mode == InterleaveMode.NONE else info.component_count
    return {
        "width": info.width,
        "height": info.height,
        "bits_per_sample": info.bits_per_sample,
        "stride": info.width * components_in_line * (1 if info.bits_per_sample <= 8 else 2),
        "components": info.component_count,
        "allowed_lossy_error": info.near_lossless,
        "interleave_mode": int(info.interleave_mode),
        "colour_transformation": int(info.color_transformation),
    }


def decode_from_buffer(src: _Buffer) -> bytearray:
    """Decode a stream into bytes.

    Parameters
    ----------
    src : buffer of bytes
        The stream.

    Returns
    -------
    bytearray
        The samples, see `decode_buffer`.
    """
    return decode_buffer(src)[0]


def _decode_vector(data_buffer: NDArray[np.uint8]) -> NDArray[Any]:
    """Decode a stream in a one-dimensional array of uint8; ``_CharLS.decode``."""
    if data_buffer.ndim != 1 or data_buffer.dtype != np.uint8:
        raise ValueError(f"must be a vector of uint8, found {data_buffer.ndim} dimension(s) of {data_buffer.dtype}")
    return decode(data_buffer)


def _encode(
    src: _Buffer,
    lossy_error: int,
    interleave_mode: int,
    rows: int,
    columns: int,
    samples_per_pixel: int,
    bits_stored: int,
) -> bytearray:
    """Encode little-endian samples of 1 byte, or of 2 for more than 8 bits; ``_CharLS._encode``."""
    if sys.byteorder == "big" and bits_stored > 8:
        src = np.frombuffer(src, "<u2").astype(np.uint16)
    return _encode_native(src, lossy_error, interleave_mode, rows, columns, samples_per_pixel, bits_stored)


def _encode_native(
    src: _Buffer,
    lossy_error: int,
    interleave_mode: int,
    rows: int,
    columns: int,
    samples_per_pixel: int,
    bits_stored: int,
) -> bytearray:
    _LOGGER.debug(
        "Encoding %s rows, %s columns, %s component(s) of %s bits, NEAR %s, interleave mode %s",
        rows,
        columns,
        samples_per_pixel,
        bits_stored,
        lossy_error,
        interleave_mode,
    )
    with _runtime_errors("Encoding"):
        if samples_per_pixel > 255:
            raise ParameterError(f"component_count: {samples_per_pixel}", _INVALID_COMPONENT_COUNT)
        return bytearray(
            _codec.encode(
                src,
                width=columns,
                height=rows,
                component_count=samples_per_pixel,
                bits_per_sample=max(bits_stored, 2),  # JPEG-LS begins there
                near_lossless=lossy_error,
                interleave_mode=cast("InterleaveMode", interleave_mode),
            )
        )


# --- jpeg_ls.data_io --------------------------------------------------------------------------------------------------


def _read_picture(fp: _Path) -> NDArray[Any]:
    """Read a picture of any format that Pillow knows."""
    with importlib.import_module("PIL.Image").open(fp) as picture:
        return np.asarray(picture)


def _write_picture(fp: _Path | BinaryIO, data: NDArray[Any], fmt: str | None = None, **kwargs: Any) -> None:
    """Write a picture with Pillow, by default in the format of the file name extension."""
    importlib.import_module("PIL.Image").fromarray(data).save(fp, format=fmt, **kwargs)


# --- The modules ------------------------------------------------------------------------------------------------------


def _make_modules() -> dict[str, ModuleType]:
    """Make the modules of pyjpegls, the package after its parts: when it is in sys.modules, they all are."""
    public: dict[str, object] = {
        function.__name__: function
        for function in (
            decode,
            decode_buffer,
            decode_pixel_data,
            encode,
            encode_array,
            encode_buffer,
            encode_pixel_data,
            jlsread,
            jlswrite,
            read,
            write,
        )
    }
    low_level = _module(
        "_CharLS",
        {
            "LOGGER": _LOGGER,
            "_decode": decode_from_buffer,
            "_encode": _encode,
            "decode": _decode_vector,
            "decode_from_buffer": decode_from_buffer,
            "read_header": read_header,
        },
    )
    parts = [
        _module("jpeg_ls.CharLS", public | {"JLSSourceType": JLSSourceType, "_CharLS": low_level}),
        _module("jpeg_ls.data_io", {"read": _read_picture, "write": _write_picture}),
    ]
    package = _module(
        "jpeg_ls",
        public
        | {part.__name__.rpartition(".")[2]: part for part in parts}
        | {
            # pydicom compares it and takes nothing but numbers; ours come after those of pyjpegls.
            "__version__": ".".join([_PYJPEGLS_VERSION, *re.findall(r"\d+", _codec.__version__)]),
            "debug_logger": debug_logger,
            "decode_from_buffer": decode_from_buffer,
        },
        is_package=True,
    )
    return {module.__name__: module for module in (low_level, *parts, package)}


def _module(name: str, names: dict[str, object], *, is_package: bool = False) -> ModuleType:
    module = ModuleType(name, "The API of pyjpegls on top of dicom_jpegls; see dicom_jpegls.compat.pyjpegls.")
    # With a specification, importlib.util.find_spec finds the module; with an empty path, no submodule of an installed
    # jpeg_ls is found below it.
    module.__spec__ = ModuleSpec(name, None, origin=__file__, is_package=is_package)
    module.__package__ = module.__spec__.parent
    module.__file__ = __file__
    if is_package:
        module.__path__ = []
    vars(module).update(names)
    return module


def _connect_pydicom(package: ModuleType) -> None:
    """Redirect the modules of pydicom that have been imported and looked for ``jpeg_ls`` then."""
    handler = sys.modules.get("pydicom.pixel_data_handlers.jpeg_ls_handler")
    if handler is not None:
        vars(handler).update(jpeg_ls=package, HAVE_JPEGLS=True)
    for kind in ("Decoder", "Encoder"):
        plugins = f"pydicom.pixels.{kind.lower()}s"
        plugin = sys.modules.get(f"{plugins}.pyjpegls")
        if plugin is None:
            continue
        vars(plugin).update(jpeg_ls=package)
        for name in (f"JPEGLSLossless{kind}", f"JPEGLSNearLossless{kind}"):
            coder = getattr(sys.modules.get(f"{plugins}.base"), name, None)
            if coder is None or "pyjpegls" in coder.available_plugins:
                continue
            # pydicom checked the availability when it added the plugin: make it check again.
            try:
                coder.remove_plugin("pyjpegls")
            except ValueError:
                continue  # the user has removed it
            coder.add_plugin("pyjpegls", (plugin.__name__, f"_{kind.lower()[:-2]}e_frame"))
