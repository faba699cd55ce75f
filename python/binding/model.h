// BoundModel: a Model as Python holds it, with what its answers need made once.
#pragma once

#include <Python.h>

#include <memory>
#include <utility>
#include <vector>

#include "spinney/spinney.h"

namespace spinney::binding {

struct Unreference {
  void operator()(PyObject* object) const { Py_XDECREF(object); }
};
// An owned reference, given up when it goes.
using Owned = std::unique_ptr<PyObject, Unreference>;

struct BoundModel {
  explicit BoundModel(Model loaded) : model(std::move(loaded)) {}
  BoundModel(BoundModel&&) = default;

  Model model;
  // One array of labels per target of a classifier, in the dtype that the estimator keeps them.
  std::vector<Owned> classes;
};

}  // namespace spinney::binding
