// Categories of CatBoost's JSON.
#include <array>
#include <bit>
#include <charconv>
#include <set>
#include <string>

#include "spinney/load/catboost/tables.h"
#include "spinney/load/file/budget.h"

namespace spinney::load::catboost {
namespace {

constexpr size_t kCtrBytes = 256;

Result<CountKind> kind_named(const Field& type) {
  constexpr std::array<std::string_view, 6> kNames = {
      "Borders", "Buckets",    "BinarizedTargetMeanValue", "FloatTargetMeanValue",
      "Counter", "FeatureFreq"};
  for (size_t i = 0; i < kNames.size(); ++i)
    if (type && type.raw() == kNames[i]) return static_cast<CountKind>(i);
  return corrupt("counts of categories are of an unknown kind");
}

Result<int32_t> whole(const Field& object, const char* key) {
  SPINNEY_ASSIGN(const Field given, object.at(key, "what is counted"));
  SPINNEY_ASSIGN(const int64_t number, given.integer(key));
  if (number < INT32_MIN || number > INT32_MAX)
    return corrupt(in_quotes(key) + " is " + std::to_string(number));
  return static_cast<int32_t>(number);
}

Result<float> real(const Field& object, const char* key) {
  SPINNEY_ASSIGN(const Field given, object.at(key, "what is counted"));
  return given.real(key);
}

Status read_combination(const Field& elements, Combination& to) {
  for (const Field& element : elements.children()) {
    const std::string_view kind = element.find("combination_element").raw();
    if (kind == "cat_feature_value") {
      SPINNEY_ASSIGN(const int32_t index, whole(element, "cat_feature_index"));
      to.categories.push_back(index);
    } else if (kind == "float_feature") {
      SPINNEY_ASSIGN(const int32_t index, whole(element, "float_feature_index"));
      SPINNEY_ASSIGN(const float border, real(element, "border"));
      to.above.emplace_back(index, border);
    } else if (kind == "cat_feature_exact_value") {
      SPINNEY_ASSIGN(const int32_t index, whole(element, "cat_feature_index"));
      SPINNEY_ASSIGN(const int32_t value, whole(element, "value"));
      to.equals.emplace_back(index, value);
    } else {
      return corrupt("an unknown " + in_quotes(kind) + " is hashed with categories");
    }
  }
  return spend("the combinations of categories",
               kCtrBytes + 4 * to.categories.size() + 8 * (to.above.size() + to.equals.size()), 1);
}

Status read_feature(const Field& from, Tables& out) {
  CtrFeature made;
  SPINNEY_ASSIGN(made.kind, kind_named(from.find("ctr_type")));
  SPINNEY_TRY(read_combination(from.find("elements"), made.combination));
  SPINNEY_ASSIGN(made.target, whole(from, "target_border_idx"));
  SPINNEY_ASSIGN(made.prior, real(from, "prior_numerator"));
  SPINNEY_ASSIGN(made.prior_denominator, real(from, "prior_denomerator"));
  SPINNEY_ASSIGN(made.shift, real(from, "shift"));
  SPINNEY_ASSIGN(made.scale, real(from, "scale"));
  SPINNEY_ASSIGN(const Field borders, from.at("borders", "a column of counts"));
  SPINNEY_TRY(borders.read(made.borders, "borders"));
  out.ctrs.push_back(std::move(made));
  return {};
}

// Puts hashes, each with the number of its counts, into a table that is at most half full.
std::vector<CountBucket> lay_buckets(const std::vector<uint64_t>& hashes) {
  std::vector<CountBucket> buckets(std::bit_ceil(2 * hashes.size() + 2));
  const uint64_t mask = buckets.size() - 1;
  for (size_t i = 0; i < hashes.size(); ++i) {
    if (hashes[i] == kNoHash) continue;  // the empty places, which JSON lists as one
    uint64_t at = hashes[i] & mask;
    while (buckets[at].hash != kNoHash && buckets[at].hash != hashes[i]) at = (at + 1) & mask;
    buckets[at] = {hashes[i], static_cast<uint32_t>(i), 0};
  }
  return buckets;
}

// "hash", count, count, "hash", ...: places of a hash table, empty ones too, each before its
// counts.
class HashMap {
 public:
  HashMap(std::string_view text, bool means) : rest_(text), means_(means) {}

