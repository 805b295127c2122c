/* SPDX-License-Identifier: MIT */
/*
 * JPEG-LS for C, C++ and Cython extensions of Python, without linking: the functions come through a capsule.
 *
 *     #include <Python.h>
 *     #include <dicom_jpegls/dicom_jpegls.h>
 *
 *     static const dicom_jpegls_api *jls;
 *
 *     PyMODINIT_FUNC PyInit_example(void)
 *     {
 *         jls = dicom_jpegls_import();
 *         if (!jls)
 *             return NULL; // ImportError is set
 *         ...
 *
 * The folder for the compiler's include path is what dicom_jpegls.get_include() gives. Cython code needs no such call:
 * `from dicom_jpegls cimport _codec` declares and imports the same functions.
 *
 * No function touches a Python object, needs the GIL, keeps state or prints: any number of threads may call them at
 * once. Each returns DICOM_JPEGLS_SUCCESS or another code, for which `error_text` has the words. A function that refuses
 * its arguments has written nothing; one that fails later may have written a part of its destination, never outside.
 *
 * Samples lie in memory as 1 byte each up to 8 bits per sample, otherwise as 2 bytes in native byte order, at any
 * address: colour by pixel, or plane after plane where the interleave mode is none. `stride` counts the bytes from the
 * start of a line to that of the next (with interleave mode none, of a line of one plane); 0 says that they follow each
 * other without gaps. The gaps are neither read nor written, and none is needed behind the last line.
 */
#ifndef DICOM_JPEGLS_H
#define DICOM_JPEGLS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Changes whenever a struct or a function of the table does, other than by a function added at its end. */
#define DICOM_JPEGLS_ABI_VERSION 1

/* Codes that programs act on. Those below 1000 are CharLS's, from 1000 on a stream was refused before it was decoded,
 * from 2000 on the caller's arguments. */
enum dicom_jpegls_code {
    DICOM_JPEGLS_SUCCESS = 0,
    DICOM_JPEGLS_DESTINATION_TOO_SMALL = 3,
    DICOM_JPEGLS_NOT_ENOUGH_MEMORY = 13,
    DICOM_JPEGLS_FIRST_STREAM_FAULT = 1000,
    DICOM_JPEGLS_NULL_POINTER = 2000,
    DICOM_JPEGLS_SOURCE_TOO_SMALL = 2001,
    DICOM_JPEGLS_STRIDE_TOO_SMALL = 2002,
    DICOM_JPEGLS_STRIDE_ODD = 2003,
    DICOM_JPEGLS_OVERLAP = 2004,
    DICOM_JPEGLS_FOURTH_COMPONENT = 2005,
    DICOM_JPEGLS_RESERVED_FIELD = 2006
};

/* T.87 C.2.3, ILV. */
enum dicom_jpegls_interleave_mode {
    DICOM_JPEGLS_INTERLEAVE_MODE_NONE = 0,
    DICOM_JPEGLS_INTERLEAVE_MODE_LINE = 1,
    DICOM_JPEGLS_INTERLEAVE_MODE_SAMPLE = 2
};

/* What an image is like: the frame header (T.87 C.2.2). */
typedef struct dicom_jpegls_frame_info {
    uint32_t width;          /* samples in a line: DICOM's Columns, 1 to 65535 */
    uint32_t height;         /* lines: DICOM's Rows, 1 to 65535 */
    int32_t bits_per_sample; /* precision P: DICOM's Bits Stored, 2 to 16 */
    int32_t component_count; /* DICOM's Samples per Pixel, 1 to 255 */
} dicom_jpegls_frame_info;

/* T.87 C.2.4.1.1; 0 stands for the default value. */
typedef struct dicom_jpegls_preset_coding_parameters {
    int32_t maximum_sample_value;
    int32_t threshold1;
    int32_t threshold2;
    int32_t threshold3;
    int32_t reset_value;
} dicom_jpegls_preset_coding_parameters;

/* What the markers of a stream say. */
typedef struct dicom_jpegls_stream_info {
    dicom_jpegls_frame_info frame;
    int32_t interleave_mode;
    int32_t near_lossless;        /* NEAR: the largest absolute error of a sample; the largest of all scans */
    int32_t color_transformation; /* 0, or 1 to 3 for HP1 to HP3 */
    uint32_t restart_interval;    /* lines between restart markers; 0 where there are none */
    dicom_jpegls_preset_coding_parameters preset_coding_parameters; /* of the first scan, defaults filled in */
    uint32_t reserved[7];
    uint64_t size;          /* bytes from SOI to EOI */
    uint64_t trailing_size; /* bytes behind EOI that belong to no stream, padding with 00 or FF left out */
    uint64_t decoded_size;  /* bytes of the samples without gaps */
} dicom_jpegls_stream_info;

