// What the server's tests and fuzzers have in common: a model of two columns, and a session that is
// driven by hand.
#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "server/http1/session.h"
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

}  // namespace spinney::server::testing
