// BoundModel: a Model as Python holds it, with what its answers need made once.
#pragma once

#include <Python.h>

#include <memory>
#include <utility>
#include <vector>

#include "binding/model/named_rows.h"
#include "binding/model/owned.h"
#include "spinney/spinney.h"

namespace spinney::binding {

// The kinds of answers that are arrays of numbers.
enum class Answer { kRaw, kValues, kProbabilities, kLeaves };

struct AnswerShape {
  size_t columns = 1;
  bool flat = false;  // shape (rows,), not (rows, columns)
  int numpy_type = 0;
  size_t row_bytes = 0;
};

class Variants;

struct BoundModel {
  // nullptr with a Python error set if the labels do not fit their dtype.
  static std::unique_ptr<BoundModel> make(Model model);

  Model model;
  // One array of labels per target of a classifier, in the dtype that the estimator keeps them.
  std::vector<Owned> classes;
  AnswerShape shapes[4];  // by Answer
  // What integers and other number types are converted to, as the training library does.
  NumberType cast_type = NumberType::kFloat64;
  // The same of half, bool and integers of 8 and 16 bits, which numpy counts among float32.
  NumberType small_cast_type = NumberType::kFloat64;
  // Rows have texts and whole numbers for categories, which become hashes (category_rows.h).
  bool hashes_categories = false;
  // Of what dicts are read by, and of a schema's texts.
  std::unique_ptr<const NamedColumns> columns;
  // Rows of numbers alone are none of this model: it has categories or texts.
  bool takes_cells = false;
  // From this many rows on, other Python threads may run meanwhile.
  size_t release_rows = 0;
  // From this many rows on, the main thread looks for signals (Ctrl-C) now and then.
  size_t watch_rows = 0;
  // Answers rows of float64, where that is another model's part; see Model::for_rows().
  std::unique_ptr<BoundModel> wide;
  // Those that calls asked for by iteration_range and the like; see asked.h.
  std::shared_ptr<Variants> variants;

  const BoundModel& for_rows(NumberType type) const {
    return wide && type == NumberType::kFloat64 ? *wide : *this;
  }

 private:
  BoundModel(const BoundModel&) = delete;
  explicit BoundModel(Model loaded) : model(std::move(loaded)) {}
};

}  // namespace spinney::binding
