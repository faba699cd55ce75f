// Seeded worlds for the order: callers of all levels ask several models for rows of both types, in
// requests of any size, with and without deadlines, some of which make their batch fail. Each batch
// is held against what docs/overload.md says of who is served first.
#pragma once

#include <array>
#include <map>
#include <random>
#include <string>

#include "engine/timeline.h"

namespace spinney::engine::testing_world {

// What callers believe, and the engine is not told.
enum class Misled {
  kNothing,
  kLevel,     // critical requests go as background ones
  kDeadline,  // deadlines are said to be three times as far off
  kModel,     // of two requests to a model, one goes to another
};

class OrderWorld {
 public:
  explicit OrderWorld(uint64_t seed, Misled misled = Misled::kNothing);
  // Runs to the end; the faults found, empty if none.
  std::string run();

 private:
  static constexpr size_t kModels = 3;
  // What a caller asked for, whatever the engine was told.
  struct Asked {
    const Ask* ask = nullptr;
    size_t model = 0;
    size_t level = 0;
    int64_t order_ns = 0;
    size_t rows_run = 0;
    bool waits() const { return ask->admission.ok() && ask->told_ns == 0; }
  };
  // Rows of each level that were run since one of them, or its last row, began to wait.
  using Counts = std::array<uint64_t, kPriorities>;
  struct Bound {
    bool waits = false;
    Counts since_it_waits{};
    Counts since_its_turn{};
  };

  bool chance(double p) { return std::uniform_real_distribution<>(0, 1)(random_) < p; }
  size_t below(size_t n) { return std::uniform_int_distribution<size_t>(0, n - 1)(random_); }
  void fault(const std::string& what);
  void ask_some();
  void ask_one();
  void see_batch(const std::string& model, const backend::BatchInput& input);
  void check_turns(size_t model);
  void check_shares(size_t model, const std::map<size_t, size_t>& rows);
  void check_bound(size_t level, const Counts& rows);
  void check_deadlines(const std::map<size_t, size_t>& rows);

  uint64_t seed_;
  Misled misled_;
  std::mt19937_64 random_;
  ModelOptions options_;
  bool exact_ = false;  // batches cost nothing of their own, so nothing is filled out of turn
  bool fails_ = false;
  size_t models_ = 1;
  size_t bursts_ = 0;
  Timeline line_;
  std::vector<Asked> asked_;
  std::array<std::array<Bound, kPriorities>, kModels> bounds_{};
  std::array<std::array<size_t, kModels>, kModels> overtaken_{};  // [who waits][by whom]
  std::string faults_;
};

}  // namespace spinney::engine::testing_world
