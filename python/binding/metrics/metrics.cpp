#include "binding/metrics/metrics.h"

#include <nanobind/nanobind.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "binding/interpreter/interpreter_lock.h"
#include "binding/metrics/inference_window.h"
#include "spinney/base/clock.h"
#include "spinney/observe/process.h"
#include "spinney/observe/prometheus.h"
#include "spinney/observe/trend.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace spinney::binding {
namespace {

using observe::Histogram;

double seconds(double ns) { return ns * 1e-9; }

constexpr int64_t kRowsMax = int64_t{1} << 40;  // sums of them fit for longer than anyone records
constexpr double kSecondsMax = 1e9;

void update(InferenceWindow& window, double inference_time, int64_t batch_size,
            double preprocessing_time, double quantization_time) {
  if (batch_size < 0) throw nb::value_error("batch_size is below 0");
  if (batch_size > kRowsMax) throw nb::value_error("batch_size is above 2**40");
  for (double* time : {&inference_time, &preprocessing_time, &quantization_time}) {
    // Recording must not fail the call that is recorded, and one NaN would be every average.
    *time = *time >= 0 ? std::min(*time, kSecondsMax) : 0;
  }
  window.add({inference_time, preprocessing_time, quantization_time, batch_size,
              SteadyClock::instance().now_ns()});
}

// A column of the window: [call.field of the oldest, ..., of the latest].
template <typename Field>
nb::list column(const InferenceWindow& window, Field field) {
  nb::list out;
  for (size_t i = 0; i < window.size(); ++i) out.append(field(window.call(i)));
  return out;
}

nb::dict counts(const InferenceWindow& window) {
  nb::dict out;
  out["rows"] = window.rows();
  out["updates"] = window.updates();
  out["errors"] = window.errors;
  out["hits"] = window.hits;
  out["misses"] = window.misses;
  out["lifetime"] = describe_histogram(window.inference().read(), 1e-9);
  return out;
}

nb::dict process() {
  observe::ProcessUse use;
  observe::GroupUse group;
  {
    const Unlocked released;
    use = observe::read_process();
    group = observe::read_group();
  }
  nb::dict out;
  out["cpu_seconds"] = seconds(static_cast<double>(use.cpu_ns));
  out["resident_bytes"] = use.resident_bytes;
  out["virtual_bytes"] = use.virtual_bytes;
  out["threads"] = use.threads;
  out["descriptors"] = use.descriptors;
  out["descriptors_max"] = use.descriptors_max;
  out["group_cpus"] = group.cpus;
  out["group_cpu_seconds"] = seconds(static_cast<double>(group.cpu_ns));
  out["group_periods"] = group.periods;
  out["group_throttled"] = group.throttled;
  out["group_throttled_seconds"] = seconds(static_cast<double>(group.throttled_ns));
  out["group_memory_bytes"] = group.memory_bytes;
  out["group_memory_bytes_max"] = group.memory_bytes_max;
  return out;
}

nb::tuple describe_slope(const observe::Trend& trend) {
  const observe::Slope slope = trend.slope();
  return nb::make_tuple(slope.per_second, slope.low, slope.high, slope.samples);
}

observe::Kind kind_of(const std::string& name) {
  if (name == "counter") return observe::Kind::kCounter;
  if (name == "gauge") return observe::Kind::kGauge;
  if (name == "histogram") return observe::Kind::kHistogram;
  throw nb::value_error("the kind of a family is counter, gauge or histogram");
}

void define_window(nb::module_& module) {
  nb::class_<InferenceWindow>(module, "InferenceWindow",
                              "The latest calls, and sums over all, of a PerformanceMetrics.")
      .def(nb::init<size_t>(), "calls_max"_a)
      .def("update_inference", &update, "inference_time"_a, "batch_size"_a,
           "preprocessing_time"_a = 0.0, "quantization_time"_a = 0.0,
           "One call: its times in seconds and its rows. A time below 0, or NaN, counts as 0, and "
           "one\n"
           "above 10**9 as that.")
      .def(
          "record_error", [](InferenceWindow& w, uint64_t times) { w.errors += times; },
          "times"_a = 1, "One failed call, or several.")
      .def(
          "record_cache_hit", [](InferenceWindow& w) { ++w.hits; }, "One answer from the cache.")
      .def(
          "record_cache_miss", [](InferenceWindow& w) { ++w.misses; },
          "One look into the cache that found nothing.")
      .def(
          "record_lookups",
          [](InferenceWindow& w, uint64_t hits, uint64_t misses) {
            w.hits += hits;
            w.misses += misses;
          },
          "hits"_a, "misses"_a, "Many looks into a cache that counted them itself.")
      .def("_counts", &counts)
      .def("_reset", &InferenceWindow::reset)
      .def("_column",
           [](const InferenceWindow& w, const std::string& name) {
             if (name == "inference")
               return column(w, [](const InferenceCall& c) { return c.inference_s; });
             if (name == "preprocessing")
               return column(w, [](const InferenceCall& c) { return c.preprocessing_s; });
             if (name == "quantization")
               return column(w, [](const InferenceCall& c) { return c.quantization_s; });
             if (name == "rows") return column(w, [](const InferenceCall& c) { return c.rows; });
             return column(w, [](const InferenceCall& c) {
               return seconds(static_cast<double>(c.ended_ns));
             });
           })
      .def("_write", [](const InferenceWindow& w, observe::PrometheusText& text,
                        const std::string& name, const observe::Labels& labels) {
        text.histogram(name, labels, w.inference().read(), 1e-9);
      });
}

void define_histogram(nb::module_& module) {
  nb::class_<Histogram>(module, "LatencyHistogram",
                        "Durations in buckets; quantiles are within 1/64 of a recorded value.")
      .def("__init__", [](Histogram* self) { new (self) Histogram(4); })
      .def(
          "record",
          [](Histogram& h, double duration) { h.record_signed(InferenceWindow::to_ns(duration)); },
          "seconds"_a, "One duration, in seconds.")
      .def(
          "read", [](const Histogram& h) { return describe_histogram(h.read(), 1e-9); },
          "count, sum, mean, min, max, p50, p90, p95, p99 and p999, in seconds.")
      .def("reset", &Histogram::reset, "Forgets everything.")
      .def("_write",
           [](const Histogram& h, observe::PrometheusText& text, const std::string& name,
              const observe::Labels& labels) { text.histogram(name, labels, h.read(), 1e-9); });
}

}  // namespace

