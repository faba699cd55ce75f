#include "spinney/engine/fork.h"

#include <pthread.h>

#include <algorithm>
#include <mutex>
#include <vector>

#include "spinney/engine/core.h"

namespace spinney::engine {
namespace {

// Never destroyed: a fork may happen while the process exits.
struct Watched {
  std::mutex mutex;
  std::vector<Core*> cores;
};
Watched& watched() {
  static auto* all = new Watched;
  return *all;
}

void prepare() {
  watched().mutex.lock();
  for (Core* core : watched().cores) core->before_fork();
}
void in_parent() {
  for (Core* core : watched().cores) core->after_fork(false);
  watched().mutex.unlock();
}
void in_child() {
  for (Core* core : watched().cores) core->after_fork(true);
  watched().mutex.unlock();
}

}  // namespace

void watch_forks(Core* core) {
  static const int installed = pthread_atfork(prepare, in_parent, in_child);
  (void)installed;
  const std::lock_guard lock(watched().mutex);
  watched().cores.push_back(core);
}

void unwatch_forks(Core* core) {
  const std::lock_guard lock(watched().mutex);
  std::erase(watched().cores, core);
}

}  // namespace spinney::engine
