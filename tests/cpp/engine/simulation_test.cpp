#include "engine/simulation.h"

#include <gtest/gtest.h>

#include <string>

#include "engine/environment.h"

namespace spinney::engine::testing_world {
namespace {

// SPINNEY_SIMULATION_SEEDS sets how many worlds are run, SPINNEY_SEED which one alone.
TEST(Simulation, HoldsItsInvariantsForEverySeed) {
  if (const uint64_t seed = from_environment("SPINNEY_SEED", 0); seed != 0) {
    EXPECT_EQ(World(seed).run(), "");
    return;
  }
  const uint64_t seeds = from_environment("SPINNEY_SIMULATION_SEEDS", 3000);
  int failures = 0;
  for (uint64_t seed = 1; seed <= seeds && failures < 5; ++seed) {
    const std::string faults = World(seed).run();
    EXPECT_EQ(faults, "") << "replay with SPINNEY_SEED=" << seed;
    failures += !faults.empty();
  }
}

// The simulation is worth something only if it sees what it looks for.
TEST(Simulation, FindsAPlantedFault) {
  const auto found = [&](Planted planted, const char* fault) {
    uint64_t seed = 1;
    while (seed <= 200 && World(seed, planted).run().find(fault) == std::string::npos) ++seed;
    return seed <= 200;
  };
  EXPECT_TRUE(found(Planted::kMixedRows, "another row's answer"));
  EXPECT_TRUE(found(Planted::kBlocking, "threads of the other kind"));
  EXPECT_TRUE(found(Planted::kForgotten, "rows are queued at the end") ||
              found(Planted::kForgotten, "requests are in flight at the end"));
}

}  // namespace
}  // namespace spinney::engine::testing_world
