// The door of this room: Engine queues requests for models, batches and scores them, and answers.
//
//   auto engine = spinney::engine::Engine::make({}).value();
//   engine->load("fraud", "1", spinney::backend::make_native(m.shared_description(),
//   m.shared_plan())); spinney::Request request; request.rows = spinney::dense_rows(x, 1, width);
//   request.completion = &completion;
//   auto admission = engine->submit(request);     // answered through completion.finish()
//
// Every member may be called from any thread at any time, and never hangs: those that wait say for
// how long. Each admitted request is answered exactly once, whatever happens: docs/overload.md.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "spinney/backend/backend.h"
#include "spinney/base/result.h"
#include "spinney/engine/options.h"
#include "spinney/engine/stats.h"
#include "spinney/engine/visit.h"
#include "spinney/request/request.h"

namespace spinney::engine {

class Core;
class LaneCount;

// Whose batches: of back ends that compute, as a worker does; of those that wait
// (Backend::waits()); or of both.
enum class Work : uint8_t { kAny, kComputing, kWaiting };

class Engine {
 public:
  // kInvalidArgument names the option that does not fit.
  static Result<std::unique_ptr<Engine>> make(EngineOptions options = {});
  // As stop(1 s). Threads that a back end has not given back by then end when it does.
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // Serves `backend` under this name and version from now on, after its warm-up on this thread.
  // A version of that name that is loaded already is replaced: what was admitted to it finishes on
  // the old one, what comes after runs on the new one, none fails. On an error (an option that does
  // not fit, a failing warm-up) nothing changes. The version loaded last is the one that requests
  // without a version get.
  // Loads run side by side. Those of one name count in the order in which they were called: one
  // that ends after a later one of the same version is taken as replaced by it at once. One that is
  // unloaded meanwhile is kCancelled, one that meets stop() is kShutDown; nothing of it is kept.
  Status load(const std::string& name, const std::string& version,
              std::shared_ptr<const backend::Backend> backend, const ModelOptions& options = {});
  // Takes no more requests for it; those admitted still finish. Empty version: every version of it.
  // Calls off loads of it that are under way, too.
  Status unload(const std::string& name, const std::string& version = "");

  // Never blocks, except that a completion that may not block can be told before it returns.
  Admission submit(const Request& request) noexcept;
  // Answers the request on this thread where nothing of its model is queued and it costs less than
  // to wake another: its completion is told before this returns. Else submits it, as it does within
  // a completion that is so told. Refused, answered from the cache, and counted, alike.
  Admission run_or_submit(const Request& request) noexcept;
  // The same door for those who score rows themselves, on their own thread: visit.h. The request
  // needs no completion. Never blocks.
  Admission enter(const Request& request, Visit& visit, Entry entry = Entry::kAlways) noexcept;
  // Keeps an answer for requests to come with that key (Request::key), if answers are kept. Of a
  // model that may be replaced meanwhile the request names a version that no other load has: what
  // the old one answered would be kept as the new one's.
  void keep(const Request& request, cache::Bytes answer) noexcept;
  // True if the request will be answered with kCancelled, by this call; false if it was answered
  // already, or is being. Its place in the queue, and its turn in a batch, are given up.
  bool cancel(RequestId id) noexcept;
  // True from when a batch with rows of it was taken until it is answered.
  bool running(RequestId id) const noexcept;

  int64_t now_ns() const noexcept;

  // Refuses new requests and waits until all are answered; true if they were within the time.
  bool drain(int64_t timeout_ns);
  // Takes requests again after drain(); not after stop().
  void resume();
  // drain(timeout_ns), then answers what is left with kShutDown. May be called twice.
  void stop(int64_t timeout_ns);

  // Of one model, by hand. kNotFound if it is not loaded; empty version: the current one.
  // Starts no more batches of what is queued; what is queued may still expire. Draining goes on,
  // and so does a version that is replaced or unloaded.
  Status pause(const std::string& name, bool paused, const std::string& version = "");
  // At most so many rows a batch from now on, within max_batch_size; 0: no such limit.
  Status limit_batch(const std::string& name, size_t rows, const std::string& version = "");

  // A second limit of requests at once, for those who watch the CPU; kNoLimit lifts it.
  static constexpr size_t kNoLimit = SIZE_MAX;
  void limit_concurrency(size_t requests) noexcept;
  // Requests that are admitted and not yet answered.
  size_t active() const noexcept;

  // Of the answers that are kept: expired ones leave; the least recently used do until no more than
  // so many bytes are left. How many entries, and bytes, went.
  size_t cleanup_cache() noexcept;
  size_t shrink_cache(size_t bytes) noexcept;

  // Where the workers are, for backend::make_native(); empty on machines of one NUMA node, unless
  // workers are pinned.
  const cpu::Assignment& placement() const noexcept;

  std::vector<ModelStatus> models() const;
  // What requests may ask for by name. Empty version: the current one.
  Result<std::vector<OutputSpec>> outputs(const std::string& name,
                                          const std::string& version = "") const;
  EngineStats stats() const;
  // Empty version: the current one. kNotFound if it is not loaded.
  Result<Stages> stages(const std::string& name, const std::string& version = "") const;
  Totals totals() const;
  // The latest batches and calls of all models, the oldest first, of those that each one keeps
  // (ModelOptions::window_calls).
  std::vector<Call> latest_calls(size_t calls_max) const;
  // A request for a model that the caller did not find is in totals() as submit()'s are.
  void count_unknown() noexcept;
  // One that submit() refused as such is submitted again to another version, and is one request.
  void retract_unknown() noexcept;
  // Where callers count what they answer themselves. Null if it is not loaded. As long as somebody
  // has it, what is counted in it after an unload is in totals(), too.
  std::shared_ptr<LaneCount> count_of(const std::string& name,
                                      const std::string& version = "") const;

  // After fork() the child has none of the engine's threads. Its first use of the engine starts it
  // afresh with the same models, and answers the requests that it inherited with kShutDown; so does
  // this, at once, for a child whose threads may wait for such a request before they use the
  // engine. Does nothing in a process that has the engine's threads.
  void after_fork_in_child();

  // Without threads (EngineOptions::threads): runs one batch if there is one to run; true if so.
  bool run_some(Work work = Work::kAny) noexcept;
  // Answers what has expired. Returns when it wants to be called next (kNever: not until something
  // is submitted).
  int64_t tick() noexcept;
  // For threads of others (EngineOptions::served_by_others). Sleeps until there may be something
  // for run_some(); seen: what news() said before that found nothing.
  uint32_t news() const noexcept;
  void await_news(uint32_t seen) noexcept;
  // Calls tick() when it is due, until `leave` is set and rouse() called.
  void keep_time(const std::atomic<bool>& leave);
  // Wakes all that sleep in here.
  void rouse() noexcept;

 private:
  explicit Engine(std::shared_ptr<Core> core);
  std::shared_ptr<Core> core_;
};

}  // namespace spinney::engine
