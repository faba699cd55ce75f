#include "server/protocol/desk.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <new>

#include "server/protocol/errors.h"
#include "server/protocol/inflate.h"

namespace spinney::server::protocol {
namespace {

using http1::Exchange;
using http1::Method;

// The call that this thread is giving to the engine: what is told meanwhile is answered at once.
thread_local Call* submitting = nullptr;
thread_local bool answered_at_once = false;

// Whether the method is the page's own; if not, the request is answered with that.
bool is_allowed(Exchange& exchange, Page page) {
  const Method method = exchange.head().method;
  const bool posts = page == Page::kInfer || page == Page::kPredict || page == Page::kInvocations ||
                     page == Page::kLoad || page == Page::kUnload;
  if (posts ? method == Method::kPost : method == Method::kGet || method == Method::kHead)
    return true;
  exchange.refuse(405, posts ? "this path takes POST" : "this path takes GET", 0,
                  posts ? "POST" : "GET, HEAD");
  return false;
}

// Whatever parameters it has: "Application/JSON; charset=utf-8".
bool is_json(std::string_view type) {
  type = type.substr(0, type.find(';'));
  while (!type.empty() && (type.back() == ' ' || type.back() == '\t')) type.remove_suffix(1);
  constexpr std::string_view kJson = "application/json";
  return std::equal(type.begin(), type.end(), kJson.begin(), kJson.end(),
                    [](char x, char y) { return (x >= 'A' && x <= 'Z' ? x + 32 : x) == y; });
}

}  // namespace

Desk::~Desk() = default;

void Desk::handle(Exchange& exchange) noexcept {
  try {
    Path path;
    read_path(exchange.head().target, path);
    route(exchange, path);
  } catch (const std::bad_alloc&) {
    exchange.refuse(503, "the server is out of memory", 1);
  } catch (const std::exception& thrown) {
    exchange.refuse(500, thrown.what());
  }
}

void Desk::route(Exchange& exchange, Path& path) {
  if (path.page == Page::kUnknown) return exchange.refuse(404, "there is nothing at this path");
  if (!is_allowed(exchange, path.page)) return;
  switch (path.page) {
    case Page::kInvocations:
      if (!find_only_model(exchange, path)) return;
      return infer(exchange, path);
    case Page::kInfer:
    case Page::kPredict:
      return infer(exchange, path);
    case Page::kLive:
      return health(exchange, false);
    case Page::kPing:
    case Page::kReady:
      return health(exchange, true);
    case Page::kServer:
      return server_metadata(exchange);
    case Page::kMetrics:
      return metrics(exchange);
    case Page::kPredictReady:
    case Page::kModelReady:
      return model_ready(exchange, path);
    case Page::kLoad:
    case Page::kUnload:
      return exchange.refuse(403, "models are loaded and unloaded by whoever runs the server");
    case Page::kModel:
    case Page::kModelConfig: {
      const repository::ServedPtr* served = find(path);
      if (!served) return unknown_model(exchange, path);
      return path.page == Page::kModel ? model_metadata(exchange, **served)
                                       : model_config(exchange, **served);
    }
    case Page::kUnknown:
      return;
  }
}

const repository::Directory& Desk::directory() {
  if (const uint64_t epoch = office_.repository.epoch(); epoch != epoch_) {
    directory_ = office_.repository.directory();
    epoch_ = epoch;
  }
  return *directory_;
}

const repository::ServedPtr* Desk::find(const Path& path) {
  return directory().find(path.model, path.version);
}

Call* Desk::take_call() {
  if (free_.empty()) {
    calls_.reserve(calls_.size() + 1);
    free_.reserve(calls_.size() + 1);
    calls_.push_back(std::make_unique<Call>(office_.budget));
    return calls_.back().get();
  }
  Call* call = free_.back();
  free_.pop_back();
  return call;
}

void Desk::give_call(Call* call) noexcept {
  call->exchange = nullptr;
  call->served = nullptr;
  call->kept.reset();
  call->request.clear();
  // A burst's many calls do not keep the budget from those that come after.
  if (free_.size() >= Spares::kKept) call->request.free_memory();
  call->expanded.free();
  call->error.reset();
  call->answer.clear();
  call->computed = {};
  call->id = {};
  free_.push_back(call);  // there is room for all of them
}

void Desk::infer(Exchange& exchange, const Path& path) {
  if (coding_of(exchange.head().field(http1::Field::kContentEncoding)) == Coding::kUnknown)
    return exchange.refuse(415, "the Content-Encodings that are known are gzip and deflate");
  // A model that is replaced between the look at the directory and the engine's is looked for
  // again, and its successor reads the request anew.
  constexpr int kTries = 3;
  for (int tried = 0; tried < kTries; ++tried) {
    const repository::ServedPtr* served = find(path);
    if (!served) break;
    Call* call = take_call();
    call->exchange = &exchange;
    call->served = served->get();
    call->dialect = path.page == Page::kInfer ? Dialect::kTensors : Dialect::kPredictions;
    if (const Status fits = read(*call, office_.body_bytes_max); !fits.ok()) {
      fail(*call, fits.error(), 0);
      return give_call(call);
    }
    if (submit(*call, *served)) return;
  }
  office_.engine.count_unknown();
  unknown_model(exchange, path);
}

// Of a path that names none.
bool Desk::find_only_model(Exchange& exchange, Path& path) {
  const std::string_view type = exchange.head().field(http1::Field::kContentType);
  if (!type.empty() && !is_json(type)) {
    exchange.refuse(415, "this path takes application/json");
    return false;
  }
  const auto& models = directory().models;
  if (models.size() != 1) {
    exchange.refuse(404, "this path is for a server of one model; ask /v2/models/NAME/infer");
    return false;
  }
  path.decoded_model = models.begin()->first;
  path.model = path.decoded_model;
  return true;
}

Status Desk::read(Call& call, size_t expanded_max) {
  const http1::Head& head = call.exchange->head();
  std::string_view body = call.exchange->body();
  const Coding coding = coding_of(head.field(http1::Field::kContentEncoding));
  if (coding != Coding::kNone) {
    SPINNEY_TRY(inflate_body(body, coding, expanded_max, call.expanded));
    body = call.expanded.text();
  }
  if (call.dialect == Dialect::kPredictions) return call.request.read_table(body, *call.served);
  size_t json_bytes = body.size();
  if (head.has(http1::Field::kJsonLength)) {
    const std::string_view text = head.field(http1::Field::kJsonLength);
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), json_bytes);
    if (text.empty() || error != std::errc() || end != text.data() + text.size() ||
        json_bytes > body.size())
      return invalid_argument("Inference-Header-Content-Length is '" + std::string(text) +
                              "', but the body has " + std::to_string(body.size()) + " bytes");
    // A bare tensor: all that its description would say is the model's.
    if (json_bytes == 0) return call.request.read_bare(body, *call.served);
  }
  return call.request.read(body, json_bytes, *call.served);
}

