// How requests come into a lane: what is refused at once, and what is remembered of the others.
#include <algorithm>

#include "spinney/base/checked_size.h"
#include "spinney/engine/lane.h"

namespace spinney::engine {

using request::Node;

namespace {

constexpr int64_t kProbeNs = 100 * kMillisecond;

const Error kCancelledError{Code::kCancelled, "the request was cancelled"};

}  // namespace

Admission Lane::refuse(Refusal refusal, size_t given, size_t allowed,
                       int64_t retry_after_ns) noexcept {
  Counters::add(counters_.refused[static_cast<size_t>(refusal)]);
  return {refusal, {}, retry_after_ns, given, allowed};
}

Admission Lane::check(const Request& request, size_t count, int64_t now_ns) const noexcept {
  const Rows& rows = request.rows;
  const auto refused = [](Refusal refusal, size_t given = 0, size_t allowed = 0) {
    return Admission{refusal, {}, 0, given, allowed};
  };
  if (!request.completion) return refused(Refusal::kNoCompletion);
  if (request.parcel && rows.count != 0) return refused(Refusal::kInput);
  if (count == 0 || count > options_.max_request_rows)
    return refused(Refusal::kNoRows, count, options_.max_request_rows);
  if (request.parcel ? !backend_->takes(*request.parcel) : !takes_rows_)
    return refused(Refusal::kInput, request.parcel ? 1 : 0, 1);
  return check_fit(request, now_ns);
}

Admission Lane::check_fit(const Request& request, int64_t now_ns) const noexcept {
  const size_t width = request.rows.width;
  if (!request.parcel && request.key.empty() && width_ != 0 && width != width_)
    return {Refusal::kWidth, {}, 0, width, width_};
  if (request.deadline_ns <= now_ns) return {Refusal::kExpired, {}, 0, 0, 0};
  return {};
}

// What most requests ask for: nothing by name.
Lane::Asked Lane::asked_kind(const Request& request) const noexcept {
  const auto kind = static_cast<size_t>(request.kind);
  if (!request.outputs.empty() || kind >= kAnswerKinds) return {};
  return {set_of_kind_[kind], request.kind, true};
}

// Which outputs are asked for by name, without allocating.
Admission Lane::resolve(const Request& request, Asked& asked) const noexcept {
  if (request.outputs.empty())
    return {
        Refusal::kKind, {}, 0, std::min(static_cast<size_t>(request.kind), kAnswerKinds - 1), 0};
  for (const std::string_view& name : request.outputs) {
    size_t i = 0;
    while (i < outputs_.size() && outputs_[i].name != name) ++i;
    if (i == outputs_.size()) return {Refusal::kOutput, {}, 0, 0, outputs_.size(), &name};
    asked.set |= OutputSet{1} << i;
  }
  for (size_t kind = 0; kind < kAnswerKinds; ++kind)
    if (asked.set == set_of_kind_[kind]) asked = {asked.set, static_cast<AnswerKind>(kind), true};
  return {};
}

Admission Lane::check_delay(const Request& request, size_t count, int64_t now_ns) noexcept {
  const bool dated = request.deadline_ns != kNever && options_.refuse_too_late;
  queue::Delay& delay = delays_[index_of(request.priority)];
  if (!dated && !delay.overloaded(now_ns)) return {};
  const double wait =
      wait_ns(request.priority, queue::order_of(request.deadline_ns, now_ns), now_ns);
  const auto wait_for = static_cast<int64_t>(std::min(wait, 1e18));
  if (dated) return {check_deadline(request, count, wait, now_ns), {}, wait_for, 0, 0};
  if (wait_for <= shed_target_ns()) return {};
  delay.on_refused();
  return {Refusal::kOverloaded, {}, wait_for, 0, 0};
}

// What was measured when the machine was slow would be believed for good if nothing ran any more.
bool Lane::probes(int64_t now_ns) const noexcept {
  return active_.load(std::memory_order_relaxed) == 0 &&
         now_ns - last_batch_ns_.load(std::memory_order_relaxed) > kProbeNs;
}

Refusal Lane::check_deadline(const Request& request, size_t count, double wait_ns,
                             int64_t now_ns) const noexcept {
  const auto time = static_cast<double>(request.deadline_ns - now_ns);
  const double run = row_ns_.load(std::memory_order_relaxed) * static_cast<double>(count);
  if (wait_ns + run > time) return probes(now_ns) ? Refusal::kNone : Refusal::kTooLate;
  const double batch = cost_ns(cap_.load(std::memory_order_relaxed));
  const double surely = 3.0 * static_cast<double>(options_.shed_target_ns);
  if (wait_ns + batch <= std::min(kShareOfTime * time, surely)) return Refusal::kNone;
  return overfills(request.priority, wait_ns + batch, time, now_ns) ? Refusal::kOverloaded
                                                                    : Refusal::kNone;
}

Node* Lane::fill(const Request& request, const Asked& asked, size_t count, bool may_block,
                 int64_t now_ns) noexcept {
  Node* node = store_.take();
  if (!node) return nullptr;
  const auto give_up = [&]() -> Node* {
    store_.give_back(node);
    return nullptr;
  };
  node->kind = asked.kind;
  node->layout = {outputs_.data(), asked.set};
  if (request.parcel)
    node->share_parcel(request.parcel, count);
  else if (!node->copy_rows(request.rows))
    return give_up();
  node->owner = this;
  node->choose_class(asked.by_kind);
  node->priority = request.priority;
  node->completion = request.completion;
  node->may_block = may_block;
  node->context = request.context;
  node->deadline_ns = request.deadline_ns;
  node->submitted_ns = now_ns;
  node->turn_ns = request.turn_ns;
  node->deduplicate =
      shares_ && request.deduplicate && (!request.parcel || request.parcel->comparable());
  if (node->deduplicate) node->hash = queue::hash_of(*node);
  node->cut =
      splits_ && options_.join_requests && !request.parcel && count > options_.max_batch_size;
  if (node->cut ? !node->reserve_answer() : !node->layout.bytes(count)) return give_up();
  node->holds = 1;
  node->charge = count;
  return node;
}

// That so many rows are queued, which is more than ever in few calls only.
void Lane::note_queued(size_t rows) noexcept {
  size_t most = queued_rows_max_.load(std::memory_order_relaxed);
  while (rows > most &&
         !queued_rows_max_.compare_exchange_weak(most, rows, std::memory_order_relaxed)) {
  }
}

Admission Lane::submit(const Request& request, bool may_block, response::DoneList& done) noexcept {
  const int64_t now = shared_.clock->now_ns();
  const auto refused = [&](const Admission& why) {
    Admission refusal = refuse(why.refusal, why.given, why.allowed, why.retry_after_ns);
    refusal.name = why.name;
    return refusal;
  };
  const size_t rows = request.parcel ? request.parcel->rows() : request.rows.count;
  if (const Admission bad = check(request, rows, now); !bad.ok()) return refused(bad);
  Asked asked = asked_kind(request);
  if (asked.set == 0)
    if (const Admission bad = resolve(request, asked); !bad.ok()) return refused(bad);
  if (const Admission late = check_delay(request, rows, now); !late.ok()) return refused(late);
  const size_t level = index_of(request.priority);
  const auto retry_after = [&] {
    return static_cast<int64_t>(
        std::min(wait_ns(request.priority, queue::order_of(request.deadline_ns, now), now), 1e18));
  };

  // Each of these takes a share, which is given back if a later one refuses.
  if (const Admission full = let_in(request, now); !full.ok()) return refused(full);
  const size_t queued = queued_rows_.fetch_add(rows, std::memory_order_seq_cst);
  const size_t most_requests = options_.max_queue_requests;
  const size_t waiting =
      most_requests ? queued_requests_.fetch_add(1, std::memory_order_relaxed) : 0;
  const auto give_back = [&] {
    queued_rows_.fetch_sub(rows, std::memory_order_relaxed);
    if (most_requests) queued_requests_.fetch_sub(1, std::memory_order_relaxed);
    let_out(1);
    shared_.leave(1);
  };
  // One request alone is always taken, however many rows it has.
  if (queued > 0 && queued + rows > options_.max_queue_rows) {
    give_back();
    return refuse(Refusal::kQueueFull, queued, options_.max_queue_rows, retry_after());
  }
  if (most_requests != 0 && waiting >= most_requests) {
    give_back();
    return refuse(Refusal::kQueueFull, waiting, most_requests, retry_after());
  }
  Node* node = fill(request, asked, rows, may_block, now);
  if (!node) {
    give_back();
    return refuse(Refusal::kNoMemory);
  }
  nodes_out_.fetch_add(1, std::memory_order_relaxed);
  if (cache_ && answer_from_cache(node, now, done)) {
    queued_rows_.fetch_sub(rows, std::memory_order_relaxed);
    if (most_requests) queued_requests_.fetch_sub(1, std::memory_order_relaxed);
    return {};
  }
  backlogs_[level].add(request.deadline_ns, now, rows);
  note_queued(queued + rows);
  Counters::add(counters_.admitted);
  Admission admitted;
  admitted.id = {id_, node->index, ++node->serials};
  node->serial.store(admitted.id.serial, std::memory_order_release);
  int64_t due = request.deadline_ns;
  if (options_.batch_timeout_ns > 0)
    due = std::min(start_by_ns(due, now, queued + rows), now + options_.batch_timeout_ns);
  intake_.push(node);  // from here on the node is not ours
  note_due(due);
  idle().notify();
  return admitted;
}

// After the push and before the timer's own look, see tick().
void Lane::note_due(int64_t due_ns) noexcept {
  if (due_ns == kNever) return;
  int64_t known = next_due_ns_.load(std::memory_order_seq_cst);
  while (due_ns < known && !next_due_ns_.compare_exchange_weak(known, due_ns)) {
  }
  shared_.due_at(due_ns);
}

bool Lane::cancel(RequestId id) noexcept {
  Leavings leavings;
  bool cancelled = false;
  {
    const std::lock_guard lock(mutex_);
    drain_intake();
    Node* node = store_.at(id.node);
    if (node && id.serial != 0 && node->serial.load(std::memory_order_acquire) == id.serial &&
        !node->answered) {
      claim(node, &kCancelledError, shared_.clock->now_ns(), leavings.done);
      Counters::add(counters_.cancelled);
      cancelled = true;
    }
    release_dropped();
    take_leavings(leavings);
  }
  tell(leavings);
  return cancelled;
}

// One that is answered counts until its caller was told, so that nobody sees it run, and then
// neither run nor be done.
bool Lane::running(RequestId id) const noexcept {
  const std::lock_guard lock(mutex_);
  const Node* node = store_.at(id.node);
  return node && id.serial != 0 && node->serial.load(std::memory_order_acquire) == id.serial &&
         node->leader && node->leader->work_started_ns != 0;
}

}  // namespace spinney::engine
