// Answers that a lane keeps for equal requests to come.
#include <array>
#include <cstring>

#include "spinney/base/wipe.h"
#include "spinney/engine/lane.h"

namespace spinney::engine {

using batch::Batch;
using batch::Part;
using request::Node;

namespace {

// The whole request as bytes: what is asked, then the rows. Small ones need no memory.
class Key {
 public:
  explicit Key(const Node& node) noexcept {
    const Rows& rows = node.rows;
    const size_t row_bytes = rows.count * static_cast<size_t>(rows.row_stride);
    const std::array<uint64_t, 3> head = {
        static_cast<uint64_t>(node.kind) * 2 + static_cast<uint64_t>(rows.type), rows.count,
        rows.width};
    size_ = sizeof head + row_bytes;
    data_ = size_ <= sizeof small_ ? small_ : large_.reserve(size_);
    if (!data_) return;
    std::memcpy(data_, head.data(), sizeof head);
    std::memcpy(data_ + sizeof head, rows.data, row_bytes);
  }
  ~Key() {
    if (data_ == small_) wipe(small_, size_);
  }
  Key(const Key&) = delete;
  Key& operator=(const Key&) = delete;
  bool ok() const { return data_ != nullptr; }
  cache::Bytes bytes() const { return {reinterpret_cast<const std::byte*>(data_), size_}; }

 private:
  char small_[512];
  request::RowBuffer large_;
  char* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace

// The node is told from here, without ever being queued. It is the caller's alone until then.
bool Lane::answer_from_cache(Node* node, int64_t now_ns, response::DoneList& done) noexcept {
  const size_t bytes = node->rows.count * node->shape.row_bytes();
  if (!node->deduplicate || node->parcel || node->cut || bytes == 0 || !judge_.use()) return false;
  const int64_t begin = shared_.clock->now_ns();
  const Key key(*node);
  char* answer = key.ok() ? node->answer_memory.reserve(bytes) : nullptr;
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
    if (judge_.take_leftovers()) cache_->clear();  // here, where no submitter waits for it
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
      if (const Key key(*part.leader); key.ok()) {
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
