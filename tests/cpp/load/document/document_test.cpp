// JSON and UBJSON are cut into the same fields; what is malformed is refused, saying where.
#include "spinney/load/document/document.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>

namespace spinney::load::xgboost {
namespace {

std::string refusal(const Result<Document>& document) {
  return document.ok() ? "accepted" : document.error().message;
}

std::string json_refusal(const std::string& text) { return refusal(parse_json(text)); }
std::string ubjson_refusal(const std::string& bytes) { return refusal(parse_ubjson(bytes)); }

bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

std::string big_endian(uint64_t value, size_t size) {
  std::string bytes;
  for (size_t i = size; i-- > 0;) bytes += static_cast<char>(value >> (8 * i) & 0xFF);
  return bytes;
}

// The texts one after the other. (gcc 12 warns falsely of "literal" + std::string.)
std::string joined(std::initializer_list<std::string_view> parts) {
  std::string all;
  for (const std::string_view part : parts) all += part;
  return all;
}

std::string key(const std::string& name) {
  std::string bytes = "i";
  bytes += static_cast<char>(name.size());
  bytes += name;
  return bytes;
}

template <typename T>
std::vector<T> values_of(const Document& document, const char* name) {
  std::vector<T> values;
  const Status status = document.root().find(name).read(values, name);
  EXPECT_TRUE(status.ok()) << status.error().message;
  return values;
}

TEST(JsonDocument, FindsWhatLiesWithin) {
  const std::string text = R"( {"a": {"b": [ {"c": "x\n\u00e9\ud83d\ude00"}, {"c": "y"} ]},
                                "n": [1, -2 ,3], "e": [], "t": true, "z": null} )";
  const auto document = parse_json(text);
  ASSERT_TRUE(document.ok()) << document.error().message;
  const Field root = document->root();
  const auto children = root.find("a").find("b").children();
  ASSERT_EQ(children.size(), 2u);
  EXPECT_EQ(*children[0].find("c").string("c"), "x\n\xC3\xA9\xF0\x9F\x98\x80");
  EXPECT_EQ(*children[1].find("c").string("c"), "y");
  EXPECT_EQ(values_of<int64_t>(*document, "n"), (std::vector<int64_t>{1, -2, 3}));
  EXPECT_TRUE(values_of<float>(*document, "e").empty());
  EXPECT_FALSE(root.find("absent"));
  EXPECT_TRUE(has(root.at("absent", "the model").error().message, "no field \"absent\""));
}

TEST(JsonDocument, RoundsFloatsOnce) {
  // Halfway between two floats but for a tail beyond double: rounding twice would give 1.
  const std::string text = R"({"v": [1.00000005960464477539062500001, NaN, -Infinity, 1E-45]})";
  const auto document = parse_json(text);
  ASSERT_TRUE(document.ok());
  const auto values = values_of<float>(*document, "v");
  ASSERT_EQ(values.size(), 4u);
  EXPECT_EQ(values[0], std::nextafter(1.0F, 2.0F));
  EXPECT_TRUE(std::isnan(values[1]));
  EXPECT_EQ(values[2], -INFINITY);
  EXPECT_EQ(std::bit_cast<uint32_t>(values[3]), 1u);
}

