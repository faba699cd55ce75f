// Any bytes read as LightGBM's text format, see read_forest.h.
#include "spinney/load/lightgbm/lightgbm.h"

#include "read_forest.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return spinney::fuzz::read_forest(spinney::load::read_lightgbm_text, data, size);
}
