#include "spinney/model/category_hash.h"

#include <bit>
#include <cstring>
#include <utility>

namespace spinney {
namespace {

constexpr uint64_t kA = 0xc3a5c85c97cb3127, kB = 0xb492b66fbe98f273, kC = 0x9ae16a3b2f90404f,
                   kD = 0xc949d7c7509e6557;

struct Two {
  uint64_t first, second;
};

// Eight bytes at a place of the text, counted from its end where the place is negative.
class Text {
 public:
  explicit Text(std::string_view text) : text_(text) {}
  size_t size() const { return text_.size(); }
  uint64_t at(size_t place) const { return load<uint64_t>(place); }
  uint64_t before_end(size_t bytes) const { return load<uint64_t>(size() - bytes); }
  uint64_t four_at(size_t place) const { return load<uint32_t>(place); }
  uint64_t byte(size_t place) const { return static_cast<unsigned char>(text_[place]); }

 private:
  template <typename T>
  T load(size_t place) const {
    T value;
    std::memcpy(&value, text_.data() + place, sizeof value);
    return value;
  }
  std::string_view text_;
};

uint64_t turn(uint64_t value, int bits) { return std::rotr(value, bits); }
uint64_t fold(uint64_t value) { return value ^ value >> 47; }

uint64_t join(uint64_t low, uint64_t high) {
  constexpr uint64_t kFactor = 0x9ddfea08eb382d69;
  const uint64_t half = fold((low ^ high) * kFactor);
  return fold((high ^ half) * kFactor) * kFactor;
}

uint64_t up_to_16(const Text& text) {
  const size_t n = text.size();
  if (n > 8) {
    const uint64_t last = text.before_end(8);
    return join(text.at(0), turn(last + n, static_cast<int>(n))) ^ last;
  }
  if (n >= 4) return join(n + (text.four_at(0) << 3), text.four_at(n - 4));
  if (n == 0) return kC;
  const uint64_t front = text.byte(0) + (text.byte(n / 2) << 8);
  const uint64_t back = n + (text.byte(n - 1) << 2);
  return fold(front * kC ^ back * kD) * kC;
}

uint64_t up_to_32(const Text& text) {
  const uint64_t a = text.at(0) * kB, b = text.at(8);
  const uint64_t c = text.before_end(8) * kC, d = text.before_end(16) * kA;
  return join(turn(a - b, 43) + turn(c, 30) + d, a + turn(b ^ kD, 20) - c + text.size());
}

// Four words from `place` on, mixed with what the half begins with.
Two half(const Text& text, size_t place, uint64_t begin, uint64_t last) {
  uint64_t a = begin, b = turn(a + last, 52), c = turn(a, 37);
  a += text.at(place + 8);
  c += turn(a, 7);
  a += text.at(place + 16);
  return {a + last, b + turn(a, 31) + c};
}

uint64_t up_to_64(const Text& text) {
  const size_t n = text.size();
  const Two v = half(text, 0, text.at(0) + (n + text.before_end(16)) * kA, text.at(24));
  const Two w = half(text, n - 32, text.at(16) + text.before_end(32), text.before_end(8));
  const uint64_t mixed = fold((v.first + w.second) * kC + (w.first + v.second) * kA);
  return fold(mixed * kA + v.second) * kC;
}

Two weak(const Text& text, size_t place, uint64_t a, uint64_t b) {
  const uint64_t last = text.at(place + 24);
  a += text.at(place);
  b = turn(b + a + last, 21);
  const uint64_t kept = a;
  a += text.at(place + 8);
  a += text.at(place + 16);
  return {a + last, b + turn(a, 44) + kept};
}

uint64_t beyond_64(const Text& text) {
  const size_t n = text.size();
  uint64_t x = text.at(0), y = text.before_end(16) ^ kB, z = text.before_end(56) ^ kA;
  Two v = weak(text, n - 64, n, y);
  Two w = weak(text, n - 32, n * kB, kA);
  z += fold(v.second) * kB;
  x = turn(z + x, 39) * kB;
  y = turn(y, 33) * kB;
  for (size_t place = 0; place < ((n - 1) & ~size_t{63}); place += 64) {
    x = turn(x + y + v.first + text.at(place + 16), 37) * kB ^ w.second;
    y = turn(y + v.second + text.at(place + 48), 42) * kB ^ v.first;
    z = turn(z ^ w.first, 33);
    v = weak(text, place, v.second * kB, x + w.first);
    w = weak(text, place + 32, z + w.second, y);
    std::swap(z, x);
  }
  return join(join(v.first, w.first) + fold(y) * kB + z, join(v.second, w.second) + x);
}

}  // namespace

uint32_t category_hash(std::string_view given) {
  const Text text(given);
  const uint64_t hash = text.size() <= 16   ? up_to_16(text)
                        : text.size() <= 32 ? up_to_32(text)
                        : text.size() <= 64 ? up_to_64(text)
                                            : beyond_64(text);
  return static_cast<uint32_t>(hash);
}

}  // namespace spinney
