// The test program's own operator new, which can be made to fail.
#pragma once

#include <cstdint>

namespace spinney::engine::testing_world {

// Of a thousand allocations of this thread so many fail, drawn from failing_state.
extern thread_local uint32_t failing_per_mille;
extern thread_local uint64_t failing_state;

}  // namespace spinney::engine::testing_world
