// Categories of a .cbm file.
#pragma once

#include <span>

#include "spinney/load/catboost/flat.h"
#include "spinney/load/catboost/tables.h"

namespace spinney::load::catboost {

// rest: the file behind the FlatBuffer.
Status read_ctrs(const flat::Core& core, std::span<const char> rest, Tables& out);

}  // namespace spinney::load::catboost
