// Any bytes read as XGBoost's UBJSON, see read_forest.h.
#include "spinney/load/xgboost/xgboost.h"

#include "read_forest.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return spinney::fuzz::read_forest(spinney::load::read_xgboost_ubjson, data, size);
}
