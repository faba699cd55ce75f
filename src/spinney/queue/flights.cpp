#include "spinney/queue/flights.h"

#include <cstring>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "spinney/base/seeded_hash.h"

namespace spinney::queue {

using request::Node;

uint64_t hash_of(const Rows& rows, AnswerKind kind) noexcept {
  const size_t bytes = rows.count * static_cast<size_t>(rows.row_stride);
  return XXH3_64bits_withSeed(rows.data, bytes, random_seed() + static_cast<uint64_t>(kind));
}

Node* Flights::find(const Node* node) const noexcept {
  for (Node* other = bucket_of(node); other; other = other->hash_next)
    if (other->hash == node->hash && other->kind == node->kind &&
        other->rows.type == node->rows.type && other->rows.count == node->rows.count &&
        other->rows.width == node->rows.width &&
        std::memcmp(other->rows.data, node->rows.data,
                    node->rows.count * static_cast<size_t>(node->rows.row_stride)) == 0)
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
