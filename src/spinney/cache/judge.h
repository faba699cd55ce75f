// Judge: whether a cache saves more than it costs. Every kLookupsJudged lookups the time spent on
// the cache is weighed against what its hits would have cost; one that loses rests for kRest
// requests, and then is tried again.
//
// Any number of threads tell it what happens. They may tell of the turn of two periods in either:
// judgement needs no exact sums.
#pragma once

#include <atomic>
#include <cstdint>

namespace spinney::cache {

class Judge {
 public:
  static constexpr int64_t kLookupsJudged = 1'000;
  static constexpr int64_t kRest = 20'000;

  // Whether to look a request up; each one that is not brings the end of the rest nearer.
  bool use() noexcept {
    if (!resting()) return true;
    rest_.fetch_sub(1, kRelaxed);
    return false;
  }
  bool resting() const noexcept { return rest_.load(kRelaxed) > 0; }
  uint64_t rests() const noexcept { return rests_.load(kRelaxed); }

  void on_lookup(bool hit, int64_t ns) noexcept {
    spent_ns_.fetch_add(ns, kRelaxed);
    if (hit) hits_.fetch_add(1, kRelaxed);
    if (lookups_.fetch_add(1, kRelaxed) + 1 == kLookupsJudged) judge();
  }
  // Answers were kept, which took so long.
  void on_keep(int64_t ns) noexcept { spent_ns_.fetch_add(ns, kRelaxed); }
  // Requests that were not found took the model so long.
  void on_computed(int64_t requests, int64_t ns) noexcept {
    computed_.fetch_add(requests, kRelaxed);
    model_ns_.fetch_add(ns, kRelaxed);
  }
  // True once after each beginning of a rest: what is kept is of no use any more.
  bool take_leftovers() noexcept {
    return leftovers_.load(kRelaxed) && leftovers_.exchange(false, kRelaxed);
  }

 private:
  static constexpr std::memory_order kRelaxed = std::memory_order_relaxed;

  void judge() noexcept {
    const int64_t hits = hits_.exchange(0, kRelaxed);
    const int64_t computed = computed_.exchange(0, kRelaxed);
    const auto spent = static_cast<double>(spent_ns_.exchange(0, kRelaxed));
    const auto model = static_cast<double>(model_ns_.exchange(0, kRelaxed));
    // Where all were found, or nothing is computed yet, nothing is known of what they save.
    if (computed > 0 && spent * static_cast<double>(computed) > static_cast<double>(hits) * model) {
      leftovers_.store(true, kRelaxed);
      rests_.fetch_add(1, kRelaxed);
      rest_.store(kRest, kRelaxed);
    }
    lookups_.store(0, kRelaxed);
  }

  std::atomic<int64_t> rest_{0}, lookups_{0}, hits_{0}, spent_ns_{0}, computed_{0}, model_ns_{0};
  std::atomic<uint64_t> rests_{0};
  std::atomic<bool> leftovers_{false};
};

}  // namespace spinney::cache
