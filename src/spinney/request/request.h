// The door of this room: what a caller asks of the engine, and what the caller is told.
//
// Every submitted request is answered exactly once: either Engine::submit() refuses it (Admission)
// and nothing else happens, or its Completion is given one Finished. Rows are copied while submit()
// runs, so that callers need not keep them; a parcel is shared.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "spinney/base/clock.h"
#include "spinney/base/result.h"
#include "spinney/model/rows.h"
#include "spinney/request/outputs.h"
#include "spinney/request/parcel.h"

namespace spinney {

// Lower is more urgent. How levels share the workers: queue/queue.h.
enum class Priority : uint8_t { kCritical = 0, kHigh, kNormal, kLow, kBackground };
inline constexpr size_t kPriorities = 5;

// What is wanted of each row; see Model::predict_values, _proba, _classes and _raw. Each is an
// output of that name: "values", "proba", "classes", "raw".
enum class AnswerKind : uint8_t { kValues = 0, kProba, kClasses, kRaw };
inline constexpr size_t kAnswerKinds = 4;
const char* name_of(AnswerKind kind);         // for messages
std::string_view output_of(AnswerKind kind);  // the output's name

// Rows of answers, in the order of the request's rows. Valid only while Completion::finish() runs.
struct Answer {
  // Of the first output: rows x shape.columns, row-major, contiguous; null of texts and without
  // columns.
  const void* data = nullptr;
  size_t rows = 0;
  AnswerShape shape;
  // All that were asked for, in the order in which the model has them.
  size_t tensors() const { return blocks ? blocks->layout.count() : 0; }
  Tensor tensor(size_t number) const { return blocks->tensor(number, first_row); }
  // The one of this name; nothing if it was not asked for.
  std::optional<Tensor> tensor(std::string_view name) const;
  // What the back end made for the whole batch (backend/backend.h), of which this request's part
  // begins at object_row, or is number object_row where the batch was of parcels; null where there
  // is none. On failure: what the back end said besides its Error, such as an exception.
  std::shared_ptr<void> object;
  size_t object_row = 0;

  // Where they all lie, beside those of others; this request's from first_row on. Null if there is
  // no answer.
  const AnswerBlocks* blocks = nullptr;
  size_t first_row = 0;
};

// What became of one request.
struct Finished {
  void* context = nullptr;       // Request's own
  const Error* error = nullptr;  // null: answer holds. Valid only while finish() runs.
  Answer answer;
  int64_t retry_after_ns = 0;  // kThrottled: when a new try makes sense
  int64_t submitted_ns = 0;    // on the engine's clock
  int64_t started_ns = 0;      // when its (first) batch began; 0 if it never ran
  int64_t finished_ns = 0;
  size_t batch_rows = 0;    // rows of the batch it ran in, its own included; 0 if it never ran
  bool shared = false;      // answered by another, equal request that was in flight
  bool from_cache = false;  // answered by the engine's cache
};

// Told of finished requests, many at a time. Must outlive the requests that name it.
class Completion {
 public:
  virtual ~Completion() = default;
  // Called from workers, the timer, and from submit(), cancel() and stop() on their callers'
  // threads; from several threads at once. The engine holds no lock meanwhile, so that everything
  // of the engine may be called, except stop(), drain() and unload(), which wait.
  virtual void finish(std::span<Finished> finished) noexcept = 0;
  // True if finish() may block, say for an interpreter's lock. It is then only called from a thread
  // that the engine keeps for such completions, which takes along whatever has finished meanwhile.
  virtual bool may_block() const { return false; }
};

struct Request {
  std::string_view model;    // empty: the model that was loaded first
  std::string_view version;  // empty: the version that was loaded last
  // Either rows, at least one and with any strides, or a parcel.
  Rows rows;
  std::shared_ptr<const Parcel> parcel;
  // What is asked for: the outputs of these names, in any order, or where there are none that of
  // the kind. The names need live only while submit() runs.
  AnswerKind kind = AnswerKind::kValues;
  std::span<const std::string_view> outputs;
  Priority priority = Priority::kNormal;
  // On the engine's clock (Engine::now_ns()). A request is answered by its deadline, with kExpired
  // if need be, and never begins to run after it.
  int64_t deadline_ns = kNever;
  // Its place among those of its level: where one would be that is due then. kNever: its
  // deadline's, or that of its submission.
  int64_t turn_ns = kNever;
  bool deduplicate = true;  // may be answered by an equal request in flight, or by the cache
  // Of a request for Engine::enter(): bytes that are equal only where its answer is; empty: its
  // rows. Read while that runs.
  std::span<const std::byte> key;
  Completion* completion = nullptr;
  void* context = nullptr;  // handed back in Finished
};

// Names an admitted request; never that of another one, however old it is.
struct RequestId {
  uint32_t lane = 0;
  uint32_t node = 0;
  uint64_t serial = 0;  // 0: no request
};

enum class Refusal : uint8_t {
  kNone = 0,
  kUnknownModel,  // no such model or version
  kWidth,         // the rows' columns are not the model's features
  kNoRows,        // no rows, or more than max_request_rows
  kKind,          // the model cannot give this kind of answer
  kOutput,        // the model has no output of this name
  kInput,         // rows and a parcel, or the one of them that the model does not take
  kNoCompletion,  // nobody to tell
  kExpired,       // the deadline has passed already
  kTooLate,       // the deadline would pass before its turn comes
  kQueueFull,     // max_queue_rows
  kConcurrency,   // max_concurrent_requests
  kOverloaded,    // requests of this level have been waiting for longer than shed_target_ns
  kNoMemory,      // no memory for a copy of the rows
  kShutDown,      // draining or stopped
  kThrottled,     // Engine::limit_concurrency()
  kMisfit,        // the caller's rows could not be read as the model's, so nothing was submitted
};
inline constexpr size_t kRefusals = 17;
const char* name_of(Refusal refusal);

// What submit() says at once. Costs no allocation, whatever it says.
struct [[nodiscard]] Admission {
  Refusal refusal = Refusal::kNone;
  RequestId id;                // if ok()
  int64_t retry_after_ns = 0;  // when a new try makes sense; 0: nothing is known
  size_t given = 0;            // what the refusal is about: columns, rows, requests
  size_t allowed = 0;
  const std::string_view* name = nullptr;  // of the output: the request's own

  bool ok() const { return refusal == Refusal::kNone; }
  Code code() const;    // must not be ok()
  Error error() const;  // with the message that the code alone lacks
};

}  // namespace spinney
