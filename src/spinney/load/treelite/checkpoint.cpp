#include "spinney/load/treelite/checkpoint.h"

#include <bit>
#include <cstring>

#include "spinney/load/file/budget.h"
#include "spinney/load/treelite/treelite.h"

namespace spinney::load::treelite {
namespace {

static_assert(std::endian::native == std::endian::little);

constexpr uint8_t kFloat32Type = 2, kFloat64Type = 3;
constexpr size_t kTreesMost = size_t{1} << 30;
// What version 3 keeps as structures.
constexpr size_t kTaskBytes3 = 12, kTransformBytes3 = 256;

class Reader {
 public:
  explicit Reader(std::span<const char> bytes) : bytes_(bytes) {}

  Result<Checkpoint> read() {
    SPINNEY_TRY(scalar("the version", out_.major));
    SPINNEY_TRY(scalar("the version", out_.minor));
    SPINNEY_TRY(scalar("the version", out_.patch));
    if (out_.major != 4 && (out_.major != 3 || out_.minor != 9))
      return unsupported("Treelite " + std::to_string(out_.major) + "." +
                         std::to_string(out_.minor) +
                         " wrote this checkpoint; those of 3.9 and 4.x are read");
    SPINNEY_TRY(read_types());
    uint64_t n_trees = 0;
    SPINNEY_TRY(scalar("the number of trees", n_trees));
    if (n_trees > kTreesMost || n_trees > bytes_.size())
      return corrupt("the checkpoint declares " + std::to_string(n_trees) + " trees in " +
                     std::to_string(bytes_.size()) + " bytes");
    SPINNEY_TRY(scalar("the number of features", out_.n_features));
    SPINNEY_TRY(out_.major == 4 ? read_header() : read_header3(n_trees));
    SPINNEY_TRY(skip_fields());
    out_.trees.reserve(n_trees);
    for (uint64_t t = 0; t < n_trees; ++t) {
      const Status status = out_.major == 4 ? read_tree() : read_tree3();
      if (!status.ok())
        return Error{status.error().code,
                     "tree " + std::to_string(t) + ": " + status.error().message};
    }
    if (at_ != bytes_.size())
      return corrupt(std::to_string(bytes_.size() - at_) + " bytes lie behind the last tree");
    return std::move(out_);
  }

 private:
  Result<const char*> take(size_t count, const char* what) {
    if (count > bytes_.size() - at_)
      return corrupt("the checkpoint is cut short: " + std::string(what) + " needs " +
                     std::to_string(count) + " bytes at byte " + std::to_string(at_) +
                     ", of which " + std::to_string(bytes_.size() - at_) + " are there");
    const char* taken = bytes_.data() + at_;
    at_ += count;
    return taken;
  }

  template <typename T>
  Status scalar(const char* what, T& out) {
    SPINNEY_ASSIGN(const char* const taken, take(sizeof(T), what));
    std::memcpy(&out, taken, sizeof(T));
    return {};
  }

