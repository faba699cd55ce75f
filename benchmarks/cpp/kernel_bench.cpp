// Times every kernel on one model, and compares its scores with the reference bit for bit.
//
//   kernel_bench MODEL [KERNEL [ROWS]]    rows are drawn around the model's own thresholds
//
// One thread. Times are the best of many runs, over rows that rotate, without the Python call.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <random>

#include "spinney/cpu/features.h"
#include "spinney/kernel/forest/layout/blocks_layout.h"
#include "spinney/kernel/forest/registry.h"
#include "spinney/load/load.h"

namespace spinney {
namespace {

constexpr size_t kRows = 10240;

double now_us() {
  using namespace std::chrono;
  return duration<double, std::micro>(steady_clock::now().time_since_epoch()).count();
}

// Each value lies near a random threshold of its feature, so that all of a tree is visited.
std::vector<float> draw_rows(const Forest& forest) {
  std::vector<std::vector<double>> thresholds(forest.settings().n_features);
  for (const Node& node : forest.nodes)
    if (!node.is_leaf() && !node.is_categorical())
      thresholds[node.feature].push_back(node.threshold);
  std::mt19937_64 random(1);
  std::vector<float> rows(kRows * thresholds.size());
  for (size_t i = 0; i < rows.size(); ++i) {
    const std::vector<double>& of_feature = thresholds[i % thresholds.size()];
    if (of_feature.empty()) continue;
    const double a = of_feature[random() % of_feature.size()];
    const double b = of_feature[random() % of_feature.size()];
    rows[i] = static_cast<float>(a + (b - a) * std::uniform_real_distribution<>(0, 1)(random));
  }
  return rows;
}

struct Bench {
  const Forest& forest;
  std::vector<float> rows = draw_rows(forest);
  std::vector<char> scores = std::vector<char>(kRows * row_bytes());

  size_t row_bytes() const {
    return forest.settings().n_outputs * size_of(forest.settings().accumulator);
  }
  void run(const kernel::ForestEvaluator& evaluator, size_t first, size_t count) {
    const size_t width = forest.settings().n_features;
    evaluator.score(dense_rows(rows.data() + first * width, count, width),
                    {scores.data() + first * row_bytes(), forest.settings().n_outputs});
  }
  double best_us(const kernel::ForestEvaluator& evaluator, size_t count) {
    double best = 1e30;
    const size_t repeats = std::max<size_t>(1, 100 / count);
    const double end = now_us() + 300'000;
    size_t first = 0;
    while (now_us() < end) {
      const double begin = now_us();
      for (size_t i = 0; i < repeats; ++i) {
        run(evaluator, first, count);
        first = first + 2 * count <= kRows ? first + count : 0;
      }
      best = std::min(best, (now_us() - begin) / static_cast<double>(repeats));
    }
    return best;
  }
};

size_t shared_bytes(const kernel::SharedTables& tables) {
  const auto ranker = tables.made_ranker().lock();
  return ranker ? ranker->bytes() : 0;
}

// What blocks does for a block of 64 rows with AVX-512, four of them at once, which share the loads
// of nodes: a node's two, a step's two and a bottom's six. For each block alone a node loads one
// column, a step one and two slots, a bottom three.
void print_work(const Forest& forest, kernel::SharedTables& tables) {
  if (!kernel::BlocksLayout::check(forest).ok()) return;
  const auto ranker = tables.ranker();
  if (!ranker.ok()) return;
  const auto layout = kernel::BlocksLayout::make(forest, **ranker, {});
  const auto steps = static_cast<double>(layout->steps.size());
  const auto bottoms = static_cast<double>(layout->bottoms.size());
  std::printf("%-22s %.0f nodes, %.0f steps, %.0f bottoms, %.0f planes of leaves: %.0f loads\n",
              "a block of rows", layout->nodes_evaluated, steps, bottoms, layout->planes_fetched,
              1.5 * layout->nodes_evaluated + 3.5 * steps + 4.5 * bottoms + layout->planes_fetched +
                  static_cast<double>(forest.n_trees()));
}

int main_of(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: kernel_bench MODEL [KERNEL [ROWS]]\n");
    return 2;
  }
  auto model = load::load_file(argv[1]);
  if (!model || !std::holds_alternative<Forest>(model->scorer)) {
    std::fprintf(stderr, "%s\n", model ? "not a forest" : model.error().message.c_str());
    return 1;
  }
  const Forest& forest = std::get<Forest>(model->scorer);
  Bench bench{forest};
  std::vector<char> expected;
  std::vector<size_t> counts{1, 4, 16, 64, 256, 1024, kRows};
  if (argc > 3) counts = {std::clamp<size_t>(std::strtoull(argv[3], nullptr, 10), 1, kRows)};
  std::printf("%-22s %9s", "kernel", "build ms");
  for (const size_t count : counts) std::printf(" %9zu", count);
  std::printf(" | %8s %9s\n", "MB", "differ");
  kernel::SharedTables all_tables(forest);
  print_work(forest, all_tables);
  const auto entries = kernel::registry();
  for (size_t i = entries.size(); i-- > 0;) {  // the reference is last, and comes first here
    const kernel::KernelEntry& entry = entries[i];
    const bool reference = entry.name == "reference.scalar";
    if (entry.isa > cpu::usable_isa()) continue;
    if (!reference && argc > 2 && !std::strstr(std::string(entry.name).c_str(), argv[2])) continue;
    double build = 1e30;
    auto tables = std::make_unique<kernel::SharedTables>(forest);
    auto evaluator = entry.make(forest, *tables);
    for (int repeat = 0; repeat < 3 && evaluator.ok(); ++repeat) {
      const double begin = now_us();
      tables = std::make_unique<kernel::SharedTables>(forest);
      evaluator = entry.make(forest, *tables);
      build = std::min(build, now_us() - begin);
    }
    if (!evaluator) {
      std::printf("%-22s %s\n", std::string(entry.name).c_str(), evaluator.error().message.c_str());
      continue;
    }
    std::fill(bench.scores.begin(), bench.scores.end(), 0);
    const size_t checked = 2000;
    bench.run(**evaluator, 0, checked);
    if (reference) {
      expected.assign(bench.scores.begin(),
                      bench.scores.begin() + static_cast<ptrdiff_t>(checked * bench.row_bytes()));
      continue;
    }
    size_t differ = 0;
    for (size_t r = 0; r < checked; ++r)
      differ += std::memcmp(expected.data() + r * bench.row_bytes(),
                            bench.scores.data() + r * bench.row_bytes(), bench.row_bytes()) != 0;
    std::printf("%-22s %9.2f", std::string(entry.name).c_str(), build / 1000);
    for (const size_t count : counts) std::printf(" %9.3f", bench.best_us(**evaluator, count));
    std::printf(" | %8.2f %9zu\n",
                static_cast<double>((*evaluator)->bytes() + shared_bytes(*tables)) / 1e6, differ);
    std::printf("%-22s %9s", "  cost model", "");
    for (const size_t count : counts) std::printf(" %9.3f", (*evaluator)->cost_ns(count) / 1000);
    std::printf("\n");
  }
  return 0;
}

}  // namespace
}  // namespace spinney

int main(int argc, char** argv) { return spinney::main_of(argc, argv); }
