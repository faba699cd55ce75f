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

// answer_rows(rows) -> a sequence with an item for each row; rows is a 2-D array of float32 or
// float64 that the function may keep.
// answer_parcels(objects) -> a sequence with the answer to each object of a list; one that is an
// exception is what the future of that request alone raises.
// Either may be None: then requests of that sort are refused. Called with the interpreter's lock
// held, on threads of its own, as many as `concurrency`, so that it never keeps a worker from
// native models. What one raises is what the futures of the batch raise.
std::shared_ptr<const backend::Backend> make_python_backend(PyObject* answer_rows,
                                                            PyObject* answer_parcels,
                                                            const PythonBackendOptions& options);

}  // namespace spinney::binding
