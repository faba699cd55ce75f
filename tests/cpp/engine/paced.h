// Paced: an engine without threads, for lanes that are paced by hand, whose clock the test moves.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <set>
#include <vector>

#include "spinney/engine/engine.h"

namespace spinney::engine {

using Values = std::vector<double>;

// An engine without threads, and a model that notes each batch's rows and fails where it is told.
class Paced : public Completion {
 public:
  explicit Paced(ModelOptions options, bool idempotent = true, bool served_by_others = false) {
    EngineOptions engine_options;
    engine_options.threads = false;
    engine_options.served_by_others = served_by_others;
    engine_options.clock = &clock;
    engine = Engine::make(engine_options).value();
    backend::CallableOptions callable;
    callable.width = 1;
    callable.shape = {1, ElementType::kFloat64};
    callable.idempotent = idempotent;
    options.warm_up = options.single_flight = options.adaptive_batch_size = false;
    options.shed_target_ns = 0;
    options.refuse_too_late = false;
    const auto score = [this](const backend::BatchInput& in, backend::BatchOutput& out) -> Status {
      batches.emplace_back();
      bool bad = false;
      for (size_t r = 0; r < in.rows.count; ++r) {
        const double value = in.rows.at(r, 0);
        batches.back().push_back(value);
        static_cast<double*>(out.data)[r] = value;
        bad |= poison.count(value) > 0;
      }
      clock.advance(run_ns);
      out.again = again;
      if (faults > 0) --faults, bad = true;
      return bad ? Status(Error{Code::kInternal, "poison"}) : Status();
    };
    EXPECT_TRUE(engine->load("m", "", backend::make_callable(score, callable), options).ok());
  }
  ~Paced() override { engine->stop(0); }

  Admission ask(double value, int64_t turn_ns = kNever, int64_t deadline_ns = kNever,
                size_t rows = 1) {
    const Values values(rows, value);
    Request request;
    request.rows = dense_rows(values.data(), rows, 1);
    request.completion = this;
    request.turn_ns = turn_ns;
    request.deadline_ns = deadline_ns;
    request.context = reinterpret_cast<void*>(static_cast<intptr_t>(value));
    return engine->submit(request);
  }
  void finish(std::span<Finished> finished) noexcept override {
    for (const Finished& f : finished) {
      const auto value = static_cast<double>(reinterpret_cast<intptr_t>(f.context));
      EXPECT_EQ(answered.count(value) + failed.count(value), 0u) << "told twice";
      if (f.error)
        failed[value] = f.error->code;
      else
        answered.insert(value);
    }
  }
  size_t run_all() {
    size_t runs = 0;
    engine->tick();
    while (engine->run_some()) ++runs;
    return runs;
  }
  std::vector<size_t> sizes() const {
    std::vector<size_t> sizes;
    for (const Values& batch : batches) sizes.push_back(batch.size());
    return sizes;
  }
  ModelStatus status() const { return engine->models()[0]; }

  ManualClock clock{kSecond};
  std::unique_ptr<Engine> engine;
  std::set<double> poison;
  int faults = 0;  // calls that fail yet
  bool again = true;
  int64_t run_ns = 0;
  std::vector<Values> batches;
  std::set<double> answered;
  std::map<double, Code> failed;
};

}  // namespace spinney::engine
