// A .cbm file: "CBM1", the size of a FlatBuffer, that FlatBuffer, then parts that it names.
#include <cstring>
#include <string>
#include <string_view>

#include "spinney/load/catboost/cbm_ctrs.h"
#include "spinney/load/catboost/flat.h"
#include "spinney/load/catboost/tables.h"
#include "spinney/load/file/budget.h"

namespace spinney::load::catboost {
namespace {

constexpr std::string_view kMagic = "CBM1";
constexpr std::string_view kFormat = "FlabuffersModel_v1";
// Objects of a file may refer to one that is shared; what is copied out of it counts each time.
constexpr size_t kFeatureBytes = 128;

// The FlatBuffer, in memory of its own that begins where its numbers may lie.
struct CoreBytes {
  std::vector<uint64_t> words;
  size_t size = 0;
  const uint8_t* data() const { return reinterpret_cast<const uint8_t*>(words.data()); }
};

Result<CoreBytes> copy_core(std::span<const char> bytes) {
  constexpr size_t kHead = 8;
  uint32_t size = 0;
  if (bytes.size() < kHead || std::string_view(bytes.data(), 4) != kMagic)
    return corrupt("this is no .cbm file: it does not begin with CBM1 and a size");
  std::memcpy(&size, bytes.data() + 4, sizeof size);
  if (size > bytes.size() - kHead)
    return corrupt("the .cbm file is cut short: its model takes " + std::to_string(size) +
                   " bytes and " + std::to_string(bytes.size() - kHead) + " follow");
  if (size >= FLATBUFFERS_MAX_BUFFER_SIZE)
    return too_large("the .cbm file's model takes " + std::to_string(size) + " bytes");
  SPINNEY_TRY(spend("the .cbm file's model", size, 1));
  CoreBytes core;
  core.size = size;
  core.words.resize(size / 8 + 1);
  std::memcpy(core.words.data(), bytes.data() + kHead, size);
  return core;
}

Result<const flat::Core*> verified(const CoreBytes& bytes) {
  // Tables take at least four bytes each, so that the limit never refuses a real model.
  flatbuffers::Verifier verifier(bytes.data(), bytes.size, 64,
                                 static_cast<flatbuffers::uoffset_t>(bytes.size));
  if (!verifier.VerifyBuffer<flat::Core>())
    return corrupt("the .cbm file's FlatBuffer is damaged: an offset leads out of it");
  const auto* core = flatbuffers::GetRoot<flat::Core>(bytes.data());
  if (core->format_version() != kFormat)
    return unsupported("the .cbm file has format \"" + core->format_version() + "\"; known is \"" +
                       std::string(kFormat) + "\"");
  if (!core->trees()) return corrupt("the .cbm file holds no trees");
  return core;
}

// Words about features of kinds that are not read.
Status refuse_features(const flat::Trees& trees) {
  const auto refuse = [](const auto* features, const char* what) -> Status {
    if (!features || features->size() == 0) return {};
    const std::string name = features->Get(0)->name();
    const std::string column = std::to_string(features->Get(0)->flat_index());
    return unsupported("the model has " + std::string(what) + " features, such as " +
                       (name.empty() ? "column " + column : "\"" + name + "\"") +
                       ", which have no native path; predict with CatBoost itself");
  };
  SPINNEY_TRY(refuse(trees.texts(), "text"));
  SPINNEY_TRY(refuse(trees.embeddings(), "embedding"));
  if (trees.estimated() && trees.estimated()->size() > 0)
    return unsupported(
        "the model computes features from texts or embeddings, which has no native "
        "path; predict with CatBoost itself");
  return {};
}

Status read_floats(const flat::Trees& trees, Tables& out) {
  if (!trees.floats()) return {};
  for (const flat::FloatFeature* feature : *trees.floats()) {
    FloatFeature read;
    read.column = feature->flat_index();
    read.index = feature->index();
    read.has_nans = feature->has_nans();
    const int8_t treatment = feature->nan_treatment();
    if (treatment < 0 || treatment > 2)
      return corrupt("column " + std::to_string(read.column) + " treats NaN in an unknown way, " +
                     std::to_string(treatment));
    read.nan = static_cast<NanTreatment>(treatment);
    read.name = feature->name();
    read.borders = feature->borders();
    SPINNEY_TRY(spend("the model's columns",
                      kFeatureBytes + read.name.size() + read.borders.size() * sizeof(float), 1));
    out.floats.push_back(std::move(read));
  }
  return {};
}

Status read_categories(const flat::Trees& trees, Tables& out) {
  if (!trees.categories()) return {};
  for (const flat::NamedFeature* feature : *trees.categories()) {
    out.categories.push_back({feature->flat_index(), feature->index(), feature->name()});
    SPINNEY_TRY(spend("the model's columns", kFeatureBytes + out.categories.back().name.size(), 1));
  }
  return {};
}

Status read_steps(const flat::Trees& trees, Tables& out) {
  const std::vector<uint32_t> steps = trees.steps();
  const std::vector<uint32_t> leaves = trees.leaf_of_node();
  if (steps.size() != leaves.size())
    return corrupt("the model has " + std::to_string(steps.size()) + " steps and leaves for " +
                   std::to_string(leaves.size()));
  for (size_t i = 0; i < steps.size(); ++i)
    out.steps.push_back({steps[i] & 0xffff, steps[i] >> 16, leaves[i]});
  return {};
}

// A bias is one number in files of one dimension, and a list since CatBoost 1.0.
void read_bias(const flat::Trees& trees, Tables& out) {
  out.scale = trees.scale();
  out.bias = trees.biases();
  if (out.bias.empty() && trees.bias() != 0) out.bias = {trees.bias()};
}

// A text that holds JSON, where it is one of those that are read.
Status read_text_fact(const std::string& key, const std::string& value, Facts& facts) {
  if (key != "params" && key != "class_params") {
    const Item item{
        .kind = Item::Kind::kString, .next = 1, .data = value.data(), .size = value.size()};
    Document document;
    document.items.push_back(item);
    return read_fact(key, document.root(), facts);
  }
  SPINNEY_TRY(spend("the model's information", value.size(), sizeof(Item) / 4));
  const Result<Document> document = parse_json(value);
  if (!document.ok())
    return corrupt("the model's information \"" + key + "\": " + document.error().message);
  return read_fact(key, document->root(), facts);
}

}  // namespace

Result<Tables> read_cbm(std::span<const char> bytes) {
  SPINNEY_ASSIGN(const CoreBytes copy, copy_core(bytes));
  SPINNEY_ASSIGN(const flat::Core* core, verified(copy));
  const flat::Trees& trees = *core->trees();
  SPINNEY_TRY(refuse_features(trees));
  Tables out;
  out.dimension = trees.dimension();
  SPINNEY_TRY(read_floats(trees, out));
  SPINNEY_TRY(read_categories(trees, out));
  constexpr size_t kHead = 8;
  SPINNEY_TRY(read_ctrs(*core, bytes.subspan(kHead + copy.size), out));
  out.splits = trees.splits();
  out.sizes = trees.sizes();
  out.leaf_values = trees.leaf_values();
  SPINNEY_TRY(read_steps(trees, out));
  read_bias(trees, out);
  if (!core->info()) return out;
  for (const flat::KeyValue* fact : *core->info()) {
    const std::string key = fact->key(), value = fact->value();
    SPINNEY_TRY(spend("the model's information", key.size() + value.size(), 1));
    SPINNEY_TRY(read_text_fact(key, value, out.facts));
  }
  return out;
}

}  // namespace spinney::load::catboost
