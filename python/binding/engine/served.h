// Served: one model in an engine as Python asks it, and the promises of its requests.
#pragma once

#include <Python.h>

#include <memory>
#include <string>
#include <vector>

#include "binding/futures/promise.h"
#include "binding/model/input.h"
#include "binding/model/model.h"
#include "spinney/engine/engine.h"
#include "spinney/engine/lane_count.h"

namespace spinney::binding {

// What requests of one loaded model have in common. Shared by all of them, so that an answer is
// dressed by the very model that gave it, whatever is loaded meanwhile.
struct Served {
  std::shared_ptr<engine::Engine> engine;
  std::shared_ptr<Dispatcher> dispatcher;
  std::shared_ptr<engine::LaneCount> count;
  std::shared_ptr<void>
      model_object;  // the Python Model that bound is part of; empty for callables
  const BoundModel* bound = nullptr;
  std::string name;
  std::string version;
  AnswerKind kind = AnswerKind::kValues;
  bool deduplicate = true;
  unsigned num_threads = 0;  // of one prediction; 0: as many as pay
};

// A request of it, without rows.
inline Request request_of(const Served& served) {
  Request request;
  request.model = served.name;
  request.version = served.version;
  request.kind = served.kind;
  request.deduplicate = served.deduplicate;
  return request;
}
// One flat row of the model's width, or a 2-D array of a callable's rows; false for anything else.
bool read_plain(const Served& served, PyObject* x, Input& input);

// What Python holds.
struct ServedHandle {
  std::shared_ptr<Served> served;
};

// submit(x, priority, timeout_ms): a PredictionFuture, which has failed already if the request was
// refused; None if this model was unloaded. x: rows as Model.predict takes them (one flat row
// counts as one), C-contiguous 2-D float arrays for callables.
extern PyMethodDef kServedMethods[];

}  // namespace spinney::binding