TEST(JsonDocument, RefusesWhatIsMalformed) {
  EXPECT_TRUE(has(json_refusal(R"({"a": 1)"), "cut short"));
  EXPECT_TRUE(has(json_refusal(R"({"a": [1, 2)"), "cut short"));
  EXPECT_TRUE(has(json_refusal(R"({"a": "b)"), "cut short"));
  EXPECT_TRUE(has(json_refusal(R"({"a" 1})"), "byte 5: expected a colon"));
  EXPECT_TRUE(has(json_refusal(R"({"a": 1 "b": 2})"), "comma"));
  EXPECT_TRUE(has(json_refusal(R"({"a": 1} x)"), "after the end"));
  EXPECT_TRUE(has(json_refusal(""), "cut short"));
  EXPECT_TRUE(has(json_refusal(std::string(100000, '[')), "deep"));
  std::string many = "[";
  for (int i = 0; i < 10000; ++i) many += "[],";
  EXPECT_TRUE(has(json_refusal(many), "more nested values"));
}

TEST(JsonDocument, RefusesElementsOfTheWrongKindByNumber) {
  const std::string text = R"({"v": [1, 2.5, 3], "w": [1, "x"], "x": [1,]})";
  const auto document = parse_json(text);
  ASSERT_TRUE(document.ok());
  std::vector<int64_t> whole;
  std::vector<float> real;
  EXPECT_TRUE(has(document->root().find("v").read(whole, "v").error().message, "element 1"));
  EXPECT_TRUE(has(document->root().find("w").read(real, "w").error().message, "element 1"));
  EXPECT_TRUE(has(document->root().find("x").read(real, "x").error().message, "comma"));
}

TEST(UbjsonDocument, ReadsEveryWidthAndForm) {
  std::string bytes = "{";
  bytes += joined({key("i"), "[$i#i", big_endian(2, 1), big_endian(0xFE, 1), big_endian(5, 1)});
  bytes += joined({key("U"), "[$U#U", big_endian(1, 1), big_endian(0xFE, 1)});
  bytes += joined({key("I"), "[$I#I", big_endian(1, 2), big_endian(0xFFFE, 2)});
  bytes += joined({key("l"), "[$l#l", big_endian(1, 4), big_endian(0x80000000, 4)});
  bytes += joined({key("L"), "[$L#L", big_endian(1, 8), big_endian(uint64_t(-3), 8)});
  bytes += joined({key("d"), "[$d#L", big_endian(1, 8), big_endian(0x3F800001, 4)});
  bytes +=
      key("D") + "[D" + big_endian(std::bit_cast<uint64_t>(0.1), 8) + "i" + big_endian(7, 1) + "]";
  bytes += joined({key("n"), "[#i", big_endian(2, 1), "NTI", big_endian(300, 2)});
  bytes += joined({key("s"), "[Si", big_endian(1, 1), "xSi", big_endian(0, 1), "]"});
  bytes += joined({key("o"), "{#i", big_endian(1, 1), key("k"), "i", big_endian(9, 1)});
  bytes += "}";
  const auto document = parse_ubjson(bytes);
  ASSERT_TRUE(document.ok()) << document.error().message;
  EXPECT_EQ(values_of<int64_t>(*document, "i"), (std::vector<int64_t>{-2, 5}));
  EXPECT_EQ(values_of<int64_t>(*document, "U"), (std::vector<int64_t>{254}));
  EXPECT_EQ(values_of<int64_t>(*document, "I"), (std::vector<int64_t>{-2}));
  EXPECT_EQ(values_of<int64_t>(*document, "l"), (std::vector<int64_t>{INT32_MIN}));
  EXPECT_EQ(values_of<int64_t>(*document, "L"), (std::vector<int64_t>{-3}));
  EXPECT_EQ(values_of<float>(*document, "d"), (std::vector<float>{std::nextafter(1.0F, 2.0F)}));
  EXPECT_EQ(values_of<float>(*document, "D"), (std::vector<float>{0.1F, 7.0F}));
  EXPECT_EQ(values_of<int64_t>(*document, "n"), (std::vector<int64_t>{1, 300}));
  EXPECT_EQ(values_of<std::string>(*document, "s"), (std::vector<std::string>{"x", ""}));
  EXPECT_EQ(*document->root().find("o").find("k").integer("k"), 9);
}

TEST(UbjsonDocument, RefusesSizesBeyondTheFile) {
  const std::string huge = big_endian(uint64_t{1} << 60, 8);
  EXPECT_TRUE(has(ubjson_refusal(joined({"{", key("a"), "[$d#L", huge})), "bytes left"));
  EXPECT_TRUE(has(ubjson_refusal(joined({"{", key("a"), "[#L", huge})), "bytes left"));
  EXPECT_TRUE(has(ubjson_refusal(joined({"{", key("a"), "SL", huge})), "UBJSON"));
  EXPECT_TRUE(has(ubjson_refusal(joined({"{#L", huge})), "bytes left"));
  EXPECT_TRUE(has(ubjson_refusal(joined({"{L", huge})), "key"));
  EXPECT_TRUE(has(ubjson_refusal(joined({"{", key("a"), "[$d#i", big_endian(0xFF, 1)})), "count"));
  // Values of no bytes at all could be declared without limit.
  EXPECT_TRUE(has(ubjson_refusal(joined({"{", key("a"), "[$Z#L", huge})), "type Z"));
  EXPECT_TRUE(has(ubjson_refusal(std::string(100000, '[')), "deep"));
  EXPECT_TRUE(has(ubjson_refusal(joined({"{", key("a"), "i"})), "cut short"));
}

}  // namespace
}  // namespace spinney::load::xgboost
