// Document: a JSON or UBJSON text cut into fields, so that what follows is the same for both.
//
// Only structure is cut: objects, arrays of those, and where each lies. An array of numbers or
// strings stays one field that points at its bytes, and is converted by read() when somebody wants
// it; a model's many statistics that prediction does not need are never converted at all. The text
// must outlive the Document.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "spinney/base/result.h"

namespace spinney::load {

struct Item {
  enum class Kind : uint8_t {
    kNull,
    kBool,     // data[0] is 't' or 'f' (JSON), 'T' or 'F' (UBJSON)
    kNumber,   // data, size: its text or its big-endian bytes
    kString,   // data, size: between the quotes
    kObject,   // children follow, each with a key
    kArray,    // children follow: objects or arrays, and scalars beside those
    kScalars,  // data, size: count or more scalars, neither objects nor arrays
  };
  Kind kind = Kind::kNull;
  // kNumber and kScalars: the UBJSON type of what lies at data, or
  char type = 0;           // 0: text (kNumber, kScalars), or each with its own marker (UBJSON)
  bool is_binary = false;  // UBJSON
  uint32_t next = 0;       // the item after this one and all that is in it
  uint32_t key_size = 0;
  const char* key = nullptr;
  const char* data = nullptr;
  size_t size = 0;
  size_t count = 0;  // kScalars in UBJSON
};

class Document;

// A field of a Document; cheap to copy. Fields of a missing key are falsy.
class Field {
 public:
  Field() = default;
  Field(const Document* document, uint32_t index) : document_(document), index_(index) {}
  explicit operator bool() const { return document_ != nullptr; }

  bool is_object() const;
  bool is_array() const;  // of objects, arrays or scalars
  bool is_string() const;
  bool is_null() const;
  // The member of this object with that key; falsy if there is none, or this is no object.
  Field find(std::string_view key) const;
  // The same, or an error that names the key and `where`.
  Result<Field> at(std::string_view key, std::string_view where) const;
  // Objects, arrays and, beside those, scalars inside an array, in order.
  std::vector<Field> children() const;
  // The keys of an object, with its members.
  std::vector<std::pair<std::string, Field>> members() const;

  Result<std::string> string(std::string_view what) const;
  // The bytes of a string or of scalars as the text has them, between quotes or brackets.
  std::string_view raw() const;
  // A number, or a string that holds one, as XGBoost writes its parameters.
  Result<int64_t> integer(std::string_view what) const;
  Result<float> real(std::string_view what) const;
  // The same as a double; of JSON only.
  Result<double> number(std::string_view what) const;

  // Arrays of scalars, into `out`. Floats are rounded once, straight to float32.
  Status read(std::vector<float>& out, std::string_view what) const;
  Status read(std::vector<double>& out, std::string_view what) const;  // of JSON only
  Status read(std::vector<int64_t>& out, std::string_view what) const;
  Status read(std::vector<std::string>& out, std::string_view what) const;

 private:
  const Item& item() const;
  const Document* document_ = nullptr;
  uint32_t index_ = 0;
};

class Document {
 public:
  Field root() const { return {this, 0}; }
  std::vector<Item> items;  // root first, each before what is in it
};

// Text deeper than this is refused: XGBoost's own models have eight levels.
inline constexpr size_t kDepthMax = 48;
// The fewest bytes that an item may take in a file, on average, so that a hostile file of empty
// arrays cannot make a Document many times its size.
inline constexpr size_t kBytesPerItemMin = 6;

Result<Document> parse_json(std::span<const char> text);
Result<Document> parse_ubjson(std::span<const char> bytes);

// Scalars of one format, for Field. `what` names the field in errors.
Status read_json_scalars(const Item& item, std::vector<float>& out, std::string_view what);
Status read_json_scalars(const Item& item, std::vector<double>& out, std::string_view what);
Status read_json_scalars(const Item& item, std::vector<int64_t>& out, std::string_view what);
Status read_json_scalars(const Item& item, std::vector<std::string>& out, std::string_view what);
Status read_ubjson_scalars(const Item& item, std::vector<float>& out, std::string_view what);
Status read_ubjson_scalars(const Item& item, std::vector<int64_t>& out, std::string_view what);
Status read_ubjson_scalars(const Item& item, std::vector<std::string>& out, std::string_view what);
// "text" between quotes, for messages.
std::string in_quotes(std::string_view text);
// The text of a JSON string without its escapes.
Result<std::string> unescape_json(std::string_view raw, std::string_view what);

}  // namespace spinney::load
