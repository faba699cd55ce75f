#include "spinney/load/skops/npy.h"

#include <charconv>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

#include "spinney/base/checked_size.h"
#include "spinney/load/file/budget.h"

namespace spinney::load::skops {
namespace {

constexpr std::string_view kMark("\x93NUMPY", 6);
constexpr size_t kHeaderMax = 65536;
constexpr size_t kFieldsMax = 64, kAxesMax = 64;

// The header is a Python dict as repr() writes it; only what numpy itself writes is one.
class Header {
 public:
  explicit Header(std::string_view text) : text_(text) {}

  bool read(NdArray& array) {
    bool has_type = false, has_order = false, has_shape = false;
    if (!take('{')) return false;
    while (!take('}')) {
      const std::optional<std::string_view> key = quoted();
      if (!key || !take(':')) return false;
      if (*key == "descr")
        has_type = read_type(array);
      else if (*key == "fortran_order")
        has_order = read_flag(array.fortran_order);
      else if (*key == "shape")
        has_shape = read_shape(array.shape);
      else
        return false;
      if (!take(',') && !text_.starts_with('}')) return false;
    }
    skip_spaces();
    return has_type && has_order && has_shape && text_.empty();
  }

 private:
  void skip_spaces() {
    const size_t first = text_.find_first_not_of(" \n");
    text_.remove_prefix(first == std::string_view::npos ? text_.size() : first);
  }
  bool take(char c) {
    skip_spaces();
    if (!text_.starts_with(c)) return false;
    text_.remove_prefix(1);
    skip_spaces();
    return true;
  }
  std::optional<std::string_view> quoted() {
    skip_spaces();
    const size_t end = text_.starts_with('\'') ? text_.find('\'', 1) : std::string_view::npos;
    if (end == std::string_view::npos) return std::nullopt;
    const std::string_view inside = text_.substr(1, end - 1);
    text_.remove_prefix(end + 1);
    if (inside.find('\\') != std::string_view::npos) return std::nullopt;
    return inside;
  }
  bool read_flag(bool& flag) {
    skip_spaces();
    flag = text_.starts_with("True");
    if (!flag && !text_.starts_with("False")) return false;
    text_.remove_prefix(flag ? 4 : 5);
    return true;
  }
  bool read_shape(std::vector<int64_t>& shape) {
    shape.clear();
    if (!take('(')) return false;
    while (!take(')')) {
      int64_t extent = -1;
      const auto [end, error] = std::from_chars(text_.data(), text_.data() + text_.size(), extent);
      if (error != std::errc() || extent < 0 || shape.size() == kAxesMax) return false;
      text_.remove_prefix(static_cast<size_t>(end - text_.data()));
      shape.push_back(extent);
      if (!take(',') && !text_.starts_with(')')) return false;
    }
    return true;
  }
  // '<f8', or [('left_child', '<i8'), …, ('', '|V7')] with padding of no name.
  bool read_type(NdArray& array) {
    array.fields.clear();
    if (!take('[')) return read_plain_type(array.dtype);
    size_t size = 0;
    while (!take(']')) {
      NdArray::Field field;
      if (!take('(')) return false;
      const std::optional<std::string_view> name = quoted();
      if (!name || !take(',') || !read_plain_type(field.dtype) || !take(')')) return false;
      field.name = *name;
      field.offset = size;
      size += field.dtype.item_size;
      if (size > kItemSizeMax || array.fields.size() == kFieldsMax) return false;
      if (!field.name.empty()) array.fields.push_back(std::move(field));
      if (!take(',') && !text_.starts_with(']')) return false;
    }
    array.dtype.kind = 'V';
    array.dtype.swapped = false;
    array.dtype.item_size = size;
    array.dtype.text = "|V" + std::to_string(size);
    return true;
  }
  bool read_plain_type(Dtype& dtype) {
    const std::optional<std::string_view> code = quoted();
    std::optional<Dtype> parsed = code ? parse_dtype(*code, "") : std::nullopt;
    if (!parsed) return false;
    dtype = *std::move(parsed);
    return true;
  }

  std::string_view text_;
};

}  // namespace

Result<NdArray> read_npy(std::span<const char> bytes) {
  const std::string_view text(bytes.data(), bytes.size());
  if (text.size() < 12 || !text.starts_with(kMark)) return corrupt("it is no .npy file");
  const bool is_short = text[6] == 1;
  if (text[6] < 1 || text[6] > 3) return unsupported("it is a .npy file of an unknown version");
  uint32_t length = 0;
  std::memcpy(&length, bytes.data() + 8, is_short ? 2 : 4);
  const size_t begin = is_short ? 10 : 12;
  if (length > kHeaderMax || length > bytes.size() - begin)
    return corrupt("its .npy header is of " + std::to_string(length) + " bytes");
  NdArray array;
  if (!Header(text.substr(begin, length)).read(array))
    return corrupt("its .npy header is none that numpy writes");
  if (array.dtype.is_object()) return unsupported("it is an array of objects, which numpy pickles");
  SPINNEY_TRY(spend("a .npy header", array.fields.size() + 1, sizeof(NdArray::Field), 1));
  array.bytes = bytes.subspan(begin + length);
  const auto count = checked_product(std::span<const int64_t>(array.shape));
  const auto wanted = count ? checked_product(*count, array.dtype.item_size) : std::nullopt;
  if (!wanted || *wanted != array.bytes.size() || array.size() > bytes.size())
    return corrupt("its .npy header does not fit its " + std::to_string(array.bytes.size()) +
                   " bytes of elements");
  return array;
}

}  // namespace spinney::load::skops