  // A length of 64 bits, and as many elements; kept as `Kept`.
  template <typename Stored, typename Kept>
  Status array(const char* what, std::vector<Kept>& out) {
    uint64_t count = 0;
    SPINNEY_TRY(scalar(what, count));
    if (count > (bytes_.size() - at_) / sizeof(Stored))
      return corrupt("the checkpoint is cut short: " + std::string(what) + " declares " +
                     std::to_string(count) + " elements at byte " + std::to_string(at_));
    SPINNEY_TRY(spend(what, count, sizeof(Kept)));
    SPINNEY_ASSIGN(const char* const taken, take(count * sizeof(Stored), what));
    out.resize(count);
    if (count == 0) return {};
    if constexpr (std::is_same_v<Stored, Kept>) {
      std::memcpy(out.data(), taken, count * sizeof(Stored));
    } else {
      for (size_t i = 0; i < count; ++i) {
        Stored stored;
        std::memcpy(&stored, taken + i * sizeof(Stored), sizeof(Stored));
        out[i] = static_cast<Kept>(stored);
      }
    }
    return {};
  }
  Status numbers(const char* what, std::vector<double>& out) {
    return out_.type == NumberType::kFloat32 ? array<float>(what, out) : array<double>(what, out);
  }
  template <typename T>
  Status skip(const char* what) {
    uint64_t count = 0;
    SPINNEY_TRY(scalar(what, count));
    if (count > (bytes_.size() - at_) / sizeof(T))
      return corrupt("the checkpoint is cut short: " + std::string(what) + " declares " +
                     std::to_string(count) + " elements at byte " + std::to_string(at_));
    at_ += count * sizeof(T);
    return {};
  }
  Status text(const char* what, std::string& out) {
    std::vector<char> kept;
    SPINNEY_TRY(array<char>(what, kept));
    out.assign(kept.begin(), kept.end());
    return {};
  }

  // Fields of later versions: each a name, the size of an element, their number, and they.
  Status skip_fields() {
    int32_t count = 0;
    SPINNEY_TRY(scalar("the number of optional fields", count));
    for (int32_t i = 0; i < count; ++i) {
      SPINNEY_TRY(skip<char>("an optional field's name"));
      uint64_t item = 0, items = 0;
      SPINNEY_TRY(scalar("an optional field", item));
      SPINNEY_TRY(scalar("an optional field", items));
      if (item != 0 && items > (bytes_.size() - at_) / item)
        return corrupt("the checkpoint is cut short within an optional field");
      at_ += item * items;
    }
    return {};
  }

  Status read_types() {
    uint8_t threshold = 0, leaf = 0;
    SPINNEY_TRY(scalar("the type of thresholds", threshold));
    SPINNEY_TRY(scalar("the type of leaves", leaf));
    if (threshold != leaf || (leaf != kFloat32Type && leaf != kFloat64Type))
      return unsupported("thresholds are of type " + std::to_string(threshold) +
                         " and leaves of type " + std::to_string(leaf) +
                         "; both float32 (2) or both float64 (3) are known");
    out_.type = leaf == kFloat32Type ? NumberType::kFloat32 : NumberType::kFloat64;
    return {};
  }

  Status read_header() {
    uint8_t average = 0;
    std::vector<int32_t> shape;
    SPINNEY_TRY(scalar("the task", out_.task));
    SPINNEY_TRY(scalar("whether trees are averaged", average));
    SPINNEY_TRY(scalar("the number of targets", out_.n_targets));
    SPINNEY_TRY(array<int32_t>("the number of classes", out_.n_classes));
    SPINNEY_TRY(array<int32_t>("the shape of leaves", shape));
    SPINNEY_TRY(array<int32_t>("the trees' targets", out_.target_id));
    SPINNEY_TRY(array<int32_t>("the trees' classes", out_.class_id));
    SPINNEY_TRY(text("the post-processor's name", out_.postprocessor));
    SPINNEY_TRY(scalar("sigmoid_alpha", out_.sigmoid_alpha));
    SPINNEY_TRY(scalar("ratio_c", out_.ratio_c));
    SPINNEY_TRY(array<double>("the base scores", out_.base_scores));
    SPINNEY_TRY(text("the attributes", out_.attributes));
    if (shape.size() != 2)
      return corrupt("the shape of leaves has " + std::to_string(shape.size()) + " dimensions");
    out_.leaf_shape = {shape[0], shape[1]};
    out_.average = average != 0;
    return {};
  }

