// The test program's own operator new, which can be made to fail.
#pragma once

#include <cstdint>

namespace spinney::engine::testing_world {

// Of a thousand allocations of this thread so many fail, drawn from failing_state(). Functions,
// because gcc's sanitizers take the address of another file's thread_local for null.
uint32_t& failing_per_mille();
uint64_t& failing_state();

}  // namespace spinney::engine::testing_world
