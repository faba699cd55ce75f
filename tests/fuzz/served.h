// What the server's fuzzers ask: the model of its tests, behind an engine without threads.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "server/http1/session.h"
#include "server/protocol/desk.h"
#include "server/repository/repository.h"
#include "server/sum_model.h"
#include "spinney/engine/engine.h"

namespace spinney::fuzz {

struct Served {
  Served() {
    if (!repository.load("sum", "1", server::testing::sum_model()).ok()) std::abort();
    office.server_metrics = [] { return std::string(); };
    desk.set_wake([] {});
    office.budget = &budget;
    limits.body_bytes = size_t{1} << 20;
  }
  server::Budget budget{size_t{64} << 20};
  std::unique_ptr<engine::Engine> engine = [] {
    engine::EngineOptions options;
    options.threads = false;
    return engine::Engine::make(std::move(options)).value();
  }();
  server::repository::Repository repository{*engine};
  server::protocol::Office office{*engine, repository, "fuzz", size_t{1} << 20, {false}, {}};
  server::protocol::Desk desk{office};
  server::Spares spares{&budget};
  server::http1::Limits limits;
  server::http1::Counts counts;
  server::http1::Shared shared{limits, desk, spares, SteadyClock::instance(), counts};
};

}  // namespace spinney::fuzz
