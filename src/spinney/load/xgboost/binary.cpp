#include "spinney/load/xgboost/binary.h"

#include <bit>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

#include "spinney/load/file/budget.h"
#include "spinney/load/xgboost/ubjson_writer.h"

namespace spinney::load::xgboost {
namespace {

// Bytes of the blocks of parameters, of a node and of its statistics.
constexpr size_t kLearnerBytes = 136, kGbtreeBytes = 160, kTreeBytes = 148, kLinearBytes = 136,
                 kNodeBytes = 20, kStatisticsBytes = 16;
constexpr size_t kAttributesMax = 65536;
constexpr std::string_view kHead = "binf";
// Pickles of 1.0 to 1.2: this, where the configuration begins, then the model.
constexpr std::string_view kPickled = "CONFIG-offset:";

struct LearnerParam {
  float base_score = 0;
  uint32_t num_feature = 0;
  int32_t num_class = 0, has_attributes = 0, has_metrics = 0;
  uint32_t major = 0, minor = 0, num_target = 0;
};

class BinaryReader {
 public:
  explicit BinaryReader(std::span<const char> bytes) : bytes_(bytes) {}

  Result<BinaryModel> read() {
    if (std::string_view(bytes_.data(), bytes_.size()).starts_with(kPickled))
      at_ = std::min(bytes_.size(), kPickled.size() + sizeof(int64_t));
    if (std::string_view(bytes_.data() + at_, bytes_.size() - at_).starts_with(kHead))
      at_ += kHead.size();
    SPINNEY_TRY(read_learner());
    SPINNEY_ASSIGN(const std::string objective, text("the objective's name"));
    SPINNEY_ASSIGN(const std::string booster, text("the booster's name"));
    writer_.begin_object().key("learner").begin_object();
    writer_.key("objective").begin_object().key("name").text(objective).end_object();
    writer_.key("gradient_booster").begin_object().key("name").text(booster);
    if (booster == "gblinear") {
      SPINNEY_TRY(read_linear());
    } else if (booster == "gbtree" || booster == "dart") {
      SPINNEY_TRY(read_trees(booster == "dart"));
    } else {
      return corrupt("the booster is called \"" + booster.substr(0, 100) +
                     "\"; gbtree, dart and gblinear are known");
    }
    writer_.end_object();
    SPINNEY_TRY(read_attributes());
    write_param();
    writer_.end_object();
    if (param_.major > 0) writer_.key("version").integers({param_.major, param_.minor, 0});
    writer_.end_object();
    return BinaryModel{std::move(writer_).take(), param_.major == 0};
  }

 private:
  Result<std::span<const char>> take(size_t count, const char* what) {
    if (count > bytes_.size() - at_)
      return corrupt("the file is cut short: " + std::string(what) + " needs " +
                     std::to_string(count) + " bytes at byte " + std::to_string(at_) +
                     ", of which " + std::to_string(bytes_.size() - at_) + " are there");
    const auto taken = bytes_.subspan(at_, count);
    at_ += count;
    return taken;
  }
  template <typename T>
  static T at(std::span<const char> block, size_t place) {
    T value;
    std::memcpy(&value, block.data() + place, sizeof value);
    return value;
  }
  // Lengths are 64 bits wide; `item` bytes each.
  Result<size_t> count(size_t item, const char* what) {
    SPINNEY_ASSIGN(const auto block, take(sizeof(uint64_t), what));
    const auto number = at<uint64_t>(block, 0);
    if (number > (bytes_.size() - at_) / item)
      return corrupt("the file is cut short: " + std::string(what) + " declares " +
                     std::to_string(number) + " items");
    return static_cast<size_t>(number);
  }
  Result<std::string> text(const char* what) {
    SPINNEY_ASSIGN(const size_t size, count(1, what));
    SPINNEY_ASSIGN(const auto taken, take(size, what));
    SPINNEY_TRY(spend(what, 1, 2 * size, 1));
    return std::string(taken.data(), taken.size());
  }
  Result<std::vector<float>> floats(const char* what) {
    SPINNEY_ASSIGN(const size_t size, count(sizeof(float), what));
    SPINNEY_ASSIGN(const auto taken, take(size * sizeof(float), what));
    SPINNEY_TRY(spend(what, size, 2 * sizeof(float)));
    std::vector<float> values(size);
    if (size > 0) std::memcpy(values.data(), taken.data(), taken.size());
    return values;
  }

  Status read_learner() {
    SPINNEY_ASSIGN(const auto block, take(kLearnerBytes, "the model's parameters"));
    param_.base_score = at<float>(block, 0);
    param_.num_feature = at<uint32_t>(block, 4);
    param_.num_class = at<int32_t>(block, 8);
    param_.has_attributes = at<int32_t>(block, 12);
    param_.has_metrics = at<int32_t>(block, 16);
    param_.major = at<uint32_t>(block, 20);
    param_.minor = at<uint32_t>(block, 24);
    param_.num_target = at<uint32_t>(block, 28);
    if (param_.major > 3)
      return corrupt("the file says that XGBoost " + std::to_string(param_.major) + "." +
                     std::to_string(param_.minor) +
                     " wrote it, but no version after 3.0 writes this format");
    if (!std::isfinite(param_.base_score)) return corrupt("the base score is not finite");
    return {};
  }

  bool before(uint32_t major, uint32_t minor) const {
    return param_.major < major || (param_.major == major && param_.minor < minor);
  }

