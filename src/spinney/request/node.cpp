#include "spinney/request/node.h"

#include "spinney/base/checked_size.h"
#include "spinney/base/wipe.h"
#include "spinney/request/pack_rows.h"

namespace spinney::request {

bool Node::copy_rows(const Rows& given) noexcept {
  const size_t element = size_of(given.type);
  const std::optional<size_t> bytes = checked_product(given.width, element, given.count);
  if (!bytes) return false;
  char* to = *bytes <= kInlineBytes ? inline_rows : row_memory.reserve(*bytes);
  if (!to) return false;
  rows = pack_rows(given, to);
  return true;
}

void Node::share_parcel(const std::shared_ptr<const Parcel>& given, size_t parcel_rows) noexcept {
  parcel = given;
  rows.count = parcel_rows;
  const uint64_t group = given->signature() + static_cast<uint64_t>(kind);
  parcel_class = kRowClasses + static_cast<size_t>(group % kParcelClasses);
}

void Node::reset() noexcept {
  const size_t bytes = rows.count * static_cast<size_t>(rows.row_stride);
  if (bytes <= kInlineBytes) wipe(inline_rows, bytes);
  row_memory.clear();
  answer_memory.clear();
  object.reset();
  parcel.reset();
  rows = {};
  holds = 0;
  answered = told = queued = listed = failed = cut = shared = from_cache = in_wheel = false;
  leader = followers = next_follower = hash_next = next = child = nullptr;
  due_next = due_previous = done_next = nullptr;
  charge = rows_taken = rows_done = batch_rows = object_row = 0;
  live = 0;
  error = nullptr;
  answer_data = nullptr;
  batch = nullptr;
  retry_after_ns = started_ns = work_started_ns = finished_ns = 0;
}

}  // namespace spinney::request
