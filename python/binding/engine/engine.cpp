#include "binding/engine/engine.h"

#include <nanobind/nanobind.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <chrono>
#include <memory>
#include <string>
#include <utility>

#include "binding/engine/engine_report.h"
#include "binding/engine/python_backend.h"
#include "binding/engine/rank_key.h"
#include "binding/engine/served.h"
#include "binding/interpreter/errors.h"
#include "binding/interpreter/interpreter_lock.h"
#include "binding/interpreter/references.h"
#include "spinney/cpu/count.h"
#include "spinney/engine/engine.h"
#include "spinney/engine/families.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace spinney::binding {
namespace {

using ServedPtr = std::shared_ptr<Served>;

void check(const Status& status) {
  if (status.ok()) return;
  raise(status.error());
  throw nb::python_error();
}

int64_t nanoseconds(double seconds) {
  return seconds >= 9e9 ? kNever : static_cast<int64_t>(seconds * 1e9);
}

// An option of `options` under its own name, if it is there.
template <typename Field>
void take(const nb::dict& options, const char* name, Field& field) {
  if (options.contains(name)) field = nb::cast<Field>(options[name]);
}

engine::ModelOptions model_options(const nb::dict& given) {
  engine::ModelOptions options;
  double batch_timeout_s = 0;
  take(given, "join_requests", options.join_requests);
  take(given, "max_batch_size", options.max_batch_size);
  take(given, "initial_batch_size", options.initial_batch_size);
  take(given, "min_batch_size", options.min_batch_size);
  take(given, "batch_timeout", batch_timeout_s);
  take(given, "adaptive_batch_size", options.adaptive_batch_size);
  take(given, "max_queue_rows", options.max_queue_rows);
  take(given, "single_flight", options.single_flight);
  take(given, "counted_as", options.counted_as);
  take(given, "window_calls", options.window_calls);
  take(given, "warm_up", options.warm_up);
  take(given, "warm_up_iterations", options.warm_up_iterations);
  if (given.contains("rank_key"))
    options.row_keys = row_keys_of(nb::object(given["rank_key"]).ptr());
  options.batch_timeout_ns = nanoseconds(batch_timeout_s);
  return options;
}

Result<std::shared_ptr<const backend::Backend>> native_of(const BoundModel& bound,
                                                          const cpu::Assignment& placement) {
  const Model& model = bound.model;
  auto native = backend::make_native(model.shared_description(), model.shared_plan(), placement);
  if (!native.ok() || !bound.wide) return native;
  SPINNEY_ASSIGN(auto wide, native_of(*bound.wide, placement));
  return backend::make_promoting(std::move(native).value(), std::move(wide));
}

class PyEngine {
 public:
  PyEngine(size_t num_workers, size_t max_concurrent_requests, bool pin, size_t cache_entries,
           size_t cache_bytes, double cache_ttl_s)
      : dispatcher_(std::make_shared<Dispatcher>()) {
    engine::EngineOptions options;
    options.max_concurrent_requests = max_concurrent_requests;
    options.cache_entries = cache_entries;
    options.cache_bytes = cache_bytes;
    options.cache_ttl_ns = nanoseconds(cache_ttl_s);
    options.num_workers = num_workers ? num_workers : cpu::usable_cpus();
    options.pin_workers = pin;
    auto made = engine::Engine::make(std::move(options));
    if (!made.ok()) {
      raise(made.error());
      throw nb::python_error();
    }
    engine_ = std::move(made).value();
  }

  ServedPtr load(const std::string& name, const std::string& version, nb::object model,
                 const std::string& kind, const nb::dict& options) {
    const BoundModel& bound = nb::cast<const BoundModel&>(model);
    auto served = make_served(name, version);
    served->model_object = share_reference(model.inc_ref().ptr());
    served->bound = &bound;
    if (kind == "proba")
      served->kind = AnswerKind::kProba;
    else if (bound.model.description().output.decision != Decision::kValues)
      served->kind = AnswerKind::kClasses;
    Result<std::shared_ptr<const backend::Backend>> native = invalid_argument("");
    {
      const Unlocked released;
      native = native_of(bound, engine_->placement());
    }
    if (!native.ok()) check(native.error());
    load(*served, std::move(native).value(), options);
    return served;
  }

  ServedPtr load_function(const std::string& name, const std::string& version, nb::object function,
                          size_t width, size_t concurrency, bool idempotent,
                          const nb::dict& options, nb::object answer_parcels) {
    auto served = make_served(name, version);
    auto backend =
        make_python_backend(function.ptr(), answer_parcels.ptr(), {width, concurrency, idempotent});
    load(*served, std::move(backend), options);
    return served;
  }

  void unload(const Served& served) {
    const Unlocked released;
    (void)engine_->unload(served.name, served.version);  // gone already is as good
  }

  // Requests at once from now on, 0 for none at all, negative for no limit besides the maximum.
  void limit(int64_t requests) {
    engine_->limit_concurrency(requests < 0 ? engine::Engine::kNoLimit
                                            : static_cast<size_t>(requests));
  }
  size_t cleanup_cache() { return engine_->cleanup_cache(); }
  size_t shrink_cache(size_t bytes) { return engine_->shrink_cache(bytes); }

  bool drain(double seconds) {
    const Unlocked released;
    return engine_->drain(nanoseconds(seconds));
  }

  void stop(double seconds) {
    {
      const Unlocked released;
      engine_->stop(nanoseconds(seconds));
      dispatcher_->stop(std::chrono::steady_clock::now() + std::chrono::seconds(1));
    }
    dispatcher_->deliver_unserved();
    give_up_left_references();
  }

