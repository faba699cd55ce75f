#include "spinney/load/guess.h"

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "spinney/load/artifact/artifact.h"
#include "spinney/load/pickle/pickle.h"
#include "spinney/load/treelite/treelite.h"

namespace spinney::load {
namespace {

// XGBoost's binary format up to 3.0 begins with "binf", or with a 136-byte block of parameters and
// the objective's name behind its length.
bool is_old_xgboost(std::string_view text) {
  if (text.starts_with("binf") || text.starts_with("CONFIG-offset:")) return true;
  constexpr size_t kParameters = 136;
  uint64_t size = 0;
  if (text.size() < kParameters + sizeof size) return false;
  std::memcpy(&size, text.data() + kParameters, sizeof size);
  if (size == 0 || size > 64 || size > text.size() - kParameters - sizeof size) return false;
  const std::string_view name = text.substr(kParameters + sizeof size, size);
  return name.find_first_not_of("abcdefghijklmnopqrstuvwxyz:_") == std::string_view::npos &&
         name.find(':') != std::string_view::npos;
}

// In UBJSON a key begins with the type of its length, in JSON with a quote.
bool is_ubjson(std::string_view text) {
  return text.size() > 1 && text[0] == '{' && std::strchr("iUIlL#$N", text[1]) != nullptr;
}

// Booster.dump_model: a list of trees in JSON, or text.
bool is_dump(std::string_view text) {
  if (text.starts_with("booster[0]")) return true;
  const std::string_view head = text.substr(0, 4096);
  const size_t first = head.find_first_not_of(" \t\r\n");
  return first != std::string_view::npos && head[first] == '[' &&
         head.find("\"nodeid\"") != std::string_view::npos;
}

}  // namespace

Result<Format> guess_format(std::span<const char> bytes) {
  const std::string_view text(bytes.data(), bytes.size());
  if (text.empty()) return corrupt("the file is empty");
  if (is_artifact(bytes)) return Format::kSpinney;
  if (text.starts_with("tree\n") || text.starts_with("tree\r\n")) return Format::kLightgbmText;
  if (text.starts_with("CBM1")) return Format::kCatboostCbm;
  if (is_treelite(bytes)) return Format::kTreelite;
  if (looks_like_pickle(bytes)) return Format::kPickle;
  if (is_ubjson(text)) return Format::kXgboostUbjson;
  const size_t first = text.find_first_not_of(" \t\r\n");
  if (first != std::string_view::npos && text[first] == '{') return Format::kJson;
  if (is_dump(text))
    return unsupported(
        "this is XGBoost's dump_model, which is meant to be looked at and lacks what predicting "
        "needs; save the model itself: booster.save_model(\"model.json\")");
  if (is_old_xgboost(text)) return Format::kXgboostBinary;
  return unsupported("its " + std::to_string(text.size()) +
                     " bytes are in no format that this build reads: XGBoost JSON or UBJSON, "
                     "LightGBM text, CatBoost cbm or JSON, Treelite checkpoint, pickle, joblib or "
                     "skops, or Spinney's "
                     "own, compressed or in an "
                     "archive or not");
}

}  // namespace spinney::load
