// The engine as Python code holds it; spinney.engine.InferenceEngine is made of it.
#pragma once

namespace nanobind {
class module_;
}

namespace spinney::binding {

void define_engine(nanobind::module_& module);

}  // namespace spinney::binding
