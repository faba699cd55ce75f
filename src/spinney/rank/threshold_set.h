// ThresholdSet: the distinct thresholds of one source, collected node by node, then sorted.
//
// A forest has many nodes and few distinct thresholds, so a hash set is an order of magnitude
// cheaper than sorting every node's. Thresholds come from a file, so that the hash is seeded.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "spinney/base/seeded_hash.h"

namespace spinney::rank {

class ThresholdSet {
 public:
  // threshold is not NaN; -0 and 0 are one threshold.
  void add(double threshold);
  size_t size() const { return size_; }
  // The thresholds, ascending; the set is empty afterwards.
  std::vector<double> take_sorted();
  // The sum of the distances of all thresholds from the slots that their hashes name: the extra
  // probes of looking each up once.
  size_t displacement() const;

 private:
  void grow();
  size_t home(double threshold) const;
  size_t find_slot(double threshold) const;
  std::vector<double> slots_;  // a power of two of them; NaN: free
  size_t size_ = 0;
  uint64_t seed_ = random_seed();
};

}  // namespace spinney::rank
