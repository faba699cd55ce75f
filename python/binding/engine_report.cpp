#include "binding/engine_report.h"

#include <nanobind/stl/string.h>

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "binding/metrics.h"

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
  return out;
}

nb::dict describe(const engine::Stages& stages) {
  nb::dict out;
  out["queue_wait"] = describe_histogram(stages.queue_wait_ns, kSeconds);
  out["run"] = describe_histogram(stages.run_ns, kSeconds);
  out["total"] = describe_histogram(stages.total_ns, kSeconds);
  out["batch_rows"] = describe_histogram(stages.batch_rows, 1);
  return out;
}

struct ModelStages {
  observe::Labels labels;
  engine::Stages stages;
};

std::vector<ModelStages> all_stages(const engine::Engine& engine, const observe::Labels& labels) {
  std::vector<ModelStages> all;
  for (const engine::ModelStatus& status : engine.models()) {
    auto stages = engine.stages(status.name, status.version);
    if (!stages.ok()) continue;  // unloaded meanwhile
    observe::Labels own = labels;
    own.emplace_back("model", status.name);
    own.emplace_back("version", status.version.substr(0, status.version.rfind('#')));
    all.push_back({std::move(own), std::move(stages).value()});
  }
  return all;
}

void write(observe::PrometheusText& text, const ModelStages& of, const char* stage,
           const observe::HistogramSnapshot& times) {
  observe::Labels labels = of.labels;
  labels.emplace_back("stage", stage);
  text.histogram("spinney_queue_stage_seconds", labels, times, kSeconds);
}

}  // namespace

nb::dict stats_of(const engine::Engine& engine) {
  const engine::EngineStats stats = engine.stats();
  nb::dict out = counts(stats.requests);
  out["in_flight"] = stats.in_flight;
  out["workers"] = stats.workers;
  return out;
}

nb::list models_of(const engine::Engine& engine) {
  nb::list out;
  for (const engine::ModelStatus& status : engine.models()) {
    nb::dict one = counts(status.requests);
    one["name"] = status.name;
    one["version"] = status.version;
    one["batches"] = status.batches;
    one["batch_rows"] = status.batch_rows;
    one["queued_rows"] = status.queued_rows;
    one["batch_size"] = status.batch_size;
    one["cost_row_ns"] = status.cost_row_ns;
    one["cost_batch_ns"] = status.cost_batch_ns;
    one["bytes"] = status.bytes;
    one["replicas"] = status.replicas;
    auto stages = engine.stages(status.name, status.version);
    one["stages"] = stages.ok() ? describe(*stages) : nb::dict();
    out.append(one);
  }
  return out;
}

std::string prometheus_of(const engine::Engine& engine, const observe::Labels& labels) {
  const std::vector<ModelStages> all = all_stages(engine, labels);
  observe::PrometheusText text;
  text.family("spinney_queue_stage_seconds", observe::Kind::kHistogram,
              "Time that queued requests wait, that their batches run, and both together");
  for (const ModelStages& of : all) {
    write(text, of, "queue_wait", of.stages.queue_wait_ns);
    write(text, of, "run", of.stages.run_ns);
    write(text, of, "total", of.stages.total_ns);
  }
  text.family("spinney_batch_rows", observe::Kind::kHistogram, "Rows of the queue's batches");
  for (const ModelStages& of : all)
    text.histogram("spinney_batch_rows", of.labels, of.stages.batch_rows);
  return text.text();
}

}  // namespace spinney::binding
