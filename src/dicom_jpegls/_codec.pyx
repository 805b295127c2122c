# cython: language_level=3, cdivision=True, binding=True, auto_pickle=False, autotestdict=False, embedsignature=False
# cython: freethreading_compatible=True
# distutils: language=c++
"""The only module that touches pointers or CharLS. Knows buffers, no arrays and no DICOM.

Every function that takes a buffer goes through `_Region`, every stream through `inspect` of
native/stream before CharLS sees it, and every CharLS error code through `_CHARLS_ERRORS`.
"""
cimport cython
from cpython.buffer cimport (
    PyBUF_FORMAT,
    PyBUF_STRIDES,
    PyBUF_WRITABLE,
    PyBuffer_Release,
    PyObject_CheckBuffer,
    PyObject_GetBuffer,
)
from cpython.bytearray cimport PyByteArray_FromStringAndSize
from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.long cimport PyLong_AsLongLongAndOverflow
from cpython.pycapsule cimport PyCapsule_New
from libc.stddef cimport size_t
from libc.stdint cimport INT64_MAX, SIZE_MAX, UINT32_MAX, int32_t, int64_t, uint8_t, uint32_t, uint64_t, uintptr_t
from libc.stdlib cimport calloc, free, malloc, realloc
from libc.string cimport memcpy, memset
from libcpp cimport bool as cbool
from libcpp.vector cimport vector

from dicom_jpegls cimport stream
from dicom_jpegls.charls cimport *

import operator
import sys
import warnings

from dicom_jpegls.errors import (
    BufferTooSmallError,
    InvalidStreamError,
    JPEGLSError,
    ParameterError,
    StreamError,
    UnpatchedCharLSWarning,
    UnsupportedStreamError,
)
from dicom_jpegls.parallel import map_all, worker_count
from dicom_jpegls.parameters import (
    ColorTransformation,
    InterleaveMode,
    PresetCodingParameters,
    SpiffColorSpace,
    SpiffCompressionType,
    SpiffHeader,
    SpiffProfileId,
    SpiffResolutionUnits,
    StreamInfo,
)


# What is in the header for the functions that this module fills in.
cdef extern from "dicom_jpegls/dicom_jpegls.h" nogil:
    const char* DICOM_JPEGLS_CAPSULE

    ctypedef struct dicom_jpegls_api:
        uint32_t abi_version
        uint32_t api_size
        uint32_t stream_info_size
        uint32_t encoding_parameters_size
        int (*read_info)(const uint8_t*, size_t, dicom_jpegls_stream_info*) noexcept
        int (*decode)(const uint8_t*, size_t, uint8_t*, size_t, size_t, dicom_jpegls_stream_info*) noexcept
        int (*encode)(
            const uint8_t*, size_t, size_t, const dicom_jpegls_frame_info*, const dicom_jpegls_encoding_parameters*,
            uint8_t*, size_t, size_t*) noexcept
        int (*max_encoded_size)(const dicom_jpegls_frame_info*, uint64_t*) noexcept
        const char* (*error_text)(int) noexcept
        const char* (*version)() noexcept


cdef extern from *:
    """
    static_assert(DICOM_JPEGLS_SUCCESS == int(charls::impl::CHARLS_JPEGLS_ERRC_SUCCESS) &&
                  DICOM_JPEGLS_DESTINATION_TOO_SMALL ==
                      int(charls::impl::CHARLS_JPEGLS_ERRC_DESTINATION_BUFFER_TOO_SMALL) &&
                  DICOM_JPEGLS_NOT_ENOUGH_MEMORY == int(charls::impl::CHARLS_JPEGLS_ERRC_NOT_ENOUGH_MEMORY) &&
                  DICOM_JPEGLS_FIRST_STREAM_FAULT == dicom_jpegls::first_fault_code,
                  "the header's codes are CharLS's and those of native/stream");
    """


cdef extern from "build_info.h":
    const char* DICOM_JPEGLS_VERSION
    const char* DICOM_JPEGLS_CHARLS_SOURCE
    const char* DICOM_JPEGLS_CHARLS_PATCHES

cdef extern from "scan/scan_codecs.hpp" namespace "dicom_jpegls" nogil:
    cbool has_scan_codecs
    cbool use_scan_codecs(cbool use)


__version__ = DICOM_JPEGLS_VERSION.decode()

# What a stream may ask for unless the caller says otherwise.
DEFAULT_MAX_DIMENSION = stream.default_maximum_dimension
DEFAULT_MAX_SAMPLES = stream.default_maximum_samples


def charls_build():
    """Tell which CharLS this package was built with.

    Returns
    -------
    dict
        ``version``: CharLS's own; ``source``: where its code came from, one of path, submodule, index and
        system (an installed library, which has none of the patches that make damaged pixel data harmless);
        ``patches``: names of the patches applied to it, in order; ``fast_scan``: whether this package's own
        scan codecs are in it.

    Examples
    --------
    >>> import dicom_jpegls as jls
    >>> jls.charls_build()["source"] in ("path", "submodule", "index", "system")
    True
    """
    cdef str patches = DICOM_JPEGLS_CHARLS_PATCHES.decode()
    return {
        "version": charls_get_version_string().decode(),
        "source": DICOM_JPEGLS_CHARLS_SOURCE.decode(),
        "patches": patches.split(";") if patches else [],
        "fast_scan": has_scan_codecs,
    }


def _use_scan_codecs(cbool use):
    """Switch the scan codecs of this package on or off for the whole process, to compare them with CharLS's.

    Returns whether they were on.
    """
    return use_scan_codecs(use)


if charls_build()["source"] == "system":
    warnings.warn(
        f"dicom_jpegls is linked to an unpatched CharLS {charls_build()['version']}: streams are checked all the same, "
        "but damaged pixel data may crash it or keep it busy for ever; a build of this package's own has no such fault",
        UnpatchedCharLSWarning)


# --- Errors -----------------------------------------------------------------------------------------------------------

# CharLS's error codes and whose fault they are: the stream's, the caller's, or nobody's that we know of.
_CHARLS_ERRORS = {
    CHARLS_JPEGLS_ERRC_INVALID_ARGUMENT: ParameterError,
    CHARLS_JPEGLS_ERRC_PARAMETER_VALUE_NOT_SUPPORTED: UnsupportedStreamError,
    CHARLS_JPEGLS_ERRC_DESTINATION_BUFFER_TOO_SMALL: BufferTooSmallError,
    CHARLS_JPEGLS_ERRC_SOURCE_BUFFER_TOO_SMALL: InvalidStreamError,
    CHARLS_JPEGLS_ERRC_INVALID_ENCODED_DATA: InvalidStreamError,
    CHARLS_JPEGLS_ERRC_TOO_MUCH_ENCODED_DATA: InvalidStreamError,
    CHARLS_JPEGLS_ERRC_INVALID_OPERATION: JPEGLSError,
    CHARLS_JPEGLS_ERRC_BIT_DEPTH_FOR_TRANSFORM_NOT_SUPPORTED: UnsupportedStreamError,
    CHARLS_JPEGLS_ERRC_COLOR_TRANSFORM_NOT_SUPPORTED: UnsupportedStreamError,
    CHARLS_JPEGLS_ERRC_ENCODING_NOT_SUPPORTED: UnsupportedStreamError,
    CHARLS_JPEGLS_ERRC_UNKNOWN_JPEG_MARKER_FOUND: InvalidStreamError,
    CHARLS_JPEGLS_ERRC_JPEG_MARKER_START_BYTE_NOT_FOUND: InvalidStreamError,
    CHARLS_JPEGLS_ERRC_NOT_ENOUGH_MEMORY: MemoryError,
    CHARLS_JPEGLS_ERRC_UNEXPECTED_FAILURE: JPEGLSError,
    CHARLS_JPEGLS_ERRC_START_OF_IMAGE_MARKER_NOT_FOUND: InvalidStreamError,
    CHARLS_JPEGLS_ERRC_UNEXPECTED_MARKER_FOUND: InvalidStreamError,
    CHARLS_JPEGLS_ERRC_INVALID_MARKER_SEGMENT_SIZE: InvalidStreamError,
    CHARLS_JPEGLS_ERRC_DUPLICATE_START_OF_IMAGE_MARKER: InvalidStreamError,
    CHARLS_JPEGLS_ERRC_DUPLICATE_START_OF_FRAME_MARKER: InvalidStreamError,
    CHARLS_JPEGLS_ERRC_DUPLICATE_COMPONENT_ID_IN_SOF_SEGMENT: InvalidStreamError,
    CHARLS_JPEGLS_ERRC_UNEXPECTED_END_OF_IMAGE_MARKER: InvalidStreamError,
    CHARLS_JPEGLS_ERRC_INVALID_JPEGLS_PRESET_PARAMETER_TYPE: InvalidStreamError,
    CHARLS_JPEGLS_ERRC_JPEGLS_PRESET_EXTENDED_PARAMETER_TYPE_NOT_SUPPORTED: UnsupportedStreamError,
    CHARLS_JPEGLS_ERRC_MISSING_END_OF_SPIFF_DIRECTORY: InvalidStreamError,
    CHARLS_JPEGLS_ERRC_UNEXPECTED_RESTART_MARKER: InvalidStreamError,
    CHARLS_JPEGLS_ERRC_RESTART_MARKER_NOT_FOUND: InvalidStreamError,
    CHARLS_JPEGLS_ERRC_CALLBACK_FAILED: JPEGLSError,
    CHARLS_JPEGLS_ERRC_END_OF_IMAGE_MARKER_NOT_FOUND: InvalidStreamError,
    CHARLS_JPEGLS_ERRC_INVALID_SPIFF_HEADER: InvalidStreamError,
    CHARLS_JPEGLS_ERRC_INVALID_ARGUMENT_WIDTH: ParameterError,
    CHARLS_JPEGLS_ERRC_INVALID_ARGUMENT_HEIGHT: ParameterError,
    CHARLS_JPEGLS_ERRC_INVALID_ARGUMENT_COMPONENT_COUNT: ParameterError,
    CHARLS_JPEGLS_ERRC_INVALID_ARGUMENT_BITS_PER_SAMPLE: ParameterError,
    CHARLS_JPEGLS_ERRC_INVALID_ARGUMENT_INTERLEAVE_MODE: ParameterError,
    CHARLS_JPEGLS_ERRC_INVALID_ARGUMENT_NEAR_LOSSLESS: ParameterError,
    CHARLS_JPEGLS_ERRC_INVALID_ARGUMENT_JPEGLS_PC_PARAMETERS: ParameterError,
    CHARLS_JPEGLS_ERRC_INVALID_ARGUMENT_SIZE: ParameterError,
    CHARLS_JPEGLS_ERRC_INVALID_ARGUMENT_COLOR_TRANSFORMATION: ParameterError,
    CHARLS_JPEGLS_ERRC_INVALID_ARGUMENT_STRIDE: ParameterError,
    CHARLS_JPEGLS_ERRC_INVALID_ARGUMENT_ENCODING_OPTIONS: ParameterError,
    CHARLS_JPEGLS_ERRC_INVALID_PARAMETER_WIDTH: InvalidStreamError,
    CHARLS_JPEGLS_ERRC_INVALID_PARAMETER_HEIGHT: InvalidStreamError,
    CHARLS_JPEGLS_ERRC_INVALID_PARAMETER_COMPONENT_COUNT: InvalidStreamError,
    CHARLS_JPEGLS_ERRC_INVALID_PARAMETER_BITS_PER_SAMPLE: InvalidStreamError,
    CHARLS_JPEGLS_ERRC_INVALID_PARAMETER_INTERLEAVE_MODE: InvalidStreamError,
    CHARLS_JPEGLS_ERRC_INVALID_PARAMETER_NEAR_LOSSLESS: InvalidStreamError,
    CHARLS_JPEGLS_ERRC_INVALID_PARAMETER_JPEGLS_PRESET_PARAMETERS: InvalidStreamError,
}


