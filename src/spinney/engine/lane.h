// Lane: one version of one model, with its queue, batches, costs and requests.
//
// submit() takes no lock: it leaves requests in the intake. Everything else happens under the
// lane's lock, in short steps: take() makes a batch, finish() answers one, tick() expires. In
// between a worker scores the batch without a lock. Whoever answers a request first marks it
// (claim); the caller is told after the lock is let go, and only then can its node be used again.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "spinney/backend/backend.h"
#include "spinney/batch/batch.h"
#include "spinney/batch/cost_fit.h"
#include "spinney/cache/judge.h"
#include "spinney/cache/lru_ttl.h"
#include "spinney/engine/equal_visits.h"
#include "spinney/engine/lane_count.h"
#include "spinney/engine/options.h"
#include "spinney/engine/shared.h"
#include "spinney/engine/visit.h"
#include "spinney/queue/backlog.h"
#include "spinney/queue/deadlines.h"
#include "spinney/queue/delay.h"
#include "spinney/queue/flights.h"
#include "spinney/queue/intake.h"
#include "spinney/queue/queue.h"
#include "spinney/request/node_store.h"

namespace spinney::engine {

class Lane final : public request::NodeOwner,
                   public batch::Finisher,
                   public std::enable_shared_from_this<Lane> {
 public:
  Lane(uint32_t id, std::string name, std::string version,
       std::shared_ptr<const backend::Backend> backend, const ModelOptions& options, Shared& shared,
       std::shared_ptr<LaneCount> count);
  ~Lane() override;

  // kInvalidArgument naming the option, or what the warm-up says.
  Status prepare();

  // may_block: of the completion, asked before a lock is held. What is answered at once (by the
  // cache) is in `done`, for tell() once no lock is held.
  Admission submit(const Request& request, bool may_block, response::DoneList& done) noexcept;
  void tell(response::DoneList& done) noexcept;
  // See Engine::enter() and visit.h.
  Admission enter(const Request& request, Visit& visit, Entry entry) noexcept;
  void keep(cache::Bytes key, AnswerKind kind, cache::Bytes answer) noexcept;
  bool cancel(RequestId id) noexcept;
  bool running(RequestId id) const noexcept;
  // A batch to run(), or null. Expired and shed requests are told on the way.
  batch::Batch* take() noexcept;
  // Between run() and finish(): keeps its answers in the cache, if there is one.
  void remember(batch::Batch& batch) noexcept;
  void finish(batch::Batch* batch) noexcept;
  // Both, on the thread that completed a batch which was left.
  void finish_left(batch::Batch* batch) noexcept override;
  // Tells what has expired and wakes workers where waiting for more rows has ended. Returns when it
  // wants to be called next.
  int64_t tick() noexcept;
  // Answers everything unanswered with kShutDown. No submit() may be running.
  void shut_down() noexcept;
  // In the child of a fork, before anything else happens here: whatever was inherited, what threads
  // of the parent ran or were about to tell included, will be answered with kShutDown by
  // tell_inherited(), once no lock is held. Returns how many requests that are.
  size_t end_inherited() noexcept;
  void tell_inherited() noexcept;
  void settle(request::Node* delivered) noexcept override;

  // Something is queued, or to be tried again.
  bool has_work() const noexcept { return queued_rows_.load() > 0 || retry_count_.load() > 0; }
  // A batch of it could be taken at this moment.
  bool could_run() noexcept;
  // By hand: starts no batch of what is queued; at most so many rows a batch (0: no such limit).
  void pause(bool paused) noexcept;
  void limit_batch(size_t rows) noexcept;
  // Not before this time is tick() needed (as far as submitters know).
  std::atomic<int64_t>& next_due_ns() noexcept { return next_due_ns_; }
  // Whether its batches run on threads of its own (Crew), and how many at once (0: any number).
  bool waits() const noexcept { return waits_; }
  size_t at_once() const noexcept { return at_once_; }
  // Where the threads sleep that run its batches: with all workers, or its own crew.
  Idle& idle() noexcept { return waits_ ? own_idle_ : shared_.idle; }
  // The crew's threads end once they have run what they took.
  void dismiss_crew() noexcept {
    dismissed_.store(true);
    own_idle_.notify_all();
  }
  bool dismissed() const noexcept { return dismissed_.load(); }
  // Nothing of a request is left here.
  bool vacant() const noexcept { return nodes_out_.load() == 0; }

  uint32_t id() const { return id_; }
  const std::string& name() const { return name_; }
  const std::string& version() const { return version_; }
  const std::shared_ptr<const backend::Backend>& backend() const { return backend_; }
  const std::vector<OutputSpec>& outputs() const { return outputs_; }
  const ModelOptions& options() const { return options_; }
  // Of a kind that it gives.
  OutputLayout layout_of(AnswerKind kind) const {
    return {outputs_.data(), set_of_kind_[static_cast<size_t>(kind)]};
  }
  ModelStatus status() const;
  const std::shared_ptr<LaneCount>& count() const { return count_; }
  // Requests that run and are not answered yet.
  int64_t started() const noexcept { return started_.load(std::memory_order_relaxed); }

  // fork(): the parent holds the locks over it, so that the child finds everything in order; the
  // child forgets the batches of threads that it does not have.
  void lock_for_fork();
  void unlock_after_fork(bool in_child) noexcept;

 private:
  // A batch that waits is run so long before its deadline asks for it, at least and at most.
  static constexpr int64_t kWakeUpNs = 500 * kMicrosecond;
  static constexpr int64_t kWakeUpMostNs = 10 * kMillisecond;
  // What it costs to have another thread answer: one alone takes 10 to 16 us through the queue.
  static constexpr int64_t kHandOverNs = 15 * kMicrosecond;
  static constexpr int64_t kTargetsInInterval = 8;
  static constexpr double kShareOfTime = 0.4;  // see allowed_ns()
  static constexpr size_t index_of(Priority level) { return static_cast<size_t>(level); }

  Status read_outputs();
  Status warm_up();
  void publish_costs() noexcept;

  // lane_admit.cpp
  void note_queued(size_t rows) noexcept;
  Admission refuse(Refusal refusal, size_t given = 0, size_t allowed = 0,
                   int64_t retry_after_ns = 0) noexcept;
  // count: rows that the request counts for.
  struct Asked {  // for which outputs; by_kind: for the one of `kind`
    OutputSet set = 0;
    AnswerKind kind{};
    bool by_kind = false;
  };
  Asked asked_kind(const Request& request) const noexcept;
  Admission resolve(const Request& request, Asked& asked) const noexcept;
  Admission check(const Request& request, size_t count, int64_t now_ns) const noexcept;
  Admission check_fit(const Request& request, int64_t now_ns) const noexcept;
  Admission check_delay(const Request& request, size_t count, int64_t now_ns) noexcept;
  bool probes(int64_t now_ns) const noexcept;
  Refusal check_deadline(const Request& request, size_t count, double wait_ns,
                         int64_t now_ns) const noexcept;
  bool keep(cache::Bytes key, batch::Batch& batch, size_t row, size_t rows) noexcept;
  bool answer_from_cache(request::Node* node, int64_t now_ns, response::DoneList& done) noexcept;
  request::Node* fill(const Request& request, const Asked& asked, size_t count, bool may_block,
                      int64_t now_ns) noexcept;
  void note_due(int64_t due_ns) noexcept;

  // lane_direct.cpp; for visits, without mutex_
  friend class Visit;
  bool answers_at_once(size_t rows) const noexcept;
  Admission let_in(const Request& request, int64_t now_ns) noexcept;
  void let_out(size_t requests) noexcept;
  bool find(const Request& request, Visit& visit, Entry entry) noexcept;
  void forget_answers() noexcept;
  void answered(Visit& visit, int64_t now_ns) noexcept;
  void done(Visit& visit, const void* answer, size_t bytes) noexcept;
  void sample(size_t rows, int64_t run_ns) noexcept;
  void fail(Visit& visit, const Error& error, std::shared_ptr<void> object) noexcept;
  void forget(Visit& visit) noexcept;
  void give_up(Visit& visit) noexcept;
  void end_unanswered(Visit& visit, std::atomic<uint64_t>& count) noexcept;
  Turn wait(Visit& visit, int64_t timeout_ns) noexcept;
  void end_equal(Visit& leader, Turn turn, const void* answer, size_t bytes) noexcept;
  bool inherited(const Visit& visit) const noexcept;
  void close(Visit& visit) noexcept;
  void leave(const Visit& visit) noexcept;

  // lane_take.cpp; all under mutex_
  void drain_intake() noexcept;
  void follow(request::Node* node, request::Node* leader) noexcept;
  void leave_queue(request::Node* node, size_t rows) noexcept;
  bool ready(int64_t now_ns) noexcept;
  int64_t ready_at_ns() const noexcept;
  size_t batch_cap() const noexcept;
  // What has become of a batch so far.
  struct Filling {
    size_t cap = 0;
    int64_t deadline_ns = kNever;  // the earliest
    size_t spare_rows = 0;         // that were added out of turn
  };
  bool add_next(batch::Batch& batch, Filling& filling, int64_t now_ns,
                response::DoneList& done) noexcept;
  bool fits(const batch::Batch& batch, const Filling& filling, size_t rows, int64_t deadline_ns,
            int64_t now_ns) const noexcept;
  size_t spare_rows() const noexcept;
  size_t rows_to_add(const batch::Batch& batch, const request::Node& leader, size_t cap) const;
  bool sheds(request::Node* entry, int64_t now_ns, response::DoneList& done) noexcept;
  bool too_late(const request::Node& entry, int64_t now_ns) const noexcept;
  void expire_members(request::Node* leader, int64_t now_ns, response::DoneList& done) noexcept;
  batch::Batch* next_batch(int64_t now_ns, response::DoneList& done) noexcept;
  batch::Batch* fill_batch(int64_t now_ns, response::DoneList& done) noexcept;
  batch::Batch* new_batch() noexcept;
  void note_running(const batch::Batch& batch, int64_t now_ns) noexcept;

  // lane_wait.cpp
  size_t batches_at_once() const noexcept;
  double cost_ns(size_t rows) const noexcept;
  int64_t start_by_ns(int64_t deadline_ns, int64_t since_ns, size_t rows) const noexcept;
  double others_meanwhile(Priority level, double own) const noexcept;
  double wait_ns(Priority level, int64_t order_ns, int64_t now_ns) const noexcept;
  double allowed_ns(double time_ns) const noexcept;
  bool stands(Priority level, double allowed_ns, int64_t now_ns) const noexcept;
  bool overfills(Priority level, double answered_ns, double time_ns, int64_t now_ns) const noexcept;
  int64_t shed_interval_ns() const noexcept;
  int64_t shed_target_ns() const noexcept;
  void measure_waits(int64_t now_ns) noexcept;  // these two under mutex_
  void judge_waits(int64_t now_ns) noexcept;

  // lane_retry.cpp; under mutex_
  bool halve(batch::Batch* batch) noexcept;
  void queue_again(batch::Batch* batch) noexcept;
  void enter_level(batch::Batch& half) noexcept;
  void leave_level(batch::Batch& half) noexcept;
  void promote_retry(const request::Node* leader) noexcept;
  batch::Batch* take_retry(bool due, int64_t now_ns, response::DoneList& done) noexcept;
  void note_awaited(batch::Batch& batch) noexcept;

  // lane_finish.cpp and lane_tell.cpp; all but tell() under mutex_
  void claim(request::Node* node, const Error* error, int64_t now_ns,
             response::DoneList& done) noexcept;
  void give_up(request::Node* leader) noexcept;
  void fail_members(request::Node* leader, const Error* error, int64_t now_ns,
                    response::DoneList& done) noexcept;
  std::atomic<uint64_t>& count_of(const Error* error) noexcept;
  void claim_part(batch::Batch* batch, size_t number, size_t batch_row, int64_t now_ns,
                  response::DoneList& done) noexcept;
  void expire_due(int64_t now_ns, response::DoneList& done) noexcept;

  // lane_pace.cpp; all under mutex_
  bool paces() const noexcept {
    return options_.batch_timeout_ns > 0 || options_.min_batch_interval_ns > 0;
  }
  int64_t start_at_ns() noexcept;
  int64_t wait_ends_ns() noexcept;
  void note_start(int64_t now_ns) noexcept;
  void note_begun(request::Node* leader) noexcept;
  void note_aside(request::Node* leader) noexcept;

  // lane_rounds.cpp; all under mutex_
  bool may_run_again(const batch::Batch& batch) const noexcept;
  void claim_own_errors(batch::Batch* batch, int64_t now_ns, response::DoneList& done) noexcept;
  bool give_round(batch::Batch* batch) noexcept;
  void put_aside(batch::Batch* batch) noexcept;
  void end_piece(batch::Batch* batch, int64_t now_ns) noexcept;
  void drop_dead_parts(batch::Round& round) noexcept;
  void drop_dead_rounds() noexcept;
  void start_due_rounds(int64_t now_ns) noexcept;
  int64_t next_round_ns() const noexcept;
  void drop_hold(request::Node* node) noexcept;
  void release_dropped() noexcept;
  void recycle(batch::Batch* batch) noexcept;
  void count(const batch::Batch& batch, int64_t now_ns) noexcept;
  // What a step under the lock leaves for afterwards, as it may run code of others: completions,
  // and destructors of what nodes and batches hold.
  struct Leavings {
    response::DoneList done;
    request::Node* free = nullptr;
    batch::Batch* spent = nullptr;
  };
  void take_leavings(Leavings& leavings) noexcept;
  void tell(Leavings& leavings) noexcept;  // without mutex_
  void claim_all(const Error* error, int64_t now_ns, response::DoneList& done) noexcept;

  // lane_fork.cpp; under mutex_
  void forget_lost_batches() noexcept;
  void forget_lost_answer(request::Node* node) noexcept;

  const uint32_t id_;
  const std::string name_;
  const std::string version_;
  const std::shared_ptr<const backend::Backend> backend_;
  ModelOptions options_;
  Shared& shared_;
  const std::shared_ptr<LaneCount> count_;
  Counters& counters_ = count_->requests;
  std::vector<OutputSpec> outputs_;
  std::array<OutputSet, kAnswerKinds> set_of_kind_{};  // 0: there is no such answer
  size_t width_ = 0;
  size_t at_once_ = 0;
  bool waits_ = false;
  bool splits_ = true;
  bool takes_rows_ = true;
  bool shares_ = false;  // single flight

  Idle own_idle_;  // of the crew
  std::atomic<bool> dismissed_{false};
  request::NodeStore store_;
  queue::Intake intake_;
  cache::LruTtl* cache_ = nullptr;  // the engine's, if this lane's answers are kept
  cache::Judge judge_;              // of the cache
  EqualVisits equal_visits_;
  std::atomic<uint32_t> samples_{0};
  std::atomic<size_t> queued_rows_{0};
  std::atomic<size_t> queued_rows_max_{0};
  std::array<queue::Backlog, kPriorities> backlogs_;
  std::atomic<size_t> queued_requests_{0};  // counted where there is a limit
  std::atomic<size_t> limit_{0};            // of limit_batch()
  std::atomic<size_t> active_{0};           // admitted and not yet answered
  std::atomic<size_t> nodes_out_{0};
  std::atomic<size_t> retry_count_{0};
  std::atomic<int64_t> started_{0};  // begun_ as of the last step under the lock
  std::atomic<int64_t> next_due_ns_{kNever};
  std::atomic<double> row_ns_{0}, batch_ns_{0};  // the fit, for submitters
  std::atomic<size_t> rows_at_least_{0};         // that a small batch is believed to cost
  std::atomic<int64_t> last_batch_ns_{0};        // when it ended
  std::atomic<int64_t> busy_until_ns_{0};        // if all that may run its batches do
  std::atomic<size_t> cap_{0};                   // of the last batch
  std::array<queue::Delay, kPriorities> delays_;

  mutable std::mutex mutex_;
  queue::Levels levels_;
  queue::Deadlines deadlines_;
  queue::Flights flights_;
  batch::CostFit fit_;
  size_t running_ = 0;
  int64_t begun_ = 0;  // requests whose rows have begun to run, and that are not answered
  int64_t waiting_since_ns_ = kNever;                   // the first of those that a batch waits for
  int64_t earliest_deadline_ns_ = kNever;               // not after that of any that waits
  std::array<size_t, request::kClasses> class_rows_{};  // queued
  std::atomic<bool> paused_{false};                     // changed under the lock
  int64_t next_start_ns_ = 0;                           // not before then, by min_batch_interval_ns
  batch::Batch* retries_ = nullptr;
  std::vector<std::shared_ptr<batch::Round>> rounds_;  // that wait for retry_delay_ns
  size_t live_rounds_ = 0;                             // those of pieces to come, too
  batch::Batch* free_batches_ = nullptr;
  batch::Batch* spent_batches_ = nullptr;                // ended, and not yet cleared
  std::atomic<batch::Batch*> cleared_batches_{nullptr};  // free, pushed without the lock
  batch::Batch* all_batches_ = nullptr;
  request::Node* free_nodes_ = nullptr;
  Leavings inherited_;    // of end_inherited()
  uint64_t batches_ = 0;  // that have run
};

}  // namespace spinney::engine
