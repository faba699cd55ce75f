#include "spinney/columns/text_codes.h"

#include <bit>

#include "spinney/base/seeded_hash.h"

namespace spinney::columns {

TextCodes::TextCodes(const std::vector<std::string>& values)
    : values_(&values), slots_(std::bit_ceil(2 * values.size() + 1)) {
  const size_t mask = slots_.size() - 1;
  for (size_t i = 0; i < values.size(); ++i) {
    const uint64_t hash = seeded_hash(values[i].data(), values[i].size());
    size_t at = hash & mask;
    while (slots_[at].place != 0) at = (at + 1) & mask;
    slots_[at] = {static_cast<uint32_t>(hash >> 32), static_cast<uint32_t>(i + 1)};
  }
}

uint32_t TextCodes::operator[](std::string_view text) const noexcept {
  const uint64_t hash = seeded_hash(text.data(), text.size());
  const size_t mask = slots_.size() - 1;
  const auto tag = static_cast<uint32_t>(hash >> 32);
  for (size_t at = hash & mask; slots_[at].place != 0; at = (at + 1) & mask)
    if (slots_[at].tag == tag && (*values_)[slots_[at].place - 1] == text)
      return slots_[at].place - 1;
  return static_cast<uint32_t>(values_->size());
}

}  // namespace spinney::columns
