// What an engine says of itself: numbers since it was made.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "spinney/base/clock.h"
#include "spinney/cache/lru_ttl.h"
#include "spinney/observe/histogram.h"
#include "spinney/request/request.h"

namespace spinney::engine {

// Every admitted request ends in exactly one of the last six counts, or is still in flight.
struct RequestCounts {
  uint64_t submitted = 0;
  std::array<uint64_t, kRefusals> refused{};  // by Refusal; refused[0] stays 0
  uint64_t admitted = 0;
  uint64_t answered = 0;
  uint64_t failed = 0;  // by the back end
  uint64_t expired = 0;
  uint64_t cancelled = 0;
  uint64_t shed = 0;        // admitted, but dropped from the queue by its delay
  uint64_t shut_down = 0;   // answered with kShutDown
  uint64_t shared = 0;      // of those answered: by an equal request in flight
  uint64_t from_cache = 0;  // of those answered: by the cache
  uint64_t at_once = 0;     // of those answered: on their caller's thread, without the queue
  // Submitted and not answered, for whatever reason; what is in flight is not among them.
  uint64_t failures() const {
    uint64_t sum = failed + expired + cancelled + shed + shut_down;
    for (const uint64_t n : refused) sum += n;
    return sum;
  }
  uint64_t in_flight() const {
    return admitted - answered - failed - expired - cancelled - shed - shut_down;
  }
};

// What was run for requests, since the beginning.
struct RunCounts {
  uint64_t executions = 0;  // batches, and calls on the caller's thread; those that failed are not
  uint64_t rows = 0;        // of all executions
  uint64_t failed = 0;      // executions
  // Each request whose rows ran adds what its batch took: preparing and gathering rows, the model,
  // and joining and keeping answers.
  uint64_t input_ns = 0, infer_ns = 0, output_ns = 0;
  uint64_t cache_hits = 0, cache_misses = 0;  // lookups, and what they took
  uint64_t cache_hit_ns = 0, cache_miss_ns = 0;
  void add(const RunCounts& more);
};

// One batch, or one call on its caller's thread.
struct Call {
  int64_t ended_ns = 0;
  int64_t infer_ns = 0;
  size_t rows = 0;
};

struct ModelStatus {
  std::string name;
  std::string version;
  std::string counted_as;  // see ModelOptions
  bool current = false;    // the version that requests without one get
  RequestCounts requests;
  RunCounts runs;
  size_t pending = 0;          // requests that wait for their turn at this moment
  uint64_t batches = 0;        // of the queue, failed ones included
  uint64_t batch_rows = 0;     // of all batches together
  size_t queued_rows = 0;      // at this moment
  size_t queued_rows_max = 0;  // the most there ever were
  size_t batch_size = 0;       // rows that a batch may have at this moment
  double cost_row_ns = 0;      // the fitted a of a * rows + b; 0: unknown yet
  double cost_batch_ns = 0;    // and b
  size_t bytes = 0;            // of what it scores with, all copies together; 0: unknown
  size_t replicas = 1;         // copies, one for each NUMA node that has a worker
  uint64_t cache_rests = 0;    // how often the cache stepped aside, as it cost more than it saved
  bool cache_resting = false;  // and whether it does at this moment

  int64_t retry_at_ns = kNever;  // when the next batch that failed is tried again
};

// Where the time of a model's answered requests went, and the rows of its batches: of the queue.
struct Stages {
  observe::HistogramSnapshot queue_wait_ns;  // submitted to the begin of the (first) batch
  observe::HistogramSnapshot run_ns;         // of each batch: gather, score, join
  observe::HistogramSnapshot total_ns;       // submitted to answered
  observe::HistogramSnapshot batch_rows;
  // And of what was answered without the queue, too:
  observe::HistogramSnapshot infer_ns;    // of each execution, the model alone
  observe::HistogramSnapshot request_ns;  // of each answered request, from asked to answered
};

// Of all models together, those unloaded included: never less than before.
struct Totals {
  RequestCounts requests;
  RunCounts runs;
  Stages stages;
};

struct EngineStats {
  RequestCounts requests;                   // of all models together, those unloaded included
  uint64_t rows = 0;                        // that models answered, as RunCounts::rows
  size_t in_flight = 0;                     // at this moment: admitted, and not yet told
  size_t active = 0;                        // at this moment: admitted, and not yet answered
  std::optional<cache::LruTtlStats> cache;  // if answers are kept
  size_t workers = 0;
  size_t waiters = 0;  // threads for back ends that wait
};

}  // namespace spinney::engine
