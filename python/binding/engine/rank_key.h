// RankKey: the ranks of rows as a key for caches (spinney/rank/row_key.h), for Python.
#pragma once

#include <Python.h>

#include "spinney/engine/request_key.h"

namespace nanobind {
class module_;
}

namespace spinney::binding {

// What a RankKey of Python's writes, for an engine's cache.
engine::RowKeys row_keys_of(PyObject* rank_key);

void define_rank_key(nanobind::module_& module);

}  // namespace spinney::binding
