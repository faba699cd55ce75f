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

bool live(const Part& part) { return part.leader->live > 0 && !part.leader->failed; }

// The most urgent of those who wait for it say where a batch stands.
void rank(Batch& batch) {
  batch.level = Priority::kBackground;
  batch.order = kNever;
  for (const Part& part : batch.parts)
    if (const Node& leader = *part.leader;
        std::tie(leader.best_priority, leader.best_order) < std::tie(batch.level, batch.order)) {
      batch.level = leader.best_priority;
      batch.order = leader.best_order;
    }
}

}  // namespace

// One of several levels is divided by level first, so that each waits for its own turn. False if
// that is not allowed, nobody waits for any of them any more, or there is no memory.
bool Lane::halve(Batch* batch) noexcept {
  if (batch->parts.size() < 2 || !backend_->idempotent()) return false;
  if (std::none_of(batch->parts.begin(), batch->parts.end(),
                   [](const Part& part) { return part.leader->live > 0; }))
    return false;
  const Priority first = batch->parts[0].leader->best_priority;
  const bool mixed = std::any_of(batch->parts.begin(), batch->parts.end(), [&](const Part& part) {
    return part.leader->best_priority != first;
  });
  std::array<Batch*, kPriorities> divided{};
  for (size_t i = 0; i < batch->parts.size(); ++i) {
    Batch*& to = divided[mixed ? index_of(batch->parts[i].leader->best_priority)
                               : 2 * i / batch->parts.size()];
    if (!to) to = new_batch();
    if (!to) {
      for (Batch* part : divided)
        if (part) part->parts.clear(), recycle(part);
      return false;
    }
    to->add(batch->parts[i]);  // with its hold
  }
  for (Batch* part : divided) {
    if (!part) continue;
    part->shape = batch->shape;
    part->next = retries_;
    retries_ = part;
    rank(*part);
    enter_level(*part);
    retry_count_.fetch_add(1, std::memory_order_seq_cst);
  }
  recycle(batch);
  return true;
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
  const auto place = [&](Priority level, int64_t order) {
    return std::tuple(levels_.pass(level), level, order);
  };
  while (retries_) {
    Batch** first = &retries_;
    for (Batch** link = &retries_; *link; link = &(*link)->next)
      if (place((*link)->level, (*link)->order) < place((*first)->level, (*first)->order))
        first = link;
    Batch* half = *first;
    const Node* queued = due ? levels_.next(queue::kAnyClass).node : nullptr;
    if (queued && place(queued->priority, queued->order) < place(half->level, half->order))
      return nullptr;
    *first = half->next;
    half->next = nullptr;
    leave_level(*half);
    retry_count_.fetch_sub(1, std::memory_order_relaxed);
    half->rows = 0;
    std::erase_if(half->parts, [&](const Part& part) {
      expire_members(part.leader, now_ns, done);
      if (live(part)) {
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
    recycle(half);
  }
  return nullptr;
}

}  // namespace spinney::engine
