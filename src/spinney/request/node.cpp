#include "spinney/request/node.h"

#include <exception>

#include "spinney/base/checked_size.h"
#include "spinney/base/wipe.h"
#include "spinney/request/pack_rows.h"

namespace spinney::request {

bool Node::copy_rows(const Rows& given) noexcept {
  const size_t element = size_of(given.type);
  const std::optional<size_t> bytes = checked_product(given.width, element, given.count);
  if (!bytes) return false;
  const bool few = *bytes <= kInlineBytes;
  char* to = few ? inline_rows : row_memory.reserve(*bytes);
  if (!to) return false;
  if (few) inline_used = *bytes;
  pack_rows(given, to, rows);
  return true;
}

void Node::share_parcel(const std::shared_ptr<const Parcel>& given, size_t parcel_rows) noexcept {
  parcel = given;
  rows.count = parcel_rows;
}

uint8_t Node::other_class() const noexcept {
  const uint64_t carried = parcel ? parcel->signature() : type_number();
  return static_cast<uint8_t>(kRowClasses + (carried + layout.set) % kOtherClasses);
}

bool Node::reserve_answer() noexcept {
  const std::optional<size_t> bytes = layout.bytes(rows.count);
  if (!bytes) return false;
  constexpr size_t kAlignment = OutputLayout::kAlignment;
  const size_t behind = (inline_used + kAlignment - 1) / kAlignment * kAlignment;
  if (*bytes > 0 && behind < kInlineBytes && *bytes <= kInlineBytes - behind) {
    answer_room = inline_rows + behind;
    inline_used = behind + *bytes;
  } else if (*bytes > 0) {
    answer_room = answer_memory.reserve(*bytes);
    if (!answer_room) return false;
  }
  try {
    if (layout.has_texts()) answer_texts.resize(layout.texts(rows.count));
  } catch (const std::exception&) {  // bad_alloc, or length_error
    return false;
  }
  own_answer = {layout, rows.count, answer_room, answer_texts.data()};
  return true;
}

void Node::reset() noexcept {
  wipe(inline_rows, inline_used);
  inline_used = 0;
  row_memory.clear();
  answer_memory.clear();
  answer_room = nullptr;
  wipe_texts(answer_texts);
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
  answer = nullptr;
  answer_row = 0;
  batch = scored_by = nullptr;
  retry_after_ns = started_ns = work_started_ns = finished_ns = 0;
}

}  // namespace spinney::request
