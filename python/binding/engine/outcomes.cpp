#include "binding/engine/outcomes.h"

#include <array>
#include <cstdint>
#include <memory>
#include <utility>

#include "binding/engine/served.h"
#include "binding/interpreter/numpy_api.h"
#include "binding/model/model.h"
#include "spinney/base/clock.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace spinney::binding {

// Of one model's requests that are answered where they are asked: counted with those of its queue.
struct Outcomes {
  std::shared_ptr<engine::LaneCount> count;
  nb::object record;  // of a MetricsManager that a program put in place, or none
};

namespace {

struct Names {
  PyObject* inference_time = PyUnicode_InternFromString("inference_time_ms");
  PyObject* total_time = PyUnicode_InternFromString("total_time_ms");
  PyObject* batch_size = PyUnicode_InternFromString("batch_size");
  PyObject* compiled = PyUnicode_InternFromString("compiled_model_used");
  PyObject* cached = PyUnicode_InternFromString("cached");
  PyObject* cache_hit = PyUnicode_InternFromString("cache_hit");
};
const Names* names = nullptr;  // made at import, and for as long as the process

// time.perf_counter() is this clock too.
int64_t now() { return SteadyClock::instance().now_ns(); }
int64_t in_ns(double seconds) { return static_cast<int64_t>(seconds * 1e9); }

}  // namespace

// Several targets' probabilities are a list of arrays.
Py_ssize_t rows_of(PyObject* result) {
  if (PyArray_CheckExact(result) && PyArray_NDIM(reinterpret_cast<PyArrayObject*>(result)) > 0)
    return PyArray_DIM(reinterpret_cast<PyArrayObject*>(result), 0);
  if (PyList_CheckExact(result) && PyList_GET_SIZE(result) > 0)
    return PyObject_Size(PyList_GET_ITEM(result, 0));
  return PyObject_Size(result);
}

namespace {

bool put(PyObject* dict, PyObject* name, PyObject* value) {
  const Owned held(value);
  return value && PyDict_SetItem(dict, name, value) == 0;
}

}  // namespace

PyObject* make_success(PyObject* result, const Told& told, Py_ssize_t rows, PyObject* more) {
  const Owned metadata(PyDict_New());
  PyObject* dict = metadata.get();
  if (!dict || !put(dict, names->inference_time, PyFloat_FromDouble(told.took_s * 1e3)) ||
      !put(dict, names->total_time, PyFloat_FromDouble(told.total_s * 1e3)) ||
      !put(dict, names->batch_size, PyLong_FromSsize_t(rows)) ||
      PyDict_SetItem(dict, names->compiled, Py_False) < 0)
    return nullptr;
  if (told.cached && (PyDict_SetItem(dict, names->cached, Py_True) < 0 ||
                      PyDict_SetItem(dict, names->cache_hit, Py_True) < 0))
    return nullptr;
  if (more != Py_None && PyDict_Update(dict, more) < 0) return nullptr;
  return PyTuple_Pack(3, Py_True, result, dict);
}

namespace {

// Python's floats of `args`; false with a Python error set.
template <size_t kCount>
bool read_floats(PyObject* const* args, std::array<double, kCount>& out) {
  for (size_t i = 0; i < kCount; ++i) {
    out[i] = PyFloat_AsDouble(args[i]);
    if (out[i] == -1.0 && PyErr_Occurred()) return false;
  }
  return true;
}

bool expect(Py_ssize_t count, Py_ssize_t wanted) {
  if (count == wanted) return true;
  PyErr_Format(PyExc_TypeError, "expected %zd arguments, got %zd", wanted, count);
  return false;
}

bool call_record(PyObject* record, double took_s, Py_ssize_t rows, double scaling_s,
                 double quantizing_s) {
  const Owned took(PyFloat_FromDouble(took_s)), scaling(PyFloat_FromDouble(scaling_s)),
      quantizing(PyFloat_FromDouble(quantizing_s)), number(PyLong_FromSsize_t(rows));
  if (!took || !scaling || !quantizing || !number) return false;
  const Owned recorded(PyObject_CallFunctionObjArgs(record, took.get(), number.get(), scaling.get(),
                                                    quantizing.get(), nullptr));
  return recorded != nullptr;
}

}  // namespace

bool record(PyObject* self, const Told& told, Py_ssize_t rows) {
  const nb::object& record = nb::inst_ptr<Outcomes>(self)->record;
  return !record.is_valid() ||
         call_record(record.ptr(), told.took_s, rows, told.scaling_s, told.quantizing_s);
}

