// Any bytes read as CatBoost's JSON: a model or a clear error, never a crash. Models that load
// are walked, too.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <vector>

#include "spinney/load/catboost/catboost.h"
#include "spinney/model/rows.h"

namespace {

void walk(const spinney::Description& model) {
  const auto& forest = std::get<spinney::Forest>(model.scorer);
  const size_t width = forest.settings().n_features;
  if (width > 1000) return;
  std::vector<double> values(2 * model.n_features(), std::nan(""));
  for (size_t c = 0; c < model.n_features(); ++c) values[c] = static_cast<double>(c) - 0.5;
  const spinney::Rows rows = spinney::dense_rows(values.data(), 2, model.n_features());
  std::vector<float> columns(2 * width);
  if (model.category_tables) model.category_tables->encode(rows, 0, 2, columns.data());
  const spinney::Rows seen =
      model.category_tables ? spinney::dense_rows(columns.data(), 2, width) : rows;
  for (size_t t = 0; t < forest.n_trees(); ++t)
    for (size_t r = 0; r < 2; ++r)
      if (!forest.tree(t)[forest.find_leaf(t, seen, r)].is_leaf()) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto model = spinney::load::read_catboost_json({reinterpret_cast<const char*>(data), size});
  if (!model && model.error().message.empty()) std::abort();
  if (model) walk(model.value());
#ifdef SPINNEY_FUZZ_CANARY
  // Reached only by a mutation of a seed that still loads but no longer has its two features.
  if (model && model.value().n_features() != 2) std::abort();
#endif
  return 0;
}
