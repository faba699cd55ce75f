// Node: an admitted request on its way through the engine.
//
// Nodes belong to a lane (one version of one model) and are used again and again; links to others
// are members of the node itself, so that nothing on a request's way allocates. The submitter fills
// a node and pushes it to the lane's intake; from then on all but the rows are guarded by the
// lane's lock. A node goes back to its store when nobody holds it (`holds`).
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "spinney/request/request.h"
#include "spinney/request/row_buffer.h"

namespace spinney::request {

// Rows of one type that ask for one kind of answer can share a batch: each is a class of its own.
// So can parcels that join, and rows that ask for the same other outputs; these are spread over a
// few more classes, in which what can't share a batch may meet.
inline constexpr size_t kRowClasses = 2 * kAnswerKinds;
inline constexpr size_t kOtherClasses = 8;
inline constexpr size_t kClasses = kRowClasses + kOtherClasses;

struct Node;

// Whoever a node goes back to when its answer has been delivered.
class NodeOwner {
 public:
  virtual ~NodeOwner() = default;
  // A list linked by done_next.
  virtual void settle(Node* delivered) noexcept = 0;
};

struct Node {
  static constexpr size_t kInlineBytes = 256;

  // As the caller gave it. `rows` is a packed copy, in `inline_rows` or in `row_memory`; of a
  // parcel it has the count alone.
  std::atomic<uint64_t> serial{0};  // of the request that lives here; 0: none
  uint64_t serials = 0;             // given to requests that have lived here
  uint32_t index = 0;               // in its store
  NodeOwner* owner = nullptr;
  std::shared_ptr<NodeOwner> keeper;  // only while the answer is on its way through another thread
  Rows rows;
  std::shared_ptr<const Parcel> parcel;  // as long as anybody holds the node
  OutputLayout layout;                   // what it asks for
  AnswerKind kind{};                     // the same, if it is one of these
  uint8_t class_number = 0;
  Priority priority{};
  bool deduplicate = false;
  Completion* completion = nullptr;
  void* context = nullptr;
  bool may_block = false;  // what the completion said
  int64_t deadline_ns = kNever;
  int64_t submitted_ns = 0;
  int64_t turn_ns = kNever;
  uint64_t hash = 0;  // of the rows or the parcel, if deduplicate

  size_t class_of() const { return class_number; }

  // Who still needs the node: its caller, until the answer is delivered; its entry in the queue;
  // each batch with some of its rows; its leader's list of followers; each of its followers.
  uint32_t holds = 0;
  bool answered = false;  // somebody has taken it upon himself to answer, exactly once
  bool queued = false;    // has an entry in the levels
  size_t charge = 0;      // rows that it counts for in the queue

  // Single flight. The leader's rows are scored for all members; see queue/flights.h.
  Node* leader = nullptr;     // itself, if it leads
  Node* followers = nullptr;  // of a leader, linked by next_follower
  Node* next_follower = nullptr;
  Node* hash_next = nullptr;
  bool listed = false;  // a leader that equal requests can find
  uint32_t live = 0;    // members not yet answered
  Priority best_priority{};
  int64_t best_order = 0;

  // Progress of a leader's rows.
  int64_t work_started_ns = 0;  // when the first of them began to run; 0: none has
  size_t rows_taken = 0;
  size_t rows_done = 0;
  bool failed = false;
  bool cut = false;  // has more rows than a batch may have, so its answers are joined
  bool has_runnable_rows() const { return live > 0 && !failed && rows_taken < rows.count; }

  // Order within a level and class (queue/ordered.h).
  int64_t order = 0;
  uint64_t arrival = 0;
  Node* next = nullptr;   // in the intake, a run, the heap's siblings, or the free list
  Node* child = nullptr;  // in the heap

  // The wheel of deadlines (queue/deadlines.h).
  Node* due_next = nullptr;
  Node* due_previous = nullptr;
  bool in_wheel = false;
  uint16_t due_slot = 0;

  // What it will be told.
  Node* done_next = nullptr;  // in the list of those to tell
  Node* tell_next = nullptr;  // in what is left of it while it is told
  bool told = false;          // its completion has returned
  const Error* error = nullptr;
  const AnswerBlocks* answer = nullptr;  // null unless it is answered
  size_t answer_row = 0;                 // in there
  int64_t retry_after_ns = 0;
  int64_t started_ns = 0;
  int64_t finished_ns = 0;
  size_t batch_rows = 0;
  size_t object_row = 0;
  void* batch = nullptr;      // the batch::Batch that owns error and answer, if any
  void* scored_by = nullptr;  // the one that runs a leader's rows at this moment, if it isn't cut
  std::shared_ptr<void> object;
  bool shared = false;
  bool from_cache = false;

  RowBuffer row_memory;
  RowBuffer answer_memory;  // of requests that are cut in pieces, and of those told from the cache
  char* answer_room = nullptr;  // in answer_memory, or behind the rows in inline_rows
  size_t inline_used = 0;
  alignas(64) char inline_rows[kInlineBytes];
  std::vector<std::string> answer_texts;  // beside answer_room
  AnswerBlocks own_answer;                // what lies in these

  // Copies the rows, packed; false if there is no memory.
  bool copy_rows(const Rows& given) noexcept;
  void share_parcel(const std::shared_ptr<const Parcel>& given, size_t parcel_rows) noexcept;
  // Once what it carries and asks for is set. by_kind: it asks for `kind` alone.
  void choose_class(bool by_kind) noexcept {
    class_number = by_kind && !parcel
                       ? static_cast<uint8_t>(static_cast<size_t>(kind) * 2 + type_number())
                       : other_class();
  }
  // Room for answers to all of its rows, own_answer; false if there is no memory.
  bool reserve_answer() noexcept;
  // Forgets the request and zeros its rows.
  void reset() noexcept;

 private:
  size_t type_number() const { return static_cast<size_t>(rows.type); }
  uint8_t other_class() const noexcept;
};

}  // namespace spinney::request
