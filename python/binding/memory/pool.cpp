#include "binding/memory/pool.h"

#include <nanobind/nanobind.h>

#include <new>

#include "binding/interpreter/numpy_api.h"
#include "spinney/base/checked_size.h"
#include "spinney/base/wipe.h"
#include "spinney/memory/pool.h"

namespace nb = nanobind;

namespace spinney::binding {
namespace {

constexpr const char* kLoan = "spinney._core.loan";

// Where Python's buffers come from. What MemoryPool does not keep goes back to the system.
memory::Pool& python_pool() {
  static auto* pool = new memory::Pool([] {
    memory::PoolOptions options;
    options.idle_bytes_max = 0;
    return options;
  }());
  return *pool;
}

// The base of an array that is lent: its memory, wiped and given back when nothing refers to it.
void end_loan(PyObject* capsule) {
  delete static_cast<memory::Buffer*>(PyCapsule_GetPointer(capsule, kLoan));
}

PyArrayObject* as_array(PyObject* object) { return reinterpret_cast<PyArrayObject*>(object); }

// The loan that an array is the whole of, or nullptr for any other object.
memory::Buffer* loan_of(PyObject* object) {
  if (!PyArray_CheckExact(object)) return nullptr;
  PyObject* base = PyArray_BASE(as_array(object));
  if (!base || !PyCapsule_IsValid(base, kLoan)) return nullptr;
  auto* loan = static_cast<memory::Buffer*>(PyCapsule_GetPointer(base, kLoan));
  return loan->data() == PyArray_DATA(as_array(object)) ? loan : nullptr;
}

// An array of zeros that the caller owns alone. The dtype's reference is taken over.
PyObject* lend(PyArray_Descr* dtype, int n_axes, const npy_intp* axes, size_t bytes) {
  auto made = python_pool().acquire(bytes);
  auto* loan = made.ok() ? new (std::nothrow) memory::Buffer(std::move(*made)) : nullptr;
  if (!loan) {
    Py_DECREF(dtype);
    return PyErr_Format(PyExc_MemoryError, "no memory for a buffer of %zu bytes", bytes);
  }
  PyObject* base = PyCapsule_New(loan, kLoan, &end_loan);
  if (!base) {
    Py_DECREF(dtype);
    delete loan;
    return nullptr;
  }
  PyObject* array = PyArray_NewFromDescr(&PyArray_Type, dtype, n_axes, axes, nullptr, loan->data(),
                                         NPY_ARRAY_CARRAY, nullptr);
  if (!array || PyArray_SetBaseObject(as_array(array), base) < 0) {
    if (!array) Py_DECREF(base);
    Py_XDECREF(array);
    return nullptr;
  }
  return array;
}

// lend_buffer(shape, dtype): shape is a tuple of checked numbers whose bytes fit a size.
PyObject* lend_buffer(PyObject*, PyObject* args) {
  PyObject* shape = nullptr;
  PyArray_Descr* dtype = nullptr;
  if (!PyArg_ParseTuple(args, "O!O&", &PyTuple_Type, &shape, PyArray_DescrConverter, &dtype))
    return nullptr;
  npy_intp axes[32];
  const Py_ssize_t n_axes = PyTuple_GET_SIZE(shape);
  if (n_axes > 32) {
    Py_DECREF(dtype);
    PyErr_SetString(PyExc_ValueError, "a buffer has at most 32 axes");
    return nullptr;
  }
  std::optional<size_t> bytes = as_size(PyDataType_ELSIZE(dtype));
  for (Py_ssize_t i = 0; i < n_axes; ++i) {
    axes[i] = PyLong_AsSsize_t(PyTuple_GET_ITEM(shape, i));
    bytes = bytes ? checked_product(*bytes, axes[i]) : bytes;
    if (!bytes) {
      Py_DECREF(dtype);
      if (!PyErr_Occurred()) PyErr_SetString(PyExc_MemoryError, "no such buffer fits in memory");
      return nullptr;
    }
  }
  return lend(dtype, static_cast<int>(n_axes), axes, *bytes);
}

// wipe_buffer(array) -> bool: zeros in all of its memory; False if it is no whole loan.
PyObject* wipe_buffer(PyObject*, PyObject* object) {
  memory::Buffer* loan = loan_of(object);
  if (!loan) Py_RETURN_FALSE;
  wipe(loan->data(), loan->size());
  Py_RETURN_TRUE;
}

// buffer_bytes() -> bytes that are lent or kept, size classes included.
PyObject* buffer_bytes(PyObject*, PyObject*) {
  return PyLong_FromSize_t(python_pool().stats().in_use_bytes);
}

// pool_stats() -> dict of the pool that rows, answers and ranks of the core come from.
PyObject* pool_stats(PyObject*, PyObject*) {
  const memory::PoolStats stats = memory::process_pool().stats();
  return Py_BuildValue("{s:K,s:K,s:n,s:n,s:n,s:n}", "acquired",
                       static_cast<unsigned long long>(stats.acquired), "reused",
                       static_cast<unsigned long long>(stats.reused), "in_use_buffers",
                       static_cast<Py_ssize_t>(stats.in_use_buffers), "in_use_bytes",
                       static_cast<Py_ssize_t>(stats.in_use_bytes), "idle_buffers",
                       static_cast<Py_ssize_t>(stats.idle_buffers), "idle_bytes",
                       static_cast<Py_ssize_t>(stats.idle_bytes));
}

// trim_pool(idle_bytes) -> bytes that went back to the system.
PyObject* trim_pool(PyObject*, PyObject* idle_bytes) {
  const size_t most = PyLong_AsSize_t(idle_bytes);
  if (most == static_cast<size_t>(-1) && PyErr_Occurred()) return nullptr;
  size_t went = 0;
  {
    const nb::gil_scoped_release release;
    went = memory::process_pool().trim(most);
  }
  return PyLong_FromSize_t(went);
}

PyMethodDef kFunctions[] = {{"lend_buffer", lend_buffer, METH_VARARGS, nullptr},
                            {"wipe_buffer", wipe_buffer, METH_O, nullptr},
                            {"buffer_bytes", buffer_bytes, METH_NOARGS, nullptr},
                            {"pool_stats", pool_stats, METH_NOARGS, nullptr},
                            {"trim_pool", trim_pool, METH_O, nullptr},
                            {nullptr, nullptr, 0, nullptr}};

}  // namespace

void define_pool(nb::module_& module) {
  if (PyModule_AddFunctions(module.ptr(), kFunctions) < 0) throw nb::python_error();
}

}  // namespace spinney::binding
