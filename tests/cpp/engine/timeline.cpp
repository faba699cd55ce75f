#include "engine/timeline.h"

#include <algorithm>
#include <utility>

namespace spinney::engine::testing_world {

Timeline::Timeline(EngineOptions options) {
  options.threads = false;
  options.clock = &clock_;
  if (options.num_workers == 0) options.num_workers = 1;
  engine_ = Engine::make(options).value();
}

Timeline::~Timeline() {
  on_told = nullptr;
  events_.clear();
  engine_->stop(0);
}

void Timeline::load(const std::string& name, Cost cost, ModelOptions options) {
  backend::CallableOptions callable;
  callable.width = 1;
  callable.shape = {1, ElementType::kFloat64};
  callable.idempotent = true;
  options.warm_up = false;
  const auto score_it = [=, this](const backend::BatchInput& in, backend::BatchOutput& out) {
    return score(name, cost, in, out);
  };
  const Status status =
      engine_->load(name, "", backend::make_callable(score_it, callable), options);
  if (!status.ok()) std::abort();
}

Ask& Timeline::ask(Ask wanted) {
  asked.push_back(std::make_unique<Ask>(std::move(wanted)));
  Ask& one = *asked.back();
  one.asked_ns = now();
  one.rows_before = rows_run;
  const std::vector<double> doubles(one.rows, one.value);
  const std::vector<float> floats(one.rows, static_cast<float>(one.value));
  Request request;
  request.model = one.model;
  request.rows = one.doubles ? dense_rows(doubles.data(), one.rows, 1)
                             : dense_rows(floats.data(), one.rows, 1);
  request.priority = one.priority;
  if (one.due_in_ns != kNever) request.deadline_ns = now() + one.due_in_ns;
  request.completion = this;
  request.context = &one;
  one.admission = engine_->submit(request);
  if (!one.admission.ok()) one.code = one.admission.error().code;
  return one;
}

void Timeline::finish(std::span<Finished> finished) noexcept {
  for (const Finished& f : finished) {
    auto& one = *static_cast<Ask*>(f.context);
    one.told_ns = now();
    one.rows_told = rows_run;
    one.ok = f.error == nullptr;
    one.code = f.error ? f.error->code : Code{};
    one.began_ns = f.started_ns;
    told_.push_back(&one);
  }
}

// Lets time pass: callers ask, and the timer ticks, when it is their time.
void Timeline::pass_until(int64_t end_ns) {
  for (;;) {
    const int64_t timer = std::max(engine_->tick(), now() + 1);
    const int64_t caller = events_.empty() ? kNever : events_.begin()->first;
    const int64_t next = std::min(timer, caller);
    if (next > end_ns) break;
    if (next > now()) clock_.advance(next - now());
    if (caller > next) continue;
    const auto what = std::move(events_.begin()->second);
    events_.erase(events_.begin());
    what();
  }
  if (end_ns != kNever && end_ns > now()) clock_.advance(end_ns - now());
}

Status Timeline::score(const std::string& model, Cost cost, const backend::BatchInput& input,
                       backend::BatchOutput& output) {
  const size_t rows = input.rows.count;
  batches.push_back({model, rows, now(), input.rows.at(0, 0)});
  if (on_batch) on_batch(model, input);
  const double took = static_cast<double>(cost.row_ns * static_cast<int64_t>(rows) + cost.batch_ns);
  pass_until(now() + static_cast<int64_t>(took * slower) + std::exchange(stall_ns, 0));
  rows_run += rows;
  Status status;
  for (size_t r = 0; r < rows; ++r) {
    static_cast<double*>(output.data)[r] = input.rows.at(r, 0);
    if (input.rows.at(r, 0) < 0) status = Error{Code::kInternal, "below zero"};
  }
  return status;
}

void Timeline::run_until(int64_t end_ns) {
  for (;;) {
    for (size_t i = 0; i < told_.size(); ++i)
      if (on_told) on_told(*told_[i]);
    told_.clear();
    if (now() >= end_ns) return;
    if (engine_->run_some()) continue;
    // Idle until somebody asks, or a batch that is held is due.
    const int64_t timer = engine_->tick();
    const int64_t caller = events_.empty() ? kNever : events_.begin()->first;
    const int64_t next = std::min({timer, caller, end_ns});
    if (next == kNever) return;
    pass_until(std::max(next, now() + 1));
  }
}

}  // namespace spinney::engine::testing_world