  Status read_header3(uint64_t n_trees) {
    uint8_t task = 0, average = 0;
    SPINNEY_TRY(scalar("the task", task));
    SPINNEY_TRY(scalar("whether trees are averaged", average));
    SPINNEY_ASSIGN(const char* const block, take(kTaskBytes3, "the task's parameters"));
    uint32_t n_classes = 0, leaf_size = 0;
    std::memcpy(&n_classes, block + 4, 4);
    std::memcpy(&leaf_size, block + 8, 4);
    if (task > 2 || block[0] != 0)
      return unsupported(
          "the leaves hold class numbers or integers, which Treelite 4 does not read either");
    if (n_classes == 0 || n_classes > INT32_MAX || leaf_size != (task == 2 ? n_classes : 1))
      return corrupt("the checkpoint has " + std::to_string(n_classes) + " classes and leaves of " +
                     std::to_string(leaf_size) + " values");
    SPINNEY_ASSIGN(const char* const name, take(kTransformBytes3, "the transformation's name"));
    out_.postprocessor.assign(name, strnlen(name, kTransformBytes3));
    float bias = 0;
    SPINNEY_TRY(scalar("sigmoid_alpha", out_.sigmoid_alpha));
    SPINNEY_TRY(scalar("ratio_c", out_.ratio_c));
    SPINNEY_TRY(scalar("global_bias", bias));
    if (out_.postprocessor == "max_index") out_.postprocessor = "softmax";
    out_.average = average != 0;
    out_.task = task != 0                         ? TaskType::kMulticlass
                : out_.postprocessor == "sigmoid" ? TaskType::kBinary
                                                  : TaskType::kRegressor;
    SPINNEY_TRY(spend("the trees' classes", 2 * n_trees, sizeof(int32_t)));
    SPINNEY_TRY(spend("the base scores", n_classes, sizeof(double)));
    const auto classes = static_cast<int32_t>(n_classes);
    out_.n_classes = {classes};
    out_.leaf_shape = {1, task == 2 ? classes : 1};
    out_.base_scores.assign(n_classes, static_cast<double>(bias));
    out_.target_id.assign(n_trees, 0);
    out_.class_id.assign(n_trees, task == 2 ? -1 : 0);
    if (task == 1)
      for (uint64_t t = 0; t < n_trees; ++t) out_.class_id[t] = static_cast<int32_t>(t % n_classes);
    return {};
  }

  Status read_tree() {
    SPINNEY_TRY(spend("its record", 1, sizeof(Tree)));
    Tree& tree = out_.trees.emplace_back();
    int32_t n_nodes = 0;
    uint8_t categorical = 0;
    SPINNEY_TRY(scalar("the number of nodes", n_nodes));
    SPINNEY_TRY(scalar("whether it has categories", categorical));
    SPINNEY_TRY(array<int8_t>("the nodes' types", tree.type));
    SPINNEY_TRY(array<int32_t>("the left children", tree.left));
    SPINNEY_TRY(array<int32_t>("the right children", tree.right));
    SPINNEY_TRY(array<int32_t>("the split features", tree.feature));
    SPINNEY_TRY(array<uint8_t>("the default directions", tree.default_left));
    SPINNEY_TRY(numbers("the leaf values", tree.leaf_value));
    SPINNEY_TRY(numbers("the thresholds", tree.threshold));
    SPINNEY_TRY(array<int8_t>("the operators", tree.comparison));
    SPINNEY_TRY(array<uint8_t>("the sides of categories", tree.list_right));
    SPINNEY_TRY(numbers("the leaf vectors", tree.leaf_vector));
    SPINNEY_TRY(array<uint64_t>("the leaf vectors' begins", tree.vector_begin));
    SPINNEY_TRY(array<uint64_t>("the leaf vectors' ends", tree.vector_end));
    SPINNEY_TRY(array<uint32_t>("the categories", tree.categories));
    SPINNEY_TRY(array<uint64_t>("the categories' begins", tree.list_begin));
    SPINNEY_TRY(array<uint64_t>("the categories' ends", tree.list_end));
    SPINNEY_TRY(skip<uint64_t>("data counts"));
    SPINNEY_TRY(skip<uint8_t>("data counts"));
    SPINNEY_TRY(skip<double>("sums of Hessians"));
    SPINNEY_TRY(skip<uint8_t>("sums of Hessians"));
    SPINNEY_TRY(skip<double>("gains"));
    SPINNEY_TRY(skip<uint8_t>("gains"));
    SPINNEY_TRY(skip_fields());
    SPINNEY_TRY(skip_fields());
    return check_sizes(tree, n_nodes);
  }

