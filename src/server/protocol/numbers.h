// Numbers of JSON: read as the nearest value of their type, written in the shortest form that is
// read back as the same.
#pragma once

#include <cstddef>
#include <cstdint>

namespace spinney::server::protocol {

struct Number {
  const char* end = nullptr;  // behind the number; null: there is none
  bool fits = true;           // within the range of the type
};

// As RFC 8259 has them: no plus sign, no leading zeros, digits on both sides of the point.
Number read_number(const char* at, const char* end, double& value) noexcept;
// Rounded once.
Number read_number(const char* at, const char* end, float& value) noexcept;
// Without a fraction or an exponent, unless both change nothing ("3.0").
Number read_integer(const char* at, const char* end, int64_t& value) noexcept;
Number read_integer(const char* at, const char* end, uint64_t& value) noexcept;

// Bytes that any number takes.
inline constexpr size_t kNumberBytesMax = 32;
// Behind the last character. `literals`: NaN, Infinity and -Infinity as Python reads them, which
// are no JSON; else null.
char* write_number(char* to, double value, bool literals) noexcept;
char* write_number(char* to, float value, bool literals) noexcept;
char* write_integer(char* to, int64_t value) noexcept;

}  // namespace spinney::server::protocol
