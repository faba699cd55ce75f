// Requests that are answered on their caller's thread: what lets them in, what they find, and how
// they count.
#include <algorithm>

#include "spinney/engine/lane.h"

namespace spinney::engine {
namespace {

// Visits that this thread computes at this moment. Within one of them it waits for no other, which
// might wait for this one.
thread_local size_t computing_here = 0;

void end_computing(const Visit& visit) noexcept {
  if (visit.turn() == Turn::kRun) --computing_here;
}

}  // namespace

// Nobody is overtaken, and nobody's wait is cut short: nothing of the lane is queued, its back end
// neither waits nor completes later nor has a limit of batches at once, and batches are not held,
// spaced or tried again. What is too much for the queue, or for one batch, is the queue's to say.
bool Lane::answers_at_once(size_t rows) const noexcept {
  const size_t limit = limit_.load(std::memory_order_relaxed);
  if (!takes_rows_ || rows > options_.max_request_rows || rows > options_.max_batch_size ||
      (limit != 0 && rows > limit))
    return false;
  if (waits_ || at_once_ != 0 || has_work() || backend_->completes_later()) return false;
  if (options_.batch_timeout_ns > 0 && options_.min_batch_size > 1) return false;
  if (options_.rest_waits || options_.min_batch_interval_ns > 0 || options_.max_retries > 0 ||
      paused_.load(std::memory_order_relaxed))
    return false;
  const double cost = cost_ns(rows);
  return cost > 0 && cost <= static_cast<double>(kHandOverNs);
}

Admission Lane::enter(const Request& request, Visit& visit, Entry entry) noexcept {
  visit.turn_ = Turn::kQueue;
  if (!request.outputs.empty()) return {};
  const int64_t now = shared_.clock->now_ns();
  if (entry == Entry::kIfCheap && !answers_at_once(request.rows.count)) return {};
  const auto refused = [&](const Admission& why) {
    visit.turn_ = Turn::kNone;
    return refuse(why.refusal, why.given, why.allowed, why.retry_after_ns);
  };
  if (entry != Entry::kIfKept) {
    if (const Admission bad = check_fit(request, now); !bad.ok()) return refused(bad);
    if (Asked asked = asked_kind(request); asked.set == 0) return refused(resolve(request, asked));
    if (entry == Entry::kIfCheap && layout_of(request.kind).has_texts()) {
      visit.turn_ = Turn::kQueue;
      return {};
    }
    if (entry == Entry::kIfCheap)
      if (const Admission late = check_delay(request, request.rows.count, now); !late.ok())
        return refused(late);
    if (const Admission full = let_in(request, now); !full.ok()) return refused(full);
    visit.lane_ = this;
    visit.open_ = true;
    visit.generation_ = shared_.generation.load(std::memory_order_relaxed);
    nodes_out_.fetch_add(1, std::memory_order_relaxed);
  }
  visit.rows_ = request.rows;
  visit.count_ = request.rows.count;
  visit.entered_ns_ = visit.started_ns_ = now;
  if (shares_ && request.deduplicate && find(request, visit, entry)) return {};
  if (entry == Entry::kIfKept) return {};
  visit.sampled_ = entry == Entry::kIfCheap;
  visit.turn_ = Turn::kRun;
  ++computing_here;
  return {};
}

// Limits of requests at once, of the engine and of the model.
Admission Lane::let_in(const Request& request, int64_t now_ns) noexcept {
  const auto retry_after = [&] {
    const int64_t order = queue::order_of(request.deadline_ns, now_ns);
    return static_cast<int64_t>(std::min(wait_ns(request.priority, order, now_ns), 1e18));
  };
  if (const Shared::Full full = shared_.enter(); full.refusal != Refusal::kNone)
    return {full.refusal, {}, retry_after(), full.most, full.most};
  const size_t before = active_.fetch_add(1, std::memory_order_relaxed);
  const size_t most = options_.max_concurrent_requests;
  if (most == 0 || before < most) return {};
  let_out(1);
  shared_.leave(1);
  return {Refusal::kConcurrency, {}, retry_after(), before, most};
}

void Lane::let_out(size_t requests) noexcept {
  active_.fetch_sub(requests, std::memory_order_relaxed);
  shared_.answered(requests);
}

// True if the cache has it, or an equal visit is under way. Where a run costs no more than it takes
// to wake a sleeper nobody waits for another's.
bool Lane::find(const Request& request, Visit& visit, Entry entry) noexcept {
  const bool looks = cache_ && judge_.use();
  if (cache_ && !looks && judge_.take_leftovers()) forget_answers();
  const double cost = entry == Entry::kAlways ? cost_ns(request.rows.count) : 1;
  const bool joins = options_.single_flight && computing_here == 0 &&
                     (cost <= 0 || cost > static_cast<double>(kHandOverNs));
  if (!looks && !joins) return false;
  const int64_t begin = visit.entered_ns_;
  const OutputSet outputs = asked_kind(request).set;
  const bool made = request.key.empty()
                        ? visit.key_.make(id_, outputs, request.rows, options_.row_keys)
                        : visit.key_.make(id_, outputs, request.key);
  if (!made) return false;
  if (request.key.empty()) visit.rows_ = visit.key_.rows();
  if (looks) {
    const size_t wanted =
        request.key.empty() ? request.rows.count * layout_of(request.kind).shape().row_bytes() : 0;
    const bool found = cache_->get_into(visit.key_.bytes(), [&](size_t bytes) -> std::byte* {
      if (request.key.empty() && bytes != wanted) return nullptr;
      visit.answer_bytes_ = bytes;
      return reinterpret_cast<std::byte*>(visit.answer_.reserve(bytes));
    });
    visit.started_ns_ = shared_.clock->now_ns();
    visit.lookup_ns_ = visit.started_ns_ - begin;
    judge_.on_lookup(found, visit.lookup_ns_);
    visit.keeps_ = true;
    if (found) {
      visit.from_cache_ = true;
      answered(visit, visit.started_ns_);
      return true;
    }
    if (entry == Entry::kIfKept) count_->looked_up(false, visit.lookup_ns_);
  }
  if (!joins || entry != Entry::kAlways || !equal_visits_.join(visit)) return false;
  visit.turn_ = Turn::kWait;
  return true;
}

void Lane::forget_answers() noexcept {
  if (cache_) cache_->clear(RequestKey::prefix(id_));
}

void Lane::keep(cache::Bytes key, AnswerKind kind, cache::Bytes answer) noexcept {
  if (!cache_ || judge_.resting()) return;
  const int64_t begin = shared_.clock->now_ns();
  const OutputSet outputs = set_of_kind_[static_cast<size_t>(kind)];
  if (RequestKey made; made.make(id_, outputs, key)) cache_->set(made.bytes(), answer);
  judge_.on_keep(shared_.clock->now_ns() - begin);
}

void Lane::answered(Visit& visit, int64_t now_ns) noexcept {
  visit.turn_ = Turn::kAnswered;
  visit.finished_ns_ = now_ns;
  if (visit.from_cache_) {
    count_->hit_at_once(visit.lookup_ns_);
  } else {
    if (visit.lookup_ns_ >= 0) count_->looked_up(false, visit.lookup_ns_);
    count_->shared_at_once(now_ns - visit.entered_ns_);
  }
  close(visit);
}

void Lane::done(Visit& visit, const void* answer, size_t bytes) noexcept {
  const int64_t now = shared_.clock->now_ns();
  const int64_t run = now - visit.started_ns_;
  end_computing(visit);
  visit.turn_ = Turn::kNone;
  visit.finished_ns_ = now;
  if (visit.leads_) end_equal(visit, bytes ? Turn::kAnswered : Turn::kAgain, answer, bytes);
  if (visit.keeps_) {
    judge_.on_computed(1, run);
    if (bytes && !judge_.resting()) {
      cache_->set(visit.key_.bytes(), {static_cast<const std::byte*>(answer), bytes});
      judge_.on_keep(shared_.clock->now_ns() - now);
    }
  }
  const int64_t asked = visit.asked_ns_ != 0 ? visit.asked_ns_ : visit.entered_ns_;
  count_->answered_at_once({visit.count_, asked, visit.started_ns_, run, now, visit.lookup_ns_});
  if (visit.sampled_) sample(visit.count_, run);
  close(visit);
}

// Some of those that were answered at once, so that one that has become dear is queued again.
void Lane::sample(size_t rows, int64_t run_ns) noexcept {
  constexpr uint32_t kEvery = 16;
  if (samples_.fetch_add(1, std::memory_order_relaxed) % kEvery != 0) return;
  const std::unique_lock lock(mutex_, std::try_to_lock);
  if (!lock.owns_lock()) return;
  fit_.add(rows, static_cast<double>(run_ns));
  publish_costs();
}

void Lane::fail(Visit& visit, const Error& error, std::shared_ptr<void> object) noexcept {
  visit.finished_ns_ = shared_.clock->now_ns();
  Turn turn = Turn::kFailed;
  if (visit.leads_) {
    try {
      visit.error_ = error;
      visit.object_ = std::move(object);
    } catch (const std::bad_alloc&) {
      turn = Turn::kAgain;
    }
    end_equal(visit, turn, nullptr, 0);
  }
  end_unanswered(visit, counters_.failed);
}

void Lane::forget(Visit& visit) noexcept {
  if (visit.leads_) end_equal(visit, Turn::kAgain, nullptr, 0);
  end_computing(visit);
  visit.turn_ = Turn::kNone;
  close(visit);
}

void Lane::give_up(Visit& visit) noexcept {
  if (visit.follows_ && !inherited(visit)) equal_visits_.leave(visit);
  visit.follows_ = false;
  if (visit.leads_) end_equal(visit, Turn::kAgain, nullptr, 0);
  end_unanswered(visit, counters_.cancelled);
}

void Lane::end_unanswered(Visit& visit, std::atomic<uint64_t>& count) noexcept {
  end_computing(visit);
  visit.turn_ = Turn::kNone;
  if (visit.lookup_ns_ >= 0) count_->looked_up(false, visit.lookup_ns_);
  Counters::add(counters_.admitted);
  Counters::add(count);
  close(visit);
}

Turn Lane::wait(Visit& visit, int64_t timeout_ns) noexcept {
  if (inherited(visit)) {  // nobody is there to tell it
    visit.follows_ = false;
    close(visit);
    return visit.turn_ = Turn::kAgain;
  }
  const Turn told = EqualVisits::wait(visit, timeout_ns);
  if (told == Turn::kWait) return told;
  equal_visits_.leave(visit);
  if (told == Turn::kAnswered) {
    visit.shared_ = true;
    answered(visit, shared_.clock->now_ns());
    return told;
  }
  visit.turn_ = told;
  if (told == Turn::kFailed) {
    end_unanswered(visit, counters_.failed);
    visit.turn_ = told;
  } else {
    close(visit);
  }
  return told;
}

// By a forked child, of which it is the only one that there is.
bool Lane::inherited(const Visit& visit) const noexcept {
  return visit.generation_ != shared_.generation.load(std::memory_order_relaxed);
}

// In a forked child the others' stacks are no place to write to.
void Lane::end_equal(Visit& leader, Turn turn, const void* answer, size_t bytes) noexcept {
  if (!inherited(leader)) equal_visits_.end(leader, turn, answer, bytes);
  leader.leads_ = false;
}

// In a forked child nobody counts what its parent let in.
void Lane::close(Visit& visit) noexcept {
  if (!visit.open_) return;
  visit.open_ = false;
  if (!inherited(visit)) let_out(1);
}

void Lane::leave(const Visit& visit) noexcept {
  Shared& shared = shared_;
  if (inherited(visit)) return;
  // A lane that nobody visits may be taken away.
  nodes_out_.fetch_sub(1, std::memory_order_seq_cst);
  shared.leave(1);
}

Visit::~Visit() {
  give_up();
  if (lane_) lane_->leave(*this);
}

Turn Visit::wait(int64_t timeout_ns) noexcept {
  return turn_ == Turn::kWait ? lane_->wait(*this, timeout_ns) : turn_;
}

void Visit::done(const void* answer, size_t bytes) noexcept {
  if (open_) lane_->done(*this, answer, bytes);
}

void Visit::fail(const Error& error, std::shared_ptr<void> object) noexcept {
  if (open_) lane_->fail(*this, error, std::move(object));
}

void Visit::forget() noexcept {
  if (open_) lane_->forget(*this);
}

void Visit::give_up() noexcept {
  if (open_) lane_->give_up(*this);
}

}  // namespace spinney::engine
