#include "spinney/engine/equal_visits.h"

#include <algorithm>
#include <cstring>
#include <new>

#include "spinney/base/futex.h"
#include "spinney/base/seeded_hash.h"

namespace spinney::engine {

bool EqualVisits::join(Visit& visit) noexcept {
  const cache::Bytes key = visit.key_.bytes();
  visit.hash_ = cache::hash_bytes(key, random_seed());
  const std::lock_guard lock(mutex_);
  for (Visit* other = bucket_of(visit); other; other = other->next_) {
    const cache::Bytes its = other->key_.bytes();
    if (other->hash_ != visit.hash_ || !std::equal(key.begin(), key.end(), its.begin(), its.end()))
      continue;
    visit.follows_ = true;
    visit.leader_ = other;
    visit.next_ = other->followers_;
    other->followers_ = &visit;
    return true;
  }
  visit.leads_ = true;
  visit.next_ = bucket_of(visit);
  bucket_of(visit) = &visit;
  return false;
}

// Without memory for it, the follower computes it.
void EqualVisits::tell(Visit& follower, const Visit& leader, Turn turn, const void* answer,
                       size_t bytes) noexcept {
  if (turn == Turn::kAnswered) {
    char* to = bytes ? follower.answer_.reserve(bytes) : nullptr;
    if (to)
      std::memcpy(to, answer, bytes);
    else
      turn = Turn::kAgain;
    follower.answer_bytes_ = bytes;
  } else if (turn == Turn::kFailed) {
    try {
      follower.error_ = leader.error_;
      follower.object_ = leader.object_;
    } catch (const std::bad_alloc&) {
      turn = Turn::kAgain;
    }
  }
  // From here on the follower may go.
  follower.leader_ = nullptr;
  std::atomic<uint32_t>& told = follower.told_;
  told.store(static_cast<uint32_t>(turn), std::memory_order_release);
  futex_wake(told);
}

void EqualVisits::end(Visit& leader, Turn turn, const void* answer, size_t bytes) noexcept {
  const std::lock_guard lock(mutex_);
  for (Visit** link = &bucket_of(leader); *link; link = &(*link)->next_)
    if (*link == &leader) {
      *link = leader.next_;
      break;
    }
  leader.leads_ = false;
  for (Visit* follower = leader.followers_; follower;) {
    Visit* next = follower->next_;
    tell(*follower, leader, turn, answer, bytes);
    follower = next;
  }
  leader.followers_ = nullptr;
}

Turn EqualVisits::wait(Visit& follower, int64_t timeout_ns) noexcept {
  if (follower.told_.load(std::memory_order_acquire) == 0)
    futex_wait(follower.told_, 0, timeout_ns);
  const auto told = static_cast<Turn>(follower.told_.load(std::memory_order_acquire));
  return told == Turn::kNone ? Turn::kWait : told;
}

Turn EqualVisits::leave(Visit& follower) noexcept {
  const std::lock_guard lock(mutex_);
  follower.follows_ = false;
  Visit* leader = follower.leader_;
  if (!leader) return static_cast<Turn>(follower.told_.load(std::memory_order_acquire));
  for (Visit** link = &leader->followers_; *link; link = &(*link)->next_)
    if (*link == &follower) {
      *link = follower.next_;
      break;
    }
  follower.leader_ = nullptr;
  return Turn::kWait;
}

}  // namespace spinney::engine
