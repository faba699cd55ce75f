// UBJSON (draft 12) as XGBoost writes it, with every width of integer, typed and counted arrays and
// counted objects. Numbers are big-endian.
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <utility>

#include "spinney/load/document/document.h"

namespace spinney::load {
namespace {

using Kind = Item::Kind;

// Bytes of a number's payload; 0: not a number.
size_t number_size(char type) {
  switch (type) {
    case 'i':
    case 'U':
      return 1;
    case 'I':
      return 2;
    case 'l':
    case 'd':
      return 4;
    case 'L':
    case 'D':
      return 8;
    default:
      return 0;
  }
}

template <typename T>
T big_endian(const char* bytes) {
  T value;
  std::memcpy(&value, bytes, sizeof value);
  if constexpr (sizeof(T) == 2)
    return static_cast<T>(__builtin_bswap16(static_cast<uint16_t>(value)));
  if constexpr (sizeof(T) == 4)
    return static_cast<T>(__builtin_bswap32(static_cast<uint32_t>(value)));
  if constexpr (sizeof(T) == 8)
    return static_cast<T>(__builtin_bswap64(static_cast<uint64_t>(value)));
  return value;
}

// The integer of that type at bytes; only for the integer types.
int64_t integer_at(char type, const char* bytes) {
  switch (type) {
    case 'i':
      return static_cast<signed char>(*bytes);
    case 'U':
      return static_cast<unsigned char>(*bytes);
    case 'I':
      return big_endian<int16_t>(bytes);
    case 'l':
      return big_endian<int32_t>(bytes);
    default:
      return big_endian<int64_t>(bytes);
  }
}

bool is_integer_type(char type) { return number_size(type) != 0 && type != 'd' && type != 'D'; }

// Reads forward over bytes; every reader below checks what is left before it touches anything.
struct Cursor {
  const char* at = nullptr;
  const char* end = nullptr;

  size_t left() const { return static_cast<size_t>(end - at); }
  bool peek(char c) const { return at != end && *at == c; }
  bool take(char c) {
    if (!peek(c)) return false;
    ++at;
    return true;
  }
  void skip_noops() {
    while (peek('N')) ++at;
  }
  // A marker and an integer that is not negative, such as a length.
  bool length(size_t& value) {
    if (at == end) return false;
    const char type = *at;
    const size_t size = number_size(type);
    if (!is_integer_type(type) || left() < 1 + size) return false;
    const int64_t number = integer_at(type, at + 1);
    if (number < 0) return false;
    at += 1 + size;
    value = static_cast<size_t>(number);
    return true;
  }
  // A length and as many bytes.
  bool text(std::string_view& value) {
    size_t size = 0;
    if (!length(size) || size > left()) return false;
    value = {at, size};
    at += size;
    return true;
  }
  // From a scalar's marker to behind its payload.
  bool skip_scalar() {
    if (at == end) return false;
    const char type = *at++;
    if (type == 'Z' || type == 'T' || type == 'F') return true;
    std::string_view ignored;
    if (type == 'S' || type == 'H') return text(ignored);
    const size_t size = type == 'C' ? 1 : number_size(type);
    if (size == 0 || size > left()) return false;
    at += size;
    return true;
  }
};

class UbjsonParser {
 public:
  explicit UbjsonParser(std::span<const char> bytes)
      : begin_(bytes.data()), cursor_{bytes.data(), bytes.data() + bytes.size()} {}

  Result<Document> parse() {
    SPINNEY_TRY(value({}));
    while (!open_.empty()) SPINNEY_TRY(step());
    cursor_.skip_noops();
    if (cursor_.at != cursor_.end) return fault("bytes after the end of the model");
    return std::move(document_);
  }

 private:
  struct Open {
    uint32_t item;
    bool is_object;
    bool is_counted;
    size_t left;  // counted: members or elements to come
  };

  Error fault(const std::string& what) const {
    return corrupt("UBJSON, byte " + std::to_string(cursor_.at - begin_) + ": " + what);
  }
  Error bad_value() const {
    return fault(cursor_.left() < 16 ? "the file is cut short" : "no value that UBJSON knows");
  }

