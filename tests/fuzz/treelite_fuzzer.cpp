// Any bytes read as a checkpoint of Treelite, see read_forest.h; what loads is written again.
#include "spinney/load/treelite/treelite.h"

#include "read_forest.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto read = [](std::span<const char> bytes, const spinney::load::Choice& choice) {
    spinney::Result<spinney::Description> model = spinney::load::read_treelite(bytes, choice);
    if (model) {
      const auto written = spinney::load::treelite_bytes(model.value());
      if (!written && written.error().message.empty()) std::abort();
      if (written && !spinney::load::read_treelite(written.value(), choice)) std::abort();
    }
    return model;
  };
  return spinney::fuzz::read_forest(read, data, size);
}
