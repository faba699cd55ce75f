// BatchLane as Python sees it.
#include <nanobind/nanobind.h>
#include <nanobind/stl/shared_ptr.h>

#include <cmath>
#include <exception>

#include "binding/engine/batch_lane.h"
#include "binding/interpreter/errors.h"
#include "binding/interpreter/interpreter_lock.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace spinney::binding {
namespace {

// A time, or a length of time, of more than centuries is none.
int64_t nanoseconds(double seconds) {
  if (!(seconds < 9e9)) return kNever;
  return std::llround(std::max(seconds, -9e9) * 1e9);
}

template <typename Field>
void take(const nb::dict& options, const char* name, Field& field) {
  if (options.contains(name)) field = nb::cast<Field>(options[name]);
}

void take_seconds(const nb::dict& options, const char* name, int64_t& field) {
  double seconds = 0;
  take(options, name, seconds);
  field = nanoseconds(seconds);
}

engine::ModelOptions lane_options(const nb::dict& given) {
  engine::ModelOptions options;
  options.adaptive_batch_size = options.single_flight = options.warm_up = false;
  options.refuse_too_late = false;
  options.shed_target_ns = 0;
  options.max_queue_rows = options.max_request_rows = size_t{1} << 62;
  options.rest_waits = options.deadline_until_run = true;
  take(given, "max_batch_size", options.max_batch_size);
  take(given, "min_batch_size", options.min_batch_size);
  take(given, "full_batches", options.full_batches);
  take(given, "max_batch_bytes", options.max_batch_bytes);
  take(given, "max_queue_requests", options.max_queue_requests);
  take(given, "halve_failed", options.halve_failed);
  take(given, "max_retries", options.max_retries);
  take_seconds(given, "batch_timeout", options.batch_timeout_ns);
  take_seconds(given, "min_batch_interval", options.min_batch_interval_ns);
  take_seconds(given, "retry_delay", options.retry_delay_ns);
  return options;
}

using LanePtr = std::shared_ptr<BatchLane>;

LanePtr make_lane(nb::callable runner, nb::callable settle, const nb::dict& options,
                  bool idempotent, bool own_clock) {
  return std::make_shared<BatchLane>(runner.ptr(), settle.ptr(), lane_options(options), idempotent,
                                     own_clock);
}

BatchLane& lane_of(PyObject* self) { return *nb::inst_ptr<BatchLane>(self); }

// (entry, rows, bytes, signature, turn, deadline): 0, or the Refusal.
PyObject* submit(PyObject* self, PyObject* const* args, Py_ssize_t count) {
  if (count != 6) {
    PyErr_SetString(PyExc_TypeError, "expected entry, rows, bytes, signature, turn, deadline");
    return nullptr;
  }
  const size_t rows = PyLong_AsSize_t(args[1]);
  const size_t bytes = PyLong_AsSize_t(args[2]);
  const size_t signature = PyLong_AsSize_t(args[3]);
  const double turn = PyFloat_AsDouble(args[4]);
  const double deadline = PyFloat_AsDouble(args[5]);
  if (PyErr_Occurred()) return nullptr;
  try {
    const Admission admission = lane_of(self).submit(args[0], rows, bytes, signature,
                                                     nanoseconds(turn), nanoseconds(deadline));
    return PyLong_FromLong(static_cast<long>(admission.refusal));
  } catch (const std::exception&) {
    return PyErr_NoMemory();
  }
}

// Plain C methods: where the interpreter ends while one of them waits for its lock, the system ends
// the thread by unwinding it, which a generic dispatcher's catch-all would break.
PyObject* serve(PyObject* self, PyObject*) {
  lane_of(self).serve();
  Py_RETURN_NONE;
}

PyObject* keep_time(PyObject* self, PyObject*) {
  lane_of(self).keep_time();
  Py_RETURN_NONE;
}

PyObject* wait_idle(PyObject* self, PyObject* seconds) {
  const double given = PyFloat_AsDouble(seconds);
  if (given == -1.0 && PyErr_Occurred()) return nullptr;
  bool idle;
  {
    const Unlocked released;
    idle = lane_of(self).engine().drain(nanoseconds(given));
  }
  return PyBool_FromLong(idle);
}

template <typename Function>
PyCFunction method(Function function) {
  return reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(function));
}

