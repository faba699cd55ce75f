// Numbers that the environment gives to long tests.
#pragma once

#include <cstdint>
#include <cstdlib>

namespace spinney::engine::testing_world {

inline uint64_t from_environment(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

}  // namespace spinney::engine::testing_world
