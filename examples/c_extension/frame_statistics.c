/* Statistics of JPEG-LS frames, in one loop without the GIL. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <dicom_jpegls/dicom_jpegls.h>

#include <stdlib.h>

static const dicom_jpegls_api *jls;

typedef struct {
    uint32_t minimum;
    uint32_t maximum;
    double mean;
} statistics;

static void measure_samples(const uint8_t *memory, size_t count, int wide, statistics *result)
{
    uint64_t sum = 0;
    size_t i;
    result->minimum = UINT32_MAX;
    result->maximum = 0;
    for (i = 0; i < count; ++i) {
        const uint32_t sample = wide ? ((const uint16_t *)(const void *)memory)[i] : memory[i];
        if (sample < result->minimum)
            result->minimum = sample;
        if (sample > result->maximum)
            result->maximum = sample;
        sum += sample;
    }
    result->mean = (double)sum / (double)count;
}

/* Measures frames one after the other in the same scratch memory; returns a code, and in `failed` the frame's index. */
static int measure_frames(const Py_buffer *frames, Py_ssize_t count, statistics *results, Py_ssize_t *failed)
{
    uint8_t *scratch = NULL;
    uint64_t capacity = 0;
    int code = DICOM_JPEGLS_SUCCESS;
    Py_ssize_t i;
    for (i = 0; i < count && code == DICOM_JPEGLS_SUCCESS; ++i) {
        const uint8_t *source = frames[i].buf;
        const size_t size = (size_t)frames[i].len;
        dicom_jpegls_stream_info info;
        *failed = i;
        code = jls->read_info(source, size, &info);
        if (code == DICOM_JPEGLS_SUCCESS && info.decoded_size > capacity) {
            free(scratch);
            scratch = info.decoded_size > SIZE_MAX ? NULL : malloc((size_t)info.decoded_size);
            capacity = scratch ? info.decoded_size : 0;
            if (!scratch)
                code = DICOM_JPEGLS_NOT_ENOUGH_MEMORY;
        }
        if (code == DICOM_JPEGLS_SUCCESS)
            code = jls->decode(source, size, scratch, (size_t)capacity, 0, NULL);
        if (code == DICOM_JPEGLS_SUCCESS) {
            const int wide = info.frame.bits_per_sample > 8;
            measure_samples(scratch, (size_t)info.decoded_size / (wide ? 2 : 1), wide, &results[i]);
        }
    }
    free(scratch);
    return code;
}

static PyObject *make_list(const statistics *results, Py_ssize_t count)
{
    PyObject *list = PyList_New(count);
    Py_ssize_t i;
    for (i = 0; list && i < count; ++i) {
        PyObject *item = Py_BuildValue("(IId)", (unsigned int)results[i].minimum, (unsigned int)results[i].maximum,
                                       results[i].mean);
        if (!item)
            Py_CLEAR(list);
        else
            PyList_SET_ITEM(list, i, item);
    }
    return list;
}

PyDoc_STRVAR(measure_doc, "measure(frames)\n--\n\n"
                          "Return (minimum, maximum, mean) of the samples of each JPEG-LS stream.");

static PyObject *measure(PyObject *module, PyObject *argument)
{
    PyObject *given = PySequence_Fast(argument, "frames: a sequence of buffers is needed");
    /* A tuple, since a list may change while its buffers are opened. */
    PyObject *sequence = given ? PySequence_Tuple(given) : NULL;
    PyObject *list = NULL;
    Py_buffer *frames = NULL;
    statistics *results = NULL;
    Py_ssize_t count;
    Py_ssize_t held = 0;
    Py_ssize_t failed = 0;
    int code;
    (void)module;
    Py_XDECREF(given);
    if (!sequence)
        return NULL;
    count = PyTuple_GET_SIZE(sequence);
    frames = PyMem_Calloc((size_t)count + 1, sizeof *frames);
    results = PyMem_Calloc((size_t)count + 1, sizeof *results);
    if (!frames || !results) {
        PyErr_NoMemory();
        goto done;
    }
    for (; held < count; ++held)
        if (PyObject_GetBuffer(PyTuple_GET_ITEM(sequence, held), &frames[held], PyBUF_SIMPLE) != 0)
            goto done;

    Py_BEGIN_ALLOW_THREADS
    code = measure_frames(frames, count, results, &failed);
    Py_END_ALLOW_THREADS

    if (code == DICOM_JPEGLS_NOT_ENOUGH_MEMORY)
        PyErr_NoMemory();
    else if (code != DICOM_JPEGLS_SUCCESS)
        PyErr_Format(PyExc_ValueError, "frame %zd: %s (code %d)", failed, jls->error_text(code), code);
    else
        list = make_list(results, count);

done:
    while (held > 0)
        PyBuffer_Release(&frames[--held]);
    PyMem_Free(frames);
    PyMem_Free(results);
    Py_DECREF(sequence);
    return list;
}

static PyMethodDef methods[] = {{"measure", measure, METH_O, measure_doc}, {NULL, NULL, 0, NULL}};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "frame_statistics", "Statistics of JPEG-LS frames.", -1, methods, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit_frame_statistics(void)
{
    PyObject *module;
    jls = dicom_jpegls_import();
    module = jls ? PyModule_Create(&definition) : NULL;
#ifdef Py_GIL_DISABLED
    if (module)
        PyUnstable_Module_SetGIL(module, Py_MOD_GIL_NOT_USED);
#endif
    return module;
}
