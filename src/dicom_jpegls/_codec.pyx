# cython: language_level=3, cdivision=True, binding=True, auto_pickle=False, autotestdict=False, embedsignature=False
# cython: freethreading_compatible=True
# distutils: language=c++
"""Binds the codec (native/codec, native/stream) to Python: buffers, arguments, records and exceptions. Knows no DICOM.

Every function that takes a buffer opens it with `_Region`, every stream is inspected before it is decoded, and every
code becomes an exception in `_error`. What runs without the GIL is C++.
"""
cimport cython
from cpython.buffer cimport (
    PyBUF_FORMAT,
    PyBUF_STRIDES,
    PyBUF_WRITABLE,
    PyBuffer_FillInfo,
    PyBuffer_Release,
    PyObject_CheckBuffer,
    PyObject_GetBuffer,
)
from cpython.bytearray cimport PyByteArray_FromStringAndSize
from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.long cimport PyLong_AsLongLongAndOverflow
from cpython.pycapsule cimport PyCapsule_New
from libc.stddef cimport size_t
from libc.stdint cimport INT64_MAX, UINT32_MAX, int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libcpp cimport bool as cbool
from libcpp.optional cimport optional
from libcpp.vector cimport vector

from dicom_jpegls cimport charls, native

import operator
import sys
import warnings

from dicom_jpegls.errors import (
    AssumedThresholdsWarning,
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
    DefaultThresholds,
    InterleaveMode,
    OptionalSegments,
    PresetCodingParameters,
    StreamInfo,
)
from dicom_jpegls.spiff import (
    SpiffColorSpace,
    SpiffCompressionType,
    SpiffHeader,
    SpiffProfileId,
    SpiffResolutionUnits,
)


cdef extern from "build_info.h":
    const char* DICOM_JPEGLS_CHARLS_SOURCE
    const char* DICOM_JPEGLS_CHARLS_PATCHES

cdef extern from "scan/scan_codecs.hpp" namespace "dicom_jpegls" nogil:
    cbool has_scan_codecs
    cbool use_scan_codecs(cbool use)


__version__ = native.version().decode()

DEFAULT_MAX_DIMENSION = native.default_maximum_dimension
MAXIMUM_RESTART_INTERVAL = native.maximum_restart_interval
DEFAULT_MAX_SAMPLES = native.default_maximum_samples


def charls_build():
    """Return how the CharLS in this package was built.

    Returns
    -------
    dict
        ``version``: CharLS's version; ``source``: where its code came from, one of path, submodule, index and system
        (an installed library, without the patches that make damaged pixel data harmless); ``patches``: names of the
        patches applied to it, in order; ``fast_scan``: whether it contains this package's scan codecs; ``lanes``:
        whether these can code sixteen scans at a time, which needs a processor with AVX2.

    Examples
    --------
    >>> import dicom_jpegls as jls
    >>> jls.charls_build()["source"] in ("path", "submodule", "index", "system")
    True
    """
    cdef str patches = DICOM_JPEGLS_CHARLS_PATCHES.decode()
    return {
        "version": charls.charls_get_version_string().decode(),
        "source": DICOM_JPEGLS_CHARLS_SOURCE.decode(),
        "patches": patches.split(";") if patches else [],
        "fast_scan": has_scan_codecs,
        "lanes": native.has_lanes(),
    }


def _use_scan_codecs(cbool use):
    """Switch this package's scan codecs on or off for the whole process, to compare them with CharLS's.

    Returns whether they were on.
    """
    return use_scan_codecs(use)


def _use_lanes(cbool use):
    """Switch the coding of sixteen scans at a time on or off for the whole process, to compare it with single scans.

    Returns whether it was on.
    """
    return native.use_lanes(use)


cdef bint _is_patched = charls_build()["source"] != "system"

if not _is_patched:
    warnings.warn(
        f"dicom_jpegls is linked to an unpatched CharLS {charls_build()['version']}: streams are checked nevertheless, "
        "but corrupt pixel data may crash or hang it, or be decoded to wrong pixels without an error, and partial "
        "decoding is refused; build with the bundled, patched CharLS to avoid this",
        UnpatchedCharLSWarning)


def check_partial_decoding():
    """Check that CharLS finds the damage in a stream, without which partial decoding would mark wrong lines as good.

    Raises
    ------
    JPEGLSError
        If the package is linked to an installed CharLS, which lacks the patches.
    """
    if not _is_patched:
        raise JPEGLSError(
            f"partial decoding is not possible with an unpatched CharLS, found {charls_build()['version']}: it does "
            "not notice all damage, so that wrong samples would be taken for good ones; build with the bundled, "
            "patched CharLS")


# --- Errors -----------------------------------------------------------------------------------------------------------

# The exception for each kind of fault that the codec reports; JPEGLSError for any other.
cdef dict _CODEC_ERRORS = {
    <int>native.codec_fault_kind.argument: ParameterError,
    <int>native.codec_fault_kind.invalid_stream: InvalidStreamError,
    <int>native.codec_fault_kind.unsupported_stream: UnsupportedStreamError,
    <int>native.codec_fault_kind.destination: BufferTooSmallError,
    <int>native.codec_fault_kind.memory: MemoryError,
}


def error_text(int code):
    """Return the text for an error's code; "Unknown" for a number that is not a code."""
    return native.error_text(code).decode()


def _error(int code):
    """Return the exception for a code of the codec, or of one of this package's stream checks."""
    if native.describe(code):
        return InvalidStreamError(error_text(code), code)
    cdef const native.codec_fault_description* description = native.describe_codec_fault(code)
    error = _CODEC_ERRORS.get(<int>description.kind, JPEGLSError) if description else JPEGLSError
    message = f"CharLS: {error_text(code)} (code {code})"
    return MemoryError(message) if error is MemoryError else error(message, code)


def _codec_faults():
    """Return the name of each code below 1000 but that of success, for the tests."""
    cdef const native.codec_fault_description* description
    names = {}
    cdef int code
    for code in range(1, native.first_fault_code):
        description = native.describe_codec_fault(code)
        if description:
            names[code] = description.name.decode()
    return names


cdef int _check(native.status code) except -1:
    if code != native.status.success:
        raise _error(<int>code)
    return 0


cdef object _stream_error(const native.inspection_error& found):
    """Return the exception for a stream that was refused."""
    cdef const native.fault_description* description = native.describe(<int>found.code)
    marker = 0xFF00 | found.marker if found.marker else None
    message = description.text.decode()
    if found.value >= 0:
        message += f": found {found.value}"
    message += f" (at byte {found.offset}"
    if marker is not None:
        message += f", marker {marker:04X}"
    message += ")"
    error = UnsupportedStreamError if description.kind == native.fault_kind.unsupported else InvalidStreamError
    return error(message, <int>found.code, found.offset, marker)


