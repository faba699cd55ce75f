// XGBoost objects inside pickles: a Booster, or a scikit-learn wrapper around one.
#include <cmath>
#include <string>
#include <utility>

#include "spinney/load/document/document.h"
#include "spinney/load/file/budget.h"
#include "spinney/load/pickle/attributes.h"
#include "spinney/load/xgboost/binary.h"
#include "spinney/load/xgboost/model.h"
#include "spinney/load/xgboost/xgboost.h"

namespace spinney::load {
namespace {

constexpr size_t kBytesPerHandleByte = 4;  // what a model takes, with what reading it does

// What a Booster's Config, which only pickles have, says of the trees that an iteration has.
int64_t parallel_trees(const Field& config) {
  const Field booster = config.find("learner").find("gradient_booster");
  const Field tree = booster.find("name").raw() == "dart" ? booster.find("gbtree") : booster;
  const Field count = tree.find("gbtree_train_param").find("num_parallel_tree");
  if (!count) return 0;
  const auto number = count.integer("num_parallel_tree");
  return number.ok() ? *number : 0;
}

// The state of a Booster is what XGBoost serializes: {"Model": ..., "Config": ...} in UBJSON, or
// JSON before 1.6.
Result<DescriptionParts> describe_handle(const Record& booster, xgboost::ModelOptions options,
                                         const DescribeContext& context) {
  SPINNEY_ASSIGN(const Value* handle, attribute(booster, "handle"));
  const auto bytes = handle->bytes();
  if (!bytes)
    return corrupt(place(booster, "handle") + " is " + handle->what() +
                   ", not the serialized model");
  SPINNEY_TRY(spend(place(booster, "handle"), bytes->size(), kBytesPerHandleByte));
  const std::string_view text(bytes->data(), bytes->size());
  // JSON since 1.3 or so, UBJSON since 1.6; before the binary format.
  xgboost::BinaryModel binary;
  const bool is_binary = !text.starts_with('{');
  if (is_binary) {
    SPINNEY_ASSIGN(binary, xgboost::read_binary(*bytes));
    options.base_is_margin = binary.base_is_margin;
  }
  const bool is_json = !is_binary &&
                       text.find_first_not_of(" \t\r\n", 1) != std::string_view::npos &&
                       text[text.find_first_not_of(" \t\r\n", 1)] == '"';
  const std::span<const char> fields = is_binary ? std::span<const char>(binary.ubjson) : *bytes;
  SPINNEY_ASSIGN(const Document document, is_json ? parse_json(fields) : parse_ubjson(fields));
  Field root = document.root();
  options.parallel_trees = parallel_trees(root.find("Config"));
  if (const Field model = root.find("Model")) root = model;
  options.bytes = bytes->size();
  options.choice = context.choice;
  return xgboost::describe_model(root, std::move(options));
}

// The wrapper's own `missing=`, which XGBoost rounds to float32 before comparing.
Result<double> missing_of(const Record& record) {
  const Value* missing = optional_attribute(record, "missing");
  if (!missing) return std::nan("");
  const auto number = missing->number();
  if (!number)
    return corrupt(place(record, "missing") + " is " + missing->what() + ", not a number");
  return static_cast<double>(static_cast<float>(*number));
}

Result<xgboost::Wrapper> read_wrapper(const Record& record) {
  xgboost::Wrapper wrapper;
  wrapper.kind = std::string(record.name);
  SPINNEY_ASSIGN(wrapper.missing, missing_of(record));
  if (optional_attribute(record, "best_ntree_limit")) {
    SPINNEY_ASSIGN(wrapper.best_ntree_limit, count_attribute(record, "best_ntree_limit"));
  }
  const Value* predictor = optional_attribute(record, "predictor");
  wrapper.names_predictor = predictor && predictor->string().value_or("auto") != "auto";
  if (!wrapper.is_classifier()) return wrapper;
  SPINNEY_ASSIGN(wrapper.n_classes, count_attribute(record, "n_classes_"));
  const Value* encoder = optional_attribute(record, "_le");
  if (!encoder || !encoder->record()) return wrapper;
  SPINNEY_ASSIGN(const Value* classes, attribute(*encoder->record(), "classes_"));
  SPINNEY_ASSIGN(wrapper.labels, to_labels(*classes, place(*encoder->record(), "classes_")));
  return wrapper;
}

}  // namespace

Result<DescriptionParts> describe_xgboost_booster(const Record& record, DescribeContext& context) {
  return describe_handle(record, {}, context);
}

Result<DescriptionParts> describe_xgboost_wrapper(const Record& record, DescribeContext& context) {
  const Value* booster = optional_attribute(record, "_Booster");
  if (!booster || !booster->record())
    return invalid_argument(record.full_name() + " is not fitted: it has no Booster yet");
  xgboost::ModelOptions options;
  if (!context.choice.as_booster) {
    SPINNEY_ASSIGN(options.wrapper, read_wrapper(record));
  }
  return describe_handle(*booster->record(), std::move(options), context);
}

}  // namespace spinney::load
