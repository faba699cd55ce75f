#include "binding/model/combine.h"

#include <nanobind/stl/unique_ptr.h>
#include <nanobind/stl/vector.h>

#include "binding/model/made.h"
#include "spinney/load/combine.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace spinney::binding {
namespace {

std::unique_ptr<BoundModel> combine_models(const std::vector<const BoundModel*>& models, bool votes,
                                           std::vector<double> weights) {
  std::vector<std::shared_ptr<const Description>> described;
  for (const BoundModel* bound : models) described.push_back(bound->model.shared_description());
  const load::Combining how{votes, std::move(weights)};
  return made_model([&] { return load::combine(described, how); });
}

}  // namespace

void define_combine(nb::module_& m) {
  m.def("combine_models", &combine_models, "models"_a, "votes"_a, "weights"_a,
        "Models as one: the mean of their probabilities or values, or with votes their majority.");
}

}  // namespace spinney::binding
