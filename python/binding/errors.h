// Errors of the core become Python exceptions, by one table.
#pragma once

#include <Python.h>

#include "spinney/base/result.h"

namespace spinney::binding {

// Sets the Python exception of error.code (spinney.exceptions) and returns nullptr, as a C method
// that fails must.
PyObject* raise(const Error& error);

}  // namespace spinney::binding
