// A timeline: an engine without threads whose one worker, callers and timer act in the order of a
// clock that only the models' own time moves. What is due while a batch runs happens while it runs.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "spinney/engine/engine.h"

namespace spinney::engine::testing_world {

struct Cost {
  int64_t row_ns = 0;
  int64_t batch_ns = 0;
};

// What one caller asks, and what he is told.
struct Ask {
  std::string model = "m";
  Priority priority = Priority::kNormal;
  int64_t due_in_ns = kNever;  // the deadline, from now on
  size_t rows = 1;
  bool doubles = false;
  double value = 0;  // of all its rows; below zero: the model fails

  Admission admission;
  int64_t asked_ns = 0;
  int64_t told_ns = 0;
  int64_t began_ns = 0;
  Code code{};
  bool ok = false;
  uint64_t rows_before = 0;  // that were run before it was asked
  uint64_t rows_told = 0;    // and before it was told
};

class Timeline : public Completion {
 public:
  explicit Timeline(EngineOptions options = {});
  ~Timeline() override;
  void load(const std::string& name, Cost cost, ModelOptions options);
  Ask& ask(Ask wanted);
  void at(int64_t at_ns, std::function<void()> what) { events_.emplace(at_ns, std::move(what)); }
  // Runs batches, and what is due, until `end_ns`, or until nothing is left to do.
  void run_until(int64_t end_ns);
  void run_all() { run_until(kNever); }
  int64_t now() const { return clock_.now_ns(); }
  Engine& engine() { return *engine_; }

  void finish(std::span<Finished> finished) noexcept override;

  std::vector<std::unique_ptr<Ask>> asked;
  struct Ran {
    std::string model;
    size_t rows = 0;
    int64_t began_ns = 0;
    double value = 0;  // of the first row
  };
  std::vector<Ran> batches;
  uint64_t rows_run = 0;
  std::function<void(const std::string&, const backend::BatchInput&)> on_batch;
  std::function<void(Ask&)> on_told;  // may ask again
  int64_t stall_ns = 0;               // that the next batch takes longer
  double slower = 1;                  // than the models' costs say

 private:
  Status score(const std::string& model, Cost cost, const backend::BatchInput& input,
               backend::BatchOutput& output);
  void pass_until(int64_t end_ns);

  ManualClock clock_{10 * kSecond};
  std::unique_ptr<Engine> engine_;
  std::multimap<int64_t, std::function<void()>> events_;
  std::vector<Ask*> told_;  // for on_told, once nothing is locked
};

}  // namespace spinney::engine::testing_world
