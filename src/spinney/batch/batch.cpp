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
const AtLoad kNoMemory{&no_memory};

}  // namespace

bool Batch::reserve(size_t parts_max) noexcept {
  try {
    parts.reserve(parts_max);
    return true;
  } catch (const std::bad_alloc&) {
    return false;
  }
}

bool Batch::accepts(const request::Node& leader) const noexcept {
  if (parts.empty()) return true;
  const request::Node& first = *parts[0].leader;
  if (!first.parcel) return leader.rows.width == width;
  return leader.kind == kind && first.parcel->joins(*leader.parcel);
}

size_t bytes_of(const Part& part) noexcept {
  const request::Node& node = *part.leader;
  if (node.parcel) return node.parcel->bytes();
  return part.rows * static_cast<size_t>(node.rows.row_stride);
}

void Batch::add(const Part& part) noexcept {
  if (parts.empty()) {
    kind = part.leader->kind;
    type = part.leader->rows.type;
    width = part.leader->rows.width;
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

// One request's rows are scored where they lie; those of several are put side by side.
bool Batch::gather_rows(Rows& rows_out) noexcept {
  if (parts.size() == 1) {
    rows_out = parts[0].leader->rows.slice(parts[0].first_row, parts[0].rows);
    return true;
  }
  const size_t row_bytes = width * size_of(type);
  char* to = input.reserve(rows * row_bytes);
  if (!to) return false;
  rows_out = {to,
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

bool Batch::gather(backend::BatchInput& gathered) noexcept {
  if (!parts[0].leader->parcel) return gather_rows(gathered.rows);
  try {
    items.reserve(parts.size());
  } catch (const std::bad_alloc&) {
    return false;
  }
  for (const Part& part : parts) items.push_back({part.leader->parcel.get(), part.rows});
  gathered.items = items;
  return true;
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
  const size_t row_bytes = shape.row_bytes();
  const char* from = answers.data();
  for (const Part& part : parts) {
    if (char* joined = part.leader->answer_memory.data(); joined && part.leader->cut)
      std::memcpy(joined + part.first_row * row_bytes, from, part.rows * row_bytes);
    from += part.rows * row_bytes;
  }
}

void Batch::run(const Clock& clock) noexcept {
  backend::BatchInput batch_input;
  batch_input.kind = kind;
  output = {};
  const std::optional<size_t> answer_bytes = checked_product(rows, shape.row_bytes());
  const bool any = answer_bytes != size_t{0};
  output.data = any && answer_bytes ? answers.reserve(*answer_bytes) : nullptr;
  if ((any && !output.data) || !gather(batch_input)) {
    failed = true;
    told = &no_memory();
    return;
  }
  gathered_ns = clock.now_ns();
  try {
    Status status = backend->score(batch_input, output);
    scored_ns = clock.now_ns();
    if (!status.ok()) {
      failed = true;
      error = status.error();
      told = &error;
      return;
    }
  } catch (const std::bad_alloc&) {
    failed = true;
    told = &no_memory();
    return;
  } catch (const std::exception& thrown) {
    return fail(Code::kInternal, thrown.what());
  } catch (...) {
    return fail(Code::kInternal, "the model threw something that is no exception");
  }
  std::sort(output.item_errors.begin(), output.item_errors.end(),
            [](const auto& a, const auto& b) { return a.item < b.item; });
  if (answer_bytes > 0) join();
}

void Batch::clear() noexcept {
  parts.clear();
  rows = bytes = 0;
  round.reset();
  input.clear();
  items.clear();
  answers.clear();
  output = {};
  backend.reset();
  failed = false;
  told = nullptr;
  deliveries = 0;
  next = nullptr;
}

}  // namespace spinney::batch
