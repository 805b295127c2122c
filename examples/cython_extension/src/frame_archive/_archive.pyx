# cython: language_level=3, boundscheck=False, wraparound=False, freethreading_compatible=True
"""The loops over frames, without the GIL."""
from libc.stddef cimport size_t
from libc.stdint cimport uint8_t, uint16_t, uint64_t
from libc.stdlib cimport calloc, free, realloc
from libc.string cimport memset

from dicom_jpegls cimport _codec as jls

import numpy as np


def pack(const uint16_t[:, :, ::1] volume not None, *, int bits_per_sample, int near_lossless=0):
    """Encode all frames of a volume into one block.

    Parameters
    ----------
    volume : array of uint16
        Shape (frames, rows, columns), at least one frame.
    bits_per_sample : int
        Sample precision, 9 to 16.
    near_lossless : int, optional
        Largest absolute error of a sample.

    Returns
    -------
    block : bytes
        One JPEG-LS stream after the other.
    offsets : numpy.ndarray
        Shape (frames + 1,), uint64: where each stream starts, and where the last ends.
    """
    cdef Py_ssize_t frames = volume.shape[0]
    cdef jls.dicom_jpegls_frame_info frame
    cdef jls.dicom_jpegls_encoding_parameters parameters
    cdef uint64_t enough = 0
    cdef uint64_t raw = <uint64_t>volume.shape[1] * volume.shape[2] * sizeof(uint16_t)
    cdef uint64_t[::1] offsets
    cdef uint8_t* block = NULL
    cdef uint8_t* larger
    cdef uint64_t capacity = 0
    cdef size_t written = 0
    cdef Py_ssize_t i
    cdef int code
    if frames == 0 or bits_per_sample < 9:
        raise ValueError("a frame and more than 8 bits per sample are needed")
    frame.width, frame.height = volume.shape[2], volume.shape[1]
    frame.bits_per_sample, frame.component_count = bits_per_sample, 1
    memset(&parameters, 0, sizeof(parameters))
    parameters.near_lossless = near_lossless
    offsets = np.zeros(frames + 1, np.uint64)
    with nogil:
        code = jls.dicom_jpegls_max_encoded_size(&frame, &enough)
        for i in range(frames):
            if code != jls.DICOM_JPEGLS_SUCCESS:
                break
            if capacity - offsets[i] < enough:  # room for the worst frame, and for all the others that remain
                capacity = offsets[i] + enough + <uint64_t>(frames - i) * raw
                larger = <uint8_t*>realloc(block, capacity)
                if larger == NULL:
                    code = jls.DICOM_JPEGLS_NOT_ENOUGH_MEMORY
                    break
                block = larger
            code = jls.dicom_jpegls_encode(
                <const uint8_t*>&volume[i, 0, 0], raw, 0, &frame, &parameters, block + offsets[i],
                capacity - offsets[i], &written)
            offsets[i + 1] = offsets[i] + written
    try:
        _check(code)
        return block[:offsets[frames]], np.asarray(offsets)
    finally:
        free(block)


def unpack(const uint8_t[::1] block not None, const uint64_t[::1] offsets not None, uint16_t[:, :, :] out not None):
    """Decode all frames of a block into their places, by one thread per core.

    Parameters
    ----------
    block, offsets
        What `pack` has returned.
    out : array of uint16
        Shape (frames, rows, columns). Only the samples of a row must follow each other: it may be a region of a
        larger array.
    """
    cdef Py_ssize_t frames = out.shape[0]
    cdef jls.dicom_jpegls_stream_info info
    cdef jls.dicom_jpegls_decoding* items
    cdef size_t stride = <size_t>out.strides[1]
    cdef Py_ssize_t i
    cdef int code = jls.DICOM_JPEGLS_SUCCESS
    cdef bint fits = True
    if offsets.shape[0] != frames + 1 or out.strides[2] != sizeof(uint16_t) or out.strides[1] <= 0:
        raise ValueError("out must have one frame for each stream, and rows without gaps inside")
    if np.any(np.diff(np.asarray(offsets)).astype(np.int64) <= 0) or offsets[frames] > <uint64_t>block.shape[0]:
        raise ValueError("the offsets do not fit the block")
    items = <jls.dicom_jpegls_decoding*>calloc(frames + 1, sizeof(jls.dicom_jpegls_decoding))
    if items == NULL:
        raise MemoryError
    with nogil:
        for i in range(frames):
            items[i].source, items[i].source_size = &block[offsets[i]], offsets[i + 1] - offsets[i]
            code = jls.dicom_jpegls_read_info(items[i].source, items[i].source_size, &info)
            if code != jls.DICOM_JPEGLS_SUCCESS:
                break
            # The codec only knows how many bytes there are, not which shape they are to have.
            fits = (info.frame.width == <size_t>out.shape[2] and info.frame.height == <size_t>out.shape[1]
                    and info.frame.component_count == 1 and info.frame.bits_per_sample > 8)
            if not fits:
                break
            items[i].destination, items[i].stride = <uint8_t*>&out[i, 0, 0], stride
            items[i].destination_size = (info.frame.height - 1) * stride + info.frame.width * sizeof(uint16_t)
        if code == jls.DICOM_JPEGLS_SUCCESS and fits:
            code = jls.dicom_jpegls_decode_many(items, frames, 0)
            i = 0
            while i < frames and items[i].code == jls.DICOM_JPEGLS_SUCCESS:
                i += 1
    free(items)
    if not fits:
        raise ValueError(f"stream {i} holds a frame of another shape than out")
    if code != jls.DICOM_JPEGLS_SUCCESS:
        _check(code, f"stream {i}: ")


cdef int _check(int code, str item="") except -1:
    if code == jls.DICOM_JPEGLS_NOT_ENOUGH_MEMORY:
        raise MemoryError
    if code != jls.DICOM_JPEGLS_SUCCESS:
        raise ValueError(f"{item}{jls.dicom_jpegls_error_text(code).decode()} (code {code})")
    return 0
