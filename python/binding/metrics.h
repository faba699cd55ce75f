// The room observe/ for spinney.metrics: what is recorded on hot paths is recorded here.
#pragma once

namespace nanobind {
class module_;
}

namespace spinney::binding {

void define_metrics(nanobind::module_& module);

}  // namespace spinney::binding
