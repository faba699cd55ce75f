#include "spinney/plan/ensemble_plan.h"

#include <algorithm>
#include <string>
#include <vector>

#include "spinney/link/link.h"
#include "spinney/model/median.h"
#include "spinney/plan/answers.h"
#include "spinney/plan/selected_rows.h"

namespace spinney::plan {
namespace {

// Members' answers for a chunk stay in the caches; kernels are at their best well below this size.
constexpr size_t kChunkRows = 2048;

template <typename Real>
class EnsemblePlan final : public Plan {
 public:
  EnsemblePlan(std::shared_ptr<const Description> model,
               std::vector<std::shared_ptr<const Plan>> plans)
      : model_(std::move(model)),
        ensemble_(std::get<Ensemble>(model_->scorer)),
        plans_(std::move(plans)) {
    for (const Member& member : ensemble_.members)
      sums_entries_.push_back(member.model->sums_stored_entries());
  }

  void score(const Rows& rows, void* scores, unsigned num_threads) const override {
    auto* out = static_cast<Real*>(scores);
    for (size_t first = 0; first < rows.count; first += kChunkRows) {
      const size_t count = std::min(kChunkRows, rows.count - first);
      score_chunk(rows.slice(first, count), out + first * ensemble_.n_outputs, num_threads);
    }
  }

  double cost_ns(size_t rows) const override {
    double total = 0;
    for (const auto& plan : plans_) total += 100.0 + plan->cost_ns(rows);
    return total;
  }

  std::vector<KernelChoice> choices() const override {
    std::vector<KernelChoice> choices{{1, "ensemble"}};
    for (const auto& plan : plans_)
      for (const KernelChoice& choice : plan->choices())
        if (std::none_of(choices.begin(), choices.end(), [&](const KernelChoice& known) {
              return known.kernel == choice.kernel && known.rows == choice.rows;
            }))
          choices.push_back(choice);
    std::stable_sort(choices.begin(), choices.end(),
                     [](const auto& a, const auto& b) { return a.rows < b.rows; });
    return choices;
  }

  size_t bytes() const override {
    size_t total = 0;
    for (const auto& plan : plans_) total += plan->bytes();
    return total;
  }

 private:
  void score_chunk(const Rows& rows, Real* out, unsigned num_threads) const {
    const size_t n = rows.count * ensemble_.n_outputs;
    std::fill(out, out + n, Real{0});
    const bool medians = ensemble_.combination == Combination::kWeightedMedian;
    std::vector<Real> all(medians ? n * plans_.size() : 0);
    for (size_t m = 0; m < plans_.size(); ++m) {
      const Member& member = ensemble_.members[m];
      const SelectedRows seen(rows, member.features, sums_entries_[m]);
      const Answers answers{*member.model, *plans_[m], num_threads};
      if (ensemble_.combination == Combination::kMeanProbability) {
        add_probabilities(member, answers, seen.view(), out);
      } else if (medians) {
        read_values(answers, seen.view(), all.data() + m, plans_.size());
      } else if (ensemble_.combination == Combination::kMeanValue) {
        std::vector<Real> values(n);
        read_values(answers, seen.view(), values.data(), 1);
        add_weighted(values, member.weight, out);
      } else {
        add_votes(member, answers, seen.view(), out);
      }
    }
    if (medians) return take_medians(all, rows.count, out);
    const auto divisor = static_cast<Real>(ensemble_.divisor);
    if (divisor != Real{1})
      for (size_t i = 0; i < n; ++i) out[i] /= divisor;
  }

  void add_weighted(const std::vector<Real>& values, double weight, Real* out) const {
    const auto w = static_cast<Real>(weight);
    for (size_t i = 0; i < values.size(); ++i) out[i] += w == Real{1} ? values[i] : values[i] * w;
  }

