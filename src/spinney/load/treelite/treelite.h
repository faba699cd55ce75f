// Treelite's checkpoints: versions 4.x and 3.9 are read without the library, and written.
#pragma once

#include <span>
#include <vector>

#include "spinney/base/result.h"
#include "spinney/load/choice.h"
#include "spinney/model/description.h"

namespace spinney::load {

// By the first bytes: a version and the types of thresholds and leaves.
bool is_treelite(std::span<const char> bytes);

// The answers are those of Treelite's general interpreter: raw scores with pred_margin=True, else
// the post-processor's values, never labels. Its axes of targets and classes lie in one.
Result<Description> read_treelite(std::span<const char> bytes, const Choice& choice = {});

// A checkpoint that Treelite 4 reads, whose raw scores are the model's own, bit for bit, wherever
// rows are of the type that the checkpoint has. kUnsupported, naming what it cannot express.
Result<std::vector<char>> treelite_bytes(const Description& model);

}  // namespace spinney::load
