#include "spinney/load/catboost/cbm_ctrs.h"

#include <bit>
#include <cstring>
#include <string>

#include "spinney/load/file/budget.h"

namespace spinney::load::catboost {
namespace {

constexpr size_t kCtrBytes = 256;

Result<CountKind> kind_of_ctr(int8_t type) {
  if (type >= 0 && type <= 5) return static_cast<CountKind>(type);
  return corrupt("counts of categories are of the unknown kind " + std::to_string(type));
}

int32_t low(flat::Pair pair) { return static_cast<int32_t>(pair & 0xffffffff); }
uint32_t high(flat::Pair pair) { return static_cast<uint32_t>(pair >> 32); }

Status read_combination(const flat::Combination* from, Combination& to) {
  if (!from) return corrupt("counts of categories are of none");
  to.categories = from->categories();
  for (const flat::Pair pair : from->float_tests())
    to.above.emplace_back(low(pair), std::bit_cast<float>(high(pair)));
  for (const flat::Pair pair : from->one_hot_tests())
    to.equals.emplace_back(low(pair), static_cast<int32_t>(high(pair)));
  return spend("the combinations of categories",
               kCtrBytes + 4 * to.categories.size() + 8 * (to.above.size() + to.equals.size()), 1);
}

Status read_feature(const flat::CtrFeature& from, Tables& out) {
  const flat::Ctr* ctr = from.ctr();
  if (!ctr || !ctr->base()) return corrupt("a column of counts says not what it counts");
  CtrFeature made;
  SPINNEY_ASSIGN(made.kind, kind_of_ctr(ctr->base()->type()));
  made.classifier = ctr->base()->classifier();
  SPINNEY_TRY(read_combination(ctr->base()->combination(), made.combination));
  made.target = ctr->target_border();
  made.prior = ctr->prior();
  made.prior_denominator = ctr->prior_denominator();
  made.shift = ctr->shift();
  made.scale = ctr->scale();
  made.borders = from.borders();
  SPINNEY_TRY(spend("the columns of counts", made.borders.size(), 2 * sizeof(float)));
  out.ctrs.push_back(std::move(made));
  return {};
}

// Buckets are of twelve bytes each: a hash, and where its counts lie.
Status read_table(const flat::CtrTable& from, Tables& out) {
  constexpr size_t kBucketBytes = 12;
  if (!from.base()) return corrupt("a table of counts says not what it counts");
  CtrTable made;
  SPINNEY_ASSIGN(made.kind, kind_of_ctr(from.base()->type()));
  made.classifier = from.base()->classifier();
  SPINNEY_TRY(read_combination(from.base()->combination(), made.combination));
  const std::vector<uint8_t> buckets = from.buckets(), words = from.counts();
  if (buckets.size() % kBucketBytes != 0 || words.size() % 4 != 0)
    return corrupt("a table of counts has " + std::to_string(buckets.size()) +
                   " bytes of places and " + std::to_string(words.size()) + " of counts");
  SPINNEY_TRY(spend("the tables of counts", buckets.size() * 2 + words.size(), 1));
  made.buckets.resize(buckets.size() / kBucketBytes);
  for (size_t i = 0; i < made.buckets.size(); ++i) {
    const uint8_t* at = buckets.data() + i * kBucketBytes;
    std::memcpy(&made.buckets[i].hash, at, 8);
    std::memcpy(&made.buckets[i].row, at + 8, 4);
  }
  made.words.resize(words.size() / 4);
  if (!words.empty()) std::memcpy(made.words.data(), words.data(), words.size());
  made.denominator = from.denominator();
  made.n_classes = from.n_classes();
  out.ctr_tables.push_back(std::move(made));
  return {};
}

Result<uint32_t> read_size(std::span<const char>& rest) {
  uint32_t size = 0;
  if (rest.size() < sizeof size) return corrupt("the .cbm file is cut short within its parts");
  std::memcpy(&size, rest.data(), sizeof size);
  rest = rest.subspan(sizeof size);
  return size;
}

// A FlatBuffer of its own for each table, in memory that begins where its numbers may lie.
Status read_tables(std::span<const char>& rest, Tables& out) {
  SPINNEY_ASSIGN(const uint32_t count, read_size(rest));
  for (uint32_t i = 0; i < count; ++i) {
    SPINNEY_ASSIGN(const uint32_t size, read_size(rest));
    if (size > rest.size() || size >= FLATBUFFERS_MAX_BUFFER_SIZE)
      return corrupt("table of counts " + std::to_string(i) + " of " + std::to_string(count) +
                     " is cut short: it takes " + std::to_string(size) + " bytes");
    std::vector<uint64_t> words(size / 8 + 1);
    std::memcpy(words.data(), rest.data(), size);
    rest = rest.subspan(size);
    const auto* bytes = reinterpret_cast<const uint8_t*>(words.data());
    flatbuffers::Verifier verifier(bytes, size, 64, size);
    if (!verifier.VerifyBuffer<flat::CtrTable>())
      return corrupt("table of counts " + std::to_string(i) +
                     " is damaged: an offset leads out of it");
    SPINNEY_TRY(read_table(*flatbuffers::GetRoot<flat::CtrTable>(bytes), out));
  }
  return {};
}

}  // namespace

Status read_ctrs(const flat::Core& core, std::span<const char> rest, Tables& out) {
  const flat::Trees& trees = *core.trees();
  if (trees.one_hots())
    for (const flat::OneHotFeature* feature : *trees.one_hots()) {
      out.one_hots.push_back({feature->index(), feature->values()});
      SPINNEY_TRY(
          spend("the tests of categories", kCtrBytes + 4 * out.one_hots.back().values.size(), 1));
    }
  if (trees.ctrs())
    for (const flat::CtrFeature* feature : *trees.ctrs()) SPINNEY_TRY(read_feature(*feature, out));
  if (!core.parts()) return {};
  for (const flatbuffers::String* part : *core.parts()) {
    const std::string name = part->str();
    if (name != "static_provider_v1")
      return unsupported("the .cbm file has a part \"" + name.substr(0, 64) +
                         "\", which has no native path; predict with CatBoost itself");
    SPINNEY_TRY(read_tables(rest, out));
  }
  return {};
}

}  // namespace spinney::load::catboost
