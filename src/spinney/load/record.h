// Value: the inert data inside a pickle. Classes become Records (a name and the state beside it):
// nothing is imported, constructed or called.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "spinney/base/result.h"
#include "spinney/base/shared_array.h"

namespace spinney::load {

class Value;
using List = std::vector<Value>;

// A numpy array (or scalar: empty shape) as stored: raw little-endian or big-endian bytes.
struct NdArray {
  struct Field {  // of a structured dtype, such as sklearn's tree nodes
    std::string name;
    std::string dtype;
    size_t offset = 0;
  };
  std::string dtype;  // numpy's own spelling: "<f8", "<i4", "|u1", "|V64", "O", "<U5"
  std::vector<Field> fields;
  size_t item_size = 0;
  std::vector<int64_t> shape;
  bool fortran_order = false;
  SharedArray<char> bytes;
  List objects;  // dtype "O": the elements

  size_t size() const;  // product of shape
};

struct Dict {
  std::vector<std::pair<Value, Value>> items;
  const Value* find(std::string_view key) const;  // by string key; nullptr if absent
};

// An instance of a class: how it was made and the state it was given.
struct Record {
  std::string module;
  std::string name;  // "RandomForestClassifier"
  List arguments;    // of __reduce__ / __new__
  std::shared_ptr<Dict> state;       // its attributes, if its state is a dict
  std::shared_ptr<Value> raw_state;  // the state as given, if it is anything else
  List items;                        // appended to it (list subclasses)
  Dict entries;                      // set on it (dict subclasses)
  const Value* find(std::string_view attribute) const;
};

class Value {
 public:
  using Bytes = SharedArray<char>;
  struct None {};
  struct Global {  // a class or function named but not called
    std::string module, name;
  };
  using Storage = std::variant<None, bool, int64_t, double, std::string, Bytes,
                               std::shared_ptr<List>, std::shared_ptr<Dict>,
                               std::shared_ptr<Record>, std::shared_ptr<NdArray>, Global>;
  // Tuples, lists, sets and frozensets are all List.
  Value() = default;
  template <typename T>
  Value(T value) : storage(std::move(value)) {}

  Storage storage;

  bool is_none() const { return std::holds_alternative<None>(storage); }
  const std::string* string() const { return std::get_if<std::string>(&storage); }
  const List* list() const;
  const Dict* dict() const;
  const Record* record() const;
  const NdArray* array() const;
};

struct PickleLimits {
  size_t depth_max = 1000;
  size_t objects_max = 200'000'000;
};

// The one object in the pickle or joblib file held in bytes (any of joblib's compressions, arrays
// apart or inline). Refuses what is cut short, refers to nothing, or is larger than it can be.
Result<Value> read_pickle(std::span<const char> bytes, const PickleLimits& limits = {});

}  // namespace spinney::load
