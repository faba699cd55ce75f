#include "spinney/observe/prometheus.h"

#include <charconv>
#include <cmath>

namespace spinney::observe {
namespace {

std::string allowed(std::string_view name, bool colon) {
  std::string out;
  for (const char c : name) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
    const bool digit = c >= '0' && c <= '9' && !out.empty();
    out += letter || digit || (colon && c == ':') ? c : '_';
  }
  return out.empty() ? "_" : out;
}

std::string escaped(std::string_view text, bool quotes) {
  std::string out;
  for (const char c : text) {
    if (c == '\\' || (quotes && c == '"')) out += '\\';
    if (c == '\n')
      out += "\\n";
    else
      out += c;
  }
  return out;
}

}  // namespace

void PrometheusText::family(std::string_view name, Kind kind, std::string_view help) {
  const std::string known = allowed(name, true);
  const char* type = kind == Kind::kCounter ? "counter"
                     : kind == Kind::kGauge ? "gauge"
                                            : "histogram";
  text_.append("# HELP ").append(known).append(" ").append(escaped(help, false));
  text_.append("\n# TYPE ").append(known).append(" ").append(type).append("\n");
}

void PrometheusText::add_labels(const Labels& labels) {
  if (labels.empty()) return;
  const char* before = "{";
  for (const auto& [name, value] : labels) {
    text_.append(before).append(allowed(name, false)).append("=\"");
    text_.append(escaped(value, true)).append("\"");
    before = ",";
  }
  text_ += '}';
}

void PrometheusText::add_number(double value) {
  text_ += ' ';
  if (std::isnan(value)) {
    text_ += "NaN";
  } else if (std::isinf(value)) {
    text_ += value > 0 ? "+Inf" : "-Inf";
  } else {
    char digits[32];
    const auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
    text_.append(digits, end);
  }
  text_ += '\n';
}

void PrometheusText::sample(std::string_view name, const Labels& labels, double value) {
  text_ += allowed(name, true);
  add_labels(labels);
  add_number(value);
}

void PrometheusText::bucket(const std::string& name, const Labels& labels, double bound,
                            uint64_t count) {
  char digits[32];
  const auto end = std::to_chars(digits, digits + sizeof digits, bound).ptr;
  Labels with_bound = labels;
  with_bound.emplace_back("le", std::string(digits, end));
  sample(name + "_bucket", with_bound, static_cast<double>(count));
}

void PrometheusText::end_histogram(const std::string& name, const Labels& labels,
                                   const HistogramSnapshot& snapshot, double scale) {
  Labels with_bound = labels;
  with_bound.emplace_back("le", "+Inf");
  sample(name + "_bucket", with_bound, static_cast<double>(snapshot.count()));
  sample(name + "_sum", labels, static_cast<double>(snapshot.sum()) * scale);
  sample(name + "_count", labels, static_cast<double>(snapshot.count()));
}

void PrometheusText::histogram(std::string_view name, const Labels& labels,
                               const HistogramSnapshot& snapshot, double scale) {
  const std::string known = allowed(name, true);
  // From 1 us to 69 s where the unit is nanoseconds.
  for (unsigned bits = 10; bits <= 36; bits += 2) {
    const uint64_t bound = uint64_t{1} << bits;
    // Bounds are inclusive, and a bucket ends just before a power of two.
    bucket(known, labels, static_cast<double>(bound) * scale, snapshot.count_up_to(bound - 1));
  }
  end_histogram(known, labels, snapshot, scale);
}

void PrometheusText::whole_numbers(std::string_view name, const Labels& labels,
                                   const HistogramSnapshot& snapshot) {
  const std::string known = allowed(name, true);
  for (unsigned bits = 0; bits <= 16; ++bits) {
    const uint64_t bound = uint64_t{1} << bits;
    const uint64_t last = bucket_begin(bucket_of(bound) + 1) - 1;  // batches of `bound` count
    bucket(known, labels, static_cast<double>(bound), snapshot.count_up_to(last));
  }
  end_histogram(known, labels, snapshot, 1);
}

}  // namespace spinney::observe
