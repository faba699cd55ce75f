#include <cstring>
#include <new>
#include <string>
#include <utility>

#include "spinney/base/aligned.h"
#include "spinney/load/artifact/artifact.h"
#include "spinney/load/artifact/fields.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace spinney::load {
namespace {

std::string number(uint64_t n) { return std::to_string(n); }

// The file's verified sections.
struct Sections {
  std::shared_ptr<const void> owner;
  std::span<const char> bytes;
  bool may_change = false;
  std::vector<ArtifactSection> table;
  uint32_t version = kArtifactVersion;

  std::span<const char> of(size_t i) const {
    return bytes.subspan(table[i].offset, table[i].bytes);
  }
};

Result<ArtifactHeader> read_header(std::span<const char> bytes) {
  ArtifactHeader header;
  if (bytes.size() < sizeof header)
    return corrupt("the artifact is cut short: " + number(bytes.size()) +
                   " bytes do not hold its header of " + number(sizeof header));
  std::memcpy(&header, bytes.data(), sizeof header);
  if (std::memcmp(header.magic, kArtifactMagic, sizeof header.magic) != 0)
    return corrupt("this is not a Spinney artifact: its first eight bytes are others");
  if (header.version == 0 || header.version > kArtifactVersion)
    return unsupported("the artifact has format version " + number(header.version) +
                       " and this build reads versions up to " + number(kArtifactVersion) +
                       ": load it with the Spinney that wrote it, or convert the model again");
  if (header.file_bytes != bytes.size())
    return corrupt("the artifact is " +
                   (bytes.size() < header.file_bytes ? std::string("cut short")
                                                     : std::string("followed by other data")) +
                   ": it was written with " + number(header.file_bytes) + " bytes and has " +
                   number(bytes.size()));
  if (header.section_count == 0 ||
      header.section_count > (bytes.size() - sizeof header) / sizeof(ArtifactSection))
    return corrupt("the artifact declares " + number(header.section_count) +
                   " sections, which its " + number(bytes.size()) + " bytes cannot hold");
  return header;
}

// Sections must follow each other on 64-byte lines with nothing but zeros between.
Status check_section(const Sections& sections, size_t i, uint64_t& end) {
  const ArtifactSection& section = sections.table[i];
  const std::string name = "section " + number(i) + " of the artifact";
  const uint64_t start = (end + kArtifactAlignment - 1) / kArtifactAlignment * kArtifactAlignment;
  if (section.offset != start || start > sections.bytes.size() ||
      section.bytes > sections.bytes.size() - start)
    return corrupt(name + " should start at byte " + number(start) + " and lies at " +
                   number(section.offset) + " with " + number(section.bytes) + " bytes");
  for (const char padding : sections.bytes.subspan(end, start - end))
    if (padding != 0) return corrupt("the bytes before " + name + " are not zero");
  end = start + section.bytes;
  const bool known = section.kind == (i == 0 ? kDescription : kArray);
  if (!known && !(i > 0 && section.kind & kOptional))
    return corrupt(name + " has the unknown kind " + number(section.kind));
  if (artifact_checksum(sections.of(i)) != section.checksum)
    return corrupt(name + " does not have the checksum that it was written with: the file is " +
                   "damaged; convert the model again");
  return {};
}

Result<Sections> read_sections(std::shared_ptr<const void> owner, std::span<const char> bytes,
                               bool may_change) {
  SPINNEY_ASSIGN(ArtifactHeader header, read_header(bytes));
  const size_t front = sizeof header + size_t{header.section_count} * sizeof(ArtifactSection);
  const uint64_t expected = header.checksum;
  header.checksum = 0;
  std::vector<char> copy(bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(front));
  std::memcpy(copy.data(), &header, sizeof header);
  if (artifact_checksum(copy) != expected)
    return corrupt(
        "the artifact's header does not have the checksum that it was written with: "
        "the file is damaged; convert the model again");
  Sections sections{std::move(owner), bytes, may_change, {}, header.version};
  sections.table.resize(header.section_count);
  std::memcpy(sections.table.data(), copy.data() + sizeof header, front - sizeof header);
  uint64_t end = front;
  for (size_t i = 0; i < sections.table.size(); ++i) SPINNEY_TRY(check_section(sections, i, end));
  if (end != bytes.size())
    return corrupt("the artifact's sections end at byte " + number(end) + " of " +
                   number(bytes.size()));
  return sections;
}

// Fills DescriptionParts from the description section. The first thing found wrong is kept in
// `status`; from then on nothing more is read.
class Reader {
 public:
  explicit Reader(const Sections& sections) : sections_(sections), used_(sections.table.size()) {
    description_ = section<char>(0);
    rest_ = description_.span();
  }

