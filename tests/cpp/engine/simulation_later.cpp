// Models of the world that complete their batches later: by another step, in any order, failing,
// letting go of them, or after all who waited have gone.
#include <utility>

#include "engine/failing_allocations.h"
#include "engine/simulation.h"

namespace spinney::engine::testing_world {

void World::start(Version& version, const backend::BatchInput& input, backend::BatchOutput& output,
                  backend::Completer completer) {
  const uint32_t failing = std::exchange(failing_per_mille(), 0);
  begin(version, input);
  pending_.push_back({&version, &input, &output, std::move(completer)});
  if (chance(0.2)) complete_some();
  failing_per_mille() = failing;
}

void World::complete_some() {
  if (pending_.empty()) return;
  const auto at = pending_.begin() + static_cast<ptrdiff_t>(below(pending_.size()));
  if (planted_ == Planted::kForgotten) return;
  Pending pending = std::move(*at);
  pending_.erase(at);
  complete(std::move(pending));
}

void World::complete(Pending pending) {
  const std::vector<Seen> rows = read(*pending.input);
  check_kept(*pending.input, rows);
  check_cancelled(*pending.version, *pending.input, rows);
  --pending.version->running;
  clock_.advance(static_cast<int64_t>(rows.size()) * 20 * kMicrosecond);
  if (fails_ && chance(0.05)) return;  // lets go of it
  if (pending.input->cancelled())
    return pending.completer.complete(Error{Code::kCancelled, "none"});
  Status status = answer(*pending.version, *pending.input, rows, *pending.output);
  if (fails_ && chance(0.1)) status = Error{Code::kInternal, "the model fails"};
  pending.completer.complete(status);
}

// A batch whose rows nobody waits for knows it.
void World::check_cancelled(const Version& version, const backend::BatchInput& input,
                            const std::vector<Seen>& rows) {
  bool wanted = false;
  for (const Seen& seen : rows)
    for (const auto& asked : asked_)
      wanted |=
          asked->replies == 0 && asks_for(*asked, input, seen) && asked->version == version.name;
  if (!wanted && !input.cancelled()) fault("a batch does not know that nobody waits for it");
}

}  // namespace spinney::engine::testing_world