def _stream_faults():
    """Return number, name and text of each check of a stream's structure, for the tests and the documentation."""
    faults = []
    cdef int code = native.first_fault_code
    cdef const native.fault_description* description = native.describe(code)
    while description:
        faults.append((code, description.name.decode(), description.text.decode()))
        code += 1
        description = native.describe(code)
    return faults


# --- Buffers ----------------------------------------------------------------------------------------------------------

@cython.final
@cython.internal
cdef class _Region:
    """A buffer as rows of bytes at a constant distance, held as long as this object exists.

    `size` counts the bytes from the first to the last, gaps included. `row_stride` is the distance of rows of
    `row_size` bytes if there are gaps between them, otherwise 0. A typed memoryview has no such rows, nor items of two
    sizes.
    """
    cdef Py_buffer view
    cdef bint held
    cdef bint is_signed
    cdef str name
    cdef uint8_t* data
    cdef size_t size
    cdef size_t row_stride
    cdef size_t row_size
    cdef Py_ssize_t itemsize

    cdef int open(self, str name, object source, bint writable) except -1:
        self.name = name
        if not PyObject_CheckBuffer(source):
            raise TypeError(f"{name}: must be an object with the buffer protocol, not {type(source).__name__}")
        try:
            # Up to Python 3.13 the built-in types do not count their buffers' holders safely without the GIL.
            with cython.critical_section(source):
                PyObject_GetBuffer(
                    source, &self.view, PyBUF_STRIDES | PyBUF_FORMAT | (PyBUF_WRITABLE if writable else 0))
        except (BufferError, ValueError) as error:
            kind = "writable buffer of rows" if writable else "buffer of rows"
            raise ParameterError(f"{name}: must be a {kind}: {error}") from error
        self.held = <void*>self.view.obj != NULL  # otherwise nothing needs to be released
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
        cdef char order = self.view.format[0] if self.view.format != NULL else c"B"
        cdef char kind = self.view.format[1] if order in b"@=<>!" else order
        self.is_signed = kind == c"b" or kind == c"h"
        if self.itemsize == 1:
            return 0
        if self.itemsize != 2:
            raise ParameterError(f"{self.name}: items must have 1 or 2 bytes, found {self.itemsize}")
        if order in b">!" if sys.byteorder == "little" else order == c"<":
            raise ParameterError(
                f"{self.name}: 16-bit samples must be in native byte order, found format "
                f"{self.view.format.decode()!r}: swap their bytes first")
        return 0

    cdef int _measure(self) except -1:
        cdef Py_ssize_t packed = self.itemsize
        cdef int axis = self.view.ndim - 1
        cdef int outer
        self.size = <size_t>self.view.len
        self.row_stride = 0
        if self.view.len == 0 or self.view.strides == NULL:
            return 0
        # The innermost axes without gaps form a row.
        while axis >= 0 and (self.view.shape[axis] == 1 or self.view.strides[axis] == packed):
            packed *= self.view.shape[axis]
            axis -= 1
        if axis < 0:
            return 0
        # The outer axes must continue at the same distance.
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
                f"{self.name}: the buffer must consist of rows with a constant positive stride, found shape "
                f"{[self.view.shape[i] for i in range(self.view.ndim)]} with strides "
                f"{[self.view.strides[i] for i in range(self.view.ndim)]}: copy it first")
        self.row_stride = <size_t>stride
        self.row_size = <size_t>packed
        self.size = <size_t>((rows - 1) * stride + packed)
        return 0

    cdef native.byte_span span(self) noexcept:
        cdef native.byte_span span
        span.data, span.size = self.data, self.size
        return span

    cdef int check_stream(self) except -1:
        if self.row_stride:
            raise ParameterError(f"{self.name}: the bytes of a stream must be contiguous")
        return 0

    cdef bint has_signed_samples(self, int32_t bits_per_sample) noexcept:
        return self.is_signed and <uint32_t>self.itemsize == native.bytes_per_sample(bits_per_sample)


cdef _Region _open(str name, object source, bint writable):
    cdef _Region region = _Region.__new__(_Region)
    region.open(name, source, writable)
    return region


cdef int _lay_out(
    native.image_layout* layout, const dicom_jpegls_frame_info& frame, int32_t interleave_mode, _Region region,
    object stride,
) except -1:
    """Lay out uncompressed samples in a region's rows."""
    cdef uint32_t bytes_per_sample = native.bytes_per_sample(frame.bits_per_sample)
    cdef uint64_t chosen = _integer("stride", stride, 0, native.maximum_stride)
    cdef native.layout_result result
    if region.itemsize > bytes_per_sample:
        raise ParameterError(
            f"{region.name}: samples of {frame.bits_per_sample} bits must have 1 byte each, found items of "
            f"{region.itemsize} bytes")
    if region.row_stride:
        if chosen and chosen != region.row_stride:
            raise ParameterError(
                f"stride: {chosen} is not the distance of the rows in {region.name}, {region.row_stride} bytes")
        chosen = region.row_stride
    result = native.lay_out(frame, interleave_mode, chosen)
    layout[0] = result.layout
    if region.row_stride and layout.line_size > region.row_size:
        raise ParameterError(
            f"{region.name}: rows of {region.row_size} bytes are too short; a line of {frame.width} samples takes "
            f"{layout.line_size} bytes")
    if result.error == native.status.stride_too_small:
        raise ParameterError(
            f"stride: must be {layout.line_size} bytes (a line of {frame.width} samples) to {native.maximum_stride} "
            f"bytes, found {layout.stride}", <int>result.error)
    if result.error == native.status.stride_odd:
        raise ParameterError(
            f"stride: must be even for samples of {frame.bits_per_sample} bits, found {layout.stride} bytes",
            <int>result.error)
    if layout.size > region.size:
        message = (
            f"{region.name}: {region.size} bytes are too few; {frame.height} lines of {frame.width} samples, "
            f"{frame.component_count} component(s), {bytes_per_sample} byte(s) each, stride {layout.stride} need "
            f"{layout.size} bytes")
        if region.name == "dst":
            raise BufferTooSmallError(message)
        raise ParameterError(message, <int>native.status.source_too_small)
    return 0


cpdef check_size(size):
    """Return the size of an object to create in bytes.

    Raises
    ------
    MemoryError
        If no object of this process can be so large.
    """
    if size > sys.maxsize:
        raise MemoryError(f"{size} bytes are too many for an object of this process, which has at most {sys.maxsize}")
    return size


cdef int _check_overlap(_Region src, _Region dst) except -1:
    if native.overlaps(src.span(), dst.span()):
        raise ParameterError("dst: overlaps src", <int>native.status.overlap)
    return 0


@cython.final
cdef class NewBytes:
    """Bytes that are not initialised, as a writable buffer until they are complete.

    Attributes
    ----------
    content : bytes
        The bytes, for the caller who has filled the buffer and no longer uses it.
    """
    cdef readonly bytes content

    def __cinit__(self, Py_ssize_t size):
        self.content = PyBytes_FromStringAndSize(NULL, size)
        native.prefer_huge_pages(<uint8_t*><char*>self.content, <size_t>size)

    def __getbuffer__(self, Py_buffer* buffer, int flags):
        PyBuffer_FillInfo(buffer, self, <char*>self.content, len(self.content), 0, flags)


