// MLflow's folders: the file MLmodel says which of its flavours the folder holds, in which file,
// and what the model's columns are called.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "spinney/base/result.h"

namespace spinney::load {

// MLmodel in bytes; real ones have a few thousand.
inline constexpr size_t kMlmodelBytesMax = size_t{4} << 20;

struct MlflowModel {
  std::string flavor;  // "sklearn", "xgboost", "lightgbm", "catboost"
  std::string data;    // the model's file or folder, below the folder
  // The flavour loads a bare Booster or CatBoost, whatever a wrapper left in the file.
  bool is_booster = false;
  // Names of the signature's columns, in their order; empty where it has none, or tensors.
  std::vector<std::string> names;
  std::vector<std::string> text_columns;  // those that the signature says hold texts
};

// MLmodel's text. Refuses other flavours by name, and a file that lies outside of the folder.
Result<MlflowModel> read_mlmodel(std::span<const char> bytes);

// Whether the path is a folder with an MLmodel.
bool is_mlflow_folder(const std::string& path);

struct MlflowFolder {
  MlflowModel model;
  std::string file;  // the model's, which lies below the folder, links followed
};
Result<MlflowFolder> open_mlflow_folder(const std::string& path);

}  // namespace spinney::load
