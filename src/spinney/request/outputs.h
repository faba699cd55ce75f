// What a model's answers are made of: named outputs, each a table of numbers or texts with a row
// for each row of the request; and where the answers of several rows lie.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "spinney/base/checked_size.h"

namespace spinney {

enum class ElementType : uint8_t {
  kFloat32 = 0,
  kFloat64,
  kInt32,
  kInt64,
  kUint8,
  kBool,
  kInt8,
  kInt16,
  kUint16,
  kUint32,
  kUint64,
  kFloat16,
  kString,
};
// Of a number; texts are no bytes in a row.
inline size_t size_of(ElementType type) {
  constexpr size_t kSizes[] = {4, 8, 4, 8, 1, 1, 1, 2, 2, 4, 8, 2, 0};
  return kSizes[static_cast<size_t>(type)];
}

// One row of an answer: `columns` elements of `type`. No columns: the answer is an object of the
// back end's own (Answer::object).
struct AnswerShape {
  size_t columns = 0;
  ElementType type = ElementType::kFloat32;
  size_t row_bytes() const { return columns * size_of(type); }
};

struct OutputSpec {
  std::string name;
  AnswerShape shape;
};

// Some of a model's outputs: bit i is number i.
using OutputSet = uint64_t;
inline constexpr size_t kOutputsMax = 64;

// Elements in the order of rows x columns, contiguous.
struct Tensor {
  std::string_view name;
  AnswerShape shape;
  const void* data = nullptr;            // numbers
  const std::string* strings = nullptr;  // or texts, of kString
};

// Answers of some number of rows lie output after output, in the order of the model's outputs:
// numbers in one piece of memory, each output from a multiple of kAlignment on, and texts in a row
// of their own. One output without texts is the rows' answers and nothing else.
struct OutputLayout {
  static constexpr size_t kAlignment = 64;
  const OutputSpec* outputs = nullptr;  // of the model
  OutputSet set = 0;

  bool single() const { return (set & (set - 1)) == 0; }
  size_t count() const { return static_cast<size_t>(__builtin_popcountll(set)); }
  size_t first() const { return static_cast<size_t>(__builtin_ctzll(set)); }
  const AnswerShape& shape() const { return outputs[first()].shape; }  // of the first one
  bool operator==(const OutputLayout&) const = default;

  // Calls visit(number of the output, offset in bytes, offset in texts) for each.
  template <typename Visit>
  void each(size_t rows, Visit&& visit) const {
    size_t bytes = 0;
    size_t texts = 0;
    for (OutputSet left = set; left != 0; left &= left - 1) {
      const auto i = static_cast<size_t>(__builtin_ctzll(left));
      visit(i, bytes, texts);
      const AnswerShape& one = outputs[i].shape;
      bytes += (rows * one.row_bytes() + kAlignment - 1) / kAlignment * kAlignment;
      if (one.type == ElementType::kString) texts += rows * one.columns;
    }
  }
  // Nothing if there are more than memory has.
  std::optional<size_t> bytes(size_t rows) const {
    return single() ? checked_product(rows, shape().row_bytes()) : bytes_of_several(rows);
  }
  size_t texts(size_t rows) const {
    size_t all = 0;
    for (OutputSet left = set; left != 0; left &= left - 1)
      if (const AnswerShape& one = outputs[__builtin_ctzll(left)].shape;
          one.type == ElementType::kString)
        all += rows * one.columns;
    return all;
  }
  bool has_texts() const { return single() ? shape().type == ElementType::kString : texts(1) > 0; }

 private:
  std::optional<size_t> bytes_of_several(size_t rows) const;
};

// Answers of some rows in that layout.
struct AnswerBlocks {
  OutputLayout layout;
  size_t rows = 0;
  const char* data = nullptr;
  const std::string* texts = nullptr;

  // Of the output that is so many places after the first, from this row on.
  Tensor tensor(size_t number, size_t row) const;
};

}  // namespace spinney
