// The room observe/ for spinney.metrics: what is recorded on hot paths is recorded here.
#pragma once

#include <nanobind/nanobind.h>

#include "spinney/observe/histogram.h"

namespace spinney::binding {

// count, and multiplied by `scale`: sum, mean, min, max, p50, p90, p95, p99, p999.
nanobind::dict describe_histogram(const observe::HistogramSnapshot& read, double scale);

void define_metrics(nanobind::module_& module);

}  // namespace spinney::binding