  static Status check_sizes(const Tree& tree, int32_t n_nodes) {
    const size_t n = tree.size();
    if (n_nodes <= 0 || static_cast<size_t>(n_nodes) != n || tree.type.size() != n ||
        tree.right.size() != n || tree.feature.size() != n || tree.default_left.size() != n ||
        tree.leaf_value.size() != n || tree.threshold.size() != n || tree.comparison.size() != n ||
        tree.list_right.size() != n || tree.vector_begin.size() != n ||
        tree.vector_end.size() != n || tree.list_begin.size() != n || tree.list_end.size() != n)
      return corrupt("it declares " + std::to_string(n_nodes) +
                     " nodes, and its arrays are of other lengths");
    for (size_t i = 0; i < n; ++i)
      if (tree.vector_begin[i] > tree.vector_end[i] ||
          tree.vector_end[i] > tree.leaf_vector.size() || tree.list_begin[i] > tree.list_end[i] ||
          tree.list_end[i] > tree.categories.size())
        return corrupt("node " + std::to_string(i) + ": its values lie outside those stored");
    return {};
  }

  // Nodes as structures: children, feature with the default direction in its highest bit, value or
  // threshold, statistics, type, operator and flags.
  Status read_tree3() {
    SPINNEY_TRY(spend("its record", 1, sizeof(Tree)));
    Tree& tree = out_.trees.emplace_back();
    int32_t n_nodes = 0;
    uint8_t categorical = 0;
    uint64_t count = 0;
    SPINNEY_TRY(scalar("the number of nodes", n_nodes));
    SPINNEY_TRY(scalar("whether it has categories", categorical));
    SPINNEY_TRY(scalar("the nodes", count));
    const bool wide = out_.type == NumberType::kFloat64;
    const size_t node_bytes = wide ? 56 : 48;
    if (n_nodes <= 0 || static_cast<uint64_t>(n_nodes) != count ||
        count > (bytes_.size() - at_) / node_bytes)
      return corrupt("it declares " + std::to_string(n_nodes) + " nodes, which are not there");
    SPINNEY_TRY(spend("its nodes", count, 64));
    SPINNEY_ASSIGN(const char* const nodes, take(count * node_bytes, "the nodes"));
    for (size_t i = 0; i < count; ++i) put_node3(nodes + i * node_bytes, wide, tree);
    std::vector<uint64_t> offsets;
    SPINNEY_TRY(numbers("the leaf vectors", tree.leaf_vector));
    SPINNEY_TRY(array<uint64_t>("the leaf vectors' begins", tree.vector_begin));
    SPINNEY_TRY(array<uint64_t>("the leaf vectors' ends", tree.vector_end));
    SPINNEY_TRY(array<uint32_t>("the categories", tree.categories));
    SPINNEY_TRY(array<uint64_t>("the categories' begins", offsets));
    SPINNEY_TRY(skip_fields());
    SPINNEY_TRY(skip_fields());
    if (offsets.size() != count + 1)
      return corrupt("its categories have " + std::to_string(offsets.size()) + " begins");
    tree.list_begin.assign(offsets.begin(), offsets.end() - 1);
    tree.list_end.assign(offsets.begin() + 1, offsets.end());
    return check_sizes(tree, n_nodes);
  }

