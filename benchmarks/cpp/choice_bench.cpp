// How far the kernel that a plan chooses is from the fastest one that it could have chosen.
//
//   choice_bench [MODEL…]    forests from files and, without any, random ones of many shapes
//
// One thread; each time is the best of many, kernels by turns. SPINNEY_ISA caps the kernels. The
// last line says the worst choice.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "../../tests/cpp/kernel/random_forest.h"
#include "spinney/cpu/features.h"
#include "spinney/kernel/forest/registry.h"
#include "spinney/load/load.h"
#include "spinney/plan/plan.h"

namespace spinney {
namespace {

constexpr size_t kCounts[] = {1, 2, 4, 8, 16, 24, 32, 48, 64, 128, 1000, 10000};
constexpr size_t kRows = 10240;
constexpr double kSampleUs = 20, kCellUs = 12'000;

double now_us() {
  using namespace std::chrono;
  return duration<double, std::micro>(steady_clock::now().time_since_epoch()).count();
}

std::vector<char> draw_rows(const Forest& forest, NumberType type) {
  const size_t width = forest.settings().n_features;
  std::vector<std::vector<double>> thresholds(width);
  for (const Node& node : forest.nodes)
    if (!node.is_leaf() && !node.is_categorical() && std::isfinite(node.threshold))
      thresholds[node.feature].push_back(node.threshold);
  testing::Random random(1);
  std::vector<char> rows(kRows * width * size_of(type));
  for (size_t i = 0; i < kRows * width; ++i) {
    const std::vector<double>& of_feature = thresholds[i % width];
    if (of_feature.empty()) continue;
    const double a = random.pick(of_feature), b = random.pick(of_feature);
    const double value = a + (b - a) * random.unit();
    if (type == NumberType::kFloat64)
      reinterpret_cast<double*>(rows.data())[i] = value;
    else
      reinterpret_cast<float*>(rows.data())[i] = static_cast<float>(value);
  }
  return rows;
}

// One way to score rows: a kernel alone, or the plan.
struct Way {
  std::string name;
  const kernel::ForestEvaluator* evaluator = nullptr;  // null: the plan
  double best_us = 1e30;
};

class Bench {
 public:
  Bench(std::string title, std::shared_ptr<const Description> model, NumberType type)
      : title_(std::move(title)),
        model_(std::move(model)),
        forest_(std::get<Forest>(model_->scorer)),
        type_(type),
        rows_(draw_rows(forest_, type)),
        scores_(kRows * forest_.settings().n_outputs * sizeof(double)) {}

  // The worst ratio of all numbers of rows.
  double run() {
    kernel::SharedTables tables(forest_);
    std::vector<std::unique_ptr<kernel::ForestEvaluator>> kernels;
    for (const kernel::KernelEntry& entry : kernel::registry()) {
      const std::string family(entry.name.substr(0, entry.name.find('.') + 1));
      const bool made = std::any_of(kernels.begin(), kernels.end(), [&](const auto& one) {
        return one->name().starts_with(family);
      });
      if (made || entry.isa > cpu::usable_isa() || entry.name == "reference.scalar") continue;
      if (auto one = entry.make(forest_, tables); one.ok())
        kernels.push_back(std::move(one).value());
    }
    const double begin = now_us();
    auto plan = plan::make_plan(model_);
    std::printf("%s: planned in %.0f us\n", title_.c_str(), now_us() - begin);
    if (!plan.ok() || kernels.size() < 2) return 1;
    double worst = 1;
    for (const size_t count : kCounts) {
      std::vector<Way> ways{{"plan"}};
      for (const auto& one : kernels) ways.push_back({std::string(one->name()), one.get()});
      time(ways, **plan, count);
      worst = std::max(worst, print(ways, **plan, count));
    }
    return worst;
  }

 private:
  void score(const Way& way, const plan::Plan& plan, size_t first, size_t count) {
    const size_t width = forest_.settings().n_features;
    const auto row_bytes = static_cast<ptrdiff_t>(width * size_of(type_));
    const Rows rows{rows_.data() + static_cast<ptrdiff_t>(first) * row_bytes,
                    type_,
                    count,
                    width,
                    row_bytes,
                    static_cast<ptrdiff_t>(size_of(type_))};
    if (way.evaluator)
      way.evaluator->score(rows, {scores_.data(), forest_.settings().n_outputs});
    else
      plan.score(rows, scores_.data(), 1);
  }

