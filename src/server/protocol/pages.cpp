// What a desk answers besides predictions: health, what is served, and metrics.
#include <charconv>

#include "server/protocol/desk.h"
#include "server/protocol/infer_answer.h"
#include "spinney/engine/families.h"
#include "spinney/observe/process.h"
#include "spinney/observe/prometheus.h"

namespace spinney::server::protocol {
namespace {

using http1::AnswerHead;
using http1::Exchange;
using repository::Served;
using repository::ServedOutput;

void end(Exchange& exchange, int status = 200) {
  AnswerHead head;
  head.status = status;
  exchange.finish(head);
}

// Allocates, as none of these pages is asked often.
void add_tensor(std::string& to, std::string_view name, std::string_view datatype,
                const std::string& shape, bool is_first) {
  if (!is_first) to += ',';
  to.append("{\"name\":\"").append(name).append("\",\"datatype\":\"").append(datatype);
  to.append("\",\"shape\":[").append(shape).append("]}");
}

std::string shape_of(const ServedOutput& output) {
  return output.flat ? "-1" : "-1," + std::to_string(output.columns);
}

std::string input_of(const Served& served) {
  std::string text;
  add_tensor(text, "input", name_of(served.input_type()), "-1," + std::to_string(served.width()),
             true);
  return text;
}

}  // namespace

void Desk::health(Exchange& exchange, bool ready) {
  Bytes& out = exchange.begin();
  const bool is_ready = !office_.draining.load(std::memory_order_relaxed);
  if (!ready) {
    (void)out.append("{\"live\":true}");
    return end(exchange);
  }
  (void)out.append(is_ready ? "{\"live\":true,\"ready\":true}" : "{\"live\":true,\"ready\":false}");
  end(exchange, is_ready ? 200 : 503);
}

void Desk::server_metadata(Exchange& exchange) {
  Bytes& out = exchange.begin();
  (void)out.append("{\"name\":\"spinney\",\"version\":");
  (void)write_text(out, office_.version);
  (void)out.append(",\"extensions\":[\"binary_tensor_data\",\"schedule_policy\"]}");
  end(exchange);
}

void Desk::model_metadata(Exchange& exchange, const Served& served) {
  std::string text = "{\"name\":\"" + served.name() + "\",\"versions\":[";
  if (const auto found = directory().models.find(served.name()); found != directory().models.end())
    for (const auto& [version, one] : found->second.by_version)
      text.append(text.back() == '[' ? "\"" : ",\"").append(version).append("\"");
  text.append("],\"platform\":\"spinney\",\"inputs\":[").append(input_of(served));
  text.append("],\"outputs\":[");
  bool is_first = true;
  for (const ServedOutput& output : served.outputs())
    add_tensor(text, output.name, name_of(output.type), shape_of(output),
               std::exchange(is_first, false));
  Bytes& out = exchange.begin();
  (void)out.append(text);
  const auto& names = served.model().description().feature_names;
  if (!names.empty()) {
    (void)out.append("],\"parameters\":{\"feature_names\":[");
    for (size_t i = 0; i < names.size(); ++i) {
      if (i > 0) (void)out.append(",");
      (void)write_text(out, names[i]);
    }
    (void)out.append("]}}");
  } else {
    (void)out.append("]}");
  }
  end(exchange);
}

// As tritonclient's get_model_config reads it: of what Triton's file has, what is true here.
void Desk::model_config(Exchange& exchange, const Served& served) {
  const auto type_of = [](repository::Datatype type) {
    const std::string_view name = name_of(type);
    return std::string("TYPE_") + (name == "BYTES" ? "STRING" : std::string(name));
  };
  std::string text = "{\"name\":\"" + served.name() +
                     "\",\"platform\":\"spinney\",\"backend\":\"spinney\",\"max_batch_size\":0,"
                     "\"input\":[{\"name\":\"input\",\"data_type\":\"";
  text += type_of(served.input_type());
  text.append("\",\"dims\":[-1,").append(std::to_string(served.width())).append("]}],\"output\":[");
  bool is_first = true;
  for (const ServedOutput& output : served.outputs()) {
    if (!std::exchange(is_first, false)) text += ',';
    text.append("{\"name\":\"").append(output.name).append("\",\"data_type\":\"");
    text.append(type_of(output.type)).append("\",\"dims\":[").append(shape_of(output));
    text.append("]}");
  }
  (void)exchange.begin().append(text + "]}");
  end(exchange);
}

void Desk::model_ready(Exchange& exchange, const Path& path) {
  const repository::ServedPtr* served = find(path);
  if (!served) return unknown_model(exchange, path);
  const bool is_ready = !office_.draining.load(std::memory_order_relaxed);
  Bytes& out = exchange.begin();
  (void)out.append("{\"name\":\"");
  (void)out.append((*served)->name());
  (void)out.append(is_ready ? "\",\"ready\":true}" : "\",\"ready\":false}");
  end(exchange, is_ready ? 200 : 503);
}

void Desk::metrics(Exchange& exchange) {
  const std::string text = engine::prometheus_of(office_.engine, {}) + office_.server_metrics();
  (void)exchange.begin().append(text);
  AnswerHead head;
  head.type = observe::kPrometheusContentType;
  exchange.finish(head);
}

void Desk::unknown_model(Exchange& exchange, const Path& path) {
  constexpr size_t kShown = 100;
  std::string text = "there is no model '" + std::string(path.model.substr(0, kShown)) + "'";
  if (!path.version.empty() && directory().models.count(std::string(path.model)))
    text = "model '" + std::string(path.model) + "' has no version '" +
           std::string(path.version.substr(0, kShown)) + "'";
  exchange.refuse(404, text);
}

}  // namespace spinney::server::protocol
