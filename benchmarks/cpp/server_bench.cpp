// What a request costs the server without the kernel: its bytes in, the bytes of its answer out.
//
//   server_bench MODEL [ROWS…]
//
// One thread, one session, bodies that rotate over 10,000 different ones; the thread's own CPU
// time, the best of 20 rounds. Requests that the engine gives to a worker are told apart
// ("queued"): of those it is the time of this thread, which reads, hands over, and writes.
#include <time.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "server/http1/session.h"
#include "server/protocol/desk.h"
#include "server/protocol/json_reader.h"
#include "server/repository/repository.h"
#include "spinney/engine/engine.h"
#include "spinney/spinney.h"

namespace {

using namespace spinney;

double cpu_ns() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

std::string head_of(size_t bytes, const std::string& more) {
  std::string head = "POST /v2/models/m/infer HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n";
  head += "User-Agent: bench/1\r\nAccept: */*\r\nContent-Type: application/json\r\n" + more;
  return head + "Content-Length: " + std::to_string(bytes) + "\r\n\r\n";
}

std::string json_request(const std::vector<float>& values, size_t rows) {
  std::string body = R"({"inputs":[{"name":"x","shape":[)" + std::to_string(rows) + "," +
                     std::to_string(values.size() / rows) + R"(],"datatype":"FP32","data":[)";
  for (size_t i = 0; i < values.size(); ++i) {
    char digits[32];
    const auto end = std::to_chars(digits, digits + sizeof digits, values[i]).ptr;
    body.append(i ? "," : "").append(digits, end);
  }
  body += "]}]}";
  return head_of(body.size(), "") + body;
}

std::string binary_request(const std::vector<float>& values, size_t rows) {
  const size_t bytes = values.size() * sizeof(float);
  std::string json = R"({"inputs":[{"name":"x","shape":[)" + std::to_string(rows) + "," +
                     std::to_string(values.size() / rows) +
                     R"(],"datatype":"FP32","parameters":{"binary_data_size":)" +
                     std::to_string(bytes) +
                     R"(}}],"outputs":[{"name":"predict","parameters":{"binary_data":true}}]})";
  const size_t length = json.size();
  json.append(reinterpret_cast<const char*>(values.data()), bytes);
  const std::string more = "Inference-Header-Content-Length: " + std::to_string(length) + "\r\n";
  return head_of(json.size(), more) + json;
}

// What is left of the way without the model, the engine and the protocol: HTTP alone.
class Null final : public server::http1::Handler {
 public:
  void handle(server::http1::Exchange& exchange) noexcept override {
    (void)exchange.begin().append("{}");
    exchange.finish({});
  }
  void abandoned(server::http1::Exchange&) noexcept override {}
};

// Nanoseconds of each request, the best of all rounds.
double time_of(server::http1::Shared& shared, const std::vector<std::string>& requests,
               server::protocol::Desk* desk, bool& queued) {
  server::http1::Session session(shared);
  double best = 1e18;
  for (int round = 0; round < 20; ++round) {
    double waited = 0;
    const double begin = cpu_ns();
    for (const std::string& one : requests) {
      for (size_t at = 0; at < one.size();) {
        const auto room = session.room();
        const size_t n = std::min(room.size(), one.size() - at);
        one.copy(room.data(), n, at);
        at += n;
        session.received(n);
      }
      if (session.pending().empty() && desk) {
        queued = true;
        const double from = cpu_ns();
        std::this_thread::sleep_for(std::chrono::microseconds(50));
        while (session.pending().empty()) desk->deliver();
        waited += cpu_ns() - from;
      }
      const auto pending = session.pending();
      if (pending.size() < 12 || pending[9] != '2') {
        std::fprintf(stderr, "no answer: %.*s\n", static_cast<int>(pending.size()), pending.data());
        std::exit(1);
      }
      session.sent(pending.size());
    }
    best = std::min(best, (cpu_ns() - begin - waited) / static_cast<double>(requests.size()));
  }
  return best;
}

}  // namespace

int main(int count, char** values) {
  if (count < 2) {
    std::fputs("usage: server_bench MODEL [ROWS…]\n", stderr);
    return 2;
  }
  auto loaded = Model::load(values[1]);
  if (!loaded.ok()) {
    std::fprintf(stderr, "%s\n", loaded.error().message.c_str());
    return 2;
  }
  const Model model = std::move(loaded).value();
  const size_t width = model.n_features();
  auto engine = engine::Engine::make({}).value();
  server::repository::Repository repository(*engine);
  if (!repository.load("m", "1", model).ok()) return 2;
  server::protocol::Office office{*engine, repository, "bench", size_t{64} << 20, {false}, {}};
  server::protocol::Desk desk(office);
  desk.set_wake([] {});
  Null null;
  server::Budget budget(size_t{1} << 30);
  server::Spares spares(&budget);
  server::http1::Limits limits;
  server::http1::Counts counts;
  const auto& clock = SteadyClock::instance();
  server::http1::Shared shared{limits, desk, spares, clock, counts};
  server::http1::Shared nothing{limits, null, spares, clock, counts};
  std::vector<size_t> sizes = {1};
  for (int i = 2; i < count; ++i) sizes.push_back(std::strtoul(values[i], nullptr, 10));
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  for (const size_t rows : sizes) {
    std::vector<std::string> json, binary;
    std::vector<float> row(rows * width);
    std::vector<double> answer(rows * model.value_columns());
    double model_ns = 0;
    const size_t requests = std::max<size_t>(10'000 / rows, 50);
    for (size_t i = 0; i < requests; ++i) {
      for (float& value : row) value = normal(random);
      json.push_back(json_request(row, rows));
      binary.push_back(binary_request(row, rows));
      const double begin = cpu_ns();
      (void)model.predict_values(dense_rows(row.data(), rows, width), answer.data(), {1});
      model_ns += cpu_ns() - begin;
    }
    bool queued = false;
    const double json_ns = time_of(shared, json, &desk, queued);
    const double binary_ns = time_of(shared, binary, &desk, queued);
    const double http_ns = time_of(nothing, json, nullptr, queued);
    std::printf(
        "%5zu rows: JSON %8.0f ns, binary %8.0f ns, HTTP alone %6.0f ns, model %8.0f ns%s\n", rows,
        json_ns, binary_ns, http_ns, model_ns / static_cast<double>(requests),
        queued ? ", queued" : "");
  }
  engine->stop(kSecond);
  return 0;
}