  Result<DescriptionParts> read(size_t depth) {
    DescriptionParts model;
    uint8_t scorer = 0;
    (*this)(scorer);
    SharedArray<double> codes;
    if (scorer == kQuantizedScorer || scorer == kQuantizedScorer + 1) {
      codes = read_codes(model.quantization.emplace());
      scorer -= kQuantizedScorer;
    }
    if (scorer == kForestScorer)
      read_forest(model, std::move(codes));
    else if (scorer == kLinearScorer)
      read_linear(model, std::move(codes));
    else if (scorer == kEnsembleScorer && version() < 3)
      read_ensemble(model, depth);
    else if (scorer == kGraphScorer && version() >= 3)
      read_graph(model, depth);
    else
      fail("the artifact holds a model of unknown kind " + number(scorer));
    fields(*this, model);
    if (!status_.ok()) return status_.error();
    return model;
  }

  bool at_end() const { return rest_.empty(); }
  uint32_t version() const { return sections_.version; }

  template <typename T>
  void operator()(T& value) {
    if constexpr (std::is_same_v<T, bool>) {
      uint8_t byte = 0;
      (*this)(byte);
      if (byte > 1) fail("a flag of the artifact's description is " + number(byte));
      value = byte == 1;
    } else if constexpr (std::is_arithmetic_v<T>) {
      const auto bytes = take(sizeof value);
      if (!bytes.empty()) std::memcpy(&value, bytes.data(), sizeof value);
    } else {
      fields(*this, value);
    }
  }
  void operator()(std::string& text) {
    const auto bytes = take(count(1));
    text.assign(bytes.begin(), bytes.end());
  }
  template <typename T>
  void operator()(std::vector<T>& values) {
    // An element takes at least this much of the file, so memory stays in proportion to it.
    const size_t n = count(std::is_arithmetic_v<T> ? sizeof(T) : 4);
    values.resize(n);
    for (T& value : values) {
      if (!status_.ok()) return;
      (*this)(value);
    }
  }
  template <typename... Ts>
  void operator()(std::variant<Ts...>& variant) {
    uint8_t index = 0;
    (*this)(index);
    if (index >= sizeof...(Ts)) return fail("a list of labels has unknown type " + number(index));
    size_t i = 0;
    ((i++ == index ? (*this)(variant.template emplace<Ts>()) : void()), ...);
  }
  template <typename T>
  void operator()(SharedArray<T>& array) {
    uint32_t i = 0;
    (*this)(i);
    if (i == 0) return;
    if (i >= sections_.table.size() || sections_.table[i].kind != kArray ||
        sections_.table[i].item_bytes != sizeof(T) || sections_.table[i].bytes % sizeof(T) != 0)
      return fail("section " + number(i) + " of the artifact is not the array expected, of " +
                  number(sizeof(T)) + "-byte elements");
    // Arrays that share a section would be checked and laid out over and over.
    if (used_[i]) return fail("section " + number(i) + " of the artifact is named twice");
    used_[i] = true;
    array = section<T>(i);
  }
  template <typename Enum>
  void limited(Enum& value, Enum last) {
    uint8_t byte = 0;
    (*this)(byte);
    if (byte > static_cast<uint8_t>(last))
      return fail("the artifact's description holds the unknown choice " + number(byte) +
                  " where " + number(static_cast<uint8_t>(last)) + " is the last known");
    value = static_cast<Enum>(byte);
  }