# --- Arguments --------------------------------------------------------------------------------------------------------

cdef int64_t _integer(str name, object value, int64_t lowest, int64_t highest) except? -1:
    """Return an argument as an integer in a range."""
    cdef int overflow = 0
    cdef int64_t small
    if isinstance(value, int):  # saves a call in Python
        small = PyLong_AsLongLongAndOverflow(value, &overflow)
        if not overflow and lowest <= small <= highest:
            return small
    try:
        number = operator.index(value)
    except TypeError:
        raise ParameterError(f"{name}: must be an integer, found {value!r}") from None
    if number < lowest or number > highest:
        raise ParameterError(f"{name}: {number} is not in the range {lowest} to {highest}")
    return number


cdef tuple _several(str name, object values):
    """Return an argument that holds several values as a tuple."""
    try:
        return tuple(values)
    except TypeError:
        raise ParameterError(f"{name}: must be iterable, found {values!r}") from None


cdef size_t _worker_count(object workers, uint64_t samples) except? 0:
    """Return the number of workers for an image; None is one per core, but only for as many as have enough to do."""
    cdef uint64_t useful
    if workers is not None:
        return 1 if workers == 1 else worker_count(workers)
    useful = samples // native.samples_per_task
    return 1 if useful < 2 else min(<uint64_t>worker_count(None), useful)


cdef int _set_frame(
    dicom_jpegls_frame_info* frame, object width, object height, object component_count, object bits_per_sample,
) except -1:
    frame.width = <uint32_t>_integer("width", width, 1, native.maximum_encoded_dimension)
    frame.height = <uint32_t>_integer("height", height, 1, native.maximum_encoded_dimension)
    frame.component_count = <int32_t>_integer("component_count", component_count, 1, native.maximum_component_count)
    frame.bits_per_sample = _precision(bits_per_sample)
    return 0


cdef dicom_jpegls_preset_coding_parameters _presets(object presets) except *:
    """Return preset coding parameters that fit their segment."""
    names = PresetCodingParameters._fields
    values = _several("preset_coding_parameters", presets)
    if len(values) != len(names):
        raise ParameterError(f"preset_coding_parameters: must be {len(names)} numbers, found {len(values)}")
    values = [
        _integer("preset_coding_parameters." + name, value, 0, native.maximum_preset_value)
        for name, value in zip(names, values)
    ]
    return dicom_jpegls_preset_coding_parameters(values[0], values[1], values[2], values[3], values[4])


cdef object _presets_error(const dicom_jpegls_preset_coding_parameters& presets, int code):
    """Return the exception for preset coding parameters that do not fit each other or the image."""
    return ParameterError("preset_coding_parameters: {}: found {}".format(
        error_text(code),
        PresetCodingParameters(presets.maximum_sample_value, presets.threshold1, presets.threshold2,
                               presets.threshold3, presets.reset_value)), code)


cdef int32_t _precision(object bits_per_sample) except -1:
    return <int32_t>_integer(
        "bits_per_sample", bits_per_sample, native.minimum_bits_per_sample, native.maximum_bits_per_sample)


cdef int32_t _near(object near_lossless, int32_t bits_per_sample) except -1:
    return <int32_t>_integer("near_lossless", near_lossless, 0, native.maximum_near_lossless(bits_per_sample))


def check_precision(bits_per_sample, near_lossless):
    """Check `bits_per_sample` and `near_lossless`, on which a check of the samples depends."""
    _near(near_lossless, _precision(bits_per_sample))


def default_interleave_mode(int32_t component_count):
    """Return the interleave mode that is used unless one is given."""
    return _INTERLEAVE_MODES[native.default_interleave_mode(component_count)]


# --- Several at a time ------------------------------------------------------------------------------------------------

def items_at_once(size_t count, size_t workers, size_t most):
    """Return how many of some streams or images, at most `most`, a worker should take at once."""
    return native.items_at_once(count, workers, most)


@cython.final
@cython.internal
cdef class _Coder:
    """The memory of one worker for many scans at a time."""
    cdef native.many_coder coder


@cython.internal
cdef class _Batches:
    """Codes items in batches, each in the thread of a worker."""
    cdef vector[size_t] ends  # of the batches
    cdef list coders          # that no worker is using

    cdef int run_batches(self, size_t count, size_t workers) except -1:
        cdef size_t size
        cdef size_t end = 0
        self.coders = []
        for size in native.batch_sizes(count, workers):
            end += size
            self.ends.push_back(end)
        map_all(self, range(self.ends.size()), workers)
        return 0

    def __call__(self, size_t batch):
        cdef _Coder coder
        try:
            coder = self.coders.pop()
        except IndexError:
            coder = _Coder.__new__(_Coder)
        self.code(coder, self.ends[batch - 1] if batch else 0, self.ends[batch])
        self.coders.append(coder)

    cdef int code(self, _Coder coder, size_t first, size_t last) except -1:
        raise NotImplementedError


# --- Decoding ---------------------------------------------------------------------------------------------------------

cdef object _new_tuple = tuple.__new__  # creates a named tuple without its constructor, which is Python
cdef tuple _INTERLEAVE_MODES = tuple(InterleaveMode)
cdef tuple _COLOR_TRANSFORMATIONS = tuple(ColorTransformation)
cdef tuple _DEFAULT_THRESHOLDS = tuple(DefaultThresholds)


cdef object _member(object enumeration, int32_t value):
    try:
        return enumeration(value)
    except ValueError:
        return value


cdef object _spiff_record(const native.spiff_header& header):
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
    """The memory for the samples of a stream."""
    cdef _Region region
    cdef native.output_buffer output

    cdef int open(self, Stream source, object dst, object stride) except -1:
        cdef dicom_jpegls_frame_info frame = native.frame_of(source.source.info)
        cdef native.image_layout layout
        self.region = _open("dst", dst, True)
        _lay_out(&layout, frame, source.source.info.interleave_mode, self.region, stride)
        _check_overlap(source.region, self.region)
        self.output = native.output_buffer(
            self.region.data, layout, frame.bits_per_sample, self.region.has_signed_samples(frame.bits_per_sample))
        return 0


@cython.final
@cython.internal
cdef class _PieceDecoding(_Batches):
    """Decodes the pieces of a stream, in any order and in any thread."""
    cdef Stream source
    cdef _Target target
    cdef native.found_pieces found

    cdef int code(self, _Coder coder, size_t first, size_t last) except -1:
        cdef native.status code
        with nogil:
            code = coder.coder.decode_pieces(
                self.source.source, &self.found.pieces[first], last - first, self.target.output.data(),
                self.target.output.layout())
        return _check(code)


