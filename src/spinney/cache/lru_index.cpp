#include "spinney/cache/lru_index.h"

#include <bit>
#include <new>

#include "spinney/base/seeded_hash.h"

namespace spinney::cache {
namespace {

constexpr size_t kChainsMin = 16;

}  // namespace

LruIndex::LruIndex()
    : chains_(kChainsMin, nullptr),
      odd_(random_seed() | 1),
      shift_(64 - static_cast<unsigned>(std::countr_zero(kChainsMin))) {}

void LruIndex::link_newest(LruEntry* entry) {
  entry->newer = nullptr;
  entry->older = most_recent_;
  (most_recent_ ? most_recent_->newer : least_recent_) = entry;
  most_recent_ = entry;
}

void LruIndex::unlink_use(LruEntry* entry) {
  (entry->newer ? entry->newer->older : most_recent_) = entry->older;
  (entry->older ? entry->older->newer : least_recent_) = entry->newer;
}

void LruIndex::touch(LruEntry* entry) {
  if (entry == most_recent_) return;
  unlink_use(entry);
  link_newest(entry);
}

void LruIndex::insert(LruEntry* entry) {
  if (size_ >= chains_.size()) grow();
  LruEntry*& chain = chains_[spread(entry->hash)];
  entry->chain = chain;
  chain = entry;
  link_newest(entry);
  entry->later = nullptr;
  entry->earlier = last_inserted_;
  (last_inserted_ ? last_inserted_->later : first_inserted_) = entry;
  last_inserted_ = entry;
  ++size_;
}

void LruIndex::remove(LruEntry* entry) {
  LruEntry** at = &chains_[spread(entry->hash)];
  while (*at != entry) at = &(*at)->chain;
  *at = entry->chain;
  unlink_use(entry);
  (entry->later ? entry->later->earlier : last_inserted_) = entry->earlier;
  (entry->earlier ? entry->earlier->later : first_inserted_) = entry->later;
  --size_;
}

// Longer chains are slower but right, so that a failed allocation changes nothing.
void LruIndex::grow() {
  std::vector<LruEntry*> wider;
  try {
    wider.assign(chains_.size() * 2, nullptr);
  } catch (const std::bad_alloc&) {
    return;
  }
  wider.swap(chains_);
  --shift_;
  for (LruEntry* entry : wider)
    while (entry) {
      LruEntry* next = entry->chain;
      LruEntry*& chain = chains_[spread(entry->hash)];
      entry->chain = chain;
      chain = entry;
      entry = next;
    }
}

}  // namespace spinney::cache
