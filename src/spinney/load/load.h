// The door of this room: a model file, in whatever format people have it, becomes a Description.
// Compressed files, and archives with one model in them, are opened whatever the format.
#pragma once

#include <span>
#include <string>

#include "spinney/base/result.h"
#include "spinney/load/choice.h"
#include "spinney/model/description.h"

namespace spinney::load {

enum class Format {
  kGuess,  // by content, then by name
  kJson,   // XGBoost's or CatBoost's
  kXgboostUbjson,
  kLightgbmText,
  kCatboostCbm,
  kPickle,  // pickle or joblib
  kSpinney,
  kSkops,
  kXgboostBinary,  // which XGBoost wrote until 3.0
  kTreelite,       // a checkpoint of Treelite 3.9 or 4
};

struct LoadOptions {
  Format format = Format::kGuess;
  // false: a .spinney file is mapped instead of copied, so that processes share the pages of its
  // leaf values; it must then not be truncated as long as the model lives, and what is written to
  // it in place changes the model's answers. Other formats are refused.
  bool copy = true;
  // Which answers are meant where the file can give several.
  Choice choice = {};
};

// A path to a file, or to a folder of MLflow's.
Result<Description> load_file(const std::string& path, const LoadOptions& options);
Result<Description> load_file(const std::string& path, Format format = Format::kGuess);
// The same from memory. `name` stands in error messages.
Result<Description> load_bytes(std::span<const char> bytes, Format format = Format::kGuess,
                               const std::string& name = "model", const Choice& choice = {});

}  // namespace spinney::load
