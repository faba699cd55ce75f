// The door of this room: Batch, rows or parcels of one or more requests that are scored together.
//
// A batch is open while its lane adds parts, under the lane's lock; then it is closed: run()
// gathers the rows and hands them to the back end, and what that answers of cut requests is put
// where it is joined, without any lock. A back end may complete it later: then whoever took the
// batch leaves it, and the thread that completes it ends it. Batches are used again; what they held
// is zeroed in between.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "spinney/backend/backend.h"
#include "spinney/base/clock.h"
#include "spinney/base/result.h"
#include "spinney/request/node.h"

namespace spinney::batch {

struct Part {
  request::Node* leader = nullptr;
  size_t first_row = 0;  // of the leader's rows
  size_t rows = 0;
  // Of its batch's end: answered there; or failed and kept, with the hold on it, for a retry.
  enum class End : uint8_t { kOpen, kAnswered, kAside } end = End::kOpen;
};

size_t bytes_of(const Part& part) noexcept;

// What becomes of a batch that fails: its halves run, and what failed of all of them is tried again
// together. Guarded by the lane's lock.
struct Round {
  size_t open = 1;  // pieces that have not ended
  size_t tries_left = 0;
  int64_t due_ns = 0;
  std::vector<Part> failed;
};

struct Batch;

// Ends a batch that was left.
class Finisher {
 public:
  virtual ~Finisher() = default;
  virtual void finish_left(Batch* batch) noexcept = 0;
};

struct Batch final : backend::Completer::Batch {
  std::vector<Part> parts;
  size_t rows = 0;               // of all parts
  size_t bytes = 0;              // the same, where they are limited
  std::shared_ptr<Round> round;  // null: nothing of it has failed
  AnswerKind kind{};
  OutputLayout layout;
  NumberType type{};  // of rows
  size_t width = 0;
  bool of_parcels = false;
  std::shared_ptr<const backend::Backend> backend;

  request::RowBuffer gathered;
  std::vector<backend::Item> items;
  request::RowBuffer answers;
  std::vector<std::string> texts;
  std::vector<backend::Place> places;
  backend::BatchInput input;
  backend::BatchOutput output;
  AnswerBlocks blocks;  // the answers
  bool failed = false;
  Error error;                  // if failed and not for want of memory
  const Error* told = nullptr;  // what requests are told: error, or one that needs no memory

  Priority level{};   // where one that is tried again waits for its turn
  int64_t order = 0;  // in that level
  uint64_t arrival = 0;
  int64_t started_ns = 0;
  int64_t gathered_ns = 0;  // when run() had the rows together, and the answers
  int64_t scored_ns = 0;
  int64_t deadline_ns = 0;             // the latest of those who wait for it
  size_t awaited = 0;                  // parts that somebody waits for, while it runs
  size_t deliveries = 0;               // answers that refer to this batch and are on their way
  Batch* next = nullptr;               // in a list of batches
  Batch* made_before = nullptr;        // of the lane's batches
  bool lost = false;                   // in a forked child: with a thread that only the parent has
  std::atomic<bool> abandoned{false};  // nobody waits for it any more

  explicit Batch(Finisher& finisher) : finisher_(finisher) {}

  // Makes room for so many parts; false if there is no memory.
  bool reserve(size_t parts_max) noexcept;
  // Whether this request's rows or parcel may be in it, whose class is that of the others.
  bool accepts(const request::Node& leader) const noexcept {
    if (parts.empty()) return true;
    if (leader.layout.set != layout.set || leader.rows.width != width || leader.rows.type != type)
      return false;
    if (!of_parcels) return !leader.parcel;
    return leader.parcel && parts[0].leader->parcel->joins(*leader.parcel);
  }
  // Adds what it accepts. There must be room.
  void add(const Part& part) noexcept;
  // Has the rows scored. Never throws: what the back end throws becomes kInternal.
  void run(const Clock& clock) noexcept;
  bool scored() const noexcept { return phase_.load(std::memory_order_acquire) == Phase::kScored; }
  // After run(), if it is not scored: true if from now on the thread that completes it will end it,
  // which keeps `keeper` until then. False: it has been completed meanwhile, and is still ours.
  bool leave(std::shared_ptr<void> keeper) noexcept;
  void completed(const Status& status) noexcept override;
  void dropped() noexcept override;
  // What became of a part by itself, in a batch that has not failed; null if nothing went wrong.
  const backend::ItemError* error_of(size_t part) const noexcept;
  void clear() noexcept;

 private:
  enum class Phase : uint8_t { kRunning, kLeft, kScored };

  bool prepare() noexcept;
  bool make_places() noexcept;
  bool gather() noexcept;
  bool gather_rows() noexcept;
  void join() noexcept;
  void fail(Code code, const char* message) noexcept;
  void fail_as(const Error& why) noexcept;
  void end() noexcept;

  Finisher& finisher_;
  const Clock* clock_ = nullptr;
  std::atomic<Phase> phase_{Phase::kRunning};
  bool dropped_ = false;  // completed because nobody would have
  std::shared_ptr<void> keeper_;
};

}  // namespace spinney::batch
