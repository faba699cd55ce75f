// The order in which levels are served: earliest deadline first, shares by weight, nobody starved.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <memory>
#include <random>
#include <vector>

#include "spinney/queue/deadlines.h"
#include "spinney/queue/queue.h"

namespace spinney::queue {
namespace {

using request::Node;

std::unique_ptr<Node> node_of(Priority priority, int64_t deadline_ns, int64_t submitted_ns = 0) {
  auto node = std::make_unique<Node>();
  node->priority = priority;
  node->deadline_ns = deadline_ns;
  node->submitted_ns = submitted_ns;
  node->rows.count = 1;
  node->leader = node.get();
  node->live = 1;
  return node;
}

Node* serve(Levels& levels) {
  Node* node = levels.front(kAnyClass);
  if (!node) return nullptr;
  levels.pop(node);
  levels.charge(node->priority, 1);
  return node;
}

TEST(Levels, ServeTheEarliestDeadlineFirst) {
  std::mt19937 random(1);
  std::vector<std::unique_ptr<Node>> nodes;
  Levels levels;
  for (int i = 0; i < 500; ++i) {
    const bool dated = random() % 4 != 0;
    nodes.push_back(node_of(Priority::kNormal, dated ? 1 + random() % 100 * kSecond / 10 : kNever,
                            static_cast<int64_t>(random() % 10) * kSecond));
    levels.push(nodes.back().get());
  }
  int64_t last = 0;
  for (size_t i = 0; i < nodes.size(); ++i) {
    Node* node = serve(levels);
    ASSERT_NE(node, nullptr);
    EXPECT_GE(node->order, last);
    last = node->order;
  }
  EXPECT_TRUE(levels.empty());
}

TEST(Levels, ShareByWeightAndStarveNobody) {
  std::vector<std::unique_ptr<Node>> nodes;
  Levels levels;
  const auto push = [&](size_t level) {
    nodes.push_back(node_of(static_cast<Priority>(level), kNever));
    levels.push(nodes.back().get());
  };
  // Every level always has requests.
  for (size_t level = 0; level < kPriorities; ++level) push(level);
  std::array<size_t, kPriorities> served{};
  std::array<size_t, kPriorities> waited{};
  for (size_t i = 0; i < 121 * 20; ++i) {
    const Node* node = serve(levels);
    const auto level = static_cast<size_t>(node->priority);
    ++served[level];
    for (size_t other = 0; other < kPriorities; ++other) {
      waited[other] = other == level ? 0 : waited[other] + 1;
      // docs/overload.md: weight(j) / weight(level) rows of each other level, and one piece more.
      EXPECT_LE(waited[other], (121 - kWeights[other]) / kWeights[other] + 4 + 1);
    }
    push(level);
  }
  for (size_t level = 0; level < kPriorities; ++level)
    EXPECT_NEAR(static_cast<double>(served[level]), 20.0 * static_cast<double>(kWeights[level]), 2);
}

TEST(Levels, AnUrgentRequestAfterAPauseIsNextButHasNoArrears) {
  std::vector<std::unique_ptr<Node>> nodes;
  Levels levels;
  for (int i = 0; i < 300; ++i) nodes.push_back(node_of(Priority::kLow, kNever));
  for (int i = 0; i < 100; ++i) levels.push(nodes[static_cast<size_t>(i)].get());
  for (int i = 0; i < 50; ++i) EXPECT_EQ(serve(levels)->priority, Priority::kLow);
  for (int i = 0; i < 100; ++i) {
    nodes.push_back(node_of(Priority::kCritical, kNever));
    levels.push(nodes.back().get());
  }
  EXPECT_EQ(serve(levels)->priority, Priority::kCritical);
  size_t low = 0;
  for (int i = 0; i < 81; ++i) low += serve(levels)->priority == Priority::kLow;
  EXPECT_GE(low, 2u);
  EXPECT_LE(low, 4u);
}

TEST(Levels, SweepOutWhatNobodyWaitsFor) {
  std::vector<std::unique_ptr<Node>> nodes;
  Levels levels;
  for (int i = 0; i < 1000; ++i) {
    nodes.push_back(node_of(Priority::kNormal, kNever));
    levels.push(nodes.back().get());
  }
  for (size_t i = 0; i < 1000; ++i)
    if (i % 10 != 0) {
      nodes[i]->live = 0;
      levels.note_dead();
    }
  EXPECT_LE(levels.entries(), 250u);  // not more dead than alive, and 64
  size_t served = 0;
  for (; Node* node = serve(levels); ++served) EXPECT_EQ(node->live, 1u);
  EXPECT_EQ(served, 100u);
}

TEST(Deadlines, FindWhatIsDueAndNothingElse) {
  std::mt19937_64 random(3);
  std::vector<std::unique_ptr<Node>> nodes;
  Deadlines wheel;
  int64_t now = 5 * kSecond;
  size_t waiting = 0;
  for (int round = 0; round < 3000; ++round) {
    nodes.push_back(
        node_of(Priority::kNormal, now + static_cast<int64_t>(random() % (2 * kSecond))));
    wheel.add(nodes.back().get());
    ++waiting;
    if (random() % 4 == 0) {
      Node* any = nodes[random() % nodes.size()].get();
      waiting -= any->in_wheel;
      wheel.remove(any);
    }
    now += static_cast<int64_t>(random() % (random() % 50 == 0 ? kSecond : kMillisecond));
    while (Node* due = wheel.pop_due(now)) {
      ASSERT_LE(due->deadline_ns, now);
      --waiting;
    }
    ASSERT_GT(wheel.next_ns(), now);
    size_t left = 0;
    int64_t earliest = kNever;
    for (const auto& node : nodes)
      if (node->in_wheel) {
        ASSERT_GT(node->deadline_ns, now);
        earliest = std::min(earliest, node->deadline_ns);
        ++left;
      }
    ASSERT_EQ(left, waiting);
    ASSERT_LE(wheel.next_ns(), earliest);
  }
}

}  // namespace
}  // namespace spinney::queue
