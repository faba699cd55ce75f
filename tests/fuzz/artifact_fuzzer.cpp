// Any bytes read as a .spinney artifact: a model that can be planned or a clear error, never a
// crash. Mutations go to the contents of one section; the file is then laid out anew around them,
// checksums and all, so that the fuzzer gets past those whatever it inserts or takes away. Files
// that are no artifacts are mutated as they are and stamped where they can be.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <random>
#include <span>
#include <vector>

#include "spinney/load/artifact/artifact.h"
#include "spinney/spinney.h"

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size);

namespace {

using spinney::load::ArtifactHeader;
using spinney::load::ArtifactSection;

// The table of a file whose sections lie within it; empty if they do not.
std::vector<ArtifactSection> table_of(std::span<const char> bytes) {
  ArtifactHeader header;
  if (bytes.size() < sizeof header) return {};
  std::memcpy(&header, bytes.data(), sizeof header);
  if (header.section_count > (bytes.size() - sizeof header) / sizeof(ArtifactSection)) return {};
  std::vector<ArtifactSection> table(header.section_count);
  if (table.empty()) return {};
  std::memcpy(table.data(), bytes.data() + sizeof header, table.size() * sizeof table[0]);
  for (const ArtifactSection& section : table)
    if (section.offset > bytes.size() || section.bytes > bytes.size() - section.offset) return {};
  return table;
}

void stamp(std::vector<char>& bytes) {
  ArtifactHeader header;
  if (bytes.size() < sizeof header) return;
  std::memcpy(&header, bytes.data(), sizeof header);
  header.file_bytes = bytes.size();
  const size_t room = (bytes.size() - sizeof header) / sizeof(ArtifactSection);
  if (header.section_count > room) return;
  const size_t front = sizeof header + header.section_count * sizeof(ArtifactSection);
  for (size_t at = sizeof header; at < front; at += sizeof(ArtifactSection)) {
    ArtifactSection section;
    std::memcpy(&section, bytes.data() + at, sizeof section);
    if (section.offset > bytes.size() || section.bytes > bytes.size() - section.offset) continue;
    section.checksum =
        spinney::load::artifact_checksum({bytes.data() + section.offset, section.bytes});
    std::memcpy(bytes.data() + at, &section, sizeof section);
  }
  header.checksum = 0;
  std::memcpy(bytes.data(), &header, sizeof header);
  header.checksum = spinney::load::artifact_checksum({bytes.data(), front});
  std::memcpy(bytes.data(), &header, sizeof header);
}

}  // namespace

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size,
                                          unsigned seed) {
  const std::span<const char> bytes(reinterpret_cast<const char*>(data), size);
  std::vector<ArtifactSection> table = table_of(bytes);
  std::minstd_rand random(seed);
  if (table.empty() || random() % 16 == 0) return LLVMFuzzerMutate(data, size, max_size);
  // The description says what everything else is: half of all mutations are its own.
  const size_t chosen = random() % 2 == 0 ? 0 : random() % table.size();
  constexpr size_t kGrowth = 64;
  const size_t front = sizeof(ArtifactHeader) + table.size() * sizeof(ArtifactSection);
  std::vector<char> out(bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(front));
  for (size_t i = 0; i < table.size(); ++i) {
    const auto from = bytes.begin() + static_cast<ptrdiff_t>(table[i].offset);
    std::vector<char> contents(from, from + static_cast<ptrdiff_t>(table[i].bytes));
    if (i == chosen) {
      contents.resize(table[i].bytes + kGrowth);
      contents.resize(LLVMFuzzerMutate(reinterpret_cast<uint8_t*>(contents.data()), table[i].bytes,
                                       contents.size()));
    }
    constexpr size_t kLine = spinney::load::kArtifactAlignment;
    out.resize((out.size() + kLine - 1) / kLine * kLine, 0);
    table[i].offset = out.size();
    table[i].bytes = contents.size();
    out.insert(out.end(), contents.begin(), contents.end());
  }
  if (out.size() > max_size) return LLVMFuzzerMutate(data, size, max_size);
  std::memcpy(out.data() + sizeof(ArtifactHeader), table.data(), table.size() * sizeof table[0]);
  stamp(out);
  std::memcpy(data, out.data(), out.size());
  return out.size();
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto* text = reinterpret_cast<const char*>(data);
  std::vector<char> bytes(text, text + size);
  stamp(bytes);
  auto read = spinney::load::read_artifact(std::span<const char>(bytes));
  if (!read.ok()) {
    if (read.error().message.empty()) std::abort();
    return 0;
  }
#ifdef SPINNEY_FUZZ_CANARY
  // Reached only by a mutation of a seed that is believed with another threshold than theirs.
  if (read->output.threshold != 0.125) std::abort();
#endif
  // What was accepted must be safe to run.
  const auto shared = std::make_shared<const spinney::Description>(std::move(read).value());
  const auto model = spinney::Model::make(shared);
  if (!model.ok() || model->n_features() > 64 || model->n_outputs() > 64) return 0;
  std::vector<double> row(model->n_features(), 0.5);
  std::vector<double> scores(model->n_outputs());
  const auto rows = spinney::dense_rows(row.data(), 1, row.size());
  if (!model->predict_raw(rows, scores.data()).ok()) std::abort();
  std::vector<double> values(model->value_columns());
  if (!model->predict_values(rows, values.data()).ok()) std::abort();
  std::vector<int32_t> classes(model->target_columns());
  (void)model->predict_classes(rows, classes.data());
  std::vector<double> probabilities(model->probability_columns());
  (void)model->predict_proba(rows, probabilities.data());
  std::vector<int32_t> leaves(model->description().n_trees());
  (void)model->predict_leaf(rows, leaves.data());
  return 0;
}
