#include "spinney/kernel/forest/walk/evaluator.h"

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "spinney/kernel/forest/scalar/reference.h"
#include "spinney/kernel/forest/walk/leaves.h"
#include "spinney/model/median.h"

namespace spinney::kernel::walk {
namespace {

// Rows of a chunk: their keys stay in the core's second cache while all trees pass over them.
constexpr size_t kChunkRows = 1024;
constexpr size_t kChunkBytes = 256 << 10;
// Groups of kWalks rows between which a part of the next tree is fetched, and how much of it at
// most.
constexpr size_t kGroupsAhead = 4, kFetchPerRow = 512, kLine = 64;
// A layout beyond this leaves the core's own caches.
constexpr size_t kNearBytes = 1 << 20;

// A thread's working memory, grown to what its largest call needs and then kept.
struct Scratch {
  AlignedVector<uint64_t> keys;
  AlignedVector<uint32_t> at;
  std::vector<double> values;

  template <typename Key>
  Key* keys_for(size_t n) {
    const size_t words = (n * sizeof(Key) + 7) / 8;
    if (keys.size() < words) keys.resize(words);
    return reinterpret_cast<Key*>(keys.data());
  }
  uint32_t* at_for(size_t n) {
    if (at.size() < n) at.resize(n);
    return at.data();
  }
};

Scratch& scratch() {
  static thread_local Scratch mine;
  return mine;
}

class Walk final : public ForestEvaluator {
 public:
  Walk(const Forest& forest, const Variant& variant, Columns columns)
      : forest_(forest), variant_(variant), columns_(std::move(columns)) {
    narrow_ = make_layout<Narrow>(forest_, columns_);
    if (!narrow_ || forest_.settings().input == NumberType::kFloat64)
      wide_ = make_layout<Wide>(forest_, columns_);
    columns_.finish();
    if (narrow_ && variant_.crowns) crowns_ = make_crowns(*narrow_);
    for (size_t t = 0; t < forest_.n_trees(); ++t) {
      levels_ += trees()[t].depth;
      if (crown(t)) ++n_crowned_;
    }
  }

  std::string_view name() const override { return variant_.name; }

  size_t bytes() const override {
    return (narrow_ ? narrow_->bytes() : 0) + (wide_ ? wide_->bytes() : 0) + columns_.bytes() +
           crowns_.size() * sizeof(Crown);
  }

  // Constants fitted to measurements (docs/decisions/cost-model.md): a level and a tree cost less
  // the more rows share a node. Many rows go in groups of kWalks, and a last few of up to 8 apart.
  double cost_ns(size_t rows) const override {
    const size_t rest = rows % kWalks > 8 ? 0 : rows % kWalks;
    const size_t whole = (rows - rest + kWalks - 1) / kWalks * kWalks;
    const auto n_trees = static_cast<double>(forest_.n_trees());
    const size_t nodes_bytes = wide_ ? wide_->bytes() : narrow_->bytes();
    // A float64 forest is mostly given float64 rows.
    const double speed = (wide_ ? 1.2 : 1) * (nodes_bytes > kNearBytes ? 1.25 : 1) * variant_.speed;
    const double fill = 1.1 * static_cast<double>(columns_.count() - columns_.special_count()) +
                        8.0 * static_cast<double>(columns_.special_count());
    const double leaves = static_cast<double>(forest_.settings().leaf_width - 1) * n_trees * 0.4;
    return 30 + (walk_ns(whole) + walk_ns(rest)) * speed +
           static_cast<double>(rows) * (fill + leaves);
  }

  void score(const Rows& rows, Scores scores) const override {
    const bool floats =
        rows.type == NumberType::kFloat32 || forest_.settings().input == NumberType::kFloat32;
    if (narrow_ && (floats || !wide_))
      run(*narrow_, variant_.narrow, rows, scores);
    else
      run(*wide_, variant_.wide, rows, scores);
  }

 private:
  // Of one way to walk so many rows, without what all ways share.
  double walk_ns(size_t rows) const {
    struct Way {
      size_t rows_max, together;  // rows are walked in groups of so many
      double level, tree;
    };
    static constexpr Way kWays[] = {
        {2, 1, 0.65, 1.2}, {4, 4, 0.5, 1.0}, {8, 8, 0.43, 0.9}, {SIZE_MAX, 16, 0.345, 0.55}};
    const Way* way = kWays;
    while (rows > way->rows_max) ++way;
    double row = static_cast<double>(levels_) * way->level +
                 static_cast<double>(forest_.n_trees()) * way->tree;
    if (!crowns_.empty() && rows >= 64) row -= n_crowned_ * (way->level * Crown::kLevels - 1.05);
    return row * static_cast<double>((rows + way->together - 1) / way->together * way->together);
  }

