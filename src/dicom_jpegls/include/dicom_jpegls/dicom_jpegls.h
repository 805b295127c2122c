/* SPDX-License-Identifier: MIT */
/*
 * JPEG-LS for C, C++ and Cython extensions of Python. Nothing to link: the functions come through a capsule.
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
 * dicom_jpegls.get_include() returns the folder for the compiler's include path. Cython code does not need the call:
 * `from dicom_jpegls cimport _codec` declares and imports the same functions.
 *
 * The functions use no Python object, do not need the GIL, keep no state and print nothing: any number of threads may
 * call them at once. Each returns DICOM_JPEGLS_SUCCESS or another code, for which `error_text` returns a text. A function
 * that refuses its arguments has written nothing; one that fails later may have written to its destination, but never
 * outside of it. All work is done when a function returns: the threads of `decode_many` and `encode_many` have ended.
 *
 * Samples have 1 byte each up to 8 bits per sample, otherwise 2 bytes in native byte order, at any address: colour by
 * pixel, or plane after plane if the interleave mode is none. Signed samples are two's complement numbers; a stream does
 * not say that its samples are signed. `stride` is the number of bytes from the start of a line to
 * that of the next (with interleave mode none, of a line of one plane); 0 stands for lines without gaps. Gaps are neither
 * read nor written, also where memory is copied because 2-byte samples are at an odd address: they may be unreadable, or
 * in use by other threads. None is needed after the last line.
 */
#ifndef DICOM_JPEGLS_H
#define DICOM_JPEGLS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Changes when a struct or a function of the table changes, but not when a function is added at the table's end. */
#define DICOM_JPEGLS_ABI_VERSION 1

/* The codes that programs may need to handle. Codes below 1000 are what the codec reports, whatever the version of CharLS;
 * with 1000 to 1999 a stream was refused before it was decoded, and from 2000 an argument. */
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
    DICOM_JPEGLS_RESERVED_FIELD = 2006,
    DICOM_JPEGLS_UNSAFE_SAMPLE = 2007
};

/* T.87 C.2.3, ILV. */
enum dicom_jpegls_interleave_mode {
    DICOM_JPEGLS_INTERLEAVE_MODE_NONE = 0,
    DICOM_JPEGLS_INTERLEAVE_MODE_LINE = 1,
    DICOM_JPEGLS_INTERLEAVE_MODE_SAMPLE = 2
};

/* The frame header (T.87 C.2.2). */
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

/* The content of a stream's marker segments. */
typedef struct dicom_jpegls_stream_info {
    dicom_jpegls_frame_info frame;
    int32_t interleave_mode;
    int32_t near_lossless;        /* NEAR: the largest absolute error of a sample; the largest of all scans. If there is a
                                     colour transformation, of a sample before that is undone */
    int32_t color_transformation; /* that the samples have gone through: 0, or 1 to 3 for HP1 to HP3. 0 also where a
                                     stream names one that has no effect, as on planes */
    uint32_t restart_interval;    /* lines between restart markers; 0 if there are none */
    dicom_jpegls_preset_coding_parameters preset_coding_parameters; /* of the first scan, with defaults filled in */
    uint32_t reserved[7];
    uint64_t size;          /* bytes from SOI to EOI */
    uint64_t trailing_size; /* bytes after EOI, without padding by 00 or FF at the end */
    uint64_t decoded_size;  /* bytes of the samples without gaps */
} dicom_jpegls_stream_info;

/* How to encode. All zeros: lossless, one scan for each component (colour by plane). */
typedef struct dicom_jpegls_encoding_parameters {
    int32_t near_lossless;        /* 0 to min(255, (2^P - 1) / 2) */
    int32_t interleave_mode;      /* line and sample interleave need 3 or 4 components */
    int32_t color_transformation; /* 0, or 1 to 3 for HP1 to HP3: not in the standard, not allowed in DICOM */
    dicom_jpegls_preset_coding_parameters preset_coding_parameters;
    uint32_t restart_interval; /* lines between restart markers; 0 for none. Not every decoder reads them. */
    uint32_t is_signed;        /* 1 if the samples are signed: then NEAR must not be able to reverse the sign of one, that
                                  is, none may be closer than NEAR to a limit of its range. Otherwise 0. */
    uint32_t reserved[6];      /* must be 0 */
} dicom_jpegls_encoding_parameters;

/* The most threads that a call uses. */
#define DICOM_JPEGLS_MAXIMUM_WORKERS 512

/* A stream for `decode_many`, with the arguments of `decode`. */
typedef struct dicom_jpegls_decoding {
    const uint8_t *source;
    size_t source_size;
    uint8_t *destination;
    size_t destination_size;
    size_t stride;
    dicom_jpegls_stream_info *info; /* may be NULL */
    uint32_t is_signed;             /* 1: as `decode_signed`. Otherwise 0. */
    uint32_t reserved[2];           /* must be 0 */
    int32_t code;                   /* is set: what `decode` would have returned */
} dicom_jpegls_decoding;

/* An image for `encode_many`, with the arguments of `encode`. */
typedef struct dicom_jpegls_encoding {
    const uint8_t *source;
    size_t source_size;
    size_t stride;
    const dicom_jpegls_frame_info *frame;
    const dicom_jpegls_encoding_parameters *parameters; /* may be NULL */
    uint8_t *destination;
    size_t destination_size;
    size_t bytes_written; /* is set if the code is DICOM_JPEGLS_SUCCESS */
    uint32_t reserved[3]; /* must be 0 */
    int32_t code;         /* is set: what `encode` would have returned */
} dicom_jpegls_encoding;

