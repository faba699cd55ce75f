#include "server/protocol/json_reader.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "server/protocol/numbers.h"
#include "spinney/base/utf8.h"

namespace spinney::server::protocol {

namespace {

// How many bytes of an escape are behind its backslash; 0 if JSON has none such.
size_t escape_bytes(const char* at, const char* end) {
  if (at == end) return 0;
  if (*at != 'u') return std::string_view("\"\\/bfnrt").find(*at) != std::string_view::npos;
  if (end - at < 5) return 0;
  const auto is_hex = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
  };
  return std::all_of(at + 1, at + 5, is_hex) ? 5 : 0;
}

}  // namespace

Error JsonReader::error() const {
  const char* what = fault_ ? fault_ : "text behind the end";
  return invalid_argument("JSON, byte " + std::to_string(at_ - begin_) + ": " + what);
}

JsonReader::Kind JsonReader::kind() noexcept {
  skip_space();
  if (at_ == end_ || fault_) return Kind::kNone;
  switch (*at_) {
    case '{':
      return Kind::kObject;
    case '[':
      return Kind::kArray;
    case '"':
      return Kind::kString;
    case 't':
    case 'f':
      return Kind::kBool;
    case 'n':
      return Kind::kNull;
    case '-':
    case 'N':
    case 'I':
      return Kind::kNumber;
    default:
      return *at_ >= '0' && *at_ <= '9' ? Kind::kNumber : Kind::kNone;
  }
}

const char* JsonReader::place() noexcept {
  skip_space();
  return at_;
}

bool JsonReader::open(char bracket) noexcept {
  skip_space();
  if (fault_) return false;
  if (at_ == end_ || *at_ != bracket)
    return fail(bracket == '{' ? "expected an object" : "expected an array");
  if (depth_ == kJsonDepthMax) return fail("nested deeper than the server reads");
  ++at_;
  ++depth_;
  first_ = true;
  return true;
}

bool JsonReader::close() noexcept {
  ++at_;
  --depth_;
  first_ = false;
  return false;
}

bool JsonReader::next_key(std::string_view& key) noexcept {
  skip_space();
  if (fault_) return false;
  if (at_ == end_) return fail("the text ends too early");
  if (*at_ == '}') return close();
  if (!first_) {
    if (*at_ != ',') return fail("expected a comma or the object's end");
    ++at_;
    skip_space();
  }
  if (!string(key)) return fail("expected a key");
  skip_space();
  if (at_ == end_ || *at_ != ':') return fail("expected a colon");
  ++at_;
  first_ = false;
  return true;
}

bool JsonReader::next_element() noexcept {
  skip_space();
  if (fault_) return false;
  if (at_ == end_) return fail("the text ends too early");
  if (*at_ == ']') return close();
  if (!first_) {
    if (*at_ != ',') return fail("expected a comma or the array's end");
    ++at_;
    skip_space();
    if (at_ != end_ && *at_ == ']') return fail("expected a value behind the comma");
  }
  first_ = false;
  return true;
}

bool JsonReader::string(std::string_view& raw) noexcept {
  skip_space();
  if (fault_) return false;
  if (at_ == end_ || *at_ != '"') return fail("expected a string");
  const char* first = ++at_;
  bool ascii = true;
  for (; at_ != end_; ++at_) {
    const auto c = static_cast<unsigned char>(*at_);
    if (c == '"') {
      raw = {first, static_cast<size_t>(at_ - first)};
      ++at_;
      if (!ascii && !is_utf8(raw)) return fail("a string that is not UTF-8");
      return true;
    }
    if (c < 0x20) return fail("a control character within a string");
    ascii = ascii && c < 0x80;
    if (c != '\\') continue;
    const size_t escape = escape_bytes(at_ + 1, end_);
    if (escape == 0) return fail("an escape within a string that JSON does not have");
    at_ += escape;
  }
  return fail("the text ends within a string");
}

