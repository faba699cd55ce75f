// A model that is made of others, as Python's.
#pragma once

#include <nanobind/nanobind.h>

#include <memory>
#include <optional>
#include <utility>

#include "binding/interpreter/errors.h"
#include "binding/interpreter/interpreter_lock.h"
#include "binding/model/model.h"

namespace spinney::binding {

// What make() gives, a Result<Description>, ready to predict. The interpreter's lock is let go of
// meanwhile. Throws with the Python error set.
template <typename Make>
std::unique_ptr<BoundModel> made_model(Make&& make) {
  const auto whole = [&]() -> Result<Model> {
    SPINNEY_ASSIGN(Description made, make());
    return Model::make(std::make_shared<const Description>(std::move(made)));
  };
  std::optional<Result<Model>> made;
  {
    const Unlocked released;
    made.emplace(whole());
  }
  if (!made->ok()) {
    raise(made->error());
    throw nanobind::python_error();
  }
  auto result = BoundModel::make(std::move(*made).value());
  if (!result) throw nanobind::python_error();
  return result;
}

}  // namespace spinney::binding
