// Workers: threads that help a caller with parts of one call.
//
// One pool for the process, grown to what the largest call asks for and kept. The caller works too
// and never waits for a helper that has not begun, so a call needs no free worker to finish, and
// calls from several threads share the helpers there are. After fork() the child starts a pool of
// its own when it first needs one. The pool is never destroyed: at exit its threads sleep.
#pragma once

#include <cstddef>

namespace spinney::plan {

// Pool size is limited to this, whatever a caller asks for.
inline constexpr unsigned kWorkersMax = 256;

// A reference to a callable that outlives the call it is given to.
class PartFunction {
 public:
  template <typename Function>
  explicit PartFunction(const Function& function)
      : object_(&function), call_([](const void* object, size_t part) {
          (*static_cast<const Function*>(object))(part);
        }) {}
  void operator()(size_t part) const { call_(object_, part); }

 private:
  const void* object_;
  void (*call_)(const void*, size_t);
};

// Calls run(0) to run(parts - 1), each once, in any order, on the calling thread and up to
// threads - 1 others; returns when all are done. An exception of one of them is thrown again here.
void run_parts(size_t parts, unsigned threads, PartFunction run);

}  // namespace spinney::plan
