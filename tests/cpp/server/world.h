// A server without sockets: an engine, a model of two columns, and sessions that are driven by
// hand.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "server/http1/session.h"
#include "server/protocol/desk.h"
#include "server/repository/repository.h"
#include "spinney/engine/engine.h"
#include "spinney/spinney.h"

namespace spinney::server::testing {

// x + 10 y.
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

struct World {
  World() {
    EXPECT_TRUE(repository.load("sum", "1", sum_model()).ok());
    office.server_metrics = [] { return std::string(); };
    desk.set_wake([] {});
  }
  std::unique_ptr<engine::Engine> engine = [] {
    engine::EngineOptions options;
    options.num_workers = 1;
    return engine::Engine::make(std::move(options)).value();
  }();
  repository::Repository repository{*engine};
  protocol::Office office{*engine, repository, "test", size_t{1} << 20, {false}, {}};
  protocol::Desk desk{office};
  Budget budget{size_t{64} << 20};
  Spares spares{&budget};
  http1::Limits limits;
  http1::Counts counts;
  http1::Shared shared{limits, desk, spares, SteadyClock::instance(), counts};
  ~World() { engine->stop(kSecond); }  // before the desk that it tells
};

// Gives the session all of it, in pieces of at most so many bytes; what it wants to send is read at
// once.
inline std::string feed(http1::Session& session, std::string_view text, size_t piece) {
  std::string sent;
  const auto take = [&] {
    const auto pending = session.pending();
    sent.append(pending.data(), pending.size());
    session.sent(pending.size());
  };
  while (!text.empty() && !session.is_last()) {
    const auto room = session.room();
    const size_t n = std::min({piece, text.size(), room.size()});
    if (n == 0) break;
    text.copy(room.data(), n);
    text.remove_prefix(n);
    session.received(n);
    while (!session.pending().empty()) take();
  }
  while (!session.pending().empty()) take();
  return sent;
}

inline std::string post(std::string_view body, std::string_view more = "") {
  std::string text = "POST /v2/models/sum/infer HTTP/1.1\r\nHost: h\r\n";
  text.append(more).append("Content-Length: ").append(std::to_string(body.size()));
  return text.append("\r\n\r\n").append(body);
}

}  // namespace spinney::server::testing
