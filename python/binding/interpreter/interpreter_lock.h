// The interpreter's lock, let go of and taken again so that the interpreter may end meanwhile.
//
// When it ends, Python before 3.14 ends whichever thread asks for its lock by unwinding that
// thread's stack. A frame of C++ that may not throw (a destructor, a dispatcher of calls, a worker)
// turns that into an abort of the whole process, and one that gives references back as it goes does
// so without the lock. Such a thread is put to sleep for good instead, which is what later Pythons
// do themselves.
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

// function(arguments...): a new reference, or nullptr with a Python error set.
template <typename... Arguments>
PyObject* call_python(PyObject* function, Arguments... arguments) {
  return asleep_at_exit([&] {
    return PyObject_CallFunctionObjArgs(function, arguments..., static_cast<PyObject*>(nullptr));
  });
}

// The interpreter's lock, on a thread that Python did not start. Not held once the interpreter is
// ending: nothing of Python's may be touched then.
class WithInterpreter {
 public:
  WithInterpreter();
  ~WithInterpreter();
  WithInterpreter(const WithInterpreter&) = delete;
  bool held() const { return held_; }

 private:
  PyGILState_STATE state_{};
  bool held_;
};

// Lets no further thread take the lock by a WithInterpreter, and waits (a second at most) for those
// that are about to. Under the interpreter's lock, before the interpreter ends.
void refuse_newcomers();
// In a forked child, where none of those threads runs.
void forget_newcomers();

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
