// A Python function as a back end of the engine.
#pragma once

#include <Python.h>

#include <cstddef>
#include <memory>

#include "spinney/backend/backend.h"

namespace spinney::binding {

struct PythonBackendOptions {
  size_t width = 0;         // columns that rows must have; 0: any
  size_t concurrency = 1;   // calls at once
  bool idempotent = false;  // may be called again on the same rows
};

// function(rows) -> a sequence with an item for each row; rows is a 2-D array of float32 or float64
// that the function may keep. Called with the interpreter's lock held, on threads of its own, as
// many as `concurrency`, so that it never keeps a worker from native models. What it raises is what
// the futures of its rows raise.
std::shared_ptr<const backend::Backend> make_python_backend(PyObject* function,
                                                            const PythonBackendOptions& options);

}  // namespace spinney::binding
