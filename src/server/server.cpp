#include "server/server.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <new>
#include <system_error>
#include <thread>

#include "server/loop/listener.h"
#include "server/loop/loop.h"
#include "server/protocol/desk.h"
#include "server/repository/repository.h"
#include "spinney/cpu/count.h"
#include "spinney/engine/engine.h"
#include "spinney/observe/prometheus.h"

namespace spinney::server {

struct Server::Parts {
  explicit Parts(Options given)
      : options(std::move(given)), connections(options.connections), budget(options.buffer_bytes) {}

  Status open();
  Status listen();
  Status open_loops();
  Status start_threads();
  void undo_listen();
  bool drain(int64_t timeout_ns);
  std::string metrics() const;

  Options options;
  loop::Connections connections;
  Budget budget;
  std::unique_ptr<engine::Engine> engine;
  std::unique_ptr<repository::Repository> repository;
  std::unique_ptr<protocol::Office> office;
  std::vector<std::unique_ptr<protocol::Desk>> desks;
  std::vector<std::unique_ptr<loop::Loop>> loops;
  std::vector<std::thread> threads;
  // The threads wait until all of them are there, and then serve, or end.
  enum Go : int { kWait, kServe, kEnd };
  std::atomic<int> go{kWait};
  std::string url;
  uint16_t port = 0;

