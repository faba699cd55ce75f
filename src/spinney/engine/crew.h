// Crew: the threads of one lane whose back end waits (Backend::waits()), as many as batches of it
// may run at once. So no batch of such a lane takes a worker from models that compute, nor a thread
// from another lane. They come with the lane and go when nothing of its requests is left.
#pragma once

#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "spinney/engine/lane.h"

namespace spinney::engine {

class Crew {
 public:
  explicit Crew(std::shared_ptr<Lane> lane) : lane_(std::move(lane)) {}
  // Waits for the threads, which end at once: nothing of a request is left in the lane.
  ~Crew() {
    lane_->dismiss_crew();
    end(true);
  }
  Crew(const Crew&) = delete;
  Crew& operator=(const Crew&) = delete;

  const std::shared_ptr<Lane>& lane() const { return lane_; }
  size_t size() const { return lane_->at_once(); }
  std::vector<std::thread>& make_threads() {
    threads_ = std::make_unique<std::vector<std::thread>>();
    threads_->reserve(size());
    return *threads_;
  }
  // Joins the threads, or leaves them to end by themselves.
  void end(bool join) {
    if (!threads_) return;
    for (std::thread& thread : *threads_) join ? thread.join() : thread.detach();
    threads_.reset();
  }
  // In a forked child, where they do not exist.
  void forget_threads() noexcept { [[maybe_unused]] auto* parents = threads_.release(); }

 private:
  std::shared_ptr<Lane> lane_;
  std::unique_ptr<std::vector<std::thread>> threads_;
};

using Crews = std::vector<std::unique_ptr<Crew>>;

}  // namespace spinney::engine
