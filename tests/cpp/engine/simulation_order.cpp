#include "engine/simulation_order.h"

#include <algorithm>
#include <cmath>

namespace spinney::engine::testing_world {
namespace {

constexpr std::array<uint64_t, kPriorities> kWeights = {81, 27, 9, 3, 1};
constexpr const char* kNames[] = {"a", "b", "c"};

}  // namespace

OrderWorld::OrderWorld(uint64_t seed, Misled misled) : seed_(seed), misled_(misled), random_(seed) {
  options_.max_batch_size = 1 + below(64);
  options_.adaptive_batch_size = chance(0.3);
  options_.single_flight = false;
  options_.shed_target_ns = chance(0.3) ? 5 * kMillisecond : 0;
  options_.refuse_too_late = chance(0.7);
  exact_ = chance(0.7);
  fails_ = chance(0.4);
  models_ = 1 + below(kModels);
  if (misled_ == Misled::kModel) models_ = kModels;
  for (size_t model = 0; model < models_; ++model)
    line_.load(kNames[model],
               {static_cast<int64_t>(1 + below(50)) * kMicrosecond,
                exact_ ? 0 : static_cast<int64_t>(below(1000)) * kMicrosecond},
               options_);
  line_.on_batch = [this](const std::string& model, const backend::BatchInput& input) {
    see_batch(model, input);
  };
}

void OrderWorld::fault(const std::string& what) {
  if (faults_.size() < 1000) faults_ += "seed " + std::to_string(seed_) + ": " + what + "\n";
}

void OrderWorld::ask_one() {
  Ask ask;
  Asked asked;
  asked.model = below(models_);
  asked.level = below(kPriorities);
  ask.rows = chance(0.7) ? 1 : 1 + below(2 * options_.max_batch_size);
  ask.doubles = chance(0.5);
  ask.value = static_cast<double>(asked_.size() + 1);
  if (fails_ && chance(0.05)) ask.value = -ask.value;
  int64_t due = kNever;
  if (chance(0.5)) due = static_cast<int64_t>(1 + below(chance(0.5) ? 100 : 5000)) * kMillisecond;
  asked.order_ns = line_.now() + std::min(due, kSecond);
  const bool critical = misled_ == Misled::kLevel && asked.level == 0;
  ask.priority = critical ? Priority::kBackground : static_cast<Priority>(asked.level);
  ask.due_in_ns = due;
  if (misled_ == Misled::kDeadline && due != kNever && chance(0.5)) ask.due_in_ns = 3 * due;
  const bool elsewhere = misled_ == Misled::kModel && asked.model == 0;
  ask.model = kNames[elsewhere ? 1 : asked.model];
  asked.ask = &line_.ask(ask);
  asked_.push_back(asked);
}

// Either a few, or so many that all levels wait for a while.
void OrderWorld::ask_some() {
  const size_t count = chance(0.2) ? 100 + below(200) : below(10);
  for (size_t i = 0; i < count; ++i) ask_one();
  if (++bursts_ >= 20) return;
  const auto gap = static_cast<int64_t>(below(chance(0.2) ? 50 : 3));
  line_.at(line_.now() + gap * kMillisecond + 1, [this] { ask_some(); });
}

// Models take turns: one that has requests sees each other have one batch at most before its own.
void OrderWorld::check_turns(size_t model) {
  std::array<bool, kModels> waits{};
  for (const Asked& asked : asked_) waits[asked.model] |= asked.waits();
  for (size_t other = 0; other < models_; ++other) {
    if (other == model || !waits[other])
      overtaken_[other] = {};
    else if (++overtaken_[other][model] > 1)
      fault("a model had two batches while another waited for its turn");
  }
}

void OrderWorld::check_bound(size_t level, const Counts& rows) {
  const auto piece = static_cast<double>(options_.max_batch_size);
  for (size_t other = 0; other < kPriorities; ++other) {
    if (other == level) continue;
    const double share =
        static_cast<double>(kWeights[other]) / static_cast<double>(kWeights[level]);
    const double most = share * (static_cast<double>(rows[level]) + piece) + piece;
    if (static_cast<double>(rows[other]) > most + 1e-6)
      fault("level " + std::to_string(level) + " waits: " + std::to_string(rows[other]) +
            " rows of level " + std::to_string(other) + " for " + std::to_string(rows[level]) +
            " of its own");
  }
}

void OrderWorld::check_shares(size_t model, const std::map<size_t, size_t>& rows) {
  Counts run{}, left{};
  for (size_t i = 0; i < asked_.size(); ++i) {
    const Asked& asked = asked_[i];
    if (asked.model != model || !asked.waits()) continue;
    const auto here = rows.find(i);
    const size_t runs = here == rows.end() ? 0 : here->second;
    run[asked.level] += runs;
    // All of a request's rows may be in this batch, or in others that failed before.
    left[asked.level] += here == rows.end() || asked.rows_run + runs < asked.ask->rows;
  }
  for (size_t level = 0; level < kPriorities; ++level) {
    Bound& bound = bounds_[model][level];
    if (left[level] == 0) {  // the rest of the batch may have been filled without it
      bound = {};
      continue;
    }
    if (!bound.waits) bound = {.waits = true};
    if (run[level] > 0) bound.since_its_turn = {};
    for (size_t other = 0; other < kPriorities; ++other) {
      bound.since_it_waits[other] += run[other];
      if (run[level] == 0) bound.since_its_turn[other] += run[other];
    }
    if (!exact_) continue;
    check_bound(level, bound.since_it_waits);
    check_bound(level, bound.since_its_turn);
  }
}

// Of one level and type the one that is due first comes first, and of equal ones the first to come.
void OrderWorld::check_deadlines(const std::map<size_t, size_t>& rows) {
  for (const auto& [i, count] : rows) {
    const Asked& runs = asked_[i];
    if (runs.rows_run > 0) continue;  // again, or the rest of a long one
    for (size_t j = 0; j < asked_.size(); ++j) {
      const Asked& other = asked_[j];
      if (other.waits() && other.rows_run == 0 && !rows.contains(j) && other.model == runs.model &&
          other.level == runs.level && other.ask->doubles == runs.ask->doubles &&
          std::pair(other.order_ns, j) < std::pair(runs.order_ns, i))
        return fault("request " + std::to_string(i) + " is run before " + std::to_string(j));
    }
  }
}

void OrderWorld::see_batch(const std::string& name, const backend::BatchInput& input) {
  const auto model = static_cast<size_t>(name[0] - 'a');
  std::map<size_t, size_t> rows;  // of each request
  for (size_t r = 0; r < input.rows.count; ++r)
    ++rows[static_cast<size_t>(std::abs(input.rows.at(r, 0))) - 1];
  check_turns(model);
  check_shares(model, rows);
  check_deadlines(rows);
  for (const auto& [i, count] : rows) asked_[i].rows_run += count;
}

std::string OrderWorld::run() {
  ask_some();
  line_.run_all();
  for (const Asked& asked : asked_)
    if (asked.waits()) fault("a request was never told");
  return faults_;
}

}  // namespace spinney::engine::testing_world
