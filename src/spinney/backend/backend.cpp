#include "spinney/backend/backend.h"

namespace spinney::backend {

std::vector<OutputSpec> Backend::outputs() const {
  std::vector<OutputSpec> found;
  for (size_t k = 0; k < kAnswerKinds; ++k) {
    const auto kind = static_cast<AnswerKind>(k);
    if (auto shape = answer(kind); shape.ok())
      found.push_back({std::string(output_of(kind)), *shape});
  }
  return found;
}

void Backend::start(const BatchInput& input, BatchOutput& output, Completer completer) const {
  completer.complete(score_places(input, output));
}

Status Backend::score_places(const BatchInput& input, BatchOutput& output) const {
  if (output.places.size() == 1 || scores_together()) return score(input, output);
  BatchInput one_input = input;
  for (const Place& place : output.places) {
    for (size_t k = 0; k < kAnswerKinds; ++k)
      if (output_of(static_cast<AnswerKind>(k)) == place.spec->name)
        one_input.kind = static_cast<AnswerKind>(k);
    one_input.outputs = OutputSet{1} << place.output;
    BatchOutput one;
    one.places = {&place, 1};
    one.data = place.data;
    const Status status = score(one_input, one);
    if (one.object) output.object = std::move(one.object);
    if (!status.ok()) return status;
    for (ItemError& error : one.item_errors) output.item_errors.push_back(std::move(error));
  }
  return {};
}

std::vector<size_t> Backend::warm_up_rows(size_t rows_max) const {
  std::vector<size_t> rows;
  for (size_t n = 1; n < rows_max; n *= 2) rows.push_back(n);
  rows.push_back(rows_max);
  return rows;
}

}  // namespace spinney::backend
