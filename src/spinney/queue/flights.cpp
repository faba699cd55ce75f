#include "spinney/queue/flights.h"

#include <cstring>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "spinney/base/seeded_hash.h"

namespace spinney::queue {

using request::Node;

namespace {

bool same_rows(const Rows& a, const Rows& b) {
  return a.type == b.type && a.count == b.count && a.width == b.width &&
         std::memcmp(a.data, b.data, a.count * static_cast<size_t>(a.row_stride)) == 0;
}

bool same_input(const Node& a, const Node& b) {
  if (!a.parcel || !b.parcel) return !a.parcel && !b.parcel && same_rows(a.rows, b.rows);
  return a.parcel->equals(*b.parcel);
}

}  // namespace

uint64_t hash_of(const Node& node) noexcept {
  const OutputSet asked = node.layout.set;
  if (node.parcel) return node.parcel->hash() + asked;
  const size_t bytes = node.rows.count * static_cast<size_t>(node.rows.row_stride);
  return XXH3_64bits_withSeed(node.rows.data, bytes, random_seed() + asked);
}

Node* Flights::find(const Node* node) const noexcept {
  for (Node* other = bucket_of(node); other; other = other->hash_next)
    if (other->hash == node->hash && other->layout.set == node->layout.set &&
        same_input(*other, *node))
      return other;
  return nullptr;
}

void Flights::add(Node* leader) noexcept {
  leader->hash_next = bucket_of(leader);
  bucket_of(leader) = leader;
  leader->listed = true;
}

void Flights::remove(Node* leader) noexcept {
  if (!leader->listed) return;
  for (Node** link = &bucket_of(leader); *link; link = &(*link)->hash_next)
    if (*link == leader) {
      *link = leader->hash_next;
      break;
    }
  leader->listed = false;
}

}  // namespace spinney::queue