Request Desk::request_of(Call& call) const {
  Request request;
  request.model = call.served->name();
  request.version = call.served->engine_version();
  request.rows = call.request.rows();
  request.priority = call.request.priority();
  if (const int64_t timeout = call.request.timeout_us(); timeout > 0)
    request.deadline_ns =
        timeout > INT64_MAX / 2000 ? kNever : call.exchange->arrived_ns() + timeout * kMicrosecond;
  call.kinds_count = 0;
  for (const RequestedOutput& asked : call.request.outputs()) {
    const std::string_view name = output_of(asked.output->kind);
    const auto end = call.kinds.begin() + static_cast<ptrdiff_t>(call.kinds_count);
    if (std::find(call.kinds.begin(), end, name) == end) call.kinds[call.kinds_count++] = name;
  }
  request.kind = call.kind = call.request.outputs().front().output->kind;
  if (call.kinds_count > 1) request.outputs = {call.kinds.data(), call.kinds_count};
  return request;
}

// False if the engine does not have the model any more; then nothing was counted.
bool Desk::submit(Call& call, const repository::ServedPtr& served) {
  Request request = request_of(call);
  request.completion = this;
  request.context = &call;
  submitting = &call;
  answered_at_once = false;
  const Admission admission = office_.engine.run_or_submit(request);
  submitting = nullptr;
  if (answered_at_once) {
    give_call(&call);
  } else if (admission.ok()) {
    call.id = admission.id;
    call.kept = served;
    call.exchange->pending = &call;
  } else if (admission.refusal == Refusal::kUnknownModel) {
    office_.engine.retract_unknown();
    give_call(&call);
    return false;
  } else {
    fail(call, admission.error(), admission.retry_after_ns);
    give_call(&call);
  }
  return true;
}

