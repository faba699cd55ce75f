// Any bytes read as a .spinney artifact: a model that can be planned or a clear error, never a
// crash. The checksums are written anew after each mutation, so that the fuzzer gets past them.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <span>
#include <vector>

#include "spinney/load/artifact.h"
#include "spinney/spinney.h"

namespace {

using spinney::load::ArtifactHeader;
using spinney::load::ArtifactSection;

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
  return 0;
}
