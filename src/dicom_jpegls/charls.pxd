# The part of the CharLS C API that Python needs: its version. native/codec uses the rest.

cdef extern from "charls/charls.h" nogil:
    const char* charls_get_version_string()
