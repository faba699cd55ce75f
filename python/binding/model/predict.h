// The methods of Model that predict, as plain C methods: one row takes about a microsecond, in
// which a generic argument dispatcher would be a visible share.
#pragma once

#include <Python.h>

#include <array>
#include <cstdint>
#include <memory>

#include "binding/model/input.h"
#include "binding/model/model.h"

namespace spinney::binding {

// Answers every row of the input, as the model's own methods do: into rows x shape.row_bytes of
// that answer, or rows x target_columns() class numbers. False with a Python error set.
bool score_numbers(const BoundModel& bound, const Input& input, PredictOptions options,
                   Answer answer, char* out);
bool score_classes(const BoundModel& bound, const Input& input, PredictOptions options,
                   int32_t* out);

// Class numbers, on the stack while they are few.
class ClassNumbers {
 public:
  explicit ClassNumbers(size_t n) {
    if (n > few_.size()) many_.reset(new int32_t[n]);
  }
  int32_t* data() { return many_ ? many_.get() : few_.data(); }

 private:
  std::array<int32_t, 64> few_;
  std::unique_ptr<int32_t[]> many_;
};

// The error of more rows than memory can hold the answers of: nullptr.
PyObject* too_many(const Input& input);

// predict_raw, predict, predict_proba, predict_leaf and their aliases; ends with an empty entry.
extern PyMethodDef kPredictMethods[];

}  // namespace spinney::binding