def _charls_error_message(int code):
    """CharLS's own sentence for one of its codes; "Unknown" for a number that is none."""
    return charls_get_error_message(<charls_jpegls_errc>code).decode()


def _error(int code):
    """The exception for an error code of CharLS, or for one of this package's stream checks."""
    cdef const stream.fault_description* description = stream.describe(code)
    if description:
        return InvalidStreamError(description.text.decode(), code)
    error = _CHARLS_ERRORS.get(code, JPEGLSError)
    message = f"CharLS: {_charls_error_message(code)} (code {code})"
    return MemoryError(message) if error is MemoryError else error(message, code)


cdef object _inspection_error(const stream.inspection_error& at):
    """The exception for a stream that `inspect` refused."""
    cdef const stream.fault_description* description = stream.describe(<int>at.code)
    marker = 0xFF00 | at.marker if at.marker else None
    message = description.text.decode()
    if at.value >= 0:
        message += f": found {at.value}"
    message += f" (at byte {at.offset}"
    if marker is not None:
        message += f", marker {marker:04X}"
    message += ")"
    error = UnsupportedStreamError if description.kind == stream.fault_kind_unsupported else InvalidStreamError
    return error(message, <int>at.code, at.offset, marker)


def _stream_faults():
    """Number, name and text of every check that `inspect` makes, for the tests and the documentation."""
    faults = []
    cdef int code = stream.first_fault_code
    cdef const stream.fault_description* description = stream.describe(code)
    while description:
        faults.append((code, description.name.decode(), description.text.decode()))
        code += 1
        description = stream.describe(code)
    return faults


# --- Buffers ----------------------------------------------------------------------------------------------------------

@cython.final
@cython.internal
cdef class _Region:
    """The one gate for buffers: rows of bytes at a constant distance, held until this object goes.

    `size` counts the bytes from the first to the last, gaps included; `row_stride` is the distance
    of rows of `row_size` bytes where the buffer has gaps between them, otherwise 0.
    """
    cdef Py_buffer view
    cdef bint held
    cdef str name
    cdef uint8_t* data
    cdef size_t size
    cdef size_t row_stride
    cdef size_t row_size
    cdef Py_ssize_t itemsize

    cdef int open(self, str name, object source, bint writable) except -1:
        self.name = name
        if not PyObject_CheckBuffer(source):
            raise TypeError(f"{name}: an object with the buffer protocol is needed, not {type(source).__name__}")
        try:
            # Up to Python 3.13 the built-in types do not count their buffers' holders safely without the GIL.
            with cython.critical_section(source):
                PyObject_GetBuffer(
                    source, &self.view, PyBUF_STRIDES | PyBUF_FORMAT | (PyBUF_WRITABLE if writable else 0))
        except (BufferError, ValueError) as error:
            kind = "writable buffer of rows" if writable else "buffer of rows"
            raise ParameterError(f"{name}: a {kind} is needed: {error}") from error
        self.held = <void*>self.view.obj != NULL  # otherwise nothing needs to be given back
        self.itemsize = self.view.itemsize
        self.data = <uint8_t*>self.view.buf
        self._check_items()
        self._measure()
        return 0

    def __dealloc__(self):
        if self.held:
            with cython.critical_section(self.view.obj):
                PyBuffer_Release(&self.view)

    cdef int _check_items(self) except -1:
        if self.itemsize == 1:
            return 0
        if self.itemsize != 2:
            raise ParameterError(f"{self.name}: items of 1 or 2 bytes are needed, found {self.itemsize}")
        order = self.view.format[:1] if self.view.format != NULL else b"@"
        if order in b">!" if sys.byteorder == "little" else order == b"<":
            raise ParameterError(
                f"{self.name}: 16-bit samples must be in native byte order, found format "
                f"{self.view.format.decode()!r}: swap them first")
        return 0

    cdef int _measure(self) except -1:
        cdef Py_ssize_t packed = self.itemsize
        cdef int axis = self.view.ndim - 1
        cdef int outer
        self.size = <size_t>self.view.len
        self.row_stride = 0
        if self.view.len == 0 or self.view.strides == NULL:
            return 0
        # The innermost axes that follow each other without gaps make a row.
        while axis >= 0 and (self.view.shape[axis] == 1 or self.view.strides[axis] == packed):
            packed *= self.view.shape[axis]
            axis -= 1
        if axis < 0:
            return 0
        # The axes outside must go on at the same distance.
        cdef Py_ssize_t stride = self.view.strides[axis]
        cdef Py_ssize_t rows = self.view.shape[axis]
        for outer in range(axis - 1, -1, -1):
            if self.view.shape[outer] == 1:
                continue
            if self.view.strides[outer] != stride * rows:
                stride = -1
                break
            rows *= self.view.shape[outer]
        if stride < packed:
            raise ParameterError(
                f"{self.name}: rows of bytes at one positive distance are needed, found shape "
                f"{[self.view.shape[i] for i in range(self.view.ndim)]} with strides "
                f"{[self.view.strides[i] for i in range(self.view.ndim)]}: copy it first")
        self.row_stride = <size_t>stride
        self.row_size = <size_t>packed
        self.size = <size_t>((rows - 1) * stride + packed)
        return 0


cdef _Region _open(str name, object source, bint writable):
    cdef _Region region = _Region.__new__(_Region)
    region.open(name, source, writable)
    return region


cdef struct Layout:
    uint64_t row      # bytes of a line of samples: of all components, or of one when they are coded by plane
    uint64_t rows     # lines, those of all planes together
    uint64_t stride   # bytes from the start of a line to that of the next
    uint64_t size     # bytes from the first to the last sample


cdef int _fit(
    Layout* layout, const dicom_jpegls_frame_info* frame, int32_t interleave_mode, uint64_t stride, uint64_t available,
    int too_small,
) noexcept nogil:
    """Lays out uncompressed samples with a stride, 0 for none of the caller's; `too_small` is the code if the bytes
    available do not hold them. Fills `layout` in any case."""
    cdef int bytes_per_sample = 1 if frame.bits_per_sample <= 8 else 2
    cdef bint planes = interleave_mode == stream.interleave_none
    layout.row = <uint64_t>frame.width * bytes_per_sample * (1 if planes else frame.component_count)
    layout.rows = <uint64_t>frame.height * (frame.component_count if planes else 1)
    layout.stride = stride if stride else layout.row
    layout.size = 0
    if layout.stride < layout.row or layout.stride > UINT32_MAX:
        return DICOM_JPEGLS_STRIDE_TOO_SMALL
    if layout.stride % bytes_per_sample:
        return DICOM_JPEGLS_STRIDE_ODD
    layout.size = (layout.rows - 1) * layout.stride + layout.row
    return too_small if layout.size > available else DICOM_JPEGLS_SUCCESS


cdef int _lay_out(
    Layout* layout, uint32_t width, uint32_t height, int32_t component_count, int32_t bits_per_sample,
    int32_t interleave_mode, _Region region, object stride,
) except -1:
    """Fits uncompressed samples of the given shape into a region's rows."""
    cdef dicom_jpegls_frame_info frame = dicom_jpegls_frame_info(width, height, bits_per_sample, component_count)
    cdef int bytes_per_sample = 1 if bits_per_sample <= 8 else 2
    cdef uint64_t chosen = _integer("stride", stride, 0, UINT32_MAX)
    cdef int code
    if region.itemsize > bytes_per_sample:
        raise ParameterError(
            f"{region.name}: samples of {bits_per_sample} bits take 1 byte each, found items of "
            f"{region.itemsize} bytes")
    if region.row_stride:
        if chosen and chosen != region.row_stride:
            raise ParameterError(
                f"stride: {chosen} is not the distance of the rows in {region.name}, {region.row_stride} bytes")
        chosen = region.row_stride
    code = _fit(layout, &frame, interleave_mode, chosen, region.size, DICOM_JPEGLS_DESTINATION_TOO_SMALL)
    if region.row_stride and layout.row > region.row_size:
        raise ParameterError(
            f"{region.name}: rows of {region.row_size} bytes; a line of {width} samples takes {layout.row} bytes")
    if code == DICOM_JPEGLS_STRIDE_TOO_SMALL:
        raise ParameterError(
            f"stride: {layout.stride} bytes; a line of {width} samples takes {layout.row} bytes, and the limit is "
            f"{UINT32_MAX}", code)
    if code == DICOM_JPEGLS_STRIDE_ODD:
        raise ParameterError(
            f"stride: {layout.stride} bytes; it must be even for samples of {bits_per_sample} bits", code)
    if code != DICOM_JPEGLS_SUCCESS:
        message = (f"{region.name}: {region.size} bytes; {height} lines of {width} samples, {component_count} "
                   f"component(s), {bytes_per_sample} byte(s) each, stride {layout.stride} need {layout.size} bytes")
        if region.name == "dst":
            raise BufferTooSmallError(message)
        raise ParameterError(message, DICOM_JPEGLS_SOURCE_TOO_SMALL)
    return 0


cdef bint _misaligned(const uint8_t* data, int32_t bits_per_sample) noexcept nogil:
    # CharLS reads and writes 16-bit samples as such.
    return bits_per_sample > 8 and <uintptr_t>data % 2 != 0


cdef bint _overlap(const uint8_t* first, size_t first_size, const uint8_t* second, size_t second_size) noexcept nogil:
    return <uintptr_t>first < <uintptr_t>second + second_size and <uintptr_t>second < <uintptr_t>first + first_size


cdef int _check_overlap(_Region src, _Region dst) except -1:
    if _overlap(src.data, src.size, dst.data, dst.size):
        raise ParameterError("dst: it shares memory with src", DICOM_JPEGLS_OVERLAP)
    return 0


cdef void* _allocate(size_t size) except NULL:
    cdef void* memory = malloc(size if size else 1)
    if memory == NULL:
        raise MemoryError(f"{size} bytes")
    return memory


# --- Arguments --------------------------------------------------------------------------------------------------------

cdef struct Range:
    int64_t lowest
    int64_t highest


# What may be encoded. Constants, although C has no way to say so here.
cdef Range _DIMENSION = Range(1, stream.default_maximum_dimension)
cdef Range _COMPONENT_COUNT = Range(1, 255)
cdef Range _BITS_PER_SAMPLE = Range(2, 16)
cdef Range _INTERLEAVE_MODE = Range(stream.interleave_none, stream.interleave_sample)
cdef Range _COLOR_TRANSFORMATION = Range(0, 3)
cdef Range _PRESET = Range(0, 65535)
cdef Range _RESTART_INTERVAL = Range(1, 65535)

# What a strip has with restart_interval="auto" at least: costs 0.3 % or less of a stream's size.
cdef enum:
    _SAMPLES_PER_STRIP = 1 << 18


cdef Range _near_lossless_range(int32_t bits_per_sample) noexcept nogil:
    return Range(0, stream.maximum_near_lossless(bits_per_sample))


cdef bint _within(int64_t value, Range allowed) noexcept nogil:
    return allowed.lowest <= value <= allowed.highest


cdef int64_t _ranged(str name, object value, Range allowed) except? -1:
    return _integer(name, value, allowed.lowest, allowed.highest)


