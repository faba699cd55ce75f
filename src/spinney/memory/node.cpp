#include "spinney/memory/node.h"

#include <cstdio>
#include <cstdlib>

#if defined(__linux__)
#include <sched.h>

#include "spinney/base/at_load.h"
#endif

namespace spinney::memory {
namespace {

// The last number of a list such as "0", "0-3" or "0,2-5", plus one.
unsigned count_online() {
  std::FILE* file = std::fopen("/sys/devices/system/node/online", "re");
  if (!file) return 1;
  char text[256] = {};
  const size_t n = std::fread(text, 1, sizeof text - 1, file);
  std::fclose(file);
  size_t at = n;
  while (at > 0 && !(text[at - 1] >= '0' && text[at - 1] <= '9')) --at;
  while (at > 0 && text[at - 1] >= '0' && text[at - 1] <= '9') --at;
  const unsigned long last = std::strtoul(text + at, nullptr, 10);
  return last < 4096 ? static_cast<unsigned>(last) + 1 : 1;
}

}  // namespace

unsigned node_count() {
  static const unsigned count = count_online();
  return count;
}
namespace {
const AtLoad kCount{&node_count};
}

unsigned current_node() {
#if defined(__linux__)
  unsigned cpu = 0;
  unsigned node = 0;
  if (getcpu(&cpu, &node) == 0) return node;
#endif
  return 0;
}

}  // namespace spinney::memory
