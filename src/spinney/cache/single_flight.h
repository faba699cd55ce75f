// SingleFlight: requests for the same answer share one computation.
//
//   auto joined = flights.join(key, waiter);
//   if (joined.led) start the work, remembering joined.flight; else it is under way already
//   ...
//   for (Waiter& waiter : flights.finish(flight)) answer(waiter);
//
// Waiters are whatever identifies a request; the flight belongs to all of them alike, so that the
// one who began it may leave without harm to the others. Only when leave() says that nobody is left
// may the work be given up. Errors are shared by those who wait, and remembered by nobody: the next
// to join after finish() begins another flight. Whole keys are compared, and wiped at the end.
//
// Thread-safe. A flight's pointer is good until finish() or the leave() that returns 0.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <memory>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "spinney/base/wipe.h"
#include "spinney/cache/lru_ttl.h"

namespace spinney::cache {

template <typename Waiter>
class SingleFlight {
 public:
  class Flight;
  struct Joined {
    Flight* flight;
    bool led;  // this waiter began it
  };

  explicit SingleFlight(HashFunction hash = &hash_bytes) : hash_(hash), seed_(random_seed()) {}

  // May throw std::bad_alloc, and has then changed nothing.
  Joined join(Bytes key, Waiter waiter) {
    const uint64_t hash = hash_(key, seed_);
    Shard& shard = shards_[hash % kShards];
    const std::lock_guard lock(shard.lock);
    const auto [begin, end] = shard.flights.equal_range(hash);
    for (auto at = begin; at != end; ++at)
      if (at->second->has(key)) {
        at->second->waiters_.push_back(std::move(waiter));
        return {at->second.get(), false};
      }
    auto flight = std::make_unique<Flight>(key, hash);
    flight->waiters_.push_back(std::move(waiter));
    Flight* made = flight.get();
    shard.flights.emplace(hash, std::move(flight));
    return {made, true};
  }

  // Ends the flight and gives back who waited, in the order in which they joined.
  std::vector<Waiter> finish(Flight* flight) {
    Shard& shard = shards_[flight->hash_ % kShards];
    const std::lock_guard lock(shard.lock);
    std::vector<Waiter> waiters = std::move(flight->waiters_);
    erase(shard, flight);
    return waiters;
  }

  // One waiter goes. How many are left: with none the flight is over, as after finish().
  size_t leave(Flight* flight, const Waiter& waiter) {
    Shard& shard = shards_[flight->hash_ % kShards];
    std::optional<Waiter> gone;  // destroyed after the lock is let go of
    const std::lock_guard lock(shard.lock);
    auto& waiters = flight->waiters_;
    const auto at = std::find(waiters.begin(), waiters.end(), waiter);
    if (at != waiters.end()) {
      gone = std::move(*at);
      waiters.erase(at);
    }
    const size_t left = waiters.size();
    if (left == 0) erase(shard, flight);
    return left;
  }

  // Flights under way.
  size_t size() const {
    size_t sum = 0;
    for (const Shard& shard : shards_) {
      const std::lock_guard lock(shard.lock);
      sum += shard.flights.size();
    }
    return sum;
  }

  class Flight {
   public:
    Flight(Bytes key, uint64_t hash) : hash_(hash), key_(key.begin(), key.end()) {}
    ~Flight() { wipe(key_.data(), key_.size()); }
    Flight(const Flight&) = delete;
    Flight& operator=(const Flight&) = delete;

   private:
    friend class SingleFlight;
    bool has(Bytes key) const {
      return key.size() == key_.size() &&
             (key.empty() || std::memcmp(key.data(), key_.data(), key.size()) == 0);
    }
    uint64_t hash_;
    std::vector<std::byte> key_;
    std::vector<Waiter> waiters_;
  };

 private:
  static constexpr size_t kShards = 8;
  struct alignas(64) Shard {
    mutable std::mutex lock;
    std::unordered_multimap<uint64_t, std::unique_ptr<Flight>> flights;
  };

  static void erase(Shard& shard, Flight* flight) {
    const auto [begin, end] = shard.flights.equal_range(flight->hash_);
    for (auto at = begin; at != end; ++at)
      if (at->second.get() == flight) {
        shard.flights.erase(at);
        return;
      }
  }

  HashFunction hash_;
  uint64_t seed_;
  std::array<Shard, kShards> shards_;
};

}  // namespace spinney::cache
