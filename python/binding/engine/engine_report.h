// What an Engine says of itself, as Python reads it.
#pragma once

#include <nanobind/nanobind.h>

#include "spinney/engine/engine.h"

namespace spinney::binding {

nanobind::dict stats_of(const engine::Engine& engine);
// All models together, those unloaded included: what became of requests, what was run, `stages`.
nanobind::dict totals_of(const engine::Engine& engine);
// (ended, seconds of the model, rows) of the latest batches and calls, the oldest first.
nanobind::list calls_of(const engine::Engine& engine, size_t calls_max);
// A dict for each model: its counts, measured costs, and `stages`: name -> histogram in seconds,
// and that of the batches' rows.
nanobind::list models_of(const engine::Engine& engine);

}  // namespace spinney::binding
