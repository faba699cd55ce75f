// CatBoost's JSON. Numbers are parsed right, so that what is read equals the .cbm file; CatBoost's
// own reader of it rounds leaves anew.
#include <string>

#include "spinney/load/catboost/tables.h"
#include "spinney/load/file/budget.h"

namespace spinney::load::catboost {
namespace {

constexpr size_t kFeatureBytes = 128;

Result<NanTreatment> treatment_of(const Field& feature) {
  const Field given = feature.find("nan_value_treatment");
  if (!given) return NanTreatment::kAsIs;
  const std::string_view name = given.raw();
  if (name == "AsIs") return NanTreatment::kAsIs;
  if (name == "AsFalse") return NanTreatment::kAsFalse;
  if (name == "AsTrue") return NanTreatment::kAsTrue;
  return corrupt("a feature treats NaN in an unknown way, " + in_quotes(name));
}

Result<std::string> name_of(const Field& feature) {
  for (const char* key : {"feature_id", "feature_name"})
    if (const Field name = feature.find(key)) return name.string(key);
  return std::string();
}

Status read_floats(const Field& features, Tables& out) {
  for (const Field& feature : features.children()) {
    FloatFeature read;
    SPINNEY_ASSIGN(const Field column, feature.at("flat_feature_index", "a float feature"));
    SPINNEY_ASSIGN(read.column, column.integer("flat_feature_index"));
    if (const Field index = feature.find("feature_index")) {
      SPINNEY_ASSIGN(read.index, index.integer("feature_index"));
    }
    read.has_nans = feature.find("has_nans").raw() == "true";
    SPINNEY_ASSIGN(read.nan, treatment_of(feature));
    SPINNEY_ASSIGN(read.name, name_of(feature));
    if (const Field borders = feature.find("borders"); borders && !borders.is_null())
      SPINNEY_TRY(borders.read(read.borders, "borders"));
    SPINNEY_TRY(spend("the model's columns",
                      kFeatureBytes + read.name.size() + read.borders.size() * sizeof(float), 1));
    out.floats.push_back(std::move(read));
  }
  return {};
}

Status read_categories(const Field& features, Tables& out) {
  for (const Field& feature : features.children()) {
    CategoricalFeature read;
    SPINNEY_ASSIGN(const Field column, feature.at("flat_feature_index", "a feature"));
    SPINNEY_ASSIGN(read.column, column.integer("flat_feature_index"));
    SPINNEY_ASSIGN(const Field index, feature.at("feature_index", "a categorical feature"));
    SPINNEY_ASSIGN(read.index, index.integer("feature_index"));
    SPINNEY_ASSIGN(read.name, name_of(feature));
    SPINNEY_TRY(spend("the model's columns", kFeatureBytes + read.name.size(), 1));
    out.categories.push_back(std::move(read));
  }
  return {};
}

Status refuse_features(const Field& features) {
  for (const auto& [key, what] :
       {std::pair{"text_features", "text"}, std::pair{"embedding_features", "embedding"},
        std::pair{"estimated_features", "computed"}}) {
    const std::vector<Field> found = features.find(key).children();
    if (found.empty()) continue;
    SPINNEY_ASSIGN(const std::string name, name_of(found[0]));
    return unsupported("the model has " + std::string(what) + " features" +
                       (name.empty() ? std::string() : ", such as \"" + name + "\"") +
                       ", which have no native path; predict with CatBoost itself");
  }
  return {};
}

Result<int32_t> test_number(const Field& split) {
  SPINNEY_ASSIGN(const Field given, split.at("split_index", "a test"));
  SPINNEY_ASSIGN(const int64_t number, given.integer("split_index"));
  if (number < 0 || number > INT32_MAX)
    return corrupt("a test has the number " + std::to_string(number));
  return static_cast<int32_t>(number);
}

// Leaf values of one tree are those of all its leaves, which says how many scores there are.
Status read_tables(const Field& trees, Tables& out) {
  for (const Field& tree : trees.children()) {
    const std::string where = "tree " + std::to_string(out.sizes.size());
    const std::vector<Field> splits = tree.find("splits").children();
    for (const Field& split : splits) {
      SPINNEY_ASSIGN(const int32_t number, test_number(split));
      out.splits.push_back(number);
    }
    out.sizes.push_back(static_cast<int32_t>(splits.size()));
    SPINNEY_ASSIGN(const Field leaves, tree.at("leaf_values", where));
    std::vector<double> values;
    SPINNEY_TRY(leaves.read(values, "leaf_values"));
    if (splits.size() > 24 || values.size() % (size_t{1} << splits.size()) != 0)
      return corrupt(where + " has " + std::to_string(values.size()) + " leaf values for " +
                     std::to_string(splits.size()) + " tests");
    const auto width = static_cast<int64_t>(values.size() >> splits.size());
    if (out.sizes.size() > 1 && width != out.dimension)
      return corrupt(where + " has " + std::to_string(width) + " scores and those before it " +
                     std::to_string(out.dimension));
    out.dimension = width;
    out.leaf_values.insert(out.leaf_values.end(), values.begin(), values.end());
  }
  return {};
}

// Trees whose nodes lie within each other, as the steps that a .cbm file has. The parser bounds how
// deep.
class Nested {
 public:
  explicit Nested(Tables& out) : out_(out) {}

