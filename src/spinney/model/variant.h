// Models that differ from another in what one call asks for: some of its trees, another value that
// counts as missing. They share the other's arrays but for the nodes.
#pragma once

#include <string>

#include "spinney/model/description.h"

namespace spinney {

// Of a forest: trees first to behind - 1 of those it has. rule: as in TreesUsed.
Result<Description> with_trees(const Description& model, size_t first, size_t behind,
                               std::string rule);

// Of a forest or linear model of XGBoost; NaN: no value but NaN is missing.
Result<Description> with_missing_value(const Description& model, double missing);

}  // namespace spinney
