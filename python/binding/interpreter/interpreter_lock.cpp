#include "binding/interpreter/interpreter_lock.h"

#include <atomic>
#include <chrono>
#include <thread>

namespace spinney::binding {
namespace {

std::atomic<bool> ending{false};
std::atomic<int> entering{0};

}  // namespace

WithInterpreter::WithInterpreter() {
  entering.fetch_add(1);
  held_ = !ending.load();
  if (held_) state_ = asleep_at_exit([] { return PyGILState_Ensure(); });
  entering.fetch_sub(1);
}

WithInterpreter::~WithInterpreter() {
  if (held_) PyGILState_Release(state_);
}

void forget_newcomers() { entering.store(0); }

void refuse_newcomers() {
  ending.store(true);
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(1);
  const Unlocked released;
  while (entering.load() > 0 && std::chrono::steady_clock::now() < until)
    std::this_thread::sleep_for(std::chrono::microseconds(100));
}

}  // namespace spinney::binding
