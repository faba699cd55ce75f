#include "spinney/spinney.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "spinney/base/checked_size.h"
#include "spinney/base/release_memory.h"
#include "spinney/link/link.h"
#include "spinney/load/artifact/artifact.h"
#include "spinney/load/artifact/file.h"
#include "spinney/load/treelite/treelite.h"
#include "spinney/model/refusals.h"
#include "spinney/model/sparse_blocks.h"
#include "spinney/plan/answers.h"
#include "spinney/plan/encoded_plan.h"
#include "spinney/plan/near_plan.h"
#include "spinney/plan/rewritten_plan.h"

namespace spinney {
namespace {

// Models from this size on leave enough behind, and take long enough to load, for its 0.2 ms.
constexpr size_t kWorthReleasing = 256 << 10;

Status leaves_of(const Forest& forest, const Rows& rows, int32_t* leaves) {
  for (size_t r = 0; r < rows.count; ++r)
    for (size_t t = 0; t < forest.n_trees(); ++t)
      *leaves++ = forest.tree(t)[forest.find_leaf(t, rows, r)].leaf_number();
  return {};
}

// The plan of the same trees with the leaves of a DMatrix's rows; null if they are the same.
Result<std::shared_ptr<const plan::Plan>> make_matrix_plan(const Description& model) {
  const auto* forest = std::get_if<Forest>(&model.scorer);
  if (!forest || forest->matrix_leaf_values.empty()) return std::shared_ptr<const plan::Plan>();
  DescriptionParts parts = model.parts();
  auto& leaves = std::get<Forest>(parts.scorer);
  leaves.leaf_values = std::exchange(leaves.matrix_leaf_values, {});
  SPINNEY_ASSIGN(Description other, make_description(std::move(parts)));
  return plan::make_near_plan(std::make_shared<const Description>(std::move(other)));
}

// Whether the plan reads no cells of sparse rows.
bool sums_entries_alone(const Description& model) {
  const auto* linear = std::get_if<Linear>(&model.scorer);
  return linear && std::isnan(linear->missing_value);
}

}  // namespace

Result<Model> Model::load(const std::string& path, load::Format format) {
  return load(path, load::LoadOptions{format, true, {}});
}

Result<Model> Model::load(const std::string& path, const load::LoadOptions& options) {
  SPINNEY_ASSIGN(Description description, load::load_file(path, options));
  return make(std::make_shared<const Description>(std::move(description)));
}

Result<Model> Model::from_bytes(std::span<const char> bytes, load::Format format,
                                const load::Choice& choice) {
  SPINNEY_ASSIGN(Description description, load::load_bytes(bytes, format, "model", choice));
  return make(std::make_shared<const Description>(std::move(description)));
}

Result<Model> Model::make(std::shared_ptr<const Description> description) {
  SPINNEY_ASSIGN(auto plan, plan::make_near_plan(description));
  SPINNEY_ASSIGN(auto matrix_plan, make_matrix_plan(*description));
  Model made(std::move(description), std::move(plan));
  made.matrix_plan_ = std::move(matrix_plan);
  SPINNEY_ASSIGN(auto wide, promoted(*made.description_));
  if (wide) {
    SPINNEY_ASSIGN(Model other, make(std::move(wide)));
    made.wide_ = std::make_shared<const Model>(std::move(other));
  }
  if (made.description_->bytes() + made.plan_->bytes() >= kWorthReleasing) release_freed_memory();
  return made;
}

Model Model::of(std::shared_ptr<const Description> description,
                std::shared_ptr<const plan::Plan> plan) {
  return Model(std::move(description), std::move(plan));
}

Result<Model> Model::started(plan::Start start, const void* numbers,
                             const PredictOptions& options) const {
  // XGBoost's in-place way with DART before 3.3 adds a base margin once for each tree.
  const bool margin = start == plan::Start::kInPlaceOfBase;
  const auto& inner = (options.by_matrix || margin) && matrix_plan_ ? matrix_plan_ : plan_;
  SPINNEY_ASSIGN(auto plan, plan::make_started_plan(inner, *description_, start, numbers));
  return Model(description_, std::move(plan));
}

Status Model::save(const std::string& path) const {
  return load::write_artifact(*description_, path);
}

Status Model::save(const std::string& path, load::Format format) const {
  if (format == load::Format::kSpinney) return save(path);
  if (format != load::Format::kTreelite)
    return invalid_argument("models are saved as .spinney files or as checkpoints of Treelite");
  SPINNEY_ASSIGN(const std::vector<char> bytes, load::treelite_bytes(*description_));
  const std::span<const char> pieces[] = {bytes};
  return load::replace_file(path, pieces);
}

Result<std::vector<char>> Model::to_bytes() const { return load::artifact_bytes(*description_); }

size_t Model::value_columns() const {
  return link::value_columns(description_->output, n_outputs());
}

size_t Model::probability_columns() const {
  return link::probability_columns(description_->output, n_outputs());
}

size_t Model::target_columns() const {
  return description_->output.labels.empty() ? 1 : description_->output.labels.size();
}

Model::Model(std::shared_ptr<const Description> description, std::shared_ptr<const plan::Plan> plan)
    : description_(std::move(description)), plan_(std::move(plan)) {
  size_t widest = 1;
  for (const size_t columns : {size_t{n_features()}, size_t{n_outputs()}, value_columns(),
                               probability_columns(), target_columns(), description_->n_trees()})
    widest = std::max(widest, columns);
  rows_max_ = kSizeMax / sizeof(double) / widest;
}

// Rows may be a view that repeats a few of them without end.
Error Model::wrong_shape(size_t count, size_t width) const {
  if (count > rows_max_)
    return invalid_argument("there are " + std::to_string(count) +
                            " rows, of which memory cannot hold the answers; give " +
                            std::to_string(rows_max_) + " or fewer at a time");
  return invalid_argument("the rows have " + std::to_string(width) +
                          " columns, but the model was trained on " + std::to_string(n_features()) +
                          " features");
}

// Of what no call can be without; a single row should feel none of it.
bool Model::fits(const Rows& rows, const PredictOptions& options) const {
  return rows.count <= rows_max_ && rows.width == n_features() && !options.strict;
}

Status Model::check(const Rows& rows, const PredictOptions& options) const {
  SPINNEY_TRY(check_shape(rows.count, rows.width));
  if (!options.strict) return {};
  const auto refused =
      find_refused(rows, refusals_of(*description_, options.by_matrix, rows.stored != nullptr));
  if (!refused) return {};
  return invalid_argument("strict: row " + std::to_string(options.first_row + refused->row) +
                          ", column " + std::to_string(refused->column) + " is " +
                          std::to_string(refused->value) +
                          ", which the training library refuses for this model");
}

const plan::Plan& Model::plan_for(const PredictOptions& options) const {
  return options.by_matrix && matrix_plan_ ? *matrix_plan_ : *plan_;
}

Status Model::predict_raw(const Rows& rows, void* scores, const PredictOptions& options) const {
  if (!fits(rows, options)) SPINNEY_TRY(check(rows, options));
  plan_for(options).score(rows, scores, options.num_threads);
  return {};
}

Status Model::predict_values(const Rows& rows, void* values, const PredictOptions& options) const {
  if (!fits(rows, options)) SPINNEY_TRY(check(rows, options));
  plan::Answers{*description_, plan_for(options), options.num_threads}.values(rows, values);
  return {};
}

Status Model::predict_proba(const Rows& rows, void* out, const PredictOptions& options) const {
  const Output& output = description_->output;
  if (!output.has_probabilities)
    return unsupported(description_->source.kind + " has no probabilities (objective " +
                       output.objective + "); use predict or predict_raw");
  if (!fits(rows, options)) SPINNEY_TRY(check(rows, options));
  plan::Answers{*description_, plan_for(options), options.num_threads}.probabilities(rows, out);
  return {};
}

Status Model::predict_classes(const Rows& rows, int32_t* classes,
                              const PredictOptions& options) const {
  const Output& output = description_->output;
  if (output.decision == Decision::kValues)
    return unsupported(description_->source.kind + " predicts values, not classes");
  if (!fits(rows, options)) SPINNEY_TRY(check(rows, options));
  plan::Answers{*description_, plan_for(options), options.num_threads}.classes(rows, classes);
  return {};
}

Status Model::predict_leaf(const Rows& rows, int32_t* leaves, const PredictOptions& options) const {
  if (!fits(rows, options)) SPINNEY_TRY(check(rows, options));
  const auto* forest = std::get_if<Forest>(&description_->scorer);
  if (!forest) return unsupported(description_->source.kind + " is not one forest of trees");
  if (description_->category_tables) {
    const plan::EncodedRows encoded(rows, *description_->category_tables);
    return leaves_of(*forest, encoded.view(), leaves);
  }
  const double missing = forest->settings().missing_value;
  if (!std::isnan(missing)) {
    const plan::MarkedRows marked(rows, missing);
    return leaves_of(*forest, marked.view(), leaves);
  }
  if (!description_->number_codes.empty()) {
    const plan::CodedRows coded(rows, description_->number_codes);
    return leaves_of(*forest, coded.view(), leaves);
  }
  return leaves_of(*forest, rows, leaves);
}

template <typename Predict>
Status Model::in_blocks(const SparseRows& rows, const PredictOptions& options,
                        Predict&& predict) const {
  SPINNEY_TRY(check_shape(rows.count, rows.width));
  SPINNEY_ASSIGN(const bool missing, description_->absent_is_missing());
  PredictOptions block_options = options;
  SPINNEY_ASSIGN(SparseBlocks blocks,
                 sums_entries_alone(*description_)
                     ? SparseBlocks::without_cells(rows, options.first_row)
                     : SparseBlocks::make(rows, missing, SparseBlocks::kBytesMax, options.first_row,
                                          missing_value_of(*description_)));
  for (size_t first = 0;;) {
    SPINNEY_ASSIGN(const Rows block, blocks.next());
    if (block.count == 0) return {};
    block_options.first_row = options.first_row + first;
    SPINNEY_TRY(predict(block, first, block_options));
    first += block.count;
  }
}

Status Model::predict_raw(const SparseRows& rows, void* scores,
                          const PredictOptions& options) const {
  const size_t row_bytes = n_outputs() * size_of(description_->score_type());
  return in_blocks(rows, options, [&](const Rows& block, size_t first, const PredictOptions& own) {
    return predict_raw(block, static_cast<char*>(scores) + first * row_bytes, own);
  });
}

Status Model::predict_values(const SparseRows& rows, void* values,
                             const PredictOptions& options) const {
  const size_t row_bytes = value_columns() * size_of(description_->output.value_type);
  return in_blocks(rows, options, [&](const Rows& block, size_t first, const PredictOptions& own) {
    return predict_values(block, static_cast<char*>(values) + first * row_bytes, own);
  });
}

Status Model::predict_proba(const SparseRows& rows, void* values,
                            const PredictOptions& options) const {
  const size_t row_bytes = probability_columns() * size_of(description_->output.value_type);
  return in_blocks(rows, options, [&](const Rows& block, size_t first, const PredictOptions& own) {
    return predict_proba(block, static_cast<char*>(values) + first * row_bytes, own);
  });
}

Status Model::predict_classes(const SparseRows& rows, int32_t* classes,
                              const PredictOptions& options) const {
  return in_blocks(rows, options, [&](const Rows& block, size_t first, const PredictOptions& own) {
    return predict_classes(block, classes + first * target_columns(), own);
  });
}

Status Model::predict_leaf(const SparseRows& rows, int32_t* leaves,
                           const PredictOptions& options) const {
  return in_blocks(rows, options, [&](const Rows& block, size_t first, const PredictOptions& own) {
    return predict_leaf(block, leaves + first * description_->n_trees(), own);
  });
}

}  // namespace spinney
