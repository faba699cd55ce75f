#include "spinney/plan/answers.h"

#include <array>
#include <cstring>
#include <memory>
#include <new>

#include "spinney/base/checked_size.h"
#include "spinney/link/link.h"
#include "spinney/model/graph.h"

namespace spinney::plan {
namespace {

// Uninitialized scratch for rows x columns numbers of a type, on the stack while it is small: an
// answer for one row should not visit the allocator.
class Numbers {
 public:
  Numbers(NumberType type, size_t rows, size_t columns) {
    if (rows > kFew || columns > kFew) make_room(type, rows, columns);
  }
  void* data() { return many_ ? many_.get() : few_.data(); }

 private:
  static constexpr size_t kFew = 8;

  [[gnu::noinline]] void make_room(NumberType type, size_t rows, size_t columns) {
    const std::optional<size_t> bytes = checked_product(rows, columns, size_of(type));
    if (!bytes) throw std::bad_alloc();
    const size_t words = (*bytes + 7) / 8;
    if (words > few_.size()) many_.reset(new double[words]);
  }

  std::array<double, kFew * kFew> few_;
  std::unique_ptr<double[]> many_;
};

// The nodes that answer, of a graph.
GraphAnswers nodes_of(const Description& model) {
  const auto* graph = std::get_if<GraphPtr>(&model.scorer);
  return graph ? (*graph)->answers() : GraphAnswers{};
}

}  // namespace

void Answers::values(const Rows& rows, void* out) const {
  const Output& output = model.output;
  if (nodes_of(model).values != kNoNode) return plan.answer(rows, {.values = out}, num_threads);
  const NumberType score_type = model.score_type();
  if (output.link.kind == LinkKind::kIdentity && output.link.divisor == 1 &&
      output.value_type == score_type)
    return plan.score(rows, out, num_threads);
  const size_t n = model.n_outputs();
  if (output.value_type == score_type && link::value_columns(output, n) == n) {
    plan.score(rows, out, num_threads);  // the link works in place
    return link::apply(output, score_type, out, rows.count, n, out);
  }
  Numbers scores(score_type, rows.count, n);
  plan.score(rows, scores.data(), num_threads);
  link::apply(output, score_type, scores.data(), rows.count, n, out);
}

void Answers::probabilities(const Rows& rows, void* out) const {
  const Output& output = model.output;
  const size_t n = model.n_outputs();
  if (link::probability_columns(output, n) == link::value_columns(output, n))
    return values(rows, out);
  Numbers linked(output.value_type, rows.count, link::value_columns(output, n));
  values(rows, linked.data());
  link::probabilities(output, linked.data(), rows.count, n, out);
}

void Answers::classes(const Rows& rows, int32_t* out) const {
  const Output& output = model.output;
  if (output.decision == Decision::kByNode) return plan.answer(rows, {.classes = out}, num_threads);
  // The values that decide are a node's, no link's.
  if (nodes_of(model).values != kNoNode && !output.decision_on_raw)
    return several(rows, {.classes = out});
  const NumberType score_type = model.score_type();
  const size_t n = model.n_outputs();
  Numbers scores(score_type, rows.count, n);
  plan.score(rows, scores.data(), num_threads);
  const size_t columns = output.decision_on_raw ? 0 : link::value_columns(output, n);
  Numbers linked(output.value_type, rows.count, columns);
  if (columns > 0) link::apply(output, score_type, scores.data(), rows.count, n, linked.data());
  link::decide(output, score_type, scores.data(), linked.data(), rows.count, n, out);
}

void Answers::several(const Rows& rows, const Several& out) const {
  const Output& output = model.output;
  const NumberType score_type = model.score_type();
  const size_t n = model.n_outputs();
  const size_t value_columns = link::value_columns(output, n);
  const size_t value_bytes = rows.count * value_columns * size_of(output.value_type);
  Numbers own_scores(score_type, out.raw ? 0 : rows.count, n);
  void* scores = out.raw ? out.raw : own_scores.data();
  const GraphAnswers nodes = nodes_of(model);
  const bool decides = out.classes && nodes.classes == kNoNode;
  const bool linked_wanted =
      out.values || out.probabilities || (decides && !output.decision_on_raw);
  Numbers own_linked(output.value_type, out.values || !linked_wanted ? 0 : rows.count,
                     value_columns);
  void* linked = out.values ? out.values : own_linked.data();
  const bool links = linked_wanted && nodes.values == kNoNode;
  plan.answer(rows,
              {scores, linked_wanted && !links ? linked : nullptr, decides ? nullptr : out.classes},
              num_threads);
  if (links) link::apply(output, score_type, scores, rows.count, n, linked);
  if (decides) link::decide(output, score_type, scores, linked, rows.count, n, out.classes);
  if (!out.probabilities) return;
  if (link::probability_columns(output, n) == value_columns)
    std::memcpy(out.probabilities, linked, value_bytes);
  else
    link::probabilities(output, linked, rows.count, n, out.probabilities);
}

}  // namespace spinney::plan
