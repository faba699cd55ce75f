// Versions as libraries write them into their files.
#include "spinney/base/version.h"

#include <gtest/gtest.h>

namespace spinney {
namespace {

TEST(Version, WhatLibrariesWriteIsRead) {
  EXPECT_EQ(parse_version("1.5.2"), (Version{1, 5, 2}));
  EXPECT_EQ(parse_version("0.24"), (Version{0, 24, 0}));
  EXPECT_EQ(parse_version("1.8.dev0"), (Version{1, 8, 0}));
  EXPECT_EQ(parse_version("1.8rc1"), (Version{1, 8, 0}));
  EXPECT_EQ(parse_version("1.6.1.post1"), (Version{1, 6, 1}));
  EXPECT_EQ(parse_version("1.5.99999999999999999999"), (Version{1, 5, 0}));
  for (const char* bad : {"", "1", "x", "1.", ".5", "1.x", "v1.5", " 1.5", "-1.5", "1.-5",
                          "99999999999999999999.1", "1.99999999999999999999"})
    EXPECT_EQ(parse_version(bad), std::nullopt) << bad;
}

TEST(Version, TheyAreOrdered) {
  EXPECT_TRUE((Version{1, 9, 3}.before(1, 10)));
  EXPECT_FALSE((Version{1, 10, 0}.before(1, 10)));
  EXPECT_TRUE((Version{0, 24, 2}.before(1, 0)));
  EXPECT_FALSE((Version{2, 0, 0}.before(1, 8)));
  EXPECT_EQ((Version{1, 2, 3}.text()), "1.2.3");
  EXPECT_EQ(Version{}.text(), "");
}

}  // namespace
}  // namespace spinney
