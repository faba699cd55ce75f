#include "spinney/prepare/serialize.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <string>

#include "spinney/prepare/bytes.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace spinney::prepare {
namespace {

static_assert(std::endian::native == std::endian::little, "files are little-endian");

Error damaged(const std::string& what) {
  return corrupt("the preprocessor's file is damaged: " + what);
}

std::string number(uint64_t n) { return std::to_string(n); }

// The vectors of a recipe, in the file's order.
template <typename R, typename Visit>
void each_table(R& recipe, Visit&& visit) {
  for (auto* table : {&recipe.missing_fill, &recipe.positive_fill, &recipe.negative_fill,
                      &recipe.low, &recipe.high, &recipe.below, &recipe.above, &recipe.center,
                      &recipe.scale, &recipe.lambda, &recipe.quantiles})
    visit(*table);
}

Result<FileHeader> read_header(std::span<const char> bytes) {
  FileHeader header;
  if (bytes.size() < sizeof header)
    return damaged("its " + number(bytes.size()) + " bytes do not hold a header of " +
                   number(sizeof header));
  std::memcpy(&header, bytes.data(), sizeof header);
  if (std::memcmp(header.magic, kFileMagic, sizeof header.magic) != 0)
    return corrupt("this is no file of a preprocessor: its first eight bytes are others");
  if (header.version != kFileVersion)
    return unsupported("the file has format version " + number(header.version) +
                       " and this build reads version " + number(kFileVersion) +
                       ": read it with the Spinney that wrote it, or fit again");
  if (header.file_bytes != bytes.size())
    return damaged("it was written with " + number(header.file_bytes) + " bytes and has " +
                   number(bytes.size()));
  if (file_checksum(bytes) != header.checksum)
    return damaged("it does not have the checksum that it was written with");
  return header;
}

}  // namespace

uint64_t file_checksum(std::span<const char> bytes) {
  FileHeader header;
  std::memcpy(&header, bytes.data(), sizeof header);
  header.checksum = 0;
  const auto rest = bytes.subspan(sizeof header);
  const uint64_t front = XXH3_64bits(&header, sizeof header);
  return XXH3_64bits_withSeed(rest.data(), rest.size(), front);
}

std::vector<char> write_file(const std::vector<Part>& parts) {
  size_t size = sizeof(FileHeader);
  for (const Part& part : parts) size += sizeof(PartHeader) + part.bytes.size();
  std::vector<char> bytes(size);
  char* place = bytes.data() + sizeof(FileHeader);
  for (const Part& part : parts) {
    const PartHeader header{part.kind, 0, part.bytes.size()};
    std::memcpy(place, &header, sizeof header);
    place = std::copy(part.bytes.begin(), part.bytes.end(), place + sizeof header);
  }
  FileHeader header{{}, kFileVersion, static_cast<uint32_t>(parts.size()), bytes.size(), 0};
  std::memcpy(header.magic, kFileMagic, sizeof header.magic);
  std::memcpy(bytes.data(), &header, sizeof header);
  header.checksum = file_checksum(bytes);
  std::memcpy(bytes.data(), &header, sizeof header);
  return bytes;
}

Result<std::vector<Part>> read_file(std::span<const char> bytes) {
  SPINNEY_ASSIGN(const FileHeader header, read_header(bytes));
  std::span<const char> rest = bytes.subspan(sizeof header);
  std::vector<Part> parts;
  for (uint32_t i = 0; i < header.part_count; ++i) {
    PartHeader part;
    if (rest.size() < sizeof part) return damaged("part " + number(i) + " has no header");
    std::memcpy(&part, rest.data(), sizeof part);
    rest = rest.subspan(sizeof part);
    if (part.reserved != 0) return damaged("part " + number(i) + " has an unknown mark");
    if (part.bytes > rest.size())
      return damaged("part " + number(i) + " declares " + number(part.bytes) + " bytes where " +
                     number(rest.size()) + " are left");
    const auto content = rest.first(part.bytes);
    parts.push_back({part.kind, {content.begin(), content.end()}});
    rest = rest.subspan(part.bytes);
  }
  if (!rest.empty()) return damaged(number(rest.size()) + " bytes follow the last part");
  return parts;
}

