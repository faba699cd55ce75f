#include "spinney/plan/workers.h"

#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

namespace spinney::plan {
namespace {

// One call in progress. It lives on the caller's stack: helpers enter and leave under the pool's
// lock, and the caller leaves last.
struct Job {
  Job(PartFunction function, size_t n_parts, unsigned helpers)
      : run(function), parts(n_parts), helpers_wanted(helpers) {}

  PartFunction run;
  size_t parts;
  unsigned helpers_wanted;
  unsigned helpers_inside = 0;
  std::atomic<size_t> next{0};
  std::mutex failure_lock;
  std::exception_ptr failure;

  void work() {
    for (size_t part = next++; part < parts; part = next++) {
      try {
        run(part);
      } catch (...) {
        const std::lock_guard lock(failure_lock);
        if (!failure) failure = std::current_exception();
        next = parts;
      }
    }
  }
};

class Pool {
 public:
  void run(Job& job) {
    const unsigned helpers = job.helpers_wanted;  // once the job is seen, helpers count it down
    {
      const std::lock_guard lock(lock_);
      grow(helpers);
      jobs_.push_back(&job);
    }
    for (unsigned i = 0; i < helpers; ++i) wake_.notify_one();
    job.work();
    std::unique_lock lock(lock_);
    std::erase(jobs_, &job);
    left_.wait(lock, [&] { return job.helpers_inside == 0; });
  }

 private:
  void grow(unsigned wanted) {
    while (n_threads_ < std::min(wanted, kWorkersMax)) {
      try {
        std::thread([this] { help(); }).detach();
      } catch (const std::system_error&) {
        return;  // no thread can be started: those that exist, and the caller, do the work
      }
      ++n_threads_;
    }
  }

  Job* wanting_help() {
    for (Job* job : jobs_)
      if (job->helpers_wanted > 0) return job;
    return nullptr;
  }

  [[noreturn]] void help() {
    std::unique_lock lock(lock_);
    while (true) {
      Job* job = nullptr;
      wake_.wait(lock, [&] { return (job = wanting_help()) != nullptr; });
      --job->helpers_wanted;
      ++job->helpers_inside;
      lock.unlock();
      job->work();
      lock.lock();
      if (--job->helpers_inside == 0) left_.notify_all();
    }
  }

  std::mutex lock_;
  std::condition_variable wake_;
  std::condition_variable left_;
  std::vector<Job*> jobs_;
  unsigned n_threads_ = 0;
};

std::atomic<Pool*> current{nullptr};

// After fork() the parent's threads do not exist in the child, but its copy of the pool's lock may
// be held by one of them for ever. So the child abandons that pool without touching it.
void forget_pool() { current.store(nullptr); }

[[maybe_unused]] const int kRegistered = pthread_atfork(nullptr, nullptr, &forget_pool);

Pool& pool() {
  Pool* found = current.load();
  if (found) return *found;
  auto* made = new Pool;
  if (current.compare_exchange_strong(found, made)) return *made;
  delete made;  // another thread was first; no worker has started here
  return *found;
}

}  // namespace

void run_parts(size_t parts, unsigned threads, PartFunction run) {
  const auto helpers = static_cast<unsigned>(
      std::min<size_t>({threads > 0 ? threads - 1 : 0, parts > 0 ? parts - 1 : 0, kWorkersMax}));
  Job job(run, parts, helpers);
  if (helpers == 0)
    job.work();
  else
    pool().run(job);
  if (job.failure) std::rethrow_exception(job.failure);
}

}  // namespace spinney::plan
