// What Python models answered, kept under keys of the caller's: the methods kept and keep of
// Served.
#include <nanobind/nanobind.h>

#include <exception>
#include <span>
#include <vector>

#include "binding/engine/kept_value.h"
#include "binding/engine/served.h"
#include "binding/engine/served_direct.h"

namespace nb = nanobind;

namespace spinney::binding {
namespace {

bool set_key(PyObject* key, Request& request) {
  char* bytes = nullptr;
  Py_ssize_t size = 0;
  if (PyBytes_AsStringAndSize(key, &bytes, &size) < 0) return false;
  request.key = {reinterpret_cast<const std::byte*>(bytes), static_cast<size_t>(size)};
  return true;
}

}  // namespace

PyObject* served_kept(PyObject* self, PyObject* key) {
  const Served& served = *nb::inst_ptr<ServedHandle>(self)->served;
  Request request = request_of(served);
  if (!set_key(key, request)) return nullptr;
  try {
    engine::Visit visit;
    const Admission admission = served.engine->enter(request, visit, engine::Entry::kIfKept);
    if (!admission.ok() || visit.turn() != engine::Turn::kAnswered) Py_RETURN_NOTIMPLEMENTED;
    return make_kept(visit.answer(), visit.answer_bytes());
  } catch (const std::exception&) {
    return PyErr_NoMemory();
  }
}

PyObject* served_keep(PyObject* self, PyObject* const* args, Py_ssize_t count) {
  if (count != 2) {
    PyErr_SetString(PyExc_TypeError, "expected key, answer");
    return nullptr;
  }
  const Served& served = *nb::inst_ptr<ServedHandle>(self)->served;
  Request request = request_of(served);
  if (!set_key(args[0], request)) return nullptr;
  try {
    const std::vector<char> bytes = kept_bytes(args[1]);
    if (!bytes.empty()) served.engine->keep(request, std::as_bytes(std::span(bytes)));
    Py_RETURN_NONE;
  } catch (const std::exception&) {
    return PyErr_NoMemory();
  }
}

}  // namespace spinney::binding