  std::mutex mutex;
  std::condition_variable ended;
  size_t running = 0;
  std::mutex joining;
};

Status Server::Parts::open() {
  SPINNEY_ASSIGN(engine, engine::Engine::make(options.engine));
  repository = std::make_unique<repository::Repository>(*engine);
  office = std::unique_ptr<protocol::Office>(new protocol::Office{
      *engine, *repository, options.version, options.limits.body_bytes, {false}, {}});
  office->budget = &budget;
  office->server_metrics = [this] { return metrics(); };
  return {};
}

// All or nothing, so that it can be tried again.
Status Server::Parts::listen() {
  Status listens = open_loops();
  if (listens.ok()) listens = start_threads();
  if (!listens.ok()) undo_listen();
  return listens;
}

void Server::Parts::undo_listen() {
  go.store(kEnd);
  go.notify_all();
  for (std::thread& thread : threads) thread.join();
  threads.clear();
  loops.clear();
  desks.clear();
  go.store(kWait);
  url.clear();
  port = 0;
}

Status Server::Parts::open_loops() {
  const size_t count = options.threads ? options.threads : cpu::usable_cpus();
  SPINNEY_ASSIGN(loop::Listeners listeners, loop::listen_on(options.host, options.port, count));
  for (size_t i = 0; i < count; ++i) {
    desks.push_back(std::make_unique<protocol::Desk>(*office));
    std::vector<loop::Descriptor> own;
    own.push_back(std::move(listeners.sockets[i]));
    SPINNEY_ASSIGN(auto made, loop::Loop::make(options.limits, connections, budget, *desks[i],
                                               std::move(own)));
    desks[i]->set_wake([raw = made.get()] { raw->wake(); });
    loops.push_back(std::move(made));
  }
  port = listeners.port;
  url = "http://" + listeners.host + ":" + std::to_string(port);
  return {};
}

Status Server::Parts::start_threads() {
  for (const auto& one : loops) {
    {
      const std::lock_guard lock(mutex);
      ++running;
    }
    try {
      threads.emplace_back([this, raw = one.get()] {
        go.wait(kWait);
        if (go.load() == kServe) raw->run();
        const std::lock_guard lock(mutex);
        --running;
        ended.notify_all();
      });
    } catch (const std::system_error& error) {
      const std::lock_guard lock(mutex);
      --running;
      return Error{Code::kIo, std::string("no thread for the server: ") + error.what()};
    }
  }
  go.store(kServe);
  go.notify_all();
  return {};
}

bool Server::Parts::drain(int64_t timeout_ns) {
  office->draining.store(true);
  for (const auto& one : loops) one->drain();
  bool in_time = true;
  {
    std::unique_lock lock(mutex);
    const auto is_over = [this] { return running == 0; };
    // A deadline far in the future overflows what the condition counts in.
    const int64_t longest = 24 * 3600 * kSecond;
    in_time = ended.wait_for(
        lock, std::chrono::nanoseconds(std::clamp<int64_t>(timeout_ns, 0, longest)), is_over);
  }
  for (const auto& one : loops) one->stop();
  const std::lock_guard one_joins(joining);
  for (std::thread& thread : threads) thread.join();
  threads.clear();
  // Before the desks go, which it tells.
  engine->stop(in_time ? kSecond : 0);
  return in_time;
}

std::string Server::Parts::metrics() const {
  using observe::Kind;
  observe::PrometheusText text;
  const auto relaxed = std::memory_order_relaxed;
  const auto one = [&](const char* name, Kind kind, const char* help, double value) {
    text.family(name, kind, help);
    text.sample(name, {}, value);
  };
  uint64_t answers[6] = {}, requests = 0, refused = 0, abandoned = 0;
  for (const auto& each : loops) {
    const http1::Counts& counts = each->counts();
    requests += counts.requests.load(relaxed);
    refused += counts.refused.load(relaxed);
    abandoned += counts.abandoned.load(relaxed);
    for (size_t i = 0; i < std::size(answers); ++i) answers[i] += counts.answers[i].load(relaxed);
  }
  one("spinney_http_requests_total", Kind::kCounter, "HTTP requests that were begun to be answered",
      static_cast<double>(requests));
  one("spinney_http_malformed_total", Kind::kCounter,
      "Of these, requests that were no HTTP, too large or too slow", static_cast<double>(refused));
  one("spinney_http_abandoned_total", Kind::kCounter,
      "Of these, requests without an answer: their clients had gone, or no memory was left for it",
      static_cast<double>(abandoned));
  text.family("spinney_http_answers_total", Kind::kCounter, "HTTP answers, by the status's class");
  for (size_t i = 1; i < std::size(answers); ++i)
    text.sample("spinney_http_answers_total", {{"status", std::to_string(i) + "xx"}},
                static_cast<double>(answers[i]));
  one("spinney_http_connections", Kind::kGauge, "Connections at this moment",
      static_cast<double>(connections.open.load(relaxed)));
  one("spinney_http_connections_accepted_total", Kind::kCounter, "Connections that came",
      static_cast<double>(connections.accepted.load(relaxed)));
  one("spinney_http_connections_refused_total", Kind::kCounter,
      "Of these, connections beyond the limit",
      static_cast<double>(connections.refused.load(relaxed)));
  one("spinney_http_connections_timed_out_total", Kind::kCounter,
      "Connections that were ended as they were idle or slow for too long",
      static_cast<double>(connections.timed_out.load(relaxed)));
  one("spinney_http_buffer_bytes", Kind::kGauge, "Memory of connections' buffers",
      static_cast<double>(budget.used()));
  return text.text();
}

Server::Server(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

Server::~Server() {
  if (parts_) (void)parts_->drain(0);
}

Result<std::unique_ptr<Server>> Server::make(Options options) {
  constexpr size_t kThreadsMax = 1024;
  if (options.threads > kThreadsMax)
    return invalid_argument("threads must be at most " + std::to_string(kThreadsMax) +
                            " (0: as many as the process may use CPUs)");
  if (options.connections == 0) return invalid_argument("connections must be at least 1");
  auto parts = std::make_unique<Parts>(std::move(options));
  SPINNEY_TRY(parts->open());
  return std::unique_ptr<Server>(new Server(std::move(parts)));
}

namespace {
Error forked() {
  return {Code::kShutDown, "the process was forked; the server went on in the parent"};
}
}  // namespace

Status Server::listen() {
  if (!parts_) return forked();
  if (!parts_->loops.empty()) return invalid_argument("the server listens already");
  return parts_->listen();
}

Status Server::load(const std::string& name, const std::string& version, Model model,
                    const engine::ModelOptions& options) {
  if (!parts_) return forked();
  return parts_->repository->load(name, version, std::move(model), options);
}

Status Server::unload(const std::string& name, const std::string& version) {
  if (!parts_) return forked();
  return parts_->repository->unload(name, version);
}

std::string Server::url() const { return parts_ ? parts_->url : std::string(); }
uint16_t Server::port() const { return parts_ ? parts_->port : uint16_t{0}; }

bool Server::drain(int64_t timeout_ns) { return !parts_ || parts_->drain(timeout_ns); }

// The other threads' stacks hold parts of it, so that it is left as it was, and never freed.
void Server::abandon() {
  if (!parts_) return;
  for (const auto& one : parts_->loops) one->abandon();
  [[maybe_unused]] const Parts* left = parts_.release();
}

}  // namespace spinney::server
