#include "spinney/engine/lane_count.h"

#include <algorithm>
#include <mutex>

namespace spinney::engine {
namespace {

uint64_t positive(int64_t ns) { return ns > 0 ? static_cast<uint64_t>(ns) : 0; }

void record_one(observe::Histogram& histogram, uint64_t ns) {
  histogram.record_alone(1, [ns](size_t) { return ns; });
}

void add_to(Stages& sum, const Stages& more) {
  sum.queue_wait_ns.merge(more.queue_wait_ns);
  sum.run_ns.merge(more.run_ns);
  sum.total_ns.merge(more.total_ns);
  sum.batch_rows.merge(more.batch_rows);
  sum.infer_ns.merge(more.infer_ns);
  sum.request_ns.merge(more.request_ns);
}

}  // namespace

void LaneCount::note(const Call& call) noexcept {
  if (window_ == 0) return;
  if (calls_.size() < window_) {
    calls_.push_back(call);  // within what the constructor reserved
    return;
  }
  calls_[next_call_] = call;
  next_call_ = next_call_ + 1 == window_ ? 0 : next_call_ + 1;
}

void LaneCount::ran(const BatchTimes& batch) noexcept {
  const int64_t infer_ns = batch.scored_ns - batch.gathered_ns;
  const std::lock_guard lock(lock_);
  record_one(run_ns, positive(batch.end_ns - batch.begin_ns));
  record_one(batch_rows, batch.rows);
  if (batch.failed) {
    ++runs_.failed;
    return;
  }
  ++runs_.executions;
  runs_.rows += batch.rows;
  runs_.input_ns += batch.requests * positive(batch.gathered_ns - batch.begin_ns);
  runs_.infer_ns += batch.requests * positive(infer_ns);
  runs_.output_ns += batch.requests * positive(batch.end_ns - batch.scored_ns);
  record_one(infer_ns_, positive(infer_ns));
  note({batch.end_ns, infer_ns, batch.rows});
}

// One addition for all of them, and none that is atomic for the times of each.
void LaneCount::answered(const request::Node* done) noexcept {
  const auto skip = [](const request::Node* node) {
    while (node && node->error) node = node->done_next;
    return node;
  };
  done = skip(done);
  size_t count = 0;
  size_t shared = 0;
  for (const request::Node* node = done; node; node = skip(node->done_next)) {
    ++count;
    shared += node->shared;
  }
  if (count == 0) return;
  Counters::add(requests.answered, count);
  if (shared > 0) Counters::add(requests.shared, shared);
  const std::lock_guard lock(queue_lock_);
  const auto record = [&](observe::Histogram& histogram, int64_t request::Node::* end_ns) {
    const request::Node* node = done;
    histogram.record_alone(count, [&](size_t) {
      const uint64_t ns = positive(node->*end_ns - node->submitted_ns);
      node = skip(node->done_next);
      return ns;
    });
  };
  record(queue_wait_ns_, &request::Node::started_ns);
  record(total_ns_, &request::Node::finished_ns);
}

void LaneCount::answered_at_once(const AtOnce& request) noexcept {
  const uint64_t infer_ns = positive(request.infer_ns);
  const uint64_t input_ns = positive(request.inside_ns - request.begin_ns);
  const uint64_t whole_ns = positive(request.end_ns - request.begin_ns);
  const std::lock_guard lock(lock_);
  ++at_once_;
  ++runs_.executions;
  runs_.rows += request.rows;
  runs_.input_ns += input_ns;
  runs_.infer_ns += infer_ns;
  runs_.output_ns += positive(static_cast<int64_t>(whole_ns - input_ns - infer_ns));
  if (request.lookup_ns >= 0) {
    ++runs_.cache_misses;
    runs_.cache_miss_ns += positive(request.lookup_ns);
  }
  record_one(infer_ns_, infer_ns);
  record_one(at_once_ns_, whole_ns);
  note({request.end_ns, request.infer_ns, request.rows});
}

void LaneCount::hit_at_once(int64_t ns) noexcept {
  {
    const std::lock_guard lock(lock_);
    ++at_once_;
    ++hits_at_once_;
  }
  looked_up(true, ns);
}

void LaneCount::shared_at_once(int64_t ns) noexcept {
  Counters::add(requests.shared);
  const std::lock_guard lock(lock_);
  ++at_once_;
  record_one(at_once_ns_, positive(ns));
}

void LaneCount::looked_up(bool hit, int64_t ns) noexcept {
  const std::lock_guard lock(lock_);
  ++(hit ? runs_.cache_hits : runs_.cache_misses);
  (hit ? runs_.cache_hit_ns : runs_.cache_miss_ns) += positive(ns);
  if (hit) record_one(at_once_ns_, positive(ns));
}

void LaneCount::failed_at_once() noexcept {
  Counters::add(requests.admitted);
  Counters::add(requests.failed);
}

void LaneCount::refused_at_once(Refusal why) noexcept {
  Counters::add(requests.refused[static_cast<size_t>(why)]);
}

RequestCounts LaneCount::request_counts() const {
  RequestCounts counts = requests.read();
  const std::lock_guard lock(lock_);
  counts.submitted += at_once_;
  counts.admitted += at_once_;
  counts.answered += at_once_;
  counts.at_once += at_once_;
  counts.from_cache += hits_at_once_;
  return counts;
}

RunCounts LaneCount::run_counts() const {
  const std::lock_guard lock(lock_);
  return runs_;
}

Stages LaneCount::stages() const {
  Stages stages;
  stages.queue_wait_ns = queue_wait_ns_.read();
  stages.run_ns = run_ns.read();
  stages.total_ns = total_ns_.read();
  stages.batch_rows = batch_rows.read();
  stages.infer_ns = infer_ns_.read();
  stages.request_ns = at_once_ns_.read();
  stages.request_ns.merge(stages.total_ns);
  return stages;
}

void LaneCount::add_calls(std::vector<Call>& out) const {
  out.reserve(out.size() + window_);  // no memory is asked for under the lock
  const std::lock_guard lock(lock_);
  out.insert(out.end(), calls_.begin(), calls_.end());
}

void add_to(Totals& sum, const LaneCount& count) {
  Totals all = sum;
  add_to(all.stages, count.stages());
  add_to(all.requests, count.request_counts());
  all.runs.add(count.run_counts());
  sum = std::move(all);
}

}  // namespace spinney::engine
