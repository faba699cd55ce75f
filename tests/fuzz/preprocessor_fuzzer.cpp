// Preprocessor files: the container, recipes and statistics, with sizes and checksum made to hold,
// so that the contents are reached. What is accepted must be safe to run and to go on from.
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <span>
#include <vector>

#include "spinney/prepare/prepare.h"

namespace {

using namespace spinney::prepare;

void stamp(std::vector<char>& bytes) {
  FileHeader header;
  if (bytes.size() < sizeof header) return;
  std::memcpy(&header, bytes.data(), sizeof header);
  header.file_bytes = bytes.size();
  std::memcpy(bytes.data(), &header, sizeof header);
  header.checksum = file_checksum(bytes);
  std::memcpy(bytes.data(), &header, sizeof header);
}

void run(const Recipe& recipe) {
#ifdef SPINNEY_FUZZ_CANARY
  // Reached only by a mutation of a seed that is believed with another offset than theirs.
  if (recipe.offset != 0) std::abort();
#endif
  const auto program = Program::make(recipe);
  if (!program.ok()) std::abort();  // it was checked
  if ((*program)->width() > 64) return;
  std::vector<float> rows(3 * (*program)->width(), 0.5f);
  rows[0] = std::nanf("");
  std::vector<float> out(rows.size());
  std::vector<uint8_t> marks(3);
  (*program)->run_packed(rows.data(), 3, out.data());
  const auto view = spinney::dense_rows(rows.data(), 3, (*program)->width());
  if (!(*program)->mark_outliers(view, marks.data()).ok()) std::abort();
  const auto size = static_cast<ptrdiff_t>((*program)->width() * 4);
  if (!(*program)->reverse(view, {out.data(), spinney::NumberType::kFloat32, size, 4}).ok())
    std::abort();
}

void go_on(std::span<const char> bytes) {
  auto statistics = Statistics::from_bytes(bytes);
  if (!statistics.ok()) return;
  if (statistics->width() > 64) return;
  if (!statistics->can_continue()) return;
  const std::vector<double> row(statistics->width(), 0.25);
  const std::vector<char> before = statistics->to_bytes();
  const auto status =
      statistics->update(spinney::dense_rows(row.data(), 1, row.size()), run_serially);
  // What a file holds may leave no room for a scale; then nothing is taken in.
  if (!status.ok() && (status.error().message.empty() || statistics->to_bytes() != before))
    std::abort();
  const auto recipe = statistics->recipe();
  if (recipe.ok()) run(*recipe);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto* text = reinterpret_cast<const char*>(data);
  std::vector<char> bytes(text, text + size);
  stamp(bytes);
  const auto parts = read_file(bytes);
  if (!parts.ok()) {
    if (parts.error().message.empty()) std::abort();
    return 0;
  }
  for (const Part& part : *parts) {
    const auto recipe = read_recipe(part.bytes);
    if (recipe.ok()) run(*recipe);
    go_on(part.bytes);
  }
  return 0;
}