@cython.final
cdef class Stream:
    """A JPEG-LS stream whose structure has been checked; holds its buffer.

    Parameters
    ----------
    src : buffer of bytes
        One stream, from SOI to EOI; bytes after EOI are ignored.
    max_dimension : int, optional
        Largest width and height, 65535 by default and at most 100000.
    max_samples : int, optional
        Largest width x height x components, 2**29 by default.
    partial : bool, optional
        Whether to accept a stream that is damaged after its first scan header, for `decode_partial_into`.
    preset_coding_parameters : PresetCodingParameters, optional
        What a stream without presets is decoded with, instead of the standard's defaults; 0 stands for a default.

    Attributes
    ----------
    info : StreamInfo
        The content of the stream's marker segments; once the stream has been decoded, also whose default thresholds
        that took.
    memory : tuple
        The shape of the samples in memory, (planes, rows, columns) if they are coded by plane, otherwise (rows,
        columns) or (rows, columns, components); and the bytes of each. MemoryError if no object can be so large.
    damage : InvalidStreamError or UnsupportedStreamError or None
        The first fault of a damaged stream that was accepted.

    Raises
    ------
    InvalidStreamError, UnsupportedStreamError
        If the stream is damaged, or not one that can be decoded.
    ParameterError
        If a limit or a preset coding parameter is out of range.
    TypeError
        If `src` has no buffer.
    """
    cdef _Region region
    cdef native.inspected_stream source
    cdef native.inspection_error fault  # of a damaged stream
    cdef object record  # `info`, made when it is first asked for
    cdef readonly object damage

    # Once for each object, unlike __init__: threads that share the object rely on its buffer.
    def __cinit__(
        self, object src not None, max_dimension=DEFAULT_MAX_DIMENSION, max_samples=DEFAULT_MAX_SAMPLES, partial=False,
        preset_coding_parameters=None,
    ):
        cdef native.inspection found
        if partial:
            check_partial_decoding()
        self.source.allowed.dimension = <uint32_t>_integer(
            "max_dimension", max_dimension, 1, native.highest_maximum_dimension)
        self.source.allowed.samples = <uint64_t>_integer("max_samples", max_samples, 1, INT64_MAX)
        self.region = _open("src", src, False)
        self.region.check_stream()
        self.source.bytes = native.without_fill_bytes(self.region.span())
        with nogil:  # reads every compressed byte once
            found = native.inspect(self.source.bytes, self.source.allowed)
        self.source.info = found.info
        if found.error.code != native.fault.none:
            self.fault = found.error
            self.damage = _stream_error(self.fault)
            if not partial or not self._salvage():
                raise self.damage
        if preset_coding_parameters is not None:
            self._assume_presets(preset_coding_parameters)
        if self.source.info.annotation_count:  # whose content may change
            self.record = self._record()

    @property
    def info(self):
        with cython.critical_section(self):
            if self.record is None:
                self.record = self._record()
            return self.record

    @property
    def memory(self):
        cdef native.stream_info* info = &self.source.info
        self._packed_size()  # checks it
        item_size = native.bytes_per_sample(info.bits_per_sample)
        if info.component_count == 1:
            return (info.height, info.width), item_size
        if self._plane_count() > 1:
            return (info.component_count, info.height, info.width), item_size
        return (info.height, info.width, info.component_count), item_size

    cdef bint _salvage(self) except -1:
        """Take what is known of a damaged stream; return whether a part of it can be decoded."""
        cdef native.piece_list found
        with nogil:
            found = native.salvage(self.source.bytes, self.source.allowed)
        self.source.is_damaged = True
        self.source.info = found.info
        self.source.info.size = self.source.bytes.size
        return not found.pieces.empty()

    cdef int _assume_presets(self, object presets) except -1:
        cdef dicom_jpegls_preset_coding_parameters values = _presets(presets)
        cdef native.preset_coding_parameters assumed
        assumed.maximum_sample_value = values.maximum_sample_value
        assumed.threshold1, assumed.threshold2 = values.threshold1, values.threshold2
        assumed.threshold3, assumed.reset_value = values.threshold3, values.reset_value
        cdef native.fault code = native.assume_presets(self.source, assumed)
        if code != native.fault.none:
            raise _presets_error(values, <int>code)
        return 0

    cdef object _record(self):
        cdef native.stream_info* info = &self.source.info
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
            _DEFAULT_THRESHOLDS[0],
        ))

    cdef tuple _annotations(self):
        cdef native.byte_span stream = self.source.bytes
        cdef vector[native.annotation] found
        cdef native.annotation annotation
        stream.size = self.source.info.size
        found = native.list_annotations(stream)
        comments = []
        application_data = []
        for annotation in found:
            data = annotation.data.data[:annotation.data.size]
            if annotation.code == native.marker_com:
                comments.append(data)
            else:
                application_data.append((annotation.code - native.marker_app0, data))
        return tuple(comments), tuple(application_data)

    def decode_into(self, dst not None, *, stride=0, workers=None):
        """Decode into a buffer; see the function `decode_into`."""
        self.decode_to(self._target(dst, stride), workers)

    cdef _Target _target(self, object dst, object stride):
        cdef _Target target = _Target.__new__(_Target)
        target.open(self, dst, stride)
        return target

    cdef int decode_to(self, _Target target, object workers) except -1:
        cdef native.status code
        cdef size_t count = _worker_count(workers, native.sample_count(native.frame_of(self.source.info)))
        if self.damage is not None:
            raise _stream_error(self.fault)  # a new one, because raising changes it
        if count > 1 and self._has_pieces():
            try:
                self._decode_pieces(target, count)
            except StreamError as error:
                if not self._decode_with_variants(target):
                    raise error
            return 0
        with nogil:  # both buffers are held by their regions, so no Python object is touched
            if native.fills_lanes(self.source):
                code = self._decode_in_lanes(target)
            else:
                code = native.decode_image(self.source, target.output.data(), target.output.layout())
            if code == native.status.success:
                target.output.deliver()
        return self.settle(target, code)

    cdef native.status _decode_in_lanes(self, _Target target) noexcept nogil:
        cdef native.many_coder coder
        cdef native.decoding decoding
        decoding.source = &self.source
        decoding.samples, decoding.layout = target.output.data(), target.output.layout()
        coder.decode(&decoding, 1)
        return decoding.error

    cdef int settle(self, _Target target, native.status code) except -1:
        """Raise the exception for the result of decoding, unless other default thresholds explain it."""
        if code == native.status.success:
            return 0
        error = _error(<int>code)
        if not isinstance(error, StreamError) or not self._decode_with_variants(target):
            raise error
        return 0

    cdef bint _decode_with_variants(self, _Target target) except -1:
        """Decode a stream that cannot be decoded otherwise as one of an encoder with other default thresholds.

        Return whether it is one.
        """
        cdef native.variant_result result
        if not _is_patched:  # it decodes with any thresholds, and does not notice which are wrong
            return False
        with nogil:
            result = native.decode_with_variants(self.source, target.output.data(), target.output.layout())
            if result.error == native.status.success and result.variant != native.default_thresholds.standard:
                target.output.deliver()
        _check(result.error)
        if result.variant == native.default_thresholds.standard:
            return False
        thresholds = _DEFAULT_THRESHOLDS[<int>result.variant]
        presets = _new_tuple(PresetCodingParameters, (
            result.presets.maximum_sample_value, result.presets.threshold1, result.presets.threshold2,
            result.presets.threshold3, result.presets.reset_value))
        record = self.info._replace(preset_coding_parameters=presets, default_thresholds=thresholds)
        with cython.critical_section(self):
            self.record = record
        warnings.warn(
            f"the stream has no preset coding parameters and cannot be decoded with the standard's default thresholds, "
            f"but with those of {thresholds.encoder}: {tuple(presets[1:4])}. This is how streams of that encoder are "
            "recognised; a damaged stream is, very seldom, taken for one",
            AssumedThresholdsWarning, stacklevel=2)
        return True

    cdef bint _has_pieces(self) noexcept:
        """Return whether there are parts that can be decoded separately."""
        return self._plane_count() > 1 or 0 < self.source.info.restart_interval < self.source.info.height

    cdef uint32_t _plane_count(self) noexcept:
        return native.plane_count(self.source.info.component_count, self.source.info.interleave_mode)

    cdef int _decode_pieces(self, _Target target, size_t workers) except -1:
        cdef _PieceDecoding decoding = _PieceDecoding.__new__(_PieceDecoding)
        decoding.source = self
        decoding.target = target
        with nogil:
            decoding.found = native.find_pieces(self.source, native.piece_height(self.source, workers))
        _check(decoding.found.error)
        decoding.run_batches(decoding.found.pieces.size(), workers)
        with nogil:
            target.output.deliver()
        return 0

    def decode_partial_into(self, dst not None, *, stride=0):
        """Decode the undamaged lines into a buffer.

        Returns
        -------
        good : bytearray
            A byte for each line, plane after plane if the interleave mode is none: 1 if the line was decoded before a
            fault was found, otherwise 0; the content of `dst` is then undefined.
        error : Exception or None
            The first fault.
        """
        cdef _Target target = self._target(dst, stride)
        cdef bytearray good = bytearray(target.output.layout().line_count)
        cdef uint8_t* marks = <uint8_t*><char*>good
        cdef native.status code
        error = self.damage
        if error is None:
            try:
                self.decode_to(target, 1)
            except StreamError as fault:
                error = fault
            else:
                good[:] = b"\1" * len(good)
                return good, None
        with nogil:
            code = native.decode_good_lines(self.source, target.output.data(), target.output.layout(), marks)
            target.output.deliver()
        _check(code)
        return good, error

    def decode(self, *, workers=None):
        """Decode into a new bytearray of the samples without gaps; see the function `decode_into`."""
        cdef object samples = PyByteArray_FromStringAndSize(NULL, <Py_ssize_t>self._packed_size())  # not zeroed
        self.decode_to(self._target(samples, 0), workers)
        return samples

    cdef size_t _packed_size(self) except? 0:
        cdef uint64_t size = native.packed_size(native.frame_of(self.source.info))
        check_size(size)
        return <size_t>size


