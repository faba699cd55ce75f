#include "spinney/request/outputs.h"

namespace spinney {

std::optional<size_t> OutputLayout::bytes_of_several(size_t rows) const {
  std::optional<size_t> all = size_t{0};
  for (OutputSet left = set; left != 0 && all; left &= left - 1) {
    const auto one = checked_product(rows, outputs[__builtin_ctzll(left)].shape.row_bytes());
    all = checked_sum(*all, one ? checked_sum(*one, kAlignment).value_or(kSizeMax) : kSizeMax);
  }
  return all;
}

Tensor AnswerBlocks::tensor(size_t number, size_t row) const {
  Tensor found;
  size_t at = 0;
  layout.each(rows, [&](size_t output, size_t bytes, size_t first_text) {
    if (at++ != number) return;
    const OutputSpec& spec = layout.outputs[output];
    found.name = spec.name;
    found.shape = spec.shape;
    if (spec.shape.type == ElementType::kString)
      found.strings = texts + first_text + row * spec.shape.columns;
    else if (data)
      found.data = data + bytes + row * spec.shape.row_bytes();
  });
  return found;
}

}  // namespace spinney