  static void put_node3(const char* node, bool wide, Tree& tree) {
    const auto at = [node]<typename T>(size_t place, T) {
      T value;
      std::memcpy(&value, node + place, sizeof value);
      return value;
    };
    const size_t info = wide ? 16 : 12, flags = wide ? 48 : 40;
    const auto left = at(0, int32_t{});
    const auto feature = at(8, uint32_t{});
    const double value = wide ? at(info, double{}) : static_cast<double>(at(info, float{}));
    const bool leaf = left == -1;
    const bool numerical = node[flags] == 1;
    tree.type.push_back(static_cast<int8_t>(leaf        ? NodeType::kLeaf
                                            : numerical ? NodeType::kNumerical
                                                        : NodeType::kCategorical));
    tree.left.push_back(left);
    tree.right.push_back(at(4, int32_t{}));
    tree.feature.push_back(static_cast<int32_t>(feature & 0x7fffffffu));
    tree.default_left.push_back(feature >> 31);
    tree.leaf_value.push_back(leaf ? value : 0);
    tree.threshold.push_back(numerical && !leaf ? value : 0);
    tree.comparison.push_back(node[flags + 1]);
    tree.list_right.push_back(node[flags + 5] != 0);
  }

  std::span<const char> bytes_;
  size_t at_ = 0;
  Checkpoint out_;
};

class Writer {
 public:
  explicit Writer(const Checkpoint& from) : from_(from) {}

  std::vector<char> write() {
    const auto type = from_.type == NumberType::kFloat32 ? kFloat32Type : kFloat64Type;
    scalar(from_.major), scalar(from_.minor), scalar(from_.patch), scalar(type), scalar(type);
    scalar(static_cast<uint64_t>(from_.trees.size()));
    scalar(from_.n_features), scalar(from_.task), scalar(static_cast<uint8_t>(from_.average));
    scalar(from_.n_targets);
    array(from_.n_classes);
    array(std::vector<int32_t>(from_.leaf_shape.begin(), from_.leaf_shape.end()));
    array(from_.target_id), array(from_.class_id);
    text(from_.postprocessor);
    scalar(from_.sigmoid_alpha), scalar(from_.ratio_c);
    array(from_.base_scores);
    text(from_.attributes);
    scalar(int32_t{0});
    for (const Tree& tree : from_.trees) put_tree(tree);
    return std::move(out_);
  }

 private:
  template <typename T>
  void scalar(T value) {
    const auto* bytes = reinterpret_cast<const char*>(&value);
    out_.insert(out_.end(), bytes, bytes + sizeof value);
  }
  template <typename T>
  void array(const std::vector<T>& values) {
    scalar(static_cast<uint64_t>(values.size()));
    for (const T value : values) scalar(value);
  }
  void numbers(const std::vector<double>& values) {
    if (from_.type == NumberType::kFloat64) return array(values);
    array(std::vector<float>(values.begin(), values.end()));
  }
  void text(const std::string& value) { array(std::vector<char>(value.begin(), value.end())); }

  void put_tree(const Tree& tree) {
    scalar(static_cast<int32_t>(tree.size()));
    scalar(static_cast<uint8_t>(!tree.categories.empty()));
    array(tree.type), array(tree.left), array(tree.right), array(tree.feature);
    array(tree.default_left);
    numbers(tree.leaf_value), numbers(tree.threshold);
    array(tree.comparison), array(tree.list_right);
    numbers(tree.leaf_vector);
    array(tree.vector_begin), array(tree.vector_end);
    array(tree.categories), array(tree.list_begin), array(tree.list_end);
    for (int statistic = 0; statistic < 6; ++statistic) scalar(uint64_t{0});
    scalar(int32_t{0}), scalar(int32_t{0});
  }

  const Checkpoint& from_;
  std::vector<char> out_;
};

}  // namespace

Result<Checkpoint> read_checkpoint(std::span<const char> bytes) { return Reader(bytes).read(); }

std::vector<char> checkpoint_bytes(const Checkpoint& checkpoint) {
  return Writer(checkpoint).write();
}

}  // namespace spinney::load::treelite
