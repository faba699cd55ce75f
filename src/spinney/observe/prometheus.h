// PrometheusText: numbers in the text format that Prometheus scrapes (version 0.0.4).
//
//   PrometheusText text;
//   text.family("nv_inference_count", Kind::kCounter, "Rows answered");
//   text.sample("nv_inference_count", {{"model", "fraud"}}, 12);
//   text.histogram("spinney_queue_wait_us", {}, snapshot, 1e-3);
//
// A family is announced once, before its samples. Names and label names that the format does not
// allow get an underscore for each wrong character; label values and help may be any text.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "spinney/observe/histogram.h"

namespace spinney::observe {

inline constexpr std::string_view kPrometheusContentType =
    "text/plain; version=0.0.4; charset=utf-8";

enum class Kind { kCounter, kGauge, kHistogram };
using Labels = std::vector<std::pair<std::string, std::string>>;

class PrometheusText {
 public:
  void family(std::string_view name, Kind kind, std::string_view help);
  void sample(std::string_view name, const Labels& labels, double value);
  // The samples of a histogram's family: cumulative buckets below powers of two of the recorded
  // unit, sum and count, all multiplied by `scale`.
  void histogram(std::string_view name, const Labels& labels, const HistogramSnapshot& snapshot,
                 double scale = 1);
  // The same of whole numbers, such as rows: 1, 2, 4 and so on up to 65,536, each bound's own
  // value included (from 64 on with up to 1/32 beyond).
  void whole_numbers(std::string_view name, const Labels& labels,
                     const HistogramSnapshot& snapshot);
  const std::string& text() const { return text_; }

 private:
  void bucket(const std::string& name, const Labels& labels, double bound, uint64_t count);
  void end_histogram(const std::string& name, const Labels& labels,
                     const HistogramSnapshot& snapshot, double scale);
  void add_labels(const Labels& labels);
  void add_number(double value);
  std::string text_;
};

}  // namespace spinney::observe
