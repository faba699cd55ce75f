#include "server/protocol/infer_answer.h"

#include <algorithm>
#include <cstring>

#include "server/protocol/numbers.h"
#include "spinney/base/checked_size.h"

namespace spinney::server::protocol {
namespace {

using repository::Datatype;
using repository::Served;
using repository::ServedOutput;

// Elements whose text is written between two looks at the memory that is left.
constexpr size_t kBlock = 64;

bool put_number(Bytes& out, uint64_t number) {
  char* to = out.room(kNumberBytesMax);
  if (!to) return false;
  out.grow(static_cast<size_t>(write_integer(to, static_cast<int64_t>(number)) - to));
  return true;
}

// n values, `write(to, i)` each, with commas between them and, where they are nested, brackets
// around each row.
template <typename Write>
bool put_values(Bytes& out, size_t rows, size_t columns, bool nested, Write&& write) {
  if (!out.append("[")) return false;
  const size_t all = rows * columns;
  size_t column = 0;
  for (size_t first = 0; first < all; first += kBlock) {
    const size_t end = std::min(all, first + kBlock);
    char* const begin = out.room((end - first) * (kNumberBytesMax + 3));
    if (!begin) return false;
    char* to = begin;
    for (size_t i = first; i < end; ++i) {
      if (i > 0) *to++ = ',';
      if (nested && column == 0) *to++ = '[';
      to = write(to, i);
      if (++column == columns) {
        column = 0;
        if (nested) *to++ = ']';
      }
    }
    out.grow(static_cast<size_t>(to - begin));
  }
  return out.append("]");
}

template <typename Value>
Value value_at(const void* data, size_t i) {
  return static_cast<const Value*>(data)[i];
}

bool put_labels(Bytes& out, const Served& served, const ServedOutput& output,
                const Computed& computed, bool nested) {
  const auto* classes = static_cast<const int32_t*>(computed.table(output.kind).data);
  const size_t columns = output.columns;
  if (!out.append("[")) return false;
  for (size_t i = 0; i < computed.rows * columns; ++i) {
    const size_t target = i % columns;
    const auto& texts = served.labels()[target];
    const std::string& text = texts[static_cast<size_t>(classes[i])].json;
    if (i > 0 && !out.append(",")) return false;
    if (nested && target == 0 && !out.append("[")) return false;
    if (!out.append(text)) return false;
    if (nested && target + 1 == columns && !out.append("]")) return false;
  }
  return out.append("]");
}

// Rows of float32 whose answers the engine has as float64 are float32 numbers in it.
bool is_narrow(const Served& served, const InferRequest& request) {
  return served.has_narrow() && request.rows().type == NumberType::kFloat32;
}

Datatype type_of(const ServedOutput& output, bool narrow) {
  return narrow ? output.narrow_type : output.type;
}

size_t binary_size(const Served& served, const ServedOutput& output, const Computed& computed,
                   bool narrow) {
  if (!output.labels)
    return computed.rows * output.columns * repository::size_of(type_of(output, narrow));
  const auto* classes = static_cast<const int32_t*>(computed.table(output.kind).data);
  size_t bytes = 0;
  for (size_t i = 0; i < computed.rows * output.columns; ++i)
    bytes += served.labels()[i % output.columns][static_cast<size_t>(classes[i])].binary.size();
  return bytes;
}

template <typename From, typename To>
void convert(const void* from, size_t n, char* to) {
  for (size_t i = 0; i < n; ++i) {
    const To value = static_cast<To>(value_at<From>(from, i));
    std::memcpy(to + i * sizeof value, &value, sizeof value);
  }
}

bool put_binary(Bytes& out, const Served& served, const ServedOutput& output,
                const Computed& computed, bool narrow) {
  const size_t bytes = binary_size(served, output, computed, narrow);
  char* to = out.room(bytes);
  if (!to) return false;
  const Computed::Table& table = computed.table(output.kind);
  const size_t n = computed.rows * output.columns;
  if (output.labels) {
    const auto* classes = static_cast<const int32_t*>(table.data);
    for (size_t i = 0; i < n; ++i) {
      const std::string& one =
          served.labels()[i % output.columns][static_cast<size_t>(classes[i])].binary;
      to += one.copy(to, one.size());
    }
  } else if (table.shape.type == ElementType::kInt32) {
    convert<int32_t, int64_t>(table.data, n, to);
  } else if (table.shape.type == ElementType::kFloat64 &&
             type_of(output, narrow) == Datatype::kFp32) {
    convert<double, float>(table.data, n, to);
  } else if (bytes > 0) {
    std::memcpy(to, table.data, bytes);
  }
  out.grow(bytes);
  return true;
}

bool put_output(Bytes& out, const Served& served, const InferRequest& request,
                const RequestedOutput& asked, const Computed& computed, bool narrow) {
  const ServedOutput& output = *asked.output;
  bool fine = out.append("{\"name\":\"") && out.append(output.name) &&
              out.append("\",\"datatype\":\"") &&
              out.append(repository::name_of(type_of(output, narrow))) &&
              out.append("\",\"shape\":[") && put_number(out, computed.rows);
  if (!output.flat) fine = fine && out.append(",") && put_number(out, output.columns);
  fine = fine && out.append("]");
  if (asked.binary)
    return fine && out.append(",\"parameters\":{\"binary_data_size\":") &&
           put_number(out, binary_size(served, output, computed, narrow)) && out.append("}}");
  return fine && out.append(",\"data\":") &&
         write_values(out, served, output, computed, narrow, request.literals(), false) &&
         out.append("}");
}

}  // namespace

Computed Computed::of(const Answer& answer, AnswerKind kind) {
  Computed computed;
  computed.rows = answer.rows;
  if (!answer.blocks || answer.tensors() == 1) {
    computed.tables[static_cast<size_t>(kind)] = {answer.data, answer.shape};
    return computed;
  }
  for (size_t i = 0; i < kAnswerKinds; ++i)
    if (const auto tensor = answer.tensor(output_of(static_cast<AnswerKind>(i))))
      computed.tables[i] = {tensor->data, tensor->shape};
  return computed;
}

bool write_values(Bytes& out, const Served& served, const ServedOutput& output,
                  const Computed& computed, bool narrow, bool literals, bool nested) {
  const Computed::Table& table = computed.table(output.kind);
  if (output.labels) return put_labels(out, served, output, computed, nested);
  const auto put = [&](auto write) {
    return put_values(out, computed.rows, output.columns, nested, write);
  };
  const void* data = table.data;
  if (table.shape.type == ElementType::kInt32)
    return put([&](char* to, size_t i) { return write_integer(to, value_at<int32_t>(data, i)); });
  if (table.shape.type == ElementType::kFloat32)
    return put(
        [&](char* to, size_t i) { return write_number(to, value_at<float>(data, i), literals); });
  if (type_of(output, narrow) == Datatype::kFp32)
    return put([&](char* to, size_t i) {
      return write_number(to, static_cast<float>(value_at<double>(data, i)), literals);
    });
  return put(
      [&](char* to, size_t i) { return write_number(to, value_at<double>(data, i), literals); });
}

bool write_text(Bytes& out, std::string_view text) {
  bool fine = out.append("\"");
  for (const char c : text) {
    const auto code = static_cast<unsigned char>(c);
    if (code < 0x20) {
      constexpr char kHex[] = "0123456789abcdef";
      const char escape[] = {'\\', 'u', '0', '0', kHex[code >> 4], kHex[code & 15]};
      fine = fine && out.append({escape, sizeof escape});
    } else {
      if (c == '"' || c == '\\') fine = fine && out.append("\\");
      fine = fine && out.append({&c, 1});
    }
  }
  return fine && out.append("\"");
}

bool write_predictions(Bytes& out, const Served& served, const InferRequest& request,
                       const Computed& computed) {
  const ServedOutput& output = *request.outputs().front().output;
  return out.append("{\"predictions\":") &&
         write_values(out, served, output, computed, is_narrow(served, request), false,
                      !output.flat) &&
         out.append("}");
}

bool write_answer(Bytes& out, const Served& served, const InferRequest& request,
                  const Computed& computed, size_t& json_bytes) {
  const size_t first = out.size();
  const bool narrow = is_narrow(served, request);
  json_bytes = 0;
  bool fine = out.append("{\"model_name\":\"") && out.append(served.name()) &&
              out.append("\",\"model_version\":\"") && out.append(served.version()) &&
              out.append("\"");
  if (request.id().data())  // as it came, so that it need not be read
    fine = fine && out.append(",\"id\":\"") && out.append(request.id()) && out.append("\"");
  fine = fine && out.append(",\"outputs\":[");
  bool is_first = true, has_binary = false;
  for (const RequestedOutput& asked : request.outputs()) {
    if (!std::exchange(is_first, false)) fine = fine && out.append(",");
    fine = fine && put_output(out, served, request, asked, computed, narrow);
    has_binary = has_binary || asked.binary;
  }
  fine = fine && out.append("]}");
  if (!has_binary || !fine) return fine;
  json_bytes = out.size() - first;
  for (const RequestedOutput& asked : request.outputs())
    if (asked.binary) fine = fine && put_binary(out, served, *asked.output, computed, narrow);
  return fine;
}

}  // namespace spinney::server::protocol