typedef struct dicom_jpegls_api {
    /* Compared by dicom_jpegls_import(). */
    uint32_t abi_version;
    uint32_t api_size;
    uint32_t stream_info_size;
    uint32_t encoding_parameters_size;

    /* Reads the marker segments of a stream and checks its structure, without decoding samples. Bytes after EOI are
     * ignored. The limits on dimensions and samples are the defaults of dicom_jpegls.read_info(). */
    int (*read_info)(const uint8_t *source, size_t source_size, dicom_jpegls_stream_info *info);

    /* Decodes a stream. `info` may be NULL. To know the shape of the image before, call `read_info`: it takes a fraction
     * of the time. */
    int (*decode)(const uint8_t *source, size_t source_size, uint8_t *destination, size_t destination_size,
                  size_t stride, dicom_jpegls_stream_info *info);

    /* Encodes an image as one stream of even length, as DICOM fragments have (PS3.5 A.4). Bits of a sample above
     * `bits_per_sample` are ignored. `parameters` may be NULL: lossless, sample interleave for 3 and 4 components. */
    int (*encode)(const uint8_t *source, size_t source_size, size_t stride, const dicom_jpegls_frame_info *frame,
                  const dicom_jpegls_encoding_parameters *parameters, uint8_t *destination, size_t destination_size,
                  size_t *bytes_written);

    /* Computes the bytes that are enough for any encoded image of a kind: a bound, about 4.3 times the raw size. */
    int (*max_encoded_size)(const dicom_jpegls_frame_info *frame, uint64_t *size);

    /* Returns the text for any code; never NULL, not to be freed. */
    const char *(*error_text)(int code);

    /* Returns the version of the installed package, as in dicom_jpegls.__version__. */
    const char *(*version)(void);

    /* As `decode`, for signed samples: they are sign-extended from the stream's precision to 8 or 16 bits. */
    int (*decode_signed)(const uint8_t *source, size_t source_size, uint8_t *destination, size_t destination_size,
                         size_t stride, dicom_jpegls_stream_info *info);

    /* Compared by dicom_jpegls_import(). */
    uint32_t decoding_size;
    uint32_t encoding_size;

    /* Decodes `count` streams, with many scans at a time in each thread where that is faster: the same samples as those
     * of `decode`, and a code for each item. An error affects no other item. Returns the code of the first item that has
     * another one than DICOM_JPEGLS_SUCCESS; if `items` is NULL, DICOM_JPEGLS_NULL_POINTER.
     *
     * `workers` is the number of threads, at most DICOM_JPEGLS_MAXIMUM_WORKERS and never more than there are items; the
     * calling thread is one of them. 0 stands for one per core, but no more than one for each 2^18 samples of all items.
     * Items may share sources. No byte of a destination's lines may belong to a source or to another destination, but
     * lines of one may lie in the gaps of another, as those of tiles of a mosaic do. */
    int (*decode_many)(dicom_jpegls_decoding *items, size_t count, size_t workers);

    /* Encodes `count` images, likewise: the same streams as those of `encode`, and a code for each item. A destination
     * only needs as many bytes as its stream has. */
    int (*encode_many)(dicom_jpegls_encoding *items, size_t count, size_t workers);
} dicom_jpegls_api;

/* The capsule that holds the table. */
#define DICOM_JPEGLS_MODULE "dicom_jpegls._codec"
#define DICOM_JPEGLS_ATTRIBUTE "_C_API"
#define DICOM_JPEGLS_CAPSULE DICOM_JPEGLS_MODULE "." DICOM_JPEGLS_ATTRIBUTE

/* Only where Python.h has been included. */
#ifdef Py_PYTHON_H

/* Undefined again below. */
#if defined(__cplusplus) || (defined(__STDC_VERSION__) && __STDC_VERSION__ >= 199901L)
#define DICOM_JPEGLS_IMPORT_FUNCTION static inline
#elif defined(__GNUC__)
#define DICOM_JPEGLS_IMPORT_FUNCTION static __inline__
#else
#define DICOM_JPEGLS_IMPORT_FUNCTION static
#endif

/* Imports the table of functions. Returns NULL, with ImportError set, if the installed package does not fit this header.
 * Must be called with the GIL held, as when a module is initialised. */
DICOM_JPEGLS_IMPORT_FUNCTION const dicom_jpegls_api *dicom_jpegls_import(void)
{
    const dicom_jpegls_api *api;
    PyObject *capsule;
    PyObject *module = PyImport_ImportModule(DICOM_JPEGLS_MODULE); /* its error says more than that of PyCapsule_Import */
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
                     "dicom_jpegls: the installed version has ABI %u, this extension was compiled for ABI %u: recompile it "
                     "with the installed version, or install the other version",
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
        api->encoding_parameters_size != sizeof(dicom_jpegls_encoding_parameters) ||
        api->decoding_size != sizeof(dicom_jpegls_decoding) || api->encoding_size != sizeof(dicom_jpegls_encoding)) {
        PyErr_SetString(PyExc_ImportError,
                        "dicom_jpegls: the compiler of this extension lays out the structs differently from the one that "
                        "built the package");
        return NULL;
    }
    return api;
}

#undef DICOM_JPEGLS_IMPORT_FUNCTION

#endif

#ifdef __cplusplus
}
#endif

#endif
