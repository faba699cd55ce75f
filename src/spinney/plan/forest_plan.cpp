#include "spinney/plan/forest_plan.h"

#include <algorithm>
#include <cstdlib>
#include <string>

#include "spinney/cpu/count.h"
#include "spinney/cpu/features.h"
#include "spinney/kernel/forest/registry.h"
#include "spinney/plan/kernel_table.h"
#include "spinney/plan/measure.h"
#include "spinney/plan/workers.h"

namespace spinney::plan {
namespace {

using kernel::ForestEvaluator;

// A helper takes some microseconds to wake, so it must save many more; less so where the caller
// asks for threads.
constexpr double kThreadWorthNs = 60'000;
constexpr double kAskedThreadWorthNs = 20'000;
// Parts are small, so that a thread which starts late keeps the others waiting for little.
constexpr size_t kPartsPerThread = 4;
constexpr double kPartWorthNs = 20'000;

template <typename Real>
void fill_base(const Forest& forest, size_t rows, Real* scores) {
  const size_t n = forest.settings().n_outputs;
  for (size_t r = 0; r < rows; ++r)
    for (size_t k = 0; k < n; ++k) scores[r * n + k] = static_cast<Real>(forest.base[k]);
}

template <typename Real>
void scale(const Forest& forest, size_t rows, Real* scores) {
  const auto factor = static_cast<Real>(forest.settings().scale);
  const size_t n = forest.settings().n_outputs;
  if (factor != Real{1})
    for (size_t i = 0; i < rows * n; ++i) scores[i] *= factor;
  if (forest.shift.empty()) return;
  for (size_t r = 0; r < rows; ++r)
    for (size_t k = 0; k < n; ++k) {
      Real& score = scores[r * n + k];
      score = static_cast<Real>(static_cast<double>(score) + forest.shift[k]);
    }
}

template <typename Real>
void finish(const Forest& forest, size_t rows, Real* scores) {
  const auto divisor = static_cast<Real>(forest.settings().divisor);
  if (divisor != Real{1}) {
    const size_t n = rows * forest.settings().n_outputs;
    for (size_t i = 0; i < n; ++i) scores[i] /= divisor;
  }
  scale(forest, rows, scores);
}

class ForestPlan final : public Plan {
 public:
  ForestPlan(std::shared_ptr<const Description> model,
             std::vector<std::unique_ptr<ForestEvaluator>> evaluators,
             std::vector<Correction> corrections, std::weak_ptr<const rank::Ranker> ranker)
      : model_(std::move(model)),
        forest_(std::get<Forest>(model_->scorer)),
        table_(std::move(evaluators), std::move(corrections)),
        ranker_(std::move(ranker)) {}

  void score(const Rows& rows, void* scores, unsigned num_threads) const override {
    if (forest_.settings().accumulator == NumberType::kFloat32)
      score_typed<true>(rows, static_cast<float*>(scores), num_threads);
    else
      score_typed<true>(rows, static_cast<double*>(scores), num_threads);
  }

  void add(const Rows& rows, void* scores, unsigned num_threads) const override {
    if (forest_.settings().accumulator == NumberType::kFloat32)
      score_typed<false>(rows, static_cast<float*>(scores), num_threads);
    else
      score_typed<false>(rows, static_cast<double*>(scores), num_threads);
  }
  bool can_add() const override {
    return forest_.settings().reduction == Reduction::kSum && forest_.shift.empty() &&
           forest_.settings().scale == 1;
  }

  double cost_ns(size_t rows) const override { return table_.cost_ns(rows); }
  std::vector<KernelChoice> choices() const override { return table_.choices(); }
  size_t bytes() const override {
    const auto ranker = ranker_.lock();
    return table_.bytes() + (ranker ? ranker->bytes() : 0);
  }

 private:
  template <bool kFromBase, typename Real>
  void score_typed(const Rows& rows, Real* scores, unsigned num_threads) const {
    const unsigned threads = threads_for(rows.count, num_threads);
    if (threads <= 1) return score_part<kFromBase>(rows, scores);
    const size_t part = part_rows(rows.count, threads);
    const size_t n_outputs = forest_.settings().n_outputs;
    const auto run = [&](size_t i) {
      const size_t first = i * part;
      score_part<kFromBase>(rows.slice(first, std::min(part, rows.count - first)),
                            scores + first * n_outputs);
    };
    run_parts((rows.count + part - 1) / part, threads, PartFunction(run));
  }

