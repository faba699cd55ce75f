// Schemas: what check_schema() and make_description() refuse, and what becomes of the names.
#include "spinney/model/schema.h"

#include <gtest/gtest.h>

#include "spinney/model/description.h"
#include "spinney/model/graph.h"

namespace spinney {
namespace {

SchemaColumn text_column(std::string name, std::vector<std::string> values) {
  return {std::move(name), ColumnKind::kText, std::move(values), true, true};
}

std::string refusal(std::vector<SchemaColumn> columns) {
  const Status status = check_schema({std::move(columns)});
  return status.ok() ? "accepted" : status.error().message;
}

DescriptionParts model_of(std::vector<SchemaColumn> columns) {
  Linear linear;
  linear.n_features = 2;
  linear.n_outputs = 1;
  linear.weights = std::vector<double>{1, 2};
  linear.bias = std::vector<double>{0};
  DescriptionParts parts;
  parts.scorer = make_linear(std::move(linear)).value();
  parts.schema = std::make_shared<const Schema>(Schema{std::move(columns)});
  return parts;
}

std::string refusal(DescriptionParts parts) {
  const auto made = make_description(std::move(parts));
  return made.ok() ? "accepted" : made.error().message;
}

#define EXPECT_SAYS(message, part) EXPECT_NE((message).find(part), std::string::npos) << (message)

TEST(Schema, TakesTextsOfEveryKind) {
  EXPECT_EQ(refusal({text_column("", {}), text_column("", {"", "a", "\xf0\x9f\x8c\xb2"})}),
            "accepted");
  // Lone surrogates, which Python's texts may have, and texts with zeros in them.
  EXPECT_EQ(refusal({text_column("\xed\xa0\x80", {"\xed\xbf\xbf", std::string("a\0b", 3), "a"})}),
            "accepted");
}

TEST(Schema, RefusesWhatIsThereTwice) {
  EXPECT_SAYS(refusal({text_column("a", {}), text_column("b", {}), text_column("a", {})}),
              "two columns are named 'a'");
  EXPECT_SAYS(refusal({text_column("job", {"x", "y", "x"})}), "column 0 ('job') lists 'x' twice");
  EXPECT_SAYS(refusal({text_column("", {"", "y", ""})}), "column 0 lists the empty text twice");
  const std::string tail(100, 'x');
  EXPECT_SAYS(refusal({text_column("", {tail, tail})}), "xxx…' twice");
}

TEST(Schema, RefusesWhatIsNoText) {
  for (const char* bad : {"\xff", "\xc3", "\xc0\x80", "\xed\xa0", "\xf5\x80\x80\x80"}) {
    EXPECT_SAYS(refusal({text_column(bad, {})}), "the name of column 0 is no text in UTF-8");
    EXPECT_SAYS(refusal({text_column("a", {"b", bad})}), "lists a value that is no text in UTF-8");
  }
}

TEST(Schema, RefusesKindsThatDoNotFit) {
  SchemaColumn numbers{"a", ColumnKind::kNumber, {"x"}, true, true};
  EXPECT_SAYS(refusal({numbers}), "lists 1 texts and is no column of texts");
  numbers.values.clear();
  numbers.kind = static_cast<ColumnKind>(3);
  EXPECT_SAYS(refusal({numbers}), "is of the unknown kind 3");
}

TEST(Schema, ItsNamesAreTheFeatures) {
  const auto made = make_description(model_of({text_column("a", {}), text_column("b", {})}));
  ASSERT_TRUE(made.ok()) << made.error().message;
  EXPECT_EQ(made->feature_names, (std::vector<std::string>{"a", "b"}));
  EXPECT_TRUE(made->schema->has_texts());
  DescriptionParts other = model_of({text_column("a", {}), text_column("b", {})});
  other.feature_names = {"b", "a"};
  EXPECT_SAYS(refusal(std::move(other)), "columns and its features have different names");
  EXPECT_SAYS(refusal(model_of({text_column("a", {})})), "describes 1 columns of 2");
}

TEST(Schema, OfAModelWithinAGraphIsRefused) {
  for (const ColumnKind kind : {ColumnKind::kNumber, ColumnKind::kText}) {
    const SchemaColumn column{"", kind, {}, true, true};
    const auto inner =
        std::make_shared<const Description>(make_description(model_of({column, column})).value());
    GraphBuilder builder;
    EXPECT_TRUE(builder.add(InputNode{2}).ok());
    const uint32_t scores = builder.add(ScoreNode{0, AnswerOf::kRaw, inner}).value();
    DescriptionParts parts;
    parts.scorer = std::move(builder).finish({scores, kNoNode, kNoNode}).value();
    const std::string said = refusal(std::move(parts));
    if (kind == ColumnKind::kText)
      EXPECT_SAYS(said, "columns of text of its own");
    else
      EXPECT_EQ(said, "accepted");
  }
}

}  // namespace
}  // namespace spinney
