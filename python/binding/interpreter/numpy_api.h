// numpy's C API, shared by the files of this folder. The one that fills the table at import defines
// SPINNEY_IMPORTS_NUMPY first.
#pragma once

#include <Python.h>

#define NPY_NO_DEPRECATED_API NPY_1_7_API_VERSION
#define PY_ARRAY_UNIQUE_SYMBOL spinney_numpy_api
#ifndef SPINNEY_IMPORTS_NUMPY
#define NO_IMPORT_ARRAY
#endif
#include <numpy/arrayobject.h>

#if NPY_ABI_VERSION < 0x02000000  // numpy 1, which Python 3.8 has
#define PyDataType_ELSIZE(descr) ((descr)->elsize)
#endif
