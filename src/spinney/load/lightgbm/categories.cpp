#include "spinney/load/lightgbm/categories.h"

#include <charconv>
#include <string>
#include <utility>

#include "spinney/base/utf8.h"
#include "spinney/load/file/budget.h"
#include "spinney/load/lightgbm/fields.h"

namespace spinney::load::lightgbm {
namespace {

struct Scalar {
  enum class Kind : uint8_t { kWhole, kReal, kText };
  Kind kind = Kind::kWhole;
  int64_t whole = 0;
  double real = 0;
  std::string text;

  static Scalar of(int64_t value) {
    Scalar scalar;
    scalar.whole = value;
    scalar.real = static_cast<double>(value);
    return scalar;
  }
};

// Reads just what json.dumps() writes for a list of lists of numbers, booleans and strings.
class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  Result<std::vector<ColumnCategories>> read() {
    std::vector<ColumnCategories> columns;
    if (take("null")) return columns;
    if (!take("[")) return fault("a list of lists or null");
    if (take("]")) return columns;
    do {
      SPINNEY_ASSIGN(std::vector<Scalar> scalars, read_list());
      ColumnCategories column;
      column.feature = static_cast<uint32_t>(columns.size());
      SPINNEY_TRY(unite(std::move(scalars), column));
      columns.push_back(std::move(column));
    } while (take(","));
    if (!take("]")) return fault("\",\" or \"]\"");
    skip_spaces();
    if (at_ != text_.size()) return fault("the end of the line");
    return columns;
  }

 private:
  void skip_spaces() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t')) ++at_;
  }
  bool take(std::string_view token) {
    skip_spaces();
    if (!text_.substr(at_).starts_with(token)) return false;
    at_ += token.size();
    return true;
  }
  Error fault(const std::string& expected) const {
    return corrupt("pandas_categorical: expected " + expected + " at " + quoted(text_.substr(at_)));
  }

  Result<std::vector<Scalar>> read_list() {
    std::vector<Scalar> scalars;
    if (!take("[")) return fault("a list of categories");
    if (take("]")) return scalars;
    do {
      SPINNEY_ASSIGN(Scalar scalar, read_scalar());
      if (!try_spend(1, sizeof(Scalar) + scalar.text.size()))
        return too_large("pandas_categorical: more categories than a file of this size holds");
      scalars.push_back(std::move(scalar));
    } while (take(","));
    if (!take("]")) return fault("\",\" or \"]\"");
    return scalars;
  }

  Result<Scalar> read_scalar() {
    if (take("true")) return Scalar::of(1);
    if (take("false")) return Scalar::of(0);
    if (take("\"")) return read_string();
    const size_t end = std::min(text_.find_first_of(",] ", at_), text_.size());
    const char* first = text_.data() + at_;
    const char* last = text_.data() + end;
    Scalar scalar;
    at_ = end;
    if (const auto [stop, error] = std::from_chars(first, last, scalar.whole);
        stop == last && error == std::errc())
      return Scalar::of(scalar.whole);
    if (const auto [stop, error] = std::from_chars(first, last, scalar.real);
        stop == last && error == std::errc()) {
      scalar.kind = Scalar::Kind::kReal;
      return scalar;
    }
    at_ = static_cast<size_t>(first - text_.data());
    return fault("a number, a string, true or false");
  }

  // After the opening quote.
  Result<Scalar> read_string() {
    Scalar scalar;
    scalar.kind = Scalar::Kind::kText;
    std::string& out = scalar.text;
    while (at_ < text_.size() && text_[at_] != '"') {
      const char c = text_[at_++];
      if (c != '\\') {
        out += c;
        continue;
      }
      if (at_ == text_.size()) break;
      const std::optional<uint32_t> code = read_json_escape(text_, at_);
      if (!code) return fault("an escape");
      if (is_surrogate(*code)) return fault("a surrogate pair");
      append_utf8(out, *code);
    }
    if (at_ == text_.size()) return fault("the end of a string");
    ++at_;
    return scalar;
  }

  // One type for the whole column: integers become floats where both occur.
  Status unite(std::vector<Scalar> scalars, ColumnCategories& column) const {
    bool texts = false, reals = false, wholes = false;
    for (const Scalar& scalar : scalars) {
      texts |= scalar.kind == Scalar::Kind::kText;
      reals |= scalar.kind == Scalar::Kind::kReal;
      wholes |= scalar.kind == Scalar::Kind::kWhole;
    }
    if (texts && (reals || wholes))
      return unsupported("pandas_categorical: column " + std::to_string(column.feature) +
                         " mixes strings and numbers; train on categories of one type");
    if (texts) {
      column.values = gather(std::move(scalars), &Scalar::text);
    } else if (reals) {
      column.values = gather(std::move(scalars), &Scalar::real);
    } else {
      column.values = gather(std::move(scalars), &Scalar::whole);
    }
    return {};
  }

  template <typename T>
  static std::vector<T> gather(std::vector<Scalar> scalars, T Scalar::* part) {
    std::vector<T> values;
    values.reserve(scalars.size());
    for (Scalar& scalar : scalars) values.push_back(std::move(scalar.*part));
    return values;
  }

  std::string_view text_;
  size_t at_ = 0;
};

}  // namespace

Result<std::vector<ColumnCategories>> parse_categories(std::string_view json) {
  return Reader(json).read();
}

}  // namespace spinney::load::lightgbm
