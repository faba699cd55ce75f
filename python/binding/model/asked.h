// What one call of predict may ask of a model beyond its rows: some of its iterations, another
// value that is missing, scores to begin with.
#pragma once

#include <Python.h>

#include <map>
#include <memory>
#include <string>

#include "binding/model/input.h"
#include "binding/model/model.h"

namespace spinney::binding {

// Keywords that were given and are not None; borrowed.
struct Asked {
  PyObject* iteration_range = nullptr;
  PyObject* start_iteration = nullptr;
  PyObject* num_iteration = nullptr;
  PyObject* missing = nullptr;
  PyObject* base_margin = nullptr;
  PyObject* init_score = nullptr;
  PyObject* ntree_start = nullptr;
  PyObject* ntree_end = nullptr;

  // Takes the keyword if it is one of these. False if not.
  bool take(PyObject* name, PyObject* value);
};

// Models that calls have asked for, by what they asked: making one takes as long as loading it.
// Used by whoever holds the interpreter's lock.
class Variants {
 public:
  static constexpr size_t kKept = 8;
  std::shared_ptr<const BoundModel> find(const std::string& key);
  void keep(const std::string& key, std::shared_ptr<const BoundModel> model);

 private:
  struct Entry {
    std::shared_ptr<const BoundModel> model;
    uint64_t used = 0;
  };
  std::map<std::string, Entry> entries_;
  uint64_t clock_ = 0;
};

// The model that answers; null with a Python error set. input.start is taken for base_margin.
std::shared_ptr<const BoundModel> asked_model(const BoundModel& bound, const Asked& asked,
                                              const Input& input, const PredictOptions& options,
                                              Owned& numbers);

}  // namespace spinney::binding
