#include <gtest/gtest.h>

#include "engine/environment.h"
#include "engine/simulation_order.h"

namespace spinney::engine::testing_world {
namespace {

// As for the other simulation, SPINNEY_SIMULATION_SEEDS says how many worlds, SPINNEY_SEED which.
TEST(SimulationOfOrder, HoldsItsBoundsForEverySeed) {
  if (const uint64_t seed = from_environment("SPINNEY_SEED", 0); seed != 0) {
    EXPECT_EQ(OrderWorld(seed).run(), "");
    return;
  }
  const uint64_t seeds = from_environment("SPINNEY_SIMULATION_SEEDS", 3000) / 20;
  int failures = 0;
  for (uint64_t seed = 1; seed <= seeds && failures < 5; ++seed) {
    const std::string faults = OrderWorld(seed).run();
    EXPECT_EQ(faults, "") << "replay with SPINNEY_SEED=" << seed;
    failures += !faults.empty();
  }
}

TEST(SimulationOfOrder, FindsWhatIsWrongOnPurpose) {
  const auto found = [](Misled misled, const char* fault) {
    uint64_t seed = 1;
    while (seed <= 50 && OrderWorld(seed, misled).run().find(fault) == std::string::npos) ++seed;
    return seed <= 50;
  };
  EXPECT_TRUE(found(Misled::kLevel, "level 0 waits"));
  EXPECT_TRUE(found(Misled::kDeadline, "is run before"));
  EXPECT_TRUE(found(Misled::kModel, "two batches while another waited"));
}

}  // namespace
}  // namespace spinney::engine::testing_world
