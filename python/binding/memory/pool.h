// Arrays over memory of memory::Pool, for spinney.MemoryPool.
#pragma once

namespace nanobind {
class module_;
}

namespace spinney::binding {

void define_pool(nanobind::module_& module);

}  // namespace spinney::binding
