#include "spinney/batch/batch.h"

#include <algorithm>
#include <cstring>
#include <exception>
#include <new>

#include "spinney/base/at_load.h"
#include "spinney/base/checked_size.h"

namespace spinney::batch {
namespace {

const Error& no_memory() {
  static const Error error{Code::kTooLarge, "no memory to score the request"};
  return error;
}
const Error& dropped_error() {
  static const Error error{Code::kInternal, "the back end let go of a batch without completing it"};
  return error;
}
const AtLoad kNoMemory{&no_memory};
const AtLoad kDropped{&dropped_error};

}  // namespace

bool Batch::reserve(size_t parts_max) noexcept {
  try {
    parts.reserve(parts_max);
    return true;
  } catch (const std::bad_alloc&) {
    return false;
  }
}

size_t bytes_of(const Part& part) noexcept {
  const request::Node& node = *part.leader;
  if (node.parcel) return node.parcel->bytes();
  return part.rows * static_cast<size_t>(node.rows.row_stride);
}

void Batch::add(const Part& part) noexcept {
  if (parts.empty()) {
    kind = part.leader->kind;
    layout = part.leader->layout;
    type = part.leader->rows.type;
    width = part.leader->rows.width;
    of_parcels = part.leader->parcel != nullptr;
  }
  parts.push_back(part);
  rows += part.rows;
}

void Batch::fail(Code code, const char* message) noexcept {
  failed = true;
  told = &error;
  try {
    error = Error{code, message};
  } catch (...) {
    told = &no_memory();
  }
}

void Batch::fail_as(const Error& why) noexcept {
  failed = true;
  told = &why;
}

// One request's rows are scored where they lie; those of several are put side by side.
bool Batch::gather_rows() noexcept {
  if (parts.size() == 1) {
    input.rows = parts[0].leader->rows.slice(parts[0].first_row, parts[0].rows);
    return true;
  }
  const size_t row_bytes = width * size_of(type);
  char* to = gathered.reserve(rows * row_bytes);
  if (!to) return false;
  input.rows = {to,
                type,
                rows,
                width,
                static_cast<ptrdiff_t>(row_bytes),
                static_cast<ptrdiff_t>(size_of(type))};
  for (const Part& part : parts) {
    std::memcpy(to, part.leader->rows.row(part.first_row), part.rows * row_bytes);
    to += part.rows * row_bytes;
  }
  return true;
}

bool Batch::gather() noexcept {
  if (!of_parcels) return gather_rows();
  try {
    items.reserve(parts.size());
  } catch (const std::bad_alloc&) {
    return false;
  }
  for (const Part& part : parts) items.push_back({part.leader->parcel.get(), part.rows});
  input.items = items;
  return true;
}

bool Batch::make_places() noexcept {
  const std::optional<size_t> answer_bytes = layout.bytes(rows);
  if (!answer_bytes) return false;
  char* data = *answer_bytes > 0 ? answers.reserve(*answer_bytes) : nullptr;
  if (*answer_bytes > 0 && !data) return false;
  try {
    if (layout.has_texts()) texts.resize(layout.texts(rows));
    places.reserve(layout.count());
  } catch (const std::exception&) {  // bad_alloc, or length_error
    return false;
  }
  layout.each(rows, [&](size_t number, size_t at, size_t text) {
    const OutputSpec& spec = layout.outputs[number];
    backend::Place place{number, &spec, nullptr, nullptr};
    if (spec.shape.type == ElementType::kString)
      place.strings = texts.data() + text;
    else if (data && spec.shape.columns > 0)
      place.data = data + at;
    places.push_back(place);
  });
  blocks = {layout, rows, data, texts.data()};
  output.places = places;
  output.data = places[0].data;
  return true;
}

bool Batch::prepare() noexcept {
  input.kind = kind;
  input.outputs = layout.set;
  input.deadline_ns = deadline_ns;
  input.abandoned = &abandoned;
  return make_places() && gather();
}

void Batch::run(const Clock& clock) noexcept {
  clock_ = &clock;
  phase_.store(Phase::kRunning, std::memory_order_relaxed);
  if (!prepare()) {
    fail_as(no_memory());
    phase_.store(Phase::kScored, std::memory_order_relaxed);
    return;
  }
  gathered_ns = clock.now_ns();
  // What is thrown counts where nobody else will complete the batch, or has.
  const auto ours = [&] { return scored() && dropped_; };
  try {
    backend->start(input, output, backend::Completer(*this));
  } catch (const std::bad_alloc&) {
    if (ours()) fail_as(no_memory());
  } catch (const std::exception& thrown) {
    if (ours()) fail(Code::kInternal, thrown.what());
  } catch (...) {
    if (ours()) fail(Code::kInternal, "the model threw something that is no exception");
  }
}

bool Batch::leave(std::shared_ptr<void> keeper) noexcept {
  keeper_ = std::move(keeper);
  if (phase_.exchange(Phase::kLeft, std::memory_order_acq_rel) != Phase::kScored) return true;
  phase_.store(Phase::kScored, std::memory_order_relaxed);
  keeper_.reset();
  return false;
}

void Batch::completed(const Status& status) noexcept {
  if (lost) return;
  if (status.ok())
    join();
  else
    fail(status.error().code, status.error().message.c_str());
  end();
}

void Batch::dropped() noexcept {
  if (lost) return;
  dropped_ = true;
  fail_as(dropped_error());
  end();
}

void Batch::end() noexcept {
  scored_ns = clock_->now_ns();
  auto& errors = output.item_errors;
  if (!errors.empty())
    std::sort(errors.begin(), errors.end(),
              [](const auto& a, const auto& b) { return a.item < b.item; });
  if (phase_.exchange(Phase::kScored, std::memory_order_acq_rel) != Phase::kLeft) return;
  const std::shared_ptr<void> keeper = std::move(keeper_);
  finisher_.finish_left(this);
}

const backend::ItemError* Batch::error_of(size_t part) const noexcept {
  const auto& errors = output.item_errors;
  const auto found =
      std::lower_bound(errors.begin(), errors.end(), part,
                       [](const backend::ItemError& one, size_t item) { return one.item < item; });
  return found != errors.end() && found->item == part ? &*found : nullptr;
}

// Answers of a request that was cut in pieces are put in order.
void Batch::join() noexcept {
  size_t row = 0;
  for (const Part& part : parts) {
    request::Node& leader = *part.leader;
    if (leader.cut) {
      leader.layout.each(leader.rows.count, [&](size_t number, size_t at, size_t text) {
        const AnswerShape& shape = layout.outputs[number].shape;
        const auto place =
            std::find_if(places.begin(), places.end(),
                         [&](const backend::Place& one) { return one.output == number; });
        if (place->strings)
          std::move(place->strings + row * shape.columns,
                    place->strings + (row + part.rows) * shape.columns,
                    leader.answer_texts.begin() +
                        static_cast<ptrdiff_t>(text + part.first_row * shape.columns));
        else if (place->data)
          std::memcpy(leader.answer_room + at + part.first_row * shape.row_bytes(),
                      static_cast<const char*>(place->data) + row * shape.row_bytes(),
                      part.rows * shape.row_bytes());
      });
    }
    row += part.rows;
  }
}

void Batch::clear() noexcept {
  parts.clear();
  rows = bytes = 0;
  round.reset();
  gathered.clear();
  items.clear();
  answers.clear();
  request::wipe_texts(texts);
  places.clear();
  input = {};
  output = {};
  backend.reset();
  failed = false;
  dropped_ = false;
  told = nullptr;
  deliveries = 0;
  awaited = 0;
  abandoned.store(false, std::memory_order_relaxed);
  next = nullptr;
}

}  // namespace spinney::batch