bool JsonReader::word(std::string_view expected) noexcept {
  if (static_cast<size_t>(end_ - at_) < expected.size() ||
      std::memcmp(at_, expected.data(), expected.size()) != 0)
    return false;
  at_ += expected.size();
  return true;
}

bool JsonReader::boolean(bool& value) noexcept {
  skip_space();
  if (fault_) return false;
  if (word("true")) return value = true;
  if (!word("false")) return fail("expected true or false");
  value = false;
  return true;
}

bool JsonReader::null() noexcept {
  skip_space();
  return !fault_ && (word("null") || fail("expected null"));
}

template <typename Real>
bool JsonReader::real(Real& value) noexcept {
  skip_space();
  if (fault_) return false;
  constexpr Real kInfinity = std::numeric_limits<Real>::infinity();
  if (at_ == end_) return fail("the text ends too early");
  if (*at_ == 'n' || *at_ == 'N') {
    value = std::numeric_limits<Real>::quiet_NaN();
    return word("null") || word("NaN") || fail("expected a number");
  }
  if (*at_ == 'I' || (*at_ == '-' && at_ + 1 != end_ && at_[1] == 'I')) {
    value = *at_ == 'I' ? kInfinity : -kInfinity;
    return word("Infinity") || word("-Infinity") || fail("expected a number");
  }
  const Number read = read_number(at_, end_, value);
  if (!read.end) return fail("expected a number");
  if (!read.fits) return fail("a number beyond what its type holds");
  at_ = read.end;
  return true;
}

bool JsonReader::number(double& value) noexcept { return real(value); }
bool JsonReader::number(float& value) noexcept { return real(value); }

template <typename Integer>
bool JsonReader::whole(Integer& value) noexcept {
  skip_space();
  if (fault_) return false;
  const Number read = read_integer(at_, end_, value);
  if (!read.end) return fail("expected a whole number");
  if (!read.fits) return fail("a whole number beyond what its type holds");
  at_ = read.end;
  return true;
}

bool JsonReader::integer(int64_t& value) noexcept { return whole(value); }
bool JsonReader::integer(uint64_t& value) noexcept { return whole(value); }

bool JsonReader::skip() noexcept {
  uint64_t is_object = 0;  // a bit for each level below this one
  const size_t floor = depth_;
  static_assert(kJsonDepthMax <= 64);
  const auto level = [&] { return uint64_t{1} << (depth_ - floor); };
  for (;;) {
    std::string_view text;
    double number = 0;
    bool flag = false;
    switch (kind()) {
      case Kind::kObject:
        if (!begin_object()) return false;
        is_object |= level();
        break;
      case Kind::kArray:
        if (!begin_array()) return false;
        is_object &= ~level();
        break;
      case Kind::kString:
        if (!string(text)) return false;
        break;
      case Kind::kBool:
        if (!boolean(flag)) return false;
        break;
      case Kind::kNull:
      case Kind::kNumber:
        if (!real(number)) return false;
        break;
      case Kind::kNone:
        return fail(at_ == end_ ? "the text ends too early" : "expected a value");
    }
    // Up, as long as what is around this value ends here.
    for (;;) {
      if (depth_ == floor) return true;
      if (is_object & level() ? next_key(text) : next_element()) break;
      if (fault_) return false;
    }
  }
}

bool JsonReader::at_end() noexcept {
  skip_space();
  return !fault_ && depth_ == 0 && at_ == end_;
}

bool unescape(std::string_view raw, std::string& text) {
  text.clear();
  for (size_t at = 0; at < raw.size();) {
    if (raw[at] != '\\') {
      text.push_back(raw[at++]);
      continue;
    }
    ++at;
    const auto code = read_json_escape(raw, at);
    if (!code || is_surrogate(*code) || !append_utf8(text, *code)) return false;
  }
  return true;
}

}  // namespace spinney::server::protocol