@cython.final
@cython.internal
cdef class _StreamDecoding(_Batches):
    """Decodes streams, in any order and in any thread."""
    cdef list streams
    cdef list targets
    cdef vector[native.decoding] decodings
    cdef vector[native.output_buffer*] outputs

    cdef int add(self, Stream stream, _Target target) except -1:
        cdef native.decoding decoding
        decoding.source = &stream.source
        decoding.samples, decoding.layout = target.output.data(), target.output.layout()
        self.streams.append(stream)
        self.targets.append(target)
        self.decodings.push_back(decoding)
        self.outputs.push_back(&target.output)
        return 0

    cdef int code(self, _Coder coder, size_t first, size_t last) except -1:
        cdef size_t i
        with nogil:  # the streams and targets hold their buffers
            coder.coder.decode(&self.decodings[first], last - first)
            for i in range(first, last):
                if self.decodings[i].error == native.status.success:
                    self.outputs[i].deliver()
        return 0


def decode_streams(streams, targets, *, workers=None):
    """Decode several streams, each into its buffer, with many scans at a time where that is faster.

    Parameters
    ----------
    streams : sequence of Stream
        Inspected streams; damaged ones are refused.
    targets : sequence of writable buffers
        As `dst` of `decode_into`, which must not overlap each other or a stream.
    workers : int or None, optional
        Number of threads; see `decode_many`.

    Returns
    -------
    list of Exception or None
        For each stream its error, which does not affect the others.

    Raises
    ------
    BufferTooSmallError, ParameterError, TypeError
        If one of the buffers does not fit its stream. Nothing has been written then.
    """
    cdef _StreamDecoding decoding = _StreamDecoding.__new__(_StreamDecoding)
    cdef Stream stream
    cdef uint64_t samples = 0
    cdef size_t i
    decoding.streams, decoding.targets = [], []
    errors = []
    numbers = []
    for stream, target in zip(streams, targets, strict=True):
        if stream.damage is None:
            decoding.add(stream, stream._target(target, 0))
            numbers.append(len(errors))
            samples += native.sample_count(native.frame_of(stream.source.info))
        errors.append(None if stream.damage is None else _stream_error(stream.fault))
    if numbers:
        decoding.run_batches(len(numbers), _worker_count(workers, samples))
    for i, number in enumerate(numbers):
        try:
            (<Stream>decoding.streams[i]).settle(decoding.targets[i], decoding.decodings[i].error)
        except (JPEGLSError, MemoryError) as error:
            errors[number] = error
    return errors


def read_info(src, *, max_dimension=DEFAULT_MAX_DIMENSION, max_samples=DEFAULT_MAX_SAMPLES):
    """Read the marker segments of a JPEG-LS stream and check its structure, without decoding samples.

    Parameters
    ----------
    src : buffer of bytes
        One stream, from SOI to EOI (T.87 annex C); bytes after EOI are ignored.
    max_dimension : int, optional
        Largest width and height, 65535 (DICOM's limit) by default and at most 100000.
    max_samples : int, optional
        Largest width x height x components, 2**29 by default: a few kilobytes can claim to contain gigabytes.

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
    >>> image = np.zeros((2, 3), dtype=np.uint8)
    >>> info = jls.read_info(jls.encode(image, segments=jls.OptionalSegments(comments=[b"hello"])))
    >>> info.width, info.height, info.bits_per_sample, info.near_lossless, info.comments
    (3, 2, 8, 0, (b'hello',))
    """
    return (<Stream>Stream.__new__(Stream, src, max_dimension, max_samples)).info


