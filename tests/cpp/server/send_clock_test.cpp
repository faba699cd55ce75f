// A reader's time begins anew with all that it has read, and not before.
#include "server/loop/send_clock.h"

#include <gtest/gtest.h>

namespace spinney::server::loop {
namespace {

TEST(SendClock, AReaderThatNeverHasReadEverythingIsNotSlow) {
  const http1::Limits limits;
  SendClock clock;
  int64_t now = kSecond;
  clock.start(now, 1000);
  for (int i = 0; i < 1000; ++i) {
    now += 10 * kSecond;
    clock.took(now, 900, 1000);  // and as much has come behind it
    clock.start(now, 1000);
    ASSERT_GT(clock.deadline_ns(limits), now) << i;
  }
}

TEST(SendClock, WhoTakesAByteNowAndThenIsSlow) {
  const http1::Limits limits;
  SendClock clock;
  int64_t now = kSecond;
  clock.start(now, 1000);
  for (int i = 1; i <= 30; ++i) {
    now += 20 * kSecond;
    clock.took(now, 1, 2000);
    clock.start(now, 2000);
    EXPECT_EQ(clock.deadline_ns(limits) > now, i < 30) << i;
  }
}

TEST(SendClock, WhoTakesNothingIsSlowSoonAndWhoHasAllIsNot) {
  const http1::Limits limits;
  SendClock clock;
  clock.start(kSecond, 10);
  clock.start(20 * kSecond, 10);
  EXPECT_EQ(clock.deadline_ns(limits), kSecond + limits.send_ns);
  clock.took(21 * kSecond, 10, 0);
  EXPECT_FALSE(clock.runs());
}

}  // namespace
}  // namespace spinney::server::loop