cdef int64_t _integer(str name, object value, int64_t lowest, int64_t highest) except? -1:
    """An argument as a whole number in a range."""
    cdef int overflow = 0
    cdef int64_t small
    if isinstance(value, int):  # saves a call in Python
        small = PyLong_AsLongLongAndOverflow(value, &overflow)
        if not overflow and lowest <= small <= highest:
            return small
    try:
        number = operator.index(value)
    except TypeError:
        raise ParameterError(f"{name}: a whole number is needed, found {value!r}") from None
    if number < lowest or number > highest:
        raise ParameterError(f"{name}: {number} is not in the range {lowest} to {highest}")
    return number


cdef bint _is_empty(object values) noexcept:
    return isinstance(values, tuple) and len(<tuple>values) == 0


cdef tuple _tuple(str name, object values):
    """An argument that holds several values."""
    try:
        return tuple(values)
    except TypeError:
        raise ParameterError(f"{name}: several values are needed, found {values!r}") from None


# --- Decoding ---------------------------------------------------------------------------------------------------------

cdef int _charls_decode(
    const uint8_t* source, size_t source_size, const stream.stream_info* expected, uint8_t* destination,
    size_t destination_size, uint32_t stride,
) noexcept nogil:
    """Decodes a sound stream. `expected` is what was found in a source that others may change meanwhile, or NULL."""
    cdef charls_jpegls_decoder* decoder = charls_jpegls_decoder_create()
    cdef int code
    if decoder == NULL:
        return CHARLS_JPEGLS_ERRC_NOT_ENOUGH_MEMORY
    code = <int>charls_jpegls_decoder_set_source_buffer(decoder, source, source_size)
    if code == CHARLS_JPEGLS_ERRC_SUCCESS:
        code = <int>charls_jpegls_decoder_read_header(decoder)
    if code == CHARLS_JPEGLS_ERRC_SUCCESS and expected != NULL and not _has_read(decoder, expected[0]):
        code = <int>stream.fault_changed
    if code == CHARLS_JPEGLS_ERRC_SUCCESS:
        code = <int>charls_jpegls_decoder_decode_to_buffer(decoder, destination, destination_size, stride)
    charls_jpegls_decoder_destroy(decoder)
    return code


cdef bint _has_read(charls_jpegls_decoder* decoder, const stream.stream_info& expected) noexcept nogil:
    """Whether CharLS has read the header that was inspected: all that the safety of decoding hangs on."""
    cdef charls_frame_info frame
    cdef charls_jpegls_pc_parameters read
    cdef stream.preset_coding_parameters presets
    cdef stream.completed_presets completed
    cdef charls_interleave_mode mode
    cdef int32_t near_lossless
    if (<int>charls_jpegls_decoder_get_frame_info(decoder, &frame) != CHARLS_JPEGLS_ERRC_SUCCESS
            or <int>charls_jpegls_decoder_get_near_lossless(decoder, 0, &near_lossless) != CHARLS_JPEGLS_ERRC_SUCCESS
            or <int>charls_jpegls_decoder_get_interleave_mode(decoder, &mode) != CHARLS_JPEGLS_ERRC_SUCCESS
            or <int>charls_jpegls_decoder_get_preset_coding_parameters(decoder, 0, &read)
            != CHARLS_JPEGLS_ERRC_SUCCESS):
        return False
    presets.maximum_sample_value, presets.reset_value = read.maximum_sample_value, read.reset_value
    presets.threshold1, presets.threshold2, presets.threshold3 = read.threshold1, read.threshold2, read.threshold3
    completed = stream.complete_presets(
        presets, frame.bits_per_sample, near_lossless, <int32_t>mode == stream.interleave_sample)
    return (
        frame.width == expected.width and frame.height == expected.height
        and frame.bits_per_sample == expected.bits_per_sample and frame.component_count == expected.component_count
        and near_lossless == expected.near_lossless and <int32_t>mode == expected.interleave_mode
        and completed.error == stream.fault_none)


cdef int _decode_piece(
    const uint8_t* source, const stream.stream_info& info, const stream.piece& part, uint32_t line_count,
    uint8_t* destination, const Layout& layout,
) noexcept nogil:
    """Decodes the first lines of a piece to their place in the image. The code of those of a longer piece may say that
    data is left."""
    cdef size_t first = part.first_line
    cdef size_t size = (<size_t>line_count - 1) * layout.stride + layout.row
    cdef stream.byte_span whole = stream.byte_span(source, info.size)
    cdef uint8_t* alone = <uint8_t*>malloc(stream.piece_stream_size_limit(part))
    cdef size_t alone_size
    cdef stream.piece shorter
    cdef int code
    if alone == NULL:
        return CHARLS_JPEGLS_ERRC_NOT_ENOUGH_MEMORY
    if info.interleave_mode == stream.interleave_none:
        first += <size_t>part.first_component * info.height
    destination += first * layout.stride
    alone_size = stream.write_piece(whole, info, part, line_count, alone)
    code = _charls_decode(alone, alone_size, NULL, destination, size, <uint32_t>layout.stride)
    if line_count == part.line_count and _found_data_left(code) and part.end - part.begin > 1 and (
            source[part.end - 1] == 0 and source[part.end - 2] != 0xFF):
        shorter = part
        shorter.end -= 1
        alone_size = stream.write_piece(whole, info, shorter, line_count, alone)
        code = _charls_decode(alone, alone_size, NULL, destination, size, <uint32_t>layout.stride)
    free(alone)
    return code


cdef bint _found_data_left(int code) noexcept nogil:
    # What CharLS says once all lines are decoded and data is left: zeros, always or depending on where they stand, or
    # more, that with an FF at that place.
    return (code == CHARLS_JPEGLS_ERRC_JPEG_MARKER_START_BYTE_NOT_FOUND
            or code == CHARLS_JPEGLS_ERRC_TOO_MUCH_ENCODED_DATA
            or code == CHARLS_JPEGLS_ERRC_END_OF_IMAGE_MARKER_NOT_FOUND)


cdef uint32_t _count_good_lines(
    const uint8_t* source, const stream.stream_info& info, const stream.piece& part, uint8_t* destination,
    const Layout& layout, int* code,
) noexcept nogil:
    """Decodes as many lines of a piece as possible. `code` says why not all; then one line more may be changed."""
    cdef uint32_t good = 0
    cdef uint32_t bad = part.line_count
    cdef uint32_t middle
    cdef int middle_code
    code[0] = _decode_piece(source, info, part, part.line_count, destination, layout)
    if code[0] == CHARLS_JPEGLS_ERRC_SUCCESS or _found_data_left(code[0]):
        return part.line_count
    # CharLS does not tell how far it came: find the greatest height for which it does not fail before the end.
    while bad - good > 1:
        middle = good + (bad - good) // 2
        middle_code = _decode_piece(source, info, part, middle, destination, layout)
        if middle_code == CHARLS_JPEGLS_ERRC_SUCCESS or _found_data_left(middle_code):
            good = middle
        else:
            bad = middle
    return good


cdef extern from *:
    """
    #include <new>

    // The pieces of an inspected stream; returns a code.
    static int list_pieces(const std::uint8_t* source, std::size_t source_size, const dicom_jpegls::limits& limits,
                           const dicom_jpegls::stream_info& expected, bool damaged, std::uint32_t minimum_lines,
                           std::vector<dicom_jpegls::piece>& pieces) noexcept
    {
        try
        {
            const dicom_jpegls::byte_span stream{source, source_size};
            dicom_jpegls::piece_list found{damaged ? dicom_jpegls::salvage(stream, limits, minimum_lines)
                                                   : dicom_jpegls::inspect_pieces(stream, limits, minimum_lines)};
            const dicom_jpegls::stream_info& info{found.info};
            if (found.pieces.empty() || info.width != expected.width || info.height != expected.height ||
                info.bits_per_sample != expected.bits_per_sample ||
                info.component_count != expected.component_count || info.interleave_mode != expected.interleave_mode)
                return static_cast<int>(dicom_jpegls::fault::changed);
            pieces.swap(found.pieces);
            return DICOM_JPEGLS_SUCCESS;
        }
        catch (const std::bad_alloc&)
        {
            return DICOM_JPEGLS_NOT_ENOUGH_MEMORY;
        }
    }
    """
    int list_pieces(
        const uint8_t* source, size_t source_size, const stream.limits& limits, const stream.stream_info& expected,
        bint damaged, uint32_t minimum_lines, vector[stream.piece]& pieces) noexcept nogil


cdef int _decode_scans(
    const uint8_t* source, size_t source_size, const stream.limits& limits, const stream.stream_info& info,
    uint8_t* destination, const Layout& layout,
) noexcept nogil:
    """Decodes scan by scan, each as a stream in memory of our own, whose scan header nobody can change."""
    cdef vector[stream.piece] pieces
    cdef size_t i
    cdef int code = list_pieces(source, source_size, limits, info, False, UINT32_MAX, pieces)
    if code != DICOM_JPEGLS_SUCCESS:
        return code
    for i in range(pieces.size()):
        code = _decode_piece(source, info, pieces[i], pieces[i].line_count, destination, layout)
        if code != DICOM_JPEGLS_SUCCESS:
            break
    return code


cdef int _decode_image(
    const uint8_t* source, size_t source_size, const stream.limits& limits, const stream.stream_info& info,
    uint8_t* destination, const Layout& layout,
) noexcept nogil:
    """Decodes an inspected stream into memory that has been checked and aligned; returns a code."""
    cdef int code
    if info.component_count > 1 and info.interleave_mode == stream.interleave_none:
        return _decode_scans(source, source_size, limits, info, destination, layout)
    # One scan, as it lies in the source.
    code = _charls_decode(source, info.size, &info, destination, <size_t>layout.size, <uint32_t>layout.stride)
    if info.zero_before_end != 0 and _found_data_left(code):
        code = _decode_scans(source, source_size, limits, info, destination, layout)
    return code


# Where samples go. `data` is what CharLS writes to: the caller's memory, or our own if that has an odd address.
cdef struct Place:
    uint8_t* destination
    Layout destination_layout
    uint8_t* data
    Layout layout


cdef int _align(Place* place, uint8_t* destination, const Layout& layout, int32_t bits_per_sample) noexcept nogil:
    """Returns a code; if that is success, the caller releases the place."""
    place.destination = place.data = destination
    place.destination_layout = place.layout = layout
    if _misaligned(destination, bits_per_sample):
        place.layout.stride = layout.row
        place.layout.size = layout.row * layout.rows
        place.data = <uint8_t*>malloc(<size_t>place.layout.size)
        if place.data == NULL:
            return DICOM_JPEGLS_NOT_ENOUGH_MEMORY
    return DICOM_JPEGLS_SUCCESS


cdef void _deliver(const Place& place) noexcept nogil:
    """Moves the samples to where the caller wants them."""
    cdef uint64_t i
    if place.data != place.destination:
        for i in range(place.layout.rows):
            memcpy(place.destination + i * place.destination_layout.stride, place.data + i * place.layout.stride,
                   <size_t>place.layout.row)


cdef void _release(const Place& place) noexcept nogil:
    if place.data != place.destination:
        free(place.data)


cdef object _new_tuple = tuple.__new__  # a named tuple without its constructor, which runs in Python
cdef tuple _INTERLEAVE_MODES = tuple(InterleaveMode)
cdef tuple _COLOR_TRANSFORMATIONS = tuple(ColorTransformation)


cdef uint64_t _decoded_size(const stream.stream_info& info) noexcept nogil:
    # 65535 * 65535 * 255 * 2 fits 64 bits.
    return <uint64_t>info.width * info.height * info.component_count * (1 if info.bits_per_sample <= 8 else 2)


cdef object _member(object enumeration, int32_t value):
    try:
        return enumeration(value)
    except ValueError:
        return value


