// Any bytes read as a pickle or joblib file: a model or a clear error, never a crash.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "spinney/load/estimator.h"
#include "spinney/load/pickle/pickle.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace spinney::load;
  const auto pickle = read_pickle({reinterpret_cast<const char*>(data), size});
  if (!pickle) {
    if (pickle.error().message.empty()) std::abort();
    return 0;
  }
  const auto model = describe_pickle(*pickle);
  if (!model && model.error().message.empty()) std::abort();
#ifdef SPINNEY_FUZZ_CANARY
  // Reached only by a mutation of a seed that still loads, but by which the library's version is
  // none that is tested. (Another number of features takes the fuzzer minutes in some runs.)
  if (model && !model.value().warnings.empty()) std::abort();
#endif
  return 0;
}
