// XGBoost's own binary format, which save_model wrote from the first version to 3.0 by whatever
// name did not end in .json or .ubj, and pickles held until 1.2.
#pragma once

#include <span>
#include <string>

#include "spinney/base/result.h"

namespace spinney::load::xgboost {

// The fields of the model in UBJSON, as XGBoost's later formats have them, so that one reader does
// for all three.
struct BinaryModel {
  std::string ubjson;
  // Until 0.90 files hold the base score as a margin.
  bool base_is_margin = false;
};

// Refuses what is cut short, or declares more than follows.
Result<BinaryModel> read_binary(std::span<const char> bytes);

}  // namespace spinney::load::xgboost
