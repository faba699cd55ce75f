// The hash of a category's text that CatBoost has: the low 32 bits of CityHash64 1.0.2 (2011),
// whose later versions give other numbers.
#pragma once

#include <cstdint>
#include <string_view>

namespace spinney {

uint32_t category_hash(std::string_view text);

}  // namespace spinney