cdef object _spiff_record(const stream.spiff_header& header):
    return SpiffHeader(
        _member(SpiffColorSpace, header.color_space),
        _member(SpiffResolutionUnits, header.resolution_units),
        header.vertical_resolution,
        header.horizontal_resolution,
        _member(SpiffProfileId, header.profile_id),
        _member(SpiffCompressionType, header.compression_type),
        header.width,
        header.height,
        header.component_count,
        header.bits_per_sample,
    )


cdef class Stream


@cython.final
@cython.internal
cdef class _Target:
    """Where the samples of a stream go: a place in a buffer."""
    cdef _Region region
    cdef Place place  # zeros until set

    def __dealloc__(self):
        _release(self.place)

    cdef int set(self, Stream source, object dst, object stride) except -1:
        cdef Layout layout
        self.region = _open("dst", dst, True)
        _lay_out(&layout, source.c_info.width, source.c_info.height, source.c_info.component_count,
                 source.c_info.bits_per_sample, source.c_info.interleave_mode, self.region, stride)
        _check_overlap(source.region, self.region)
        if _align(&self.place, self.region.data, layout, source.c_info.bits_per_sample) != DICOM_JPEGLS_SUCCESS:
            raise MemoryError(f"{self.place.layout.size} bytes")
        return 0


# So many pieces of work for each worker that all end at about the same time.
cdef enum:
    _TASKS_PER_WORKER = 16


@cython.final
@cython.internal
cdef class _PieceDecoding:
    """Decodes a stream's pieces, each at any time and in any thread."""
    cdef Stream source
    cdef _Target target
    cdef vector[stream.piece] pieces

    def __call__(self, size_t index):
        cdef int code
        with nogil:
            code = _decode_piece(
                self.source.region.data, self.source.c_info, self.pieces[index],
                self.pieces[index].line_count, self.target.place.data, self.target.place.layout)
        if code != DICOM_JPEGLS_SUCCESS:
            raise _error(code)


@cython.final
cdef class Stream:
    """A JPEG-LS stream whose structure has been checked; holds its buffer.

    Parameters
    ----------
    src : buffer of bytes
        One stream, from SOI to EOI; bytes behind EOI are ignored.
    max_dimension : int, optional
        Largest width and height, 65535 by default and at most 100000.
    max_samples : int, optional
        Largest width x height x components, 2**29 by default.
    partial : bool, optional
        Whether to take a stream that is damaged behind its first scan header, too. It is for `decode_partial_into`.

    Attributes
    ----------
    info : StreamInfo
        What the stream's markers say.
    damage : InvalidStreamError or UnsupportedStreamError or None
        The first fault of a stream that was taken all the same.

    Raises
    ------
    InvalidStreamError, UnsupportedStreamError
        If the stream is not sound, or not one that can be decoded.
    ParameterError
        If a limit is out of range.
    TypeError
        If `src` has no buffer.
    """
    cdef _Region region
    cdef stream.limits limits
    cdef stream.stream_info c_info
    cdef stream.inspection_error inspection_error  # of a damaged stream
    cdef readonly object info
    cdef readonly object damage

    # Once for each object, unlike __init__: threads that share the object rely on its buffer.
    def __cinit__(
        self, object src not None, max_dimension=DEFAULT_MAX_DIMENSION, max_samples=DEFAULT_MAX_SAMPLES, partial=False,
    ):
        cdef stream.inspection found
        self.limits.dimension = <uint32_t>_integer(
            "max_dimension", max_dimension, 1, stream.highest_maximum_dimension)
        self.limits.samples = <uint64_t>_integer("max_samples", max_samples, 1, INT64_MAX)
        self.region = _open("src", src, False)
        if self.region.row_stride:
            raise ParameterError("src: the bytes of a stream must follow each other without gaps")
        with nogil:  # looks at every compressed byte once
            found = stream.inspect(stream.byte_span(self.region.data, self.region.size), self.limits)
        self.c_info = found.info
        self.inspection_error = found.error
        if found.error.code != stream.fault_none:
            self.damage = _inspection_error(self.inspection_error)
            if not partial or not self._can_be_salvaged():
                raise self.damage
        self.info = self._record()

    cdef bint _can_be_salvaged(self) except -1:
        cdef stream.piece_list found
        with nogil:
            found = stream.salvage(stream.byte_span(self.region.data, self.region.size), self.limits, 1)
        self.c_info = found.info
        self.c_info.size = self.region.size
        return found.pieces.size() != 0

    cdef int _find_pieces(self, vector[stream.piece]& pieces, uint32_t lines) except -1:
        """Lists the stream's pieces, of at least so many lines each."""
        cdef bint damaged = self.damage is not None
        cdef int code
        with nogil:
            code = list_pieces(
                self.region.data, self.region.size, self.limits, self.c_info, damaged, lines, pieces)
        if code != DICOM_JPEGLS_SUCCESS:
            raise _error(code)
        return 0

    cdef object _record(self):
        cdef stream.stream_info* info = &self.c_info
        comments, application_data = self._annotations() if info.annotation_count else ((), ())
        return _new_tuple(StreamInfo, (
            info.width,
            info.height,
            info.bits_per_sample,
            info.component_count,
            _INTERLEAVE_MODES[info.interleave_mode],
            info.near_lossless,
            _COLOR_TRANSFORMATIONS[info.color_transformation],
            _new_tuple(PresetCodingParameters, (
                info.presets.maximum_sample_value, info.presets.threshold1, info.presets.threshold2,
                info.presets.threshold3, info.presets.reset_value)),
            info.restart_interval,
            _spiff_record(info.spiff) if info.has_spiff_header else None,
            comments,
            application_data,
            info.size,
            info.trailing_size,
        ))

    cdef tuple _annotations(self):
        cdef vector[stream.annotation] found = stream.list_annotations(
            stream.byte_span(self.region.data, self.c_info.size))
        cdef size_t i
        comments = []
        application_data = []
        for i in range(found.size()):
            data = found[i].data.data[:found[i].data.size]
            if found[i].code == stream.marker_com:
                comments.append(data)
            else:
                application_data.append((found[i].code - stream.marker_app0, data))
        return tuple(comments), tuple(application_data)

    def decode_into(self, dst not None, *, stride=0, workers=1):
        """Decode into a buffer; see the function `decode_into`."""
        self.decode_to(dst, stride, workers)

    cdef int decode_to(self, object dst, object stride, object workers) except -1:
        cdef _Target target = self._target(dst, stride)
        cdef int code
        if self.damage is not None:
            raise _inspection_error(self.inspection_error)  # a new one, because raising changes it
        if workers != 1 and worker_count(workers) > 1 and self._has_pieces():
            self._decode_pieces(target, worker_count(workers))
            return 0
        with nogil:  # both buffers are held by their regions, so no Python object is touched
            code = _decode_image(
                self.region.data, self.region.size, self.limits, self.c_info, target.place.data, target.place.layout)
            if code == DICOM_JPEGLS_SUCCESS:
                _deliver(target.place)
        if code != DICOM_JPEGLS_SUCCESS:
            raise _error(code)
        return 0

    cdef bint _has_pieces(self) noexcept:
        """Whether there are parts that can be decoded each for itself."""
        return self._scan_count() > 1 or 0 < self.c_info.restart_interval < self.c_info.height

    cdef int32_t _scan_count(self) noexcept:
        return self.c_info.component_count if self.c_info.interleave_mode == stream.interleave_none else 1

    cdef int _decode_pieces(self, _Target target, size_t workers) except -1:
        cdef _PieceDecoding decoding = _PieceDecoding.__new__(_PieceDecoding)
        cdef uint64_t lines = <uint64_t>self.c_info.height * self._scan_count() // (_TASKS_PER_WORKER * workers)
        decoding.source = self
        decoding.target = target
        self._find_pieces(decoding.pieces, <uint32_t>max(1, min(lines, self.c_info.height)))
        map_all(decoding, range(decoding.pieces.size()), workers)
        _deliver(target.place)
        return 0

    cdef _Target _target(self, object dst, object stride):
        cdef _Target target = _Target.__new__(_Target)
        target.set(self, dst, stride)
        return target

    def decode_partial_into(self, dst not None, *, stride=0):
        """Decode into a buffer what can be decoded.

        Returns
        -------
        good : bytearray
            A byte for each line, of all planes after each other if the interleave mode is none: 1 where the line
            was decoded before a fault was found, otherwise 0, and then `dst` holds anything there.
        error : Exception or None
            The first fault.
        """
        cdef _Target target = self._target(dst, stride)
        cdef bytearray good = bytearray(target.place.layout.rows)
        error = self.damage
        if error is None:
            try:
                self.decode_to(dst, stride, 1)
            except StreamError as fault:
                error = fault
            else:
                good[:] = b"\1" * len(good)
                return good, None
        code = self._decode_good_lines(target.place, good)
        with nogil:
            _deliver(target.place)
        return good, _error(code) if error is None else error

    cdef int _decode_good_lines(self, const Place& place, bytearray good) except -1:
        """Marks the lines that can be decoded; returns the code of the first that cannot."""
        cdef vector[stream.piece] pieces
        cdef stream.piece* part
        cdef uint8_t* marks = <uint8_t*><char*>good
        cdef size_t first
        cdef size_t i
        cdef uint32_t count
        cdef int32_t misplaced_scan = -1
        cdef int32_t scan = -1
        cdef int last_code = CHARLS_JPEGLS_ERRC_SUCCESS
        cdef int code
        self._find_pieces(pieces, 1)
        with nogil:
            for i in range(pieces.size(), 0, -1):
                part = &pieces[i - 1]
                if part.first_component == misplaced_scan:
                    continue
                count = _count_good_lines(self.region.data, self.c_info, part[0], place.data, place.layout, &code)
                if code != CHARLS_JPEGLS_ERRC_SUCCESS:
                    last_code = code
                    if code == CHARLS_JPEGLS_ERRC_NOT_ENOUGH_MEMORY:
                        break
                elif part.first_component != scan and not part.position_is_certain:
                    misplaced_scan = part.first_component
                    continue
                scan = part.first_component
                first = part.first_line
                if self.c_info.interleave_mode == stream.interleave_none:
                    first += <size_t>part.first_component * self.c_info.height
                memset(marks + first, 1, count)
        if last_code == CHARLS_JPEGLS_ERRC_NOT_ENOUGH_MEMORY:
            raise _error(last_code)
        return last_code

    def decode(self, *, workers=1):
        """Decode into a new bytearray, sized for the samples without gaps; see `decode_into`."""
        cdef object pixels = PyByteArray_FromStringAndSize(NULL, <Py_ssize_t>self._packed_size())  # not zeroed
        self.decode_to(pixels, 0, workers)
        return pixels

    cdef size_t _packed_size(self) except? 0:
        cdef uint64_t size = _decoded_size(self.c_info)
        if size > <uint64_t>sys.maxsize:
            raise MemoryError(f"{size} bytes")
        return <size_t>size


def read_info(src, *, max_dimension=DEFAULT_MAX_DIMENSION, max_samples=DEFAULT_MAX_SAMPLES):
    """Read what the markers of a JPEG-LS stream say, and check its structure; decode no sample.

    Parameters
    ----------
    src : buffer of bytes
        One stream, from SOI to EOI (T.87 annex C); bytes behind EOI are ignored.
    max_dimension : int, optional
        Largest width and height, 65535 (DICOM's limit) by default and at most 100000.
    max_samples : int, optional
        Largest width x height x components, 2**29 by default: a few kilobytes can claim to hold gigabytes.

    Returns
    -------
    StreamInfo
        Dimensions, precision, coding parameters and annotations.

    Raises
    ------
    InvalidStreamError
        If the stream is damaged or truncated.
    UnsupportedStreamError
        If the stream uses a part of JPEG-LS that cannot be decoded.
    TypeError
        If `src` has no buffer.

    Examples
    --------
    >>> import dicom_jpegls as jls
    >>> import numpy as np
    >>> info = jls.read_info(jls.encode(np.zeros((2, 3), dtype=np.uint8), comments=[b"hello"]))
    >>> info.width, info.height, info.bits_per_sample, info.near_lossless, info.comments
    (3, 2, 8, 0, (b'hello',))
    """
    return (<Stream>Stream.__new__(Stream, src, max_dimension, max_samples)).info


