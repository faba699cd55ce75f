// The terms of a request in Python's words: its time limit, and why it was refused.
#pragma once

#include <Python.h>

#include <cstdint>

#include "spinney/engine/engine.h"

namespace spinney::binding {

// None leaves it. False with a Python error set.
bool read_deadline(PyObject* timeout_ms, const engine::Engine& engine, int64_t& deadline_ns);

// Admission::error(), with the options that a Python program has where the core names its own.
Error error_of(const Admission& admission);

}  // namespace spinney::binding
