#include "spinney/load/pickle/dtype.h"

#include <gtest/gtest.h>

#include <string>

namespace spinney::load {
namespace {

TEST(Dtype, WhatNumpyWrites) {
  struct Case {
    const char *code, *order, *text;
    char kind;
    size_t size;
  };
  for (const Case& c : {Case{"f8", "<", "<f8", 'f', 8}, Case{"f8", "=", "<f8", 'f', 8},
                        Case{"f8", "", "<f8", 'f', 8}, Case{"f4", ">", ">f4", 'f', 4},
                        Case{"i1", "|", "|i1", 'i', 1}, Case{"i1", "<", "|i1", 'i', 1},
                        Case{"?", "|", "|b1", 'b', 1}, Case{"b1", "|", "|b1", 'b', 1},
                        Case{"O8", "|", "|O", 'O', 8}, Case{"O", "|", "|O", 'O', 8},
                        Case{"U5", "<", "<U5", 'U', 20}, Case{"U5", ">", ">U5", 'U', 20},
                        Case{"U0", "<", "<U0", 'U', 0}, Case{"S3", "|", "|S3", 'S', 3},
                        Case{"V64", "|", "|V64", 'V', 64}, Case{"M8", "<", "<M8", 'M', 8},
                        Case{"c16", "<", "<c16", 'c', 16}, Case{"<i4", "", "<i4", 'i', 4},
                        Case{"U536870911", "<", "<U536870911", 'U', 2147483644}}) {
    const auto dtype = parse_dtype(c.code, c.order);
    ASSERT_TRUE(dtype) << c.code;
    EXPECT_EQ(dtype->text, c.text);
    EXPECT_EQ(dtype->kind, c.kind) << c.code;
    EXPECT_EQ(dtype->item_size, c.size) << c.code;
    EXPECT_EQ(dtype->swapped, *c.order == '>') << c.code;
  }
}

TEST(Dtype, WhatNumpyNeverWrites) {
  for (const std::string code : {"",           "f",           "8",
                                 "f3",         "f80",         "i16",
                                 "U5,O",       "O,O",         "U4398046511104",
                                 "U536870912", "S2147483648", "U18446744073709551617",
                                 "U-1",        "U+5",         " U5",
                                 "U5 ",        "U0x5",        "O5",
                                 "i8[ns]",     "(2,)i8",      "<",
                                 "<<f8"})
    EXPECT_FALSE(parse_dtype(code, "<")) << code;
  for (const std::string order : {"!", "<>", "native"}) EXPECT_FALSE(parse_dtype("f8", order));
  EXPECT_FALSE(parse_dtype("f8", "|"));
  EXPECT_FALSE(parse_dtype(">f8", "<"));
}

}  // namespace
}  // namespace spinney::load