  // Stands in for the threads that tell futures' callbacks and could not be started: the lanes that
  // still have none, after delivering what there is.
  nb::list deliver_unserved() {
    nb::list lanes;
    give_up_left_references();  // what workers left behind since the last request
    dispatcher_->deliver_unserved();
    for (const auto lane : {Dispatcher::kWaiters, Dispatcher::kCallbacks})
      if (dispatcher_->unserved(lane)) lanes.append(static_cast<int>(lane));
    return lanes;
  }
  std::shared_ptr<Dispatcher> dispatcher() const { return dispatcher_; }

  // In a forked child, whose threads are gone: nothing of this engine may be touched, not even
  // ended. A thread of the parent may hold the dispatcher's locks.
  void abandon() {
    new std::shared_ptr<engine::Engine>(engine_);
    new std::shared_ptr<Dispatcher>(std::move(dispatcher_));
    dispatcher_ = std::make_shared<Dispatcher>();
  }

  void refuse_unknown() { engine_->count_unknown(); }

  const engine::Engine& engine() const { return *engine_; }

 private:
  ServedPtr make_served(const std::string& name, const std::string& version) {
    auto served = std::make_shared<Served>();
    served->engine = engine_;
    served->dispatcher = dispatcher_;
    served->name = name;
    served->version = version;
    return served;
  }

  void load(Served& served, std::shared_ptr<const backend::Backend> backend,
            const nb::dict& given) {
    const engine::ModelOptions options = model_options(given);
    served.deduplicate = options.single_flight;
    take(given, "num_threads", served.num_threads);
    Status status;
    {
      const Unlocked released;
      status = engine_->load(served.name, served.version, std::move(backend), options);
    }
    check(status);
    served.count = engine_->count_of(served.name, served.version);
    // Another thread may have unloaded or replaced it: then nobody exports what is counted here.
    if (!served.count) served.count = std::make_shared<engine::LaneCount>(0);
  }

  std::shared_ptr<engine::Engine> engine_;
  std::shared_ptr<Dispatcher> dispatcher_;
};

bool in_main_interpreter() {
#if PY_VERSION_HEX >= 0x03090000
  return PyInterpreterState_Get() == PyInterpreterState_Main();
#else
  return _PyInterpreterState_Get() == PyInterpreterState_Main();
#endif
}

}  // namespace

void define_engine(nb::module_& module) {
  module.def("in_main_interpreter", &in_main_interpreter);
  module.def("_refuse_newcomers", &refuse_newcomers);
  PyType_Slot slots[] = {{Py_tp_methods, kServedMethods}, {0, nullptr}};
  nb::class_<ServedHandle>(module, "Served", nb::type_slots(slots),
                           "One loaded model of an Engine, which takes requests.");
  nb::class_<PyEngine>(module, "Engine",
                       "The queueing half of spinney.InferenceEngine, which is what to use.")
      .def(nb::init<size_t, size_t, bool, size_t, size_t, double>(), "num_workers"_a = 0,
           "max_concurrent_requests"_a = 0, "pin"_a = false, "cache_entries"_a = 0,
           "cache_bytes"_a = size_t{64} << 20, "cache_ttl"_a = 300.0)
      .def(
          "load",
          [](PyEngine& self, const std::string& name, const std::string& version, nb::object model,
             const std::string& kind, const nb::dict& options) {
            return new ServedHandle{self.load(name, version, std::move(model), kind, options)};
          },
          "name"_a, "version"_a, "model"_a, "kind"_a, "options"_a, nb::rv_policy::take_ownership)
      .def(
          "load_function",
          [](PyEngine& self, const std::string& name, const std::string& version,
             nb::object function, size_t width, size_t concurrency, bool idempotent,
             const nb::dict& options, nb::object answer_parcels) {
            return new ServedHandle{self.load_function(name, version, std::move(function), width,
                                                       concurrency, idempotent, options,
                                                       std::move(answer_parcels))};
          },
          "name"_a, "version"_a, "function"_a.none(), "width"_a, "concurrency"_a, "idempotent"_a,
          "options"_a, "answer_parcels"_a = nb::none(), nb::rv_policy::take_ownership)
      .def(
          "unload", [](PyEngine& self, const ServedHandle& handle) { self.unload(*handle.served); },
          "served"_a)
      .def("limit", &PyEngine::limit, "requests"_a)
      .def_prop_ro("active", [](const PyEngine& self) { return self.engine().active(); })
      .def("cleanup_cache", &PyEngine::cleanup_cache)
      .def("shrink_cache", &PyEngine::shrink_cache, "bytes"_a)
      .def("drain", &PyEngine::drain, "seconds"_a)
      .def("stop", &PyEngine::stop, "seconds"_a)
      .def("abandon", &PyEngine::abandon)
      .def("deliver_unserved", &PyEngine::deliver_unserved)
      .def_prop_ro("dispatcher", &PyEngine::dispatcher)
      .def("totals", [](const PyEngine& self) { return totals_of(self.engine()); })
      .def("refuse_unknown", [](PyEngine& self) { self.refuse_unknown(); })
      .def(
          "latest_calls",
          [](const PyEngine& self, size_t calls_max) { return calls_of(self.engine(), calls_max); },
          "calls_max"_a)
      .def("stats", [](const PyEngine& self) { return stats_of(self.engine()); })
      .def("models", [](const PyEngine& self) { return models_of(self.engine()); })
      .def(
          "prometheus",
          [](const PyEngine& self, const observe::Labels& labels) {
            return engine::prometheus_of(self.engine(), labels);
          },
          "labels"_a);
}

}  // namespace spinney::binding
