// What an engine serves: models come and go, side by side, while requests go on.
#include <algorithm>
#include <new>

#include "spinney/engine/core.h"

namespace spinney::engine {

// A load() that is known to unload() and to others of its name while it is under way.
class Core::UnderWay {
 public:
  UnderWay(Core& core, Loading& loading) : core_(core), loading_(loading) {
    const std::lock_guard admin(core_.admin_mutex_);
    core_.loads_.push_back(&loading_);
    loading_.id = core_.next_lane_id_++;
  }
  ~UnderWay() {
    const std::lock_guard admin(core_.admin_mutex_);
    std::erase(core_.loads_, &loading_);
  }
  UnderWay(const UnderWay&) = delete;
  UnderWay& operator=(const UnderWay&) = delete;

 private:
  Core& core_;
  Loading& loading_;
};

Status Core::load(const std::string& name, const std::string& version,
                  std::shared_ptr<const backend::Backend> backend, const ModelOptions& options) {
  if (!backend) return invalid_argument("load: model \"" + name + "\" has no back end");
  if (name.empty()) return invalid_argument("load: a model needs a name");
  Loading loading{name, version};
  const UnderWay under_way(*this, loading);
  auto lane = std::make_shared<Lane>(loading.id, name, version, std::move(backend), options,
                                     shared_, make_count(name, version, options));
  SPINNEY_TRY(lane->prepare());
  auto crew = lane->waits() ? std::make_unique<Crew>(lane) : nullptr;
  {
    const std::lock_guard admin(admin_mutex_);
    SPINNEY_TRY(adopt(lane, crew, loading));
  }
  sweep();
  return {};
}

Status Core::adopt(const std::shared_ptr<Lane>& lane, std::unique_ptr<Crew>& crew,
                   const Loading& loading) {
  if (stopped_) return Error{Code::kShutDown, "load: the engine was stopped"};
  if (loading.unloaded)
    return Error{Code::kCancelled,
                 "load: model \"" + loading.name + "\" was unloaded while it was being loaded"};
  if (const auto known = names_.find(loading.name); known != names_.end())
    for (const auto& other : known->second.lanes)
      if (other->version() == loading.version && other->id() > loading.id)
        return {};  // as if it had come before that one, and been replaced by it
  if (crew) SPINNEY_TRY(hire(*crew));
  const std::unique_lock lock(directory_mutex_);
  // All that may fail for want of memory comes first.
  crews_.reserve(crews_.size() + 1);
  Versions& versions = names_[loading.name];
  versions.lanes.reserve(versions.lanes.size() + 1);
  lanes_.reserve(lanes_.size() + 1);
  retired_.reserve(retired_.size() + 1);
  auto all = std::make_shared<Lanes>();
  all->reserve(all_->size() + 1);
  *all = *all_;
  all->push_back(lane);
  if (default_name_.empty()) default_name_ = loading.name;
  all_ = std::move(all);
  const auto old = std::find_if(versions.lanes.begin(), versions.lanes.end(),
                                [&](const auto& l) { return l->version() == loading.version; });
  if (old != versions.lanes.end()) {
    retire(*old);
    versions.lanes.erase(old);
  }
  const auto later = std::find_if(versions.lanes.begin(), versions.lanes.end(),
                                  [&](const auto& l) { return l->id() > loading.id; });
  versions.lanes.insert(later, lane);
  if (crew) crews_.push_back(std::move(crew));
  lanes_.push_back(lane);
  directory_version_.fetch_add(1);
  return {};
}

// Loads that are under way: how many of them will fail now.
size_t Core::call_off(const std::string& name, const std::string& version) noexcept {
  size_t count = 0;
  for (Loading* loading : loads_) {
    if (loading->unloaded || loading->name != name) continue;
    if (!version.empty() && loading->version != version) continue;
    loading->unloaded = true;
    ++count;
  }
  return count;
}

void Core::retire(std::shared_ptr<Lane> lane) {
  std::erase(lanes_, lane);
  lane->pause(false);  // nobody could say so later
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
    size_t unloaded = call_off(name, version);
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
    sweep_counts();
    if (retired_.empty()) return;
    const auto vacant = std::partition(retired_.begin(), retired_.end(),
                                       [](const auto& lane) { return !lane->vacant(); });
    if (vacant == retired_.end()) return;
    gone.reserve(retired_.size());
    ended.reserve(crews_.size());
    auto all = std::make_shared<Lanes>(lanes_);
    all->insert(all->end(), retired_.begin(), vacant);
    for (auto lane = vacant; lane != retired_.end(); ++lane) {
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

}  // namespace spinney::engine
