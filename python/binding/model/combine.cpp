#include "binding/model/combine.h"

#include <nanobind/stl/unique_ptr.h>
#include <nanobind/stl/vector.h>

#include <optional>

#include "binding/interpreter/errors.h"
#include "binding/interpreter/interpreter_lock.h"
#include "binding/model/model.h"
#include "spinney/load/combine.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace spinney::binding {
namespace {

using Models = std::vector<std::shared_ptr<const Description>>;

Result<Model> combined(const Models& models, const load::Combining& how) {
  SPINNEY_ASSIGN(Description made, load::combine(models, how));
  return Model::make(std::make_shared<const Description>(std::move(made)));
}

std::unique_ptr<BoundModel> combine_models(const std::vector<const BoundModel*>& models, bool votes,
                                           std::vector<double> weights) {
  Models described;
  for (const BoundModel* bound : models) described.push_back(bound->model.shared_description());
  const load::Combining how{votes, std::move(weights)};
  std::optional<Result<Model>> made;
  {
    const Unlocked released;
    made.emplace(combined(described, how));
  }
  if (!made->ok()) {
    raise(made->error());
    throw nb::python_error();
  }
  auto result = BoundModel::make(std::move(*made).value());
  if (!result) throw nb::python_error();
  return result;
}

}  // namespace

void define_combine(nb::module_& m) {
  m.def("combine_models", &combine_models, "models"_a, "votes"_a, "weights"_a,
        "Models as one: the mean of their probabilities or values, or with votes their majority.");
}

}  // namespace spinney::binding
