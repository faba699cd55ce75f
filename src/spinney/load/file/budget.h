// What one file may be made into: so many bytes and so many objects, in proportion to its length.
//
// A pickle may name one object any number of times for two bytes each: a text as every element of a
// list, a tree as every member of a forest, an ensemble as every member of another, which
// multiplies with each level. There is one budget for the whole file, from the first opcode to the
// last table: its own length once, and so much again for each of its bytes that counts. Those of a
// compressed file count up to a multiple of what it was before. Reading it spends what it makes,
// and whoever converts, copies or describes something that a name stands for spends it again, each
// time. docs/decisions/hostile-files.md says why the limits are what they are.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "spinney/base/result.h"

namespace spinney::load {

struct BudgetLimits {
  size_t bytes = size_t{64} << 20;
  size_t bytes_per_byte = 16;
  size_t objects = 65536;
  size_t bytes_per_object = 4;  // one more object for so many bytes that count
  size_t expansion = 32;        // times its own length that a compressed file's bytes count
};

// What a model or tree weighs in objects, whatever it is made of: its record alone takes more than
// as many bytes of a file as pay for these.
inline constexpr size_t kModelObjects = 24;

class Budget {
 public:
  // Of a file of so many bytes, and of so many when decompressed.
  explicit Budget(size_t file_bytes, const BudgetLimits& limits = {})
      : Budget(file_bytes, file_bytes, limits) {}
  Budget(size_t file_bytes, size_t expanded_bytes, const BudgetLimits& limits);

  // Takes both off, or says that there is not as much left.
  [[nodiscard]] bool take(size_t bytes, size_t objects) {
    if (bytes > bytes_left_ || objects > objects_left_) return false;
    bytes_left_ -= bytes;
    objects_left_ -= objects;
    return true;
  }

 private:
  size_t bytes_left_;
  size_t objects_left_;
};

// Makes `budget` the one that spend() takes from on this thread while this lives, so that the many
// small readers of attributes need not hand it on to each other.
class BudgetInUse {
 public:
  explicit BudgetInUse(Budget& budget);
  ~BudgetInUse();
  BudgetInUse(const BudgetInUse&) = delete;
  BudgetInUse& operator=(const BudgetInUse&) = delete;

 private:
  Budget* outer_;
};

// The budget in use or, where none is, one of a file of so many bytes: for readers of a part of
// what a compressed file or an archive holds, which then spend from its own.
class BudgetOfFile {
 public:
  explicit BudgetOfFile(size_t file_bytes);

 private:
  std::optional<Budget> own_;
  std::optional<BudgetInUse> in_use_;
};

// Takes count × item_bytes bytes, and objects, off the budget in use, if there is as much left.
// Unlimited while none is in use.
[[nodiscard]] bool try_spend(size_t count, size_t item_bytes, size_t objects = 0);
// The same, saying that `what` needs too much.
Status spend(const std::string& what, size_t count, size_t item_bytes, size_t objects = 0);

}  // namespace spinney::load
