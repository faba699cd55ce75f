// One copy for each node of a machine, made near it.
#include "spinney/cpu/per_node.h"

#include <gtest/gtest.h>

#include <memory>

namespace spinney::cpu {
namespace {

using Copies = PerNode<std::shared_ptr<const int>>;

Topology machine(unsigned nodes, unsigned cores_per_node) {
  Topology topology;
  for (unsigned i = 0; i < nodes * cores_per_node; ++i)
    topology.cpus.push_back({i, i, i / cores_per_node});
  topology.source = "test";
  return topology;
}

TEST(PerNode, EachNodeThatHasAThreadHasItsOwnCopy) {
  int made = 0;
  const auto make = [&]() -> Result<std::shared_ptr<const int>> {
    return std::make_shared<const int>(made++);
  };
  const Topology two = machine(2, 4);
  const auto copies = Copies::on(assign(two, 8), make, false);
  ASSERT_TRUE(copies.ok());
  EXPECT_EQ(copies->size(), 2u);
  EXPECT_EQ(made, 2);
  EXPECT_NE(copies->of(0), copies->of(1));
  EXPECT_EQ(copies->of(7), copies->of(0));
  for (const Place& place : assign(two, 8).places)
    EXPECT_EQ(*copies->of(place.node), static_cast<int>(place.cpu / 4));
  EXPECT_EQ(Copies::on(assign(two, 4), make, false)->size(), 1u);  // fits one node
}

TEST(PerNode, WithoutThreadsThereIsOne) {
  const auto copies = Copies::on(Assignment{}, []() -> Result<std::shared_ptr<const int>> {
    return std::make_shared<const int>(3);
  });
  ASSERT_TRUE(copies.ok());
  EXPECT_EQ(*copies->near(), 3);
}

TEST(PerNode, ACopyThatCannotBeMadeIsTheAnswer) {
  int left = 1;
  const auto copies = Copies::on(
      assign(machine(2, 1), 2),
      [&]() -> Result<std::shared_ptr<const int>> {
        if (left-- > 0) return std::make_shared<const int>(1);
        return too_large("no room on the second node");
      },
      false);
  ASSERT_FALSE(copies.ok());
  EXPECT_EQ(copies.error().message, "no room on the second node");
}

TEST(PerNode, ThisMachineMakesThemOnCpusOfTheNode) {
  const Assignment assignment = assign(read_topology(), 4);
  const auto copies =
      PerNode<unsigned>::on(assignment, []() -> Result<unsigned> { return current_node(); });
  ASSERT_TRUE(copies.ok());
  EXPECT_EQ(copies->size(), assignment.nodes.size());
  if (assignment.nodes.size() > 1) {
    for (const unsigned node : assignment.nodes) EXPECT_EQ(copies->of(node), node);
  }
  // A mask is restored only on the thread that was pinned: this one keeps its own.
  EXPECT_FALSE(affinity().empty());
}

}  // namespace
}  // namespace spinney::cpu
