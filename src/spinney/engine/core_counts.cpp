// What an engine says of itself, of models that are gone, too.
#include <algorithm>

#include "spinney/engine/core.h"

namespace spinney::engine {

std::shared_ptr<LaneCount> Core::make_count(const std::string& name, const std::string& version,
                                            const ModelOptions& options) {
  const std::unique_lock lock(directory_mutex_);
  auto& count = counts_[{name, options.counted_as.empty() ? version : options.counted_as}];
  if (!count) count = std::make_shared<LaneCount>(options.window_calls);
  return count;
}

// A lane, a load under way and whoever asked for count_of() hold theirs.
void Core::sweep_counts() {
  for (auto entry = counts_.begin(); entry != counts_.end();) {
    if (entry->second && entry->second.use_count() > 1) {
      ++entry;
      continue;
    }
    if (entry->second) add_to(past_, *entry->second);
    entry = counts_.erase(entry);
  }
}

std::shared_ptr<LaneCount> Core::count_of(const std::string& name,
                                          const std::string& version) const {
  const std::shared_lock lock(directory_mutex_);
  const Lane* lane = find(name, version);
  return lane ? lane->count() : nullptr;
}

// Requests that wait for their turn at any lane that counts with this one.
size_t Core::pending(const Lane& lane) const {
  const std::shared_ptr<const Lanes> lanes = all_lanes();
  int64_t started = 0;
  for (const auto& other : *lanes)
    if (other->count() == lane.count()) started += other->started();
  const auto out = static_cast<int64_t>(lane.count()->requests.read().in_flight());
  return static_cast<size_t>(std::max<int64_t>(out - started, 0));
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
    models.back().pending = pending(*lane);
  }
  return models;
}

EngineStats Core::stats() const {
  EngineStats stats;
  const std::shared_lock lock(directory_mutex_);
  stats.requests = past_.requests;
  stats.rows = past_.runs.rows;
  add_to(stats.requests, unknown_.read());
  for (const auto& [name, count] : counts_) {
    if (!count) continue;
    add_to(stats.requests, count->request_counts());
    stats.rows += count->run_counts().rows;
  }
  stats.in_flight = shared_.in_flight();
  stats.active = shared_.active();
  if (shared_.cache) stats.cache = shared_.cache->stats();
  stats.workers = options_.num_workers;
  for (const auto& crew : crews_) stats.waiters += crew->size();
  return stats;
}

Totals Core::totals() const {
  const std::shared_lock lock(directory_mutex_);
  Totals totals = past_;
  add_to(totals.requests, unknown_.read());
  for (const auto& [name, count] : counts_)
    if (count) add_to(totals, *count);
  return totals;
}

std::vector<Call> Core::latest_calls(size_t calls_max) const {
  std::vector<Call> calls;
  {
    const std::shared_lock lock(directory_mutex_);
    for (const auto& [name, count] : counts_)
      if (count) count->add_calls(calls);
  }
  std::sort(calls.begin(), calls.end(),
            [](const Call& a, const Call& b) { return a.ended_ns < b.ended_ns; });
  if (calls.size() > calls_max)
    calls.erase(calls.begin(), calls.end() - static_cast<ptrdiff_t>(calls_max));
  return calls;
}

namespace {

Error no_such(const std::string& name, const std::string& version) {
  return {Code::kNotFound, "no model \"" + name + "\" of version \"" + version + "\""};
}

}  // namespace

Result<std::vector<OutputSpec>> Core::outputs(const std::string& name,
                                              const std::string& version) const {
  const std::shared_lock lock(directory_mutex_);
  if (const Lane* lane = find(name, version)) return lane->outputs();
  return no_such(name, version);
}

Result<Stages> Core::stages(const std::string& name, const std::string& version) const {
  const std::shared_lock lock(directory_mutex_);
  if (const Lane* lane = find(name, version)) return lane->count()->stages();
  return no_such(name, version);
}

}  // namespace spinney::engine
