// NearPlan: a plan with a copy on each of several NUMA nodes. A thread that scores reads the copy
// on its own node.
#pragma once

#include <functional>
#include <memory>

#include "spinney/cpu/per_node.h"
#include "spinney/plan/plan.h"

namespace spinney::plan {

using PlanPtr = std::shared_ptr<const Plan>;
using MakePlan = std::function<Result<PlanPtr>()>;

class NearPlan final : public Plan {
 public:
  // Calls make() once on each of the nodes where `assignment` has threads. With threads on one node
  // or none, the result is the plan itself, so that no call asks which node it runs on.
  static Result<PlanPtr> make(const cpu::Assignment& assignment, const MakePlan& make);

  void score(const Rows& rows, void* scores, unsigned num_threads) const override {
    copies_.near()->score(rows, scores, num_threads);
  }
  void add(const Rows& rows, void* scores, unsigned num_threads) const override {
    copies_.near()->add(rows, scores, num_threads);
  }
  void answer(const Rows& rows, const Outputs& out, unsigned num_threads) const override {
    copies_.near()->answer(rows, out, num_threads);
  }
  bool can_add() const override { return copies_.first()->can_add(); }
  double cost_ns(size_t rows) const override { return copies_.first()->cost_ns(rows); }
  std::vector<KernelChoice> choices() const override { return copies_.first()->choices(); }
  size_t bytes() const override { return copies_.first()->bytes() * copies_.size(); }

  size_t size() const { return copies_.size(); }
  // Whether each of those nodes has a copy of its own.
  bool covers(const std::vector<unsigned>& nodes) const;

 private:
  explicit NearPlan(cpu::PerNode<PlanPtr> copies) : copies_(std::move(copies)) {}
  cpu::PerNode<PlanPtr> copies_;
};

// make_plan() on each node on which this process may run.
Result<PlanPtr> make_near_plan(std::shared_ptr<const Description> model);

}  // namespace spinney::plan
