// Artifacts that are stamped anew after their contents were changed, for the tests of hostile ones.
#pragma once

#include <cstring>
#include <string>
#include <vector>

#include "spinney/load/artifact/artifact.h"
#include "spinney/spinney.h"

namespace spinney::load {

// One stump an output, of n_outputs values a leaf if they are wide.
inline ForestParts stumps(uint32_t n_outputs, bool wide) {
  ForestParts parts;
  parts.settings.n_features = 2;
  parts.settings.n_outputs = n_outputs;
  parts.settings.leaf_width = wide ? n_outputs : 1;
  parts.base.assign(n_outputs, 0);
  for (uint32_t t = 0; t < n_outputs; ++t) {
    Node root;
    root.left = 1;
    root.right = 2;
    root.threshold = 0.5;
    for (const Node& node : {root, Node::leaf(2 * t, 1), Node::leaf(2 * t + 1, 2)})
      parts.nodes.push_back(node);
    parts.tree_begin.push_back(static_cast<uint32_t>(parts.nodes.size()));
    parts.tree_target.push_back(wide ? 0 : t);
  }
  parts.leaf_values.assign(size_t{2} * n_outputs * parts.settings.leaf_width, 0.25);
  return parts;
}

inline DescriptionParts classifier(uint32_t n_outputs) {
  DescriptionParts model;
  model.scorer = make_forest(stumps(n_outputs, false)).value();
  model.output.decision = Decision::kArgmax;
  model.output.has_probabilities = true;
  Labels labels;
  labels.values = std::vector<int64_t>(n_outputs, 7);
  model.output.labels = {labels};
  return model;
}

inline Description whole(DescriptionParts parts) {
  return make_description(std::move(parts)).value();
}

inline std::string verdict(DescriptionParts parts) {
  const auto made = make_description(std::move(parts));
  return made.ok() ? "accepted" : made.error().message;
}

inline void stamp(std::vector<char>& bytes) {
  ArtifactHeader header;
  std::memcpy(&header, bytes.data(), sizeof header);
  for (size_t i = 0; i < header.section_count; ++i) {
    char* at = bytes.data() + sizeof header + i * sizeof(ArtifactSection);
    ArtifactSection section;
    std::memcpy(&section, at, sizeof section);
    section.checksum = artifact_checksum({bytes.data() + section.offset, section.bytes});
    std::memcpy(at, &section, sizeof section);
  }
  header.checksum = 0;
  std::memcpy(bytes.data(), &header, sizeof header);
  header.checksum = artifact_checksum(
      {bytes.data(), sizeof header + header.section_count * sizeof(ArtifactSection)});
  std::memcpy(bytes.data(), &header, sizeof header);
}

}  // namespace spinney::load
