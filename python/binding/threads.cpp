#include "binding/threads.h"

#include "spinney/cpu/count.h"

namespace nb = nanobind;

namespace spinney::binding {

void define_threads(nb::module_& m) {
  m.def("usable_cpus", &cpu::usable_cpus,
        "CPUs that this process may use: those of its affinity mask, or fewer where its control "
        "group has a smaller quota.");
}

}  // namespace spinney::binding
