// run_or_submit: the door for completions, on top of the one for visits.
#include <exception>
#include <new>

#include "spinney/base/at_load.h"
#include "spinney/base/checked_size.h"
#include "spinney/base/wipe.h"
#include "spinney/engine/core.h"
#include "spinney/request/pack_rows.h"

namespace spinney::engine {
namespace {

const Error& no_memory() {
  static const Error error{Code::kTooLarge, "no memory to score the request"};
  return error;
}
const AtLoad kNoMemory{&no_memory};

// On the spot while it is little, else the pool's. Wiped, as rows and answers are.
class Room {
 public:
  Room() = default;
  ~Room() {
    if (used_) wipe(small_, used_);
  }
  Room(const Room&) = delete;
  char* reserve(size_t bytes) noexcept {
    if (bytes > sizeof small_) return large_.reserve(bytes);
    used_ = bytes;
    return bytes ? small_ : nullptr;
  }

 private:
  alignas(64) char small_[256];
  size_t used_ = 0;
  request::RowBuffer large_;
};

// As back ends take rows; none if there is no memory.
Rows contiguous(const Rows& rows, Room& room) noexcept {
  const auto row_bytes = static_cast<ptrdiff_t>(rows.width * size_of(rows.type));
  if (rows.packed_columns() && (rows.count == 1 || rows.row_stride == row_bytes)) return rows;
  const auto bytes = checked_product(rows.count, rows.width, size_of(rows.type));
  char* to = bytes ? room.reserve(*bytes) : nullptr;
  return to ? request::pack_rows(rows, to) : Rows{};
}

// Answers of one output where they lie.
struct Answers {
  OutputLayout layout;
  AnswerBlocks blocks;

  Answer answer(const void* data, size_t rows, std::shared_ptr<void> object) {
    blocks = {layout, rows, static_cast<const char*>(data), nullptr};
    Answer made{data, rows, layout.shape(), std::move(object), 0};
    made.blocks = &blocks;
    return made;
  }
};

// This thread is in a completion that is told from here. What comes from there is queued: a chain
// of requests, each made by the completion of the one before, would be as deep as it is long.
thread_local bool telling_here = false;

// Tells the completion of an answer that its own thread has.
void tell(const Request& request, const Visit& visit, const Error* error, Answer answer) noexcept {
  Finished finished;
  finished.context = request.context;
  finished.error = error;
  finished.answer = std::move(answer);
  finished.submitted_ns = visit.entered_ns();
  finished.started_ns = visit.from_cache() ? 0 : visit.started_ns();
  finished.finished_ns = visit.finished_ns();
  finished.batch_rows = visit.from_cache() ? 0 : request.rows.count;
  finished.from_cache = visit.from_cache();
  telling_here = true;
  request.completion->finish({&finished, 1});
  telling_here = false;
}

// As a batch of one, see Batch::run().
Status score(const backend::Backend& backend, const backend::BatchInput& input,
             backend::BatchOutput& output) noexcept {
  try {
    return backend.score(input, output);
  } catch (const std::bad_alloc&) {
    return no_memory();
  } catch (const std::exception& thrown) {
    return Error{Code::kInternal, thrown.what()};
  } catch (...) {
    return Error{Code::kInternal, "the model threw something that is no exception"};
  }
}

}  // namespace

Admission Core::run_or_submit(const Request& request) noexcept {
  // A completion that may block has a thread of its own to be told by.
  if (!request.completion || request.completion->may_block() || request.parcel ||
      request.rows.count == 0 || !request.outputs.empty() || telling_here)
    return submit(request);
  Visit visit;
  std::shared_ptr<const backend::Backend> backend;
  Answers answers;
  {
    const std::shared_lock lock(directory_mutex_);
    if (closed_) return refuse(Refusal::kShutDown);
    Lane* lane = find(request.model, request.version);
    if (!lane) return refuse(Refusal::kUnknownModel);
    const Admission admission = lane->enter(request, visit, Entry::kIfCheap);
    if (!admission.ok()) return admission;
    if (visit.turn() != Turn::kQueue) {
      backend = lane->backend();
      answers.layout = lane->layout_of(request.kind);
    }
  }
  if (visit.turn() == Turn::kQueue) return submit(request);
  const size_t bytes = request.rows.count * answers.layout.shape().row_bytes();
  if (visit.turn() == Turn::kAnswered) {
    tell(request, visit, nullptr, answers.answer(visit.answer(), request.rows.count, {}));
    return {};
  }
  Room room, packed;
  backend::BatchInput input;
  input.rows = contiguous(visit.rows(), packed);
  input.kind = request.kind;
  input.outputs = answers.layout.set;
  input.deadline_ns = request.deadline_ns;
  const size_t number = answers.layout.first();
  const backend::Place place{number, &answers.layout.outputs[number], room.reserve(bytes), nullptr};
  backend::BatchOutput output;
  output.places = {&place, 1};
  output.data = place.data;
  const bool has_room = (bytes == 0 || output.data) && input.rows.count > 0;
  const Status status = has_room ? score(*backend, input, output) : Status(no_memory());
  if (status.ok())
    visit.done(output.data, bytes);
  else
    visit.fail(status.error(), output.object);
  Answer answer;
  if (status.ok())
    answer = answers.answer(output.data, request.rows.count, std::move(output.object));
  else
    answer.object = std::move(output.object);
  tell(request, visit, status.ok() ? nullptr : &status.error(), std::move(answer));
  return {};
}

}  // namespace spinney::engine
