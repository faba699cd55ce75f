// What nodes of a graph have computed for a block of rows, as others read it.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "spinney/model/graph.h"
#include "spinney/plan/graph_program.h"
#include "spinney/plan/plan.h"
#include "spinney/plan/selected_rows.h"
#include "spinney/plan/stored_copy.h"

namespace spinney::plan {

class GraphColumns {
 public:
  // memory: program.words doubles for each of the rows. Answers that are asked for are written
  // where they shall be at once.
  GraphColumns(const Graph& graph, const GraphProgram& program, const Rows& rows, double* memory,
               const Plan::Outputs& out)
      : graph_(graph), program_(program), rows_(rows), memory_(memory), out_(out) {}

  size_t count() const { return rows_.count; }
  // Where a computed node's columns are, row by row.
  void* memory(uint32_t node) const;
  NumberType type(uint32_t node) const;  // of its numbers
  // What a node shows that does not select: the rows, or numbers that were computed.
  Rows computed(uint32_t node) const;
  // Computes a JoinNode.
  void join(uint32_t node, const JoinNode& join, bool entries);

 private:
  void join_entries(uint32_t node, const std::vector<Rows>& parts, Rows view);

  const Graph& graph_;
  const GraphProgram& program_;
  const Rows& rows_;
  double* memory_;
  const Plan::Outputs& out_;
  std::deque<StoredCopy> stored_;
  std::vector<std::pair<uint32_t, Rows>> joined_;  // sparse rows of nodes that join
};

// A node's columns as its readers see them.
class SeenColumns {
 public:
  SeenColumns(const Graph& graph, const GraphColumns& columns, uint32_t node, bool entries);
  SeenColumns(const SeenColumns&) = delete;
  SeenColumns& operator=(const SeenColumns&) = delete;
  const Rows& rows() const { return rows_; }

 private:
  std::unique_ptr<SeenColumns> under_;  // of a selection from a selection
  std::optional<SelectedRows> selected_;
  Rows rows_;
};

}  // namespace spinney::plan
