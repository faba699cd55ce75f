// OutputCodeClassifier: a binary classifier for each bit of the classes' codes.
#include "spinney/load/pickle/attributes.h"
#include "spinney/load/sklearn/binaries.h"
#include "spinney/load/sklearn/sklearn.h"

namespace spinney::load {

Result<DescriptionParts> describe_sklearn_output_code(const Record& record,
                                                      DescribeContext& context) {
  DescriptionParts description;
  SPINNEY_ASSIGN(const Binaries binaries, read_binaries(record, context, description));
  GraphBuilder builder;
  SPINNEY_TRY(builder.add(InputNode{binaries.n_features}));
  JoinNode scores;
  for (size_t m = 0; m < binaries.size(); ++m) {
    SPINNEY_ASSIGN(const BinaryScore score, binaries.add_score(record, m, builder));
    scores.from.push_back(score.node);
  }
  Output& output = description.output;
  SPINNEY_ASSIGN(const Value* const classes, attribute(record, "classes_"));
  output.labels.emplace_back();
  SPINNEY_ASSIGN(output.labels[0], to_labels(*classes, place(record, "classes_")));
  NearestCodeNode nearest;
  nearest.n_classes = static_cast<uint32_t>(output.labels[0].size());
  SPINNEY_ASSIGN(const Value* const book, attribute(record, "code_book_"));
  SPINNEY_ASSIGN(nearest.codes, to_doubles(*book, place(record, "code_book_")));
  SPINNEY_ASSIGN(nearest.from, builder.add(std::move(scores)));
  const auto added = builder.add(std::move(nearest));
  if (!added.ok())
    return Error{added.error().code, place(record, "code_book_") + ": " + added.error().message};
  output.objective = "output-code";
  output.task = output.labels[0].size() <= 2 ? Task::kBinary : Task::kMulticlass;
  output.decision = Decision::kArgmax;
  output.decision_on_raw = true;
  output.value_type = NumberType::kFloat64;
  SPINNEY_ASSIGN(description.scorer, std::move(builder).finish({*added}));
  return description;
}

}  // namespace spinney::load
