// A classifier's labels as numpy arrays, and class numbers as labels.
#pragma once

#include <Python.h>

#include <cstddef>
#include <cstdint>

#include "spinney/model/output.h"

namespace spinney::binding {

// A new read-only 1-D array of the labels in their own dtype, or nullptr with a Python error set.
PyObject* make_label_array(const Labels& labels);

// Writes labels[number] for each of n class numbers, `stride` apart, to element i * stride of out,
// an array of the same dtype as labels whose elements are contiguous.
void gather_labels(PyObject* labels, const int32_t* numbers, size_t n, size_t stride, PyObject* out,
                   size_t first);

}  // namespace spinney::binding