  // A crown pays where a walk goes on below it.
  const Crown* crown(size_t t) const {
    return crowns_.empty() || trees()[t].depth < Crown::kLevels ? nullptr : &crowns_[t];
  }
  const std::vector<Tree>& trees() const { return narrow_ ? narrow_->trees : wide_->trees; }

  template <typename Packed>
  void run(const Layout<Packed>& layout, const Steps<Packed>& steps, const Rows& rows,
           Scores scores) const {
    const Ground<Packed> ground{layout.nodes.data(), layout.column_shift, layout.distance_bits};
    if (forest_.settings().reduction == Reduction::kWeightedMedian)
      return medians(layout, ground, steps, rows, scores);
    const size_t row_bytes = columns_.count() * sizeof(typename Packed::Key);
    const size_t chunk_max =
        std::clamp(kChunkBytes / row_bytes / kWalks * kWalks, kWalks, kChunkRows);
    size_t first = 0;
    while (rows.count - first > 8) {
      const size_t n = std::min(rows.count - first, chunk_max);
      // A last group of few rows is cheaper apart.
      const size_t whole = n % kWalks > 8 ? n : n / kWalks * kWalks;
      chunk(layout, ground, steps, {&rows, first, whole == 0 ? n : whole}, scores);
      first += whole == 0 ? n : whole;
    }
    const size_t rest = rows.count - first;
    if (rest > 4) {
      few<8>(layout, ground, steps.rows8, {&rows, first, rest}, scores);
    } else if (rest > 2) {
      few<4>(layout, ground, steps.rows4, {&rows, first, rest}, scores);
    } else {
      for (; first < rows.count; ++first) one(layout, ground, steps, {&rows, first, 1}, scores);
    }
  }

  // Of the nodes of tree t, up to the next one's; 0 beyond the last tree.
  template <typename Packed>
  static size_t tree_bytes(const Layout<Packed>& layout, size_t t) {
    const std::vector<Tree>& trees = layout.trees;
    if (t >= trees.size()) return 0;
    const size_t end = t + 1 < trees.size() ? trees[t + 1].root : layout.nodes.size();
    return (end - trees[t].root) * sizeof(Packed);
  }

  // Many rows: tree by tree over groups of kWalks. Where nodes lie beyond the core's own caches,
  // the next tree's are fetched meanwhile: walks would wait for them, one level after another.
  template <typename Packed>
  void chunk(const Layout<Packed>& layout, const Ground<Packed>& ground, const Steps<Packed>& steps,
             const Part& part, Scores scores) const {
    const size_t groups = (part.count + kWalks - 1) / kWalks;
    const size_t group_keys = columns_.count() * kWalks;
    auto* keys = scratch().keys_for<typename Packed::Key>(groups * group_keys);
    uint32_t* at = scratch().at_for(groups * kWalks);
    fill(part, groups, keys);
    const bool far = layout.bytes() > kNearBytes && groups >= kGroupsAhead;
    for (size_t t = 0; t < layout.trees.size(); ++t) {
      const size_t fetch = far ? std::min(tree_bytes(layout, t + 1), part.count * kFetchPerRow) : 0;
      const char* next = reinterpret_cast<const char*>(ground.nodes + layout.trees[t].root) +
                         tree_bytes(layout, t);
      for (size_t g = 0, fetched = 0; g < groups; g += kGroupsAhead) {
        const size_t n = fetch > 0 ? std::min(kGroupsAhead, groups - g) : groups;
        for (const size_t until = fetch * (g + n) / groups; fetched < until; fetched += kLine)
          __builtin_prefetch(next + fetched, 0, 2);
        steps.rows16(ground, layout.trees[t], crown(t), keys + g * group_keys, group_keys, n,
                     at + g * kWalks);
        if (fetch == 0) break;
      }
      add_leaves(forest_, layout, t, at, part, scores);
    }
  }

  template <typename Key>
  void fill(const Part& part, size_t groups, Key* keys) const {
    for (size_t g = 0; g < groups; ++g)
      columns_.fill(*part.rows, part.first + g * kWalks, std::min(kWalks, part.count - g * kWalks),
                    kWalks, keys + g * columns_.count() * kWalks);
  }

