// How long requests of a lane wait: what is expected, what is allowed, and what is observed.
#include <algorithm>

#include "spinney/engine/lane.h"

namespace spinney::engine {

namespace {

constexpr int64_t kMeasureNs = 500 * kMicrosecond;

}  // namespace

size_t Lane::batches_at_once() const noexcept {
  const size_t threads = waits_ ? at_once_ : shared_.workers;
  return at_once_ == 0 ? threads : std::min(threads, at_once_);
}

double Lane::cost_ns(size_t rows) const noexcept {
  return row_ns_.load(std::memory_order_relaxed) * static_cast<double>(rows) +
         batch_ns_.load(std::memory_order_relaxed);
}

// When a batch of so many rows that is held must begin for its earliest deadline: twice its cost
// before it, and sooner by a fifth of the time that this leaves, since threads wake late where
// others want the CPUs. If nothing is known of costs, after half of its time.
int64_t Lane::start_by_ns(int64_t deadline_ns, int64_t since_ns, size_t rows) const noexcept {
  if (deadline_ns == kNever) return kNever;
  const double cost = 2 * cost_ns(std::max(rows, rows_at_least_.load(std::memory_order_relaxed)));
  if (cost <= 0) return since_ns + (deadline_ns - since_ns) / 2;
  const int64_t latest = deadline_ns - static_cast<int64_t>(std::min(cost, 1e15));
  return latest - std::clamp((latest - since_ns) / 5, kWakeUpNs, kWakeUpMostNs);
}

double Lane::others_meanwhile(Priority level, double own) const noexcept {
  double rows = 0;
  for (size_t other = 0; other < kPriorities; ++other) {
    if (other == index_of(level)) continue;
    const double queued = static_cast<double>(backlogs_[other].rows());
    const double share = static_cast<double>(queue::kWeights[other]) /
                         static_cast<double>(queue::kWeights[index_of(level)]);
    rows += std::min(queued, (own + 1) * share);
  }
  return rows;
}

// How long a new request of this level and order would wait, if costs are known: for the rows of
// its own level that come before it, and of other levels for as many as their shares allow
// meanwhile.
double Lane::wait_ns(Priority level, int64_t order_ns, int64_t now_ns) const noexcept {
  const double own = backlogs_[index_of(level)].before(order_ns, now_ns);
  double rows = own;
  if (queued_rows_.load(std::memory_order_relaxed) > backlogs_[index_of(level)].queued() ||
      retry_count_.load(std::memory_order_relaxed) > 0)
    rows += others_meanwhile(level, own);
  const double cap = static_cast<double>(std::max<size_t>(cap_.load(std::memory_order_relaxed), 1));
  const double row = row_ns_.load(std::memory_order_relaxed) +
                     batch_ns_.load(std::memory_order_relaxed) / std::min(cap, rows + 1);
  const int64_t busy = busy_until_ns_.load(std::memory_order_relaxed) - now_ns;
  const double queued = (rows * row + static_cast<double>(std::max<int64_t>(busy, 0))) /
                        static_cast<double>(batches_at_once());
  return std::max(queued, own * backlogs_[index_of(level)].row_ns());
}

// While a level does not catch up, a request with a deadline is taken if it would be answered
// within two fifths of its time: so the queue never grows to where those whose turn has come are
// about to expire. Two batches' time, of the one that runs and its own, is always allowed, or
// workers would have nothing to do.
double Lane::allowed_ns(double time_ns) const noexcept {
  return std::max(kShareOfTime * time_ns, 2 * cost_ns(cap_.load(std::memory_order_relaxed)));
}

// A burst has just begun and drains; a queue that stands has not caught up for a quarter of the
// time that a new request may take.
bool Lane::stands(Priority level, double allowed_ns, int64_t now_ns) const noexcept {
  const int64_t behind = now_ns - backlogs_[index_of(level)].caught_up_ns();
  return options_.shed_target_ns > 0 && static_cast<double>(behind) > allowed_ns / 4;
}

// Whether the queue stands and a request that would be answered so late is too much for it. Once it
// has stood for an interval, no time is so long that a wait of more than three targets is taken.
bool Lane::overfills(Priority level, double answered_ns, double time_ns,
                     int64_t now_ns) const noexcept {
  double allowed = allowed_ns(time_ns);
  if (!stands(level, allowed, now_ns)) return false;
  const double batch = cost_ns(cap_.load(std::memory_order_relaxed));
  if (now_ns - backlogs_[index_of(level)].caught_up_ns() > shed_interval_ns())
    allowed = std::min(allowed, 3.0 * static_cast<double>(shed_target_ns()) + batch);
  return answered_ns > std::max(allowed, 2 * batch);
}

int64_t Lane::shed_interval_ns() const noexcept {
  return std::max(options_.shed_interval_ns, kTargetsInInterval * shed_target_ns());
}

// A wait for the batch that runs and the next one is no overload, however slow the model.
int64_t Lane::shed_target_ns() const noexcept {
  if (options_.shed_target_ns == 0) return 0;
  const double batch = cost_ns(cap_.load(std::memory_order_relaxed));
  return std::max(options_.shed_target_ns, static_cast<int64_t>(std::min(2 * batch, 1e15)));
}

void Lane::measure_waits(int64_t now_ns) noexcept {
  const size_t cap = std::max<size_t>(cap_.load(std::memory_order_relaxed), 1);
  const double batch = std::min(cost_ns(cap), 1e15);
  const auto window = std::max(kMeasureNs, static_cast<int64_t>(batch));
  const double row = batch / static_cast<double>(cap * batches_at_once());
  for (queue::Backlog& backlog : backlogs_) backlog.measure(now_ns, window, row);
}

// After a batch was filled: which levels have caught up, and how long the others wait.
void Lane::judge_waits(int64_t now_ns) noexcept {
  const size_t few = cap_.load(std::memory_order_relaxed) * batches_at_once();
  const int64_t target = shed_target_ns();
  const int64_t interval = shed_interval_ns();
  for (size_t level = 0; level < kPriorities; ++level) {
    const size_t rows = backlogs_[level].rows();
    if (rows <= few) backlogs_[level].note_caught_up(now_ns);
    const auto priority = static_cast<Priority>(level);
    const int64_t oldest =
        rows > 0 ? levels_.oldest_ns(priority, !options_.refuse_too_late) : kNever;
    delays_[level].observe(now_ns, oldest == kNever ? 0 : now_ns - oldest, target, interval);
  }
}

}  // namespace spinney::engine
