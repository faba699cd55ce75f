#include "spinney/plan/measure.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <numeric>
#include <span>
#include <string>

namespace spinney::plan {
namespace {

using kernel::ForestEvaluator;
using Evaluators = std::vector<std::unique_ptr<ForestEvaluator>>;

constexpr size_t kRowsMax = kMeasuredRows.back();
// Wider forests are not measured: their rows would take longer to draw than to score.
constexpr size_t kCellsMax = size_t{1} << 16;
// Enough different rows that no branch predictor learns them by heart, as far as so many cells go.
constexpr size_t kDrawnRowsMax = 512, kDrawnCells = 24 << 10;
constexpr size_t kNodesLookedAt = 2048;
// The order in which numbers of rows are measured, as far as time goes, and the rows that fetch an
// evaluator's layout into the caches before.
constexpr std::array<size_t, kMeasuredRows.size()> kOrder{2, 0, 1, 3, 4};
constexpr size_t kWarmUpRows = 16;
// A sample is as many calls as take about so long. Samples are taken until two in a row are not
// faster than the best before: caches warm up, and other processes only ever slow a sample down.
constexpr double kSampleNs = 2000;
constexpr int kSamplesMax = 7;
constexpr double kFaster = 0.97;
constexpr int kConfirmations = 2;
constexpr double kFirstShare = 0.7;
constexpr int64_t kPatience = 8;  // times the allowance, where other threads use the CPU
constexpr double kWarmUpNsMax = 100'000;
// Drawing rows, and all else beside the calls that are timed.
constexpr int64_t kBesideNsMax = 200'000;
constexpr size_t kRepeatsMax = 64;

double log_rows(size_t from, size_t to) {
  return std::log(static_cast<double>(to) / static_cast<double>(from));
}

// A few thresholds of each feature, from nodes spread over the forest.
class Thresholds {
 public:
  explicit Thresholds(const Forest& forest) : kept_(forest.settings().n_features) {
    const size_t step = forest.nodes.size() / kNodesLookedAt + 1;
    for (size_t i = 0; i < forest.nodes.size(); i += step) {
      const Node& node = forest.nodes[i];
      if (node.is_leaf() || node.is_categorical() || !std::isfinite(node.threshold)) continue;
      Kept& kept = kept_[node.feature];
      kept.values[kept.seen++ % kKept] = node.threshold;
    }
  }

  // A value between two of them, by random bits.
  double between(size_t feature, uint64_t bits) const {
    const Kept& kept = kept_[feature];
    const uint64_t n = std::min<uint64_t>(kept.seen, kKept);
    if (n == 0) return 0;
    const double a = kept.values[(bits >> 56) * n >> 8];
    const double b = kept.values[(bits >> 48 & 255) * n >> 8];
    return a + (b - a) * static_cast<double>(bits >> 16 & 0xffffffff) * 0x1p-32;
  }

 private:
  static constexpr size_t kKept = 8;
  struct Kept {
    double values[kKept];
    uint32_t seen = 0;
  };
  std::vector<Kept> kept_;
};

// Rows in the forest's own type, kRowsMax at the least: as many as may be are drawn, and the others
// are copies.
template <typename Number>
std::vector<Number> draw_rows(const Forest& forest) {
  const size_t width = std::max<size_t>(forest.settings().n_features, 1);
  const size_t drawn = std::clamp<size_t>(kDrawnCells / width, 1, kDrawnRowsMax) * width;
  const Thresholds thresholds(forest);
  std::vector<Number> rows(std::max(drawn, kRowsMax * width));
  uint64_t random = 1;
  for (size_t i = 0, feature = 0; i < drawn; ++i) {
    random = random * 6364136223846793005 + 1442695040888963407;
    rows[i] = static_cast<Number>(thresholds.between(feature, random));
    if (++feature == width) feature = 0;
  }
  for (size_t i = drawn; i < rows.size(); ++i) rows[i] = rows[i - drawn];
  return rows;
}

class Timer {
 public:
  Timer(const Forest& forest, const Clock& clock)
      : clock_(clock),
        width_(forest.settings().n_features),
        n_outputs_(forest.settings().n_outputs),
        scores_(kRowsMax * n_outputs_) {
    if (forest.settings().input == NumberType::kFloat32)
      floats_ = draw_rows<float>(forest);
    else
      doubles_ = draw_rows<double>(forest);
  }

  void warm_up(const ForestEvaluator& evaluator, size_t rows) {
    work_ns_ += std::min(run(evaluator, rows, 1), kWarmUpNsMax);
  }

