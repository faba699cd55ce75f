#include "spinney/kernel/forest/layout/blocks_layout.h"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "spinney/kernel/forest/layout/block_programs.h"
#include "spinney/kernel/forest/layout/integer_leaves.h"
#include "spinney/kernel/forest/layout/tree_shape.h"

namespace spinney::kernel {
namespace {

constexpr size_t kLeavesMax = 256;

class Builder {
 public:
  Builder(const Forest& forest, const rank::Ranker& ranker, const LayoutOptions& options,
          BlocksLayout& layout)
      : forest_(forest),
        ranker_(ranker),
        options_(options),
        layout_(layout),
        programs_(forest, ranker, options.rank_flip, layout) {}

  void build() {
    layout_.code_bytes = code_bytes_for(forest_);
    const std::vector<uint32_t> order = trees_by_output(forest_);
    for (size_t i = 0; i < order.size();) {
      size_t end = i;
      while (end < order.size() && end - i < kGroupTrees && target(order[end]) == target(order[i]))
        ++end;
      add_group(std::span<const uint32_t>(order).subspan(i, end - i));
      i = end;
    }
  }

 private:
  uint32_t target(uint32_t tree) const {
    return forest_.settings().leaf_width == 1 ? forest_.tree_target[tree] : 0;
  }

  void add_group(std::span<const uint32_t> trees) {
    Group group;
    group.target = target(trees[0]);
    group.first_tree = static_cast<uint32_t>(layout_.leaves.size());
    group.tree_count = static_cast<uint32_t>(trees.size());
    group.first_segment = static_cast<uint32_t>(layout_.segments.size());
    int depths[kGroupTrees] = {};  // kTables more for tables
    for (size_t i = 0; i < trees.size(); ++i) {
      if (const auto tests = level_tests(forest_.tree(trees[i]), kPerfectDepthMax);
          !tests.empty()) {
        depths[i] = kTables + static_cast<int>(tests.size());
        continue;
      }
      const TreeShape shape = shape_of(forest_.tree(trees[i]));
      const double padded = static_cast<double>(uint64_t{1} << std::min(shape.depth, 20u)) - 1;
      const bool perfect = shape.depth >= 1 && shape.depth <= kPerfectDepthMax &&
                           padded <= options_.step_cost * (shape.leaves - 1);
      depths[i] = perfect ? static_cast<int>(shape.depth) : 0;
    }
    add_programs(trees, depths);
    for (int depth = 1; depth <= kTables + kPerfectDepthMax; ++depth)
      add_segment(trees, depths, depth);
    group.segment_count = static_cast<uint32_t>(layout_.segments.size()) - group.first_segment;
    for (size_t i = 0; i < trees.size(); ++i) add_leaves(rows_of_leaves_[i]);
    layout_.groups.push_back(group);
  }

  void add_segment(std::span<const uint32_t> trees, const int* depths, int depth) {
    Segment segment{depth, 0, layout_.trees.size()};
    for (size_t i = 0; i < trees.size(); ++i) {
      if (depths[i] != depth) continue;
      if (depth > kTables) {
        order_leaves(trees[i], depth - kTables);
        add_table(trees[i], i);
      } else {
        order_leaves(trees[i], depth);
        add_perfect(trees[i], i, depth);
      }
      ++segment.count;
      rows_of_leaves_[i] = leaf_rows_;
    }
    if (segment.count > 0) layout_.segments.push_back(segment);
  }

  void add_programs(std::span<const uint32_t> trees, const int* depths) {
    programs_.begin_group();
    for (size_t i = 0; i < trees.size(); ++i) {
      if (depths[i] != 0) continue;
      order_leaves(trees[i], 0);
      programs_.add(trees[i], i);
      rows_of_leaves_[i] = leaf_rows_;
    }
    programs_.finish();
  }

  // Leaf rows by leaf number: from left to right, repeated where a perfect tree pads.
  void order_leaves(uint32_t tree, int depth) {
    leaf_rows_.clear();
    collect_leaves(forest_.tree(tree), 0, depth);
  }
  void collect_leaves(std::span<const Node> tree, int32_t at, int levels) {
    const Node& node = tree[static_cast<size_t>(at)];
    if (node.is_leaf()) {
      leaf_rows_.insert(leaf_rows_.end(), size_t{1} << std::max(levels, 0), node.leaf_row());
      return;
    }
    collect_leaves(tree, node.left, levels - 1);
    collect_leaves(tree, node.right, levels - 1);
  }