  Status add(Item item) {
    const auto total = static_cast<size_t>(cursor_.end - begin_);
    if (document_.items.size() > 64 + total / kBytesPerItemMin ||
        document_.items.size() >= UINT32_MAX)
      return fault("more nested values than any model has");
    item.is_binary = true;
    item.next = static_cast<uint32_t>(document_.items.size() + 1);
    document_.items.push_back(item);
    return {};
  }

  Status step() {
    Open& open = open_.back();
    cursor_.skip_noops();
    const bool ends = open.is_counted ? open.left == 0 : cursor_.take(open.is_object ? '}' : ']');
    if (ends) {
      document_.items[open.item].next = static_cast<uint32_t>(document_.items.size());
      open_.pop_back();
      return {};
    }
    if (open.is_counted) --open.left;
    if (!open.is_object) return value({});
    std::string_view key;
    if (!cursor_.text(key)) return fault("expected a key");
    if (key.size() > UINT32_MAX) return fault("a key of over 4 GB");
    return value(key);
  }

  Status value(std::string_view key) {
    cursor_.skip_noops();
    if (cursor_.at == cursor_.end) return bad_value();
    Item item;
    item.key = key.data();
    item.key_size = static_cast<uint32_t>(key.size());
    const char type = *cursor_.at;
    if (type == '{') return object(item);
    if (type == '[') return array(item);
    item.data = cursor_.at + 1;
    if (type == 'S') {
      ++cursor_.at;
      std::string_view text;
      if (!cursor_.text(text)) return bad_value();
      item.kind = Kind::kString;
      item.data = text.data();
      item.size = text.size();
      return add(item);
    }
    if (!cursor_.skip_scalar()) return bad_value();
    item.type = type;
    item.size = static_cast<size_t>(cursor_.at - item.data);
    item.count = 1;
    if (type == 'Z') {
      item.kind = Kind::kNull;
    } else if (type == 'T' || type == 'F') {
      item.kind = Kind::kBool;
      item.data = cursor_.at - 1;
      item.size = 1;
    } else if (number_size(type) != 0) {
      item.kind = Kind::kNumber;
    } else {
      return fault(std::string("values of type ") + type + " are not supported");
    }
    return add(item);
  }

  Status open(Item item, Kind kind, bool is_counted, size_t count) {
    if (open_.size() >= kDepthMax)
      return fault("nested more than " + std::to_string(kDepthMax) + " deep");
    item.kind = kind;
    open_.push_back(
        {static_cast<uint32_t>(document_.items.size()), kind == Kind::kObject, is_counted, count});
    return add(item);
  }

  Status object(Item item) {
    ++cursor_.at;
    if (cursor_.peek('$')) return fault("objects of one type are not supported");
    size_t count = 0;
    const bool is_counted = cursor_.take('#');
    if (is_counted && !cursor_.length(count)) return fault("expected a count");
    if (is_counted && count > cursor_.left())
      return fault("an object of " + std::to_string(count) + " members in a file with " +
                   std::to_string(cursor_.left()) + " bytes left");
    return open(item, Kind::kObject, is_counted, count);
  }

  Status array(Item item) {
    ++cursor_.at;
    char type = 0;
    if (cursor_.take('$')) {
      if (cursor_.at == cursor_.end) return bad_value();
      type = *cursor_.at++;
      if (number_size(type) == 0)
        return fault(std::string("arrays of type ") + type + " are not supported");
      if (!cursor_.peek('#')) return fault("an array with a type but no count");
    }
    size_t count = 0;
    const bool is_counted = cursor_.take('#');
    if (is_counted && !cursor_.length(count)) return fault("expected a count");
    const size_t item_size = type ? number_size(type) : 1;
    if (count > cursor_.left() / item_size)
      return fault("an array of " + std::to_string(count) + " elements in a file with " +
                   std::to_string(cursor_.left()) + " bytes left");
    if (type) return typed_array(item, type, count);
    if (is_counted && count == 0) return scalars(item, true, 0);
    cursor_.skip_noops();
    if (cursor_.peek('{') || cursor_.peek('[')) return open(item, Kind::kArray, is_counted, count);
    return scalars(item, is_counted, count);
  }