std::vector<char> write_recipe(const Recipe& recipe) {
  ByteWriter writer;
  writer.number(recipe.normalization);
  for (const bool flag :
       {recipe.fills_missing, recipe.fills_infinite, recipe.has_outliers, recipe.marks_only})
    writer.number(static_cast<uint8_t>(flag));
  writer.number(recipe.clip);
  writer.number(static_cast<uint8_t>(recipe.quantile_normal));
  for (const double value : {recipe.clip_low, recipe.clip_high, recipe.offset})
    writer.number(value);
  writer.number(recipe.quantile_count);
  each_table(recipe, [&](const std::vector<double>& table) { writer.numbers(table); });
  return writer.take();
}

Result<Recipe> read_recipe(std::span<const char> bytes) {
  ByteReader reader(bytes);
  Recipe recipe;
  recipe.normalization = reader.choice(Normalization::kBoxCox, "the normalization");
  for (bool* flag :
       {&recipe.fills_missing, &recipe.fills_infinite, &recipe.has_outliers, &recipe.marks_only})
    *flag = reader.flag("a step's mark");
  recipe.clip = reader.choice(Clip::kLast, "the clipping");
  recipe.quantile_normal = reader.flag("the quantiles' distribution");
  for (double* value : {&recipe.clip_low, &recipe.clip_high, &recipe.offset})
    *value = reader.number<double>();
  recipe.quantile_count = reader.number<uint32_t>();
  each_table(recipe, [&](std::vector<double>& table) { table = reader.numbers<double>(); });
  SPINNEY_TRY(reader.finish());
  SPINNEY_TRY(recipe.check());
  return recipe;
}

void write_options(ByteWriter& w, const Options& o) {
  w.number(o.normalization);
  w.number(o.missing);
  w.number(o.infinite);
  w.number(o.outliers);
  w.number(o.outlier_action);
  w.number(static_cast<uint8_t>(o.quantile_normal));
  w.number(o.clip ? Clip::kLast : Clip::kNone);
  for (const double value :
       {o.robust_low, o.robust_high, o.range_low, o.range_high, o.missing_constant,
        o.infinite_constant, o.infinite_buffer, o.iqr_multiplier, o.zscore, o.percentile_low,
        o.percentile_high, o.clip_low, o.clip_high, o.offset, o.epsilon})
    w.number(value);
  w.number(o.quantile_count);
  w.number(o.sketch_size);
}

Options read_options(ByteReader& r, Clip& clip) {
  Options o;
  o.normalization = r.choice(Normalization::kBoxCox, "the normalization");
  o.missing = r.choice(Fill::kRange, "the filling of NaN");
  o.infinite = r.choice(Fill::kRange, "the filling of infinities");
  o.outliers = r.choice(OutlierRule::kPercentile, "the rule for outliers");
  o.outlier_action = r.choice(OutlierAction::kKeep, "the treatment of outliers");
  o.quantile_normal = r.flag("the quantiles' distribution");
  clip = r.choice(Clip::kLast, "the clipping");
  o.clip = clip != Clip::kNone;
  for (double* value :
       {&o.robust_low, &o.robust_high, &o.range_low, &o.range_high, &o.missing_constant,
        &o.infinite_constant, &o.infinite_buffer, &o.iqr_multiplier, &o.zscore, &o.percentile_low,
        &o.percentile_high, &o.clip_low, &o.clip_high, &o.offset, &o.epsilon})
    *value = r.number<double>();
  o.quantile_count = r.number<uint32_t>();
  o.sketch_size = r.number<uint32_t>();
  return o;
}

}  // namespace spinney::prepare
