// The door of this room: Batch, rows or parcels of one or more requests that are scored together.
//
// A batch is open while its lane adds parts, under the lane's lock; then it is closed: run()
// gathers the rows, has them scored and puts the answers of cut requests where they are joined,
// without any lock. Batches are used again; what they held is zeroed in between.
#pragma once

#include <memory>
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

struct Batch {
  std::vector<Part> parts;
  size_t rows = 0;               // of all parts
  size_t bytes = 0;              // the same, where they are limited
  std::shared_ptr<Round> round;  // null: nothing of it has failed
  AnswerKind kind{};
  NumberType type{};  // of rows
  size_t width = 0;
  AnswerShape shape;
  std::shared_ptr<const backend::Backend> backend;

  request::RowBuffer input;
  std::vector<backend::Item> items;
  request::RowBuffer answers;
  backend::BatchOutput output;
  bool failed = false;
  Error error;                  // if failed and not for want of memory
  const Error* told = nullptr;  // what requests are told: error, or one that needs no memory

  Priority level{};   // where one that is tried again waits for its turn
  int64_t order = 0;  // in that level
  uint64_t arrival = 0;
  int64_t started_ns = 0;
  int64_t gathered_ns = 0;  // when run() had the rows together, and the answers
  int64_t scored_ns = 0;
  size_t deliveries = 0;         // answers that refer to this batch and are on their way
  Batch* next = nullptr;         // in a list of batches
  Batch* made_before = nullptr;  // of the lane's batches
  bool lost = false;             // in a forked child: with a thread that only the parent has

  // Makes room for so many parts; false if there is no memory.
  bool reserve(size_t parts_max) noexcept;
  // Whether this request's rows or parcel may be in it, whose class is that of the others.
  bool accepts(const request::Node& leader) const noexcept;
  // Adds what it accepts. There must be room.
  void add(const Part& part) noexcept;
  // Scores the rows. Never throws: what the back end throws becomes kInternal.
  void run(const Clock& clock) noexcept;
  // What became of a part by itself, in a batch that has not failed; null if nothing went wrong.
  const backend::ItemError* error_of(size_t part) const noexcept;
  void clear() noexcept;

 private:
  bool gather(backend::BatchInput& gathered) noexcept;
  bool gather_rows(Rows& rows_out) noexcept;
  void join() noexcept;
  void fail(Code code, const char* message) noexcept;
};

}  // namespace spinney::batch
