// Visit: a request that its caller answers on a thread of his own, within the engine's door.
//
//   Visit visit;
//   const Admission admission = engine.enter(request, visit, Entry::kAlways);
//   if (!admission.ok()) ...                       // refused, and counted as that
//   while (visit.turn() == Turn::kWait) visit.wait(…);  // an equal request is being answered
//   if (visit.turn() == Turn::kRun) {
//     ... score visit.rows() ...
//     visit.done(answer, bytes);                   // counted, kept, and given to those who wait
//   }
//
// It passes what queued requests pass: width, kind, deadline, limits, drain, the cache, the counts;
// and equal visits in flight run once. Until it is answered it counts for max_concurrent_requests;
// as long as the object is there, the lane that it asks stays, and drain() waits. The engine must
// outlive it.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "spinney/base/result.h"
#include "spinney/engine/request_key.h"
#include "spinney/request/request.h"
#include "spinney/request/row_buffer.h"

namespace spinney::engine {

class Lane;

enum class Entry : uint8_t {
  kAlways,   // whatever it costs
  kIfCheap,  // if nothing of the lane is queued and it costs less than to wake a worker
  kIfKept,   // if the cache has the answer
};

enum class Turn : uint8_t {
  kNone,      // refused, or ended
  kRun,       // the caller computes the answer, and then calls done() or fail()
  kWait,      // an equal one is under way; see wait()
  kAnswered,  // answer() holds
  kFailed,    // the one that it waited for failed; error() and object() hold
  kAgain,     // the one that it waited for was given up: enter() again
  kQueue,     // not by this thread (outputs by name never are); submit() it. Nothing was counted.
};

class Visit {
 public:
  Visit() = default;
  ~Visit();  // one that was not ended is given up
  Visit(const Visit&) = delete;
  Visit& operator=(const Visit&) = delete;

  Turn turn() const noexcept { return turn_; }
  // Rows to score: the caller's, or a copy that nobody else writes.
  const Rows& rows() const noexcept { return rows_; }
  // Whether done() does anything with the answer.
  bool keeps() const noexcept { return keeps_ || leads_; }

  // Sleeps, at most so long, until the equal visit has ended.
  Turn wait(int64_t timeout_ns) noexcept;
  // The answer: rows x row_bytes() of its kind's shape, or whatever is found under a key that the
  // caller gave. No bytes: not to be kept; those who wait compute it themselves.
  void done(const void* answer, size_t bytes) noexcept;
  // object: what is more to say of it, for those who wait.
  void fail(const Error& error, std::shared_ptr<void> object = {}) noexcept;
  // As if it had not come: the caller asks otherwise. Those who wait go on by themselves.
  void forget() noexcept;
  // Neither done nor failed: an interrupt. Those who wait go on by themselves.
  void give_up() noexcept;

  // When the request was made, where that was before it came to the door, and how many rows it is
  // of, where only the answer tells: what is counted.
  void set_asked_ns(int64_t ns) noexcept { asked_ns_ = ns; }
  void set_rows(size_t rows) noexcept { count_ = rows; }

  const void* answer() noexcept { return answer_.data(); }
  size_t answer_bytes() const noexcept { return answer_bytes_; }
  bool from_cache() const noexcept { return from_cache_; }
  bool shared() const noexcept { return shared_; }
  const Error& error() const noexcept { return *error_; }  // of kFailed
  const std::shared_ptr<void>& object() const noexcept { return object_; }

  int64_t entered_ns() const noexcept { return entered_ns_; }
  int64_t started_ns() const noexcept { return started_ns_; }
  int64_t finished_ns() const noexcept { return finished_ns_; }

 private:
  friend class Lane;
  friend class EqualVisits;

  Lane* lane_ = nullptr;  // where it counts as being there
  bool open_ = false;     // admitted, and not yet answered
  Turn turn_ = Turn::kNone;
  bool keeps_ = false, leads_ = false, follows_ = false, from_cache_ = false, shared_ = false;
  bool sampled_ = false;
  uint32_t generation_ = 0;
  Rows rows_;
  size_t count_ = 0;
  int64_t asked_ns_ = 0;
  int64_t lookup_ns_ = -1;  // what a look into the cache took; below 0: there was none
  int64_t entered_ns_ = 0, started_ns_ = 0, finished_ns_ = 0;
  request::RowBuffer answer_;
  size_t answer_bytes_ = 0;
  RequestKey key_;

  // Of equal visits (engine/equal_visits.h).
  std::atomic<uint32_t> told_{0};  // a Turn, once the leader has ended
  uint64_t hash_ = 0;
  Visit* next_ = nullptr;       // leader in the same bucket
  Visit* followers_ = nullptr;  // linked by next_
  Visit* leader_ = nullptr;
  std::optional<Error> error_;
  std::shared_ptr<void> object_;
};

}  // namespace spinney::engine
