#include "spinney/engine/engine.h"

#include <new>
#include <stdexcept>

#include "spinney/engine/core.h"

namespace spinney::engine {
namespace {

// Short enough for a string that needs no memory of its own.
Error no_memory() { return {Code::kTooLarge, "out of memory"}; }

constexpr size_t kWorkersMax = 1024;

}  // namespace

Result<std::unique_ptr<Engine>> Engine::make(EngineOptions options) {
  if (options.num_workers > kWorkersMax)
    return invalid_argument("num_workers must be at most " + std::to_string(kWorkersMax) +
                            " (0: as many as the process may use)");
  if (options.spin_ns < 0) return invalid_argument("spin_ns must not be negative");
  if (options.cache_entries > 0) SPINNEY_TRY(cache::LruTtl::check(Core::cache_options(options)));
  try {
    const bool threads = options.threads;
    auto core = std::make_shared<Core>(std::move(options));
    std::unique_ptr<Engine> engine(new Engine(core));
    if (threads) SPINNEY_TRY(core->start());
    return engine;
  } catch (const std::bad_alloc&) {
    return no_memory();
  }
}

Engine::Engine(std::shared_ptr<Core> core) : core_(std::move(core)) {}
Engine::~Engine() { stop(kSecond); }

Status Engine::load(const std::string& name, const std::string& version,
                    std::shared_ptr<const backend::Backend> backend, const ModelOptions& options) {
  core_->start_afresh_if_forked();
  try {
    return core_->load(name, version, std::move(backend), options);
  } catch (const std::bad_alloc&) {
    return no_memory();
  } catch (const std::length_error&) {
    return no_memory();
  }
}

Status Engine::unload(const std::string& name, const std::string& version) {
  core_->start_afresh_if_forked();
  try {
    return core_->unload(name, version);
  } catch (const std::bad_alloc&) {
    return no_memory();
  }
}

Admission Engine::submit(const Request& request) noexcept {
  core_->start_afresh_if_forked();
  return core_->submit(request);
}

Admission Engine::enter(const Request& request, Visit& visit, Entry entry) noexcept {
  core_->start_afresh_if_forked();
  return core_->enter(request, visit, entry);
}

Admission Engine::run_or_submit(const Request& request) noexcept {
  core_->start_afresh_if_forked();
  return core_->run_or_submit(request);
}

void Engine::keep(const Request& request, cache::Bytes answer) noexcept {
  core_->start_afresh_if_forked();
  core_->keep(request, answer);
}

size_t Engine::cleanup_cache() noexcept {
  cache::LruTtl* cache = core_->shared().cache.get();
  return cache ? cache->cleanup() : 0;
}

size_t Engine::shrink_cache(size_t bytes) noexcept {
  cache::LruTtl* cache = core_->shared().cache.get();
  return cache ? cache->shrink(bytes) : 0;
}

size_t Engine::active() const noexcept { return core_->shared().active(); }

bool Engine::cancel(RequestId id) noexcept {
  core_->start_afresh_if_forked();
  return core_->cancel(id);
}

bool Engine::running(RequestId id) const noexcept { return core_->running(id); }

int64_t Engine::now_ns() const noexcept { return core_->shared().clock->now_ns(); }

bool Engine::drain(int64_t timeout_ns) {
  core_->start_afresh_if_forked();
  return core_->drain(timeout_ns);
}

void Engine::resume() {
  core_->start_afresh_if_forked();
  core_->resume();
}

void Engine::stop(int64_t timeout_ns) {
  core_->start_afresh_if_forked();
  core_->stop(timeout_ns);
}

void Engine::limit_concurrency(size_t requests) noexcept { core_->shared().limit.store(requests); }

const cpu::Assignment& Engine::placement() const noexcept { return core_->placement(); }

std::vector<ModelStatus> Engine::models() const { return core_->models(); }

Result<std::vector<OutputSpec>> Engine::outputs(const std::string& name,
                                                const std::string& version) const {
  return core_->outputs(name, version);
}

EngineStats Engine::stats() const { return core_->stats(); }

Result<Stages> Engine::stages(const std::string& name, const std::string& version) const {
  return core_->stages(name, version);
}

Totals Engine::totals() const { return core_->totals(); }

void Engine::count_unknown() noexcept { core_->count_unknown(); }

void Engine::retract_unknown() noexcept { core_->retract_unknown(); }

std::vector<Call> Engine::latest_calls(size_t calls_max) const {
  return core_->latest_calls(calls_max);
}

std::shared_ptr<LaneCount> Engine::count_of(const std::string& name,
                                            const std::string& version) const {
  return core_->count_of(name, version);
}

void Engine::after_fork_in_child() { core_->start_afresh_if_forked(); }

bool Engine::run_some(Work work) noexcept { return core_->run_some(work); }

int64_t Engine::tick() noexcept { return core_->tick(); }

Status Engine::pause(const std::string& name, bool paused, const std::string& version) {
  core_->start_afresh_if_forked();
  return core_->with_lane(name, version, [&](Lane& lane) { lane.pause(paused); });
}

Status Engine::limit_batch(const std::string& name, size_t rows, const std::string& version) {
  core_->start_afresh_if_forked();
  return core_->with_lane(name, version, [&](Lane& lane) { lane.limit_batch(rows); });
}

uint32_t Engine::news() const noexcept { return core_->shared().idle.epoch(); }

void Engine::await_news(uint32_t seen) noexcept { core_->await_news(seen); }

void Engine::keep_time(const std::atomic<bool>& leave) { core_->keep_time(leave); }

void Engine::rouse() noexcept { core_->rouse_all(); }

}  // namespace spinney::engine
