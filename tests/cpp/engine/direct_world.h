// An engine without threads around one model that doubles rows, for tests of requests that their
// caller's thread answers.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <thread>

#include "spinney/engine/engine.h"

namespace spinney::engine::direct_world {

inline constexpr int64_t kCheapNs = 1'000;

// Doubles each row. What a row is believed to cost is said, so that no test measures.
class Doubling final : public backend::Backend {
 public:
  explicit Doubling(double row_ns = kCheapNs) : row_ns_(row_ns) {}
  size_t width() const override { return 1; }
  bool idempotent() const override { return idempotent_; }
  bool waits() const override { return waits_; }
  size_t concurrency() const override { return concurrency_; }
  double cost_ns(size_t rows) const override { return row_ns_ * static_cast<double>(rows); }
  Result<AnswerShape> answer(AnswerKind kind) const override {
    if (kind != AnswerKind::kValues) return unsupported("values only");
    return AnswerShape{1, ElementType::kFloat64};
  }
  Status score(const backend::BatchInput& in, backend::BatchOutput& out) const override {
    ++calls;
    thread = std::this_thread::get_id();
    for (size_t r = 0; r < in.rows.count; ++r) {
      if (in.rows.at(r, 0) < 0) return Error{Code::kInternal, "below zero"};
      static_cast<double*>(out.data)[r] = 2 * in.rows.at(r, 0);
    }
    return {};
  }

  bool idempotent_ = true, waits_ = false;
  size_t concurrency_ = 0;
  mutable int calls = 0;
  mutable std::thread::id thread;

 private:
  double row_ns_;
};

struct Told final : Completion {
  void finish(std::span<Finished> finished) noexcept override {
    for (const Finished& one : finished) {
      ++count;
      code = one.error ? one.error->code : Code::kInvalidArgument;
      failed = one.error != nullptr;
      value = failed ? 0 : *static_cast<const double*>(one.answer.data);
      from_cache = one.from_cache;
    }
  }
  bool may_block() const override { return blocks; }
  bool blocks = false;
  int count = 0;
  Code code{};
  bool failed = false, from_cache = false;
  double value = 0;
};

struct World {
  explicit World(std::shared_ptr<Doubling> served = std::make_shared<Doubling>(),
                 const ModelOptions& given = {}, EngineOptions engine_options = {}) {
    backend = std::move(served);
    engine_options.threads = false;
    engine_options.num_workers = 1;
    engine_options.clock = &clock;
    engine = Engine::make(engine_options).value();
    ModelOptions options = given;
    options.warm_up = false;
    EXPECT_TRUE(engine->load("m", "", backend, options).ok());
  }
  Request request(const double& value) {
    Request made;
    made.rows = dense_rows(&value, 1, 1);
    made.completion = &told;
    return made;
  }
  Admission run(double value) { return engine->run_or_submit(request(value)); }
  RequestCounts counts() const { return engine->stats().requests; }

  ManualClock clock{kSecond};
  std::shared_ptr<Doubling> backend;
  Told told;  // outlives the engine, which answers what is left when it ends
  std::unique_ptr<Engine> engine;
};

}  // namespace spinney::engine::direct_world
