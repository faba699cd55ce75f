// What an Engine says of itself, as Python reads it.
#pragma once

#include <nanobind/nanobind.h>

#include <string>

#include "spinney/engine/engine.h"
#include "spinney/observe/prometheus.h"

namespace spinney::binding {

nanobind::dict stats_of(const engine::Engine& engine);
// A dict for each model: its counts, measured costs, and `stages`: name -> histogram in seconds,
// and that of the batches' rows.
nanobind::list models_of(const engine::Engine& engine);
// The same histograms as Prometheus scrapes them. A version ends where "#" begins, which
// InferenceEngine puts before the number of a load.
std::string prometheus_of(const engine::Engine& engine, const observe::Labels& labels);

}  // namespace spinney::binding