def decode_into(
    src, dst, *, stride=0, max_dimension=DEFAULT_MAX_DIMENSION, max_samples=DEFAULT_MAX_SAMPLES, workers=None,
    preset_coding_parameters=None,
):
    """Decode a JPEG-LS stream into a buffer, without allocating or copying samples and with the GIL released.

    Parameters
    ----------
    src : buffer of bytes
        One stream; bytes after its EOI marker are ignored.
    dst : writable buffer
        Memory for 1 byte per sample up to 8 bits per sample, otherwise 2 in native byte order: colour by pixel, or
        plane after plane if the interleave mode is none. Rows need not be adjacent, as in a slice of an array. If the
        items are signed integers of that size, the samples are sign-extended from the stream's precision.
    stride : int, optional
        Bytes from the start of a line to that of the next. 0 stands for the distance of the buffer's rows, or for lines
        without gaps. With interleave mode none, the stride of a line of one plane.
    max_dimension : int, optional
        Largest width and height, 65535 (DICOM's limit) by default and at most 100000.
    max_samples : int, optional
        Largest width x height x components, 2**29 by default: a few kilobytes can claim to contain gigabytes.
    workers : int or None, optional
        Number of threads that decode restart intervals and planes; in other streams nothing can be decoded in parallel.
        None, the default, is one per core, but no more than one for each 2**18 samples, so that a small image is
        decoded in the calling thread.
    preset_coding_parameters : PresetCodingParameters, optional
        See `decode`.

    Returns
    -------
    StreamInfo
        The content of the stream's marker segments, and the default thresholds that decoding it took.

    Raises
    ------
    InvalidStreamError
        If the stream is damaged or truncated; the content of `dst` is then undefined.
    UnsupportedStreamError
        If the stream uses a part of JPEG-LS that cannot be decoded.
    BufferTooSmallError
        If `dst` is too small; the message says how many bytes are needed. Nothing has been written then.
    ParameterError
        If `dst` is read-only, overlaps `src` or has another layout, or another argument is out of range.
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
    cdef Stream source = Stream.__new__(  # without a call in Python
        Stream, src, max_dimension, max_samples, False, preset_coding_parameters)
    source.decode_to(source._target(dst, stride), workers)
    return source.info


def max_encoded_size(*, width, height, component_count=1, bits_per_sample):
    """Return a number of bytes that is enough for any encoded image of a kind.

    This is a bound, not an estimate: it holds for noise and for images that are made to defeat the coder (T.87 A.5.3,
    LIMIT), and is about 4.3 times the size of the samples. Add 4 bytes and the length of each comment and application
    data.

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
        Bytes, including a SPIFF header.

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
    return native.max_encoded_size(frame)


# --- Encoding ---------------------------------------------------------------------------------------------------------

@cython.final
@cython.internal
cdef class _Encoding:
    """Checked coding parameters and the samples they are for."""
    cdef _Region region
    cdef native.image_source image
    cdef list contents  # of the annotations
    cdef size_t workers

    cdef int set_parameters(
        self, near_lossless, interleave_mode, restart_interval, workers, segments,
    ) except -1:
        cdef dicom_jpegls_encoding_parameters* parameters = &self.image.parameters
        cdef native.status code
        self.workers = _worker_count(workers, native.sample_count(self.image.frame))
        parameters.near_lossless = _near(near_lossless, self.image.frame.bits_per_sample)
        parameters.interleave_mode = (
            native.default_interleave_mode(self.image.frame.component_count) if interleave_mode is None
            else <int32_t>_integer(
                "interleave_mode", interleave_mode, native.interleave_none, native.interleave_sample))
        if restart_interval is not None:
            parameters.restart_interval = self._restart_interval(restart_interval)
        if segments is not None:
            if not isinstance(segments, OptionalSegments):
                raise ParameterError(f"segments: must be OptionalSegments, found {segments!r}")
            parameters.color_transformation = <int32_t>_integer(
                "color_transformation", segments.color_transformation, 0, native.maximum_color_transformation)
            if segments.preset_coding_parameters is not None:
                parameters.preset_coding_parameters = _presets(segments.preset_coding_parameters)
        code = native.check_encoding(self.image.frame, self.image.parameters)
        if code != native.status.success:
            raise self._refusal(<int>code)
        if segments is not None:
            if segments.spiff_header is not None:
                self._set_spiff_header(segments.spiff_header)
            self._set_annotations(segments.comments, segments.application_data)
        return 0

    cdef int set_samples(self, src, stride) except -1:
        cdef optional[int32_t] unsafe
        cdef int32_t bits_per_sample = self.image.frame.bits_per_sample
        cdef int32_t near_lossless = self.image.parameters.near_lossless
        self.region = _open("src", src, False)
        _lay_out(&self.image.layout, self.image.frame, self.image.parameters.interleave_mode, self.region, stride)
        self.image.samples = self.region.data
        if near_lossless and self.region.has_signed_samples(bits_per_sample):
            with nogil:
                unsafe = native.find_unsafe_sample(self.image)
            if unsafe.has_value():
                half = 1 << (bits_per_sample - 1)
                raise ParameterError(
                    f"src: with near_lossless {near_lossless}, the signed sample {unsafe.value()} may be decoded with "
                    f"the opposite sign: lower near_lossless, or clip the samples to {near_lossless - half} to "
                    f"{half - 1 - near_lossless}")
        return 0

    cdef object _refusal(self, int code):
        """Return the exception for parameters that are in range, but inconsistent."""
        cdef dicom_jpegls_frame_info* frame = &self.image.frame
        parameters = self.image.parameters
        interleave_mode = _INTERLEAVE_MODES[parameters.interleave_mode].name
        if code == <int>native.codec_fault.argument_interleave_mode:
            message = (f"interleave_mode: {interleave_mode} needs 3 or 4 components, found {frame.component_count}: "
                       "use NONE")
        elif code == <int>native.status.fourth_component:
            message = f"interleave_mode: {error_text(code)}"
        elif code == <int>native.fault.color_transformation_use:
            message = (
                f"color_transformation: {_COLOR_TRANSFORMATIONS[parameters.color_transformation].name} needs 3 "
                f"components in line or sample interleave, 8 or 16 bits per sample and near_lossless 0; found "
                f"{frame.component_count} component(s), interleave mode {interleave_mode}, {frame.bits_per_sample} "
                f"bits, near_lossless {parameters.near_lossless}")
        else:
            return _presets_error(parameters.preset_coding_parameters, code)
        return ParameterError(message, code)

    cdef uint32_t _restart_interval(self, object restart_interval) except? 0:
        cdef uint32_t lines
        if restart_interval == "auto":
            return native.automatic_restart_interval(self.image.frame)
        if isinstance(restart_interval, str):
            raise ParameterError(
                f"restart_interval: must be a number of lines, 'auto' or None, found {restart_interval!r}")
        lines = <uint32_t>_integer("restart_interval", restart_interval, 1, native.maximum_restart_interval)
        return lines if lines < self.image.frame.height else 0

    cdef int _set_spiff_header(self, object header) except -1:
        cdef native.spiff_header spiff
        if not isinstance(header, SpiffHeader):
            raise ParameterError(f"spiff_header: must be a SpiffHeader, found {header!r}")
        spiff.profile_id = <int32_t>_integer("spiff_header.profile_id", header.profile_id, 0, 255)
        spiff.color_space = <int32_t>_integer("spiff_header.color_space", header.color_space, 0, 255)
        spiff.compression_type = <int32_t>_integer(
            "spiff_header.compression_type", header.compression_type,
            SpiffCompressionType.JPEG_LS, SpiffCompressionType.JPEG_LS)
        spiff.resolution_units = <int32_t>_integer("spiff_header.resolution_units", header.resolution_units, 0, 255)
        spiff.vertical_resolution = <uint32_t>_integer(
            "spiff_header.vertical_resolution", header.vertical_resolution, 1, UINT32_MAX)
        spiff.horizontal_resolution = <uint32_t>_integer(
            "spiff_header.horizontal_resolution", header.horizontal_resolution, 1, UINT32_MAX)
        spiff.width = self.image.frame.width
        spiff.height = self.image.frame.height
        spiff.component_count = self.image.frame.component_count
        spiff.bits_per_sample = self.image.frame.bits_per_sample
        for name, actual in (
            ("width", spiff.width),
            ("height", spiff.height),
            ("component_count", spiff.component_count),
            ("bits_per_sample", spiff.bits_per_sample),
        ):
            if getattr(header, name) not in (0, actual):
                raise ParameterError(
                    f"spiff_header.{name}: must be 0 or that of the image, {actual}, found {getattr(header, name)}")
        self.image.segments.spiff = spiff
        return 0

    cdef int _set_annotations(self, object comments, object application_data) except -1:
        self.contents = []
        if isinstance(comments, (bytes, bytearray, memoryview, str)):
            raise ParameterError("comments: must be a sequence of bytes objects, not a single bytes object")
        for i, comment in enumerate(_several("comments", comments)):
            self._add_annotation(f"comments[{i}]", native.marker_com, comment)
        for i, pair in enumerate(_several("application_data", application_data)):
            name = f"application_data[{i}]"
            pair = _several(name, pair)
            if len(pair) != 2:
                raise ParameterError(f"{name}: must be a number and bytes, found {len(pair)} item(s)")
            number, content = pair
            number = _integer(name + "[0]", number, 0, native.maximum_application_data_number)
            self._add_annotation(name, native.marker_app0 + number, content)
        return 0

    cdef int _add_annotation(self, str name, uint8_t code, object content) except -1:
        cdef native.annotation annotation
        cdef bytes data
        if not PyObject_CheckBuffer(content):
            raise ParameterError(f"{name}: must be bytes, found {type(content).__name__}")
        data = bytes(content)
        if len(data) > native.maximum_segment_data_size:
            raise ParameterError(
                f"{name}: {len(data)} bytes are too many; a segment holds at most {native.maximum_segment_data_size}")
        annotation.code = code
        annotation.data.data, annotation.data.size = data, len(data)
        if code == native.marker_app8 and native.is_structure(annotation.data):
            raise ParameterError(
                f"{name}: decoders would read it as a SPIFF header or a colour transformation: "
                "use spiff_header and color_transformation")
        self.contents.append(data)
        self.image.segments.annotations.push_back(annotation)
        return 0

    cdef uint64_t size_limit(self) noexcept:
        return self.image.segments.annotations_size() + native.max_encoded_size(self.image.frame)

    cdef bint has_tasks(self) noexcept:
        """Return whether the image is encoded in strips by tasks: planes only for several workers."""
        return native.strip_encoder.is_needed(self.image) or (
            self.workers > 1
            and native.plane_count(self.image.frame.component_count, self.image.parameters.interleave_mode) > 1)


