// Plan: how one model is run on this CPU; made once at load, immutable, shared by all threads.
//
// A plan holds the evaluators that support the model's forest and picks the cheapest for the number
// of rows at hand. Rows are cut into blocks for threads; a row's answer depends neither on the
// block it sits in nor on the number of threads.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "spinney/base/result.h"
#include "spinney/model/description.h"
#include "spinney/model/rows.h"

namespace spinney::plan {

struct KernelChoice {
  size_t rows;         // for batches of at least this many rows
  std::string kernel;  // this evaluator is used
};

class Plan {
 public:
  virtual ~Plan() = default;
  // Raw scores: count x n_outputs() of score_type(), row-major, contiguous.
  // num_threads 0: as many as the process may use, where the work is worth it; else at most so
  // many.
  virtual void score(const Rows& rows, void* scores, unsigned num_threads) const = 0;
  // Estimated time of score() on one thread, for deciding what is worth its overhead (threads, or
  // letting go of an interpreter's lock).
  virtual double cost_ns(size_t rows) const { return 500.0 * static_cast<double>(rows); }
  virtual std::vector<KernelChoice> choices() const = 0;
  virtual size_t bytes() const = 0;
  // score(), but that it adds to the scores that are there instead of to the model's base. Whether
  // a plan can: can_add().
  virtual void add(const Rows& rows, void* scores, unsigned num_threads) const {
    score(rows, scores, num_threads);
  }
  virtual bool can_add() const { return false; }
  // What a graph gives by nodes of its own (graph.h), all in one pass; null: not asked for. At
  // least one is, and of values and classes only those that have a node.
  struct Outputs {
    void* scores = nullptr;
    void* values = nullptr;
    int32_t* classes = nullptr;
  };
  virtual void answer(const Rows& rows, const Outputs& out, unsigned num_threads) const {
    score(rows, out.scores, num_threads);
  }
};

class Allowance;  // measure.h

// kUnsupported if SPINNEY_KERNEL forces a kernel that cannot run this model. Forests are measured
// within the allowance; without one, within that of a load of its own.
Result<std::shared_ptr<const Plan>> make_plan(std::shared_ptr<const Description> model);
Result<std::shared_ptr<const Plan>> make_plan(std::shared_ptr<const Description> model,
                                              Allowance& allowance);

}  // namespace spinney::plan
