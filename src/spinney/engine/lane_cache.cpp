// Answers that a lane keeps for equal requests to come.
#include <utility>

#include "spinney/engine/lane.h"

namespace spinney::engine {

using batch::Batch;
using batch::Part;
using request::Node;

// The node is told from here, without ever being queued. It is the caller's alone until then.
bool Lane::answer_from_cache(Node* node, int64_t now_ns, response::DoneList& done) noexcept {
  const OutputLayout& layout = node->layout;
  const size_t bytes = layout.bytes(node->rows.count).value_or(0);
  if (!node->deduplicate || node->parcel || node->cut || bytes == 0 || layout.has_texts() ||
      !judge_.use())
    return false;
  const int64_t begin = shared_.clock->now_ns();
  RequestKey key;
  if (!key.make(id_, layout.set, node->rows, options_.row_keys)) return false;
  char* answer = node->reserve_answer() ? node->answer_room : nullptr;
  const bool found =
      answer && cache_->get(key.bytes(), std::span(reinterpret_cast<std::byte*>(answer), bytes));
  const int64_t took = shared_.clock->now_ns() - begin;
  judge_.on_lookup(found, took);
  count_->looked_up(found, took);
  if (!found) return false;
  node->leader = node;
  node->answered = true;
  node->from_cache = true;
  node->answer = &node->own_answer;
  node->finished_ns = now_ns;
  Counters::add(counters_.admitted);
  Counters::add(counters_.answered);
  Counters::add(counters_.from_cache);
  done.add(node);
  return true;
}

// A part's answers, put together as they would lie alone.
bool Lane::keep(cache::Bytes key, Batch& batch, size_t row, size_t rows) noexcept {
  const auto bytes_of = [](const char* data, size_t bytes) {
    return cache::Bytes{reinterpret_cast<const std::byte*>(data), bytes};
  };
  const OutputLayout& layout = batch.layout;
  const size_t bytes = layout.bytes(rows).value_or(0);
  if (layout.single()) {
    const size_t row_bytes = layout.shape().row_bytes();
    cache_->set(key, bytes_of(batch.answers.data() + row * row_bytes, bytes));
    return true;
  }
  request::RowBuffer together;
  char* to = together.reserve(bytes);
  if (!to) return false;
  std::memset(to, 0, bytes);
  const backend::Place* place = batch.places.data();
  layout.each(rows, [&](size_t number, size_t at, size_t) {
    const size_t row_bytes = layout.outputs[number].shape.row_bytes();
    std::memcpy(to + at, static_cast<const char*>((place++)->data) + row * row_bytes,
                rows * row_bytes);
  });
  cache_->set(key, bytes_of(to, bytes));
  return true;
}

void Lane::remember(Batch& batch) noexcept {
  if (!cache_) return;
  if (judge_.resting()) {
    if (judge_.take_leftovers()) forget_answers();  // here, where no submitter waits for it
    return;
  }
  if (batch.failed || batch.layout.has_texts() || !batch.output.data) return;
  const int64_t begin = shared_.clock->now_ns();
  size_t row = 0;
  size_t kept = 0;
  size_t kept_rows = 0;
  for (size_t i = 0; i < batch.parts.size(); ++i) {
    const Part& part = batch.parts[i];
    const size_t first = std::exchange(row, row + part.rows);
    const Node& node = *part.leader;
    RequestKey key;
    if (!node.deduplicate || node.cut || node.parcel || batch.error_of(i) ||
        !key.make(id_, batch.layout.set, node.rows, options_.row_keys) ||
        !keep(key.bytes(), batch, first, part.rows))
      continue;
    ++kept;
    kept_rows += part.rows;
  }
  if (kept == 0) return;
  const double share = static_cast<double>(kept_rows) / static_cast<double>(row);
  judge_.on_computed(static_cast<int64_t>(kept),
                     static_cast<int64_t>(static_cast<double>(begin - batch.started_ns) * share));
  judge_.on_keep(shared_.clock->now_ns() - begin);
}

}  // namespace spinney::engine