  // Up to kRows rows: several trees at once.
  template <unsigned kRows, typename Packed, typename Function>
  void few(const Layout<Packed>& layout, const Ground<Packed>& ground, Function walk_few,
           const Part& part, Scores scores) const {
    constexpr size_t kTrees = kWalks / kRows;
    auto* keys = scratch().keys_for<typename Packed::Key>(columns_.count() * kWalks);
    fill(part, 1, keys);
    uint32_t at[kWalks];
    for (size_t t = 0; t < layout.trees.size(); t += kTrees) {
      const size_t n = std::min(kTrees, layout.trees.size() - t);
      Tree together[kTrees];
      for (size_t i = 0; i < kTrees; ++i) together[i] = layout.trees[t + std::min(i, n - 1)];
      walk_few(ground, together, keys, at);
      for (size_t i = 0; i < n; ++i)
        add_leaves(forest_, layout, t + i, at + i * kRows, part, scores);
    }
  }

  // One row: kWalks trees at once.
  template <typename Packed>
  void one(const Layout<Packed>& layout, const Ground<Packed>& ground, const Steps<Packed>& steps,
           const Part& part, Scores scores) const {
    auto* keys = scratch().keys_for<typename Packed::Key>(columns_.count());
    columns_.fill(*part.rows, part.first, 1, 1, keys);
    uint32_t at[kWalks];
    const size_t n_trees = layout.trees.size();
    size_t t = 0;
    for (; t + kWalks <= n_trees; t += kWalks) {
      steps.trees16(ground, &layout.trees[t], keys, at);
      add_trees(forest_, layout, t, kWalks, at, part, scores);
    }
    if (t == n_trees) return;
    Tree together[kWalks];
    for (size_t i = 0; i < kWalks; ++i) together[i] = layout.trees[std::min(t + i, n_trees - 1)];
    steps.trees16(ground, together, keys, at);
    add_trees(forest_, layout, t, n_trees - t, at, part, scores);
  }

  // The median needs all trees' values of a row together.
  template <typename Packed>
  void medians(const Layout<Packed>& layout, const Ground<Packed>& ground,
               const Steps<Packed>& steps, const Rows& rows, Scores scores) const {
    auto* keys = scratch().keys_for<typename Packed::Key>(columns_.count() * kWalks);
    uint32_t* at = scratch().at_for(kWalks * layout.trees.size());
    std::vector<double>& values = scratch().values;
    values.resize(layout.trees.size());
    for (size_t first = 0; first < rows.count; first += kWalks) {
      const Part part{&rows, first, std::min(kWalks, rows.count - first)};
      fill(part, 1, keys);
      for (size_t t = 0; t < layout.trees.size(); ++t)
        steps.rows16(ground, layout.trees[t], nullptr, keys, 0, 1, at + t * kWalks);
      for (size_t i = 0; i < part.count; ++i) {
        for (size_t t = 0; t < values.size(); ++t) {
          const auto leaf_row = static_cast<uint32_t>(layout.leaf_payload(at[t * kWalks + i]));
          values[t] = leaf_value(forest_, leaf_row, 0, rows, first + i);
        }
        static_cast<double*>(scores.data)[(first + i) * scores.row_stride] =
            weighted_median(values, forest_.tree_weights.span());
      }
    }
  }

  Forest forest_;  // shares the arrays, copies none
  Variant variant_;
  Columns columns_;
  std::optional<Layout<Narrow>> narrow_;
  std::optional<Layout<Wide>> wide_;
  std::vector<Crown> crowns_;  // none, or one per tree
  size_t levels_ = 0;          // of all trees together
  double n_crowned_ = 0;
};

}  // namespace

Result<std::unique_ptr<ForestEvaluator>> make_walk(const Forest& forest, const Variant& variant) {
  Columns columns(forest);
  if (columns.count() > kColumnsMax)
    return unsupported(std::string(variant.name) + " lays rows out in at most " +
                       std::to_string(kColumnsMax) + " columns, and this forest's splits need " +
                       std::to_string(columns.count()) + ".");
  if (forest.n_nodes() + forest.n_trees() >= UINT32_MAX)
    return unsupported(std::string(variant.name) + " counts nodes in 32 bits.");
  return std::unique_ptr<ForestEvaluator>(
      std::make_unique<Walk>(forest, variant, std::move(columns)));
}

}  // namespace spinney::kernel::walk
