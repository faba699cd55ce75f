#include "binding/model/result_memory.h"

#include <new>
#include <optional>
#include <span>

#include "spinney/base/checked_size.h"
#include "spinney/memory/large.h"

namespace nb = nanobind;

namespace spinney::binding {
namespace {

constexpr const char* kName = "spinney._core.result";
// The C library keeps smaller memory for reuse itself, which it does better than we with wiping.
constexpr size_t kLargeBytes = size_t{32} << 20;
constexpr size_t kIdleBytesMax = size_t{128} << 20;

// Never destroyed: arrays may outlive this module.
memory::LargeBuffers& buffers() {
  static auto* made = new memory::LargeBuffers(kIdleBytesMax);
  return *made;
}

struct Loan {
  void* data;
  size_t bytes;
};

void end_loan(PyObject* capsule) {
  auto* loan = static_cast<Loan*>(PyCapsule_GetPointer(capsule, kName));
  buffers().give_back(loan->data, loan->bytes);
  delete loan;
}

// A capsule that owns so many bytes; null, without an exception, if there is no memory.
PyObject* lend(size_t bytes) {
  void* data = buffers().acquire(bytes);
  if (!data) return nullptr;
  auto* loan = new (std::nothrow) Loan{data, bytes};
  PyObject* capsule = loan ? PyCapsule_New(loan, kName, &end_loan) : nullptr;
  if (capsule) return capsule;
  PyErr_Clear();
  delete loan;
  buffers().give_back(data, bytes);
  return nullptr;
}

PyObject* large_result(int n_axes, const npy_intp* axes, int type, size_t bytes) {
  PyObject* base = lend(bytes);
  if (!base) {
    PyErr_Format(PyExc_MemoryError, "no memory for a result of %zu bytes", bytes);
    return nullptr;
  }
  const auto* loan = static_cast<const Loan*>(PyCapsule_GetPointer(base, kName));
  PyObject* array = PyArray_New(&PyArray_Type, n_axes, axes, type, nullptr, loan->data, 0,
                                NPY_ARRAY_CARRAY, nullptr);
  if (!array) {
    Py_DECREF(base);
    return nullptr;
  }
  if (PyArray_SetBaseObject(reinterpret_cast<PyArrayObject*>(array), base) == 0) return array;
  Py_DECREF(array);
  return nullptr;
}

size_t trim_results() {
  const nb::gil_scoped_release released;
  return buffers().trim();
}

}  // namespace

PyObject* new_result(int n_axes, const npy_intp* axes, int type) {
  const size_t item = type == NPY_FLOAT ? 4 : type == NPY_INT8 || type == NPY_UINT8 ? 1 : 2;
  const std::optional<size_t> bytes =
      checked_product(checked_product(std::span<const npy_intp>(axes, static_cast<size_t>(n_axes)))
                          .value_or(kSizeMax),
                      item);
  // numpy says what is wrong with a shape that no memory can hold.
  PyObject* made = !bytes || *bytes < kLargeBytes ? PyArray_SimpleNew(n_axes, axes, type)
                                                  : large_result(n_axes, axes, type, *bytes);
  if (!made) throw nb::python_error();
  return made;
}

void define_result_memory(nb::module_& m) {
  m.def("trim_results", &trim_results,
        "Gives the memory of large results that nothing refers to back to the system: bytes.");
  m.def(
      "idle_result_bytes", [] { return buffers().idle_bytes(); },
      "Bytes kept for the next large results.");
}

}  // namespace spinney::binding
