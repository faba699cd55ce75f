#include "spinney/load/load.h"

#include <string_view>

#include "spinney/load/estimator.h"
#include "spinney/load/file_bytes.h"
#include "spinney/load/guess.h"
#include "spinney/load/pickle.h"

namespace spinney::load {
namespace {

Result<Description> read(std::span<const char> bytes, Format format) {
  switch (format) {
    case Format::kXgboostJson:
      return read_xgboost_json(bytes);
    case Format::kXgboostUbjson:
      return read_xgboost_ubjson(bytes);
    case Format::kLightgbmText:
      return read_lightgbm_text(bytes);
    case Format::kPickle: {
      SPINNEY_ASSIGN(const Pickle pickle, read_pickle(bytes));
      return describe_pickle(pickle);
    }
    default:
      return unsupported("this build does not read the format asked for");
  }
}

}  // namespace

Result<Description> load_file(const std::string& path, Format format) {
  SPINNEY_ASSIGN(const FileBytes file, read_file(path));
  return load_bytes(file.span(), format, path);
}

Result<Description> load_bytes(std::span<const char> bytes, Format format,
                               const std::string& name) {
  const auto with_name = [&](const Error& error) {
    return Error{error.code, name + ": " + error.message};
  };
  if (format == Format::kGuess) {
    auto guessed = guess_format(bytes);
    if (!guessed.ok()) return with_name(guessed.error());
    format = *guessed;
  }
  auto model = read(bytes, format);
  if (!model.ok()) return with_name(model.error());
  return model;
}

}  // namespace spinney::load
