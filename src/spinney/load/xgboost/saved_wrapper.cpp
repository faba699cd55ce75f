// The attribute "scikit_learn": JSON of the wrapper's own attributes. Since 2.0 it says no more
// than which kind of estimator saved the file.
#include <charconv>
#include <string>
#include <string_view>
#include <vector>

#include "spinney/load/xgboost/wrapper.h"

namespace spinney::load::xgboost {
namespace {

constexpr std::string_view kAdvice = "; as_booster=True takes its Booster instead";
constexpr int64_t kClassesMax = int64_t{1} << 24;

// 1.3 writes the class, later versions the kind of estimator.
Result<std::string> read_kind(const Field& meta) {
  if (const Field type = meta.find("type"); type.is_string()) {
    SPINNEY_ASSIGN(std::string name, type.string("type"));
    if (name.starts_with("XGB")) return name;
    return unsupported("the class " + in_quotes(name) + " saved this model" + std::string(kAdvice));
  }
  const Field estimator = meta.find("_estimator_type");
  if (!estimator.is_string()) return std::string("XGBModel");
  SPINNEY_ASSIGN(const std::string name, estimator.string("_estimator_type"));
  if (name == "classifier") return std::string("XGBClassifier");
  if (name == "regressor") return std::string("XGBRegressor");
  if (name == "ranker") return std::string("XGBRanker");
  return unsupported("an estimator of the unknown type " + in_quotes(name) + " saved this model" +
                     std::string(kAdvice));
}

// Doubles of a JSON array's text, rounded once.
Result<std::vector<double>> read_doubles(std::string_view text) {
  std::vector<double> values;
  const char* at = text.data();
  const char* const end = at + text.size();
  while (at < end) {
    double value = 0;
    const auto [behind, error] = std::from_chars(at, end, value);
    if (error != std::errc()) return corrupt("\"classes_\" holds neither numbers nor texts");
    values.push_back(value);
    at = behind;
    while (at < end && (*at == ' ' || *at == ',')) ++at;
  }
  return values;
}

Labels numbered_texts(std::vector<std::string> texts) {
  Labels labels;
  size_t longest = 1;  // in characters, as numpy counts: bytes that do not continue one
  for (const std::string& text : texts) {
    size_t count = 0;
    for (const char byte : text) count += (static_cast<unsigned char>(byte) & 0xC0) != 0x80;
    longest = std::max(longest, count);
  }
  labels.dtype = "<U" + std::to_string(longest);
  labels.values = std::move(texts);
  return labels;
}

// numpy.array() of the list that stands there.
Result<Labels> read_labels(const Field& list) {
  if (std::vector<std::string> texts; list.read(texts, "classes_").ok() && !texts.empty())
    return numbered_texts(std::move(texts));
  Labels labels;
  if (std::vector<int64_t> whole; list.read(whole, "classes_").ok()) {
    labels.is_bool = list.raw().starts_with('t') || list.raw().starts_with('f');
    if (labels.is_bool) labels.dtype = "|b1";
    labels.values = std::move(whole);
    return labels;
  }
  SPINNEY_ASSIGN(labels.values, read_doubles(list.raw()));
  labels.dtype = "<f8";
  return labels;
}

Result<int64_t> read_count(const Field& meta, std::string_view key, int64_t most) {
  const Field field = meta.find(key);
  if (!field || field.is_null()) return int64_t{0};
  SPINNEY_ASSIGN(const int64_t count, field.integer(key));
  if (count < 0 || count > most)
    return corrupt(in_quotes(key) + " of the scikit-learn wrapper is " + std::to_string(count));
  return count;
}

Result<Wrapper> read_meta(const Field& meta) {
  Wrapper wrapper;
  SPINNEY_ASSIGN(wrapper.kind, read_kind(meta));
  if (const Field missing = meta.find("missing"); missing && !missing.is_null()) {
    SPINNEY_ASSIGN(wrapper.missing, missing.real("missing"));
  }
  SPINNEY_ASSIGN(wrapper.best_ntree_limit, read_count(meta, "best_ntree_limit", INT32_MAX));
  const Field predictor = meta.find("predictor");
  wrapper.names_predictor = predictor.is_string() && predictor.raw() != "auto";
  SPINNEY_ASSIGN(const int64_t n_classes, read_count(meta, "n_classes_", kClassesMax));
  wrapper.n_classes = static_cast<uint32_t>(n_classes);
  if (const Field classes = meta.find("_le").find("classes_")) {
    SPINNEY_ASSIGN(wrapper.labels, read_labels(classes));
  }
  return wrapper;
}

}  // namespace

Result<Wrapper> read_saved_wrapper(const Field& attribute) {
  SPINNEY_ASSIGN(const std::string text, attribute.string("scikit_learn"));
  const auto meta = parse_json(text);
  if (!meta.ok())
    return corrupt("the attribute \"scikit_learn\" is not what a wrapper of XGBoost leaves: " +
                   meta.error().message + std::string(kAdvice));
  return read_meta(meta->root());
}

}  // namespace spinney::load::xgboost
