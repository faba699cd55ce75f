// RankKey: the ranks of rows as a key for caches (spinney/rank/row_key.h), for Python.
#pragma once

namespace nanobind {
class module_;
}

namespace spinney::binding {

void define_rank_key(nanobind::module_& module);

}  // namespace spinney::binding
