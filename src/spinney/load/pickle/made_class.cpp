#include "spinney/load/pickle/made_class.h"

#include <algorithm>
#include <array>

namespace spinney::load {
namespace {

constexpr size_t kClassDepthMax = 16;
constexpr size_t kAttributesMax = 10'000;

// What Python and scikit-learn put into any class, and what is asked only before predicting.
constexpr std::array kHarmless = {
    std::string_view("__module__"),
    std::string_view("__qualname__"),
    std::string_view("__doc__"),
    std::string_view("__init__"),
    std::string_view("__repr__"),
    std::string_view("__str__"),
    std::string_view("__annotations__"),
    std::string_view("__abstractmethods__"),
    std::string_view("__slotnames__"),
    std::string_view("__firstlineno__"),
    std::string_view("__static_attributes__"),
    std::string_view("__orig_bases__"),
    std::string_view("__parameters__"),
    std::string_view("__sklearn_tags__"),
    std::string_view("_abc_impl"),
    std::string_view("_abc_registry"),
    std::string_view("_sklearn_auto_wrap_output_keys"),
    std::string_view("_parameter_constraints"),
    std::string_view("_more_tags"),
};

// Methods and properties that the libraries' own predict goes through, or is.
constexpr std::array kAnswers = {
    std::string_view("predict"),       std::string_view("decision"),
    std::string_view("score_samples"), std::string_view("apply"),
    std::string_view("staged"),        std::string_view("get_"),
    std::string_view("best_"),         std::string_view("booster"),
    std::string_view("classes"),       std::string_view("n_"),
    std::string_view("feature"),       std::string_view("missing"),
    std::string_view("estimators"),    std::string_view("objective"),
};

// Any private name may be one that the base's methods ask for, and so may those ending in "_".
bool may_change_answers(std::string_view name) {
  if (std::find(kHarmless.begin(), kHarmless.end(), name) != kHarmless.end()) return false;
  if (name.starts_with('_') || name.ends_with('_')) return true;
  return std::any_of(kAnswers.begin(), kAnswers.end(),
                     [&](std::string_view start) { return name.starts_with(start); });
}

bool is_harmless(const Dict* attributes) {
  if (!attributes || attributes->items.size() > kAttributesMax) return false;
  return std::all_of(attributes->items.begin(), attributes->items.end(), [](const auto& item) {
    return item.first.string() && !may_change_answers(*item.first.string());
  });
}

// Attributes that cloudpickle sets afterwards, as (attributes, slots).
bool is_harmless_state(const Value& state) {
  if (state.is_none()) return true;
  const List* parts = state.list();
  return parts && !parts->empty() && is_harmless((*parts)[0].dict());
}

bool is_plain_type(const Value& type) {
  const Value::Global* global = type.global();
  return global && (global->name == "type" || global->name == "ABCMeta");
}

}  // namespace

const Value::Global* base_that_predicts(const Record& instance) {
  const Record* made = instance.made_class;
  for (size_t depth = 0; made && depth < kClassDepthMax; ++depth) {
    if (!made->arguments || made->arguments->size() < 4) return nullptr;
    const List& arguments = *made->arguments;
    const List* bases = arguments[2].list();
    if (!bases || bases->size() != 1 || !is_plain_type(arguments[0]) ||
        !is_harmless(arguments[3].dict()) || !is_harmless_state(made->state))
      return nullptr;
    if (const Value::Global* base = (*bases)[0].global()) return base;
    made = (*bases)[0].record();
  }
  return nullptr;
}

}  // namespace spinney::load
