#include "spinney/load/document/document.h"

#include <charconv>
#include <limits>

namespace spinney::load {
namespace {

using Kind = Item::Kind;

Error not_a(std::string_view what, std::string_view kind) {
  return corrupt(in_quotes(what) + " is not " + std::string(kind));
}

// A lone number as an array of one, so that both formats convert it in one place.
template <typename T>
Result<T> one(const Item& item, std::string_view what) {
  std::vector<T> values;
  SPINNEY_TRY(item.is_binary ? read_ubjson_scalars(item, values, what)
                             : read_json_scalars(item, values, what));
  if (values.size() != 1) return not_a(what, "one number");
  return values[0];
}

template <typename T>
Result<T> number_of(const Item& item, std::string_view what) {
  if (item.kind == Kind::kNumber) return one<T>(item, what);
  if (item.kind != Kind::kString) return not_a(what, "a number");
  Item text = item;
  text.kind = Kind::kNumber;
  text.is_binary = false;
  return one<T>(text, what);
}

}  // namespace

std::string in_quotes(std::string_view text) {
  std::string quoted;
  quoted.reserve(text.size() + 2);
  quoted += '"';
  quoted += text;
  quoted += '"';
  return quoted;
}

const Item& Field::item() const { return document_->items[index_]; }

bool Field::is_object() const { return document_ && item().kind == Kind::kObject; }

bool Field::is_array() const {
  return document_ && (item().kind == Kind::kArray || item().kind == Kind::kScalars);
}

bool Field::is_string() const { return document_ && item().kind == Kind::kString; }

bool Field::is_null() const { return document_ && item().kind == Kind::kNull; }

Field Field::find(std::string_view key) const {
  if (!is_object()) return {};
  const std::vector<Item>& items = document_->items;
  for (uint32_t i = index_ + 1; i < item().next; i = items[i].next)
    if (std::string_view(items[i].key, items[i].key_size) == key) return {document_, i};
  return {};
}

Result<Field> Field::at(std::string_view key, std::string_view where) const {
  const Field found = find(key);
  if (!found) return corrupt(std::string(where) + " has no field " + in_quotes(key));
  return found;
}

std::vector<Field> Field::children() const {
  std::vector<Field> found;
  if (!document_ || item().kind != Kind::kArray) return found;
  for (uint32_t i = index_ + 1; i < item().next; i = document_->items[i].next)
    found.emplace_back(document_, i);
  return found;
}

std::vector<std::pair<std::string, Field>> Field::members() const {
  std::vector<std::pair<std::string, Field>> found;
  if (!is_object()) return found;
  for (uint32_t i = index_ + 1; i < item().next; i = document_->items[i].next) {
    const Item& member = document_->items[i];
    found.emplace_back(std::string(member.key, member.key_size), Field(document_, i));
  }
  return found;
}

std::string_view Field::raw() const {
  return document_ ? std::string_view(item().data, item().size) : std::string_view();
}

Result<std::string> Field::string(std::string_view what) const {
  if (!is_string()) return not_a(what, "a string");
  const std::string_view raw(item().data, item().size);
  if (item().is_binary) return std::string(raw);
  return unescape_json(raw, what);
}

Result<int64_t> Field::integer(std::string_view what) const {
  if (!document_) return not_a(what, "a number");
  return number_of<int64_t>(item(), what);
}

Result<float> Field::real(std::string_view what) const {
  if (!document_) return not_a(what, "a number");
  return number_of<float>(item(), what);
}

Result<double> Field::number(std::string_view what) const {
  if (!document_ || item().is_binary) return not_a(what, "a number");
  if (item().kind != Kind::kNumber) return not_a(what, "a number");
  std::vector<double> values;
  SPINNEY_TRY(read_json_scalars(item(), values, what));
  if (values.size() != 1) return not_a(what, "one number");
  return values[0];
}

template <typename T>
static Status read_array(const Item& item, std::vector<T>& out, std::string_view what) {
  out.clear();
  // An empty array holds no sign of what it was to hold.
  if (item.kind != Kind::kScalars) return not_a(what, "an array of plain values");
  return item.is_binary ? read_ubjson_scalars(item, out, what) : read_json_scalars(item, out, what);
}

Status Field::read(std::vector<float>& out, std::string_view what) const {
  if (!document_) return not_a(what, "an array of numbers");
  return read_array(item(), out, what);
}

Status Field::read(std::vector<double>& out, std::string_view what) const {
  if (!document_ || item().is_binary || item().kind != Kind::kScalars)
    return not_a(what, "an array of numbers");
  out.clear();
  return read_json_scalars(item(), out, what);
}

Status Field::read(std::vector<int64_t>& out, std::string_view what) const {
  if (!document_) return not_a(what, "an array of integers");
  return read_array(item(), out, what);
}

Status Field::read(std::vector<std::string>& out, std::string_view what) const {
  if (!document_) return not_a(what, "an array of strings");
  return read_array(item(), out, what);
}

}  // namespace spinney::load
