// Batches that failed and are tried again in parts, so that the requests at fault end up alone.
// The parts wait for their turn like requests: in their levels, in their own order, charged as any
// rows are.
#include <algorithm>
#include <array>
#include <tuple>

#include "spinney/engine/lane.h"

namespace spinney::engine {

using batch::Batch;
using batch::Part;
using request::Node;

namespace {

size_t open_parts(const Batch& batch) {
  return static_cast<size_t>(
      std::count_if(batch.parts.begin(), batch.parts.end(),
                    [](const Part& part) { return part.end == Part::End::kOpen; }));
}

bool levels_differ(const Batch& batch) {
  const Part* first = nullptr;
  for (const Part& part : batch.parts) {
    if (part.end != Part::End::kOpen) continue;
    if (!first) first = &part;
    if (part.leader->best_priority != first->leader->best_priority) return true;
  }
  return false;
}

bool live(const Part& part) { return part.leader->live > 0 && !part.leader->failed; }

// The most urgent of those who wait for it say where a batch stands.
void rank(Batch& batch) {
  batch.level = Priority::kBackground;
  batch.order = kNever;
  batch.arrival = ~uint64_t{0};
  for (const Part& part : batch.parts)
    if (const Node& leader = *part.leader;
        std::tie(leader.best_priority, leader.best_order, leader.arrival) <
        std::tie(batch.level, batch.order, batch.arrival)) {
      batch.level = leader.best_priority;
      batch.order = leader.best_order;
      batch.arrival = leader.arrival;
    }
}

}  // namespace

// One of several levels is divided by level first, so that each waits for its own turn. False if
// that is not allowed, nobody waits for any of them any more, or there is no memory.
bool Lane::halve(Batch* batch) noexcept {
  const size_t open = open_parts(*batch);
  if (open < 2 || !options_.halve_failed || !may_run_again(*batch)) return false;
  if (options_.max_retries > 0 && !give_round(batch)) return false;
  if (std::none_of(batch->parts.begin(), batch->parts.end(),
                   [](const Part& part) { return part.leader->live > 0; }))
    return false;
  for (const Part& part : batch->parts) part.leader->scored_by = nullptr;
  std::array<Batch*, kPriorities> divided{};
  const bool mixed = levels_differ(*batch);
  size_t i = 0;
  for (const Part& part : batch->parts) {
    if (part.end != Part::End::kOpen) continue;
    Batch*& to = divided[mixed ? index_of(part.leader->best_priority) : 2 * i / open];
    if (!to) to = new_batch();
    if (!to) {
      for (Batch* made : divided)
        if (made) made->parts.clear(), recycle(made);
      return false;
    }
    to->add(part);  // with its hold
    ++i;
  }
  for (const Part& part : batch->parts)
    if (part.end != Part::End::kOpen) drop_hold(part.leader);
  batch->parts.clear();
  if (batch->round) --batch->round->open;  // each of its parts counts in its place
  for (Batch* part : divided) {
    if (!part) continue;
    part->round = batch->round;
    if (part->round) ++part->round->open;
    queue_again(part);
    retry_count_.fetch_add(1, std::memory_order_seq_cst);
  }
  batch->round.reset();  // it is a piece of it no more, while its answers are on their way
  if (batch->deliveries == 0) recycle(batch);
  return true;
}

void Lane::queue_again(Batch* batch) noexcept {
  batch->next = retries_;
  retries_ = batch;
  rank(*batch);
  enter_level(*batch);
}

void Lane::enter_level(Batch& half) noexcept {
  levels_.enter(half.level);
  backlogs_[index_of(half.level)].add_again(half.rows);
}

void Lane::leave_level(Batch& half) noexcept {
  levels_.leave(half.level);
  backlogs_[index_of(half.level)].remove_again(half.rows);
}

// A more urgent request has joined the leader's, whose rows have been taken: if they wait to be
// tried again, they stand where it would.
void Lane::promote_retry(const Node* leader) noexcept {
  for (Batch* half = retries_; half; half = half->next)
    for (const Part& part : half->parts)
      if (part.leader == leader) {
        leave_level(*half);
        rank(*half);
        enter_level(*half);
        break;
      }
}

// The one whose turn it is among those to be tried again and, if a new batch is due, the requests
// that are queued. What nobody waits for any more is left out.
Batch* Lane::take_retry(bool due, int64_t now_ns, response::DoneList& done) noexcept {
  const auto place = [&](Priority level, int64_t order, uint64_t arrival) {
    return std::tuple(levels_.pass(level), level, order, arrival);
  };
  const auto place_of = [&](const Batch& batch) {
    return place(batch.level, batch.order, batch.arrival);
  };
  while (retries_) {
    Batch** first = &retries_;
    for (Batch** link = &retries_; *link; link = &(*link)->next)
      if (place_of(**link) < place_of(**first)) first = link;
    Batch* half = *first;
    const Node* queued = due ? levels_.next(queue::kAnyClass).node : nullptr;
    if (queued && place(queued->priority, queued->order, queued->arrival) < place_of(*half))
      return nullptr;
    *first = half->next;
    half->next = nullptr;
    leave_level(*half);
    retry_count_.fetch_sub(1, std::memory_order_relaxed);
    half->rows = 0;
    std::erase_if(half->parts, [&](const Part& part) {
      expire_members(part.leader, now_ns, done);
      if (live(part)) {
        if (options_.deadline_until_run) note_begun(part.leader);
        half->rows += part.rows;
        return false;
      }
      drop_hold(part.leader);
      return true;
    });
    half->started_ns = now_ns;
    if (!half->parts.empty()) {
      levels_.charge(half->level, half->rows);
      return half;
    }
    end_piece(half, now_ns);
    recycle(half);
  }
  return nullptr;
}

}  // namespace spinney::engine
