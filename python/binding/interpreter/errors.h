// Errors of the core become Python exceptions, by one table.
#pragma once

#include <Python.h>

#include <cstdint>

#include "spinney/base/result.h"

namespace spinney::binding {

// Sets the Python exception of error.code (spinney.exceptions) and returns nullptr, as a C method
// that fails must.
PyObject* raise(const Error& error);
// The same with the attribute retry_after in seconds, if there are any.
PyObject* raise(const Error& error, int64_t retry_after_ns);

}  // namespace spinney::binding
