#include "server/protocol/tensor.h"

#include <bit>
#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>

#include "spinney/base/half.h"

namespace spinney::server::protocol {
namespace {

using repository::Datatype;

struct Half {};
struct Brain {};  // BF16
struct Bool {};

// One element of JSON as a number of type To.
template <typename From, typename To>
bool read_element(JsonReader& json, To& to) {
  if constexpr (std::is_same_v<From, Bool>) {
    if (json.kind() == JsonReader::Kind::kBool) {
      bool value = false;
      if (!json.boolean(value)) return false;
      to = static_cast<To>(value);
      return true;
    }
    int64_t value = 0;
    if (!json.integer(value)) return false;
    if (value != 0 && value != 1) return json.fail("expected true, false, 1 or 0");
    to = static_cast<To>(value);
    return true;
  } else if constexpr (std::is_floating_point_v<From>) {
    From value = 0;
    if (!json.number(value)) return false;
    to = static_cast<To>(value);
    return true;
  } else if constexpr (std::is_integral_v<From>) {
    using Wide = std::conditional_t<std::is_signed_v<From>, int64_t, uint64_t>;
    Wide value = 0;
    if (!json.integer(value)) return false;
    if (value < std::numeric_limits<From>::min() || value > std::numeric_limits<From>::max())
      return json.fail("a whole number beyond what its type holds");
    to = static_cast<To>(value);
    return true;
  } else {
    return json.fail("tensors of this datatype are sent as binary data");
  }
}

template <typename From, typename To>
To element_of(const char* at) {
  if constexpr (std::is_same_v<From, Half> || std::is_same_v<From, Brain>) {
    uint16_t bits;
    std::memcpy(&bits, at, sizeof bits);
    if constexpr (std::is_same_v<From, Half>) return static_cast<To>(half_value(bits));
    return static_cast<To>(std::bit_cast<float>(uint32_t{bits} << 16));
  } else if constexpr (std::is_same_v<From, Bool>) {
    return static_cast<To>(*at != 0);
  } else {
    From value;
    std::memcpy(&value, at, sizeof value);
    return static_cast<To>(value);
  }
}

template <typename From>
constexpr size_t kBytesOf = sizeof(From);
template <>
constexpr size_t kBytesOf<Half> = 2;
template <>
constexpr size_t kBytesOf<Brain> = 2;
template <>
constexpr size_t kBytesOf<Bool> = 1;

template <typename From, typename To>
bool from_json(JsonReader& json, bool is_matrix, const Target& target) {
  if (!json.begin_array()) return false;
  const bool nested = is_matrix && json.kind() == JsonReader::Kind::kArray;
  for (size_t r = 0; r < target.rows; ++r) {
    char* row = target.data + r * target.row_bytes;
    if (nested && (!json.next_element() || !json.begin_array()))
      return json.fail("data has fewer rows than its shape says");
    for (size_t c = 0; c < target.columns; ++c) {
      To value;
      if (!json.next_element()) return json.fail("data has fewer elements than its shape says");
      if (!read_element<From>(json, value)) return false;
      std::memcpy(row + c * sizeof(To), &value, sizeof value);
    }
    if (nested && json.next_element())
      return json.fail("a row of data has more elements than its shape says");
    if (json.failed()) return false;
  }
  if (json.next_element()) return json.fail("data has more elements than its shape says");
  return !json.failed();
}

template <typename From, typename To>
void from_bytes(const char* elements, const Target& target) {
  for (size_t r = 0; r < target.rows; ++r) {
    char* row = target.data + r * target.row_bytes;
    if constexpr (std::is_same_v<From, To>) {
      std::memcpy(row, elements, target.columns * sizeof(To));
    } else {
      for (size_t c = 0; c < target.columns; ++c) {
        const To value = element_of<From, To>(elements + c * kBytesOf<From>);
        std::memcpy(row + c * sizeof(To), &value, sizeof value);
      }
    }
    elements += target.columns * kBytesOf<From>;
  }
}

// Calls visit(From{}) for the datatype's own type; false of what is no number.
template <typename Visit>
bool with_type(Datatype type, Visit&& visit) {
  switch (type) {
    case Datatype::kBool:
      return visit(Bool{});
    case Datatype::kUint8:
      return visit(uint8_t{});
    case Datatype::kUint16:
      return visit(uint16_t{});
    case Datatype::kUint32:
      return visit(uint32_t{});
    case Datatype::kUint64:
      return visit(uint64_t{});
    case Datatype::kInt8:
      return visit(int8_t{});
    case Datatype::kInt16:
      return visit(int16_t{});
    case Datatype::kInt32:
      return visit(int32_t{});
    case Datatype::kInt64:
      return visit(int64_t{});
    case Datatype::kFp16:
      return visit(Half{});
    case Datatype::kBf16:
      return visit(Brain{});
    case Datatype::kFp32:
      return visit(float{});
    case Datatype::kFp64:
      return visit(double{});
    case Datatype::kBytes:
    case Datatype::kNone:
      break;
  }
  return false;
}

}  // namespace

bool read_elements(JsonReader& json, Datatype type, bool is_matrix, const Target& target) {
  return with_type(type, [&](auto from) {
    using From = decltype(from);
    return target.type == NumberType::kFloat32 ? from_json<From, float>(json, is_matrix, target)
                                               : from_json<From, double>(json, is_matrix, target);
  });
}

void read_elements(const char* elements, Datatype type, const Target& target) {
  with_type(type, [&](auto from) {
    using From = decltype(from);
    if (target.type == NumberType::kFloat32)
      from_bytes<From, float>(elements, target);
    else
      from_bytes<From, double>(elements, target);
    return true;
  });
}

}  // namespace spinney::server::protocol
