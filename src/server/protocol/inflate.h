// Bodies that came with Content-Encoding: gzip or deflate.
#pragma once

#include <cstddef>
#include <string_view>

#include "server/bytes/bytes.h"
#include "spinney/base/result.h"

namespace spinney::server::protocol {

enum class Coding { kNone, kGzip, kDeflate, kUnknown };

// Of the header field's value; "identity" and none are kNone.
Coding coding_of(std::string_view value);

// Appends what it expands to, at most so many bytes (kTooLarge). What is cut short, damaged or
// followed by more is kInvalidArgument.
Status inflate_body(std::string_view packed, Coding coding, size_t bytes_max, Bytes& body);

}  // namespace spinney::server::protocol
