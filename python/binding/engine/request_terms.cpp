#include "binding/engine/request_terms.h"

#include <algorithm>
#include <cmath>
#include <string>

namespace spinney::binding {

bool read_deadline(PyObject* timeout_ms, const engine::Engine& engine, int64_t& deadline_ns) {
  if (timeout_ms == Py_None) return true;
  const double ms = PyFloat_AsDouble(timeout_ms);
  if (ms == -1.0 && PyErr_Occurred()) {
    if (PyErr_ExceptionMatches(PyExc_TypeError))
      PyErr_Format(PyExc_TypeError, "timeout_ms is %R; give milliseconds, or None", timeout_ms);
    return false;
  }
  if (std::isnan(ms)) {
    PyErr_SetString(PyExc_ValueError, "timeout_ms is nan; give milliseconds, or None");
    return false;
  }
  if (ms < 1e12) deadline_ns = engine.now_ns() + static_cast<int64_t>(std::max(ms, 0.0) * 1e6);
  return true;
}

Error error_of(const Admission& admission) {
  const std::string given = std::to_string(admission.given);
  const std::string allowed = std::to_string(admission.allowed);
  if (admission.refusal == Refusal::kQueueFull)
    return {admission.code(), "the model's queue is full: " + given + " rows wait, and more than " +
                                  allowed + " may not (batch_processor_config.max_queue_size)"};
  if (admission.refusal == Refusal::kNoRows && admission.given > 0)
    return {admission.code(), "the request has " + given + " rows, and the queue takes at most " +
                                  allowed + " of one; use predict, or cut it"};
  return admission.error();
}

}  // namespace spinney::binding
