// What a Python model answered as bytes, for the engine's cache.
#pragma once

#include <Python.h>

#include <cstddef>
#include <vector>

namespace spinney::binding {

// An array of numbers or of text of a fixed length; of anything else nothing, which is not kept.
std::vector<char> kept_bytes(PyObject* answer);
// A new array of its own; nullptr with a Python error set.
PyObject* make_kept(const void* bytes, size_t size);

}  // namespace spinney::binding