  // The member's values as Reals, `step` apart.
  void read_values(const Answers& answers, const Rows& rows, Real* out, size_t step) const {
    const Output& output = answers.model.output;
    const size_t n = rows.count * link::value_columns(output, answers.model.n_outputs());
    std::vector<double> values(n);
    answers.values(rows, values.data());
    convert(output.value_type, values.data(), n, out, step);
  }

  static void convert(NumberType type, const void* values, size_t n, Real* out, size_t step) {
    if (type == NumberType::kFloat32) {
      for (size_t i = 0; i < n; ++i)
        out[i * step] = static_cast<Real>(static_cast<const float*>(values)[i]);
    } else {
      for (size_t i = 0; i < n; ++i)
        out[i * step] = static_cast<Real>(static_cast<const double*>(values)[i]);
    }
  }

  void add_probabilities(const Member& member, const Answers& answers, const Rows& rows,
                         Real* out) const {
    const Output& output = answers.model.output;
    const size_t columns = link::probability_columns(output, answers.model.n_outputs());
    std::vector<double> values(rows.count * columns);
    answers.probabilities(rows, values.data());
    std::vector<Real> typed(values.size());
    convert(output.value_type, values.data(), values.size(), typed.data(), 1);
    if (member.classes.empty()) return add_weighted(typed, member.weight, out);
    const auto w = static_cast<Real>(member.weight);
    for (size_t r = 0; r < rows.count; ++r)
      for (size_t k = 0; k < columns; ++k) {
        const Real p = typed[r * columns + k];
        out[r * ensemble_.n_outputs + member.classes[k]] += w == Real{1} ? p : p * w;
      }
  }

  void add_votes(const Member& member, const Answers& answers, const Rows& rows, Real* out) const {
    std::vector<int32_t> classes(rows.count);
    answers.classes(rows, classes.data());
    const size_t n = ensemble_.n_outputs;
    const auto w = static_cast<Real>(member.weight);
    for (size_t r = 0; r < rows.count; ++r) {
      auto voted = static_cast<size_t>(classes[r]);
      if (!member.classes.empty()) voted = member.classes[voted];
      if (ensemble_.combination == Combination::kMajorityVote)
        out[r * n + voted] += w;
      else if (n == 1)
        out[r] += voted == 1 ? 2 * w : -2 * w;
      else
        for (size_t k = 0; k < n; ++k)
          out[r * n + k] += k == voted ? w : Real{-1} / static_cast<Real>(n - 1) * w;
    }
  }

  void take_medians(const std::vector<Real>& all, size_t rows, Real* out) const {
    std::vector<double> weights;
    for (const Member& member : ensemble_.members) weights.push_back(member.weight);
    std::vector<double> values(weights.size());
    for (size_t r = 0; r < rows; ++r) {
      for (size_t m = 0; m < values.size(); ++m) values[m] = all[r * values.size() + m];
      out[r] = static_cast<Real>(weighted_median(values, weights));
    }
  }

  std::shared_ptr<const Description> model_;
  const Ensemble& ensemble_;
  std::vector<std::shared_ptr<const Plan>> plans_;
  std::vector<bool> sums_entries_;  // per member: it reads Rows::stored
};

}  // namespace

Result<std::shared_ptr<const Plan>> make_ensemble_plan(std::shared_ptr<const Description> model,
                                                       Allowance& allowance) {
  const Ensemble& ensemble = std::get<Ensemble>(model->scorer);
  std::vector<std::shared_ptr<const Plan>> plans;
  for (const Member& member : ensemble.members) {
    SPINNEY_ASSIGN(auto plan, make_plan(member.model, allowance));
    plans.push_back(std::move(plan));
  }
  if (ensemble.arithmetic == NumberType::kFloat32)
    return std::shared_ptr<const Plan>(
        std::make_shared<EnsemblePlan<float>>(std::move(model), std::move(plans)));
  return std::shared_ptr<const Plan>(
      std::make_shared<EnsemblePlan<double>>(std::move(model), std::move(plans)));
}

}  // namespace spinney::plan
