#include "spinney/load/conversion_budget.h"

#include <algorithm>

namespace spinney::load {
namespace {

constexpr size_t kFixedBytes = size_t{32} << 20;
constexpr size_t kBytesPerByte = 8;

thread_local ConversionBudget* current = nullptr;

}  // namespace

ConversionBudget::ConversionBudget(size_t file_bytes)
    : left_(kFixedBytes + kBytesPerByte * std::min(file_bytes, SIZE_MAX / 2 / kBytesPerByte)),
      outer_(current) {
  current = this;
}

ConversionBudget::~ConversionBudget() { current = outer_; }

Status ConversionBudget::spend(size_t bytes, const std::string& what) {
  if (!current) return {};
  if (bytes > current->left_)
    return too_large(what +
                     " needs far more memory than a file of this size holds data for: the file "
                     "names the same values again and again");
  current->left_ -= bytes;
  return {};
}

}  // namespace spinney::load
