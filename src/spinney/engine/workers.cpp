// The threads of an engine: workers that score, crews that wait for back ends which score
// elsewhere, one that keeps time, one that tells completions which may block; and how they end.
#include <system_error>

#include "spinney/engine/core.h"

namespace spinney::engine {

template <typename Function>
void Core::spawn(std::vector<std::thread>& threads, Function&& function) {
  threads_running_.fetch_add(1);
  try {
    threads.emplace_back([self = shared_from_this(), function] {
      function(*self);
      self->threads_running_.fetch_sub(1);
      futex_wake(self->threads_running_);
    });
  } catch (...) {
    threads_running_.fetch_sub(1);
    throw;
  }
}

Status Core::start() {
  Status hired;  // without a crew of its own only its model stands still
  for (const auto& crew : crews_)
    if (Status status = hire(*crew); !status.ok()) hired = std::move(status);
  try {
    threads_ = std::make_unique<std::vector<std::thread>>();
    threads_->reserve(options_.num_workers + 2);
    for (size_t i = 0; i < options_.num_workers; ++i)
      spawn(*threads_, [i](Core& core) { core.work(i); });
    spawn(*threads_, [](Core& core) { core.keep_time(core.stopping_); });
    spawn(*threads_, [](Core& core) { core.deliver(); });
  } catch (const std::system_error& error) {
    return Error{Code::kTooLarge, std::string("the system gives no more threads (num_workers " +
                                              std::to_string(options_.num_workers) + "): ") +
                                      error.what()};
  }
  return hired;
}

Status Core::hire(Crew& crew) {
  if (!options_.threads) return {};
  const std::string& name = crew.lane()->name();
  size_t all = crew.size();
  {
    const std::shared_lock lock(directory_mutex_);
    for (const auto& other : crews_)
      if (other.get() != &crew) all += other->size();
  }
  if (all > kWaitersMax)
    return Error{Code::kTooLarge,
                 "model \"" + name + "\" waits, and its " + std::to_string(crew.size()) +
                     " batches at once would make " + std::to_string(all) +
                     " threads that wait; at most " + std::to_string(kWaitersMax) +
                     " may: lower its concurrency, or load again once versions that "
                     "were replaced have answered"};
  try {
    std::vector<std::thread>& threads = crew.make_threads();
    for (size_t i = 0; i < crew.size(); ++i)
      spawn(threads, [lane = crew.lane()](Core& core) { core.wait_on(*lane); });
  } catch (const std::system_error& error) {
    return Error{Code::kTooLarge, "the system gives no more threads for model \"" + name +
                                      "\", which waits: " + error.what()};
  }
  return {};
}

// The end of what take() began.
bool Core::run_batch(Lane& lane, const Lanes& beside) noexcept {
  if (!lane.has_work()) return false;
  batch::Batch* batch = lane.take();
  if (!batch) return false;
  pass_on(lane, beside);
  batch->run(*shared_.clock);
  if (!batch->scored() && batch->leave(shared_from_this())) return true;
  lane.remember(*batch);
  lane.finish(batch);
  return true;
}

// A thread that looked for work was told of all that came meanwhile, of whichever lane, and woke
// nobody for it. What it leaves for the time of its batch goes to the next one that sleeps; who
// does not sleep looks by himself.
void Core::pass_on(Lane& taken, const Lanes& beside) noexcept {
  Idle& idle = taken.idle();
  if (!idle.anybody_sleeps()) return;
  bool more = taken.could_run();
  for (size_t i = 0; i < beside.size() && !more; ++i)
    more = &beside[i]->idle() == &idle && beside[i]->could_run();
  if (more) idle.notify();
}

// A batch of the first lane, from `turn` on, that has one.
bool Core::work_once(const Lanes& lanes, size_t& turn, Work work) noexcept {
  for (size_t i = 0; i < lanes.size(); ++i) {
    Lane& lane = *lanes[(turn + i) % lanes.size()];
    if (work != Work::kAny && lane.waits() != (work == Work::kWaiting)) continue;
    if (!run_batch(lane, lanes)) continue;
    turn = (turn + i + 1) % lanes.size();
    return true;
  }
  return false;
}

void Core::work(size_t number) {
  if (options_.topology)
    cpu::take_place(*options_.topology, placement_, number, options_.pin_workers);
  if (options_.on_worker_start) options_.on_worker_start(number);
  std::shared_ptr<const Lanes> lanes;
  uint64_t known = 0;
  size_t turn = number;
  for (;;) {
    const uint32_t epoch = shared_.idle.epoch();  // first, see wait_on()
    if (stopping_.load()) return;
    if (!lanes || known != directory_version_.load()) {
      known = directory_version_.load();
      lanes = all_lanes();
    }
    if (work_once(*lanes, turn, Work::kComputing)) continue;
    lanes.reset();  // a worker that sleeps keeps no model that is replaced meanwhile
    shared_.idle.wait(epoch, options_.spin_ns);
  }
}

void Core::wait_on(Lane& lane) noexcept {
  const Lanes alone;
  for (;;) {
    // Read before what ends the loop is looked at: who says so announces it afterwards.
    const uint32_t epoch = lane.idle().epoch();
    if (stopping_.load() || lane.dismissed()) return;
    if (!run_batch(lane, alone)) lane.idle().wait(epoch, 0);
  }
}

bool Core::has_retired() const noexcept {
  const std::shared_lock lock(directory_mutex_);
  return !retired_.empty();
}

int64_t Core::tick() noexcept {
  int64_t next = kNever;
  const std::shared_ptr<const Lanes> lanes = all_lanes();
  for (const auto& lane : *lanes) next = std::min(next, lane->tick());
  if (has_retired()) {
    sweep();
    next = std::min(next, shared_.clock->now_ns() + 5 * kMillisecond);
  }
  return next;
}

void Core::keep_time(const std::atomic<bool>& leave) {
  for (;;) {
    const uint32_t bell = shared_.timer_bell.load();  // first, see wait_on()
    if (stopping_.load() || leave.load()) return;
    int64_t next = tick();
    shared_.timer_wakes_ns.store(next, std::memory_order_seq_cst);
    // Who submitted or unloaded before that store did not ring; what he noted is seen here.
    bool earlier = false;
    {  // not kept while this thread waits: it would keep what is unloaded meanwhile
      const std::shared_ptr<const Lanes> lanes = all_lanes();
      for (const auto& lane : *lanes) earlier |= lane->next_due_ns().load() < next;
    }
    if (has_retired()) next = std::min(next, shared_.clock->now_ns() + 5 * kMillisecond);
    const int64_t wait = next == kNever ? -1 : next - shared_.clock->now_ns();
    if (earlier || (next != kNever && wait <= 0)) continue;
    futex_wait(shared_.timer_bell, bell, wait);
  }
}

void Core::deliver() {
  while (shared_.mailbox.wait()) shared_.mailbox.deliver();
}

bool Core::run_some(Work work) noexcept {
  const std::shared_ptr<const Lanes> lanes = all_lanes();
  size_t turn = turn_.load(std::memory_order_relaxed);  // several threads may come here
  const bool ran = work_once(*lanes, turn, work);
  turn_.store(turn, std::memory_order_relaxed);
  return ran;
}

void Core::rouse() noexcept {
  shared_.idle.notify_all();
  const std::shared_ptr<const Lanes> lanes = all_lanes();
  for (const auto& lane : *lanes)
    if (lane->waits()) lane->idle().notify_all();
}

void Core::rouse_all() noexcept {
  rouse();
  shared_.timer_bell.fetch_add(1);
  futex_wake(shared_.timer_bell);
}

bool Core::wait_for_drained(int64_t timeout_ns) {
  if (!options_.threads && !options_.served_by_others) {
    while (shared_.in_flight() > 0 && run_some(Work::kAny)) {
    }
    return shared_.in_flight() == 0;
  }
  const SteadyClock& clock = SteadyClock::instance();
  const int64_t begin = clock.now_ns();
  for (;;) {
    const uint32_t seen = shared_.drained.load();
    if (shared_.in_flight() == 0) return true;
    const int64_t left = timeout_ns - (clock.now_ns() - begin);
    if (left <= 0) return false;
    futex_wait(shared_.drained, seen, left);
  }
}

bool Core::drain(int64_t timeout_ns) {
  {
    const std::lock_guard admin(admin_mutex_);
    const std::unique_lock lock(directory_mutex_);  // no submit() is under way any more
    closed_ = true;
    shared_.draining.store(true);
  }
  rouse();
  return wait_for_drained(timeout_ns);
}

void Core::stop(int64_t timeout_ns) {
  const int64_t begin = SteadyClock::instance().now_ns();
  drain(timeout_ns);
  {
    const std::lock_guard admin(admin_mutex_);
    if (stopped_) return;
    stopped_ = true;
  }
  const std::shared_ptr<const Lanes> lanes = all_lanes();
  for (const auto& lane : *lanes) lane->shut_down();
  stopping_.store(true);
  rouse_all();
  shared_.mailbox.close();
  const int64_t left = timeout_ns - (SteadyClock::instance().now_ns() - begin);
  join_threads(std::max(left, kStopAtLeastNs));
}

// Threads end as soon as their back end or completion returns. Those that have not by then are left
// to end by themselves; what they need lives as long as they do.
void Core::join_threads(int64_t timeout_ns) {
  if (!threads_) return;
  const SteadyClock& clock = SteadyClock::instance();
  const int64_t end = clock.now_ns() + timeout_ns;
  for (uint32_t running; (running = threads_running_.load()) > 0;) {
    const int64_t left = end - clock.now_ns();
    if (left <= 0) break;
    futex_wait(threads_running_, running, left);
  }
  const bool ended = threads_running_.load() == 0;
  Crews crews;
  {
    const std::unique_lock lock(directory_mutex_);
    crews.swap(crews_);
  }
  for (const auto& crew : crews) crew->end(ended);
  for (std::thread& thread : *threads_) ended ? thread.join() : thread.detach();
  threads_.reset();
}

}  // namespace spinney::engine
