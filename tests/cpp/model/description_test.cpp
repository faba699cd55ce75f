// What make_description() refuses, whoever fills in the parts: readers of every format and the
// artifact's reader have no other way to a Description.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <type_traits>

#include "spinney/model/description.h"
#include "spinney/model/ensemble.h"

namespace spinney {
namespace {

static_assert(!std::is_default_constructible_v<Description>);
static_assert(!std::is_constructible_v<Description, DescriptionParts>);
static_assert(!std::is_constructible_v<Description, std::shared_ptr<const DescriptionParts>>);
static_assert(!std::is_copy_assignable_v<Description>);
static_assert(std::is_const_v<std::remove_reference_t<decltype(Description::output)>>);

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

Forest stumps(uint32_t n_outputs, double missing = kNan) {
  ForestParts parts;
  parts.settings.n_features = 3;
  parts.settings.n_outputs = n_outputs;
  parts.settings.missing_value = missing;
  parts.base.assign(n_outputs, 0);
  for (uint32_t t = 0; t < n_outputs; ++t) {
    Node root;
    root.left = 1;
    root.right = 2;
    parts.nodes.insert(parts.nodes.end(), {root, Node::leaf(0, 1), Node::leaf(1, 2)});
    parts.tree_begin.push_back(static_cast<uint32_t>(parts.nodes.size()));
    parts.tree_target.push_back(t);
  }
  parts.leaf_values = {-1, 1};
  return make_forest(std::move(parts)).value();
}

template <typename T>
Labels labels(std::vector<T> values, const char* dtype) {
  return {std::move(values), std::string_view(dtype) == "|b1", dtype};
}

// Three classes, which most tests change in one place.
DescriptionParts classifier(uint32_t n_classes = 3) {
  DescriptionParts parts;
  parts.scorer = stumps(n_classes);
  parts.output.decision = Decision::kArgmax;
  parts.output.has_probabilities = true;
  parts.output.labels = {labels(std::vector<int64_t>(n_classes, 7), "<i8")};
  return parts;
}

std::string refusal(DescriptionParts parts) {
  const auto made = make_description(std::move(parts));
  return made.ok() ? "accepted" : made.error().message;
}

std::string refusal_of(Labels three_labels) {
  DescriptionParts parts = classifier();
  parts.output.labels = {std::move(three_labels)};
  return refusal(std::move(parts));
}

#define EXPECT_SAYS(message, part) EXPECT_NE((message).find(part), std::string::npos) << (message)

TEST(Description, IsSharedAndWhatItWasMadeOf) {
  DescriptionParts parts = classifier();
  parts.feature_names = {"a", "b", "c"};
  const Description made = make_description(std::move(parts)).value();
  const Description copy = made;
  EXPECT_EQ(&copy.output, &made.output);
  EXPECT_EQ(copy.feature_names[2], "c");
  EXPECT_EQ(copy.n_outputs(), 3u);
  EXPECT_EQ(copy.depth(), 0u);
}

TEST(Description, NeedsAScorerThatWasMade) {
  EXPECT_SAYS(refusal({}), "its forest was never made");
  DescriptionParts parts;
  parts.scorer = Linear{};
  EXPECT_SAYS(refusal(parts), "0 intercepts for 1 outputs");
  parts.scorer = GraphPtr();
  EXPECT_SAYS(refusal(parts), "its graph was never made");
  EXPECT_SAYS(make_ensemble({}).error().message, "the ensemble has no members");
}

TEST(Description, LabelsFitTheirDtype) {
  using I = std::vector<int64_t>;
  using F = std::vector<double>;
  using S = std::vector<std::string>;
  EXPECT_EQ(refusal_of(labels(I{-128, 0, 127}, "|i1")), "accepted");
  EXPECT_SAYS(refusal_of(labels(I{0, 1, 128}, "|i1")), "label 2 is 128, which dtype \"|i1\"");
  EXPECT_EQ(refusal_of(labels(I{0, 1, 65535}, "<u2")), "accepted");
  EXPECT_SAYS(refusal_of(labels(I{0, -1, 2}, "<u8")), "label 1 is -1");
  EXPECT_EQ(refusal_of(labels(I{0, 1, 1}, "|b1")), "accepted");
  EXPECT_SAYS(refusal_of(labels(I{0, 1, 2}, "|b1")), "label 2 is 2");
  EXPECT_SAYS(refusal_of({I{0, 1, 1}, true, "<i8"}), "are declared booleans");
  EXPECT_SAYS(refusal_of({I{0, 1, 1}, false, "|b1"}), "are not declared booleans");
  EXPECT_EQ(refusal_of(labels(F{0, 1, kNan}, ">f4")), "accepted");
  EXPECT_SAYS(refusal_of(labels(F{0, 1, 2}, "<i8")), "stored as floating-point numbers");
  EXPECT_SAYS(refusal_of(labels(I{0, 1, 2}, "<f8")), "stored as whole numbers");
  EXPECT_EQ(refusal_of(labels(S{"a", "\xc3\xa9\xc3\xa9", ""}, "<U2")), "accepted");
  EXPECT_SAYS(refusal_of(labels(S{"a", "abc", ""}, "<U2")), "label 1 is a text of 3 characters");
  EXPECT_SAYS(refusal_of(labels(S{"a", "\xc3\xa9\xc3\xa9", ""}, "|S3")), "of 4 characters");
  EXPECT_EQ(refusal_of(labels(S{"a", "long", ""}, "O")), "accepted");
  EXPECT_SAYS(refusal_of(labels(I{0, 1, 2}, "O")), "stored as whole numbers");
  for (const char* dtype : {"O,O", "<U5,O", "<M8[ns]", "<c16", "|V8", "", "<i3", "<U0", "(2,)<i8"})
    EXPECT_SAYS(refusal_of(labels(S{"a", "b", "c"}, dtype)), "are not read");
}

TEST(Description, LabelsDoNotMultiplyAFile) {
  EXPECT_SAYS(refusal_of(labels(std::vector<std::string>{"a", "b", "c"}, "<U4000000")),
              "longer than 65536 characters");
  DescriptionParts parts = classifier(2000);
  parts.output.labels = {labels(std::vector<std::string>(2000, "a"), "<U65536")};
  EXPECT_SAYS(refusal(parts), "is larger than 268435456 bytes");
}

TEST(Description, ClassesAreAsManyAsWhatDecides) {
  DescriptionParts parts = classifier();
  parts.output.labels[0].values = std::vector<int64_t>(4, 1);
  EXPECT_SAYS(refusal(parts), "names 4 classes and decides by 3 scores");
  parts.output.labels[0].values = std::vector<int64_t>{};
  EXPECT_SAYS(refusal(parts), "an empty list of classes");
  parts = classifier();
  parts.output.decision = Decision::kThreshold;
  EXPECT_SAYS(refusal(parts), "between two classes, and names 3");
  parts.output.decision = Decision::kOutlier;
  EXPECT_SAYS(refusal(parts), "tells outliers and names classes besides");
  parts.output.decision = static_cast<Decision>(99);
  EXPECT_SAYS(refusal(parts), "way to decide is unknown");
  parts = classifier();
  parts.output.threshold = kNan;
  EXPECT_SAYS(refusal(parts), "threshold of NaN");
}

TEST(Description, LinksHaveNumbersThatLibrariesWrite) {
  DescriptionParts parts = classifier();
  for (const double divisor : {0.0, kNan, HUGE_VAL}) {
    parts.output.link = {LinkKind::kLgbSoftmax, 1, divisor};
    EXPECT_SAYS(refusal(parts), "the link divides scores by");
  }
  for (const double parameter : {0.0, -1.0, kNan, HUGE_VAL}) {
    parts.output.link = {LinkKind::kLgbSigmoid, parameter, 1};
    EXPECT_SAYS(refusal(parts), "the link's parameter is");
  }
  parts.output.link = {LinkKind::kIsolation, 0, 1};
  EXPECT_EQ(refusal(parts), "accepted");
  parts.output.link.kind = static_cast<LinkKind>(99);
  EXPECT_SAYS(refusal(parts), "unknown link");
}

TEST(Description, NamesAndCategoriesBelongToFeatures) {
  DescriptionParts parts = classifier();
  parts.feature_names = {"a", "b"};
  EXPECT_SAYS(refusal(parts), "2 names for 3 features");
  parts = classifier();
  parts.categories = {{3, std::vector<int64_t>{1}}};
  EXPECT_SAYS(refusal(parts), "categories for column 3 of 3");
  parts.categories = {{1, std::vector<int64_t>{1}}, {1, std::vector<int64_t>{2}}};
  EXPECT_SAYS(refusal(parts), "categories for column 1 twice");
  parts.categories = {{1, std::vector<int64_t>{5, -2, 5}}};
  EXPECT_SAYS(refusal(parts), "category 5 of column 1 stands in its list twice");
  parts.categories = {{1, std::vector<std::string>{"x", "x"}}};
  EXPECT_EQ(refusal(parts), "accepted");
  parts.categories = {{1, std::vector<double>{0.5, kNan}}};
  EXPECT_SAYS(refusal(parts), "a category of column 1 is NaN");
  parts.categories = {{1, std::vector<double>{0.5}}};
  EXPECT_EQ(refusal(parts), "accepted");
  parts.categories_by_position = true;
  EXPECT_SAYS(refusal(parts), "are numbered 0, not 1");
}

TEST(Description, EncodedColumnsAreThoseOfAForest) {
  DescriptionParts parts = classifier();
  parts.number_codes = {{1, {0.5, 7}}};
  EXPECT_EQ(refusal(parts), "accepted");
  parts.number_codes = {{1, {7, 0.5}}};
  EXPECT_SAYS(refusal(parts), "column 1 is encoded by do not ascend");
  parts.number_codes = {{1, {kNan}}};
  EXPECT_SAYS(refusal(parts), "do not ascend");
  parts.number_codes = {{3, {1}}};
  EXPECT_SAYS(refusal(parts), "codes for column 3 of 3");
  parts.number_codes = {{1, {1}}};
  parts.scorer = stumps(3, -999);
  EXPECT_SAYS(refusal(parts), "a number for missing values besides");
  Linear linear;
  linear.n_features = 1;
  linear.weights = std::vector<double>{1};
  linear.bias = std::vector<double>{0};
  DescriptionParts other;
  other.scorer = linear;
  other.number_codes = {{0, {1}}};
  EXPECT_SAYS(refusal(other), "only the columns of a forest can be encoded");
}

TEST(Description, QuantizedScorersHaveTheirScales) {
  DescriptionParts parts = classifier();
  parts.quantization = Quantization{};
  EXPECT_SAYS(refusal(parts), "0 scales and 0 offsets for 3 outputs");
  parts.quantization->scales = parts.quantization->offsets = {1, 2, 3};
  EXPECT_EQ(refusal(parts), "accepted");
  parts.quantization->scales[1] = kNan;
  EXPECT_SAYS(refusal(parts), "output 1 has the scale nan");
  parts.quantization->scales[1] = 1;
  parts.quantization->bounds = {1, -1, 1};
  EXPECT_SAYS(refusal(parts), "a negative error bound");
  parts.quantization->bounds = {};
  parts.quantization->type = CodeType::kFloat16;
  EXPECT_SAYS(refusal(parts), "no sums of integer codes");
}

TEST(Description, EnsemblesThatVoteNameTheirClasses) {
  const auto member = std::make_shared<const Description>(make_description(classifier()).value());
  Ensemble ensemble;
  ensemble.n_features = 3;
  ensemble.n_outputs = 4'000'000'000u;  // placed classes say nothing of how many there are
  ensemble.members = {{member, {}, {0, 1, 3'999'999'999u}, 1}};
  DescriptionParts parts;
  EXPECT_SAYS(make_ensemble(ensemble).error().message, "columns that are joined or that nothing");
  ensemble.n_outputs = 4000;
  ensemble.members[0].classes = {0, 1, 3999};
  parts.scorer = make_ensemble(ensemble).value();
  EXPECT_SAYS(refusal(parts), "combines 4000 classes and does not name them");
  parts = classifier();
  ensemble.n_outputs = 3;
  ensemble.members[0].classes = {};
  parts.scorer = make_ensemble(ensemble).value();
  const auto made = make_description(std::move(parts));
  ASSERT_TRUE(made.ok()) << made.error().message;
  EXPECT_EQ(made->depth(), 1u);
}

TEST(Forest, CombinesTreesThatItHas) {
  ForestParts parts;
  parts.settings.accumulator = NumberType::kFloat64;
  parts.settings.reduction = Reduction::kWeightedMedian;
  parts.base = {0};
  EXPECT_SAYS(make_forest(parts).error().message, "a weighted median of no trees");
  parts.settings.reduction = Reduction::kSum;
  EXPECT_TRUE(make_forest(parts).ok());
  parts.tree_weights = {1};
  EXPECT_SAYS(make_forest(parts).error().message, "holds weights for a median besides");
  parts.settings.reduction = static_cast<Reduction>(9);
  EXPECT_SAYS(make_forest(parts).error().message, "in an unknown way");
}

}  // namespace
}  // namespace spinney
