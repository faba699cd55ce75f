#include "spinney/engine/core.h"

#include <algorithm>
#include <new>

#include "spinney/cpu/count.h"
#include "spinney/engine/fork.h"
#include "spinney/memory/node.h"

namespace spinney::engine {

Core::Core(EngineOptions options) : options_(std::move(options)) {
  if (!options_.clock) options_.clock = &SteadyClock::instance();
  if (options_.num_workers == 0) options_.num_workers = cpu::usable_cpus();
  shared_.clock = options_.clock;
  shared_.threads = options_.threads;
  shared_.workers = options_.num_workers;
  shared_.max_concurrent = options_.max_concurrent_requests;
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

Status Core::load(const std::string& name, const std::string& version,
                  std::shared_ptr<const backend::Backend> backend, const ModelOptions& options) {
  if (!backend) return invalid_argument("load: model \"" + name + "\" has no back end");
  if (name.empty()) return invalid_argument("load: a model needs a name");
  auto lane = std::make_shared<Lane>(next_lane_id_.fetch_add(1), name, version, std::move(backend),
                                     options, shared_);
  SPINNEY_TRY(lane->prepare());
  auto crew = lane->waits() ? std::make_unique<Crew>(lane) : nullptr;
  {
    const std::lock_guard admin(admin_mutex_);
    if (stopped_) return Error{Code::kShutDown, "load: the engine was stopped"};
    if (crew) SPINNEY_TRY(hire(*crew));
    const std::unique_lock lock(directory_mutex_);
    // All that may fail for want of memory comes first.
    crews_.reserve(crews_.size() + 1);
    Versions& versions = names_[name];
    versions.lanes.reserve(versions.lanes.size() + 1);
    lanes_.reserve(lanes_.size() + 1);
    retired_.reserve(retired_.size() + 1);
    auto all = std::make_shared<Lanes>();
    all->reserve(all_->size() + 1);
    *all = *all_;
    all->push_back(lane);
    if (default_name_.empty()) default_name_ = name;
    all_ = std::move(all);
    const auto old = std::find_if(versions.lanes.begin(), versions.lanes.end(),
                                  [&](const auto& l) { return l->version() == version; });
    if (old != versions.lanes.end()) {
      retire(*old);
      versions.lanes.erase(old);
    }
    versions.lanes.push_back(lane);
    if (crew) crews_.push_back(std::move(crew));
    lanes_.push_back(std::move(lane));
    directory_version_.fetch_add(1);
  }
  sweep();
  return {};
}

void Core::retire(std::shared_ptr<Lane> lane) {
  std::erase(lanes_, lane);
  retired_.push_back(std::move(lane));
  directory_version_.fetch_add(1);
  shared_.due_at(0);  // the timer sweeps
}

Status Core::unload(const std::string& name, const std::string& version) {
  {
    const std::lock_guard admin(admin_mutex_);
    const std::unique_lock lock(directory_mutex_);
    retired_.reserve(retired_.size() + lanes_.size());
    const auto entry = names_.find(name);
    size_t unloaded = 0;
    if (entry != names_.end()) {
      std::erase_if(entry->second.lanes, [&](const auto& lane) {
        if (!version.empty() && lane->version() != version) return false;
        retire(lane);
        ++unloaded;
        return true;
      });
      if (entry->second.lanes.empty()) names_.erase(entry);
    }
    if (unloaded == 0)
      return Error{Code::kNotFound, "unload: no model \"" + name + "\"" +
                                        (version.empty() ? "" : " of version \"" + version + "\"") +
                                        " is loaded"};
    if (!names_.contains(default_name_)) {
      default_name_.clear();
      if (!lanes_.empty()) default_name_ = lanes_.front()->name();
    }
  }
  sweep();
  return {};
}

// Without memory for it, it is done another time.
void Core::sweep() noexcept try {
  Lanes gone;   // destroyed without the lock,
  Crews ended;  // as their threads are waited for
  {
    const std::unique_lock lock(directory_mutex_);
    if (retired_.empty()) return;
    const auto vacant = std::partition(retired_.begin(), retired_.end(),
                                       [](const auto& lane) { return !lane->vacant(); });
    if (vacant == retired_.end()) return;
    gone.reserve(retired_.size());
    ended.reserve(crews_.size());
    auto all = std::make_shared<Lanes>(lanes_);
    all->insert(all->end(), retired_.begin(), vacant);
    for (auto lane = vacant; lane != retired_.end(); ++lane) {
      add_to(past_, (*lane)->counts());
      const auto crew = std::find_if(crews_.begin(), crews_.end(),
                                     [&](const auto& c) { return c->lane() == *lane; });
      if (crew != crews_.end()) {
        ended.push_back(std::move(*crew));
        crews_.erase(crew);
      }
      gone.push_back(std::move(*lane));
    }
    retired_.erase(vacant, retired_.end());
    all_ = std::move(all);
    directory_version_.fetch_add(1);
  }
} catch (const std::bad_alloc&) {
}

Admission Core::submit(const Request& request) noexcept {
  const auto refuse = [&](Refusal refusal) {
    Counters::add(unknown_.submitted);
    Counters::add(unknown_.refused[static_cast<size_t>(refusal)]);
    return Admission{refusal, {}, 0, 0, 0};
  };
  response::DoneList done;
  Lane* lane = nullptr;
  Admission admission;
  {
    const std::shared_lock lock(directory_mutex_);
    if (closed_) return refuse(Refusal::kShutDown);
    lane = find(request.model, request.version);
    if (!lane) return refuse(Refusal::kUnknownModel);
    admission = lane->submit(request, done);
  }
  // A lane stays as long as it has requests, so it is there if somebody is to be told.
  if (!done.empty()) lane->tell(done);
  return admission;
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

std::vector<ModelStatus> Core::models() const {
  std::vector<std::pair<std::shared_ptr<Lane>, bool>> lanes;
  {
    const std::shared_lock lock(directory_mutex_);
    for (const auto& [name, versions] : names_)
      for (const auto& lane : versions.lanes)
        lanes.emplace_back(lane, lane == versions.lanes.back());
  }
  std::vector<ModelStatus> models;
  for (const auto& [lane, current] : lanes) {
    models.push_back(lane->status());
    models.back().current = current;
  }
  return models;
}

EngineStats Core::stats() const {
  EngineStats stats;
  const std::shared_lock lock(directory_mutex_);
  stats.requests = past_;
  add_to(stats.requests, unknown_.read());
  for (const Lanes* lanes : {&lanes_, &retired_})
    for (const auto& lane : *lanes) add_to(stats.requests, lane->counts());
  stats.in_flight = shared_.in_flight.load();
  stats.workers = options_.num_workers;
  for (const auto& crew : crews_) stats.waiters += crew->size();
  return stats;
}

Result<Stages> Core::stages(const std::string& name, const std::string& version) const {
  const std::shared_lock lock(directory_mutex_);
  if (const Lane* lane = find(name, version)) return lane->stages();
  return Error{Code::kNotFound, "no model \"" + name + "\" of version \"" + version + "\""};
}

void Core::before_fork() {
  admin_mutex_.lock();
  directory_mutex_.lock();
  for (const Lanes* lanes : {&lanes_, &retired_})
    for (const auto& lane : *lanes) lane->lock_for_fork();
}

void Core::after_fork(bool in_child) noexcept {
  for (const Lanes* lanes : {&lanes_, &retired_})
    for (const auto& lane : *lanes) lane->unlock_after_fork(in_child);
  if (in_child) {
    // A lock for reading and writing knows its owner by the parent's thread number.
    new (&directory_mutex_) std::shared_mutex;
    new (&shared_.idle) Idle;
    new (&shared_.mailbox) response::Mailbox;
    shared_.timer_wakes_ns.store(kNever);
    threads_running_.store(0);
    [[maybe_unused]] auto* parents = threads_.release();  // which do not exist here
    for (const auto& crew : crews_) crew->forget_threads();
    if (!stopped_) forked_.store(true, std::memory_order_release);
  } else {
    directory_mutex_.unlock();
  }
  admin_mutex_.unlock();
}

void Core::start_afresh() noexcept {
  const std::lock_guard admin(admin_mutex_);
  if (!forked_.load()) return;
  const std::shared_ptr<const Lanes> lanes = all_lanes();
  for (const auto& lane : *lanes) lane->shut_down(true);
  // Of those that the child inherited these leave when the thread to come delivers them.
  shared_.in_flight.store(shared_.mailbox.pending());
  if (options_.threads) (void)start();
  forked_.store(false, std::memory_order_release);
}

}  // namespace spinney::engine
