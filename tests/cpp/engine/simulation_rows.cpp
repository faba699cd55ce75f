// What the world's models are shown, as rows or as parcels, and what they answer.
#include <utility>

#include "engine/simulation.h"

namespace spinney::engine::testing_world {

bool World::asks_for(const Asked& asked, const backend::BatchInput& input, const Seen& seen) const {
  return asked.content == seen.content && asked.request.kind == input.kind &&
         asked.by_parcel == !input.items.empty() &&
         (asked.by_parcel || asked.request.rows.type == input.rows.type);
}

// Each row must be of a request that somebody still waits for, in time.
void World::check_rows(const backend::BatchInput& input, const std::vector<Seen>& rows) {
  for (const Seen& seen : rows) {
    bool wanted = false;
    bool running = false;
    for (const auto& asked : asked_) {
      const bool waits = (asked->admitted || asked == asked_.back()) && asked->replies == 0 &&
                         asks_for(*asked, input, seen) &&
                         asked->request.deadline_ns > clock_.now_ns();
      wanted |= waits;
      running |= waits && engine_->running(asked->id);
    }
    if (!wanted) fault("rows were run that nobody waits for");
    if (wanted && !running) fault("rows are run of requests that do not say so");
  }
}

// A parcel is there until its batch ends, whatever happened to its request meanwhile.
void World::check_kept(const backend::BatchInput& input, const std::vector<Seen>& rows) {
  if (input.items.empty()) return;
  for (const Seen& seen : rows) {
    bool there = false;
    for (const auto& asked : asked_) there |= asks_for(*asked, input, seen) && asked->parcel.lock();
    if (!there) fault("a batch lost a parcel");
  }
}

std::vector<Seen> World::read(const backend::BatchInput& input) {
  std::vector<Seen> seen;
  for (size_t r = 0; r < input.rows.count; ++r)
    seen.push_back({input.rows.at(r, 0), input.rows.at(r, 1), input.rows.at(r, 2) != 0});
  if (!seen.empty() && !input.items.empty()) fault("a batch of rows and of parcels");
  for (const backend::Item& item : input.items) {
    const auto& parcel = static_cast<const SomeParcel&>(*item.parcel);
    if (item.rows != parcel.rows()) fault("a parcel was cut");
    if (input.items.size() > 1 && !input.items[0].parcel->joins(parcel))
      fault("parcels share a batch that do not join");
    for (size_t r = 0; r < item.rows; ++r)
      seen.push_back({parcel.content, static_cast<double>(r), parcel.poisonous});
  }
  return seen;
}

// Of parcels those that are poisonous may fail alone.
Status World::answer(const Version& version, const backend::BatchInput& input,
                     const std::vector<Seen>& rows, backend::BatchOutput& output) {
  const bool alone = !input.items.empty() && chance(0.5);
  auto* numbers = static_cast<double*>(output.data);
  Status status;
  for (size_t r = 0; r < rows.size(); ++r) {
    if (rows[r].poisonous && !alone) status = Error{Code::kInternal, "poison"};
    numbers[2 * r] = answer_of(rows[r].content, rows[r].row, input.kind);
    numbers[2 * r + 1] = version.number;
  }
  for (size_t i = input.items.size(); alone && i-- > 0;)
    if (static_cast<const SomeParcel*>(input.items[i].parcel)->poisonous)
      output.item_errors.push_back(
          {i, Error{Code::kInternal, "poison"}, nullptr, paced_ && chance(0.5)});
  if (paced_) output.again = chance(0.8);
  if (planted_ == Planted::kMixedRows && rows.size() >= 6)
    std::swap(numbers[2], numbers[2 * (rows.size() - 1)]);
  return status;
}

}  // namespace spinney::engine::testing_world