  void add_perfect(uint32_t tree, size_t result, int depth) {
    const size_t begin = layout_.trees.size();
    layout_.trees.resize(begin + perfect_bytes(depth));
    auto* ranks = reinterpret_cast<uint32_t*>(layout_.trees.data() + begin);
    auto* columns = reinterpret_cast<uint16_t*>(ranks + (size_t{1} << depth));
    columns[0] = slot_offset(result);
    fill_perfect(forest_.tree(tree), 0, 1, size_t{1} << depth, ranks, columns);
    layout_.nodes_evaluated += static_cast<double>((size_t{1} << depth) - 1);
  }
  void add_table(uint32_t tree, size_t result) {
    LevelTests table{};
    table.to = slot_offset(result);
    const auto tests = level_tests(forest_.tree(tree), kPerfectDepthMax);
    for (size_t level = 0; level < tests.size(); ++level) {
      const rank::NodeTest test = ranker_.test(*tests[level]);
      table.ranks[level] = spread_rank(test.rank, options_.rank_flip);
      table.columns[level] = slot_offset(test.column);
    }
    const size_t begin = layout_.trees.size();
    layout_.trees.resize(begin + sizeof table);
    std::memcpy(layout_.trees.data() + begin, &table, sizeof table);
    layout_.nodes_evaluated += static_cast<double>(tests.size());
  }
  void fill_perfect(std::span<const Node> tree, int32_t at, size_t heap, size_t end,
                    uint32_t* ranks, uint16_t* columns) {
    const Node& node = tree[static_cast<size_t>(at)];
    if (node.is_leaf()) return;  // the padding's tests, all zero, may go either way
    const rank::NodeTest test = ranker_.test(node);
    ranks[heap] = spread_rank(test.rank, options_.rank_flip);
    columns[heap] = slot_offset(test.column);
    if (2 * heap >= end) return;
    fill_perfect(tree, node.left, 2 * heap, end, ranks, columns);
    fill_perfect(tree, node.right, 2 * heap + 1, end, ranks, columns);
  }

  void add_leaves(const std::vector<uint32_t>& rows) {
    const ForestSettings& s = forest_.settings();
    const size_t code_bytes = layout_.code_bytes;
    const size_t value_bytes = code_bytes != 0 ? code_bytes : size_of(s.accumulator);
    const size_t tables = rows.size() <= 64 ? 1 : rows.size() <= 128 ? 2 : 4;
    const size_t begin = layout_.planes.size();
    const size_t sixteens = (rows.size() + 15) / 16;
    layout_.leaves.push_back(
        {static_cast<uint16_t>(tables), static_cast<uint16_t>(sixteens), begin});
    layout_.planes.resize(begin + s.leaf_width * value_bytes * tables * 64);
    for (uint32_t k = 0; k < s.leaf_width; ++k)
      for (size_t leaf = 0; leaf < rows.size(); ++leaf) {
        const double value = forest_.leaf_values[size_t{rows[leaf]} * s.leaf_width + k];
        const auto narrow = static_cast<float>(value);
        uint8_t bytes[8];
        if (code_bytes != 0) {
          const auto code =
              static_cast<uint16_t>(static_cast<int>(value) + code_offset(code_bytes));
          bytes[0] = static_cast<uint8_t>(code & 0xff);
          bytes[1] = static_cast<uint8_t>(code >> 8);
        } else if (value_bytes == 4)
          std::memcpy(bytes, &narrow, 4);
        else
          std::memcpy(bytes, &value, 8);
        for (size_t b = 0; b < value_bytes; ++b)
          layout_.planes[begin + (k * value_bytes + b) * tables * 64 + leaf] = bytes[b];
      }
    layout_.planes_fetched += static_cast<double>(s.leaf_width * value_bytes * tables);
    layout_.sixteens_fetched += static_cast<double>(s.leaf_width * value_bytes * sixteens);
  }

  const Forest& forest_;
  const rank::Ranker& ranker_;
  const LayoutOptions& options_;
  BlocksLayout& layout_;
  std::vector<uint32_t> leaf_rows_;
  std::vector<uint32_t> rows_of_leaves_[kGroupTrees];
  ProgramBuilder programs_;
};

}  // namespace

Status BlocksLayout::check(const Forest& forest) {
  if (!forest.linear_leaves.empty()) return unsupported("blocks cannot evaluate linear leaves");
  if (forest.settings().reduction != Reduction::kSum)
    return unsupported("blocks add leaves, which a weighted median is not");
  SPINNEY_TRY(check_padding(forest));
  // A binary tree of 256 leaves has 511 nodes.
  for (size_t t = 0; t < forest.n_trees(); ++t)
    if (forest.tree(t).size() > 2 * kLeavesMax - 1)
      return unsupported("tree " + std::to_string(t) + " has " +
                         std::to_string(forest.tree(t).size()) +
                         " nodes; blocks hold trees of at most 256 leaves");
  return {};
}

std::unique_ptr<BlocksLayout> BlocksLayout::make(const Forest& forest, const rank::Ranker& ranker,
                                                 const LayoutOptions& options) {
  auto layout = std::make_unique<BlocksLayout>();
  Builder(forest, ranker, options, *layout).build();
  return layout;
}

size_t BlocksLayout::bytes() const {
  return groups.size() * sizeof(Group) + segments.size() * sizeof(Segment) + trees.size() +
         steps.size() * sizeof(Step) + bottoms.size() * sizeof(Bottom) +
         leaves.size() * sizeof(Leaves) + planes.size();
}

}  // namespace spinney::kernel
