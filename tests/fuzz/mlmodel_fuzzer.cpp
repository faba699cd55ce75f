// Any bytes read as MLflow's MLmodel: what it says or a clear error, never a crash, and never a
// file outside of the folder.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string>

#include "spinney/load/mlflow/mlflow.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto model = spinney::load::read_mlmodel({reinterpret_cast<const char*>(data), size});
  if (!model.ok()) {
    if (model.error().message.empty()) std::abort();
    return 0;
  }
  const std::string slashed = "/" + model->data + "/";
  if (model->data.empty() || model->data[0] == '/' || slashed.find("/../") != std::string::npos)
    std::abort();
#ifdef SPINNEY_FUZZ_CANARY
  // Reached only by a mutation of a seed that still names two columns, one of them called
  // otherwise.
  if (model->names.size() == 2 && (model->names[0] != "a" || model->names[1] != "b")) std::abort();
#endif
  return 0;
}