nb::dict describe_histogram(const observe::HistogramSnapshot& read, double scale) {
  nb::dict out;
  out["count"] = read.count();
  out["sum"] = static_cast<double>(read.sum()) * scale;
  out["mean"] = read.mean() * scale;
  out["min"] = static_cast<double>(read.min()) * scale;
  out["max"] = static_cast<double>(read.max()) * scale;
  out["p50"] = static_cast<double>(read.quantile(0.5)) * scale;
  out["p90"] = static_cast<double>(read.quantile(0.9)) * scale;
  out["p95"] = static_cast<double>(read.quantile(0.95)) * scale;
  out["p99"] = static_cast<double>(read.quantile(0.99)) * scale;
  out["p999"] = static_cast<double>(read.quantile(0.999)) * scale;
  return out;
}

void define_metrics(nb::module_& module) {
  nb::class_<observe::PrometheusText>(module, "PrometheusText",
                                      "Numbers in the text that Prometheus scrapes.")
      .def(nb::init<>())
      .def("family",
           [](observe::PrometheusText& t, const std::string& name, const std::string& kind,
              const std::string& help) { t.family(name, kind_of(kind), help); })
      .def("sample",
           [](observe::PrometheusText& t, const std::string& name, const observe::Labels& labels,
              double value) { t.sample(name, labels, value); })
      .def("text", &observe::PrometheusText::text);
  define_window(module);
  define_histogram(module);
  nb::class_<observe::Trend>(module, "Trend", "How fast a quantity grows, at 99 % confidence.")
      .def(nb::init<>())
      .def("add", &observe::Trend::add, "seconds"_a, "value"_a)
      .def("slope", &describe_slope, "(per second, low, high, samples)")
      .def("grows", &observe::Trend::grows, "per_second_min"_a);
  nb::class_<observe::CpuMeter>(module, "CpuMeter", "CPU use in percent of what may be used.")
      .def(nb::init<double>(), "cpus"_a)
      .def(
          "percent",
          [](observe::CpuMeter& meter, double now, double cpu_seconds) {
            return meter.percent(static_cast<int64_t>(now * 1e9),
                                 static_cast<int64_t>(cpu_seconds * 1e9));
          },
          "now"_a, "cpu_seconds"_a);
  module.def("read_process", &process, "What the process and its control group use, as a dict.");
}

}  // namespace spinney::binding
