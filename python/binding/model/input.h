// Input: the rows of one call, as Python gave them.
//
// float32 and float64 arrays of any strides are read where they lie. Other number types are
// converted block by block, sparse rows stay sparse. Everything else (frames, lists, tables) is
// first made one of these by spinney.inputs.
#pragma once

#include <Python.h>

#include "binding/interpreter/errors.h"
#include "binding/interpreter/interpreter_lock.h"
#include "binding/model/chunks.h"
#include "binding/model/model.h"

namespace spinney::binding {

struct Input {
  enum class Kind { kRows, kConverted, kSparse };
  Kind kind = Kind::kRows;
  bool by_matrix = false;  // see PredictOptions::by_matrix
  size_t count = 0;
  size_t width = 0;
  Rows rows;                  // kRows
  PyObject* array = nullptr;  // kConverted: the array, borrowed
  NumberType converted_to = NumberType::kFloat64;
  SparseRows sparse;          // kSparse
  PyObject* start = nullptr;  // the base margins of a DMatrix, borrowed from `kept`
  Owned kept;                 // what the views above look into, if this call made it

  NumberType type() const {
    if (kind == Kind::kConverted) return converted_to;
    return kind == Kind::kSparse ? sparse.type : rows.type;
  }
};

// False with a Python error set if x cannot be rows of this model. `self` is the Model's Python
// object, which spinney.inputs asks for feature names and categories.
bool read_input(PyObject* self, const BoundModel& bound, PyObject* x, Input& input);

// One dense block of a kConverted input: an array that owns its memory, and its rows.
// nullptr with a Python error set.
PyObject* convert_block(const Input& input, size_t first, size_t count, Rows& rows);

// Rows of a kConverted input that are converted at a time.
size_t conversion_rows(const Input& input);

// Calls predict(rows, first) -> Status over the whole input, where rows are Rows or SparseRows and
// first is the number of the first of them. False with a Python error set, which may be what a
// signal's handler raised: a long call looks for signals between chunks.
template <typename Predict>
bool run(const BoundModel& bound, const Input& input, Predict&& predict) {
  const auto compute = [&](const auto& rows, size_t first) {
    Status status;
    {
      const Unlocked released;
      status = predict(rows, first);
    }
    return status.ok() || raise(status.error());
  };
  const auto step = [&](const auto& rows, size_t first) {
    if (rows.count < bound.release_rows) {
      const Status status = predict(rows, first);
      return status.ok() || raise(status.error());
    }
    if (rows.count < bound.watch_rows || !on_main_thread()) return compute(rows, first);
    return in_chunks(rows, first, bound.watch_rows, compute);
  };
  if (input.kind == Input::Kind::kRows) return step(input.rows, 0);
  if (input.kind == Input::Kind::kSparse) return step(input.sparse, 0);
  const size_t at_once = conversion_rows(input);
  size_t first = 0;
  do {  // once even for no rows, so that the width is checked
    const size_t count = std::min(at_once, input.count - first);
    Rows rows;
    const Owned block(convert_block(input, first, count, rows));
    if (!block || !step(rows, first)) return false;
    first += count;
    if (first < input.count && PyErr_CheckSignals() < 0) return false;
  } while (first < input.count);
  return true;
}

}  // namespace spinney::binding
