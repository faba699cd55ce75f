// Desk: answers the requests of one thread's connections. It knows the paths, reads what a request
// asks, gives it to the engine and writes what that says; the protocol's other pages (health,
// metadata, metrics) are in pages.cpp.
//
// A prediction that costs little is computed here and now (Engine::run_or_submit); others complete
// on the engine's threads, which leave them in the mailbox and wake the loop.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "server/loop/loop.h"
#include "server/protocol/call.h"
#include "server/protocol/path.h"
#include "server/repository/repository.h"
#include "spinney/engine/engine.h"

namespace spinney::server::protocol {

// What all desks of a server share.
struct Office {
  engine::Engine& engine;
  repository::Repository& repository;
  std::string version;                          // of Spinney
  size_t body_bytes_max = 0;                    // of what a compressed body expands to
  std::atomic<bool> draining{false};            // not ready any more
  std::function<std::string()> server_metrics;  // Prometheus's text of the server's own families
  Budget* budget = nullptr;                     // of the connections' memory, if there is one
};

class Desk final : public loop::Service, private Completion {
 public:
  explicit Desk(Office& office) : office_(office) {}
  ~Desk() override;

  // Who is to be woken when something completed elsewhere.
  void set_wake(std::function<void()> wake) { wake_ = std::move(wake); }

  void handle(http1::Exchange& exchange) noexcept override;
  void abandoned(http1::Exchange& exchange) noexcept override;
  void deliver() noexcept override;

 private:
  void finish(std::span<Finished> finished) noexcept override;
  void route(http1::Exchange& exchange, Path& path);

  // Predictions.
  void infer(http1::Exchange& exchange, const Path& path);
  bool find_only_model(http1::Exchange& exchange, Path& path);
  static Status read(Call& call, size_t expanded_max);
  bool submit(Call& call, const repository::ServedPtr& served);
  Request request_of(Call& call) const;
  void answer(Call& call, const Computed& computed) noexcept;
  void fail(Call& call, const Error& error, int64_t retry_after_ns) noexcept;
  static void copy_answer(Call& call, const Finished& finished) noexcept;
  Call* take_call();
  void give_call(Call* call) noexcept;
  const repository::Directory& directory();
  const repository::ServedPtr* find(const Path& path);

  // Pages.
  void health(http1::Exchange& exchange, bool ready);
  void server_metadata(http1::Exchange& exchange);
  void model_metadata(http1::Exchange& exchange, const repository::Served& served);
  void model_config(http1::Exchange& exchange, const repository::Served& served);
  void model_ready(http1::Exchange& exchange, const Path& path);
  void metrics(http1::Exchange& exchange);
  void unknown_model(http1::Exchange& exchange, const Path& path);

  Office& office_;
  std::function<void()> wake_;
  std::shared_ptr<const repository::Directory> directory_;
  uint64_t epoch_ = 0;
  std::vector<std::unique_ptr<Call>> calls_;
  std::vector<Call*> free_;
  std::atomic<Call*> mailbox_{nullptr};
};

}  // namespace spinney::server::protocol
