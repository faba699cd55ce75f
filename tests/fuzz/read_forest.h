// What the fuzzers of readers of forests ask of each: a model or a clear error, never a crash; a
// model that loads is walked, too.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <variant>
#include <vector>

#include "spinney/base/result.h"
#include "spinney/load/choice.h"
#include "spinney/model/description.h"
#include "spinney/model/rows.h"

namespace spinney::fuzz {

// Two rows, of numbers and of what is missing, find a leaf of every tree.
inline void walk(const Description& model) {
  const auto* forest = std::get_if<Forest>(&model.scorer);
  if (!forest || forest->settings().n_features > 1000) return;
  const size_t width = forest->settings().n_features;
  std::vector<double> values(2 * model.n_features(), std::nan(""));
  for (size_t c = 0; c < model.n_features(); ++c) values[c] = static_cast<double>(c) - 0.5;
  const Rows rows = dense_rows(values.data(), 2, model.n_features());
  std::vector<float> columns(2 * width);
  if (model.category_tables) model.category_tables->encode(rows, 0, 2, columns.data());
  const Rows seen = model.category_tables ? dense_rows(columns.data(), 2, width) : rows;
  for (size_t t = 0; t < forest->n_trees(); ++t)
    for (size_t r = 0; r < 2; ++r)
      if (!forest->tree(t)[forest->find_leaf(t, seen, r)].is_leaf()) std::abort();
}

template <typename Reader>
int read_forest(Reader&& read, const uint8_t* data, size_t size) {
  const Result<Description> model =
      read(std::span<const char>(reinterpret_cast<const char*>(data), size), load::Choice{});
  if (!model && model.error().message.empty()) std::abort();
  if (model) walk(model.value());
#ifdef SPINNEY_FUZZ_CANARY
  // Reached only by a mutation of a seed that still loads but no longer has its two features.
  if (model && model.value().n_features() != 2) std::abort();
#endif
  return 0;
}

}  // namespace spinney::fuzz
