// From what is known of columns to a recipe.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "spinney/base/result.h"
#include "spinney/prepare/moments.h"
#include "spinney/prepare/options.h"
#include "spinney/prepare/recipe.h"
#include "spinney/prepare/sample.h"

namespace spinney::prepare {

// What is known of a column before anything is done to it.
struct ColumnFacts {
  ColumnMoments raw;
  std::optional<Sample> sample;  // if the options need the order of values
  std::optional<double> mode;    // if the options need it and a value was seen
};

// An empty recipe of this width with the parts that the options ask for.
Recipe make_recipe(const Options& options, size_t width, double rows);
// Fills column c. An error names the column.
Status fit_column(const Options& options, ColumnFacts facts, size_t c, Recipe& recipe);

struct Fitted {
  Recipe recipe;
  Moments moments;         // of the values as they came
  RunningMoments running;  // from which one-pass fitting may go on
  size_t rows;
};

// From all rows at once, with exact percentiles and modes.
Result<Fitted> fit(const Options& options, const Rows& rows, const Parallel& parallel,
                   const Kernels& kernels = best_kernels());

}  // namespace spinney::prepare
