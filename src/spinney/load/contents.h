// What some bytes hold, whatever they are wrapped in: compressed files and archives are opened
// until a model's own format is reached.
#pragma once

#include <span>
#include <string>

#include "spinney/load/load.h"

namespace spinney::load {

// The model in the bytes of a file, in this format or one to be guessed.
Result<Description> read_contents(std::span<const char> bytes, Format format, const Choice& choice);

}  // namespace spinney::load
