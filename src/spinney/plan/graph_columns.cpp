#include "spinney/plan/graph_columns.h"

#include <algorithm>
#include <cstring>

#include "spinney/model/stored_entries.h"

namespace spinney::plan {
namespace {

template <typename From, typename To>
void copy_columns(const Rows& from, To* out, size_t width) {
  for (size_t r = 0; r < from.count; ++r, out += width)
    for (size_t c = 0; c < from.width; ++c) {
      From value;
      std::memcpy(&value, from.row(r) + static_cast<ptrdiff_t>(c) * from.column_stride,
                  sizeof value);
      out[c] = static_cast<To>(value);
    }
}

template <typename To>
void copy_numbers(const Rows& from, To* out, size_t width) {
  if (from.type == NumberType::kFloat32)
    copy_columns<float>(from, out, width);
  else
    copy_columns<double>(from, out, width);
}

}  // namespace

void* GraphColumns::memory(uint32_t node) const {
  const GraphAnswers& answers = graph_.answers();
  if (node == answers.scores && out_.scores) return out_.scores;
  if (node == answers.values && out_.values) return out_.values;
  if (node == answers.classes && out_.classes) return out_.classes;
  return memory_ + size_t{program_.places[node]} * rows_.count;
}

NumberType GraphColumns::type(uint32_t node) const {
  const ColumnType type = graph_.shape(node).type;
  return type == ColumnType::kAsGiven ? rows_.type : static_cast<NumberType>(type);
}

Rows GraphColumns::computed(uint32_t node) const {
  if (node == 0) return rows_;
  for (const auto& [joined, view] : joined_)
    if (joined == node) return view;
  const size_t columns = graph_.shape(node).columns;
  const void* numbers = memory(node);
  if (type(node) == NumberType::kFloat32)
    return dense_rows(static_cast<const float*>(numbers), rows_.count, columns);
  return dense_rows(static_cast<const double*>(numbers), rows_.count, columns);
}

void GraphColumns::join(uint32_t node, const JoinNode& join, bool entries) {
  const size_t width = graph_.shape(node).columns;
  if (graph_.shape(node).type == ColumnType::kClass) {
    auto* out = static_cast<int32_t*>(memory(node));
    for (const uint32_t from : join.from) {
      const auto* classes = static_cast<const int32_t*>(memory(from));
      const size_t columns = graph_.shape(from).columns;
      for (size_t r = 0; r < rows_.count; ++r)
        std::copy_n(classes + r * columns, columns, out + r * width);
      out += columns;
    }
    return;
  }
  std::deque<SeenColumns> seen;
  std::vector<Rows> parts;
  size_t at = 0;
  for (const uint32_t from : join.from) {
    parts.push_back(seen.emplace_back(graph_, *this, from, entries).rows());
    if (type(node) == NumberType::kFloat32)
      copy_numbers(parts.back(), static_cast<float*>(memory(node)) + at, width);
    else
      copy_numbers(parts.back(), static_cast<double*>(memory(node)) + at, width);
    at += parts.back().width;
  }
  if (entries && rows_.stored && graph_.shape(node).reads_input)
    join_entries(node, parts, computed(node));
}

// As scipy's hstack has it: of sparse parts what they store, of dense ones what is not zero.
void GraphColumns::join_entries(uint32_t node, const std::vector<Rows>& parts, Rows view) {
  StoredCopy& stored = stored_.emplace_back();
  for (size_t r = 0; r < rows_.count; ++r) {
    size_t at = 0;
    for (const Rows& part : parts) {
      if (part.stored) {
        for_each_stored(part, r, [&](size_t c, double value) { stored.add(at + c, value); });
      } else {
        for (size_t c = 0; c < part.width; ++c)
          if (const double value = part.at(r, c); value != 0) stored.add(at + c, value);
      }
      at += part.width;
    }
    stored.end_row();
  }
  stored.attach(view);
  joined_.emplace_back(node, view);
}

SeenColumns::SeenColumns(const Graph& graph, const GraphColumns& columns, uint32_t node,
                         bool entries) {
  const auto* select = std::get_if<SelectNode>(&graph.nodes()[node]);
  if (!select) {
    rows_ = columns.computed(node);
    return;
  }
  if (std::holds_alternative<SelectNode>(graph.nodes()[select->from])) {
    under_ = std::make_unique<SeenColumns>(graph, columns, select->from, entries);
    selected_.emplace(under_->rows(), select->columns, entries);
  } else {
    selected_.emplace(columns.computed(select->from), select->columns, entries);
  }
  rows_ = selected_->view();
}

}  // namespace spinney::plan
