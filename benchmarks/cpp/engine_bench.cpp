// What the engine itself costs a request: at saturation, with a model that takes almost no time,
// and the latency of one request alone. Prints one JSON object.
//
//   build/release/benchmarks/cpp/engine_bench [seconds]
//
// One thread: it submits 64 requests and then does the worker's part, so that CPU time over
// requests is what the engine costs, whatever else the machine does. Saturation: one submitting
// thread keeps 1,024 requests of one row in flight, one worker answers. engine_ns is the time both
// spend, divided by requests: on two cores twice the wall time a request.
#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <memory>
#include <thread>
#include <vector>

#include "spinney/base/futex.h"
#include "spinney/engine/engine.h"

namespace {

using namespace spinney;
using engine::Engine;

class Counting final : public Completion {
 public:
  void finish(std::span<Finished> finished) noexcept override {
    done.fetch_add(finished.size(), std::memory_order_release);
  }
  std::atomic<uint64_t> done{0};
};

std::shared_ptr<const backend::Backend> nothing_model() {
  backend::CallableOptions options;
  options.width = 20;
  options.shape = {1, ElementType::kFloat32};
  options.idempotent = true;
  options.concurrency = 0;
  return backend::make_callable(
      [](const backend::BatchInput& input, backend::BatchOutput& output) -> Status {
        for (size_t r = 0; r < input.rows.count; ++r)
          static_cast<float*>(output.data)[r] = static_cast<const float*>(input.rows.data)[r * 20];
        return {};
      },
      options);
}

double cpu_seconds() {
  timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) / 1e9;
}

std::unique_ptr<Engine> make_engine(bool single_flight) {
  engine::EngineOptions options;
  options.num_workers = 1;
  auto engine = Engine::make(options).value();
  engine::ModelOptions model;
  model.single_flight = single_flight;
  if (!engine->load("m", "", nothing_model(), model).ok()) std::exit(1);
  return engine;
}

void saturate(const char* name, bool single_flight, bool dated, double seconds) {
  auto engine = make_engine(single_flight);
  Counting counting;
  const SteadyClock& clock = SteadyClock::instance();
  float row[20] = {};
  Request request;
  request.completion = &counting;
  request.rows = dense_rows(row, 1, 20);
  uint64_t sent = 0;
  uint64_t refused = 0;
  const double cpu = cpu_seconds();
  const int64_t begin = clock.now_ns();
  const int64_t end = begin + static_cast<int64_t>(seconds * 1e9);
  int64_t now = begin;
  while (now < end) {
    while (sent - counting.done.load(std::memory_order_acquire) >= 1024) spin_pause();
    for (int i = 0; i < 64; ++i) {
      row[0] = static_cast<float>(sent);
      if (dated) request.deadline_ns = now + kSecond;
      if (engine->submit(request).ok())
        ++sent;
      else
        ++refused;
    }
    now = clock.now_ns();
  }
  engine->stop(kSecond);
  const double wall = static_cast<double>(clock.now_ns() - begin) / 1e9;
  const auto n = static_cast<double>(sent);
  std::printf(
      "  \"%s\": {\"requests_per_s\": %.0f, \"engine_ns\": %.0f, \"refused\": %lu, "
      "\"batch_rows_mean\": %.1f},\n",
      name, n / wall, (cpu_seconds() - cpu) / n * 1e9, refused,
      engine->stages("m").value().batch_rows.mean());
}

void one_thread(const char* name, bool single_flight, bool dated, double seconds) {
  engine::EngineOptions options;
  options.num_workers = 1;
  options.threads = false;
  auto engine = Engine::make(options).value();
  engine::ModelOptions model;
  model.single_flight = single_flight;
  model.adaptive_batch_size = false;
  if (!engine->load("m", "", nothing_model(), model).ok()) std::exit(1);
  Counting counting;
  float row[20] = {};
  Request request;
  request.completion = &counting;
  request.rows = dense_rows(row, 1, 20);
  double best = 1e9;  // of rounds of a few milliseconds
  uint64_t sent = 0;
  const double end = cpu_seconds() + seconds;
  while (cpu_seconds() < end) {
    const double begin = cpu_seconds();
    const uint64_t before = sent;
    for (int round = 0; round < 200; ++round) {
      if (dated) request.deadline_ns = engine->now_ns() + kSecond;
      for (int i = 0; i < 64; ++i) {
        row[0] = static_cast<float>(sent++);
        if (!engine->submit(request).ok()) std::exit(1);
      }
      while (engine->run_some()) {
      }
    }
    best = std::min(best, (cpu_seconds() - begin) / static_cast<double>(sent - before));
  }
  std::printf("  \"%s\": {\"engine_ns\": %.0f, \"batch_rows_mean\": %.1f},\n", name, best * 1e9,
              engine->stages("m").value().batch_rows.mean());
}

void alone(const char* name, int64_t pause_us, double seconds, bool last) {
  auto engine = make_engine(true);
  Counting counting;
  const SteadyClock& clock = SteadyClock::instance();
  float row[20] = {};
  Request request;
  request.completion = &counting;
  request.rows = dense_rows(row, 1, 20);
  std::vector<double> us;
  const int64_t end = clock.now_ns() + static_cast<int64_t>(seconds * 1e9);
  while (clock.now_ns() < end) {
    if (pause_us > 0) std::this_thread::sleep_for(std::chrono::microseconds(pause_us));
    const uint64_t before = counting.done.load();
    const int64_t begin = clock.now_ns();
    if (!engine->submit(request).ok()) continue;
    while (counting.done.load(std::memory_order_acquire) == before) spin_pause();
    us.push_back(static_cast<double>(clock.now_ns() - begin) / 1e3);
  }
  std::sort(us.begin(), us.end());
  const auto at = [&](double q) {
    return us[static_cast<size_t>(q * static_cast<double>(us.size() - 1))];
  };
  std::printf(
      "  \"%s\": {\"p50_us\": %.2f, \"p90_us\": %.2f, \"p99_us\": %.2f, \"requests\": %zu}%s\n",
      name, at(0.5), at(0.9), at(0.99), us.size(), last ? "" : ",");
}

}  // namespace

int main(int argc, char** argv) {
  const double seconds = argc > 1 ? std::atof(argv[1]) : 2;
  std::printf("{\n");
  one_thread("one_thread", false, false, seconds);
  one_thread("one_thread_with_deadlines", false, true, seconds);
  one_thread("one_thread_single_flight", true, true, seconds);
  saturate("saturated", false, false, seconds);
  saturate("saturated_with_deadlines", false, true, seconds);
  saturate("saturated_single_flight", true, true, seconds);
  alone("alone_back_to_back", 0, seconds, false);
  alone("alone_every_millisecond", 1000, seconds, true);
  std::printf("}\n");
}
