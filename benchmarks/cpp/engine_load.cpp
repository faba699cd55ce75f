// Open-loop load on the engine: requests arrive when they are due (exponential gaps, from a seed),
// whether or not earlier ones were answered, and latency counts from when a request was due. So a
// stall of the engine, or of this generator, is in the figures (no coordinated omission).
//
//   build/release/benchmarks/cpp/engine_load [--row-us 20] [--seconds 3] [--policy spinney|fixed]
//                                            [--wait-us 2000] [--high 0.1] [--deadline-ms 50]
//                                            [--load 2]
//
// --deadline-ms may be several, by turns (20,200); 0 is a request without a deadline. --load is one
// load alone.
//
// One worker scores a model that takes row-us for each row and 5 us for a batch, by spinning; this
// thread generates. On two cores that is one each. Prints one JSON object: for 0.5, 0.9 and 2 times
// the capacity (measured first, with batches as large as they may be) the goodput, quantiles of the
// latency of each level, refused (with how long callers waited to learn it), shed and expired
// apart.
//
// A shared machine takes a core away now and then, for milliseconds. Both threads see that in their
// own readings of the clock (stalls.h), and the JSON says so: the share of time that was taken, the
// longest stall, and below capacity, beside the p99 of everything, the p99 of those requests that
// no stall touched: not in flight in one, nor due before what it left behind could be done.
//
// --policy fixed is TensorFlow Serving's way with the same engine: a batch waits until it is full
// or wait-us have passed, its size does not adapt, the queue is bounded and nothing else refuses.
#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "spinney/base/futex.h"
#include "spinney/engine/engine.h"
#include "spinney/observe/histogram.h"
#include "stalls.h"

