#include "spinney/engine/families.h"

#include <cstddef>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace spinney::engine {
namespace {

using observe::Kind;
using observe::Labels;
using observe::PrometheusText;

constexpr double kSeconds = 1e-9;

double in_us(uint64_t ns) { return static_cast<double>(ns) * 1e-3; }

struct Exported {
  Labels labels;
  ModelStatus status;
  Stages stages;
};

// Two loads may be there under one name and version for a moment, and count as one.
std::vector<Exported> models_to_export(const Engine& engine, const Labels& labels) {
  std::vector<Exported> all;
  std::set<std::pair<std::string, std::string>> seen;
  for (ModelStatus& status : engine.models()) {
    if (!seen.emplace(status.name, status.counted_as).second) continue;
    auto stages = engine.stages(status.name, status.version);
    if (!stages.ok()) continue;  // unloaded meanwhile
    Labels own = labels;
    own.emplace_back("model", status.name);
    own.emplace_back("version", status.counted_as);
    all.push_back({std::move(own), std::move(status), std::move(stages).value()});
  }
  return all;
}

struct Family {
  const char* name;
  Kind kind;
  const char* help;
  double (*read)(const Exported&);
};

constexpr Family kFamilies[] = {
    {"nv_inference_request_success", Kind::kCounter,
     "Requests that were answered, from the cache too",
     [](const Exported& of) { return static_cast<double>(of.status.requests.answered); }},
    {"nv_inference_request_failure", Kind::kCounter, "Requests that were not answered",
     [](const Exported& of) { return static_cast<double>(of.status.requests.failures()); }},
    {"nv_inference_count", Kind::kCounter, "Rows that the model answered, not those of the cache",
     [](const Exported& of) { return static_cast<double>(of.status.runs.rows); }},
    {"nv_inference_exec_count", Kind::kCounter,
     "Batches and calls that the model answered, not those of the cache",
     [](const Exported& of) { return static_cast<double>(of.status.runs.executions); }},
    {"nv_inference_pending_request_count", Kind::kGauge, "Requests that wait for their turn",
     [](const Exported& of) { return static_cast<double>(of.status.pending); }},
    {"nv_inference_request_duration_us", Kind::kCounter,
     "Time from asked to answered, of answered requests together",
     [](const Exported& of) { return in_us(of.stages.request_ns.sum()); }},
    {"nv_inference_queue_duration_us", Kind::kCounter,
     "Time from asked to the begin of the batch, of answered requests together",
     [](const Exported& of) { return in_us(of.stages.queue_wait_ns.sum()); }},
    {"nv_inference_compute_input_duration_us", Kind::kCounter,
     "Time for preparing and gathering rows, of requests together",
     [](const Exported& of) { return in_us(of.status.runs.input_ns); }},
    {"nv_inference_compute_infer_duration_us", Kind::kCounter,
     "Time for the model itself, of requests together",
     [](const Exported& of) { return in_us(of.status.runs.infer_ns); }},
    {"nv_inference_compute_output_duration_us", Kind::kCounter,
     "Time for joining, keeping and handing over answers, of requests together",
     [](const Exported& of) { return in_us(of.status.runs.output_ns); }},
    {"nv_cache_num_hits_per_model", Kind::kCounter, "Requests that the cache answered",
     [](const Exported& of) { return static_cast<double>(of.status.runs.cache_hits); }},
    {"nv_cache_num_misses_per_model", Kind::kCounter, "Looks into the cache that found nothing",
     [](const Exported& of) { return static_cast<double>(of.status.runs.cache_misses); }},
    {"nv_cache_hit_duration_per_model", Kind::kCounter,
     "Time of looks into the cache that found an answer, in microseconds",
     [](const Exported& of) { return in_us(of.status.runs.cache_hit_ns); }},
    {"nv_cache_miss_duration_per_model", Kind::kCounter,
     "Time of looks into the cache that found nothing, in microseconds",
     [](const Exported& of) { return in_us(of.status.runs.cache_miss_ns); }},
    {"spinney_requests_at_once_total", Kind::kCounter,
     "Of the requests answered: without the queue",
     [](const Exported& of) { return static_cast<double>(of.status.requests.at_once); }},
    {"spinney_requests_shared_total", Kind::kCounter,
     "Of the requests answered: by the rows of an equal one in flight",
     [](const Exported& of) { return static_cast<double>(of.status.requests.shared); }},
    {"spinney_failed_executions_total", Kind::kCounter, "Batches that the model failed to answer",
     [](const Exported& of) { return static_cast<double>(of.status.runs.failed); }},
};

void write_failures(PrometheusText& text, const Exported& of) {
  const RequestCounts& requests = of.status.requests;
  const auto sample = [&](const char* reason, uint64_t n) {
    Labels labels = of.labels;
    labels.emplace_back("reason", reason);
    text.sample("spinney_request_failures_total", labels, static_cast<double>(n));
  };
  // What expired is so, before it was admitted or after.
  constexpr auto kLate = static_cast<size_t>(Refusal::kExpired);
  constexpr auto kShut = static_cast<size_t>(Refusal::kShutDown);
  for (size_t i = 1; i < kRefusals; ++i)
    if (requests.refused[i] && i != kLate && i != kShut)
      sample(name_of(static_cast<Refusal>(i)), requests.refused[i]);
  sample("model", requests.failed);
  sample("expired", requests.expired + requests.refused[kLate]);
  sample("cancelled", requests.cancelled);
  sample("shed", requests.shed);
  sample("shut_down", requests.shut_down + requests.refused[kShut]);
}

void write_histograms(PrometheusText& text, const std::vector<Exported>& all) {
  text.family("spinney_request_seconds", Kind::kHistogram,
              "Time from asked to answered, of each answered request");
  for (const Exported& of : all)
    text.histogram("spinney_request_seconds", of.labels, of.stages.request_ns, kSeconds);
  text.family("spinney_inference_seconds", Kind::kHistogram,
              "Time for the model itself, of each batch and call");
  for (const Exported& of : all)
    text.histogram("spinney_inference_seconds", of.labels, of.stages.infer_ns, kSeconds);
  text.family("spinney_queue_stage_seconds", Kind::kHistogram,
              "Time that queued requests wait, that their batches run, and both together");
  for (const Exported& of : all) {
    const auto write = [&](const char* stage, const observe::HistogramSnapshot& times) {
      Labels labels = of.labels;
      labels.emplace_back("stage", stage);
      text.histogram("spinney_queue_stage_seconds", labels, times, kSeconds);
    };
    write("queue_wait", of.stages.queue_wait_ns);
    write("run", of.stages.run_ns);
    write("total", of.stages.total_ns);
  }
  text.family("spinney_batch_rows", Kind::kHistogram, "Rows of the queue's batches");
  for (const Exported& of : all)
    text.whole_numbers("spinney_batch_rows", of.labels, of.stages.batch_rows);
}

}  // namespace

std::string prometheus_of(const Engine& engine, const Labels& labels) {
  const std::vector<Exported> all = models_to_export(engine, labels);
  PrometheusText text;
  for (const Family& family : kFamilies) {
    text.family(family.name, family.kind, family.help);
    for (const Exported& of : all) text.sample(family.name, of.labels, family.read(of));
  }
  text.family("spinney_request_failures_total", Kind::kCounter,
              "Requests that were not answered, by why");
  for (const Exported& of : all) write_failures(text, of);
  write_histograms(text, all);
  return text.text();
}

}  // namespace spinney::engine
