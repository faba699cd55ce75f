#include "spinney/cpu/affinity.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#if defined(__linux__)
#include <sched.h>
#else
#include <thread>
#endif

namespace spinney::cpu {

#if defined(__linux__)
namespace {

constexpr size_t kMaskCpusMax = 1u << 20;

void current(unsigned& cpu, unsigned& node) {
  cpu = node = 0;
  static_cast<void>(getcpu(&cpu, &node));  // without a system call, where the kernel allows it
}

}  // namespace

std::vector<unsigned> affinity() {
  // A mask as large as the kernel's own; it grows until the kernel accepts it.
  for (size_t cpus = 1024; cpus <= kMaskCpusMax; cpus *= 4) {
    cpu_set_t* mask = CPU_ALLOC(cpus);
    if (!mask) break;
    const size_t size = CPU_ALLOC_SIZE(cpus);
    const bool read = sched_getaffinity(0, size, mask) == 0;
    std::vector<unsigned> found;
    for (size_t cpu = 0; read && cpu < cpus; ++cpu)
      if (CPU_ISSET_S(cpu, size, mask)) found.push_back(static_cast<unsigned>(cpu));
    CPU_FREE(mask);
    if (!found.empty()) return found;
  }
  return {0};
}

Status set_affinity(const std::vector<unsigned>& cpus) {
  if (cpus.empty()) return invalid_argument("no CPU is given to run on");
  const size_t last = *std::max_element(cpus.begin(), cpus.end());
  if (last >= kMaskCpusMax) return invalid_argument("there is no CPU " + std::to_string(last));
  cpu_set_t* mask = CPU_ALLOC(last + 1);
  if (!mask) return Error{Code::kIo, "no memory for a mask of CPUs"};
  const size_t size = CPU_ALLOC_SIZE(last + 1);
  CPU_ZERO_S(size, mask);
  for (const unsigned cpu : cpus) CPU_SET_S(cpu, size, mask);
  const int failed = sched_setaffinity(0, size, mask) == 0 ? 0 : errno;
  CPU_FREE(mask);
  if (failed == 0) return {};
  return Error{Code::kIo, "the kernel does not let this thread run on CPU " + std::to_string(last) +
                              ": " + std::strerror(failed)};
}

unsigned current_cpu() {
  unsigned cpu = 0;
  unsigned node = 0;
  current(cpu, node);
  return cpu;
}

unsigned current_node() {
  unsigned cpu = 0;
  unsigned node = 0;
  current(cpu, node);
  return node;
}

#else

std::vector<unsigned> affinity() {
  std::vector<unsigned> all(std::max(1u, std::thread::hardware_concurrency()));
  for (size_t i = 0; i < all.size(); ++i) all[i] = static_cast<unsigned>(i);
  return all;
}
Status set_affinity(const std::vector<unsigned>&) {
  return unsupported("threads cannot be pinned on this operating system");
}
unsigned current_cpu() { return 0; }
unsigned current_node() { return 0; }

#endif

namespace {

constexpr unsigned kNotPlaced = ~0u;
thread_local unsigned placed_on = kNotPlaced;

}  // namespace

unsigned near_node() { return placed_on == kNotPlaced ? current_node() : placed_on; }
void place_on_node(unsigned node) { placed_on = node; }

Result<Pinned> Pinned::to(unsigned cpu) {
  std::vector<unsigned> before = affinity();
  SPINNEY_TRY(set_affinity({cpu}));
  return Pinned(std::move(before));
}

Pinned::Pinned(Pinned&& other) noexcept : before_(std::exchange(other.before_, {})) {}

Pinned::~Pinned() {
  // A mask that was read can be refused later only if CPUs went off line; the thread then stays.
  if (!before_.empty()) static_cast<void>(set_affinity(before_).ok());
}

}  // namespace spinney::cpu
