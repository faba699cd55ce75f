#include "spinney/rank/view.h"

namespace spinney::rank {
namespace {

template <typename Real>
TableView<Real> view_of(const Tables<Real>& t) {
  return {t.scale.data(),           t.offset.data(), t.last_bucket.data(), t.first_bucket.data(),
          t.first_threshold.data(), t.base.data(),   t.by_bits.data(),     t.thresholds.data()};
}

}  // namespace

View::View(const Ranker& r)
    : ranker(&r),
      floats(view_of(r.float_tables())),
      doubles(view_of(r.double_tables())),
      sources(r.sources().data()),
      columns(r.columns().data()),
      missing_ranks(r.missing_ranks()),
      search_trees(r.search_tree(0)),
      n_sources(static_cast<uint32_t>(r.sources().size())),
      n_columns(static_cast<uint32_t>(r.n_columns())),
      compares_less(r.compares_less()),
      plain(r.is_plain()),
      contiguous(r.is_contiguous()),
      zero_rules(r.has_zero_rules()),
      compares_doubles(r.compares_doubles()),
      loose_ends(!r.float_tables().searched.empty() || !r.double_tables().searched.empty() ||
                 !r.category_sources().empty()) {}

}  // namespace spinney::rank
