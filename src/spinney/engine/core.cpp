#include "spinney/engine/core.h"

#include <new>

#include "spinney/cpu/count.h"
#include "spinney/engine/fork.h"
#include "spinney/memory/node.h"

namespace spinney::engine {

cache::LruTtlOptions Core::cache_options(const EngineOptions& options) {
  cache::LruTtlOptions cached;
  cached.entries_max = options.cache_entries;
  cached.bytes_max = options.cache_bytes;
  cached.ttl_ns = options.cache_ttl_ns;
  if (options.clock) cached.clock = options.clock;
  return cached;
}

Core::Core(EngineOptions options) : options_(std::move(options)) {
  if (!options_.clock) options_.clock = &SteadyClock::instance();
  if (options_.num_workers == 0) options_.num_workers = cpu::usable_cpus();
  shared_.clock = options_.clock;
  shared_.threads = options_.threads;
  shared_.workers = options_.num_workers;
  shared_.max_concurrent = options_.max_concurrent_requests;
  if (options_.cache_entries > 0)
    shared_.cache = std::make_unique<cache::LruTtl>(cache_options(options_));
  if (!options_.topology && (options_.pin_workers || memory::node_count() > 1))
    options_.topology = std::make_shared<const cpu::Topology>(cpu::read_topology());
  if (options_.topology)
    placement_ = cpu::assign(*options_.topology, static_cast<unsigned>(options_.num_workers));
  watch_forks(this);
}

Core::~Core() {
  unwatch_forks(this);
  if (threads_ && forked_.load()) [[maybe_unused]]
    auto* parents = threads_.release();
}

Admission Core::refuse(Refusal refusal) noexcept {
  count_unknown(refusal);
  return {refusal, {}, 0, 0, 0};
}

Admission Core::submit(const Request& request) noexcept {
  const bool may_block = request.completion && request.completion->may_block();
  response::DoneList done;
  Lane* lane = nullptr;
  Admission admission;
  {
    const std::shared_lock lock(directory_mutex_);
    if (closed_) return refuse(Refusal::kShutDown);
    lane = find(request.model, request.version);
    if (!lane) return refuse(Refusal::kUnknownModel);
    admission = lane->submit(request, may_block, done);
  }
  // A lane stays as long as it has requests, so it is there if somebody is to be told.
  if (!done.empty()) tell_kept(*lane, done);
  return admission;
}

// In turn: what a completion asks while it is told of another one that was kept is told once it has
// returned, lest a chain of them be as deep as it is long.
struct Core::Telling {
  const Core* core;
  Telling* outer;  // of another engine, on this thread
  response::DoneList waiting;
};
thread_local Core::Telling* Core::telling_ = nullptr;

void Core::tell_kept(Lane& lane, response::DoneList& done) noexcept {
  for (Telling* telling = telling_; telling; telling = telling->outer)
    if (telling->core == this) return telling->waiting.add(done.take());
  Telling mine{this, telling_, {}};
  telling_ = &mine;
  lane.tell(done);
  while (request::Node* node = mine.waiting.take())
    while (node) {
      request::Node* next = node->done_next;
      response::DoneList one;
      one.add(node);
      static_cast<Lane*>(node->owner)->tell(one);  // which stays as long as it has requests
      node = next;
    }
  telling_ = mine.outer;
}

Admission Core::enter(const Request& request, Visit& visit, Entry entry) noexcept {
  const std::shared_lock lock(directory_mutex_);
  Lane* lane = closed_ ? nullptr : find(request.model, request.version);
  if (lane) return lane->enter(request, visit, entry);
  if (entry == Entry::kIfKept) return {};  // only looked
  return refuse(closed_ ? Refusal::kShutDown : Refusal::kUnknownModel);
}

void Core::keep(const Request& request, cache::Bytes answer) noexcept {
  const std::shared_lock lock(directory_mutex_);
  if (Lane* lane = find(request.model, request.version))
    lane->keep(request.key, request.kind, answer);
}

Lane* Core::find(std::string_view model, std::string_view version) const noexcept {
  const auto name = names_.find(model.empty() ? std::string_view(default_name_) : model);
  if (name == names_.end() || name->second.lanes.empty()) return nullptr;
  const Lanes& lanes = name->second.lanes;
  if (version.empty()) return lanes.back().get();
  for (const auto& lane : lanes)
    if (lane->version() == version) return lane.get();
  return nullptr;
}

Status Core::with_lane(const std::string& name, const std::string& version,
                       const std::function<void(Lane&)>& act) {
  const std::shared_lock lock(directory_mutex_);
  Lane* lane = find(name, version);
  if (!lane) return Error{Code::kNotFound, "no model \"" + name + "\" of this version is loaded"};
  act(*lane);
  return {};
}

bool Core::cancel(RequestId id) noexcept {
  const std::shared_ptr<const Lanes> lanes = all_lanes();
  for (const auto& lane : *lanes)
    if (lane->id() == id.lane) return lane->cancel(id);
  return false;
}

bool Core::running(RequestId id) const noexcept {
  const std::shared_ptr<const Lanes> lanes = all_lanes();
  for (const auto& lane : *lanes)
    if (lane->id() == id.lane) return lane->running(id);
  return false;
}

void Core::resume() {
  const std::lock_guard admin(admin_mutex_);
  const std::unique_lock lock(directory_mutex_);
  if (stopped_) return;
  closed_ = false;
  shared_.draining.store(false);
}

std::shared_ptr<const Lanes> Core::all_lanes() const noexcept {
  const std::shared_lock lock(directory_mutex_);
  return all_;
}

void Core::before_fork() {
  admin_mutex_.lock();
  directory_mutex_.lock();
  if (shared_.cache) shared_.cache->lock_for_fork();
  for (const Lanes* lanes : {&lanes_, &retired_})
    for (const auto& lane : *lanes) lane->lock_for_fork();
  for (const auto& [name, count] : counts_)
    if (count) count->lock_for_fork();
}

void Core::after_fork(bool in_child) noexcept {
  for (const auto& [name, count] : counts_)
    if (count) count->unlock_after_fork();
  for (const Lanes* lanes : {&lanes_, &retired_})
    for (const auto& lane : *lanes) lane->unlock_after_fork(in_child);
  if (shared_.cache) shared_.cache->unlock_after_fork();
  if (in_child) {
    shared_.generation.fetch_add(1);
    directory_mutex_.unlock();
    new (&directory_mutex_) DirectoryLock;  // without those who waited for it in the parent
    loads_.clear();  // on other threads of the parent; one on this thread goes on
    new (&shared_.idle) Idle;
    new (&shared_.mailbox) response::Mailbox;
    shared_.timer_wakes_ns.store(Shared::kAwake);
    threads_running_.store(0);
    [[maybe_unused]] auto* parents = threads_.release();  // which do not exist here
    for (const auto& crew : crews_) crew->forget_threads();
    if (!stopped_) forked_.store(true, std::memory_order_release);
  } else {
    directory_mutex_.unlock();
  }
  admin_mutex_.unlock();
}

// Nothing of the child's own happens before this is done, as everybody comes by here. What was
// inherited is told last, without a lock: a completion may ask the engine again.
void Core::start_afresh() noexcept {
  std::shared_ptr<const Lanes> lanes;
  {
    const std::lock_guard admin(admin_mutex_);
    if (!forked_.load()) return;
    lanes = all_lanes();
    size_t inherited = 0;
    for (const auto& lane : *lanes) inherited += lane->end_inherited();
    shared_.inherit(inherited);
    try {
      if (options_.threads) (void)start();
    } catch (const std::bad_alloc&) {  // nobody scores, but nobody waits for ever either: stop()
    }
    forked_.store(false, std::memory_order_release);
  }
  for (const auto& lane : *lanes) lane->tell_inherited();
}

}  // namespace spinney::engine
