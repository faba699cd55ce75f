#include "binding/interpreter/references.h"

#include <new>

#include "binding/interpreter/interpreter_lock.h"
#include "binding/model/model.h"

namespace spinney::binding {
namespace {

bool emptying = false;  // guarded by the interpreter's lock

}  // namespace

void LeaveReference::operator()(Reference* reference) const noexcept {
  Reference* top = left_references.load(std::memory_order_relaxed);
  do {
    reference->next = top;
  } while (!left_references.compare_exchange_weak(top, reference, std::memory_order_release,
                                                  std::memory_order_relaxed));
}

std::shared_ptr<void> share_reference(PyObject* object) {
  Owned held(object);
  AnyThread reference(new Reference);
  reference->object = held.release();
  std::shared_ptr<Reference> shared(std::move(reference));
  return {shared, shared->object};
}

void forget_emptying() { emptying = false; }

void empty_heap() {
  // What goes may run any code, which may come here again, or let in a thread that does: whoever
  // began goes on until nothing is left, so that a long chain of objects is no deep recursion.
  if (emptying) return;
  emptying = true;
  while (Reference* at = left_references.exchange(nullptr, std::memory_order_acquire)) {
    while (at) {
      const std::unique_ptr<Reference> reference(at);
      at = reference->next;
      asleep_at_exit([&] {
        Py_XDECREF(reference->object);
        Py_XDECREF(reference->second);
      });
    }
  }
  emptying = false;
}

}  // namespace spinney::binding
