// What the server's fuzzers ask: a model of two columns, x + 10 y, behind an engine without
// threads.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "server/http1/session.h"
#include "server/protocol/desk.h"
#include "server/repository/repository.h"
#include "spinney/engine/engine.h"
#include "spinney/spinney.h"

namespace spinney::fuzz {

inline Model sum_model() {
  Linear linear;
  linear.n_features = 2;
  linear.weights = std::vector<double>{1, 10};
  linear.bias = std::vector<double>{0};
  DescriptionParts parts;
  parts.scorer = make_linear(std::move(linear)).value();
  parts.output.value_type = NumberType::kFloat64;
  return Model::make(std::make_shared<const Description>(make_description(parts).value())).value();
}

struct Served {
  Served() {
    if (!repository.load("sum", "1", sum_model()).ok()) std::abort();
    office.server_metrics = [] { return std::string(); };
    desk.set_wake([] {});
    limits.body_bytes = size_t{1} << 20;
  }
  std::unique_ptr<engine::Engine> engine = [] {
    engine::EngineOptions options;
    options.threads = false;
    return engine::Engine::make(std::move(options)).value();
  }();
  server::repository::Repository repository{*engine};
  server::protocol::Office office{*engine, repository, "fuzz", size_t{1} << 20, {false}, {}};
  server::protocol::Desk desk{office};
  server::Budget budget{size_t{64} << 20};
  server::Spares spares{&budget};
  server::http1::Limits limits;
  server::http1::Counts counts;
  server::http1::Shared shared{limits, desk, spares, SteadyClock::instance(), counts};
};

}  // namespace spinney::fuzz