  Status typed_array(Item item, char type, size_t count) {
    item.kind = Kind::kScalars;
    item.type = type;
    item.data = cursor_.at;
    item.count = count;
    item.size = count * number_size(type);
    cursor_.at += item.size;
    return add(item);
  }

  // Elements with a marker each; the first was no object or array, so none may be.
  Status scalars(Item item, bool is_counted, size_t count) {
    item.kind = Kind::kScalars;
    item.data = cursor_.at;
    size_t n = 0;
    while (true) {
      cursor_.skip_noops();
      if (is_counted ? n == count : cursor_.peek(']')) break;
      if (!cursor_.skip_scalar()) return bad_value();
      ++n;
    }
    item.size = static_cast<size_t>(cursor_.at - item.data);
    item.count = n;
    if (!is_counted) ++cursor_.at;
    return add(item);
  }

  const char* begin_;
  Cursor cursor_;
  Document document_;
  std::vector<Open> open_;
};

Error bad_element(std::string_view what, size_t index, std::string_view wanted) {
  return corrupt(in_quotes(what) + ", element " + std::to_string(index) + " is not " +
                 std::string(wanted));
}

bool convert(char type, const char* bytes, float& value) {
  if (type == 'd') {
    value = std::bit_cast<float>(big_endian<uint32_t>(bytes));
    return true;
  }
  if (type == 'D') {
    value = static_cast<float>(std::bit_cast<double>(big_endian<uint64_t>(bytes)));
    return true;
  }
  if (!is_integer_type(type)) return false;
  value = static_cast<float>(integer_at(type, bytes));
  return true;
}

bool convert(char type, const char* bytes, int64_t& value) {
  if (!is_integer_type(type)) return false;
  value = integer_at(type, bytes);
  return true;
}

// Calls each(type, payload) for the elements of an array whose elements have a marker each. parse()
// has walked the same bytes before, so that they end where they should.
template <typename Each>
Status each_marked(const Item& item, Each&& each) {
  Cursor cursor{item.data, item.data + item.size};
  for (size_t i = 0; i < item.count; ++i) {
    cursor.skip_noops();
    const char* marker = cursor.at;
    if (!cursor.skip_scalar()) return corrupt("an array is cut short");
    SPINNEY_TRY(each(i, *marker, marker + 1));
  }
  return {};
}

template <typename T>
Status read_numbers(const Item& item, std::vector<T>& out, std::string_view what) {
  constexpr bool kIsFloat = std::is_same_v<T, float>;
  const char* wanted = kIsFloat ? "a number" : "an integer";
  out.reserve(out.size() + item.count);
  if (item.type) {
    const size_t size = number_size(item.type);
    for (size_t i = 0; i < item.count; ++i) {
      T value;
      if (!convert(item.type, item.data + i * size, value)) return bad_element(what, i, wanted);
      out.push_back(value);
    }
    return {};
  }
  return each_marked(item, [&](size_t i, char type, const char* payload) -> Status {
    T value;
    if (type == 'T' || type == 'F')
      value = type == 'T' ? 1 : 0;
    else if (!convert(type, payload, value))
      return bad_element(what, i, wanted);
    out.push_back(value);
    return {};
  });
}

}  // namespace

Result<Document> parse_ubjson(std::span<const char> bytes) { return UbjsonParser(bytes).parse(); }

Status read_ubjson_scalars(const Item& item, std::vector<float>& out, std::string_view what) {
  return read_numbers(item, out, what);
}

Status read_ubjson_scalars(const Item& item, std::vector<int64_t>& out, std::string_view what) {
  return read_numbers(item, out, what);
}

Status read_ubjson_scalars(const Item& item, std::vector<std::string>& out, std::string_view what) {
  if (item.type && item.count) return bad_element(what, 0, "a string");
  return each_marked(item, [&](size_t i, char type, const char* payload) -> Status {
    Cursor cursor{payload, item.data + item.size};
    std::string_view text;
    if (type != 'S' || !cursor.text(text)) return bad_element(what, i, "a string");
    out.emplace_back(text);
    return {};
  });
}

}  // namespace spinney::load
