// PlainValue: data that a file holds beside its model (names of columns, a threshold, notes), as
// plain as JSON has it, with arrays of numbers besides.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace spinney {

struct PlainValue;

struct PlainList {
  std::vector<PlainValue> items;
};

// keys and values, as many of each; a key is a text, number or flag.
struct PlainDict {
  std::vector<PlainValue> keys, values;
};

struct PlainArray {
  std::string dtype;  // numpy's, of numbers or flags
  std::vector<int64_t> shape;
  bool fortran_order = false;
  std::vector<char> bytes;
};

struct PlainValue {
  std::variant<std::monostate, bool, int64_t, double, std::string, PlainList, PlainDict, PlainArray>
      value;
};

}  // namespace spinney
