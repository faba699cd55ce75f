// RowKey: a row's ranks as bytes, an exact and short key for caches of a forest's answers.
//
// A forest asks of a value only on which side of its thresholds it lies, and the ranks hold the
// outcome of every such question (ranker.h). So rows with equal keys reach the same leaf of every
// tree and get the same answer bit for bit, and rows that any split tells apart have different
// keys. Two rows that differ in noise below the thresholds' resolution share one key, which their
// bytes do not.
//
// Refuses what depends on more than ranks: linear leaves, and a `missing` number of the model's
// own (which is replaced before ranks are found).
#pragma once

#include <cstdint>
#include <memory>

#include "spinney/base/result.h"
#include "spinney/rank/ranker.h"
#include "spinney/rank/view.h"

namespace spinney::rank {

class RowKey {
 public:
  static Result<std::shared_ptr<const RowKey>> make(const Forest& forest);
  RowKey(const RowKey&) = delete;
  RowKey& operator=(const RowKey&) = delete;

  size_t bytes() const { return ranker_->n_columns(); }
  // Writes bytes() bytes. The row has the forest's features, as float32 or float64.
  void write(const Rows& rows, size_t r, uint8_t* key) const;

 private:
  explicit RowKey(std::shared_ptr<const Ranker> ranker);
  std::shared_ptr<const Ranker> ranker_;
  View view_;
  bool vectors_;  // AVX-512 may be used
};

}  // namespace spinney::rank
