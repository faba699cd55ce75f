#include <bit>
#include <cstring>
#include <deque>
#include <map>
#include <new>
#include <utility>

#include "spinney/load/artifact/artifact.h"
#include "spinney/load/artifact/fields.h"
#include "spinney/load/artifact/file.h"

namespace spinney::load {
namespace {

static_assert(std::endian::native == std::endian::little,
              "artifacts are little-endian and mapped as they are");

// Turns a Description into the description section's bytes and a list of arrays.
class Writer {
 public:
  void write(const Description& model) {
    const auto* forest = std::get_if<Forest>(&model.scorer);
    const auto* linear = std::get_if<Linear>(&model.scorer);
    const bool quantized = model.quantization && (forest || linear);
    const uint8_t kind = forest ? kForestScorer : linear ? kLinearScorer : kGraphScorer;
    (*this)(static_cast<uint8_t>(kind + (quantized ? kQuantizedScorer : 0)));
    if (quantized) write_codes(*model.quantization, forest ? forest->leaf_values : linear->weights);
    if (forest) {
      fields(*this, forest->settings());
      Forest rest = *forest;
      if (quantized) rest.leaf_values = {};
      fields(*this, std::as_const(rest));
    } else if (linear) {
      Linear rest = *linear;
      if (quantized) rest.weights = {};
      fields(*this, std::as_const(rest));
    } else {
      write(*std::get<GraphPtr>(model.scorer));
    }
    fields(*this, model.parts());
  }

  // Each node by the place of its kind in GraphNode, what it is, and its model if it has one.
  void write(const Graph& graph) {
    (*this)(static_cast<uint32_t>(graph.nodes().size()));
    std::map<std::pair<uint32_t, const Description*>, uint32_t> asked;
    uint32_t number = 0;
    for (const GraphNode& node : graph.nodes()) {
      (*this)(static_cast<uint8_t>(node.index()));
      std::visit([this](const auto& kind) { fields(*this, kind); }, node);
      const auto* score = std::get_if<ScoreNode>(&node);
      const uint32_t own = number++;
      if (!score) continue;
      // The first node that asks the same model about the same columns is where it is written.
      const auto [first, is_new] = asked.try_emplace({score->from, score->model.get()}, own);
      (*this)(first->second);
      if (is_new) write(*score->model);
    }
    fields(*this, graph.answers());
  }

  template <typename T>
  void operator()(const T& value) {
    if constexpr (std::is_arithmetic_v<T>)
      bytes.insert(bytes.end(), reinterpret_cast<const char*>(&value),
                   reinterpret_cast<const char*>(&value) + sizeof value);
    else
      fields(*this, value);
  }
  void operator()(const std::string& text) {
    (*this)(static_cast<uint32_t>(text.size()));
    bytes.insert(bytes.end(), text.begin(), text.end());
  }
  template <typename T>
  void operator()(const std::vector<T>& values) {
    (*this)(static_cast<uint32_t>(values.size()));
    for (const T& value : values) (*this)(value);
  }
  template <typename... Ts>
  void operator()(const std::variant<Ts...>& variant) {
    (*this)(static_cast<uint8_t>(variant.index()));
    std::visit([this](const auto& value) { (*this)(value); }, variant);
  }
  // Arrays are named by their section's number; none has number 0, an empty one is 0.
  template <typename T>
  void operator()(const SharedArray<T>& array) {
    if (array.empty()) return (*this)(uint32_t{0});
    arrays.push_back({sizeof(T), {reinterpret_cast<const char*>(array.data()), array.bytes()}});
    (*this)(static_cast<uint32_t>(arrays.size()));
  }
  template <typename Enum>
  void limited(Enum value, Enum /*last*/) {
    (*this)(static_cast<uint8_t>(value));
  }

  void write_codes(const Quantization& quantization, const SharedArray<double>& codes) {
    fields(*this, quantization);
    packed.push_back(pack_codes(quantization.type, codes.span()));
    if (codes.empty()) return (*this)(uint32_t{0});
    arrays.push_back({static_cast<uint32_t>(size_of(quantization.type)), packed.back()});
    (*this)(static_cast<uint32_t>(arrays.size()));
  }

  static uint32_t version() { return kArtifactVersion; }

  struct Array {
    uint32_t item_bytes;
    std::span<const char> bytes;
  };
  std::vector<char> bytes;
  std::vector<Array> arrays;
  std::deque<std::vector<char>> packed;  // codes, which arrays point into
};

constexpr char kZeros[kArtifactAlignment] = {};

// The pieces of the file in order, with the memory that the first two of them need.
struct Pieces {
  std::vector<char> front;  // header and table
  std::vector<char> description;
  std::deque<std::vector<char>> packed;  // codes of quantized models
  std::vector<std::span<const char>> all;
};

Pieces lay_out(const Description& model) {
  Writer writer;
  writer.write(model);
  Pieces pieces;
  pieces.description = std::move(writer.bytes);
  pieces.packed = std::move(writer.packed);
  std::vector<std::span<const char>> contents{pieces.description};
  for (const Writer::Array& array : writer.arrays) contents.push_back(array.bytes);

  std::vector<ArtifactSection> table(contents.size());
  pieces.front.resize(sizeof(ArtifactHeader) + table.size() * sizeof(ArtifactSection));
  pieces.all.push_back(pieces.front);
  uint64_t at = pieces.front.size();
  for (size_t i = 0; i < contents.size(); ++i) {
    const size_t padding = (kArtifactAlignment - at % kArtifactAlignment) % kArtifactAlignment;
    pieces.all.push_back({kZeros, padding});
    at += padding;
    table[i].kind = i == 0 ? kDescription : kArray;
    table[i].item_bytes = i == 0 ? 1 : writer.arrays[i - 1].item_bytes;
    table[i].offset = at;
    table[i].bytes = contents[i].size();
    table[i].checksum = artifact_checksum(contents[i]);
    pieces.all.push_back(contents[i]);
    at += contents[i].size();
  }

  ArtifactHeader header{};
  std::memcpy(header.magic, kArtifactMagic, sizeof header.magic);
  header.version = kArtifactVersion;
  header.section_count = static_cast<uint32_t>(table.size());
  header.file_bytes = at;
  std::memcpy(pieces.front.data(), &header, sizeof header);
  std::memcpy(pieces.front.data() + sizeof header, table.data(),
              table.size() * sizeof(ArtifactSection));
  header.checksum = artifact_checksum(pieces.front);
  std::memcpy(pieces.front.data(), &header, sizeof header);
  return pieces;
}

}  // namespace

Result<std::vector<char>> artifact_bytes(const Description& model) {
  try {
    const Pieces pieces = lay_out(model);
    std::vector<char> bytes;
    for (const std::span<const char> piece : pieces.all)
      bytes.insert(bytes.end(), piece.begin(), piece.end());
    return bytes;
  } catch (const std::bad_alloc&) {
    return too_large("there is not enough memory to lay out the artifact");
  }
}

Status write_artifact(const Description& model, const std::string& path) {
  try {
    const Pieces pieces = lay_out(model);
    return replace_file(path, pieces.all);
  } catch (const std::bad_alloc&) {
    return too_large("there is not enough memory to lay out the artifact");
  }
}

}  // namespace spinney::load