  double time_ns(const ForestEvaluator& evaluator, size_t rows) {
    double best = run(evaluator, rows, 1);
    size_t calls = 1;
    for (int sample = 1, slower = 0; sample < kSamplesMax && slower < 2; ++sample) {
      const double fit = kSampleNs / std::max(best, 1.0);
      const size_t repeats = fit < 1 ? 1 : std::min(static_cast<size_t>(fit) + 1, kRepeatsMax);
      const double took = run(evaluator, rows, repeats);
      calls += repeats;
      slower = took < kFaster * best ? 0 : slower + 1;
      best = std::min(best, took);
    }
    work_ns_ += best * static_cast<double>(calls);
    return best;
  }

  // What all calls took, without the time that this thread was not running.
  double work_ns() const { return work_ns_; }

 private:
  // Nanoseconds of a call, each on the next rows.
  double run(const ForestEvaluator& evaluator, size_t rows, size_t repeats) {
    std::fill(scores_.begin(), scores_.end(), 0);
    const int64_t begin = clock_.now_ns();
    for (size_t i = 0; i < repeats; ++i)
      evaluator.score(next_rows(rows), {scores_.data(), n_outputs_});
    return static_cast<double>(clock_.now_ns() - begin) / static_cast<double>(repeats);
  }

  Rows next_rows(size_t rows) {
    if ((next_ + rows) * width_ > std::max(floats_.size(), doubles_.size())) next_ = 0;
    const size_t first = next_ * width_;
    next_ += rows;
    return floats_.empty() ? dense_rows(doubles_.data() + first, rows, width_)
                           : dense_rows(floats_.data() + first, rows, width_);
  }

  const Clock& clock_;
  size_t width_, n_outputs_, next_ = 0;
  double work_ns_ = 0;
  std::vector<float> floats_;
  std::vector<double> doubles_, scores_;
};

// Evaluators one after another, the one with the lowest estimate first: while one is measured, its
// layout is in the caches, as it is when it serves.
class Measurement {
 public:
  Measurement(const Evaluators& evaluators, Timer& timer, const Clock& clock, int64_t allowed_ns)
      : evaluators_(evaluators),
        timer_(timer),
        clock_(clock),
        allowed_ns_(static_cast<double>(allowed_ns)),
        until_ns_(clock.now_ns() + kPatience * allowed_ns),
        times_(evaluators.size()),
        best_(kUnknown) {
    for (std::array<double, kKnots>& times : times_) times.fill(0);
  }