  Status read(int64_t stride, CtrTable& out) {
    if (stride < 2 || stride > (1 << 24))
      return corrupt("\"hash_stride\" is " + std::to_string(stride));
    while (skip()) {
      uint64_t hash = 0;
      if (!take(hash)) return corrupt("\"hash_map\" holds no hash where one should be");
      hashes_.push_back(hash);
      SPINNEY_TRY(spend("the tables of counts", 4 * sizeof(CountBucket) + 4 * (stride - 1), 1));
      for (int64_t i = 1; i < stride; ++i) SPINNEY_TRY(take_count(i == 1 && means_, out));
    }
    out.buckets = lay_buckets(hashes_);
    return {};
  }

 private:
  bool skip() {
    const size_t at = rest_.find_first_not_of(" \t\r\n,");
    rest_.remove_prefix(std::min(at, rest_.size()));
    return !rest_.empty();
  }
  template <typename T>
  bool take(T& value) {
    const bool quoted = rest_.starts_with('"');
    if (quoted) rest_.remove_prefix(1);
    const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), value);
    if (error != std::errc()) return false;
    rest_.remove_prefix(static_cast<size_t>(end - rest_.data()));
    if (!quoted) return true;
    if (!rest_.starts_with('"')) return false;
    rest_.remove_prefix(1);
    return true;
  }
  Status take_count(bool as_float, CtrTable& out) {
    float number = 0;
    int32_t count = 0;
    if (!skip() || !(as_float ? take(number) : take(count)))
      return corrupt("\"hash_map\" holds no count where one should be");
    out.words.push_back(as_float ? std::bit_cast<uint32_t>(number) : static_cast<uint32_t>(count));
    return {};
  }

  std::string_view rest_;
  bool means_;
  std::vector<uint64_t> hashes_;
};

Status read_table(const std::string& key, const Field& from, Tables& out) {
  SPINNEY_ASSIGN(const std::string text, unescape_json(key, "ctr_data"));
  SPINNEY_ASSIGN(const Document document, parse_json(text));
  CtrTable made;
  SPINNEY_ASSIGN(made.kind, kind_named(document.root().find("type")));
  SPINNEY_TRY(read_combination(document.root().find("identifier"), made.combination));
  SPINNEY_ASSIGN(const Field map, from.at("hash_map", "a table of counts"));
  SPINNEY_ASSIGN(const int32_t stride, whole(from, "hash_stride"));
  const bool means = made.kind == CountKind::kMean || made.kind == CountKind::kFloatMean;
  SPINNEY_TRY(HashMap(map.raw(), means).read(stride, made));
  if (const Field given = from.find("counter_denominator")) {
    SPINNEY_ASSIGN(made.denominator, whole(from, "counter_denominator"));
  }
  made.n_classes = stride - 1;
  out.ctr_tables.push_back(std::move(made));
  return {};
}

Status read_one_hots(const Field& features, Tables& out) {
  for (const Field& feature : features.children()) {
    const Field values = feature.find("values");
    if (!values) continue;
    std::vector<int64_t> numbers;
    SPINNEY_TRY(values.read(numbers, "values"));
    OneHotFeature made;
    SPINNEY_ASSIGN(made.index, whole(feature, "feature_index"));
    for (const int64_t number : numbers) {
      if (number < INT32_MIN || number > INT32_MAX)
        return corrupt("a category has the hash " + std::to_string(number));
      made.values.push_back(static_cast<int32_t>(number));
    }
    SPINNEY_TRY(spend("the tests of categories", kCtrBytes + 4 * made.values.size(), 1));
    out.one_hots.push_back(std::move(made));
  }
  return {};
}

// Counts by the first of several targets and by others look alike in JSON, which keeps one of them.
Status refuse_several_targets(const Tables& tables) {
  std::set<std::string> seen;
  for (const CtrFeature& ctr : tables.ctrs) {
    std::string key = key_of(ctr.combination);
    for (const double part :
         {static_cast<double>(ctr.kind), static_cast<double>(ctr.target),
          static_cast<double>(ctr.prior), static_cast<double>(ctr.prior_denominator)})
      key.append(reinterpret_cast<const char*>(&part), sizeof part);
    if (!seen.insert(key).second)
      return unsupported(
          "the model counts categories by several targets, which CatBoost's JSON does not tell "
          "apart; save it as .cbm");
  }
  return {};
}

}  // namespace

Status read_json_ctrs(const Field& features, const Field& ctr_data, Tables& out) {
  SPINNEY_TRY(read_one_hots(features.find("categorical_features"), out));
  for (const Field& ctr : features.find("ctrs").children()) SPINNEY_TRY(read_feature(ctr, out));
  SPINNEY_TRY(refuse_several_targets(out));
  for (const auto& [key, table] : ctr_data.members()) SPINNEY_TRY(read_table(key, table, out));
  return {};
}

}  // namespace spinney::load::catboost
