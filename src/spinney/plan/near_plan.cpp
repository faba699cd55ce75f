#include "spinney/plan/near_plan.h"

#include <algorithm>

#include "spinney/memory/node.h"

namespace spinney::plan {

Result<PlanPtr> NearPlan::make(const cpu::Assignment& assignment, const MakePlan& make) {
  if (assignment.nodes.size() <= 1) return make();
  SPINNEY_ASSIGN(auto copies, cpu::PerNode<PlanPtr>::on(assignment, make));
  return PlanPtr(new NearPlan(std::move(copies)));
}

bool NearPlan::covers(const std::vector<unsigned>& nodes) const {
  return std::all_of(nodes.begin(), nodes.end(), [&](unsigned node) { return copies_.has(node); });
}

Result<PlanPtr> make_near_plan(std::shared_ptr<const Description> model) {
  if (memory::node_count() == 1) return make_plan(std::move(model));
  const cpu::Topology topology = cpu::read_topology();
  const auto threads = static_cast<unsigned>(topology.cpus.size());
  return NearPlan::make(cpu::assign(topology, threads), [&] { return make_plan(model); });
}

}  // namespace spinney::plan
