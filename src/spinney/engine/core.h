// Core: an engine's models by name, and its threads. Engine is its public face.
//
// The directory of models is read by every submit() under a shared lock, and changed, for a moment,
// under an exclusive one. Lanes of versions that were replaced or unloaded stay until nothing of
// their requests is left. No code of others runs under any lock: completions are told, and what may
// have a destructor of theirs goes, after it.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <shared_mutex>  // shared_lock
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "spinney/engine/crew.h"
#include "spinney/engine/directory_lock.h"
#include "spinney/engine/engine.h"
#include "spinney/engine/lane.h"
#include "spinney/engine/lane_count.h"
#include "spinney/engine/shared.h"

namespace spinney::engine {

using Lanes = std::vector<std::shared_ptr<Lane>>;

class Core : public std::enable_shared_from_this<Core> {
 public:
  explicit Core(EngineOptions options);
  ~Core();

  static cache::LruTtlOptions cache_options(const EngineOptions& options);

  Status start();  // threads; kTooLarge if the system gives none
  Status load(const std::string& name, const std::string& version,
              std::shared_ptr<const backend::Backend> backend, const ModelOptions& options);
  Status unload(const std::string& name, const std::string& version);
  Admission submit(const Request& request) noexcept;
  Admission enter(const Request& request, Visit& visit, Entry entry) noexcept;
  Admission run_or_submit(const Request& request) noexcept;
  void keep(const Request& request, cache::Bytes answer) noexcept;
  bool cancel(RequestId id) noexcept;
  bool running(RequestId id) const noexcept;
  bool drain(int64_t timeout_ns);
  void resume();
  void stop(int64_t timeout_ns);
  std::vector<ModelStatus> models() const;
  Result<std::vector<OutputSpec>> outputs(const std::string& name,
                                          const std::string& version) const;
  EngineStats stats() const;
  Result<Stages> stages(const std::string& name, const std::string& version) const;
  std::shared_ptr<LaneCount> count_of(const std::string& name, const std::string& version) const;
  Totals totals() const;
  void retract_unknown() noexcept {
    unknown_.refused[static_cast<size_t>(Refusal::kUnknownModel)].fetch_sub(
        1, std::memory_order_relaxed);
  }
  void count_unknown(Refusal why = Refusal::kUnknownModel) noexcept {
    Counters::add(unknown_.refused[static_cast<size_t>(why)]);
  }
  std::vector<Call> latest_calls(size_t calls_max) const;
  bool run_some(Work work) noexcept;
  Status with_lane(const std::string& name, const std::string& version,
                   const std::function<void(Lane&)>& act);
  void await_news(uint32_t seen) noexcept { shared_.idle.wait(seen, options_.spin_ns); }
  void keep_time(const std::atomic<bool>& leave);
  void rouse_all() noexcept;  // and the timer
  int64_t tick() noexcept;

  Shared& shared() { return shared_; }
  const cpu::Assignment& placement() const { return placement_; }

  // fork(), in this order: before it, and then in the parent or the child.
  void before_fork();
  void after_fork(bool in_child) noexcept;
  // What a child does on first use.
  void start_afresh_if_forked() noexcept {
    if (forked_.load(std::memory_order_acquire)) start_afresh();
  }

 private:
  struct Versions {
    Lanes lanes;  // in the order in which they were loaded; the last one is current
    uint64_t first_loaded = 0;
  };

  // One load() under way. Loads of one name count in the order in which they began (by id).
  struct Loading {
    const std::string& name;
    const std::string& version;
    uint32_t id = 0;
    bool unloaded = false;
  };
  class UnderWay;
  Status adopt(const std::shared_ptr<Lane>& lane, std::unique_ptr<Crew>& crew,
               const Loading& loading);  // under admin_mutex_
  size_t call_off(const std::string& name, const std::string& version) noexcept;

  Admission refuse(Refusal refusal) noexcept;  // a request that never came to a lane
  // Under the shared lock; null if there is none.
  Lane* find(std::string_view model, std::string_view version) const noexcept;
  // What submit() found in the cache: one request.
  struct Telling;
  static thread_local Telling* telling_;
  void tell_kept(Lane& lane, response::DoneList& done) noexcept;
  void retire(std::shared_ptr<Lane> lane);  // under the exclusive lock
  std::shared_ptr<LaneCount> make_count(const std::string& name, const std::string& version,
                                        const ModelOptions& options);
  size_t pending(const Lane& lane) const;
  void sweep_counts();  // under the exclusive lock: adds up those that nobody counts in any more
  bool has_retired() const noexcept;
  void sweep() noexcept;  // lets go of retired lanes that are vacant
  std::shared_ptr<const Lanes> all_lanes() const noexcept;
  void start_afresh() noexcept;

  // workers.cpp
  void work(size_t number);
  void wait_on(Lane& lane) noexcept;
  bool work_once(const Lanes& lanes, size_t& turn, Work work) noexcept;
  bool run_batch(Lane& lane, const Lanes& beside) noexcept;
  void pass_on(Lane& taken, const Lanes& beside) noexcept;
  void rouse() noexcept;    // all who sleep
  Status hire(Crew& crew);  // its threads; kTooLarge if there are too many
  void deliver();
  bool wait_for_drained(int64_t timeout_ns);
  void join_threads(int64_t timeout_ns);
  template <typename Function>
  void spawn(std::vector<std::thread>& threads, Function&& function);

  EngineOptions options_;
  cpu::Assignment placement_;  // of the workers; empty where it doesn't matter
  Shared shared_;

  mutable DirectoryLock directory_mutex_;
  std::map<std::string, Versions, std::less<>> names_;
  std::string default_name_;
  Lanes lanes_;    // of all versions that are served
  Lanes retired_;  // of those that are not, until they are vacant
  Crews crews_;    // of those among both that wait
  std::shared_ptr<const Lanes> all_ = std::make_shared<const Lanes>();  // both, never changed
  bool closed_ = false;  // drained or stopped: no request is taken
  // By name and counted_as: those that are served, and those in which something may still count.
  std::map<std::pair<std::string, std::string>, std::shared_ptr<LaneCount>> counts_;
  Totals past_;       // of counts that are gone
  Counters unknown_;  // of requests for models that never were
  std::atomic<uint64_t> directory_version_{1};

  std::mutex admin_mutex_;  // one load, unload, drain or stop changes things at a time
  uint32_t next_lane_id_ = 1;
  std::vector<Loading*> loads_;  // under way, on their callers' threads
  std::atomic<bool> stopping_{false};
  bool stopped_ = false;
  std::atomic<bool> forked_{false};
  std::atomic<uint32_t> threads_running_{0};
  std::unique_ptr<std::vector<std::thread>> threads_;
  std::atomic<size_t> turn_{0};  // of run_some()

  // Even a stop() without time gives threads that have nothing to do so long to end.
  static constexpr int64_t kStopAtLeastNs = 100 * kMillisecond;
};

}  // namespace spinney::engine
