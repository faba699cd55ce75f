// The interpreter's lock, let go of and taken again so that the interpreter may end meanwhile.
//
// When it ends, Python before 3.14 ends whichever thread asks for its lock by unwinding that
// thread's stack. A frame of C++ that may not throw (a destructor, a dispatcher of calls, a worker)
// turns that into an abort of the whole process. Such a thread is put to sleep for good instead,
// which is what later Pythons do themselves.
#pragma once

#include <Python.h>
#include <cxxabi.h>
#include <unistd.h>

namespace spinney::binding {

// call(), which may take the interpreter's lock. To be used around the innermost call: what is in
// frames within would be cleaned up without the lock.
template <typename Call>
auto asleep_at_exit(Call&& call) -> decltype(call()) {
  try {
    return call();
  } catch (abi::__forced_unwind&) {
    for (;;) pause();
  }
}

// Without the interpreter's lock while it lives.
class Unlocked {
 public:
  Unlocked() : state_(PyEval_SaveThread()) {}
  ~Unlocked() {
    asleep_at_exit([this] { PyEval_RestoreThread(state_); });
  }
  Unlocked(const Unlocked&) = delete;

 private:
  PyThreadState* state_;
};

}  // namespace spinney::binding
