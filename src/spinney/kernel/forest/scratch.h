// Memory that a kernel works in: one piece per thread, grown when first needed and then kept, so
// that scoring allocates nothing.
#pragma once

#include <cstddef>
#include <cstdint>

namespace spinney::kernel {

// At least `bytes`, 64-byte aligned, valid until this thread's next call. Contents are left over.
uint8_t* thread_scratch(size_t bytes);

}  // namespace spinney::kernel