namespace {

using namespace spinney;
using bench::Interval;
using bench::StallWatch;
using engine::Engine;
using observe::Histogram;

struct Settings {
  double row_us = 20;
  double batch_us = 5;
  double seconds = 3;
  double wait_us = 2000;
  double high = 0.1;                        // share of requests with Priority::kHigh
  std::vector<double> deadlines_ms = {50};  // by turns
  std::vector<double> loads = {0.5, 0.9, 2};
  std::string policy = "spinney";
};

// Spins until then, and notes where the machine took the core away meanwhile. Gives the time.
int64_t spin_until(int64_t end, StallWatch& watch) {
  const SteadyClock& clock = SteadyClock::instance();
  int64_t now = clock.now_ns();
  watch.restart(now);
  while (now < end) {
    spin_pause();
    now = clock.now_ns();
    watch.read(now);
  }
  return now;
}

// Only one batch runs at a time, so that `watch` is one thread's at each moment.
std::shared_ptr<const backend::Backend> spinning_model(const Settings& settings,
                                                       StallWatch& watch) {
  backend::CallableOptions options;
  options.width = 4;
  options.shape = {1, ElementType::kFloat64};
  options.idempotent = true;
  options.concurrency = 0;
  return backend::make_callable(
      [settings, &watch](const backend::BatchInput& input, backend::BatchOutput& output) -> Status {
        const double us =
            settings.batch_us + settings.row_us * static_cast<double>(input.rows.count);
        const int64_t begin = SteadyClock::instance().now_ns();
        spin_until(begin + static_cast<int64_t>(us * 1e3), watch);
        for (size_t r = 0; r < input.rows.count; ++r)
          static_cast<double*>(output.data)[r] = input.rows.at(r, 0);
        return {};
      },
      options);
}

struct Level {
  Histogram latency_ns;  // of answers, from when the request was due
  std::atomic<uint64_t> good{0}, expired{0}, shed{0}, other{0};
};

// A request that was admitted. Whoever finishes it writes `answered_ns`, and only for an answer.
struct Sent {
  int64_t due_ns = 0;
  int64_t answered_ns = 0;
  bool normal = true;
};

class Results final : public Completion {
 public:
  void finish(std::span<Finished> finished) noexcept override {
    const int64_t now = SteadyClock::instance().now_ns();
    for (const Finished& f : finished) {
      Sent& sent = *static_cast<Sent*>(f.context);
      Level& level = levels[sent.normal];
      if (!f.error) {
        level.good.fetch_add(1, std::memory_order_relaxed);
        level.latency_ns.record_signed(now - sent.due_ns);
        sent.answered_ns = now;
      } else if (f.error->code == Code::kExpired) {
        level.expired.fetch_add(1, std::memory_order_relaxed);
      } else if (f.error->code == Code::kThrottled) {
        level.shed.fetch_add(1, std::memory_order_relaxed);
      } else {
        level.other.fetch_add(1, std::memory_order_relaxed);
      }
    }
  }
  Level levels[2];  // high, normal
};

std::unique_ptr<Engine> make_engine(const Settings& settings, StallWatch& watch) {
  engine::EngineOptions options;
  options.num_workers = 1;
  auto engine = Engine::make(options).value();
  engine::ModelOptions model;
  model.single_flight = false;
  if (settings.policy == "fixed") {
    model.min_batch_size = model.max_batch_size;
    model.batch_timeout_ns = static_cast<int64_t>(settings.wait_us * 1e3);
    model.adaptive_batch_size = false;
    model.shed_target_ns = 0;
    model.refuse_too_late = false;
    model.max_queue_rows = 1000;
  }
  if (const Status status = engine->load("m", "", spinning_model(settings, watch), model);
      !status.ok()) {
    std::fprintf(stderr, "%s\n", status.error().message.c_str());
    std::exit(1);
  }
  return engine;
}

struct Offered {
  uint64_t requests = 0;
  uint64_t refused = 0;
  double late_ms_max = 0;  // how far the generator itself fell behind
  double seconds = 0;
  Histogram refused_ns;  // how long a refused caller waited to learn it
  std::vector<Sent> sent;
  StallWatch watch;
};

void offer(Engine& engine, Results& results, const Settings& settings, double per_second,
           Offered& offered) {
  std::mt19937_64 random(42);
  std::exponential_distribution<> gap(per_second / 1e9);
  std::uniform_real_distribution<> uniform(0, 1);
  const SteadyClock& clock = SteadyClock::instance();
  const int64_t begin = clock.now_ns();
  const int64_t end = begin + static_cast<int64_t>(settings.seconds * 1e9);
  double due = static_cast<double>(begin);
  // All of it now, so that neither growing nor a page's first use falls into the measurement.
  offered.sent.resize(static_cast<size_t>(per_second * settings.seconds * 1.1) + 10'000);
  float row[4] = {};
  Request request;
  request.completion = &results;
  while (due < static_cast<double>(end)) {
    due += gap(random);
    const auto due_ns = static_cast<int64_t>(due);
    const int64_t now = spin_until(due_ns, offered.watch);
    offered.late_ms_max = std::max(offered.late_ms_max, static_cast<double>(now - due_ns) / 1e6);
    const bool high = uniform(random) < settings.high;
    Sent& sent = offered.sent[offered.requests++ % offered.sent.size()];
    sent = {due_ns, 0, !high};
    row[0] = static_cast<float>(offered.requests % 1000);
    request.rows = dense_rows(row, 1, 4);
    request.priority = high ? Priority::kHigh : Priority::kNormal;
    const double deadline_ms =
        settings.deadlines_ms[offered.requests % settings.deadlines_ms.size()];
    request.deadline_ns =
        deadline_ms > 0 ? due_ns + static_cast<int64_t>(deadline_ms * 1e6) : kNever;
    request.context = &sent;
    if (!engine.submit(request).ok()) {
      ++offered.refused;
      offered.refused_ns.record_signed(clock.now_ns() - now);
    }
  }
  offered.seconds = static_cast<double>(clock.now_ns() - begin) / 1e9;
}

// Requests a second with the queue never empty.
double capacity(const Settings& settings) {
  StallWatch watch;
  auto engine = make_engine(settings, watch);
  Results results;
  std::vector<Sent> sent(256);  // more than are ever in flight
  size_t next = 0;
  const SteadyClock& clock = SteadyClock::instance();
  float row[4] = {};
  Request request;
  request.completion = &results;
  request.rows = dense_rows(row, 1, 4);
  const int64_t begin = clock.now_ns();
  const int64_t end = begin + kSecond;
  while (clock.now_ns() < end) {
    if (engine->stats().in_flight < 128) {
      sent[next] = {clock.now_ns(), 0, true};
      request.context = &sent[next];
      next = (next + 1) % sent.size();
      (void)engine->submit(request);
    } else {
      std::this_thread::sleep_for(std::chrono::microseconds(100));
    }
  }
  const double seconds = static_cast<double>(clock.now_ns() - begin) / 1e9;
  const auto good = static_cast<double>(results.levels[1].good.load());
  engine->stop(kSecond);  // before `results` goes
  return good / seconds;
}

// What the machine took during a run, and what is left of it.
struct Stalls {
  std::vector<Interval> all;
  std::vector<Interval> windows;  // with the time that their backlogs take; none beyond capacity
  double ms = 0;
  double longest_ms = 0;
};

Stalls stalls_of(const StallWatch& worker, const StallWatch& generator, double load) {
  std::vector<Interval> both = worker.seen();
  both.insert(both.end(), generator.seen().begin(), generator.seen().end());
  Stalls stalls;
  stalls.all = bench::united(std::move(both));
  if (load < 1) stalls.windows = bench::touched_by(stalls.all, load);
  for (const Interval& stall : stalls.all) {
    const double ms = static_cast<double>(stall.length()) / 1e6;
    stalls.ms += ms;
    stalls.longest_ms = std::max(stalls.longest_ms, ms);
  }
  return stalls;
}

// The answers of one level that no stall touched: their p99, and how many were left out.
void print_outside(const std::vector<Sent>& sent, bool normal, const Stalls& stalls) {
  std::vector<int64_t> kept;
  size_t left_out = 0;
  for (const Sent& one : sent) {
    if (one.normal != normal || one.answered_ns == 0) continue;
    if (bench::outside(stalls.windows, {one.due_ns, one.answered_ns}))
      kept.push_back(one.answered_ns - one.due_ns);
    else
      ++left_out;
  }
  std::printf(", \"left_out\": %zu", left_out);
  if (kept.empty()) return;
  const auto p99 = kept.begin() + static_cast<std::ptrdiff_t>(kept.size() * 99 / 100);
  std::nth_element(kept.begin(), p99, kept.end());
  std::printf(", \"p99_outside_stalls_us\": %.1f", static_cast<double>(*p99) / 1e3);
}

void print_level(const char* name, const Level& level, double seconds) {
  const observe::HistogramSnapshot latency = level.latency_ns.read();
  std::printf(
      "     \"%s\": {\"goodput_per_s\": %.0f, \"p50_us\": %.1f, \"p99_us\": %.1f, "
      "\"p999_us\": %.1f, \"shed\": %lu, \"expired\": %lu, \"failed\": %lu",
      name, static_cast<double>(level.good.load()) / seconds, latency.quantile(0.5) / 1e3,
      latency.quantile(0.99) / 1e3, latency.quantile(0.999) / 1e3, level.shed.load(),
      level.expired.load(), level.other.load());
}

void run(const Settings& settings, double factor, double full, bool last) {
  StallWatch watch;
  auto engine = make_engine(settings, watch);
  Results results;
  Offered offered;
  offer(*engine, results, settings, full * factor, offered);
  engine->stop(5 * kSecond);
  const observe::HistogramSnapshot rows = engine->stages("m").value().batch_rows;
  const observe::HistogramSnapshot refused = offered.refused_ns.read();
  const double good =
      static_cast<double>(results.levels[0].good.load() + results.levels[1].good.load());
  std::printf(
      "    {\"load\": %.2f, \"offered_per_s\": %.0f, \"goodput_per_s\": %.0f, "
      "\"goodput_of_capacity\": %.3f, \"refused\": %lu, \"refused_p99_us\": %.2f, "
      "\"refused_max_us\": %.1f, \"batch_rows_mean\": %.1f, \"generator_late_ms_max\": "
      "%.2f,\n",
      factor, static_cast<double>(offered.requests) / offered.seconds, good / offered.seconds,
      good / offered.seconds / full, offered.refused, refused.quantile(0.99) / 1e3,
      static_cast<double>(refused.max()) / 1e3, rows.mean(), offered.late_ms_max);
  const Stalls stalls = stalls_of(watch, offered.watch, factor);
  std::printf(
      "     \"stalls\": {\"count\": %zu, \"share_of_time\": %.5f, \"longest_ms\": %.3f, "
      "\"dropped\": %lu},\n",
      stalls.all.size(), stalls.ms / 1e3 / offered.seconds, stalls.longest_ms,
      watch.dropped() + offered.watch.dropped());
  for (const bool normal : {false, true}) {
    print_level(normal ? "normal" : "high", results.levels[normal], offered.seconds);
    if (factor < 1) print_outside(offered.sent, normal, stalls);
    std::printf("}%s\n", normal ? (last ? "}" : "},") : ",");
  }
}

std::vector<double> numbers_of(const char* text) {
  std::vector<double> numbers;
  for (char* end = nullptr; *text; text = *end ? end + 1 : end) {
    numbers.push_back(std::strtod(text, &end));
    if (end == text) std::exit(2);
  }
  return numbers;
}

}  // namespace

int main(int argc, char** argv) {
  Settings settings;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string name = argv[i];
    const double value = std::atof(argv[i + 1]);
    if (name == "--row-us")
      settings.row_us = value;
    else if (name == "--seconds")
      settings.seconds = value;
    else if (name == "--wait-us")
      settings.wait_us = value;
    else if (name == "--high")
      settings.high = value;
    else if (name == "--deadline-ms")
      settings.deadlines_ms = numbers_of(argv[i + 1]);
    else if (name == "--load")
      settings.loads = {value};
    else if (name == "--policy")
      settings.policy = argv[i + 1];
    else {
      std::fprintf(stderr, "engine_load: what is %s?\n", argv[i]);
      return 2;
    }
  }
  const double full = capacity(settings);
  std::printf(
      "{\"policy\": \"%s\", \"row_us\": %.1f, \"batch_us\": %.1f, \"seconds\": %.1f, "
      "\"high_share\": %.2f, \"deadline_ms\": %.1f, \"capacity_per_s\": %.0f,\n  \"runs\": [\n",
      settings.policy.c_str(), settings.row_us, settings.batch_us, settings.seconds, settings.high,
      settings.deadlines_ms[0], full);
  for (const double& load : settings.loads)
    run(settings, load, full, &load == &settings.loads.back());
  std::printf("  ]}\n");
}