namespace {

// cached(result, started, more)
PyObject* cached(PyObject* self, PyObject* const* args, Py_ssize_t count) {
  std::array<double, 1> started;
  if (!expect(count, 3) || !read_floats(args + 1, started)) return nullptr;
  const Py_ssize_t rows = rows_of(args[0]);
  if (rows < 0) return nullptr;
  const int64_t ended_ns = now();
  nb::inst_ptr<Outcomes>(self)->count->hit_at_once(ended_ns - in_ns(started[0]));
  Told told;
  told.total_s = static_cast<double>(ended_ns) * 1e-9 - started[0];
  told.cached = true;
  return make_success(args[0], told, rows, args[2]);
}

// succeeded(result, took, started, cached, more)
PyObject* succeeded(PyObject*, PyObject* const* args, Py_ssize_t count) {
  std::array<double, 2> times;  // took, started
  if (!expect(count, 5) || !read_floats(args + 1, times)) return nullptr;
  const Py_ssize_t rows = rows_of(args[0]);
  if (rows < 0) return nullptr;
  Told told;
  told.took_s = times[0];
  told.total_s = static_cast<double>(now()) * 1e-9 - times[1];
  told.cached = args[3] == Py_True;
  return make_success(args[0], told, rows, args[4]);
}

PyCFunction fast(PyObject* (*function)(PyObject*, PyObject* const*, Py_ssize_t)) {
  return reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(function));
}

// Plain C methods: nanobind's dispatcher would be half of what they take.
PyMethodDef methods[] = {
    {"cached", fast(cached), METH_FASTCALL,
     "cached($self, result, started, more, /)\n--\n\n"
     "(True, result, metadata) of an answer that a cache of the program's own gave, which is\n"
     "counted. started: time.perf_counter() at the request's beginning; more: metadata besides, "
     "or\n"
     "None."},
    {nullptr, nullptr, 0, nullptr},
};
PyMethodDef functions[] = {
    {"succeeded", fast(succeeded), METH_FASTCALL,
     "succeeded(result, took, started, cached, more, /)\n--\n\n"
     "(True, result, metadata) of an answer that is counted elsewhere."},
    {nullptr, nullptr, 0, nullptr},
};

}  // namespace

void define_outcomes(nb::module_& module) {
  static const Names made;
  names = &made;
  PyType_Slot slots[] = {{Py_tp_methods, methods}, {0, nullptr}};
  nb::class_<Outcomes>(module, "Outcomes", nb::type_slots(slots),
                       "Makes what InferenceEngine.predict gives of one model, and counts it.")
      .def(
          "__init__",
          [](Outcomes* self, const ServedHandle& served, const nb::object& metrics) {
            new (self) Outcomes{served.served->count, {}};
            if (!metrics.is_none()) self->record = metrics.attr("update_inference");
          },
          "served"_a, "metrics"_a.none())
      .def(
          "answered",
          [](const Outcomes& self, size_t rows, double started) {
            const int64_t began = in_ns(started), ended = now();
            self.count->answered_at_once({rows, began, began, ended - began, ended, -1});
          },
          "rows"_a, "started"_a,
          "A request that was answered elsewhere by now; started: time.perf_counter().")
      .def(
          "refused",
          [](const Outcomes& self, bool throttled) {
            self.count->refused_at_once(throttled ? Refusal::kThrottled : Refusal::kConcurrency);
          },
          "throttled"_a, "A request that was not let in elsewhere.")
      .def(
          "failed",
          [](const Outcomes& self, bool misfit) {
            misfit ? self.count->refused_at_once(Refusal::kMisfit) : self.count->failed_at_once();
          },
          "misfit"_a, "A request whose rows did not fit, or that the model failed to answer.")
      .def(
          "looked_up",
          [](const Outcomes& self, double seconds) {
            self.count->looked_up(false, in_ns(seconds));
          },
          "seconds"_a, "A look into the cache that found nothing, for a queued request.")
      .def(
          "hit",
          [](const Outcomes& self, double seconds) { self.count->hit_at_once(in_ns(seconds)); },
          "seconds"_a, "A request that the cache answered instead of the queue.");
  if (PyModule_AddFunctions(module.ptr(), functions) < 0) throw nb::python_error();
}

}  // namespace spinney::binding