def decode_into(
    src, dst, *, stride=0, max_dimension=DEFAULT_MAX_DIMENSION, max_samples=DEFAULT_MAX_SAMPLES, workers=1,
):
    """Decode a JPEG-LS stream into a buffer, without an allocation or a copy, the GIL released.

    Parameters
    ----------
    src : buffer of bytes
        One stream; bytes behind its EOI marker are ignored.
    dst : writable buffer
        Takes 1 byte per sample up to 8 bits per sample, otherwise 2 in native byte order: colour by pixel,
        or plane after plane if the interleave mode is none. Rows may lie apart, as in a slice of an array.
    stride : int, optional
        Bytes from the start of a line to that of the next; 0 for the buffer's own distance of rows, or for
        lines without gaps. With interleave mode none, of a line of one plane.
    max_dimension : int, optional
        Largest width and height, 65535 (DICOM's limit) by default and at most 100000.
    max_samples : int, optional
        Largest width x height x components, 2**29 by default: a few kilobytes can claim to hold gigabytes.
    workers : int or None, optional
        How many threads decode restart intervals and planes; None for one per core. 1, the default, is the calling
        thread. Of other streams nothing can be decoded in parallel.

    Returns
    -------
    StreamInfo
        What the stream's markers say.

    Raises
    ------
    InvalidStreamError
        If the stream is damaged or truncated; `dst` may then hold part of the image.
    UnsupportedStreamError
        If the stream uses a part of JPEG-LS that cannot be decoded.
    BufferTooSmallError
        If `dst` is too small; says how many bytes are needed. Nothing has been written then.
    ParameterError
        If `dst` is read-only, shares memory with `src` or is laid out in another way, or `stride` is too small.
    TypeError
        If `src` or `dst` has no buffer.

    Examples
    --------
    >>> import dicom_jpegls as jls
    >>> import numpy as np
    >>> stream = jls.encode(np.arange(6, dtype=np.uint8).reshape(2, 3))
    >>> pixels = bytearray(6)
    >>> jls.decode_into(stream, pixels).frame_info
    FrameInfo(width=3, height=2, bits_per_sample=8, component_count=1)
    >>> list(pixels)
    [0, 1, 2, 3, 4, 5]
    """
    cdef Stream source = Stream.__new__(Stream, src, max_dimension, max_samples)  # without a call in Python
    source.decode_to(dst, stride, workers)
    return source.info


# --- Encoding ---------------------------------------------------------------------------------------------------------

cdef uint64_t _max_encoded_size(const dicom_jpegls_frame_info& frame) noexcept nogil:
    # A sample takes at most LIMIT bits (T.87 C.2.4.1.1, A.5.3), a run's end included; bit stuffing adds at most one
    # bit to each 15; each scan's data is padded to a byte, and CharLS writes four bytes at a time.
    cdef uint64_t limit = 2 * (frame.bits_per_sample + max(8, frame.bits_per_sample))
    cdef uint64_t samples = <uint64_t>frame.width * frame.height
    cdef uint64_t bits = samples * limit
    cdef uint64_t scan = bits // 8 + bits // (8 * 15) + 32
    # A restart marker and a padded byte for each line, at most.
    scan += 4 * <uint64_t>frame.height
    # SOI, EOI and its padding, HP colour transformation, LSE with presets, LSE with dimensions, DRI, SOF; SPIFF header
    # and its directory's end; SOS of every scan.
    return scan * frame.component_count + 72 + 16 + 3 * frame.component_count + 44 + 16 * frame.component_count


cdef int _set_frame(
    dicom_jpegls_frame_info* frame, object width, object height, object component_count, object bits_per_sample,
) except -1:
    frame.width = <uint32_t>_ranged("width", width, _DIMENSION)
    frame.height = <uint32_t>_ranged("height", height, _DIMENSION)
    frame.component_count = <int32_t>_ranged("component_count", component_count, _COMPONENT_COUNT)
    frame.bits_per_sample = <int32_t>_ranged("bits_per_sample", bits_per_sample, _BITS_PER_SAMPLE)
    return 0


def max_encoded_size(*, width, height, component_count=1, bits_per_sample):
    """Give the number of bytes that are enough for any encoded image of a kind.

    A bound, not an estimate: it holds for noise and for images made to defeat the coder (T.87 A.5.3, LIMIT),
    and is about 4.3 times the raw size. Add 4 bytes and the length for each comment and application data.

    Parameters
    ----------
    width, height : int
        Samples in a line and lines, 1 to 65535.
    component_count : int, optional
        1 to 255.
    bits_per_sample : int
        2 to 16.

    Returns
    -------
    int
        Bytes, the SPIFF header included.

    Raises
    ------
    ParameterError
        If an argument is out of range.

    Examples
    --------
    >>> import dicom_jpegls as jls
    >>> jls.max_encoded_size(width=512, height=512, bits_per_sample=12) >= 512 * 512 * 2
    True
    """
    cdef dicom_jpegls_frame_info frame
    _set_frame(&frame, width, height, component_count, bits_per_sample)
    return _max_encoded_size(frame)


def check_precision(bits_per_sample, near_lossless):
    """Check the two arguments that a look at the samples depends on; raises `ParameterError`."""
    bits = _ranged("bits_per_sample", bits_per_sample, _BITS_PER_SAMPLE)
    _ranged("near_lossless", near_lossless, _near_lossless_range(<int32_t>bits))


# Without this patch CharLS loses differences that only the fourth component has.
cdef bint _CODES_FOURTH_COMPONENT = "0004-compare-the-fourth-component-in-runs" in charls_build()["patches"]


cdef bint _interleaves(int32_t component_count) noexcept nogil:
    """Whether CharLS has line and sample interleave for so many components."""
    return stream.can_interleave(component_count)


cdef int32_t _default_interleave_mode(int32_t component_count) noexcept nogil:
    return stream.interleave_sample if _interleaves(component_count) else stream.interleave_none


cdef int _check_frame(const dicom_jpegls_frame_info& frame) noexcept nogil:
    """Returns a code."""
    if not _within(frame.width, _DIMENSION):
        return CHARLS_JPEGLS_ERRC_INVALID_ARGUMENT_WIDTH
    if not _within(frame.height, _DIMENSION):
        return CHARLS_JPEGLS_ERRC_INVALID_ARGUMENT_HEIGHT
    if not _within(frame.component_count, _COMPONENT_COUNT):
        return CHARLS_JPEGLS_ERRC_INVALID_ARGUMENT_COMPONENT_COUNT
    if not _within(frame.bits_per_sample, _BITS_PER_SAMPLE):
        return CHARLS_JPEGLS_ERRC_INVALID_ARGUMENT_BITS_PER_SAMPLE
    return DICOM_JPEGLS_SUCCESS