  void time(std::vector<Way>& ways, const plan::Plan& plan, size_t count) {
    size_t first = 0;
    const double end = now_us() + kCellUs * static_cast<double>(ways.size());
    size_t repeats = 1;
    while (now_us() < end) {
      for (Way& way : ways) {
        const double begin = now_us();
        for (size_t i = 0; i < repeats; ++i) {
          score(way, plan, first, count);
          first = first + 2 * count <= kRows ? first + count : 0;
        }
        const double took = (now_us() - begin) / static_cast<double>(repeats);
        way.best_us = std::min(way.best_us, took);
        if (took * static_cast<double>(repeats) < kSampleUs) repeats *= 2;
      }
    }
  }

  static double print(const std::vector<Way>& ways, const plan::Plan& plan, size_t count) {
    std::string chosen;
    for (const plan::KernelChoice& choice : plan.choices())
      if (choice.rows <= count) chosen = choice.kernel;
    const auto of = [](const Way& way) { return way.best_us; };
    const Way& best = *std::min_element(ways.begin() + 1, ways.end(),
                                        [&](auto& a, auto& b) { return of(a) < of(b); });
    double mine = ways[0].best_us;
    for (const Way& way : ways)
      if (way.name == chosen) mine = std::min(mine, way.best_us);
    const double ratio = mine / best.best_us;
    std::printf("  %6zu rows: %-18s %9.2f us (said %9.2f)", count, chosen.c_str(), mine,
                plan.cost_ns(count) / 1000);
    for (const Way& way : ways)
      if (way.evaluator)
        std::printf("  %s %.2f (%.2f)", way.name.c_str(), way.best_us,
                    way.evaluator->cost_ns(count) / 1000);
    std::printf("  %s %.3f%s\n", best.name.c_str(), ratio, ratio > 1.1 ? " <<<" : "");
    return ratio;
  }

  std::string title_;
  std::shared_ptr<const Description> model_;
  const Forest& forest_;
  NumberType type_;
  std::vector<char> rows_, scores_;
};

std::vector<testing::ForestShape> shapes() {
  std::vector<testing::ForestShape> all;
  for (const size_t trees : {10, 60, 300, 1000})
    for (const size_t leaves : {4, 16, 40, 64, 200, 1000})
      for (const uint32_t features : {6U, 30U, 120U}) {
        if (trees * leaves > 100'000) continue;
        testing::ForestShape shape;
        shape.name = std::to_string(trees) + " trees, " + std::to_string(leaves) + " leaves, " +
                     std::to_string(features) + " features";
        shape.n_trees = trees;
        shape.leaves_min = leaves / 2 + 1;
        shape.leaves_max = leaves;
        shape.n_features = features;
        shape.distinct_thresholds = 200;
        shape.strange_thresholds = 0;
        shape.growth = all.size() % 3 == 0 ? testing::Growth::kBalanced : testing::Growth::kRandom;
        if (all.size() % 4 == 3) {
          shape.input = shape.accumulator = NumberType::kFloat64;
          shape.comparison = Comparison::kLessEqual;
        }
        all.push_back(shape);
      }
  return all;
}

int main_of(int argc, char** argv) {
  double worst = 1;
  for (int i = 1; i < argc; ++i) {
    auto model = load::load_file(argv[i]);
    if (!model || !std::holds_alternative<Forest>(model->scorer)) {
      std::fprintf(stderr, "%s: %s\n", argv[i],
                   model ? "not a forest" : model.error().message.c_str());
      return 1;
    }
    auto shared = std::make_shared<Description>(std::move(model).value());
    worst = std::max(worst, Bench(argv[i], shared, NumberType::kFloat32).run());
  }
  if (argc == 1)
    for (const testing::ForestShape& shape : shapes()) {
      DescriptionParts parts;
      parts.scorer = testing::ForestMaker(shape, 7).make();
      auto model = make_description(std::move(parts));
      if (!model) return 1;
      auto shared = std::make_shared<Description>(std::move(model).value());
      worst = std::max(worst, Bench(shape.name, shared, shape.input).run());
    }
  std::printf("the worst choice takes %.3f times the best kernel's time\n", worst);
  return 0;
}

}  // namespace
}  // namespace spinney

int main(int argc, char** argv) { return spinney::main_of(argc, argv); }