  template <bool kFromBase, typename Real>
  void score_part(const Rows& rows, Real* scores) const {
    if constexpr (kFromBase) fill_base(forest_, rows.count, scores);
    table_.score(rows, {scores, forest_.settings().n_outputs}, sizeof(Real));
    finish(forest_, rows.count, scores);
  }

  // num_threads 0: at most as many as the process may use; else at most so many. In both cases no
  // more than are worth waking, and no more than there are blocks of rows.
  unsigned threads_for(size_t rows, unsigned num_threads) const {
    if (num_threads == 1 || rows <= KernelTable::kBlockRows) return 1;
    const bool asked = num_threads > 0;
    const double worth = table_.cost_ns(rows) / (asked ? kAskedThreadWorthNs : kThreadWorthNs);
    if (worth < 2) return 1;
    const size_t blocks = (rows + KernelTable::kBlockRows - 1) / KernelTable::kBlockRows;
    const size_t most = std::min(blocks, static_cast<size_t>(std::min(worth, 1e6)));
    return static_cast<unsigned>(std::min<size_t>(asked ? num_threads : cpu::usable_cpus(), most));
  }

  // Whole blocks, so that kernels see the same blocks as without threads.
  size_t part_rows(size_t rows, unsigned threads) const {
    const double row_ns = table_.cost_ns(rows) / static_cast<double>(rows);
    const size_t even = (rows + threads - 1) / threads;
    const auto worth = static_cast<size_t>(kPartWorthNs / std::max(row_ns, 1e-3)) + 1;
    const size_t part = std::min(even, std::max(even / kPartsPerThread, worth));
    return (part + KernelTable::kBlockRows - 1) / KernelTable::kBlockRows * KernelTable::kBlockRows;
  }

  std::shared_ptr<const Description> model_;
  const Forest& forest_;
  KernelTable table_;
  std::weak_ptr<const rank::Ranker> ranker_;  // the evaluators', if they have one
};

// Whether a kernel need not be built, given these: the registry lists the best instruction set of a
// kernel first, so one is enough; and the oracle is used only where no other kernel can be built.
bool covered(std::string_view name,
             const std::vector<std::unique_ptr<ForestEvaluator>>& evaluators) {
  if (name == "reference.scalar") return !evaluators.empty();
  const std::string_view family = name.substr(0, name.find('.') + 1);
  return std::any_of(evaluators.begin(), evaluators.end(),
                     [&](const auto& evaluator) { return evaluator->name().starts_with(family); });
}

Error no_kernel(const std::string& forced, const std::string& reasons) {
  if (!reasons.empty())
    return unsupported("SPINNEY_KERNEL=" + forced + " cannot run this model." + reasons);
  std::string names;
  for (const kernel::KernelEntry& entry : kernel::registry())
    names += (names.empty() ? "" : ", ") + std::string(entry.name);
  return unsupported("SPINNEY_KERNEL=" + forced + ": no kernel has that name; there are " + names);
}

}  // namespace

Result<std::shared_ptr<const Plan>> make_forest_plan(std::shared_ptr<const Description> model,
                                                     Allowance& allowance) {
  SPINNEY_TRY(cpu::check_isa_request());
  SPINNEY_ASSIGN(const bool measured, measuring_is_wanted());
  const Forest& forest = std::get<Forest>(model->scorer);
  const char* variable = std::getenv("SPINNEY_KERNEL");
  const std::string forced = variable ? variable : "";
  std::vector<std::unique_ptr<ForestEvaluator>> evaluators;
  kernel::SharedTables shared(forest);
  std::string reasons;
  for (const kernel::KernelEntry& entry : kernel::registry()) {
    if (!forced.empty() && entry.name != forced) continue;
    if (entry.isa > cpu::usable_isa()) {
      reasons += " This CPU, or SPINNEY_ISA, lacks " + std::string(cpu::name(entry.isa)) + ".";
      continue;
    }
    if (forced.empty() && covered(entry.name, evaluators)) continue;
    auto evaluator = entry.make(forest, shared);
    if (evaluator.ok())
      evaluators.push_back(std::move(evaluator).value());
    else
      reasons += " " + evaluator.error().message;
  }
  if (evaluators.empty()) return no_kernel(forced, reasons);
  std::vector<Correction> corrections(evaluators.size());
  if (measured) corrections = measure(forest, evaluators, allowance);
  return std::shared_ptr<const Plan>(std::make_shared<ForestPlan>(
      std::move(model), std::move(evaluators), std::move(corrections), shared.made_ranker()));
}

}  // namespace spinney::plan
