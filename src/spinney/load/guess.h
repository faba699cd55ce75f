// Which format some bytes are in, by what they begin with.
#pragma once

#include <span>

#include "spinney/load/load.h"

namespace spinney::load {

// The format, or an error that says what the bytes look like and what to do about it.
Result<Format> guess_format(std::span<const char> bytes);

}  // namespace spinney::load
