// Frequencies: how often each value of a column occurs, exact while few values differ.
//
// Beyond `capacity` different values it is a Misra-Gries summary (1982) as Agarwal and others
// (2012, "Mergeable summaries") prune and merge it: a count is too small by error() at most.
#pragma once

#include <cstddef>
#include <cstdint>
#include <unordered_map>

#include "spinney/base/result.h"
#include "spinney/base/seeded_hash.h"

namespace spinney::prepare {

class Frequencies {
 public:
  // By the value's bits, which whoever gives the values chooses.
  using Counts = std::unordered_map<uint64_t, uint64_t, SeededHash>;
  explicit Frequencies(size_t capacity) : capacity_(capacity) {}

  void add(double value, uint64_t times = 1);
  void merge(const Frequencies& other);
  bool empty() const { return counts_.empty(); }
  uint64_t error() const { return error_; }
  // The smallest of the most frequent values. There must be one.
  double mode() const;

  const Counts& counts() const { return counts_; }
  // An error if a value is not a finite number.
  Status restore(Counts counts, uint64_t error);

 private:
  void prune();

  size_t capacity_;
  Counts counts_;
  uint64_t error_ = 0;
};

}  // namespace spinney::prepare
