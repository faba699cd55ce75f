// CatBoost's objects out of pickles: parameters, and the bytes of a .cbm file as "__model".
#include <string>

#include "spinney/load/catboost/catboost.h"
#include "spinney/load/catboost/tables.h"
#include "spinney/load/file/budget.h"
#include "spinney/load/pickle/attributes.h"

namespace spinney::load {
namespace {

constexpr size_t kBytesPerModelByte = 4;  // what a model takes, with what reading it does

catboost::Kind kind_named(std::string_view name) {
  if (name == "CatBoostClassifier") return catboost::Kind::kClassifier;
  if (name == "CatBoostRegressor") return catboost::Kind::kRegressor;
  return name == "CatBoostRanker" ? catboost::Kind::kRanker : catboost::Kind::kBare;
}

}  // namespace

Result<DescriptionParts> describe_catboost(const Record& record, DescribeContext& context) {
  const Value* bytes = optional_attribute(record, "__model");
  if (!bytes) return invalid_argument(record.full_name() + " is not fitted: it holds no model yet");
  const auto model = bytes->bytes();
  if (!model)
    return corrupt(place(record, "__model") + " is " + bytes->what() +
                   ", not the bytes of a .cbm file");
  SPINNEY_TRY(spend(place(record, "__model"), model->size(), kBytesPerModelByte));
  auto tables = catboost::read_cbm(*model);
  if (!tables.ok())
    return Error{tables.error().code, record.full_name() + ": " + tables.error().message};
  return catboost::describe(*tables, {kind_named(record.name), context.choice, ""});
}

}  // namespace spinney::load
