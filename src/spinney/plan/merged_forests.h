// Forests of a graph that read the same columns, run as one: their values are ranked once.
//
// Each score of the one forest is that of one of the others, of whose trees alone it is the sum, in
// their order: every sum is the same, bit for bit.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "spinney/model/graph.h"
#include "spinney/plan/plan.h"

namespace spinney::plan {

struct MergedForests {
  std::shared_ptr<const Plan> plan;
  NumberType type = NumberType::kFloat32;  // of the scores
  size_t n_outputs = 0;                    // of all members together
  struct Member {
    uint32_t node = 0;  // of the graph
    size_t first = 0;   // its first score
  };
  std::vector<Member> members;
};

// The scores of one of the members, as if its own plan had computed them.
class MergedScores final : public Plan {
 public:
  MergedScores(const MergedForests& forests, const double* numbers, size_t first, size_t n)
      : forests_(forests), numbers_(numbers), first_(first), n_(n) {}
  void score(const Rows& rows, void* scores, unsigned num_threads) const override;
  std::vector<KernelChoice> choices() const override { return forests_.plan->choices(); }
  size_t bytes() const override { return forests_.plan->bytes(); }

 private:
  const MergedForests& forests_;
  const double* numbers_;  // of forests_.type
  size_t first_, n_;
};

// Groups of at least two. A group whose one forest no kernel takes is left as it was.
std::vector<MergedForests> merge_forests(const Graph& graph, Allowance& allowance);

}  // namespace spinney::plan
