// What failed is tried again: the rounds of a batch. All pieces of a batch that failed (the halves
// of halves) belong to one round. What fails in the end is put aside there, and once the last piece
// has ended it becomes a batch again, after a delay in which nothing sleeps.
#include <algorithm>
#include <new>

#include "spinney/engine/lane.h"

namespace spinney::engine {

using batch::Batch;
using batch::Part;
using batch::Round;

bool Lane::may_run_again(const Batch& batch) const noexcept {
  return backend_->idempotent() && batch.output.again;
}

// Of a failing batch: requests that the back end speaks of by themselves are answered so.
void Lane::claim_own_errors(Batch* batch, int64_t now_ns, response::DoneList& done) noexcept {
  if (batch->output.item_errors.empty()) return;
  size_t row = 0;
  for (size_t i = 0; i < batch->parts.size(); ++i) {
    Part& part = batch->parts[i];
    if (batch->error_of(i)) {
      claim_part(batch, i, row, now_ns, done);
      part.end = Part::End::kAnswered;
    }
    row += part.rows;
  }
}

// False without memory: then it is not tried again.
bool Lane::give_round(Batch* batch) noexcept {
  if (batch->round) return true;
  try {
    batch->round = std::make_shared<Round>();
    batch->round->tries_left = options_.max_retries;
    batch->round->failed.reserve(batch->parts.size());
    rounds_.reserve(live_rounds_ + 1);  // so that there is room for each at its end
    ++live_rounds_;
    return true;
  } catch (const std::bad_alloc&) {
    batch->round.reset();
    return false;
  }
}

// Parts that failed and may be tried again leave the batch, with its holds on them.
void Lane::put_aside(Batch* batch) noexcept {
  if (options_.max_retries == 0 || !backend_->idempotent()) return;
  if (batch->failed ? !batch->output.again : batch->output.item_errors.empty()) return;
  if (!give_round(batch) || batch->round->tries_left == 0) return;
  for (size_t i = 0; i < batch->parts.size(); ++i) {
    Part& part = batch->parts[i];
    const backend::ItemError* own = batch->failed ? nullptr : batch->error_of(i);
    if (part.end != Part::End::kOpen || part.leader->live == 0 || part.leader->failed) continue;
    if (!batch->failed && !(own && own->again)) continue;
    batch->round->failed.push_back(part);
    part.end = Part::End::kAside;
    part.leader->scored_by = nullptr;
    if (options_.deadline_until_run) note_aside(part.leader);
  }
}

void Lane::drop_dead_parts(Round& round) noexcept {
  std::erase_if(round.failed, [&](const Part& part) {
    if (part.leader->live > 0) return false;
    drop_hold(part.leader);
    return true;
  });
}

void Lane::drop_dead_rounds() noexcept {
  for (const auto& round : rounds_) drop_dead_parts(*round);
  const size_t dropped =
      std::erase_if(rounds_, [](const auto& round) { return round->failed.empty(); });
  live_rounds_ -= dropped;
  retry_count_.fetch_sub(dropped, std::memory_order_relaxed);
}

// Of a batch that is run, or has nobody left to run for.
void Lane::end_piece(Batch* batch, int64_t now_ns) noexcept {
  const std::shared_ptr<Round> round = std::move(batch->round);
  batch->round.reset();
  if (!round || --round->open > 0) return;
  drop_dead_parts(*round);
  if (round->failed.empty()) {
    --live_rounds_;
    return;
  }
  round->due_ns = now_ns + options_.retry_delay_ns;
  rounds_.push_back(round);
  retry_count_.fetch_add(1, std::memory_order_seq_cst);
  note_due(round->due_ns);
}

void Lane::start_due_rounds(int64_t now_ns) noexcept {
  if (rounds_.empty()) return;
  const bool draining = shared_.draining.load(std::memory_order_relaxed);
  for (size_t i = 0; i < rounds_.size();) {
    if (!draining && rounds_[i]->due_ns > now_ns) {
      ++i;
      continue;
    }
    Batch* batch = new_batch();
    if (!batch) return;  // no memory: another time
    const std::shared_ptr<Round> round = rounds_[i];
    rounds_.erase(rounds_.begin() + static_cast<ptrdiff_t>(i));
    for (const Part& part : round->failed) batch->add({part.leader, part.first_row, part.rows});
    round->failed.clear();
    round->open = 1;
    --round->tries_left;
    batch->round = round;
    queue_again(batch);  // counted already
  }
}

int64_t Lane::next_round_ns() const noexcept {
  int64_t next = kNever;
  for (const auto& round : rounds_) next = std::min(next, round->due_ns);
  return next;
}

}  // namespace spinney::engine
