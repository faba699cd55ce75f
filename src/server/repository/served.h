// Served: one version of one model as clients see it: what it takes, what it answers and under
// which names. Immutable; a reload makes another.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "server/repository/datatype.h"
#include "spinney/backend/backend.h"
#include "spinney/spinney.h"

namespace spinney::server::repository {

// One thing that a request may ask for: `predict`, `predict_proba`, `decision_function` (of
// scikit-learn's classifiers) and `predict_raw`.
struct ServedOutput {
  std::string name;
  AnswerKind kind = AnswerKind::kValues;  // what the engine computes for it
  Datatype type = Datatype::kFp32;
  Datatype narrow_type = Datatype::kFp32;  // of rows of float32, where the model answers those so
  size_t columns = 1;
  bool flat = false;    // shape [rows], not [rows, columns]
  bool labels = false;  // the engine's class numbers stand for labels
};

// A label as it stands in JSON, and in a binary tensor.
struct LabelText {
  std::string json;
  std::string binary;
};

class Served {
 public:
  static Result<std::shared_ptr<const Served>> make(Model model, std::string name,
                                                    std::string version,
                                                    std::string engine_version);
  const std::string& name() const { return name_; }
  const std::string& version() const { return version_; }
  // Under which the engine has it: no two loads share one.
  const std::string& engine_version() const { return engine_version_; }
  const Model& model() const { return model_; }

  size_t width() const { return model_.n_features(); }
  // The first one is what is answered where nothing is asked for.
  const std::vector<ServedOutput>& outputs() const { return outputs_; }
  const ServedOutput* find_output(std::string_view name) const;
  // The column of this name, or SIZE_MAX.
  size_t find_column(std::string_view name) const;
  // Labels of each target; empty where predict gives numbers.
  const std::vector<std::vector<LabelText>>& labels() const { return labels_; }
  // The type of number that a tensor's rows are given to the model in, as the training library
  // converts numpy's.
  NumberType row_type(Datatype type) const;
  // What its metadata say of the input; any other datatype of numbers is taken as well.
  Datatype input_type() const {
    return cast_type_ == NumberType::kFloat32 ? Datatype::kFp32 : Datatype::kFp64;
  }
  bool has_narrow() const { return narrow_; }

 private:
  explicit Served(Model model) : model_(std::move(model)) {}
  Status add_outputs();
  Status add_labels();

  Model model_;
  std::string name_, version_, engine_version_;
  std::vector<ServedOutput> outputs_;
  std::map<std::string, size_t, std::less<>> columns_;
  std::vector<std::vector<LabelText>> labels_;
  Datatype label_type_ = Datatype::kInt64;
  NumberType cast_type_ = NumberType::kFloat64, small_cast_type_ = NumberType::kFloat64;
  bool narrow_ = false;  // rows of float32 are answered in float32 by another model
};

// What an engine whose workers are there scores it with.
Result<std::shared_ptr<const backend::Backend>> backend_of(const Model& model,
                                                           const cpu::Assignment& placement);

}  // namespace spinney::server::repository
