// The coder: texts are found whole whatever they hold, and what may not be there is said in words.
#include "spinney/columns/coder.h"

#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <string>
#include <unordered_map>

namespace spinney::columns {
namespace {

TEST(TextCodes, FindsEveryValueAndNoOther) {
  std::vector<std::string> values{"", std::string("a\0b", 3), "a", std::string(1'000'000, 'x')};
  for (int i = 0; i < 20'000; ++i) values.push_back("value " + std::to_string(i * 7919));
  const TextCodes codes(values);
  for (size_t i = 0; i < values.size(); ++i) EXPECT_EQ(codes[values[i]], i);
  for (const std::string other : {"b", "value", "value 1", "A"})
    EXPECT_EQ(codes[other], values.size()) << other;
  EXPECT_EQ(codes[std::string_view("a\0", 2)], values.size());
  EXPECT_EQ(codes[std::string(999'999, 'x')], values.size());
  EXPECT_EQ(TextCodes(std::vector<std::string>{})["a"], 0u);
}

Coder coder() {
  Schema schema;
  schema.columns = {{"age", ColumnKind::kNumber, {}, false, true},
                    {"job", ColumnKind::kText, {"clerk", "cook"}, true, false},
                    {"town", ColumnKind::kText, {"Ulm"}, false, true},
                    {"", ColumnKind::kBoolean, {}, true, true}};
  return Coder(std::make_shared<const Schema>(std::move(schema)));
}

TEST(Coder, CodesWhatMayBeThere) {
  const Coder made = coder();
  double out = -1;
  EXPECT_TRUE(made.number(0, -2.5, out) && out == -2.5);
  EXPECT_TRUE(made.text(1, "cook", out) && out == 1);
  EXPECT_TRUE(made.missing(1, out) && std::isnan(out));
  EXPECT_TRUE(made.text(2, "Ulm", out) && out == 0);
  EXPECT_TRUE(made.text(2, "ulm", out) && out == 1);  // of which it knows no more
  EXPECT_TRUE(made.number(3, 1, out) && out == 1);
  EXPECT_TRUE(made.number(3, std::nan(""), out) && std::isnan(out));
}

TEST(Coder, RefusesTheRestInWords) {
  const Coder made = coder();
  double out = 0;
  EXPECT_FALSE(made.number(0, std::nan(""), out));
  EXPECT_FALSE(made.text(1, "clerk ", out));
  EXPECT_FALSE(made.missing(2, out));
  EXPECT_FALSE(made.number(3, 2, out));
  EXPECT_EQ(made.no_value(7, 0).message,
            "row 7, column 'age' is missing, and the model has no rule for missing values there");
  EXPECT_EQ(made.unknown_text(0, 1, "x").message,
            "row 0, column 'job' holds 'x', which is none of the 2 values that the model was "
            "trained on");
  EXPECT_EQ(made.wrong_kind(1, 3, "the text 'no'").message,
            "row 1, column 3 holds the text 'no', and the model was trained on booleans there");
  EXPECT_EQ(spinney::quoted(std::string(59, 'x') + "\xc3\xa9"), "'" + std::string(59, 'x') + "…'");
}

}  // namespace
}  // namespace spinney::columns
