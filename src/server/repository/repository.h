// Repository: which models are served, by name and version, and how they come and go.
//
// Threads that answer requests each keep a snapshot of the directory and look whether it is still
// the newest, so that no request takes a lock. A reload puts a new model in the place of the old
// one in one step; requests that have the old one finish on it.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "server/repository/served.h"
#include "spinney/base/result.h"
#include "spinney/engine/engine.h"

namespace spinney::server::repository {

using ServedPtr = std::shared_ptr<const Served>;

// Versions in their order: numbers within them by their value (9 before 10, 1.9 before 1.10), all
// else as text.
struct EarlierVersion {
  using is_transparent = void;
  bool operator()(std::string_view a, std::string_view b) const noexcept;
};

struct Directory {
  struct Versions {
    std::map<std::string, ServedPtr, EarlierVersion> by_version;
    // What requests without a version get: the one that was loaded last; once that is unloaded, the
    // highest.
    ServedPtr current;
  };
  std::map<std::string, Versions, std::less<>> models;

  // Null if there is none. Empty version: the current one.
  const ServedPtr* find(std::string_view name, std::string_view version) const;
};

class Repository {
 public:
  explicit Repository(engine::Engine& engine) : engine_(engine) {}

  // Serves it from now on, in the place of one of that name and version. On an error nothing
  // changes.
  Status load(const std::string& name, const std::string& version, Model model,
              engine::ModelOptions options = {});
  // Empty version: all of them. kNotFound if there is none.
  Status unload(const std::string& name, const std::string& version = "");

  std::shared_ptr<const Directory> directory() const;
  // Changes with each directory.
  uint64_t epoch() const noexcept { return epoch_.load(std::memory_order_acquire); }

 private:
  void publish(std::shared_ptr<const Directory> next);

  engine::Engine& engine_;
  std::mutex admin_;  // one change at a time
  mutable std::mutex mutex_;
  std::shared_ptr<const Directory> directory_ = std::make_shared<const Directory>();
  std::atomic<uint64_t> epoch_{1};
  uint64_t loads_ = 0;
};

// Names and versions that can stand in a URL, a log and a metric: letters, digits and . _ - only,
// which also keeps them from meaning anything in a path.
Status check_name(std::string_view what, std::string_view name);

}  // namespace spinney::server::repository
