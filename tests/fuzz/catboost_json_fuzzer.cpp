// Any bytes read as CatBoost's JSON, see read_forest.h.
#include "spinney/load/catboost/catboost.h"

#include "read_forest.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return spinney::fuzz::read_forest(spinney::load::read_catboost_json, data, size);
}
