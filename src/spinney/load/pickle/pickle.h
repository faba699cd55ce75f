// Pickles and joblib files read as data: protocols 0 to 5, any of joblib's compressions, arrays
// inline or not. A class or function is a name, a call to it a Record; nothing is imported or run.
//
// Refused: what is cut short, refers to what is not there, declares more than the file holds,
// needs more memory than its size explains, or depends on anything outside the file (extension
// registry, persistent ids, out-of-band buffers, joblib's old separate array files).
#pragma once

#include <deque>
#include <memory>
#include <span>
#include <string>

#include "spinney/base/result.h"
#include "spinney/load/file/budget.h"
#include "spinney/load/pickle/record.h"

namespace spinney::load {

struct PickleLimits {
  BudgetLimits budget;
  // Of the file that holds these bytes compressed or among others; 0: they are the file.
  size_t file_bytes = 0;
  bool was_compressed = false;
};

// The object in a pickle, and all that it refers to.
class Pickle {
 public:
  // Everything that was made while reading, in one place.
  struct Arena {
    std::shared_ptr<const void> expanded;  // the decompressed file, if it was compressed
    std::deque<List> lists;
    std::deque<Dict> dicts;
    std::deque<Record> records;
    std::deque<NdArray> arrays;
    std::deque<Value::Global> globals;
    std::deque<std::string> texts;
  };

  Value root;
  bool is_joblib = false;  // holds arrays as joblib writes them, or is compressed as it does
  Budget budget{0};        // what is left of it for whoever goes on with the values

  std::unique_ptr<Arena> arena = std::make_unique<Arena>();
};

// `bytes` must outlive the Pickle: strings and arrays are views of it.
Result<Pickle> read_pickle(std::span<const char> bytes, const PickleLimits& limits = {});

// Whether bytes begin as a pickle or one of joblib's compressed files does.
bool looks_like_pickle(std::span<const char> bytes);

}  // namespace spinney::load
