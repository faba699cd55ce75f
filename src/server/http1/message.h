// Head: a request's first line and the header fields that the server looks at.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace spinney::server::http1 {

enum class Method : uint8_t { kGet, kHead, kPost, kOther };

enum class Field : uint8_t {
  kHost = 0,
  kOrigin,
  kAuthorization,
  kContentType,
  kContentEncoding,
  kAcceptEncoding,
  kExpect,
  kRequestId,
  kTraceparent,
  kJsonLength,  // Inference-Header-Content-Length
};
inline constexpr size_t kFields = 10;

// Views of the bytes that the request came in.
struct Head {
  Method method = Method::kOther;
  std::string_view target;
  std::array<std::string_view, kFields> fields{};
  bool is_version_11 = true;
  bool keep_alive = true;
  bool chunked = false;
  bool has_length = false;
  uint64_t content_length = 0;

  std::string_view field(Field f) const { return fields[static_cast<size_t>(f)]; }
  bool has(Field f) const { return field(f).data() != nullptr; }
  // The bytes lie elsewhere now.
  void rebase(const char* from, const char* to) {
    const auto move = [&](std::string_view& view) {
      if (view.data()) view = {to + (view.data() - from), view.size()};
    };
    move(target);
    for (std::string_view& view : fields) move(view);
  }
};

}  // namespace spinney::server::http1
