// What an engine and each of its models may be told. Defaults serve a native model well.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "spinney/base/clock.h"
#include "spinney/base/result.h"
#include "spinney/cpu/topology.h"
#include "spinney/engine/request_key.h"

namespace spinney::engine {

inline constexpr size_t kWaitersMax = 1024;

struct EngineOptions {
  // Threads that score; 0: as many as the process may use. Models whose back end waits for others
  // (Backend::waits()) have threads of their own beside them, kWaitersMax at most.
  size_t num_workers = 0;
  // Requests of all models that are admitted and not yet answered; 0: no limit of the engine's own.
  size_t max_concurrent_requests = 0;
  // Answers kept for equal requests to come, of all models together; 0: none. The least recently
  // used leave, and those that are too old; zeroed as they do.
  size_t cache_entries = 0;
  size_t cache_bytes = size_t{64} << 20;  // of keys and answers, and of what it takes to keep them
  int64_t cache_ttl_ns = 300 * kSecond;
  // How long a worker looks for work before it sleeps. Sleeping costs the next request a few
  // microseconds, looking takes a core from others: from the caller himself where there are few.
  int64_t spin_ns = 5 * kMicrosecond;
  // Pins each worker to a CPU of its own, physical cores first. Without it workers stay on their
  // NUMA node where they are on a machine of several; elsewhere they run where the system has them.
  bool pin_workers = false;
  // Null: this machine's, which is read only if it has several nodes or workers are pinned.
  std::shared_ptr<const cpu::Topology> topology;
  // Called first on each worker's thread with its number, once it is in its place.
  std::function<void(size_t)> on_worker_start;
  const Clock* clock = nullptr;  // null: SteadyClock; else must outlive the engine
  // False: no thread is started, and run_some() and tick() do the work (tests, other executors).
  bool threads = true;
  // With threads = false: threads of others do that work, so that drain() and stop() wait for them
  // instead of doing it.
  bool served_by_others = false;
};

struct ModelOptions {
  // Batching. A free worker takes what is queued, up to the batch size in force, and never waits
  // for more unless batch_timeout_ns says so.
  size_t max_batch_size = 64;     // rows
  size_t initial_batch_size = 0;  // rows of each of the first 8 batches at most; 0: no such limit
  size_t min_batch_size = 1;      // rows that a batch waits for, if batch_timeout_ns allows
  // At most so long after its first request a batch below min_batch_size is run, and earlier where
  // its earliest deadline asks for it. 0: at once.
  int64_t batch_timeout_ns = 0;
  // Batches grow only while that still saves a worthwhile share of the cost per row, by the
  // measured cost a * rows + b; false: always up to max_batch_size.
  bool adaptive_batch_size = true;

  // False: each batch is one request, whole, whatever its number of rows and the sizes above.
  bool join_requests = true;

  // Of lanes that are paced by hand; see also Engine::pause() and limit_batch().
  // What a batch leaves waits anew, each request for batch_timeout_ns after its own submission, and
  // only rows that could share its batch count. A wait that would outlast a deadline is none.
  bool rest_waits = false;
  bool full_batches = false;  // with rest_waits: a batch waits until it is full, not min_batch_size
  int64_t min_batch_interval_ns = 0;  // between the starts of two batches at least
  size_t max_batch_bytes = 0;         // of rows or parcels; a larger request runs alone; 0: any
  // A deadline ends where the request begins to run: it is answered then, however late.
  bool deadline_until_run = false;

  // Of back ends that are idempotent.
  bool halve_failed = true;  // a failing batch, until the requests at fault stand alone
  // So often what failed of a batch is tried again, together, once all its pieces have run and
  // retry_delay_ns has passed. Nothing sleeps meanwhile. Draining cuts the delay short.
  size_t max_retries = 0;
  int64_t retry_delay_ns = 0;

  // Admission.
  size_t max_queue_rows = 65'536;      // rows that wait; a request beyond is refused at once
  size_t max_queue_requests = 0;       // requests that wait; 0: any number
  size_t max_request_rows = 1 << 20;   // of one request
  size_t max_concurrent_requests = 0;  // admitted and not yet answered; 0: no limit

  // Overload. Requests of a level are shed, and new ones refused, while the one that has waited for
  // longest has been above the target for the whole interval (CoDel). The target in force is at
  // least the time of two batches, the interval at least eight targets. Those with a deadline are
  // refused as soon as a queue stands, by their own time. 0: never.
  int64_t shed_target_ns = 5 * kMillisecond;
  int64_t shed_interval_ns = 100 * kMillisecond;
  bool refuse_too_late = true;  // at once, requests whose deadline passes before their turn

  // Equal requests in flight are scored once (only where the back end is idempotent).
  bool single_flight = true;

  // Answers are kept, if the engine keeps any (only where the back end is idempotent). Where
  // lookups cost more than they save, the cache steps aside for a while (cache/judge.h).
  bool cache = true;
  RowKeys row_keys = {};

  // Versions that count as one in what is exported, under this name; empty: the version's own.
  std::string counted_as = {};
  size_t window_calls = 0;  // the latest batches and calls of a version that are kept one by one

  bool warm_up = true;  // score dummy rows before the model takes requests (idempotent only)
  size_t warm_up_iterations = 3;  // of each number of rows
};

}  // namespace spinney::engine
