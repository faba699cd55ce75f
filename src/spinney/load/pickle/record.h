// Value: the inert data inside a pickle. Classes become Records (a name and the state beside it):
// nothing is imported, constructed or called.
//
// Every Value belongs to the Pickle that it came from and lives as long as that does. Values refer
// to each other by plain pointers, so a cycle in the file neither leaks nor makes destruction
// recursive; whoever walks them must bound its own depth.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "spinney/load/pickle/dtype.h"

namespace spinney::load {

class Value;
struct Dict;
struct Record;
struct NdArray;
using List = std::vector<Value>;

class Value {
 public:
  struct None {};
  struct Text {
    std::string_view text;
  };
  struct ByteString {
    std::span<const char> bytes;
  };
  struct BigInteger {  // little-endian two's complement, beyond int64
    std::span<const char> bytes;
  };
  struct Global {  // a class or function named but not called
    std::string_view module, name;
  };
  // Tuples, lists, sets and frozensets are all List.
  using Storage = std::variant<None, bool, int64_t, double, Text, ByteString, BigInteger, List*,
                               Dict*, Record*, NdArray*, const Global*>;
  Value() = default;
  Value(Storage value) : storage(std::move(value)) {}

  Storage storage;

  bool is_none() const { return std::holds_alternative<None>(storage); }
  std::optional<std::string_view> string() const;
  std::optional<std::span<const char>> bytes() const;
  // A Python number of any kind, bool and numpy scalar included.
  std::optional<double> number() const;
  // The same where it is a whole number that int64 holds.
  std::optional<int64_t> integer() const;
  const List* list() const;
  const Dict* dict() const;
  const Record* record() const;
  const NdArray* array() const;
  const Global* global() const;
  // "a list", "an instance of sklearn.svm._classes.SVC": for error messages.
  std::string what() const;
};

// A numpy array (or scalar: empty shape) as stored. Elements need not be aligned.
struct NdArray {
  struct Field {  // of a structured dtype, such as scikit-learn's tree nodes
    std::string name;
    Dtype dtype;
    size_t offset = 0;
  };
  Dtype dtype;
  std::vector<Field> fields;  // of "|V64"
  std::vector<int64_t> shape;
  bool fortran_order = false;
  std::span<const char> bytes;    // size() items, except of objects and unknown types
  const List* objects = nullptr;  // of "|O": the elements, as many as size()

  size_t size() const;  // product of shape
  const Field* field(std::string_view name) const;
};

struct Dict {
  std::vector<std::pair<Value, Value>> items;
  const Value* find(std::string_view key) const;  // by string key; nullptr if absent
};

// An instance of a class: how it was made and the state it was given.
struct Record {
  std::string_view module;
  std::string_view name;            // "RandomForestClassifier"
  const List* arguments = nullptr;  // of __reduce__ or __new__; nullptr: none
  const Dict* keywords = nullptr;   // of __new__; nullptr: none
  Value state;                      // as given to __setstate__; usually a dict of its attributes
  List items;                       // appended to it (list subclasses)
  Dict entries;                     // set on it (dict subclasses)
  // Of an instance of a class that the file describes itself (cloudpickle, dill): that description,
  // a call of (type, name, bases, attributes, ...), whose state may hold further attributes.
  const Record* made_class = nullptr;

  // Its attribute, from a dict state or a (dict, slots) state; nullptr if absent, or if there are
  // more attributes than any estimator has.
  const Value* find(std::string_view attribute) const;
  // The first part of its module: "sklearn".
  std::string_view package() const { return module.substr(0, module.find('.')); }
  std::string full_name() const { return std::string(module) + "." + std::string(name); }
};

}  // namespace spinney::load
