#include "spinney/load/load.h"

#include <fstream>
#include <string_view>

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
  if (format == Format::kLightgbmText) return read_lightgbm_text(bytes);
  return unsupported(name + " (" + std::to_string(bytes.size()) +
                     " bytes) is in no format that this build reads");
}

}  // namespace spinney::load