 private:
  // Where the bytes lie or, if others may change them, a copy that is verified once more: children,
  // features and sets are looked up by, and must stay what was checked. Floating-point numbers are
  // only added up, so that they may stay where they are.
  template <typename T>
  SharedArray<T> section(size_t i) {
    const auto bytes = sections_.of(i);
    const std::span<const T> items(reinterpret_cast<const T*>(bytes.data()),
                                   bytes.size() / sizeof(T));
    if (!sections_.may_change || std::is_same_v<T, double>) return {sections_.owner, items};
    SharedArray<T> copy(std::vector<T>(items.begin(), items.end()));
    const auto copied = std::as_bytes(copy.span());
    if (artifact_checksum({reinterpret_cast<const char*>(copied.data()), copied.size()}) !=
        sections_.table[i].checksum)
      fail("section " + number(i) + " of the artifact was changed while it was read");
    return copy;
  }
  void fail(std::string message) {
    if (status_.ok()) status_ = corrupt(std::move(message));
  }
  std::span<const char> take(size_t n) {
    if (n > rest_.size()) fail("the artifact's description is cut short");
    if (!status_.ok()) return {};
    const auto bytes = rest_.first(n);
    rest_ = rest_.subspan(n);
    return bytes;
  }
  size_t count(size_t item_bytes) {
    uint32_t n = 0;
    (*this)(n);
    if (n <= rest_.size() / item_bytes) return n;
    fail("the artifact's description declares " + number(n) + " elements and has " +
         number(rest_.size()) + " bytes left");
    return 0;
  }
  // Keeps made's value in the scorer, or its error.
  template <typename T>
  void accept(Result<T> made, DescriptionParts& model) {
    if (made.ok())
      model.scorer = std::move(made).value();
    else if (status_.ok())
      status_ = made.error();
  }

  // The codes that a quantized scorer has in place of leaves or weights.
  SharedArray<double> read_codes(Quantization& quantization) {
    fields(*this, quantization);
    SharedArray<char> bytes;
    SharedArray<uint16_t> pairs;  // of a file that may change a copy, which has to last as long
    std::span<const char> packed;
    if (size_of(quantization.type) == 1) {
      (*this)(bytes);
      packed = bytes.span();
    } else {
      (*this)(pairs);
      const auto all = std::as_bytes(pairs.span());
      packed = {reinterpret_cast<const char*>(all.data()), all.size()};
    }
    if (!status_.ok()) return {};
    auto codes = unpack_codes(quantization.type, packed);
    if (codes.ok()) return std::move(codes).value();
    status_ = codes.error();
    return {};
  }

