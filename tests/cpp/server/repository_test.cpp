// Which version answers, as versions come and go.
#include "server/world.h"

namespace spinney::server::testing {
namespace {

std::string current(World& world) {
  const auto* found = world.repository.directory()->find("m", "");
  return found ? (*found)->version() : "";
}

TEST(Repository, WithoutTheLastLoadedVersionTheHighestAnswers) {
  World world;
  for (const char* version : {"10", "9", "2", "1.9", "1.10", "v8", "v11", "007", "7", "3"})
    ASSERT_TRUE(world.repository.load("m", version, sum_model()).ok()) << version;
  // What was loaded last answers; after it, numbers count by their value, words behind them.
  std::vector<std::string> order;
  for (std::string now = current(world); !now.empty(); now = current(world)) {
    order.push_back(now);
    ASSERT_TRUE(world.repository.unload("m", now).ok());
  }
  const std::vector<std::string> expected = {"3", "v11", "v8", "10",   "9",
                                             "7", "007", "2",  "1.10", "1.9"};
  EXPECT_EQ(order, expected);
}

TEST(Repository, VersionsAreNamedInTheirOrder) {
  World world;
  for (const char* version : {"10", "9", "100"})
    ASSERT_TRUE(world.repository.load("m", version, sum_model()).ok());
  http1::Session session(world.shared);
  const std::string sent = feed(session, "GET /v2/models/m HTTP/1.1\r\nHost: h\r\n\r\n", 100);
  EXPECT_NE(sent.find(R"("versions":["9","10","100"])"), std::string::npos) << sent;
}

}  // namespace
}  // namespace spinney::server::testing
