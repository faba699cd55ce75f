// Reading and writing plain numbers in a run of bytes, little-endian as the machine's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "spinney/base/result.h"

namespace spinney::prepare {

class ByteWriter {
 public:
  template <typename T>
  void number(T value) {
    static_assert(std::is_arithmetic_v<T> || std::is_enum_v<T>);
    append(&value, sizeof value);
  }
  template <typename T>
  void numbers(const std::vector<T>& values) {
    number(static_cast<uint64_t>(values.size()));
    append(values.data(), values.size() * sizeof(T));
  }
  std::vector<char> take() { return std::move(bytes_); }

 private:
  void append(const void* data, size_t n) {
    const size_t end = bytes_.size();
    bytes_.resize(end + n);
    if (n > 0) std::memcpy(bytes_.data() + end, data, n);
  }
  std::vector<char> bytes_;
};

// The first thing found wrong is kept; from then on everything reads as nothing.
class ByteReader {
 public:
  explicit ByteReader(std::span<const char> bytes) : rest_(bytes) {}

  template <typename T>
  T number() {
    T value{};
    if (const char* p = take(sizeof value)) std::memcpy(&value, p, sizeof value);
    return value;
  }
  bool flag(const char* name) {
    const auto byte = number<uint8_t>();
    if (byte > 1) fail(std::string(name) + " is " + std::to_string(byte) + ", neither 0 nor 1");
    return byte == 1;
  }
  template <typename Enum>
  Enum choice(Enum last, const char* name) {
    const auto byte = number<uint8_t>();
    if (byte > static_cast<uint8_t>(last))
      fail(std::string(name) + " is the unknown choice " + std::to_string(byte));
    return status_.ok() ? static_cast<Enum>(byte) : Enum{};
  }
  // Declared lengths are believed only as far as there are bytes.
  template <typename T>
  std::vector<T> numbers() {
    const auto n = number<uint64_t>();
    if (n > rest_.size() / sizeof(T)) {
      fail(std::to_string(n) + " numbers are declared where " + std::to_string(rest_.size()) +
           " bytes are left");
      return {};
    }
    std::vector<T> values(n);
    if (n > 0) std::memcpy(values.data(), take(n * sizeof(T)), n * sizeof(T));
    return values;
  }
  void fail(const std::string& message) {
    if (status_.ok()) status_ = corrupt("the preprocessor's file is damaged: " + message);
    rest_ = {};
  }
  bool ok() const { return status_.ok(); }
  // Whether all was read and nothing was wrong.
  Status finish() {
    if (status_.ok() && !rest_.empty())
      fail(std::to_string(rest_.size()) + " bytes follow the last value");
    return status_;
  }

 private:
  const char* take(size_t n) {
    if (n > rest_.size()) {
      fail("it ends in the middle of a value");
      return nullptr;
    }
    const char* first = rest_.data();
    rest_ = rest_.subspan(n);
    return first;
  }
  std::span<const char> rest_;
  Status status_;
};

}  // namespace spinney::prepare
