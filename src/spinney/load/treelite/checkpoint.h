// What a checkpoint holds, as it stands there: version 3.9 in the words of version 4.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "spinney/base/result.h"
#include "spinney/model/description.h"
#include "spinney/model/rows.h"

namespace spinney::load::treelite {

enum class NodeType : int8_t { kLeaf = 0, kNumerical = 1, kCategorical = 2 };
enum class Operator : int8_t { kNone = 0, kEqual, kLess, kLessEqual, kGreater, kGreaterEqual };
enum class TaskType : uint8_t { kBinary = 0, kRegressor, kMulticlass, kRanking, kIsolation };

// Version 4: arrays of as many elements as there are nodes; lists are ranges of others.
struct Tree {
  std::vector<int8_t> type, comparison;
  std::vector<int32_t> left, right, feature;
  std::vector<uint8_t> default_left, list_right;
  std::vector<double> leaf_value, threshold, leaf_vector;
  std::vector<uint64_t> vector_begin, vector_end, list_begin, list_end;
  std::vector<uint32_t> categories;
  size_t size() const { return left.size(); }
};

struct Checkpoint {
  int32_t major = 4, minor = 0, patch = 0;
  NumberType type = NumberType::kFloat32;  // of thresholds, leaves, input and sums
  int32_t n_features = 0;
  TaskType task = TaskType::kRegressor;
  bool average = false;
  int32_t n_targets = 1;
  std::vector<int32_t> n_classes;  // of each target
  std::array<int32_t, 2> leaf_shape{1, 1};
  std::vector<int32_t> target_id, class_id;  // per tree; -1: of all
  std::string postprocessor = "identity";
  float sigmoid_alpha = 1, ratio_c = 1;
  std::vector<double> base_scores;  // targets x most classes
  std::string attributes = "{}";
  std::vector<Tree> trees;
};

// Of a forest; kUnsupported, naming what cannot be expressed.
Result<Checkpoint> checkpoint_of(const Description& model);

Result<Checkpoint> read_checkpoint(std::span<const char> bytes);
std::vector<char> checkpoint_bytes(const Checkpoint& checkpoint);

}  // namespace spinney::load::treelite
