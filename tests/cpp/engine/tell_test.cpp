// Telling many requests of several completions: each once, each completion's in order.
#include <gtest/gtest.h>

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

}  // namespace
}  // namespace spinney::response
