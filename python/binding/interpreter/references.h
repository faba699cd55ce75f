// References to Python objects that may be given up on any thread.
//
// A thread cannot ask whether it holds the interpreter's lock: PyGILState_Check() says yes on every
// thread once there was a subinterpreter, and after the interpreter's end. So what a worker may be
// the last to let go of is a Reference, which goes to a heap, and whoever is known to hold the lock
// (every method that Python calls) empties it. What is left when the interpreter ends is left.
#pragma once

#include <Python.h>

#include <atomic>
#include <memory>

namespace spinney::binding {

// One or two owned references, and their place in the heap: leaving them there neither allocates
// nor waits, so that it may be done by any thread, in a forked child and while the process ends.
struct Reference {
  PyObject* object = nullptr;
  PyObject* second = nullptr;
  Reference* next = nullptr;
};

struct LeaveReference {
  void operator()(Reference* reference) const noexcept;
};
using AnyThread = std::unique_ptr<Reference, LeaveReference>;

// An owned reference that may go on any thread. Takes it over, also where there is no memory: then
// it is given up, and std::bad_alloc thrown. Under the interpreter's lock.
std::shared_ptr<void> share_reference(PyObject* object);

// Gives up what lies on the heap. Under the interpreter's lock.
void empty_heap();
inline std::atomic<Reference*> left_references{nullptr};
inline void give_up_left_references() {
  if (left_references.load(std::memory_order_relaxed)) empty_heap();
}
// In a forked child, where the thread that did so may not run.
void forget_emptying();

}  // namespace spinney::binding
