// Backlog: the rows of one level that wait, by when they are due, so that a submitter sees without
// a lock how many of them would be served before a request of his.
//
// Rows that are due earlier than kUndatedNs after their arrival are counted in slots of about two
// milliseconds, a ring that has all such moments. All others are due in the order in which they
// came: for those the first and last moment are known, and in between they count as spread evenly.
//
// It knows besides since when the level has not caught up (a burst has just begun, a queue that
// stands has waited for long), and meanwhile the time that a row of it takes, with all that other
// levels, other models and the machine take in between.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "spinney/queue/queue.h"

namespace spinney::queue {

class Backlog {
 public:
  void add(int64_t deadline_ns, int64_t submitted_ns, size_t rows) noexcept {
    if (queued() == 0) caught_up_ns_.store(submitted_ns, std::memory_order_relaxed);
    const int64_t late = submitted_ns + kUndatedNs;
    if (deadline_ns < late) {
      near_.fetch_add(rows, std::memory_order_relaxed);
      slot_of(deadline_ns).fetch_add(static_cast<uint32_t>(rows), std::memory_order_relaxed);
      return;
    }
    if (late > newest_ns_.load(std::memory_order_relaxed))
      newest_ns_.store(late, std::memory_order_relaxed);
    if (far_.fetch_add(rows, std::memory_order_relaxed) == 0)
      oldest_ns_.store(late, std::memory_order_relaxed);
  }
  // Of what was added so.
  void remove(int64_t deadline_ns, int64_t submitted_ns, size_t rows) noexcept {
    if (deadline_ns < submitted_ns + kUndatedNs) {
      near_.fetch_sub(rows, std::memory_order_relaxed);
      slot_of(deadline_ns).fetch_sub(static_cast<uint32_t>(rows), std::memory_order_relaxed);
    } else {
      far_.fetch_sub(rows, std::memory_order_relaxed);
    }
  }
  // Rows that failed and wait to be tried again, which come first.
  void add_again(size_t rows) noexcept { again_.fetch_add(rows, std::memory_order_relaxed); }
  void remove_again(size_t rows) noexcept { again_.fetch_sub(rows, std::memory_order_relaxed); }
  // The turn of so many rows of this order has come: none that waits has an earlier one. This and
  // what follows is for whoever has the lane's lock.
  void note_turn(int64_t order_ns, size_t rows) noexcept {
    turn_rows_ += rows;
    if (order_ns > oldest_ns_.load(std::memory_order_relaxed))
      oldest_ns_.store(order_ns, std::memory_order_relaxed);
  }
  // A batch begins, so what the ones before it took is known. A stall of the machine is often what
  // makes a level wait, so a few milliseconds of the expected cost weigh against the first of them.
  void measure(int64_t now_ns, int64_t window_ns, double expected_row_ns) noexcept {
    if (turn_rows_ == 0 || now_ns - measured_ns_ < window_ns) return;
    if (rows_ == 0 && expected_row_ns > 0) {
      took_ns_ = kExpectedNs;
      rows_ = kExpectedNs / expected_row_ns;
    }
    took_ns_ += static_cast<double>(now_ns - measured_ns_);
    rows_ += static_cast<double>(turn_rows_);
    row_ns_.store(took_ns_ / rows_, std::memory_order_relaxed);
    if (took_ns_ > std::max(kRememberedNs, 8 * static_cast<double>(window_ns))) {
      took_ns_ /= 2;
      rows_ /= 2;
    }
    measured_ns_ = now_ns;
    turn_rows_ = 0;
  }
  // After a batch was filled: hardly anything waits any more.
  void note_caught_up(int64_t now_ns) noexcept {
    caught_up_ns_.store(now_ns, std::memory_order_relaxed);
    row_ns_.store(0, std::memory_order_relaxed);
    measured_ns_ = now_ns;
    turn_rows_ = 0;
    took_ns_ = rows_ = 0;
  }
  double row_ns() const noexcept { return row_ns_.load(std::memory_order_relaxed); }  // 0: unknown
  int64_t caught_up_ns() const noexcept { return caught_up_ns_.load(std::memory_order_relaxed); }
  size_t queued() const noexcept {
    return near_.load(std::memory_order_relaxed) + far_.load(std::memory_order_relaxed);
  }
  size_t rows() const noexcept {  // those to be tried again, too
    return queued() + again_.load(std::memory_order_relaxed);
  }
  // About how many rows would be served before a new request of this order.
  double before(int64_t order_ns, int64_t now_ns) const noexcept {
    return static_cast<double>(again_.load(std::memory_order_relaxed)) +
           near_before(order_ns, now_ns) + far_before(order_ns);
  }

 private:
  static constexpr int kSlotBits = 21;
  static constexpr int64_t kSlots = 512;
  static constexpr double kExpectedNs = 3e6;
  static constexpr double kRememberedNs = 20e6;
  static_assert((kSlots - 2) << kSlotBits > kUndatedNs);

  std::atomic<uint32_t>& slot_of(int64_t at_ns) noexcept {
    return slots_[static_cast<size_t>((at_ns >> kSlotBits) & (kSlots - 1))];
  }
  double sum(int64_t first, int64_t end) const noexcept {
    uint32_t rows = 0;
    for (int64_t slot = first; slot < end; ++slot)
      rows += slots_[static_cast<size_t>(slot & (kSlots - 1))].load(std::memory_order_relaxed);
    return rows;
  }
  double near_before(int64_t order_ns, int64_t now_ns) const noexcept {
    const size_t near = near_.load(std::memory_order_relaxed);
    if (near == 0) return 0;
    const int64_t first = now_ns >> kSlotBits;
    const int64_t slot = order_ns >> kSlotBits;
    const int64_t end = (now_ns + kUndatedNs) >> kSlotBits;
    if (slot > end) return static_cast<double>(near);
    if (slot - first < end - slot) return sum(first, slot + 1);
    return std::max(0.0, static_cast<double>(near) - sum(slot + 1, end + 1));
  }
  double far_before(int64_t order_ns) const noexcept {
    const auto far = static_cast<double>(far_.load(std::memory_order_relaxed));
    if (far == 0) return 0;
    const int64_t oldest = oldest_ns_.load(std::memory_order_relaxed);
    const int64_t newest = newest_ns_.load(std::memory_order_relaxed);
    if (order_ns >= newest) return far;
    if (order_ns <= oldest) return 0;
    return far * static_cast<double>(order_ns - oldest) / static_cast<double>(newest - oldest);
  }

  alignas(64) std::atomic<size_t> near_{0}, far_{0}, again_{0};
  std::atomic<int64_t> oldest_ns_{0}, newest_ns_{0};  // orders of those that are not near
  std::atomic<int64_t> caught_up_ns_{0};
  std::atomic<double> row_ns_{0};
  int64_t measured_ns_ = 0;
  size_t turn_rows_ = 0;           // since then
  double took_ns_ = 0, rows_ = 0;  // before, the older the less
  std::array<std::atomic<uint32_t>, kSlots> slots_{};
};

}  // namespace spinney::queue