  Status read_trees(bool dart) {
    SPINNEY_ASSIGN(const auto block, take(kGbtreeBytes, "the booster's parameters"));
    const auto trees = at<int32_t>(block, 0), parallel = at<int32_t>(block, 4);
    if (trees < 0 || static_cast<size_t>(trees) > (bytes_.size() - at_) / kTreeBytes)
      return corrupt("the file is cut short: it declares " + std::to_string(trees) + " trees");
    if (dart) writer_.key("gbtree").begin_object();
    writer_.key("model").begin_object().key("gbtree_model_param").begin_object();
    writer_.key("num_trees").integer(trees);
    // Before it was a number of roots, and nothing in the file says it.
    if (!before(1, 6)) writer_.key("num_parallel_tree").integer(parallel);
    writer_.end_object().key("trees").begin_array();
    for (int32_t t = 0; t < trees; ++t) SPINNEY_TRY(read_tree(t));
    writer_.end_array();
    SPINNEY_ASSIGN(const auto targets,
                   take(static_cast<size_t>(trees) * sizeof(int32_t), "the trees' outputs"));
    writer_.key("tree_info").begin_integers(static_cast<size_t>(trees));
    for (size_t t = 0; t < static_cast<size_t>(trees); ++t)
      writer_.item(at<int32_t>(targets, t * sizeof(int32_t)));
    writer_.end_object();
    if (!dart) return {};
    writer_.end_object();
    std::vector<float> weights;
    if (trees > 0) {
      SPINNEY_ASSIGN(weights, floats("the trees' weights"));
    }
    writer_.key("weight_drop").floats(weights);
    return {};
  }

  Status read_tree(int32_t t) {
    const std::string name = "tree " + std::to_string(t);
    SPINNEY_ASSIGN(const auto block, take(kTreeBytes, "a tree's parameters"));
    const auto roots = at<int32_t>(block, 0), count = at<int32_t>(block, 4);
    const auto width = at<int32_t>(block, 20);
    if (count <= 0 ||
        static_cast<size_t>(count) > (bytes_.size() - at_) / (kNodeBytes + kStatisticsBytes))
      return corrupt(name + ": the file is cut short: it declares " + std::to_string(count) +
                     " nodes");
    if (roots > 1 || width < 0 || width > 1)
      return unsupported(name + " has " + std::to_string(roots) + " roots and leaves of " +
                         std::to_string(width) + " values; one of each is read");
    const auto n = static_cast<size_t>(count);
    // What the fields take, and what is made of them.
    SPINNEY_TRY(spend(name, n, 2 * (kNodeBytes + kStatisticsBytes), 1));
    SPINNEY_ASSIGN(const auto nodes, take(n * kNodeBytes, "a tree's nodes"));
    SPINNEY_TRY(take(n * kStatisticsBytes, "a tree's statistics"));
    writer_.begin_object().key("tree_param").begin_object();
    writer_.key("num_nodes").integer(count).key("size_leaf_vector").integer(1).end_object();
    write_nodes(nodes, n);
    writer_.end_object();
    return {};
  }

  // A node is its parent, two children, the feature with the default side in the top bit, and the
  // threshold or the leaf's value.
  void write_nodes(std::span<const char> nodes, size_t n) {
    const auto each = [&](const char* key, size_t place, auto&& value_of) {
      writer_.key(key).begin_integers(n);
      for (size_t i = 0; i < n; ++i)
        writer_.item(value_of(at<uint32_t>(nodes, i * kNodeBytes + place)));
    };
    const auto as_it_is = [](uint32_t bits) { return std::bit_cast<int32_t>(bits); };
    each("left_children", 4, as_it_is);
    each("right_children", 8, as_it_is);
    each("split_indices", 12,
         [](uint32_t bits) { return static_cast<int32_t>(bits & 0x7fffffffu); });
    each("default_left", 12, [](uint32_t bits) { return static_cast<int32_t>(bits >> 31); });
    writer_.key("split_conditions").begin_floats(n);
    for (size_t i = 0; i < n; ++i) writer_.item(at<float>(nodes, i * kNodeBytes + 16));
  }

  Status read_linear() {
    SPINNEY_TRY(take(kLinearBytes, "the booster's parameters"));
    SPINNEY_ASSIGN(const std::vector<float> weights, floats("the weights"));
    writer_.key("model").begin_object().key("weights").floats(weights).end_object();
    return {};
  }

  Status read_attributes() {
    writer_.key("attributes").begin_object();
    if (param_.has_attributes != 0) {
      SPINNEY_ASSIGN(const size_t n, count(2 * sizeof(uint64_t), "the attributes"));
      if (n > kAttributesMax)
        return corrupt("the file declares " + std::to_string(n) + " attributes");
      for (size_t i = 0; i < n; ++i) {
        SPINNEY_ASSIGN(const std::string key, text("an attribute's name"));
        SPINNEY_ASSIGN(const std::string value, text("an attribute"));
        writer_.key(key).text(value);
      }
    }
    writer_.end_object();
    return {};
  }

  void write_param() {
    char digits[64];
    const auto [end, error] = std::to_chars(digits, digits + sizeof digits, param_.base_score);
    writer_.key("learner_model_param").begin_object();
    writer_.key("base_score").text({digits, static_cast<size_t>(end - digits)});
    writer_.key("num_feature").integer(param_.num_feature);
    writer_.key("num_class").integer(param_.num_class);
    writer_.key("num_target").integer(before(1, 6) ? 1 : param_.num_target);
    writer_.end_object();
  }

  std::span<const char> bytes_;
  size_t at_ = 0;
  LearnerParam param_;
  UbjsonWriter writer_;
};

}  // namespace

Result<BinaryModel> read_binary(std::span<const char> bytes) { return BinaryReader(bytes).read(); }

}  // namespace spinney::load::xgboost
