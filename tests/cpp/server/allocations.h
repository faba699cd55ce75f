// How often this thread has asked operator new for memory, which this program replaces.
#pragma once

#include <cstddef>

namespace spinney::server::testing {

size_t allocations() noexcept;

}  // namespace spinney::server::testing