void Desk::answer(Call& call, const Computed& computed) noexcept {
  Exchange& exchange = *call.exchange;
  http1::AnswerHead head;
  Bytes& out = exchange.begin();
  if (call.dialect == Dialect::kPredictions
          ? !write_predictions(out, *call.served, call.request, computed)
          : !write_answer(out, *call.served, call.request, computed, head.json_bytes))
    return exchange.refuse(503, "no memory for the answer at this moment", 1);
  if (head.json_bytes) head.type = "application/octet-stream";
  exchange.finish(head);
}

void Desk::fail(Call& call, const Error& error, int64_t retry_after_ns) noexcept {
  call.exchange->refuse(http_status(error.code), error.message,
                        retry_after_s(error.code, retry_after_ns));
}

// By the engine, on any thread.
void Desk::finish(std::span<Finished> finished) noexcept {
  bool wakes = false;
  for (const Finished& one : finished) {
    auto* call = static_cast<Call*>(one.context);
    if (call == submitting) {
      answered_at_once = true;
      if (one.error)
        fail(*call, *one.error, one.retry_after_ns);
      else
        answer(*call, Computed::of(one.answer, call->kind));
      continue;
    }
    copy_answer(*call, one);
    Call* head = mailbox_.load(std::memory_order_relaxed);
    do {
      call->next = head;
    } while (!mailbox_.compare_exchange_weak(head, call, std::memory_order_release,
                                             std::memory_order_relaxed));
    wakes = true;
  }
  if (wakes) wake_();
}

// What the engine says is there only while it says it.
void Desk::copy_answer(Call& call, const Finished& finished) noexcept {
  call.retry_after_ns = finished.retry_after_ns;
  try {
    if (finished.error) {
      call.error = *finished.error;
      return;
    }
    call.computed = Computed::of(finished.answer, call.kind);
    size_t bytes = 0;
    const auto size_of_table = [&](const Computed::Table& table) {
      return (call.computed.rows * table.shape.row_bytes() + 63) / 64 * 64;
    };
    for (const Computed::Table& table : call.computed.tables)
      if (table.data) bytes += size_of_table(table);
    char* to = call.answer.reserve(std::max<size_t>(bytes, 1));
    if (!to) {
      call.error = Error{Code::kThrottled, "no memory for the answer"};
      return;
    }
    for (Computed::Table& table : call.computed.tables) {
      if (!table.data) continue;
      std::memcpy(to, table.data, call.computed.rows * table.shape.row_bytes());
      table.data = std::exchange(to, to + size_of_table(table));
    }
  } catch (const std::bad_alloc&) {
    call.error = Error{Code::kThrottled, ""};
  }
}

void Desk::deliver() noexcept {
  Call* list = mailbox_.exchange(nullptr, std::memory_order_acquire);
  Call* ordered = nullptr;  // the one that was told first comes first
  while (list) {
    Call* next = list->next;
    list->next = ordered;
    ordered = list;
    list = next;
  }
  while (ordered) {
    Call* call = ordered;
    ordered = call->next;
    Exchange* exchange = call->exchange;
    if (exchange) {
      if (call->error)
        fail(*call, *call->error, call->retry_after_ns);
      else
        answer(*call, call->computed);
    }
    give_call(call);
    if (exchange) exchange->resume();
  }
}

// Its answer is told later all the same, and goes nowhere.
void Desk::abandoned(Exchange& exchange) noexcept {
  auto* call = static_cast<Call*>(exchange.pending);
  call->exchange = nullptr;
  office_.engine.cancel(call->id);
}

}  // namespace spinney::server::protocol
