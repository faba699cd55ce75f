// An engine without threads, whose requests are told to records of a test's own kind.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <span>
#include <vector>

#include "spinney/engine/engine.h"

namespace spinney::engine {

// Told has the members done and shared; the rest is what tell() makes of an answer.
template <typename Told>
class Asking : public Completion {
 public:
  explicit Asking(EngineOptions options = {}) {
    options.threads = false;
    options.num_workers = 1;
    engine = Engine::make(options).value();
  }
  // The record of a request, which is admitted.
  Told& submit(Request request) {
    told.push_back(std::make_unique<Told>());
    request.completion = this;
    request.context = told.back().get();
    const Admission admission = engine->submit(request);
    EXPECT_TRUE(admission.ok()) << admission.error().message;
    return *told.back();
  }
  void run() {
    while (engine->run_some()) {
    }
  }
  void finish(std::span<Finished> finished) noexcept override {
    for (const Finished& one : finished) {
      auto& mine = *static_cast<Told*>(one.context);
      EXPECT_FALSE(mine.done);
      mine.done = true;
      mine.shared = one.shared;
      tell(mine, one);
    }
  }

  std::vector<std::unique_ptr<Told>> told;
  std::unique_ptr<Engine> engine;  // ends before the records, which it may still tell

 protected:
  virtual void tell(Told& /*mine*/, const Finished& /*one*/) noexcept {}
};

}  // namespace spinney::engine
