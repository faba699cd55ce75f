// Call: one request for a prediction, from when it is read until it is answered. Calls belong to a
// Desk, which uses them again and again.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "server/http1/exchange.h"
#include "server/protocol/infer_answer.h"
#include "server/protocol/infer_request.h"
#include "server/repository/repository.h"
#include "spinney/request/row_buffer.h"

namespace spinney::server::protocol {

// In which words the request came, and the answer goes.
enum class Dialect : uint8_t { kTensors, kPredictions };

struct Call {
  // Both what the body expands to and its rows count as memory of connections.
  explicit Call(Budget* budget) : request(budget), expanded(budget) {}

  http1::Exchange* exchange = nullptr;  // null: its client has gone
  Dialect dialect = Dialect::kTensors;
  const repository::Served* served = nullptr;
  repository::ServedPtr kept;  // of a request that is answered later
  InferRequest request;
  Bytes expanded;                         // the body, where it came compressed
  AnswerKind kind = AnswerKind::kValues;  // if one is asked for
  std::array<std::string_view, kAnswerKinds> kinds{};
  size_t kinds_count = 0;
  RequestId id;

  // What another thread was told, copied there.
  std::optional<Error> error;
  int64_t retry_after_ns = 0;
  Computed computed;
  request::RowBuffer answer;
  Call* next = nullptr;
};

}  // namespace spinney::server::protocol