  void read_forest(DescriptionParts& model, SharedArray<double> codes) {
    ForestSettings settings;
    Forest arrays;
    fields(*this, settings);
    fields(*this, arrays);
    if (model.quantization) arrays.leaf_values = std::move(codes);
    if (status_.ok()) accept(adopt_forest(settings, std::move(arrays)), model);
  }
  void read_linear(DescriptionParts& model, SharedArray<double> codes) {
    Linear linear;
    fields(*this, linear);
    if (model.quantization) linear.weights = std::move(codes);
    if (status_.ok()) accept(make_linear(std::move(linear)), model);
  }
  // A whole model within another; null where something is wrong, which status_ then says.
  std::shared_ptr<const Description> read_inner(size_t depth, const std::string& where) {
    if (depth >= kGraphDepthMax)
      fail("the artifact nests ensembles deeper than " + number(kGraphDepthMax));
    if (!status_.ok()) return nullptr;
    auto parts = read(depth + 1);
    if (!parts.ok()) return nullptr;
    auto inner = make_description(std::move(parts).value());
    if (inner.ok()) return std::make_shared<const Description>(std::move(inner).value());
    status_ = Error{inner.error().code, where + ": " + inner.error().message};
    return nullptr;
  }
  void read_ensemble(DescriptionParts& model, size_t depth) {
    Ensemble ensemble;
    fields(*this, ensemble);
    uint32_t n = 0;
    (*this)(n);
    for (; n > 0 && status_.ok(); --n) {
      Member member;
      fields(*this, member);
      member.model = read_inner(depth, "ensemble member " + number(ensemble.members.size()));
      if (member.model) ensemble.members.push_back(std::move(member));
    }
    if (status_.ok()) accept(make_ensemble(ensemble), model);
  }
  // A node, of which the variant holds the first kind on entry.
  void read_node(GraphNode& node, std::span<const GraphNode> before, size_t depth,
                 const std::string& where) {
    uint8_t kind = 0;
    (*this)(kind);
    if (kind >= std::variant_size_v<GraphNode>)
      return fail(where + " is of the unknown kind " + number(kind));
    read_kind(node, kind, std::make_index_sequence<std::variant_size_v<GraphNode>>());
    auto* score = std::get_if<ScoreNode>(&node);
    if (!score) return;
    uint32_t written = 0;
    (*this)(written);
    if (written == before.size()) {
      score->model = read_inner(depth, where);
      return;
    }
    // Only what one pass over the model answers may share it, so that work is in proportion to
    // the file.
    const auto* same = written < before.size() ? std::get_if<ScoreNode>(&before[written]) : nullptr;
    if (!same || same->from != score->from)
      return fail(where + " has the model of node " + number(written) +
                  ", which is not asked about the same columns");
    score->model = same->model;
  }
  template <size_t... kKinds>
  void read_kind(GraphNode& node, uint8_t kind, std::index_sequence<kKinds...>) {
    ((kKinds == kind ? fields(*this, node.template emplace<kKinds>()) : void()), ...);
  }
  void read_graph(DescriptionParts& model, size_t depth) {
    const size_t n = count(2);  // a node takes at least its kind and one thing more
    GraphBuilder builder;
    for (size_t i = 0; i < n && status_.ok(); ++i) {
      const std::string where = "node " + number(i) + " of the artifact's graph of " + number(n);
      GraphNode node;
      read_node(node, builder.nodes(), depth, where);
      if (!status_.ok()) return;
      const auto added = builder.add(std::move(node));
      if (!added.ok()) status_ = Error{added.error().code, where + ": " + added.error().message};
    }
    GraphAnswers answers;
    fields(*this, answers);
    if (status_.ok()) accept(std::move(builder).finish(answers), model);
  }

  const Sections& sections_;
  SharedArray<char> description_;
  std::span<const char> rest_;  // what of it is still to be read
  std::vector<bool> used_;      // per section: an array is it
  Status status_;
};

}  // namespace

uint64_t artifact_checksum(std::span<const char> bytes, uint64_t seed) {
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}

bool is_artifact(std::span<const char> bytes) {
  return bytes.size() >= sizeof kArtifactMagic &&
         std::memcmp(bytes.data(), kArtifactMagic, sizeof kArtifactMagic) == 0;
}

Result<Description> read_artifact(std::shared_ptr<const void> owner, std::span<const char> bytes,
                                  bool may_change) {
  if (reinterpret_cast<uintptr_t>(bytes.data()) % kArtifactAlignment != 0)
    return invalid_argument("an artifact must lie on a 64-byte line to be read in place");
  try {
    SPINNEY_ASSIGN(const Sections sections, read_sections(std::move(owner), bytes, may_change));
    Reader reader(sections);
    SPINNEY_ASSIGN(DescriptionParts model, reader.read(0));
    if (!reader.at_end()) return corrupt("the artifact's description is longer than it should be");
    model.source.format = "spinney";
    return make_description(std::move(model));
  } catch (const std::bad_alloc&) {
    return too_large("there is not enough memory to open the artifact");
  }
}

Result<Description> read_artifact(std::span<const char> bytes) {
  try {
    auto copy = std::make_shared<AlignedVector<char>>(bytes.begin(), bytes.end());
    const std::span<const char> view(*copy);
    return read_artifact(std::move(copy), view);
  } catch (const std::bad_alloc&) {
    return too_large("there is not enough memory to open the artifact");
  }
}

}  // namespace spinney::load
