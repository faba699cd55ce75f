// What an engine says of itself: numbers since it was made.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

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
  uint64_t in_flight() const {
    return admitted - answered - failed - expired - cancelled - shed - shut_down;
  }
};

struct ModelStatus {
  std::string name;
  std::string version;
  bool current = false;  // the version that requests without one get
  RequestCounts requests;
  uint64_t batches = 0;
  uint64_t batch_rows = 0;     // of all batches together
  size_t queued_rows = 0;      // at this moment
  size_t batch_size = 0;       // rows that a batch may have at this moment
  double cost_row_ns = 0;      // the fitted a of a * rows + b; 0: unknown yet
  double cost_batch_ns = 0;    // and b
  size_t bytes = 0;            // of what it scores with, all copies together; 0: unknown
  size_t replicas = 1;         // copies, one for each NUMA node that has a worker
  uint64_t cache_rests = 0;    // how often the cache stepped aside, as it cost more than it saved
  bool cache_resting = false;  // and whether it does at this moment
};

// Where the time of a model's answered requests went, and the rows of its batches.
struct Stages {
  observe::HistogramSnapshot queue_wait_ns;  // submitted to the begin of the (first) batch
  observe::HistogramSnapshot run_ns;         // of each batch: gather, score, join
  observe::HistogramSnapshot total_ns;       // submitted to answered
  observe::HistogramSnapshot batch_rows;
};

struct EngineStats {
  RequestCounts requests;  // of all models together, those unloaded included
  size_t in_flight = 0;    // at this moment
  size_t workers = 0;
  size_t waiters = 0;  // threads for back ends that wait
};

}  // namespace spinney::engine
