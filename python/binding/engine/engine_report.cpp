#include "binding/engine/engine_report.h"

#include <nanobind/stl/string.h>

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "binding/metrics/metrics.h"

namespace nb = nanobind;

namespace spinney::binding {
namespace {

constexpr double kSeconds = 1e-9;

nb::dict counts(const engine::RequestCounts& from) {
  nb::dict refused;
  for (size_t i = 1; i < kRefusals; ++i)
    if (from.refused[i]) refused[name_of(static_cast<Refusal>(i))] = from.refused[i];
  nb::dict out;
  out["submitted"] = from.submitted;
  out["refused"] = refused;
  out["admitted"] = from.admitted;
  out["answered"] = from.answered;
  out["failed"] = from.failed;
  out["expired"] = from.expired;
  out["cancelled"] = from.cancelled;
  out["shed"] = from.shed;
  out["shut_down"] = from.shut_down;
  out["shared"] = from.shared;
  out["from_cache"] = from.from_cache;
  out["at_once"] = from.at_once;
  out["failures"] = from.failures();
  return out;
}

void add_runs(nb::dict& out, const engine::RunCounts& runs) {
  out["executions"] = runs.executions;
  out["rows"] = runs.rows;
  out["failed_executions"] = runs.failed;
  out["cache_hits"] = runs.cache_hits;
  out["cache_misses"] = runs.cache_misses;
}

nb::dict cache_counts(const cache::LruTtlStats& from) {
  nb::dict out;
  out["size"] = from.entries;
  out["hits"] = from.hits;
  out["misses"] = from.misses;
  out["insertions"] = from.insertions;
  out["evictions"] = from.evictions;
  out["expirations"] = from.expirations;
  out["invalidations"] = from.invalidations;
  out["memory_usage_bytes"] = from.bytes;
  return out;
}

nb::dict describe(const engine::Stages& stages) {
  nb::dict out;
  out["queue_wait"] = describe_histogram(stages.queue_wait_ns, kSeconds);
  out["run"] = describe_histogram(stages.run_ns, kSeconds);
  out["total"] = describe_histogram(stages.total_ns, kSeconds);
  out["batch_rows"] = describe_histogram(stages.batch_rows, 1);
  out["infer"] = describe_histogram(stages.infer_ns, kSeconds);
  out["request"] = describe_histogram(stages.request_ns, kSeconds);
  return out;
}

}  // namespace

nb::dict stats_of(const engine::Engine& engine) {
  const engine::EngineStats stats = engine.stats();
  nb::dict out = counts(stats.requests);
  out["rows"] = stats.rows;
  out["in_flight"] = stats.in_flight;
  out["cache"] = stats.cache ? nb::object(cache_counts(*stats.cache)) : nb::object(nb::none());
  out["workers"] = stats.workers;
  out["waiters"] = stats.waiters;
  return out;
}

nb::dict totals_of(const engine::Engine& engine) {
  const engine::Totals totals = engine.totals();
  nb::dict out = counts(totals.requests);
  add_runs(out, totals.runs);
  out["stages"] = describe(totals.stages);
  return out;
}

nb::list calls_of(const engine::Engine& engine, size_t calls_max) {
  nb::list out;
  for (const engine::Call& call : engine.latest_calls(calls_max))
    out.append(nb::make_tuple(static_cast<double>(call.ended_ns) * kSeconds,
                              static_cast<double>(call.infer_ns) * kSeconds, call.rows));
  return out;
}

nb::list models_of(const engine::Engine& engine) {
  nb::list out;
  for (const engine::ModelStatus& status : engine.models()) {
    nb::dict one = counts(status.requests);
    one["name"] = status.name;
    one["version"] = status.counted_as;
    one["pending"] = status.pending;
    add_runs(one, status.runs);
    one["batches"] = status.batches;
    one["batch_rows"] = status.batch_rows;
    one["queued_rows"] = status.queued_rows;
    one["queued_rows_max"] = status.queued_rows_max;
    one["batch_size"] = status.batch_size;
    one["cost_row_ns"] = status.cost_row_ns;
    one["cost_batch_ns"] = status.cost_batch_ns;
    one["bytes"] = status.bytes;
    one["replicas"] = status.replicas;
    one["cache_rests"] = status.cache_rests;
    one["cache_resting"] = status.cache_resting;
    auto stages = engine.stages(status.name, status.version);
    one["stages"] = stages.ok() ? describe(*stages) : nb::dict();
    out.append(one);
  }
  return out;
}

}  // namespace spinney::binding
