// How much memory the values of one pickle may be converted to.
//
// A pickle may name one object any number of times for two bytes each: a long text as every element
// of a list, an array as the classes of every target. Whoever copies what such a name refers to
// spends from the budget of the file being read. It belongs to the thread, so that the many small
// readers of attributes need not hand it on to each other.
#pragma once

#include <cstddef>
#include <string>

#include "spinney/base/result.h"

namespace spinney::load {

// The budget of a file, while this lives.
class ConversionBudget {
 public:
  explicit ConversionBudget(size_t file_bytes);
  ~ConversionBudget();
  ConversionBudget(const ConversionBudget&) = delete;
  ConversionBudget& operator=(const ConversionBudget&) = delete;

  // Takes bytes off the thread's budget, or says that `what` needs too much. Unlimited while no
  // file is being read.
  static Status spend(size_t bytes, const std::string& what);

 private:
  size_t left_;
  ConversionBudget* outer_;
};

}  // namespace spinney::load