cdef _Encoding _prepare_encoding(
    src, stride, width, height, component_count, bits_per_sample, near_lossless, interleave_mode, restart_interval,
    workers, segments,
):
    cdef _Encoding encoding = _Encoding.__new__(_Encoding)
    _set_frame(&encoding.image.frame, width, height, component_count, bits_per_sample)
    encoding.set_parameters(near_lossless, interleave_mode, restart_interval, workers, segments)
    encoding.set_samples(src, stride)
    return encoding


@cython.final
@cython.internal
cdef class _StripEncoding(_Batches):
    """Encodes the strips of an image, in any order and in any thread, and joins them."""
    cdef _Encoding encoding
    cdef native.strip_encoder strips
    cdef size_t size  # of the stream

    cdef int run(self, _Encoding encoding) except -1:
        cdef native.encoded_size joined
        self.encoding = encoding
        self.strips = native.strip_encoder(encoding.image)
        self.run_batches(self.strips.count(), encoding.workers)
        with nogil:
            joined = self.strips.join()
        self.size = joined.size
        return _check(joined.error)

    cdef int code(self, _Coder coder, size_t first, size_t last) except -1:
        cdef native.status code
        with nogil:  # the source is held by its region
            code = coder.coder.encode_strips(self.strips, first, last)
        return _check(code)


cdef _StripEncoding _encode_strips(_Encoding encoding):
    cdef _StripEncoding strips = _StripEncoding.__new__(_StripEncoding)
    strips.run(encoding)
    return strips


