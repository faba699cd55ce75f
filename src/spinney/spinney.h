// Spinney's public C++ door: load a model file, get the training library's own predictions.
//
//   auto model = spinney::Model::load("model.json");
//   if (!model) { std::cerr << model.error().message; return 1; }
//   std::vector<float> scores(n * model->n_outputs());
//   model->predict_raw(spinney::dense_rows(x, n, model->n_features()), scores.data());
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "spinney/base/result.h"
#include "spinney/load/load.h"
#include "spinney/model/description.h"
#include "spinney/model/rows.h"
#include "spinney/plan/plan.h"
#include "spinney/plan/started_plan.h"

namespace spinney {

struct PredictOptions {
  unsigned num_threads = 0;  // 0: as many as the process may use, where the work is worth it
  bool strict = false;       // refuse NaN and infinity where the training library does
  size_t first_row = 0;      // the number of the first row in messages, for calls in parts
  // The rows are of a kind that XGBoost's scikit-learn wrappers turn into a DMatrix before they
  // predict, such as sparse ones in other forms than CSR. A DMatrix refuses infinity, and
  // before 3.3 rounds the weights of DART's trees otherwise.
  bool by_matrix = false;
};

// Immutable and cheap to copy; every member may be called from any number of threads at once.
class Model {
 public:
  static Result<Model> load(const std::string& path, load::Format format = load::Format::kGuess);
  static Result<Model> load(const std::string& path, const load::LoadOptions& options);
  static Result<Model> from_bytes(std::span<const char> bytes,
                                  load::Format format = load::Format::kGuess,
                                  const load::Choice& choice = {});
  static Result<Model> make(std::shared_ptr<const Description> description);
  // With a plan that was made of the same description elsewhere.
  static Model of(std::shared_ptr<const Description> description,
                  std::shared_ptr<const plan::Plan> plan);

  const Description& description() const { return *description_; }
  const plan::Plan& plan() const { return *plan_; }
  // What the columns of rows are; null: numbers only.
  const SchemaPtr& schema() const { return description_->schema; }
  // For those who keep a part of the model, such as backend::make_native().
  std::shared_ptr<const Description> shared_description() const { return description_; }
  std::shared_ptr<const plan::Plan> shared_plan() const { return plan_; }
  // The model whose answers are the training library's own for rows of that type: mostly this one.
  // scikit-learn's linear models that were fitted on float32 answer rows of float64 in float64,
  // with another score_type() and output.value_type; asked here, they round those to float32.
  const Model& for_rows(NumberType type) const {
    return wide_ && type == NumberType::kFloat64 ? *wide_ : *this;
  }
  size_t n_features() const { return description_->n_features(); }
  size_t n_outputs() const { return description_->n_outputs(); }

  // This model with scores that begin with `numbers`; see plan::make_started_plan(). For one
  // prediction of rows, in one call or in parts one after the other. options.by_matrix counts.
  Result<Model> started(plan::Start start, const void* numbers,
                        const PredictOptions& options) const;

  // Columns of each kind of answer; 1 for a single score or label.
  size_t value_columns() const;
  size_t probability_columns() const;
  size_t target_columns() const;  // of predict_classes

  // rows x n_outputs() raw scores of description().score_type().
  Status predict_raw(const Rows& rows, void* scores, const PredictOptions& options = {}) const;
  // rows x value_columns() values of output.value_type, after the link.
  Status predict_values(const Rows& rows, void* values, const PredictOptions& options = {}) const;
  // rows x probability_columns(), of output.value_type. kUnsupported unless a classifier.
  Status predict_proba(const Rows& rows, void* values, const PredictOptions& options = {}) const;
  // rows x target_columns() indices into output.labels (kOutlier: -1 and 1 themselves).
  Status predict_classes(const Rows& rows, int32_t* classes,
                         const PredictOptions& options = {}) const;
  // rows x n_trees leaf numbers as the library gives them. kUnsupported unless a forest.
  Status predict_leaf(const Rows& rows, int32_t* leaves, const PredictOptions& options = {}) const;

  // The same of sparse rows, whose absent entries mean what they mean to the training library.
  // They are scored in dense blocks of a few megabytes; linear models read them as they are stored.
  Status predict_raw(const SparseRows& rows, void* scores,
                     const PredictOptions& options = {}) const;
  Status predict_values(const SparseRows& rows, void* values,
                        const PredictOptions& options = {}) const;
  Status predict_proba(const SparseRows& rows, void* values,
                       const PredictOptions& options = {}) const;
  Status predict_classes(const SparseRows& rows, int32_t* classes,
                         const PredictOptions& options = {}) const;
  Status predict_leaf(const SparseRows& rows, int32_t* leaves,
                      const PredictOptions& options = {}) const;

  // One versioned, checksummed file, written beside `path` and renamed.
  Status save(const std::string& path) const;
  // The same, or a checkpoint of Treelite (kTreelite) whose raw scores are these; kUnsupported
  // names what such a file cannot express. Other formats are kInvalidArgument.
  Status save(const std::string& path, load::Format format) const;
  // The bytes of that file, which from_bytes() takes.
  Result<std::vector<char>> to_bytes() const;

 private:
  Model(std::shared_ptr<const Description> description, std::shared_ptr<const plan::Plan> plan);
  Status check_shape(size_t count, size_t width) const {
    return count <= rows_max_ && width == n_features() ? Status() : wrong_shape(count, width);
  }
  Error wrong_shape(size_t count, size_t width) const;
  Status check(const Rows& rows, const PredictOptions& options) const;
  bool fits(const Rows& rows, const PredictOptions& options) const;
  const plan::Plan& plan_for(const PredictOptions& options) const;
  template <typename Predict>
  Status in_blocks(const SparseRows& rows, const PredictOptions& options, Predict&& predict) const;

  std::shared_ptr<const Description> description_;
  std::shared_ptr<const plan::Plan> plan_;
  size_t rows_max_;  // of which every table on the way to an answer fits in memory
  std::shared_ptr<const plan::Plan>
      matrix_plan_;                    // of Forest::matrix_leaf_values, if there are any
  std::shared_ptr<const Model> wide_;  // see for_rows()
};

}  // namespace spinney
