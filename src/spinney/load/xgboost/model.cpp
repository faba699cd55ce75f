#include "spinney/load/xgboost/model.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "spinney/load/xgboost/categories.h"
#include "spinney/load/xgboost/objective.h"
#include "spinney/load/xgboost/trees.h"

namespace spinney::load::xgboost {
namespace {

// A model without any tree still has its number of outputs; beyond this many, some part of the file
// must bear it out.
constexpr int64_t kOutputsUnproven = 65536;

struct Learner {
  Version version;
  std::string objective;
  int64_t n_features = 0;
  uint32_t n_outputs = 1;
  std::vector<float> base_score;  // as the file has it: one, or n_outputs
  Field booster;                  // "gradient_booster"
  std::string booster_name;       // "gbtree", "dart", "gblinear"
  bool base_is_margin = false;    // the base score is no probability or mean to be transformed
};

Result<Version> read_version(const Field& root) {
  Version version;
  const Field field = root.find("version");
  if (!field) return version;
  std::vector<int64_t> numbers;
  SPINNEY_TRY(field.read(numbers, "version"));
  if (numbers.size() != 3)
    return corrupt("\"version\" holds " + std::to_string(numbers.size()) + " numbers instead of 3");
  return Version{numbers[0], numbers[1], numbers[2]};
}

Result<int64_t> optional_integer(const Field& object, std::string_view key, int64_t otherwise) {
  const Field field = object.find(key);
  if (!field) return otherwise;
  return field.integer(key);
}

// "5E-1", or since 3.1 "[5E-1,2.5E-1]": the text is an array of its own.
Result<std::vector<float>> read_base_score(const Field& param) {
  SPINNEY_ASSIGN(const Field field, param.at("base_score", "\"learner_model_param\""));
  SPINNEY_ASSIGN(std::string text, field.string("base_score"));
  Item item;
  item.kind = Item::Kind::kScalars;
  item.data = text.data();
  item.size = text.size();
  if (text.size() >= 2 && text.front() == '[' && text.back() == ']') {
    ++item.data;
    item.size -= 2;
  }
  std::vector<float> values;
  SPINNEY_TRY(read_json_scalars(item, values, "base_score"));
  if (values.empty()) return corrupt("\"base_score\" is empty");
  for (const float value : values)
    if (!std::isfinite(value)) return corrupt("\"base_score\" is " + text + ", not finite");
  return values;
}

Status read_sizes(const Field& param, size_t bytes, Learner& learner) {
  SPINNEY_ASSIGN(const Field features, param.at("num_feature", "\"learner_model_param\""));
  SPINNEY_ASSIGN(learner.n_features, features.integer("num_feature"));
  if (learner.n_features < 0 || learner.n_features > INT32_MAX)
    return corrupt("\"num_feature\" is " + std::to_string(learner.n_features));
  SPINNEY_ASSIGN(const int64_t classes, optional_integer(param, "num_class", 0));
  SPINNEY_ASSIGN(const int64_t targets, optional_integer(param, "num_target", 1));
  if (classes < 0) return corrupt("\"num_class\" is " + std::to_string(classes));
  if (targets < 0) return corrupt("\"num_target\" is " + std::to_string(targets));
  const int64_t outputs = std::max({classes, targets, int64_t{1}});
  if (outputs > kOutputsUnproven && outputs > static_cast<int64_t>(bytes))
    return too_large("the model says that it has " + std::to_string(outputs) +
                     " outputs, but its file is only " + std::to_string(bytes) + " bytes");
  if (outputs > INT32_MAX)
    return too_large("the model says that it has " + std::to_string(outputs) + " outputs");
  learner.n_outputs = static_cast<uint32_t>(outputs);
  SPINNEY_ASSIGN(learner.base_score, read_base_score(param));
  if (learner.base_score.size() != 1 && learner.base_score.size() != learner.n_outputs)
    return corrupt("\"base_score\" holds " + std::to_string(learner.base_score.size()) +
                   " values for " + std::to_string(learner.n_outputs) + " outputs");
  return {};
}

// DART wraps a gbtree.
Field gbtree_of(const Learner& learner) {
  return learner.booster_name == "dart" ? learner.booster.find("gbtree") : learner.booster;
}

// Wrappers over trees predict by Booster.inplace_predict since 1.4, unless a `predictor` was named.
bool predicts_in_place(const Learner& learner, const ModelOptions& options) {
  if (!options.wrapper || learner.booster_name == "gblinear") return false;
  if (learner.version.before(1, 4)) return false;
  return !(options.wrapper->names_predictor && learner.version.before(2, 0));
}

double missing_of(const ModelOptions& options) {
  return options.wrapper ? options.wrapper->missing : std::nan("");
}

// Since 3.1 a model without trees, or gblinear rounds, whose base score would be estimated from
// data takes the placeholder in its place for a margin.
Result<bool> is_fitted(const Learner& learner) {
  const Field model = gbtree_of(learner).find("model");
  if (learner.booster_name != "gblinear") return !model.find("trees").children().empty();
  SPINNEY_ASSIGN(const int64_t rounds, optional_integer(model, "boosted_rounds", 0));
  return rounds != 0;
}

Result<Learner> read_learner(const Field& root, const Field& field, size_t bytes) {
  Learner learner;
  SPINNEY_ASSIGN(learner.version, read_version(root));
  SPINNEY_ASSIGN(const Field param, field.at("learner_model_param", "\"learner\""));
  SPINNEY_TRY(read_sizes(param, bytes, learner));
  SPINNEY_ASSIGN(const Field objective, field.at("objective", "\"learner\""));
  SPINNEY_ASSIGN(const Field name, objective.at("name", "\"objective\""));
  SPINNEY_ASSIGN(learner.objective, name.string("name"));
  SPINNEY_ASSIGN(learner.booster, field.at("gradient_booster", "\"learner\""));
  SPINNEY_ASSIGN(const Field kind, learner.booster.at("name", "\"gradient_booster\""));
  SPINNEY_ASSIGN(learner.booster_name, kind.string("name"));
  SPINNEY_ASSIGN(const bool fitted, is_fitted(learner));
  SPINNEY_ASSIGN(const int64_t estimated, optional_integer(param, "boost_from_average", 1));
  learner.base_is_margin = !learner.version.before(3, 1) && !fitted && estimated != 0;
  return learner;
}

// The newest version whose files have been compared with their library's own predictions.
constexpr int64_t kTestedMajor = 3, kTestedMinor = 4;

void warn_of_version(const Version& version, std::vector<std::string>& warnings) {
  const std::string tested = std::to_string(kTestedMajor) + "." + std::to_string(kTestedMinor);
  if (!version.before(kTestedMajor, kTestedMinor + 1))
    warnings.push_back("the model was written by XGBoost " + version.text() +
                       ", but versions up to " + tested + " have been tested");
  else if (version.before(1, 6))
    warnings.push_back("the model was written by XGBoost " +
                       (version.text().empty() ? "before 1.0" : version.text()) +
                       ", but versions from 1.6 to " + tested + " have been tested");
}

std::vector<double> base_margins_of(const Learner& learner) {
  std::vector<float> scores = learner.base_score;
  scores.resize(learner.n_outputs, scores[0]);
  if (learner.base_is_margin) return {scores.begin(), scores.end()};
  return base_margins(learner.objective, std::move(scores), learner.version);
}

// Where the wrapper stops by itself: at the best iteration of early stopping, if there is one.
Result<Iterations> wrapper_iterations(const Learner& learner, const Field& attributes,
                                      const Wrapper& wrapper) {
  Iterations found;
  if (learner.version.before(1, 4)) {
    // The wrapper's own attribute counts. The ranker's predict() does not look at it.
    if (!wrapper.is_ranker()) found.trees_per_output = wrapper.best_ntree_limit;
  } else {
    SPINNEY_ASSIGN(const int64_t best, optional_integer(attributes, "best_iteration", -1));
    if (best < 0) return found;
    if (best >= INT32_MAX) return corrupt("\"best_iteration\" is " + std::to_string(best));
    found.end = best + 1;
    found.rule = "best_iteration=" + std::to_string(best);
    // Until 1.5 nothing else in the file says how many trees an iteration has.
    if (!learner.version.before(1, 6)) return found;
    SPINNEY_ASSIGN(found.trees_per_output, optional_integer(attributes, "best_ntree_limit", 0));
  }
  if (found.trees_per_output < 0)
    return corrupt("\"best_ntree_limit\" is " + std::to_string(found.trees_per_output));
  if (found.trees_per_output > 0)
    found.rule = "best_ntree_limit=" + std::to_string(found.trees_per_output);
  return found;
}

// The trees of an iteration and output as two attributes have it; 0: they do not say.
Result<int64_t> attributes_parallel(const Field& attributes) {
  SPINNEY_ASSIGN(const int64_t best, optional_integer(attributes, "best_iteration", -1));
  SPINNEY_ASSIGN(const int64_t limit, optional_integer(attributes, "best_ntree_limit", 0));
  return best < 0 || best == INT64_MAX || limit <= 0 ? 0 : limit / (best + 1);
}

Result<Iterations> iterations_of(const Learner& learner, const Field& attributes,
                                 const ModelOptions& options) {
  const auto& asked = options.choice.iteration_range;
  Iterations found;
  if (asked && (asked->second != 0 || !options.wrapper)) {
    found.is_asked = true;
    found.begin = asked->first;
    found.end = asked->second == 0 ? -1 : asked->second;
    found.rule = "iteration_range=(" + std::to_string(asked->first) + ", " +
                 std::to_string(asked->second) + ")";
  } else if (options.wrapper) {
    SPINNEY_ASSIGN(found, wrapper_iterations(learner, attributes, *options.wrapper));
  }
  SPINNEY_ASSIGN(const int64_t parallel, attributes_parallel(attributes));
  found.parallel_trees = options.parallel_trees > 0 ? options.parallel_trees : parallel;
  return found;
}

// Until 1.2, and for DART until 1.3, trees are added up from zero, and the base score last.
bool adds_base_last(const Learner& learner, const ModelOptions& options) {
  if (options.base_is_margin) return true;  // 0.90 and before
  const bool is_known = learner.version.major > 0;
  return is_known && learner.version.before(1, learner.booster_name == "dart" ? 4 : 3);
}

bool has_base(const Learner& learner) {
  const std::vector<double> margins = base_margins_of(learner);
  return std::any_of(margins.begin(), margins.end(), [](double margin) { return margin != 0; });
}

// A last tree for each output, of one leaf, adds it.
void add_base_trees(ForestParts& parts) {
  for (size_t k = 0; k < parts.base.size(); ++k) {
    parts.nodes.push_back(Node::leaf(static_cast<uint32_t>(parts.leaf_values.size()), 0));
    parts.leaf_values.push_back(std::exchange(parts.base[k], 0.0));
    parts.tree_begin.push_back(static_cast<uint32_t>(parts.nodes.size()));
    parts.tree_target.push_back(static_cast<uint32_t>(k));
  }
}

Result<Forest> read_forest(const Learner& learner, Iterations iterations,
                           const ModelOptions& options) {
  TreesContext context;
  context.n_outputs = learner.n_outputs;
  context.iterations = std::move(iterations);
  SPINNEY_ASSIGN(const Field model, gbtree_of(learner).at("model", "the gbtree booster"));
  // DART's weights lie beside its gbtree or, since 3.3, in the model of any gbtree; since then,
  // Booster.inplace_predict applies them as Booster.predict does.
  const bool is_old_dart = learner.booster_name == "dart";
  const Field weights = (is_old_dart ? learner.booster : model).find("weight_drop");
  if (is_old_dart && !weights) return corrupt("the DART booster has no field \"weight_drop\"");
  if (weights) SPINNEY_TRY(weights.read(context.weights, "weight_drop"));
  context.weights_in_place = !context.weights.empty() && predicts_in_place(learner, options) &&
                             learner.version.before(3, 3);
  ForestParts parts;
  parts.settings.input = NumberType::kFloat32;
  parts.settings.comparison = Comparison::kLess;
  parts.settings.accumulator = NumberType::kFloat32;
  parts.settings.n_features = static_cast<uint32_t>(learner.n_features);
  parts.settings.n_outputs = learner.n_outputs;
  parts.settings.absent_is_missing = true;
  parts.settings.missing_value = missing_of(options);
  parts.base = base_margins_of(learner);
  SPINNEY_TRY(read_trees(model, context, parts));
  if (adds_base_last(learner, options) && has_base(learner) && parts.settings.leaf_width == 1)
    add_base_trees(parts);
  return make_forest(std::move(parts));
}

size_t trees_in_file(const Learner& learner) {
  return gbtree_of(learner).find("model").find("trees").children().size();
}

// A range means nothing to gblinear: its wrapper does not pass one on, and its Booster looks only
// whether it begins with the first round.
Status check_linear_choice(const ModelOptions& options) {
  const auto& asked = options.choice.iteration_range;
  if (!asked || options.wrapper || asked->first == 0) return {};
  return invalid_argument("iteration_range begins at " + std::to_string(asked->first) +
                          ", but gblinear has one set of weights; give (0, 0) or nothing");
}

// The file has a row of n_outputs weights per feature and, last, one of biases. gblinear starts
// every output from the first base score.
Result<Linear> read_linear(const Learner& learner, double missing) {
  SPINNEY_ASSIGN(const Field model, learner.booster.at("model", "the gblinear booster"));
  SPINNEY_ASSIGN(const Field field, model.at("weights", "the gblinear model"));
  std::vector<float> stored;
  SPINNEY_TRY(field.read(stored, "weights"));
  const auto n_features = static_cast<size_t>(learner.n_features);
  const size_t n_outputs = learner.n_outputs;
  if (stored.size() % n_outputs != 0 || stored.size() / n_outputs != n_features + 1)
    return corrupt("\"weights\" holds " + std::to_string(stored.size()) + " values for " +
                   std::to_string(n_features) + " features and a bias, of " +
                   std::to_string(n_outputs) + " outputs");
  const auto base = static_cast<float>(base_margins_of(learner)[0]);
  std::vector<double> weights(n_features * n_outputs), bias(n_outputs), own_bias(n_outputs);
  for (size_t k = 0; k < n_outputs; ++k) {
    for (size_t j = 0; j < n_features; ++j) weights[k * n_features + j] = stored[j * n_outputs + k];
    own_bias[k] = stored[n_features * n_outputs + k];
    bias[k] = stored[n_features * n_outputs + k] + base;
  }
  Linear parts;
  parts.arithmetic = NumberType::kFloat32;
  parts.n_features = static_cast<uint32_t>(n_features);
  parts.n_outputs = learner.n_outputs;
  parts.weights = std::move(weights);
  parts.bias = std::move(bias);
  parts.own_bias = std::move(own_bias);
  parts.skip_missing = true;
  parts.absent_is_missing = true;
  parts.missing_value = missing;
  return make_linear(std::move(parts));
}

Status read_names(const Field& field, std::string_view key, int64_t n_features,
                  std::vector<std::string>& names) {
  const Field list = field.find(key);
  if (!list) return {};
  SPINNEY_TRY(list.read(names, key));
  if (!names.empty() && static_cast<int64_t>(names.size()) != n_features)
    return corrupt(in_quotes(key) + " holds " + std::to_string(names.size()) + " names for " +
                   std::to_string(n_features) + " features");
  return {};
}

}  // namespace

Result<DescriptionParts> describe_model(const Field& root, ModelOptions options) {
  if (!root.find("learner") && root.find("tree_info"))
    return unsupported(
        "this is LightGBM's dump_model, which is meant to be looked at and lacks what predicting "
        "needs; save the model itself: booster.save_model(\"model.txt\")");
  if (options.choice.as_booster) options.wrapper.reset();
  SPINNEY_TRY(check_xgboost_choice(options.choice));
  SPINNEY_ASSIGN(const Field field, root.at("learner", "the model"));
  SPINNEY_ASSIGN(Learner learner, read_learner(root, field, options.bytes));
  learner.base_is_margin = learner.base_is_margin || options.base_is_margin;
  DescriptionParts model;
  model.source = {"xgboost", learner.version.text(), options.format, "Booster"};
  if (learner.booster_name == "gbtree" || learner.booster_name == "dart") {
    SPINNEY_ASSIGN(Iterations iterations,
                   iterations_of(learner, field.find("attributes"), options));
    const uint64_t step = trees_per_iteration(gbtree_of(learner).find("model"), iterations);
    model.trees = {trees_in_file(learner), iterations.rule, step,
                   step * static_cast<uint64_t>(iterations.begin)};
    // The last trees belong to no iteration: whoever asks for some has to load them.
    if (adds_base_last(learner, options) && has_base(learner)) model.trees.per_iteration = 0;
    SPINNEY_ASSIGN(model.scorer, read_forest(learner, std::move(iterations), options));
    SPINNEY_TRY(
        read_categories(gbtree_of(learner).find("model"), learner.n_features, model.categories));
  } else if (learner.booster_name == "gblinear") {
    SPINNEY_TRY(check_linear_choice(options));
    SPINNEY_ASSIGN(model.scorer, read_linear(learner, missing_of(options)));
  } else {
    return unsupported("the booster \"" + learner.booster_name +
                       "\" is not supported; gbtree, dart and gblinear are");
  }
  model.output = output_of(learner.objective, learner.n_outputs, learner.version, model.warnings);
  SPINNEY_TRY(read_names(field, "feature_names", learner.n_features, model.feature_names));
  if (options.format != "binary") warn_of_version(learner.version, model.warnings);
  // DMatrix looks for infinities; inplace_predict does not.
  model.refuses_infinity = !predicts_in_place(learner, options);
  if (options.wrapper) SPINNEY_TRY(dress_as_wrapper(*options.wrapper, model));
  return model;
}

Result<DescriptionParts> describe_file(const Field& root, ModelOptions options) {
  const Field attribute = root.find("learner").find("attributes").find("scikit_learn");
  if (attribute && !options.choice.as_booster) {
    SPINNEY_ASSIGN(options.wrapper, read_saved_wrapper(attribute));
  }
  return describe_model(root, std::move(options));
}

}  // namespace spinney::load::xgboost