def encode_into(
    src not None, dst not None, *, width, height, component_count=1, bits_per_sample, near_lossless=0,
    interleave_mode=None, stride=0, restart_interval=None, workers=None, segments=None,
):
    """Encode an image from one buffer into another, without allocating or copying samples and with the GIL released.

    The options are those of `encode`; in addition, the caller describes the layout of the samples.

    Parameters
    ----------
    src : buffer
        1 byte per sample up to 8 bits per sample, otherwise 2 in native byte order: colour by pixel, or plane after
        plane if the interleave mode is none. Bits above `bits_per_sample` are ignored. Rows need not be adjacent, as in
        a slice of an array. For signed integers the two's complement bits are coded.
    dst : writable buffer of bytes
        `max_encoded_size` bytes are enough for any image; CharLS needs a few bytes more than it uses.
    width, height : int
        Samples in a line and lines, 1 to 65535.
    component_count : int, optional
        1 to 255; line and sample interleave need 3 or 4.
    bits_per_sample : int
        Sample precision P, 2 to 16 (T.87 C.2.2).
    near_lossless : int, optional
        Largest absolute error of a sample, 0 (lossless) to min(255, (2**P - 1) // 2).
    interleave_mode : InterleaveMode, optional
        By default sample interleave for 3 and 4 components, otherwise none.
    stride : int, optional
        Bytes from the start of a line to that of the next. 0 stands for the distance of the buffer's rows, or for lines
        without gaps. With interleave mode none, the stride of a line of one plane.
    restart_interval, workers, segments
        See `encode`.

    Returns
    -------
    int
        Bytes written, an even number.

    Raises
    ------
    ParameterError
        If an argument is out of range, or `src` or `dst` does not fit the others. Also if `src` has signed items and
        near-lossless coding could reverse the sign of one of them.
    BufferTooSmallError
        If `dst` is too small; the message says how many bytes are enough. Its content is undefined then.
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
    cdef _Encoding encoding = _prepare_encoding(
        src, stride, width, height, component_count, bits_per_sample, near_lossless, interleave_mode, restart_interval,
        workers, segments)
    cdef _Region target = _open("dst", dst, True)
    cdef _StripEncoding strips
    cdef native.encoded_size encoded
    target.check_stream()
    _check_overlap(encoding.region, target)
    if encoding.has_tasks():
        strips = _encode_strips(encoding)
        encoded.size = strips.size
        if strips.size <= target.size:
            with nogil:
                strips.strips.write(target.data)
        else:
            encoded.error = native.status.destination_too_small
    else:
        with nogil:  # the buffers are held by their regions
            encoded = native.encode_image(encoding.image, target.data, target.size)
    if encoded.error == native.status.destination_too_small:
        raise BufferTooSmallError(
            f"dst: {target.size} bytes are too few for this image; {encoding.size_limit()} bytes are enough for any "
            "image of its kind (max_encoded_size)")
    _check(encoded.error)
    return encoded.size


def encode(
    src not None, *, width, height, component_count=1, bits_per_sample, near_lossless=0, interleave_mode=None,
    stride=0, restart_interval=None, workers=None, segments=None,
):
    """Encode an image from a buffer and return the stream as bytes. The arguments are those of `encode_into`."""
    cdef _Encoding encoding = _prepare_encoding(
        src, stride, width, height, component_count, bits_per_sample, near_lossless, interleave_mode, restart_interval,
        workers, segments)
    cdef _StripEncoding strips
    cdef native.encoded_stream encoded
    cdef bytes stream
    cdef uint8_t* content
    if encoding.has_tasks():
        strips = _encode_strips(encoding)
        check_size(strips.size)
        stream = PyBytes_FromStringAndSize(NULL, <Py_ssize_t>strips.size)  # not zeroed
        content = <uint8_t*><char*>stream
        with nogil:
            strips.strips.write(content)
        return stream
    with nogil:  # the source is held by its region
        encoded = native.encode_image(encoding.image)
    _check(encoded.error)
    check_size(encoded.bytes.size())
    stream = PyBytes_FromStringAndSize(NULL, <Py_ssize_t>encoded.bytes.size())  # not zeroed
    content = <uint8_t*><char*>stream
    with nogil:
        encoded.bytes.move_to(content)
    return stream


def prepare_encoding(
    src not None, *, width, height, component_count=1, bits_per_sample, near_lossless=0, interleave_mode=None,
    stride=0, restart_interval=None, segments=None,
):
    """Check the arguments of `encode` and return the image for `encode_prepared`, which holds its buffer."""
    return _prepare_encoding(
        src, stride, width, height, component_count, bits_per_sample, near_lossless, interleave_mode, restart_interval,
        1 if restart_interval is None else None, segments)


@cython.final
@cython.internal
cdef class _ImageEncoding(_Batches):
    """Encodes images, in any order and in any thread."""
    cdef list sources
    cdef list streams
    cdef vector[native.encoding] encodings

    cdef int code(self, _Coder coder, size_t first, size_t last) except -1:
        cdef vector[uint8_t*] contents
        cdef bytes stream
        cdef size_t i
        with nogil:  # the sources hold their buffers
            coder.coder.encode(&self.encodings[first], last - first)
        for i in range(first, last):
            _check(self.encodings[i].error())
            stream = PyBytes_FromStringAndSize(NULL, <Py_ssize_t>self.encodings[i].size())  # not zeroed
            contents.push_back(<uint8_t*><char*>stream)
            self.streams[i] = stream
        with nogil:
            for i in range(first, last):
                self.encodings[i].write(contents[i - first])
        return 0


def encode_prepared(images, *, workers=None):
    """Encode several prepared images and return their streams, with many scans at a time where that is faster.

    Parameters
    ----------
    images : sequence
        What `prepare_encoding` returned.
    workers : int or None, optional
        Number of threads; see `encode_many`.

    Returns
    -------
    list of bytes
        The streams, the same as those of `encode`.
    """
    cdef _ImageEncoding encoding = _ImageEncoding.__new__(_ImageEncoding)
    cdef _Encoding source
    cdef uint64_t samples = 0
    encoding.sources = list(images)
    encoding.streams = [None] * len(encoding.sources)
    for source in encoding.sources:
        encoding.encodings.push_back(native.encoding(source.image))
        samples += native.sample_count(source.image.frame)
    if encoding.sources:
        encoding.run_batches(len(encoding.sources), _worker_count(workers, samples))
    return encoding.streams


# --- For C and Cython code --------------------------------------------------------------------------------------------

cdef int dicom_jpegls_read_info(
    const uint8_t* source, size_t source_size, dicom_jpegls_stream_info* info,
) noexcept nogil:
    return native.c_read_info(source, source_size, info)


cdef int dicom_jpegls_decode(
    const uint8_t* source, size_t source_size, uint8_t* destination, size_t destination_size, size_t stride,
    dicom_jpegls_stream_info* info,
) noexcept nogil:
    return native.c_decode(source, source_size, destination, destination_size, stride, info)


cdef int dicom_jpegls_decode_signed(
    const uint8_t* source, size_t source_size, uint8_t* destination, size_t destination_size, size_t stride,
    dicom_jpegls_stream_info* info,
) noexcept nogil:
    return native.c_decode_signed(source, source_size, destination, destination_size, stride, info)


cdef int dicom_jpegls_encode(
    const uint8_t* source, size_t source_size, size_t stride, const dicom_jpegls_frame_info* frame,
    const dicom_jpegls_encoding_parameters* parameters, uint8_t* destination, size_t destination_size,
    size_t* bytes_written,
) noexcept nogil:
    return native.c_encode(
        source, source_size, stride, frame, parameters, destination, destination_size, bytes_written)


cdef int dicom_jpegls_decode_many(dicom_jpegls_decoding* items, size_t count, size_t workers) noexcept nogil:
    return native.c_decode_many(items, count, workers)


cdef int dicom_jpegls_encode_many(dicom_jpegls_encoding* items, size_t count, size_t workers) noexcept nogil:
    return native.c_encode_many(items, count, workers)


cdef int dicom_jpegls_max_encoded_size(const dicom_jpegls_frame_info* frame, uint64_t* size) noexcept nogil:
    return native.c_max_encoded_size(frame, size)


cdef const char* dicom_jpegls_error_text(int code) noexcept nogil:
    return native.error_text(code)


cdef const char* dicom_jpegls_version() noexcept nogil:
    return native.version()


_C_API = PyCapsule_New(<void*>&native.table, native.DICOM_JPEGLS_CAPSULE, NULL)
