// CacheBase: the part of spinney.LRUTTLCache that every lookup runs through.
#pragma once

namespace nanobind {
class module_;
}

namespace spinney::binding {

void define_cache(nanobind::module_& module);

}  // namespace spinney::binding
