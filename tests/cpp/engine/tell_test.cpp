// Telling many requests of several completions: each once, each completion's in order.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <vector>

#include "spinney/response/response.h"

namespace spinney::response {
namespace {

struct Listener : Completion {
  void finish(std::span<Finished> finished) noexcept override {
    ++calls;
    for (const Finished& one : finished) heard.push_back(*static_cast<const size_t*>(one.context));
  }
  size_t calls = 0;
  std::vector<size_t> heard;
};

TEST(Tell, EachOnceAndInOrderWhoeverIsToldBetween) {
  constexpr size_t kNodes = 3000;
  for (const size_t kinds : {1, 2, 3, 200}) {
    std::vector<Listener> listeners(kinds);
    std::vector<std::unique_ptr<request::Node>> nodes;
    std::vector<size_t> numbers(kNodes);
    DoneList done;
    for (size_t i = 0; i < kNodes; ++i) {
      numbers[i] = i;
      nodes.push_back(std::make_unique<request::Node>());
      nodes[i]->completion = &listeners[(i / 7) % kinds];
      nodes[i]->context = &numbers[i];
      done.add(nodes[i].get());
    }
    tell(done.take());
    size_t heard = 0;
    for (const Listener& listener : listeners) {
      heard += listener.heard.size();
      for (size_t i = 1; i < listener.heard.size(); ++i)
        EXPECT_LT(listener.heard[i - 1], listener.heard[i]);
      EXPECT_LE(listener.calls, listener.heard.size());
    }
    EXPECT_EQ(heard, kNodes);
    for (const auto& node : nodes) EXPECT_TRUE(node->told);
  }
}

// Few rows and their answers share the room in the node, each at its place, and are zeroed with it.
TEST(Node, AnswersLieBehindFewRowsAndNothingOfEitherStays) {
  const OutputSpec spec{"values", {1, ElementType::kFloat64}};
  for (const size_t rows :
       {size_t{1}, size_t{3}, size_t{16}, size_t{20}, size_t{21}, size_t{500}}) {
    const std::vector<float> given(rows * 3, 1.5f);
    auto node = std::make_unique<request::Node>();
    ASSERT_TRUE(node->copy_rows(dense_rows(given.data(), rows, 3)));
    node->layout = {&spec, 1};
    ASSERT_TRUE(node->reserve_answer());
    ASSERT_EQ(node->own_answer.data, node->answer_room);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(node->answer_room) % OutputLayout::kAlignment, 0u);
    std::fill_n(reinterpret_cast<double*>(node->answer_room), rows, 2.5);
    for (size_t i = 0; i < given.size(); ++i)
      ASSERT_EQ(static_cast<const float*>(node->rows.data)[i], 1.5f) << rows;
    node->reset();
    for (const char byte : node->inline_rows) ASSERT_EQ(byte, 0) << rows;
  }
}

}  // namespace
}  // namespace spinney::response
