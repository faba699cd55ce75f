#include "spinney/model/label_type.h"

#include <charconv>
#include <string>

namespace spinney {
namespace {

// A count as numpy writes it: digits alone, the first of them not 0.
size_t parse_size(std::string_view digits) {
  size_t size = 0;
  const char* end = digits.data() + digits.size();
  if (digits.empty() || digits[0] < '1' || digits[0] > '9') return 0;
  const auto [at, error] = std::from_chars(digits.data(), end, size);
  return error == std::errc() && at == end ? size : 0;
}

bool is_number_size(LabelKind kind, size_t size) {
  if (kind == LabelKind::kBool) return size == 1;
  if (kind == LabelKind::kFloat && size == 1) return false;
  return size == 1 || size == 2 || size == 4 || size == 8;
}

Error unknown(std::string_view dtype) {
  constexpr size_t kShown = 80;
  return unsupported("labels of dtype \"" + std::string(dtype.substr(0, kShown)) +
                     (dtype.size() > kShown ? "…" : "") +
                     "\" are not read; bool, int, uint, float, U, S and object labels are");
}

}  // namespace

size_t LabelType::item_bytes() const {
  if (kind == LabelKind::kObject) return sizeof(void*);
  return kind == LabelKind::kText ? 4 * size : size;
}

Result<LabelType> parse_label_type(std::string_view dtype) {
  std::string_view rest = dtype;
  LabelType type;
  if (!rest.empty() && std::string_view("<>|=").find(rest[0]) != std::string_view::npos) {
    type.big_endian = rest[0] == '>';
    rest.remove_prefix(1);
  }
  if (rest == "?") return LabelType{LabelKind::kBool, 1, false};
  if (rest == "O") return LabelType{LabelKind::kObject, 0, false};
  constexpr std::string_view kLetters = "biufUS";
  const size_t letter = rest.empty() ? kLetters.npos : kLetters.find(rest[0]);
  if (letter == kLetters.npos) return unknown(dtype);
  type.kind = static_cast<LabelKind>(letter);
  type.size = parse_size(rest.substr(1));
  if (type.kind != LabelKind::kText && type.kind != LabelKind::kBytes)
    return is_number_size(type.kind, type.size) ? Result<LabelType>(type) : unknown(dtype);
  if (type.size == 0) return unknown(dtype);
  if (type.size > kLabelTextMax)
    return too_large("labels of dtype \"" + std::string(dtype.substr(0, 40)) +
                     "\" are longer than " + std::to_string(kLabelTextMax) + " characters");
  return type;
}

}  // namespace spinney
