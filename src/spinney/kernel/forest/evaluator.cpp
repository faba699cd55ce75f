#include "spinney/kernel/forest/evaluator.h"

namespace spinney::kernel {

Result<std::shared_ptr<const rank::Ranker>> SharedTables::ranker() {
  if (refusal_) return *refusal_;
  if (ranker_) return ranker_;
  auto made = rank::Ranker::make(forest_);
  if (made.ok())
    ranker_ = *made;
  else
    refusal_ = made.error();
  return made;
}

}  // namespace spinney::kernel
