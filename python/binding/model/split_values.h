// The values that a model's splits ask about, for tools that make rows which are hard to get right.
#pragma once

#include <nanobind/nanobind.h>

namespace spinney::binding {

// Adds _split_values(model): for each feature a pair of float64 arrays, its distinct thresholds and
// the categories that its splits name, both sorted.
void define_split_values(nanobind::module_& module);

}  // namespace spinney::binding