  std::vector<Correction> run() {
    std::vector<size_t> order(evaluators_.size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::sort(order.begin(), order.end(), [&](size_t a, size_t b) {
      return evaluators_[a]->cost_ns(64) < evaluators_[b]->cost_ns(64);
    });
    // Few rows of all evaluators first, then more. Twice: what seemed hopeless beside another's
    // estimate may not be beside its time.
    for (int pass = 0; pass < 2; ++pass)
      for (const auto& [begin, end] : {std::pair{0, 3}, {3, 4}, {4, 5}})
        for (const size_t e : order) measure(e, {kOrder.begin() + begin, kOrder.begin() + end});
    for (const size_t knot : kOrder) confirm(knot);
    std::vector<Correction> corrections(evaluators_.size());
    for (size_t e = 0; e < evaluators_.size(); ++e)
      for (size_t knot = 0; knot < kKnots; ++knot) corrections[e].factors[knot] = factor(e, knot);
    for (size_t e = 0; e < evaluators_.size(); ++e)
      if (!measured(e)) corrections[e] = of_others(corrections);
    return corrections;
  }

 private:
  static constexpr size_t kKnots = kMeasuredRows.size();
  static constexpr double kInfinity = std::numeric_limits<double>::infinity();
  static constexpr std::array<double, kKnots> kUnknown{kInfinity, kInfinity, kInfinity, kInfinity,
                                                       kInfinity};

  bool measured(size_t e) const {
    return std::any_of(times_[e].begin(), times_[e].end(), [](double ns) { return ns > 0; });
  }

  double expected_ns(size_t e, size_t knot) const {
    return evaluators_[e]->cost_ns(kMeasuredRows[knot]) * factor(e, knot);
  }

  void measure(size_t e, std::span<const size_t> knots) {
    bool warm = false;
    for (const size_t knot : knots) {
      const double expected = expected_ns(e, knot);
      if (times_[e][knot] > 0 || is_hopeless(e, knot, expected)) continue;
      if (!has_time(4 * expected, kFirstShare)) continue;
      if (!warm) timer_.warm_up(*evaluators_[e], kWarmUpRows);
      warm = true;
      times_[e][knot] = timer_.time_ns(*evaluators_[e], kMeasuredRows[knot]);
      best_[knot] = std::min(best_[knot], times_[e][knot]);
    }
  }

  // A kernel that estimates prefer loses its place only if it is slow a second time, some while
  // later: what else happened on this CPU may have hit the first.
  void confirm(size_t knot) {
    const size_t rows = kMeasuredRows[knot];
    const auto best_by = [&](auto cost) {
      size_t best = 0;
      for (size_t e = 1; e < evaluators_.size(); ++e)
        if (cost(e) < cost(best)) best = e;
      return best;
    };
    const auto estimate = [&](size_t e) { return evaluators_[e]->cost_ns(rows); };
    const auto corrected = [&](size_t e) { return expected_ns(e, knot); };
    const size_t preferred = best_by(estimate);
    for (int i = 0; i < kConfirmations && best_by(corrected) != preferred; ++i) {
      if (!has_time(4 * corrected(preferred), 1)) return;
      const double took = timer_.time_ns(*evaluators_[preferred], rows);
      double& known = times_[preferred][knot];
      known = known > 0 ? std::min(known, took) : took;
    }
  }

  // Of the allowance, the first measurements may take a share. Time that other threads took from
  // this one does not count, up to a point.
  bool has_time(double ns, double share) const {
    return ns < share * allowed_ns_ - timer_.work_ns() && clock_.now_ns() < until_ns_;
  }

  bool is_hopeless(size_t e, size_t knot, double expected) const {
    if (best_[knot] < kInfinity) return expected > best_[knot] * (measured(e) ? 2 : 4);
    double least = kInfinity;
    for (size_t other = 0; other < evaluators_.size(); ++other)
      least = std::min(least, expected_ns(other, knot));
    return expected > 4 * least;
  }

  // Measured, or on a line of logarithms between what was, or as at the nearest that was; or 1.
  double factor(size_t e, size_t knot) const {
    const auto known = [&](size_t k) { return times_[e][k] > 0; };
    const auto at = [&](size_t k) {
      return times_[e][k] / evaluators_[e]->cost_ns(kMeasuredRows[k]);
    };
    size_t below = knot, above = knot;
    while (below > 0 && !known(below)) --below;
    while (above + 1 < kKnots && !known(above)) ++above;
    if (!known(below) && !known(above)) return 1;
    if (!known(below) || below == above) return at(above);
    if (!known(above)) return at(below);
    const double share = log_rows(kMeasuredRows[below], kMeasuredRows[knot]) /
                         log_rows(kMeasuredRows[below], kMeasuredRows[above]);
    return at(below) * std::pow(at(above) / at(below), share);
  }

  // For an evaluator of which nothing is known: this CPU is as slow for it as for the others.
  Correction of_others(const std::vector<Correction>& corrections) const {
    Correction mean;
    for (size_t knot = 0; knot < kKnots; ++knot) {
      double logs = 0, n = 0;
      for (size_t e = 0; e < evaluators_.size(); ++e) {
        if (!measured(e)) continue;
        logs += std::log(corrections[e].factors[knot]);
        ++n;
      }
      if (n > 0) mean.factors[knot] = std::exp(logs / n);
    }
    return mean;
  }

  const Evaluators& evaluators_;
  Timer& timer_;
  const Clock& clock_;
  double allowed_ns_;
  int64_t until_ns_;
  std::vector<std::array<double, kKnots>> times_;  // of each evaluator; 0: not measured
  std::array<double, kKnots> best_;                // the least of these
};

}  // namespace

double Correction::at(size_t rows) const {
  if (rows >= kRowsMax) return factors.back();
  size_t knot = 0;
  while (kMeasuredRows[knot + 1] <= rows) ++knot;
  if (factors[knot] == factors[knot + 1] || rows <= kMeasuredRows[knot]) return factors[knot];
  const double share =
      log_rows(kMeasuredRows[knot], rows) / log_rows(kMeasuredRows[knot], kMeasuredRows[knot + 1]);
  return factors[knot] * std::pow(factors[knot + 1] / factors[knot], share);
}

Result<bool> measuring_is_wanted() {
  const char* variable = std::getenv("SPINNEY_MEASURE");
  if (!variable || std::strcmp(variable, "1") == 0) return true;
  if (std::strcmp(variable, "0") == 0) return false;
  return invalid_argument("SPINNEY_MEASURE=" + std::string(variable) +
                          ": give 1 (kernels are measured at load) or 0 (they are not)");
}

std::vector<Correction> measure(const Forest& forest, const Evaluators& evaluators,
                                Allowance& allowance) {
  std::vector<Correction> corrections(evaluators.size());
  const ForestSettings& settings = forest.settings();
  const int64_t begin = allowance.clock().now_ns();
  const int64_t allowed = allowance.left_ns();
  if (evaluators.size() < 2 || allowed <= 0 ||
      (size_t{settings.n_features} + settings.n_outputs) * kRowsMax > kCellsMax)
    return corrections;
  Timer timer(forest, allowance.clock());
  corrections = Measurement(evaluators, timer, allowance.clock(), allowed).run();
  const int64_t took = allowance.clock().now_ns() - begin;
  allowance.spend(std::min(took, static_cast<int64_t>(timer.work_ns()) + kBesideNsMax));
  return corrections;
}

}  // namespace spinney::plan