PyMethodDef methods[] = {
    {"submit", method(submit), METH_FASTCALL,
     "submit($self, entry, rows, bytes, signature, turn, deadline, /)\n--\n\n"
     "0, or why the request is refused. Times in seconds of the clock; inf for none."},
    {"serve", serve, METH_NOARGS,
     "serve($self, /)\n--\n\nRuns batches until left, or closed and empty."},
    {"keep_time", keep_time, METH_NOARGS,
     "keep_time($self, /)\n--\n\nExpires requests and wakes who serves, until left."},
    {"wait_idle", wait_idle, METH_O,
     "wait_idle($self, seconds, /)\n--\n\nCloses the lane; True once nothing is unanswered."},
    {nullptr, nullptr, 0, nullptr},
};

nb::dict counts_of(BatchLane& lane) {
  const engine::RequestCounts counts = lane.engine().stats().requests;
  nb::dict out;
  out["submitted"] = counts.admitted;
  out["answered"] = counts.answered;
  out["failed"] = counts.failed;
  out["expired"] = counts.expired;
  out["cancelled"] = counts.cancelled;
  out["shut_down"] = counts.shut_down;
  return out;
}

}  // namespace

void define_batch_lane(nb::module_& module) {
  PyType_Slot slots[] = {{Py_tp_methods, methods}, {0, nullptr}};
  nb::class_<BatchLane> lane(module, "BatchLane", nb::type_slots(slots),
                             "A lane of the engine for a Python function, served by Python's own "
                             "threads; what spinney.batching is made of.");
  lane.attr("_FULL") = static_cast<int>(Refusal::kQueueFull);
  lane.attr("_CLOSED") = static_cast<int>(Refusal::kShutDown);
  lane.attr("_EXPIRED") = static_cast<int>(Refusal::kExpired);
  lane.def(nb::new_(&make_lane), "runner"_a, "settle"_a, "options"_a, "idempotent"_a, "own_clock"_a)
      .def("run_one", [](BatchLane& self) { return self.engine().run_some(); })
      .def("tick", [](BatchLane& self) { self.engine().tick(); })
      .def(
          "set_now", [](BatchLane& self, double now) { self.clock().set(nanoseconds(now)); },
          "now"_a)
      .def("leave", &BatchLane::leave)
      .def(
          "close", [](BatchLane& self, double until) { self.close(nanoseconds(until)); }, "until"_a)
      .def("stop",
           [](BatchLane& self) {
             self.engine().stop(0);
             give_up_left_references();
           })
      .def("forget", &BatchLane::forget)
      .def(
          "pause",
          [](BatchLane& self, bool paused) { (void)self.engine().pause("function", paused); },
          "paused"_a)
      .def(
          "limit",
          [](BatchLane& self, size_t rows) { (void)self.engine().limit_batch("function", rows); },
          "rows"_a)
      .def(
          "sweep",
          [](BatchLane& self, nb::callable unwanted) {
            if (!self.sweep(unwanted.ptr())) throw nb::python_error();
          },
          "unwanted"_a)
      .def("after_fork", [](BatchLane& self) { self.engine().after_fork_in_child(); })
      .def("counts", &counts_of)
      .def_prop_ro("retry_at",
                   [](BatchLane& self) {
                     const int64_t at = self.engine().models().at(0).retry_at_ns;
                     return at == kNever ? HUGE_VAL : static_cast<double>(at) * 1e-9;
                   })
      .def_prop_ro("waiting", &BatchLane::waiting)
      .def_prop_ro("waiting_rows", &BatchLane::waiting_rows)
      .def_prop_ro("most_waiting", &BatchLane::most_waiting);
}

}  // namespace spinney::binding
