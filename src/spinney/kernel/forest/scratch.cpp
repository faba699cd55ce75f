#include "spinney/kernel/forest/scratch.h"

#include "spinney/base/aligned.h"

namespace spinney::kernel {

uint8_t* thread_scratch(size_t bytes) {
  thread_local AlignedVector<uint8_t> memory;
  if (memory.size() < bytes) memory.resize(bytes + bytes / 4);
  return memory.data();
}

}  // namespace spinney::kernel
