// Writes UBJSON: objects, arrays, texts, numbers, and typed arrays of both. Whoever uses it begins
// and ends in turn, and gives as many items as he announced.
#pragma once

#include <bit>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace spinney::load::xgboost {

class UbjsonWriter {
 public:
  UbjsonWriter& begin_object() { return put('{'); }
  UbjsonWriter& end_object() { return put('}'); }
  UbjsonWriter& begin_array() { return put('['); }
  UbjsonWriter& end_array() { return put(']'); }
  UbjsonWriter& key(std::string_view name) {
    length(name.size());
    out_.append(name);
    return *this;
  }
  UbjsonWriter& text(std::string_view value) {
    put('S');
    length(value.size());
    out_.append(value);
    return *this;
  }
  UbjsonWriter& integer(int64_t value) {
    put('L');
    return big_endian(static_cast<uint64_t>(value));
  }
  UbjsonWriter& integers(std::initializer_list<int64_t> values) {
    begin_array();
    for (const int64_t value : values) integer(value);
    return end_array();
  }
  // Followed by so many item()s, and nothing that ends it.
  UbjsonWriter& begin_integers(size_t count) { return typed('l', count); }
  UbjsonWriter& begin_floats(size_t count) { return typed('d', count); }
  UbjsonWriter& item(int32_t value) { return big_endian(static_cast<uint32_t>(value)); }
  UbjsonWriter& item(float value) { return big_endian(std::bit_cast<uint32_t>(value)); }
  UbjsonWriter& floats(const std::vector<float>& values) {
    begin_floats(values.size());
    for (const float value : values) item(value);
    return *this;
  }

  std::string take() && { return std::move(out_); }

 private:
  UbjsonWriter& put(char c) {
    out_.push_back(c);
    return *this;
  }
  template <typename T>
  UbjsonWriter& big_endian(T bits) {
    for (size_t shift = 8 * sizeof bits; shift > 0; shift -= 8)
      out_.push_back(static_cast<char>(bits >> (shift - 8) & 0xff));
    return *this;
  }
  UbjsonWriter& length(size_t size) { return integer(static_cast<int64_t>(size)); }
  UbjsonWriter& typed(char type, size_t count) {
    put('[').put('$').put(type).put('#');
    return length(count);
  }

  std::string out_;
};

}  // namespace spinney::load::xgboost
