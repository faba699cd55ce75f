#include "binding/model/model.h"

#include "binding/interpreter/numpy_api.h"
#include "binding/model/asked.h"
#include "binding/model/labels.h"
#include "spinney/model/cast_type.h"

namespace spinney::binding {
namespace {

// Letting go of the interpreter's lock costs little by itself, but getting it back from a busy
// thread can take milliseconds, so a call shorter than this keeps it.
constexpr double kReleaseAfterNs = 30'000;
constexpr double kWatchAfterNs = 100'000'000;

size_t first_rows_beyond(const plan::Plan& plan, double limit_ns) {
  size_t low = 0;
  size_t high = 1;
  while (high < (size_t{1} << 30) && plan.cost_ns(high) < limit_ns) high *= 2;
  while (low + 1 < high) {
    const size_t middle = low + (high - low) / 2;
    (plan.cost_ns(middle) < limit_ns ? low : high) = middle;
  }
  return high;
}

AnswerShape numbers(size_t columns, NumberType type, bool flat) {
  return {columns, flat && columns == 1, type == NumberType::kFloat32 ? NPY_FLOAT : NPY_DOUBLE,
          columns * size_of(type)};
}

}  // namespace

std::unique_ptr<BoundModel> BoundModel::make(Model model) {
  std::unique_ptr<BoundModel> bound(new BoundModel(std::move(model)));
  const Model& held = bound->model;
  const Description& description = held.description();
  const Output& output = description.output;
  for (const Labels& labels : output.labels) {
    Owned array(make_label_array(labels));
    if (!array) return nullptr;
    bound->classes.push_back(std::move(array));
  }
  bound->variants = std::make_shared<Variants>();
  bound->hashes_categories = description.category_tables.has_value();
  bound->columns = NamedColumns::make(held);
  bound->takes_cells =
      bound->hashes_categories || (description.schema && description.schema->has_texts());
  const bool flat = !output.keep_column_axis;
  const auto shape = [&](Answer answer) -> AnswerShape& {
    return bound->shapes[static_cast<size_t>(answer)];
  };
  shape(Answer::kRaw) = numbers(held.n_outputs(), description.score_type(), flat);
  shape(Answer::kValues) = numbers(held.value_columns(), output.value_type, flat);
  shape(Answer::kProbabilities) = numbers(held.probability_columns(), output.value_type, false);
  const size_t trees = description.n_trees();
  shape(Answer::kLeaves) = {trees, false, NPY_INT32, trees * sizeof(int32_t)};
  bound->cast_type = bound->small_cast_type = spinney::cast_type(description);
  bound->release_rows = first_rows_beyond(held.plan(), kReleaseAfterNs);
  bound->watch_rows = first_rows_beyond(held.plan(), kWatchAfterNs);
  if (&held.for_rows(NumberType::kFloat64) == &held) return bound;
  bound->small_cast_type = NumberType::kFloat32;
  bound->wide = make(held.for_rows(NumberType::kFloat64));
  if (!bound->wide) return nullptr;
  return bound;
}

}  // namespace spinney::binding
