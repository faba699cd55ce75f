// The datatypes of Open Inference tensors.
#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string_view>

namespace spinney::server::repository {

enum class Datatype : uint8_t {
  kBool = 0,
  kUint8,
  kUint16,
  kUint32,
  kUint64,
  kInt8,
  kInt16,
  kInt32,
  kInt64,
  kFp16,
  kBf16,
  kFp32,
  kFp64,
  kBytes,
  kNone,  // no such datatype
};

inline constexpr std::string_view kDatatypeNames[] = {"BOOL", "UINT8", "UINT16", "UINT32", "UINT64",
                                                      "INT8", "INT16", "INT32",  "INT64",  "FP16",
                                                      "BF16", "FP32",  "FP64",   "BYTES"};

inline std::string_view name_of(Datatype type) { return kDatatypeNames[static_cast<size_t>(type)]; }
inline Datatype datatype_of(std::string_view name) {
  for (size_t i = 0; i < std::size(kDatatypeNames); ++i)
    if (kDatatypeNames[i] == name) return static_cast<Datatype>(i);
  return Datatype::kNone;
}
// Of one element; 0 of BYTES, whose elements say their own.
inline size_t size_of(Datatype type) {
  constexpr size_t kSizes[] = {1, 1, 2, 4, 8, 1, 2, 4, 8, 2, 2, 4, 8, 0, 0};
  return kSizes[static_cast<size_t>(type)];
}

}  // namespace spinney::server::repository