cdef int _check_encoding(
    const dicom_jpegls_frame_info& frame, const dicom_jpegls_encoding_parameters& parameters,
) noexcept nogil:
    """Whether an image can be encoded so, whatever its samples; returns a code."""
    cdef const dicom_jpegls_preset_coding_parameters* presets = &parameters.preset_coding_parameters
    cdef stream.preset_coding_parameters given
    cdef stream.completed_presets completed
    cdef size_t i
    cdef int code = _check_frame(frame)
    if code != DICOM_JPEGLS_SUCCESS:
        return code
    if not _within(parameters.near_lossless, _near_lossless_range(frame.bits_per_sample)):
        return CHARLS_JPEGLS_ERRC_INVALID_ARGUMENT_NEAR_LOSSLESS
    if not _within(parameters.interleave_mode, _INTERLEAVE_MODE) or (
            parameters.interleave_mode != stream.interleave_none and not _interleaves(frame.component_count)):
        return CHARLS_JPEGLS_ERRC_INVALID_ARGUMENT_INTERLEAVE_MODE
    if (parameters.interleave_mode == stream.interleave_sample and frame.component_count == 4
            and frame.bits_per_sample == 8 and parameters.near_lossless == 0 and not _CODES_FOURTH_COMPONENT):
        return DICOM_JPEGLS_FOURTH_COMPONENT
    if not _within(parameters.color_transformation, _COLOR_TRANSFORMATION):
        return CHARLS_JPEGLS_ERRC_INVALID_ARGUMENT_COLOR_TRANSFORMATION
    if parameters.color_transformation != 0 and (
            frame.component_count != 3 or frame.bits_per_sample % 8 != 0 or parameters.near_lossless != 0
            or parameters.interleave_mode == stream.interleave_none):
        return <int>stream.fault_color_transformation_use
    for i in range(sizeof(parameters.reserved) // sizeof(parameters.reserved[0])):
        if parameters.reserved[i] != 0:
            return DICOM_JPEGLS_RESERVED_FIELD
    if not (_within(presets.maximum_sample_value, _PRESET) and _within(presets.threshold1, _PRESET)
            and _within(presets.threshold2, _PRESET) and _within(presets.threshold3, _PRESET)
            and _within(presets.reset_value, _PRESET)):
        return CHARLS_JPEGLS_ERRC_INVALID_ARGUMENT_JPEGLS_PC_PARAMETERS
    given.maximum_sample_value = presets.maximum_sample_value
    given.threshold1 = presets.threshold1
    given.threshold2 = presets.threshold2
    given.threshold3 = presets.threshold3
    given.reset_value = presets.reset_value
    completed = stream.complete_presets(
        given, frame.bits_per_sample, parameters.near_lossless,
        parameters.interleave_mode == stream.interleave_sample)
    return <int>completed.error


# A COM segment (number -1) or an APPn segment to write in front of the frame header.
cdef struct Annotation:
    int32_t number
    const char* data
    size_t size


# What only callers in Python can have written, in front of the frame header.
cdef struct Prologue:
    charls_spiff_header* spiff_header  # NULL for none
    Annotation* annotations
    size_t annotation_count


cdef int _prepare(
    charls_jpegls_encoder* encoder, const dicom_jpegls_frame_info& frame,
    const dicom_jpegls_encoding_parameters& parameters, const Prologue& prologue, uint8_t* destination,
    size_t destination_size,
) noexcept nogil:
    cdef const dicom_jpegls_preset_coding_parameters* presets = &parameters.preset_coding_parameters
    cdef charls_frame_info charls_frame = charls_frame_info(
        frame.width, frame.height, frame.bits_per_sample, frame.component_count)
    # The caller's zeros, so that CharLS writes no segment for defaults.
    cdef charls_jpegls_pc_parameters charls_presets = charls_jpegls_pc_parameters(
        presets.maximum_sample_value, presets.threshold1, presets.threshold2, presets.threshold3, presets.reset_value)
    cdef const Annotation* annotation
    cdef size_t i
    cdef int code = <int>charls_jpegls_encoder_set_frame_info(encoder, &charls_frame)
    if code == CHARLS_JPEGLS_ERRC_SUCCESS:
        code = <int>charls_jpegls_encoder_set_near_lossless(encoder, parameters.near_lossless)
    if code == CHARLS_JPEGLS_ERRC_SUCCESS:
        code = <int>charls_jpegls_encoder_set_interleave_mode(
            encoder, <charls_interleave_mode>parameters.interleave_mode)
    if code == CHARLS_JPEGLS_ERRC_SUCCESS:
        code = <int>charls_jpegls_encoder_set_color_transformation(
            encoder, <charls_color_transformation>parameters.color_transformation)
    if code == CHARLS_JPEGLS_ERRC_SUCCESS:
        code = <int>charls_jpegls_encoder_set_preset_coding_parameters(encoder, &charls_presets)
    if code == CHARLS_JPEGLS_ERRC_SUCCESS:
        # Even, because DICOM fragments are (PS3.5 A.4); presets for more than 12 bits, for a widespread decoder.
        code = <int>charls_jpegls_encoder_set_encoding_options(
            encoder, <charls_encoding_options><int>(
                CHARLS_ENCODING_OPTIONS_EVEN_DESTINATION_SIZE | CHARLS_ENCODING_OPTIONS_INCLUDE_PC_PARAMETERS_JAI))
    if code == CHARLS_JPEGLS_ERRC_SUCCESS:
        code = <int>charls_jpegls_encoder_set_destination_buffer(encoder, destination, destination_size)
    if code == CHARLS_JPEGLS_ERRC_SUCCESS and prologue.spiff_header != NULL:
        code = <int>charls_jpegls_encoder_write_spiff_header(encoder, prologue.spiff_header)
    for i in range(prologue.annotation_count):
        if code != CHARLS_JPEGLS_ERRC_SUCCESS:
            break
        annotation = &prologue.annotations[i]
        if annotation.number < 0:
            code = <int>charls_jpegls_encoder_write_comment(encoder, annotation.data, annotation.size)
        else:
            code = <int>charls_jpegls_encoder_write_application_data(
                encoder, annotation.number, annotation.data, annotation.size)
    return code


cdef int _encode_scans(
    const uint8_t* source, const Layout& layout, const dicom_jpegls_frame_info& frame,
    const dicom_jpegls_encoding_parameters& parameters, const Prologue& prologue, uint8_t* destination,
    size_t destination_size, size_t* bytes_written,
) noexcept nogil:
    """Encodes with arguments that have been checked; returns a code."""
    cdef charls_jpegls_encoder* encoder
    cdef uint8_t* aligned = NULL
    cdef int code
    if _misaligned(source, frame.bits_per_sample):
        aligned = <uint8_t*>malloc(<size_t>layout.size)
        if aligned == NULL:
            return DICOM_JPEGLS_NOT_ENOUGH_MEMORY
        memcpy(aligned, source, <size_t>layout.size)
        source = aligned
    encoder = charls_jpegls_encoder_create()
    if encoder == NULL:
        code = DICOM_JPEGLS_NOT_ENOUGH_MEMORY
    else:
        code = _prepare(encoder, frame, parameters, prologue, destination, destination_size)
        if code == CHARLS_JPEGLS_ERRC_SUCCESS:
            code = <int>charls_jpegls_encoder_encode_from_buffer(
                encoder, source, <size_t>layout.size, <uint32_t>layout.stride)
        if code == CHARLS_JPEGLS_ERRC_SUCCESS:
            code = <int>charls_jpegls_encoder_get_bytes_written(encoder, bytes_written)
        charls_jpegls_encoder_destroy(encoder)
    free(aligned)
    return code


cdef extern from *:
    """
    static bool reserve(std::vector<dicom_jpegls::byte_span>& spans, std::size_t count) noexcept
    {
        try
        {
            spans.reserve(count);
            return true;
        }
        catch (const std::bad_alloc&)
        {
            return false;
        }
    }
    """
    cbool reserve(vector[stream.byte_span]& spans, size_t count) noexcept nogil


# Some lines of a scan, coded as an image of their own.
cdef struct Strip:
    uint8_t* stream  # NULL until encoded
    stream.byte_span data


cdef uint32_t _strip_height(
    const dicom_jpegls_frame_info& frame, const dicom_jpegls_encoding_parameters& parameters,
) noexcept nogil:
    if parameters.restart_interval == 0 or parameters.restart_interval > frame.height:
        return frame.height
    return parameters.restart_interval


cdef size_t _strips_per_scan(
    const dicom_jpegls_frame_info& frame, const dicom_jpegls_encoding_parameters& parameters,
) noexcept nogil:
    return (<size_t>frame.height - 1) // _strip_height(frame, parameters) + 1


cdef size_t _scan_count(
    const dicom_jpegls_frame_info& frame, const dicom_jpegls_encoding_parameters& parameters,
) noexcept nogil:
    return <size_t>frame.component_count if parameters.interleave_mode == stream.interleave_none else 1


cdef int _encode_strip(
    const uint8_t* source, const Layout& layout, const dicom_jpegls_frame_info& frame,
    const dicom_jpegls_encoding_parameters& parameters, size_t index, Strip* strip,
) noexcept nogil:
    """Encodes a strip of an image, counted from the first scan's first; returns a code."""
    cdef Prologue nothing = Prologue(NULL, NULL, 0)
    cdef size_t per_scan = _strips_per_scan(frame, parameters)
    cdef uint32_t lines = _strip_height(frame, parameters)
    cdef uint32_t first = <uint32_t>(index % per_scan) * lines
    cdef dicom_jpegls_frame_info part = frame
    cdef Layout part_layout = layout
    cdef uint64_t enough
    cdef uint64_t size
    cdef size_t used = 0
    cdef uint8_t* shrunk
    cdef int code
    part.height = min(lines, frame.height - first)
    if parameters.interleave_mode == stream.interleave_none:
        part.component_count = 1
    part_layout.rows = part.height
    part_layout.size = (part_layout.rows - 1) * layout.stride + layout.row
    source += (<size_t>frame.height * (index // per_scan) + first) * <size_t>layout.stride
    enough = _max_encoded_size(part)
    size = _likely_size(part_layout, enough)
    while True:
        if size > <uint64_t>SIZE_MAX:
            return DICOM_JPEGLS_NOT_ENOUGH_MEMORY
        strip.stream = <uint8_t*>malloc(<size_t>size)
        if strip.stream == NULL:
            return DICOM_JPEGLS_NOT_ENOUGH_MEMORY
        code = _encode_scans(source, part_layout, part, parameters, nothing, strip.stream, <size_t>size, &used)
        if code != CHARLS_JPEGLS_ERRC_DESTINATION_BUFFER_TOO_SMALL or size == enough:
            break
        free(strip.stream)
        size = enough
    if code == DICOM_JPEGLS_SUCCESS:
        shrunk = <uint8_t*>realloc(strip.stream, used)
        if shrunk != NULL:
            strip.stream = shrunk
        strip.data = stream.first_scan_data(stream.byte_span(strip.stream, used))
    return code


cdef uint64_t _likely_size(const Layout& layout, uint64_t enough) noexcept nogil:
    # Only odd images grow by more than an eighth: try that much memory first, then the most it can take.
    return min(enough, layout.row * layout.rows + layout.row * layout.rows // 8 + 4096)


cdef int _join_strips(
    const Strip* strips, const dicom_jpegls_frame_info& frame, const dicom_jpegls_encoding_parameters& parameters,
    const Prologue& prologue, uint8_t* destination, size_t destination_size, size_t* bytes_written,
) noexcept nogil:
    """Puts an image's strips together; returns a code. Without a destination it tells how many bytes are needed."""
    cdef uint8_t[512] black
    cdef dicom_jpegls_frame_info dot = frame
    cdef Layout dot_layout
    cdef size_t per_scan = _strips_per_scan(frame, parameters)
    cdef size_t count = per_scan * _scan_count(frame, parameters)
    cdef size_t model_size = 0
    cdef size_t i
    cdef int code
    # CharLS writes the segments: it encodes an image of one pixel for them.
    memset(black, 0, sizeof(black))
    dot.width = dot.height = 1
    _fit(&dot_layout, &dot, parameters.interleave_mode, 0, sizeof(black), DICOM_JPEGLS_SOURCE_TOO_SMALL)
    for i in range(prologue.annotation_count):
        model_size += 4 + prologue.annotations[i].size
    model_size += <size_t>_max_encoded_size(dot)
    cdef uint8_t* model = <uint8_t*>malloc(model_size)
    cdef vector[stream.byte_span] intervals
    if model == NULL or not reserve(intervals, count):
        code = DICOM_JPEGLS_NOT_ENOUGH_MEMORY
    else:
        code = _encode_scans(black, dot_layout, dot, parameters, prologue, model, model_size, &model_size)
    if code == DICOM_JPEGLS_SUCCESS:
        for i in range(count):
            intervals.push_back(strips[i].data)
        bytes_written[0] = stream.join(
            stream.byte_span(model, model_size), frame.width, frame.height, _strip_height(frame, parameters),
            intervals, per_scan, NULL)
        if destination != NULL and bytes_written[0] > destination_size:
            code = CHARLS_JPEGLS_ERRC_DESTINATION_BUFFER_TOO_SMALL
        elif destination != NULL:
            stream.join(
                stream.byte_span(model, model_size), frame.width, frame.height, _strip_height(frame, parameters),
                intervals, per_scan,
                destination)
    free(model)
    return code


cdef void _free_strips(Strip* strips, size_t count) noexcept nogil:
    cdef size_t i
    if strips != NULL:
        for i in range(count):
            free(strips[i].stream)
        free(strips)


cdef int _encode(
    const uint8_t* source, const Layout& layout, const dicom_jpegls_frame_info& frame,
    const dicom_jpegls_encoding_parameters& parameters, const Prologue& prologue, uint8_t* destination,
    size_t destination_size, size_t* bytes_written,
) noexcept nogil:
    """Encodes with arguments that have been checked, in this thread; returns a code."""
    cdef size_t count = _strips_per_scan(frame, parameters)
    cdef Strip* strips
    cdef size_t i
    cdef int code = DICOM_JPEGLS_SUCCESS
    if count == 1:
        return _encode_scans(source, layout, frame, parameters, prologue, destination, destination_size, bytes_written)
    count *= _scan_count(frame, parameters)
    strips = <Strip*>calloc(count, sizeof(Strip))
    if strips == NULL:
        return DICOM_JPEGLS_NOT_ENOUGH_MEMORY
    for i in range(count):
        code = _encode_strip(source, layout, frame, parameters, i, &strips[i])
        if code != DICOM_JPEGLS_SUCCESS:
            break
    if code == DICOM_JPEGLS_SUCCESS:
        code = _join_strips(strips, frame, parameters, prologue, destination, destination_size, bytes_written)
    _free_strips(strips, count)
    return code


@cython.final
@cython.internal
cdef class _Encoding:
    """Checked coding parameters and the source they are for."""
    cdef _Region region
    cdef Layout layout
    cdef dicom_jpegls_frame_info frame
    cdef dicom_jpegls_encoding_parameters parameters
    cdef charls_spiff_header spiff
    cdef list annotations  # (-1 for a comment or the number of an APPn segment, bytes)
    cdef size_t annotation_size
    cdef Prologue prologue  # zeros until filled
    cdef size_t workers

    def __dealloc__(self):
        free(self.prologue.annotations)

    cdef int set(
        self, src, width, height, component_count, bits_per_sample, near_lossless, interleave_mode, stride,
        color_transformation, preset_coding_parameters, restart_interval, workers, spiff_header, comments,
        application_data,
    ) except -1:
        cdef int code
        self.workers = 1 if workers == 1 else worker_count(workers)
        _set_frame(&self.frame, width, height, component_count, bits_per_sample)
        self.parameters.near_lossless = <int32_t>_ranged(
            "near_lossless", near_lossless, _near_lossless_range(self.frame.bits_per_sample))
        self.parameters.interleave_mode = (
            _default_interleave_mode(self.frame.component_count) if interleave_mode is None
            else <int32_t>_ranged("interleave_mode", interleave_mode, _INTERLEAVE_MODE))
        self.parameters.color_transformation = <int32_t>_ranged(
            "color_transformation", color_transformation, _COLOR_TRANSFORMATION)
        if preset_coding_parameters is not None:
            self._set_presets(preset_coding_parameters)
        if restart_interval is not None:
            self._set_restart_interval(restart_interval)
        code = _check_encoding(self.frame, self.parameters)
        if code != DICOM_JPEGLS_SUCCESS:
            raise self._refusal(code)
        if spiff_header is not None:
            self._set_spiff_header(spiff_header)
        if not (_is_empty(comments) and _is_empty(application_data)):
            self._set_annotations(comments, application_data)
        self.region = _open("src", src, False)
        _lay_out(&self.layout, self.frame.width, self.frame.height, self.frame.component_count,
                 self.frame.bits_per_sample, self.parameters.interleave_mode, self.region, stride)
        return 0

    cdef object _refusal(self, int code):
        """The exception for parameters, each in its range, that do not fit each other."""
        interleave_mode = _INTERLEAVE_MODES[self.parameters.interleave_mode].name
        if code == CHARLS_JPEGLS_ERRC_INVALID_ARGUMENT_INTERLEAVE_MODE:
            message = (f"interleave_mode: {interleave_mode} needs 3 or 4 components, found "
                       f"{self.frame.component_count}: use NONE")
        elif code == DICOM_JPEGLS_FOURTH_COMPONENT:
            message = f"interleave_mode: {dicom_jpegls_error_text(code).decode()}"
        elif code == <int>stream.fault_color_transformation_use:
            message = (
                f"color_transformation: {_COLOR_TRANSFORMATIONS[self.parameters.color_transformation].name} needs 3 "
                f"components in line or sample interleave, 8 or 16 bits per sample and near_lossless 0; found "
                f"{self.frame.component_count} component(s), interleave mode {interleave_mode}, "
                f"{self.frame.bits_per_sample} bits, near_lossless {self.parameters.near_lossless}")
        else:
            presets = self.parameters.preset_coding_parameters
            message = "preset_coding_parameters: {}: found {}".format(
                dicom_jpegls_error_text(code).decode(),
                PresetCodingParameters(presets.maximum_sample_value, presets.threshold1, presets.threshold2,
                                       presets.threshold3, presets.reset_value))
        return ParameterError(message, code)

    cdef int _set_presets(self, object presets) except -1:
        names = PresetCodingParameters._fields
        values = _tuple("preset_coding_parameters", presets)
        if len(values) != len(names):
            raise ParameterError(f"preset_coding_parameters: {len(names)} numbers are needed, found {len(values)}")
        values = [_ranged("preset_coding_parameters." + name, value, _PRESET) for name, value in zip(names, values)]
        self.parameters.preset_coding_parameters = dicom_jpegls_preset_coding_parameters(
            values[0], values[1], values[2], values[3], values[4])
        return 0

    cdef int _set_restart_interval(self, object restart_interval) except -1:
        cdef uint64_t lines
        if restart_interval != "auto":
            if isinstance(restart_interval, str):
                raise ParameterError(f"restart_interval: {restart_interval!r}; a number of lines, 'auto' and None are "
                                     "allowed")
            lines = _ranged("restart_interval", restart_interval, _RESTART_INTERVAL)
        else:
            # Enough samples that starting anew costs little, and enough strips that all workers end at the same time.
            lines = max(
                (_SAMPLES_PER_STRIP - 1) // self.frame.width + 1,
                (<uint64_t>self.frame.height - 1) // (_TASKS_PER_WORKER * self.workers) + 1)
        self.parameters.restart_interval = <uint32_t>lines if lines < self.frame.height else 0
        return 0

    cdef int _set_spiff_header(self, object header) except -1:
        if not isinstance(header, SpiffHeader):
            raise ParameterError(f"spiff_header: a SpiffHeader is needed, found {header!r}")
        self.spiff.profile_id = <charls_spiff_profile_id><int>_integer(
            "spiff_header.profile_id", header.profile_id, 0, 255)
        self.spiff.color_space = <charls_spiff_color_space><int>_integer(
            "spiff_header.color_space", header.color_space, 0, 255)
        self.spiff.compression_type = <charls_spiff_compression_type><int>_integer(
            "spiff_header.compression_type", header.compression_type,
            SpiffCompressionType.JPEG_LS, SpiffCompressionType.JPEG_LS)
        self.spiff.resolution_units = <charls_spiff_resolution_units><int>_integer(
            "spiff_header.resolution_units", header.resolution_units, 0, 255)
        self.spiff.vertical_resolution = <uint32_t>_integer(
            "spiff_header.vertical_resolution", header.vertical_resolution, 1, UINT32_MAX)
        self.spiff.horizontal_resolution = <uint32_t>_integer(
            "spiff_header.horizontal_resolution", header.horizontal_resolution, 1, UINT32_MAX)
        for name, actual in (
            ("width", self.frame.width),
            ("height", self.frame.height),
            ("component_count", self.frame.component_count),
            ("bits_per_sample", self.frame.bits_per_sample),
        ):
            if getattr(header, name) not in (0, actual):
                raise ParameterError(f"spiff_header.{name}: {getattr(header, name)}; the image's is {actual}")
        self.spiff.width = self.frame.width
        self.spiff.height = self.frame.height
        self.spiff.component_count = self.frame.component_count
        self.spiff.bits_per_sample = self.frame.bits_per_sample
        self.prologue.spiff_header = &self.spiff
        return 0

    cdef int _set_annotations(self, object comments, object application_data) except -1:
        cdef bytes data
        self.annotations = []
        if isinstance(comments, (bytes, bytearray, memoryview, str)):
            raise ParameterError("comments: a sequence of bytes objects is needed, not a single one")
        for i, comment in enumerate(_tuple("comments", comments)):
            self._add_annotation(f"comments[{i}]", -1, comment)
        for i, pair in enumerate(_tuple("application_data", application_data)):
            name = f"application_data[{i}]"
            pair = _tuple(name, pair)
            if len(pair) != 2:
                raise ParameterError(f"{name}: a number and bytes are needed, found {len(pair)} item(s)")
            number, content = pair
            number = _integer(name + "[0]", number, 0, 15)
            self._add_annotation(name, number, content)
            data = self.annotations[-1][1]
            if number == 8 and stream.is_structure(stream.byte_span(data, <size_t>len(data))):
                raise ParameterError(
                    f"{name}: decoders would take it for a SPIFF header or a colour transformation: "
                    "use spiff_header and color_transformation")
        self.annotation_size = sum(4 + len(content) for _, content in self.annotations)
        self.prologue.annotations = <Annotation*>_allocate(len(self.annotations) * sizeof(Annotation))
        for i, (number, data) in enumerate(self.annotations):
            self.prologue.annotations[i] = Annotation(number, data, <size_t>len(data))
        self.prologue.annotation_count = <size_t>len(self.annotations)
        return 0

    cdef int _add_annotation(self, str name, int number, object content) except -1:
        if not PyObject_CheckBuffer(content):
            raise ParameterError(f"{name}: bytes are needed, found {type(content).__name__}")
        data = bytes(content)
        if len(data) > 65533:
            raise ParameterError(f"{name}: {len(data)} bytes; a segment holds at most 65533")
        self.annotations.append((number, data))
        return 0

    cdef uint64_t max_size(self):
        return self.annotation_size + _max_encoded_size(self.frame)

    cdef bint has_strips(self) noexcept:
        """Whether the image is coded in parts: always if it gets restart markers, planes only for several workers."""
        return _strips_per_scan(self.frame, self.parameters) > 1 or (
            self.workers > 1 and _scan_count(self.frame, self.parameters) > 1)

    cdef int encode(self, uint8_t* destination, size_t destination_size, size_t* bytes_written) noexcept:
        """Encodes an image that has no strips; returns a code."""
        cdef int code
        with nogil:  # the source is held by its region, the destination by the caller
            code = _encode_scans(self.region.data, self.layout, self.frame, self.parameters, self.prologue, destination,
                                 destination_size, bytes_written)
        return code


@cython.final
@cython.internal
cdef class _StripEncoding:
    """Encodes an image's strips, each at any time and in any thread, and joins them."""
    cdef _Encoding encoding
    cdef Strip* strips
    cdef size_t count
    cdef size_t task_size

    def __dealloc__(self):
        _free_strips(self.strips, self.count)

    cdef int run(self, _Encoding encoding) except -1:
        self.encoding = encoding
        self.count = _strips_per_scan(encoding.frame, encoding.parameters) * _scan_count(
            encoding.frame, encoding.parameters)
        self.strips = <Strip*>calloc(self.count, sizeof(Strip))
        if self.strips == NULL:
            raise MemoryError(f"{self.count * sizeof(Strip)} bytes")
        self.task_size = (self.count - 1) // (_TASKS_PER_WORKER * encoding.workers) + 1
        map_all(self, range(0, self.count, self.task_size), min(encoding.workers, self.count))
        return 0

    def __call__(self, size_t first):
        cdef size_t last = min(self.count, first + self.task_size)
        cdef size_t i
        cdef int code = DICOM_JPEGLS_SUCCESS
        with nogil:
            for i in range(first, last):
                code = _encode_strip(
                    self.encoding.region.data, self.encoding.layout, self.encoding.frame, self.encoding.parameters, i,
                    &self.strips[i])
                if code != DICOM_JPEGLS_SUCCESS:
                    break
        if code != DICOM_JPEGLS_SUCCESS:
            raise _error(code)

    cdef int join(self, uint8_t* destination, size_t destination_size, size_t* bytes_written) noexcept:
        """Returns a code."""
        cdef int code
        with nogil:
            code = _join_strips(self.strips, self.encoding.frame, self.encoding.parameters, self.encoding.prologue,
                                destination, destination_size, bytes_written)
        return code


cdef _StripEncoding _encode_strips(_Encoding encoding):
    cdef _StripEncoding strips = _StripEncoding.__new__(_StripEncoding)
    strips.run(encoding)
    return strips


def encode_into(
    src not None, dst not None, *, width, height, component_count=1, bits_per_sample, near_lossless=0,
    interleave_mode=None, stride=0, color_transformation=0, preset_coding_parameters=None, restart_interval=None,
    workers=1, spiff_header=None, comments=(), application_data=(),
):
    """Encode an image from one buffer into another, without an allocation or a copy, the GIL released.

    The options are those of `encode`; here the caller says how the samples lie.

    Parameters
    ----------
    src : buffer
        1 byte per sample up to 8 bits per sample, otherwise 2 in native byte order: colour by pixel, or plane
        after plane if the interleave mode is none. Bits above `bits_per_sample` are ignored. Rows may lie
        apart, as in a slice of an array.
    dst : writable buffer of bytes
        At least `max_encoded_size` bytes are enough for any image; CharLS asks for some bytes more than it
        will use.
    width, height : int
        Samples in a line and lines, 1 to 65535.
    component_count : int, optional
        1 to 255; line and sample interleave need 3 or 4.
    bits_per_sample : int
        Sample precision P, 2 to 16 (T.87 C.2.2).
    near_lossless : int, optional
        Largest absolute error of a sample, 0 (lossless) to min(255, (2**P - 1) // 2).
    interleave_mode : InterleaveMode, optional
        Sample interleave by default for 3 and 4 components, otherwise none.
    stride : int, optional
        Bytes from the start of a line to that of the next; 0 for the buffer's own distance of rows, or for
        lines without gaps. With interleave mode none, of a line of one plane.
    color_transformation, preset_coding_parameters, restart_interval, workers, spiff_header, comments, application_data
        See `encode`.

    Returns
    -------
    int
        Bytes written, an even number.

    Raises
    ------
    ParameterError
        If an argument is out of range, or `src` or `dst` does not fit the others.
    BufferTooSmallError
        If `dst` is too small; says how many bytes are enough. Its content is undefined then.
    TypeError
        If `src` or `dst` has no buffer.

    Examples
    --------
    >>> import dicom_jpegls as jls
    >>> stream = bytearray(jls.max_encoded_size(width=3, height=2, bits_per_sample=8))
    >>> size = jls.encode_into(bytes(6), stream, width=3, height=2, bits_per_sample=8)
    >>> jls.read_info(stream).size == size
    True
    """
    cdef _Encoding encoding = _Encoding.__new__(_Encoding)
    cdef _Region target
    cdef size_t bytes_written = 0
    cdef int code
    encoding.set(
        src, width, height, component_count, bits_per_sample, near_lossless, interleave_mode, stride,
        color_transformation, preset_coding_parameters, restart_interval, workers, spiff_header, comments,
        application_data)
    target = _open("dst", dst, True)
    if target.row_stride:
        raise ParameterError("dst: the bytes of a stream must follow each other without gaps")
    _check_overlap(encoding.region, target)
    if encoding.has_strips():
        code = _encode_strips(encoding).join(target.data, target.size, &bytes_written)
    else:
        code = encoding.encode(target.data, target.size, &bytes_written)
    if code == CHARLS_JPEGLS_ERRC_DESTINATION_BUFFER_TOO_SMALL:
        raise BufferTooSmallError(
            f"dst: {target.size} bytes are too few for this image; {encoding.max_size()} bytes are enough for any "
            "of its kind (max_encoded_size)")
    if code != CHARLS_JPEGLS_ERRC_SUCCESS:
        raise _error(code)
    return bytes_written


def encode(
    src not None, *, width, height, component_count=1, bits_per_sample, near_lossless=0, interleave_mode=None,
    stride=0, color_transformation=0, preset_coding_parameters=None, restart_interval=None, workers=1,
    spiff_header=None, comments=(), application_data=(),
):
    """Encode an image from a buffer; returns the stream as bytes. The arguments are those of `encode_into`."""
    cdef _Encoding encoding = _Encoding.__new__(_Encoding)
    cdef uint64_t enough
    cdef uint64_t size
    cdef uint8_t* scratch
    cdef size_t bytes_written = 0
    cdef int code
    encoding.set(
        src, width, height, component_count, bits_per_sample, near_lossless, interleave_mode, stride,
        color_transformation, preset_coding_parameters, restart_interval, workers, spiff_header, comments,
        application_data)
    if encoding.has_strips():
        return _encode_in_strips(encoding)
    enough = encoding.max_size()
    size = min(enough, encoding.annotation_size + _likely_size(encoding.layout, enough))
    while True:
        if size > <uint64_t>sys.maxsize:
            raise MemoryError(f"{size} bytes")
        scratch = <uint8_t*>_allocate(<size_t>size)  # not zeroed: the untouched part costs nothing
        try:
            code = encoding.encode(scratch, <size_t>size, &bytes_written)
            if code == CHARLS_JPEGLS_ERRC_SUCCESS:
                return _moved_to_bytes(&scratch, bytes_written)
        finally:
            free(scratch)
        if code != CHARLS_JPEGLS_ERRC_DESTINATION_BUFFER_TOO_SMALL or size == enough:
            raise _error(code)
        size = enough


cdef bytes _moved_to_bytes(uint8_t** memory, size_t size):
    # From the end, giving back what is copied, so that not all of it is in memory twice: bytes cannot be resized by the
    # limited API. Few large steps, since some systems' realloc copies.
    cdef bytes data = PyBytes_FromStringAndSize(NULL, <Py_ssize_t>size)  # not zeroed
    cdef uint8_t* target = <uint8_t*><char*>data
    cdef size_t step = max(size // 32, 2**20)
    cdef uint8_t* shrunk
    with nogil:
        while size:
            step = min(step, size)
            size -= step
            memcpy(target + size, memory[0] + size, step)
            if size:
                shrunk = <uint8_t*>realloc(memory[0], size)
                if shrunk != NULL:
                    memory[0] = shrunk
    return data


cdef bytes _encode_in_strips(_Encoding encoding):
    cdef _StripEncoding strips = _encode_strips(encoding)
    cdef size_t size = 0
    cdef bytes data
    cdef int code = strips.join(NULL, 0, &size)
    if code == DICOM_JPEGLS_SUCCESS:
        data = PyBytes_FromStringAndSize(NULL, <Py_ssize_t>size)  # not zeroed
        code = strips.join(<uint8_t*><char*>data, size, &size)
    if code != DICOM_JPEGLS_SUCCESS:
        raise _error(code)
    return data


# --- For C and Cython code --------------------------------------------------------------------------------------------

cdef void _describe(const stream.stream_info& found, dicom_jpegls_stream_info* info) noexcept nogil:
    memset(info, 0, sizeof(info[0]))
    info.frame = dicom_jpegls_frame_info(found.width, found.height, found.bits_per_sample, found.component_count)
    info.interleave_mode = found.interleave_mode
    info.near_lossless = found.near_lossless
    info.color_transformation = found.color_transformation
    info.restart_interval = found.restart_interval
    info.preset_coding_parameters = dicom_jpegls_preset_coding_parameters(
        found.presets.maximum_sample_value, found.presets.threshold1, found.presets.threshold2,
        found.presets.threshold3, found.presets.reset_value)
    info.size = found.size
    info.trailing_size = found.trailing_size
    info.decoded_size = _decoded_size(found)


cdef stream.limits _default_limits() noexcept nogil:
    cdef stream.limits limits
    limits.dimension = stream.default_maximum_dimension
    limits.samples = stream.default_maximum_samples
    return limits


cdef int dicom_jpegls_read_info(
    const uint8_t* source, size_t source_size, dicom_jpegls_stream_info* info,
) noexcept nogil:
    cdef stream.inspection found
    if source == NULL or info == NULL:
        return DICOM_JPEGLS_NULL_POINTER
    found = stream.inspect(stream.byte_span(source, source_size), _default_limits())
    if found.error.code == stream.fault_none:
        _describe(found.info, info)
    return <int>found.error.code


cdef int dicom_jpegls_decode(
    const uint8_t* source, size_t source_size, uint8_t* destination, size_t destination_size, size_t stride,
    dicom_jpegls_stream_info* info,
) noexcept nogil:
    cdef stream.inspection inspected
    cdef stream.stream_info found
    cdef stream.limits limits = _default_limits()
    cdef dicom_jpegls_frame_info frame
    cdef Layout layout
    cdef Place place
    cdef int code
    if source == NULL or destination == NULL:
        return DICOM_JPEGLS_NULL_POINTER
    inspected = stream.inspect(stream.byte_span(source, source_size), limits)
    if inspected.error.code != stream.fault_none:
        return <int>inspected.error.code
    found = inspected.info
    frame = dicom_jpegls_frame_info(found.width, found.height, found.bits_per_sample, found.component_count)
    code = _fit(&layout, &frame, found.interleave_mode, stride, destination_size, DICOM_JPEGLS_DESTINATION_TOO_SMALL)
    if code != DICOM_JPEGLS_SUCCESS:
        return code
    if _overlap(source, found.size, destination, <size_t>layout.size):
        return DICOM_JPEGLS_OVERLAP
    code = _align(&place, destination, layout, found.bits_per_sample)
    if code != DICOM_JPEGLS_SUCCESS:
        return code
    code = _decode_image(source, source_size, limits, found, place.data, place.layout)
    if code == DICOM_JPEGLS_SUCCESS:
        _deliver(place)
        if info != NULL:
            _describe(found, info)
    _release(place)
    return code


cdef int dicom_jpegls_encode(
    const uint8_t* source, size_t source_size, size_t stride, const dicom_jpegls_frame_info* frame,
    const dicom_jpegls_encoding_parameters* parameters, uint8_t* destination, size_t destination_size,
    size_t* bytes_written,
) noexcept nogil:
    cdef dicom_jpegls_encoding_parameters chosen
    cdef Prologue prologue = Prologue(NULL, NULL, 0)
    cdef Layout layout
    cdef size_t size = 0
    cdef int code
    if source == NULL or frame == NULL or destination == NULL or bytes_written == NULL:
        return DICOM_JPEGLS_NULL_POINTER
    if parameters != NULL:
        chosen = parameters[0]
    else:
        memset(&chosen, 0, sizeof(chosen))
        chosen.interleave_mode = _default_interleave_mode(frame.component_count)
    code = _check_encoding(frame[0], chosen)
    if code == DICOM_JPEGLS_SUCCESS:
        code = _fit(&layout, frame, chosen.interleave_mode, stride, source_size, DICOM_JPEGLS_SOURCE_TOO_SMALL)
    if code != DICOM_JPEGLS_SUCCESS:
        return code
    if _overlap(source, <size_t>layout.size, destination, destination_size):
        return DICOM_JPEGLS_OVERLAP
    code = _encode(source, layout, frame[0], chosen, prologue, destination, destination_size, &size)
    if code == DICOM_JPEGLS_SUCCESS:
        bytes_written[0] = size
    return code


cdef int dicom_jpegls_max_encoded_size(const dicom_jpegls_frame_info* frame, uint64_t* size) noexcept nogil:
    cdef int code
    if frame == NULL or size == NULL:
        return DICOM_JPEGLS_NULL_POINTER
    code = _check_frame(frame[0])
    if code == DICOM_JPEGLS_SUCCESS:
        size[0] = _max_encoded_size(frame[0])
    return code


cdef const char* dicom_jpegls_error_text(int code) noexcept nogil:
    cdef const stream.fault_description* description = stream.describe(code)
    if description != NULL:
        return description.text
    if code == DICOM_JPEGLS_NULL_POINTER:
        return b"a pointer is NULL that may not be"
    if code == DICOM_JPEGLS_SOURCE_TOO_SMALL:
        return b"the source holds fewer bytes than an image of this size and stride"
    if code == DICOM_JPEGLS_STRIDE_TOO_SMALL:
        return b"the stride is less than the bytes of a line, or above 2^32 - 1"
    if code == DICOM_JPEGLS_STRIDE_ODD:
        return b"the stride is odd, although a sample takes 2 bytes"
    if code == DICOM_JPEGLS_OVERLAP:
        return b"source and destination share memory"
    if code == DICOM_JPEGLS_FOURTH_COMPONENT:
        return (b"this unpatched CharLS loses the fourth component of lossless 8-bit images in SAMPLE: use LINE or "
                b"NONE")
    if code == DICOM_JPEGLS_RESERVED_FIELD:
        return b"a reserved field is not 0: clear the struct, or upgrade dicom-jpegls if the field has a name by now"
    return charls_get_error_message(<charls_jpegls_errc>code)


cdef const char* dicom_jpegls_version() noexcept nogil:
    return DICOM_JPEGLS_VERSION


cdef dicom_jpegls_api _api = dicom_jpegls_api(
    abi_version=DICOM_JPEGLS_ABI_VERSION,
    api_size=sizeof(dicom_jpegls_api),
    stream_info_size=sizeof(dicom_jpegls_stream_info),
    encoding_parameters_size=sizeof(dicom_jpegls_encoding_parameters),
    read_info=dicom_jpegls_read_info,
    decode=dicom_jpegls_decode,
    encode=dicom_jpegls_encode,
    max_encoded_size=dicom_jpegls_max_encoded_size,
    error_text=dicom_jpegls_error_text,
    version=dicom_jpegls_version,
)
_C_API = PyCapsule_New(&_api, DICOM_JPEGLS_CAPSULE, NULL)
