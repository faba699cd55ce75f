#include "spinney/load/load.h"

#include <fstream>
#include <string_view>

#include "spinney/load/estimator.h"
#include "spinney/load/pickle.h"

namespace spinney::load {

Result<Description> load_file(const std::string& path, Format format) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return Error{Code::kNotFound, "cannot open " + path};
  const std::string bytes((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  return load_bytes(bytes, format, path);
}

Result<Description> load_bytes(std::span<const char> bytes, Format format,
                               const std::string& name) {
  const std::string_view text(bytes.data(), bytes.size());
  if (format == Format::kGuess && (text.starts_with("tree\n") || text.starts_with("tree\r\n")))
    format = Format::kLightgbmText;
  if (format == Format::kGuess && looks_like_pickle(bytes)) format = Format::kPickle;
  if (format == Format::kLightgbmText) return read_lightgbm_text(bytes);
  if (format == Format::kPickle) {
    SPINNEY_ASSIGN(const Pickle pickle, read_pickle(bytes));
    return describe_pickle(pickle);
  }
  return unsupported(name + " (" + std::to_string(bytes.size()) +
                     " bytes) is in no format that this build reads");
}

}  // namespace spinney::load
