// JsonReader: walks a JSON text once, without a tree of it and without memory of its own.
//
//   JsonReader json(text, limits);
//   if (json.begin_object())
//     while (json.next_key(key)) {
//       if (key == "id") json.string(id);
//       else json.skip();
//     }
//   if (!json.at_end()) return json.error();
//
// After a fault every call says no, so that one look at the end is enough. Numbers are those of RFC
// 8259, and NaN, Infinity and -Infinity, which Python writes. Depth is bounded, nothing recurses.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "spinney/base/result.h"

namespace spinney::server::protocol {

inline constexpr size_t kJsonDepthMax = 32;

class JsonReader {
 public:
  explicit JsonReader(std::string_view text)
      : begin_(text.data()), at_(text.data()), end_(text.data() + text.size()) {}

  enum class Kind : uint8_t { kObject, kArray, kString, kNumber, kBool, kNull, kNone };
  // Of the value that is next.
  Kind kind() noexcept;

  bool begin_object() noexcept { return open('{'); }
  // Moves to the next member's value; false at the object's end, which is taken, or at a fault.
  // The key is as it stands in the text.
  bool next_key(std::string_view& key) noexcept;
  bool begin_array() noexcept { return open('['); }
  // True if there is another element; else the array's end is taken.
  bool next_element() noexcept;

  // What lies between the quotes, escapes and all.
  bool string(std::string_view& raw) noexcept;
  bool boolean(bool& value) noexcept;
  bool null() noexcept;
  // The nearest number; NaN of null. A fault beyond the type's range.
  bool number(double& value) noexcept;
  bool number(float& value) noexcept;
  bool integer(int64_t& value) noexcept;
  bool integer(uint64_t& value) noexcept;
  // Whatever is next, whole.
  bool skip() noexcept;

  // Nothing but space is left, and there was no fault.
  bool at_end() noexcept;
  bool failed() const noexcept { return fault_ != nullptr; }
  Error error() const;  // of the text
  bool fail(const char* what) noexcept {
    if (!fault_) fault_ = what;
    return false;
  }

  // Where the next value begins, to come back to.
  const char* place() noexcept;
  void go_to(const char* place) noexcept { at_ = place; }
  size_t depth() const noexcept { return depth_; }

 private:
  bool open(char bracket) noexcept;
  bool close() noexcept;
  void skip_space() noexcept {
    while (at_ != end_ && (*at_ == ' ' || *at_ == '\n' || *at_ == '\r' || *at_ == '\t')) ++at_;
  }
  bool word(std::string_view expected) noexcept;
  template <typename Real>
  bool real(Real& value) noexcept;
  template <typename Integer>
  bool whole(Integer& value) noexcept;

  const char* begin_;
  const char* at_;
  const char* end_;
  size_t depth_ = 0;
  bool first_ = false;  // nothing of the innermost object or array was read yet
  const char* fault_ = nullptr;
};

// Text between quotes, escapes undone. False if it is no text: a half of a pair alone, or no UTF-8.
bool unescape(std::string_view raw, std::string& text);
inline bool has_escapes(std::string_view raw) { return raw.find('\\') != std::string_view::npos; }

}  // namespace spinney::server::protocol
