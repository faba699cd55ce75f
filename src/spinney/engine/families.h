// What Prometheus scrapes of an engine's models.
#pragma once

#include <string>

#include "spinney/engine/engine.h"
#include "spinney/observe/prometheus.h"

namespace spinney::engine {

// Every family with labels of model and version, and no others but `labels` and what tells its
// samples apart.
std::string prometheus_of(const Engine& engine, const observe::Labels& labels);

}  // namespace spinney::engine
