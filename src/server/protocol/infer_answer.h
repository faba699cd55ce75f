// The answer of an Open Inference request: JSON, and tensors behind it where they were asked for
// so.
#pragma once

#include <array>
#include <cstddef>

#include "server/bytes/bytes.h"
#include "server/protocol/infer_request.h"
#include "server/repository/served.h"
#include "spinney/request/request.h"

namespace spinney::server::protocol {

// What the engine computed, by kind; null where that was not asked for.
struct Computed {
  struct Table {
    const void* data = nullptr;
    AnswerShape shape;
  };
  std::array<Table, kAnswerKinds> tables{};
  size_t rows = 0;

  static Computed of(const Answer& answer, AnswerKind kind);
  const Table& table(AnswerKind kind) const { return tables[static_cast<size_t>(kind)]; }
};

// Appends it. json_bytes is set where tensors follow the JSON. False if there is no memory.
bool write_answer(Bytes& out, const repository::Served& served, const InferRequest& request,
                  const Computed& computed, size_t& json_bytes);

// {"predictions": [...]} of the first output, rows of several columns nested.
bool write_predictions(Bytes& out, const repository::Served& served, const InferRequest& request,
                       const Computed& computed);

// One output's values as (nested) arrays of JSON.
bool write_values(Bytes& out, const repository::Served& served,
                  const repository::ServedOutput& output, const Computed& computed, bool narrow,
                  bool literals, bool nested);
// "text" with the escapes that JSON needs.
bool write_text(Bytes& out, std::string_view text);

}  // namespace spinney::server::protocol