  Status read(const Field& tree) {
    const size_t begin = out_.steps.size();
    SPINNEY_TRY(node(tree));
    out_.sizes.push_back(static_cast<int32_t>(out_.steps.size() - begin));
    return {};
  }

 private:
  Status node(const Field& field) {
    const size_t place = out_.steps.size();
    out_.steps.emplace_back();
    if (const Field value = field.find("value")) {
      out_.splits.push_back(0);
      return leaf(value, place);
    }
    SPINNEY_ASSIGN(const Field split, field.at("split", "a node"));
    SPINNEY_ASSIGN(const int32_t number, test_number(split));
    out_.splits.push_back(number);
    SPINNEY_ASSIGN(const Field left, field.at("left", "a node"));
    SPINNEY_ASSIGN(const Field right, field.at("right", "a node"));
    out_.steps[place].left = static_cast<uint32_t>(out_.steps.size() - place);
    SPINNEY_TRY(node(left));
    out_.steps[place].right = static_cast<uint32_t>(out_.steps.size() - place);
    return node(right);
  }

  Status leaf(const Field& value, size_t place) {
    std::vector<double> values;
    if (value.is_array()) {
      SPINNEY_TRY(value.read(values, "value"));
    } else {
      SPINNEY_ASSIGN(const double one, value.number("value"));
      values = {one};
    }
    const auto width = static_cast<int64_t>(values.size());
    if (!out_.leaf_values.empty() && width != out_.dimension)
      return corrupt("a leaf has " + std::to_string(width) + " scores and another " +
                     std::to_string(out_.dimension));
    out_.dimension = width;
    out_.steps[place].leaf = static_cast<uint32_t>(out_.leaf_values.size());
    out_.leaf_values.insert(out_.leaf_values.end(), values.begin(), values.end());
    if (out_.leaf_values.size() > UINT32_MAX) return too_large("the model has too many leaves");
    return {};
  }

  Tables& out_;
};

// [scale, [bias of each score]]; before CatBoost 1.0 [scale, bias].
Status read_scale(const Field& given, Tables& out) {
  const std::vector<Field> parts = given.children();
  if (parts.empty()) {
    std::vector<double> both;
    SPINNEY_TRY(given.read(both, "scale_and_bias"));
    if (both.size() != 2) return corrupt("scale_and_bias are not two numbers");
    out.scale = both[0];
    out.bias.assign(static_cast<size_t>(out.dimension), both[1]);
    return {};
  }
  if (parts.size() != 2) return corrupt("scale_and_bias is not a number and a list");
  SPINNEY_ASSIGN(out.scale, parts[0].number("scale_and_bias"));
  return parts[1].read(out.bias, "scale_and_bias");
}

}  // namespace

Result<Tables> read_json(std::span<const char> bytes) {
  SPINNEY_ASSIGN(const Document document, parse_json(bytes));
  const Field root = document.root();
  Tables out;
  SPINNEY_ASSIGN(const Field features, root.at("features_info", "the model"));
  SPINNEY_TRY(refuse_features(features));
  SPINNEY_TRY(read_floats(features.find("float_features"), out));
  SPINNEY_TRY(read_categories(features.find("categorical_features"), out));
  SPINNEY_TRY(read_json_ctrs(features, root.find("ctr_data"), out));
  if (const Field trees = root.find("oblivious_trees")) {
    SPINNEY_TRY(read_tables(trees, out));
  } else {
    SPINNEY_ASSIGN(const Field nested, root.at("trees", "the model"));
    Nested reader(out);
    for (const Field& tree : nested.children()) SPINNEY_TRY(reader.read(tree));
  }
  if (const Field given = root.find("scale_and_bias")) SPINNEY_TRY(read_scale(given, out));
  for (const auto& [key, value] : root.find("model_info").members())
    SPINNEY_TRY(read_fact(key, value, out.facts));
  return out;
}

}  // namespace spinney::load::catboost
