// AtLoad: makes what a function keeps in a local static while the program, or the library, is
// loaded, when no other thread is there yet.
//
// The first call of such a function holds a guard. If another thread forks meanwhile, the child
// finds the guard held by a thread that it does not have, and its own first call waits for ever.
#pragma once

namespace spinney {

class AtLoad {
 public:
  template <typename Function>
  explicit AtLoad(Function* function) {
    (void)function();
  }
};

}  // namespace spinney
