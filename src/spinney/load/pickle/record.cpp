#include "spinney/load/pickle/record.h"

#include <cmath>

#include "spinney/base/checked_size.h"
#include "spinney/load/pickle/array_values.h"

namespace spinney::load {

namespace {

// Attributes are looked up one by one, for every one of an ensemble's members.
constexpr size_t kAttributesMax = 1024;

template <typename T>
const T* pointer(const Value::Storage& storage) {
  const auto* held = std::get_if<T*>(&storage);
  return held ? *held : nullptr;
}

}  // namespace

std::optional<std::string_view> Value::string() const {
  const auto* text = std::get_if<Text>(&storage);
  if (!text) return std::nullopt;
  return text->text;
}

std::optional<std::span<const char>> Value::bytes() const {
  const auto* held = std::get_if<ByteString>(&storage);
  if (!held) return std::nullopt;
  return held->bytes;
}

const List* Value::list() const { return pointer<List>(storage); }
const Dict* Value::dict() const { return pointer<Dict>(storage); }
const Record* Value::record() const { return pointer<Record>(storage); }
const NdArray* Value::array() const { return pointer<NdArray>(storage); }
const Value::Global* Value::global() const { return pointer<const Global>(storage); }

std::optional<double> Value::number() const {
  if (const auto* real = std::get_if<double>(&storage)) return *real;
  if (const auto* whole = std::get_if<int64_t>(&storage)) return static_cast<double>(*whole);
  if (const auto* flag = std::get_if<bool>(&storage)) return *flag ? 1.0 : 0.0;
  const NdArray* held = array();
  if (!held || held->size() != 1) return std::nullopt;
  if (held->objects)
    return held->objects->front().array() ? std::nullopt : held->objects->front().number();
  return NumberReader(held->dtype).real(held->bytes.data());
}

std::optional<int64_t> Value::integer() const {
  if (const auto* whole = std::get_if<int64_t>(&storage)) return *whole;
  const std::optional<double> real = number();
  if (!real || !(std::fabs(*real) < 9007199254740992.0) || std::trunc(*real) != *real)
    return std::nullopt;
  return static_cast<int64_t>(*real);
}

std::string Value::what() const {
  struct Namer {
    std::string operator()(None) const { return "None"; }
    std::string operator()(bool) const { return "a bool"; }
    std::string operator()(int64_t) const { return "an int"; }
    std::string operator()(double) const { return "a float"; }
    std::string operator()(const Text&) const { return "a str"; }
    std::string operator()(const ByteString&) const { return "bytes"; }
    std::string operator()(const BigInteger&) const { return "a big int"; }
    std::string operator()(const List*) const { return "a list or tuple"; }
    std::string operator()(const Dict*) const { return "a dict"; }
    std::string operator()(const Record* r) const { return "an instance of " + r->full_name(); }
    std::string operator()(const NdArray* a) const { return "a numpy array of " + a->dtype.text; }
    std::string operator()(const Global* g) const {
      return "the class or function " + std::string(g->module) + "." + std::string(g->name);
    }
  };
  return std::visit(Namer{}, storage);
}

size_t NdArray::size() const {
  // Readers of shapes refuse those that have none.
  return checked_product(std::span<const int64_t>(shape)).value_or(0);
}

const NdArray::Field* NdArray::field(std::string_view name) const {
  for (const Field& candidate : fields)
    if (candidate.name == name) return &candidate;
  return nullptr;
}

const Value* Dict::find(std::string_view key) const {
  // From the back: the last value set under a key is the one that Python would keep.
  for (auto item = items.rbegin(); item != items.rend(); ++item)
    if (item->first.string() == key) return &item->second;
  return nullptr;
}

const Value* Record::find(std::string_view attribute) const {
  const auto find_in = [&](const Value& part) {
    const Dict* attributes = part.dict();
    return attributes && attributes->items.size() <= kAttributesMax ? attributes->find(attribute)
                                                                    : nullptr;
  };
  if (state.dict()) return find_in(state);
  const List* parts = state.list();
  if (!parts || parts->size() != 2) return nullptr;
  for (const Value& part : *parts)
    if (const Value* found = find_in(part)) return found;
  return nullptr;
}

}  // namespace spinney::load