/* How to encode. Zeros everywhere: lossless, one scan for each component (colour by plane). */
typedef struct dicom_jpegls_encoding_parameters {
    int32_t near_lossless;        /* 0 to min(255, (2^P - 1) / 2) */
    int32_t interleave_mode;      /* line and sample interleave need 3 or 4 components */
    int32_t color_transformation; /* 0, or 1 to 3 for HP1 to HP3: outside the standard, not for DICOM */
    dicom_jpegls_preset_coding_parameters preset_coding_parameters;
    uint32_t restart_interval; /* lines between restart markers; 0 for none. Not every decoder reads them. */
    uint32_t reserved[7];      /* 0 */
} dicom_jpegls_encoding_parameters;

typedef struct dicom_jpegls_api {
    /* What dicom_jpegls_import() compares. */
    uint32_t abi_version;
    uint32_t api_size;
    uint32_t stream_info_size;
    uint32_t encoding_parameters_size;

    /* Reads what a stream's markers say and checks its structure; decodes no sample. Bytes behind EOI do not matter. The
     * limits on dimensions and samples are the defaults of dicom_jpegls.read_info(). */
    int (*read_info)(const uint8_t *source, size_t source_size, dicom_jpegls_stream_info *info);

    /* Decodes a stream. `info` may be NULL. To be sure of the image's shape beforehand, call `read_info` first: it costs
     * a fraction of the decoding. */
    int (*decode)(const uint8_t *source, size_t source_size, uint8_t *destination, size_t destination_size,
                  size_t stride, dicom_jpegls_stream_info *info);

    /* Encodes an image as one stream of even length, as DICOM fragments have (PS3.5 A.4). Bits of a sample above
     * `bits_per_sample` are ignored. `parameters` may be NULL: lossless, sample interleave for 3 and 4 components. */
    int (*encode)(const uint8_t *source, size_t source_size, size_t stride, const dicom_jpegls_frame_info *frame,
                  const dicom_jpegls_encoding_parameters *parameters, uint8_t *destination, size_t destination_size,
                  size_t *bytes_written);

    /* Gives the bytes that are enough for any encoded image of a kind: a bound, about 4.3 times the raw size. */
    int (*max_encoded_size)(const dicom_jpegls_frame_info *frame, uint64_t *size);

    /* The words for any code; never NULL, to be freed by nobody. */
    const char *(*error_text)(int code);

    /* The version of the package that is installed, as in dicom_jpegls.__version__. */
    const char *(*version)(void);
} dicom_jpegls_api;

/* Where the table is: a capsule of that name. */
#define DICOM_JPEGLS_MODULE "dicom_jpegls._codec"
#define DICOM_JPEGLS_ATTRIBUTE "_C_API"
#define DICOM_JPEGLS_CAPSULE DICOM_JPEGLS_MODULE "." DICOM_JPEGLS_ATTRIBUTE

/* Only where Python.h has been included. */
#ifdef Py_PYTHON_H

#if defined(__cplusplus) || (defined(__STDC_VERSION__) && __STDC_VERSION__ >= 199901L)
#define DICOM_JPEGLS_INLINE static inline
#elif defined(__GNUC__)
#define DICOM_JPEGLS_INLINE static __inline__
#else
#define DICOM_JPEGLS_INLINE static
#endif

/* Imports the table of functions; NULL, with ImportError set, if the installed package does not fit this header. To be
 * called with the GIL held, as when a module is initialised. */
DICOM_JPEGLS_INLINE const dicom_jpegls_api *dicom_jpegls_import(void)
{
    const dicom_jpegls_api *api;
    PyObject *capsule;
    PyObject *module = PyImport_ImportModule(DICOM_JPEGLS_MODULE); /* tells more than PyCapsule_Import would */
    if (!module)
        return NULL;
    capsule = PyObject_GetAttrString(module, DICOM_JPEGLS_ATTRIBUTE);
    Py_DECREF(module); /* stays imported */
    api = capsule ? (const dicom_jpegls_api *)PyCapsule_GetPointer(capsule, DICOM_JPEGLS_CAPSULE) : NULL;
    Py_XDECREF(capsule);
    if (!api) {
        PyErr_SetString(PyExc_ImportError, "dicom_jpegls: the installed version has no " DICOM_JPEGLS_CAPSULE);
        return NULL;
    }
    if (api->abi_version != DICOM_JPEGLS_ABI_VERSION) {
        PyErr_Format(PyExc_ImportError,
                     "dicom_jpegls: the installed version has ABI %u, this extension was compiled for ABI %u: compile it "
                     "again with the installed version, or install the other",
                     (unsigned int)api->abi_version, (unsigned int)DICOM_JPEGLS_ABI_VERSION);
        return NULL;
    }
    if (api->api_size < sizeof(dicom_jpegls_api)) {
        PyErr_Format(PyExc_ImportError,
                     "dicom_jpegls: version %s is installed; this extension was compiled for a later one, which has more "
                     "functions: upgrade dicom-jpegls",
                     api->version());
        return NULL;
    }
    if (api->stream_info_size != sizeof(dicom_jpegls_stream_info) ||
        api->encoding_parameters_size != sizeof(dicom_jpegls_encoding_parameters)) {
        PyErr_SetString(PyExc_ImportError,
                        "dicom_jpegls: the compiler lays out the structs in another way than the one that built it");
        return NULL;
    }
    return api;
}

#endif

#ifdef __cplusplus
}
#endif

#endif
