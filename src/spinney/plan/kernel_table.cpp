#include "spinney/plan/kernel_table.h"

#include <algorithm>
#include <bit>

namespace spinney::plan {

using kernel::ForestEvaluator;
using kernel::Scores;

KernelTable::KernelTable(std::vector<std::unique_ptr<ForestEvaluator>> evaluators,
                         std::vector<Correction> corrections)
    : evaluators_(std::move(evaluators)), corrections_(std::move(corrections)) {
  choose();
  drop_unused();
}

// 1 to 64 rows have entries 0 to 63; 65 to 128 rows entry 64, up to 256 the next, and so on.
size_t KernelTable::entry_of(size_t rows) {
  if (rows <= kBlockRows) return rows == 0 ? 0 : rows - 1;
  const auto doublings = static_cast<size_t>(std::bit_width((rows - 1) / kBlockRows));
  return kBlockRows + std::min(doublings, kLargeCounts) - 1;
}

size_t KernelTable::rows_of(size_t entry) {
  if (entry < kBlockRows) return entry + 1;
  return kBlockRows << (entry - kBlockRows + 1);
}

size_t KernelTable::choice_for(size_t rows) const {
  size_t estimated = 0, corrected = 0;
  for (size_t e = 1; e < evaluators_.size(); ++e) {
    if (evaluators_[e]->cost_ns(rows) < evaluators_[estimated]->cost_ns(rows)) estimated = e;
    if (cost_of(e, rows) < cost_of(corrected, rows)) corrected = e;
  }
  const bool better = cost_of(corrected, rows) < kWorthwhile * cost_of(estimated, rows);
  return better ? corrected : estimated;
}

void KernelTable::choose() {
  for (size_t entry = 0; entry < kEntries; ++entry)
    entries_[entry] = static_cast<uint8_t>(choice_for(rows_of(entry)));
  const size_t whole = 2 * kBlockRows;
  const size_t bulk = entries_[entry_of(whole)];
  for (size_t rest = 1; rest < kBlockRows; ++rest) {
    const size_t other = entries_[entry_of(rest)];
    rest_apart_[rest] =
        other != bulk && cost_of(bulk, whole) + cost_of(other, rest) < cost_of(bulk, whole + rest);
  }
}

void KernelTable::drop_unused() {
  std::vector<uint8_t> place(evaluators_.size(), UINT8_MAX);
  std::vector<std::unique_ptr<ForestEvaluator>> used;
  std::vector<Correction> corrections;
  for (uint8_t& entry : entries_) {
    if (place[entry] == UINT8_MAX) {
      place[entry] = static_cast<uint8_t>(used.size());
      used.push_back(std::move(evaluators_[entry]));
      corrections.push_back(corrections_[entry]);
    }
    entry = place[entry];
  }
  evaluators_ = std::move(used);
  corrections_ = std::move(corrections);
}

void KernelTable::score(const Rows& rows, Scores scores, size_t score_size) const {
  const size_t rest = rows.count % kBlockRows;
  if (rows.count < kBlockRows || !rest_apart_[rest]) return best(rows.count).score(rows, scores);
  const size_t whole = rows.count - rest;
  best(whole).score(rows.slice(0, whole), scores);
  scores.data = static_cast<char*>(scores.data) + whole * scores.row_stride * score_size;
  best(rest).score(rows.slice(whole, rest), scores);
}

double KernelTable::cost_ns(size_t rows) const { return cost_of(entries_[entry_of(rows)], rows); }

std::vector<KernelChoice> KernelTable::choices() const {
  std::vector<KernelChoice> choices;
  for (size_t entry = 0; entry < kEntries; ++entry) {
    const std::string kernel(evaluators_[entries_[entry]]->name());
    if (!choices.empty() && choices.back().kernel == kernel) continue;
    const size_t rows = entry <= kBlockRows ? entry + 1 : rows_of(entry - 1) + 1;
    choices.push_back({rows, kernel});
  }
  return choices;
}

size_t KernelTable::bytes() const {
  size_t total = 0;
  for (const auto& evaluator : evaluators_) total += evaluator->bytes();
  return total;
}

}  // namespace spinney::plan
