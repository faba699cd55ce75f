#include "server/protocol/path.h"

namespace spinney::server::protocol {
namespace {

int hex_of(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// False where a % is not followed by two digits.
bool decode(std::string_view& text, std::string& memory) {
  if (text.find('%') == std::string_view::npos) return true;
  memory.clear();
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      memory.push_back(text[i]);
      continue;
    }
    if (text.size() - i < 3) return false;
    const int high = hex_of(text[i + 1]), low = hex_of(text[i + 2]);
    if (high < 0 || low < 0) return false;
    memory.push_back(static_cast<char>(high * 16 + low));
    i += 2;
  }
  text = memory;
  return true;
}

// What comes before the next slash, which is taken too.
std::string_view next_part(std::string_view& rest) {
  const size_t slash = rest.find('/');
  const std::string_view part = rest.substr(0, slash);
  rest.remove_prefix(slash == std::string_view::npos ? rest.size() : slash + 1);
  return part;
}

bool take_prefix(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

Page model_page(std::string_view rest, Path& path) {
  path.model = next_part(rest);
  if (take_prefix(rest, "versions/")) {
    path.version = next_part(rest);
    if (path.version.empty()) return Page::kUnknown;
  }
  if (!decode(path.model, path.decoded_model) || !decode(path.version, path.decoded_version))
    return Page::kUnknown;
  if (path.model.empty()) return Page::kUnknown;
  if (rest.empty()) return Page::kModel;
  if (rest == "infer") return Page::kInfer;
  if (rest == "ready") return Page::kModelReady;
  if (rest == "config") return Page::kModelConfig;
  return Page::kUnknown;
}

// As TensorFlow Serving has it, the verb stands behind a colon.
Page v1_page(std::string_view rest, Path& path) {
  const bool predicts = rest.ends_with(":predict");
  if (predicts) rest.remove_suffix(std::string_view(":predict").size());
  const Page page = model_page(rest, path);
  const std::string_view last = path.version.empty() ? path.model : path.version;
  if (page != Page::kModel || last.find(':') != std::string_view::npos) return Page::kUnknown;
  return predicts ? Page::kPredict : Page::kPredictReady;
}

Page repository_page(std::string_view rest, Path& path) {
  path.model = next_part(rest);
  if (!decode(path.model, path.decoded_model)) return Page::kUnknown;
  if (rest == "load") return Page::kLoad;
  return rest == "unload" ? Page::kUnload : Page::kUnknown;
}

}  // namespace

void read_path(std::string_view target, Path& path) {
  target = target.substr(0, target.find_first_of("?#"));
  if (take_prefix(target, "http://") || take_prefix(target, "https://")) {
    const size_t slash = target.find('/');
    target = slash == std::string_view::npos ? std::string_view("/") : target.substr(slash);
  }
  path.page = Page::kUnknown;
  path.model = path.version = {};
  if (take_prefix(target, "/v2/models/")) {
    path.page = model_page(target, path);
    return;
  }
  if (take_prefix(target, "/v1/models/")) {
    path.page = v1_page(target, path);
    return;
  }
  if (target.size() > 1 && target.back() == '/') target.remove_suffix(1);
  if (target == "/invocations") path.page = Page::kInvocations;
  if (target == "/ping") path.page = Page::kPing;
  if (target == "/v2") path.page = Page::kServer;
  if (target == "/v2/health/live") path.page = Page::kLive;
  if (target == "/v2/health/ready") path.page = Page::kReady;
  if (target == "/metrics") path.page = Page::kMetrics;
  if (take_prefix(target, "/v2/repository/models/")) path.page = repository_page(target, path);
}

}  // namespace spinney::server::protocol
