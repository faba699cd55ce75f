// Any bytes read as XGBoost's binary format: a model or a clear error, never a crash. Models that
// load are walked, too.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <vector>

#include "spinney/load/xgboost/xgboost.h"
#include "spinney/model/rows.h"

namespace {

void walk(const spinney::Description& model) {
  const auto* forest = std::get_if<spinney::Forest>(&model.scorer);
  if (!forest || model.n_features() > 1000) return;
  std::vector<float> values(2 * model.n_features(), std::nanf(""));
  for (size_t c = 0; c < model.n_features(); ++c) values[c] = static_cast<float>(c) - 0.5F;
  const spinney::Rows rows = spinney::dense_rows(values.data(), 2, model.n_features());
  for (size_t t = 0; t < forest->n_trees(); ++t)
    for (size_t r = 0; r < 2; ++r)
      if (!forest->tree(t)[forest->find_leaf(t, rows, r)].is_leaf()) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto model =
      spinney::load::read_xgboost_binary({reinterpret_cast<const char*>(data), size});
  if (!model && model.error().message.empty()) std::abort();
  if (model) walk(model.value());
#ifdef SPINNEY_FUZZ_CANARY
  // Reached only by a mutation of a seed that still loads but no longer has its two features.
  if (model && model.value().n_features() != 2) std::abort();
#endif
  return 0;
}
