// Answers that a lane keeps for equal requests to come.
#include "spinney/engine/lane.h"

namespace spinney::engine {

using batch::Batch;
using batch::Part;
using request::Node;

// The node is told from here, without ever being queued. It is the caller's alone until then.
bool Lane::answer_from_cache(Node* node, int64_t now_ns, response::DoneList& done) noexcept {
  const size_t bytes = node->rows.count * node->shape.row_bytes();
  if (!node->deduplicate || node->parcel || node->cut || bytes == 0 || !judge_.use()) return false;
  const int64_t begin = shared_.clock->now_ns();
  RequestKey key;
  if (!key.make(id_, node->kind, node->rows, options_.row_keys)) return false;
  char* answer = node->answer_memory.reserve(bytes);
  const bool found =
      answer && cache_->get(key.bytes(), std::span(reinterpret_cast<std::byte*>(answer), bytes));
  const int64_t took = shared_.clock->now_ns() - begin;
  judge_.on_lookup(found, took);
  count_->looked_up(found, took);
  if (!found) return false;
  node->leader = node;
  node->answered = true;
  node->from_cache = true;
  node->answer_data = answer;
  node->finished_ns = now_ns;
  Counters::add(counters_.admitted);
  Counters::add(counters_.answered);
  Counters::add(counters_.from_cache);
  done.add(node);
  return true;
}

void Lane::remember(Batch& batch) noexcept {
  if (!cache_) return;
  if (judge_.resting()) {
    if (judge_.take_leftovers()) forget_answers();  // here, where no submitter waits for it
    return;
  }
  if (batch.failed || batch.shape.columns == 0) return;
  const size_t row_bytes = batch.shape.row_bytes();
  const int64_t begin = shared_.clock->now_ns();
  size_t row = 0;
  size_t kept = 0;
  size_t kept_rows = 0;
  for (const Part& part : batch.parts) {
    if (part.leader->deduplicate && !part.leader->cut && !part.leader->parcel)
      if (RequestKey key; key.make(id_, part.leader->kind, part.leader->rows, options_.row_keys)) {
        cache_->set(key.bytes(),
                    {reinterpret_cast<const std::byte*>(batch.answers.data() + row * row_bytes),
                     part.rows * row_bytes});
        ++kept;
        kept_rows += part.rows;
      }
    row += part.rows;
  }
  if (kept == 0) return;
  const double share = static_cast<double>(kept_rows) / static_cast<double>(row);
  judge_.on_computed(static_cast<int64_t>(kept),
                     static_cast<int64_t>(static_cast<double>(begin - batch.started_ns) * share));
  judge_.on_keep(shared_.clock->now_ns() - begin);
}

}  // namespace spinney::engine
