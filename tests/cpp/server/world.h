// A server without sockets: an engine, a model of two columns, and sessions that are driven by
// hand.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>

#include "server/http1/session.h"
#include "server/protocol/desk.h"
#include "server/repository/repository.h"
#include "server/sum_model.h"
#include "spinney/engine/engine.h"
#include "spinney/spinney.h"

namespace spinney::server::testing {

struct World {
  World() {
    EXPECT_TRUE(repository.load("sum", "1", sum_model()).ok());
    office.server_metrics = [] { return std::string(); };
    desk.set_wake([] {});
    office.budget = &budget;
  }
  Budget budget{size_t{64} << 20};
  std::unique_ptr<engine::Engine> engine = [] {
    engine::EngineOptions options;
    options.num_workers = 1;
    return engine::Engine::make(std::move(options)).value();
  }();
  repository::Repository repository{*engine};
  protocol::Office office{*engine, repository, "test", size_t{1} << 20, {false}, {}};
  protocol::Desk desk{office};
  Spares spares{&budget};
  http1::Limits limits;
  http1::Counts counts;
  http1::Shared shared{limits, desk, spares, SteadyClock::instance(), counts};
  ~World() { engine->stop(kSecond); }  // before the desk that it tells
};

inline std::string post(std::string_view body, std::string_view more = "") {
  std::string text = "POST /v2/models/sum/infer HTTP/1.1\r\nHost: h\r\n";
  text.append(more).append("Content-Length: ").append(std::to_string(body.size()));
  return text.append("\r\n\r\n").append(body);
}

}  // namespace spinney::server::testing
