// Any bytes read as LightGBM's text format: a forest or a clear error, never a crash.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "spinney/load/lightgbm/lightgbm.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto model = spinney::load::read_lightgbm_text({reinterpret_cast<const char*>(data), size});
  if (!model && model.error().message.empty()) std::abort();
#ifdef SPINNEY_FUZZ_CANARY
  // Reached only by a mutation of a seed that still loads but no longer has its two features.
  if (model && model.value().n_features() != 2) std::abort();
#endif
  return 0;
}
