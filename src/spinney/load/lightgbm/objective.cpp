#include "spinney/load/lightgbm/objective.h"

#include <array>
#include <cmath>
#include <numeric>
#include <optional>
#include <vector>

#include "spinney/load/lightgbm/fields.h"

namespace spinney::load::lightgbm {
namespace {

struct Kind {
  std::string_view name;
  Task task;
  LinkKind link;
};

// "sqrt" changes the link of those that keep it; see link_of().
constexpr std::array<Kind, 18> kKinds = {{
    {"regression", Task::kRegression, LinkKind::kIdentity},
    {"regression_l1", Task::kRegression, LinkKind::kIdentity},
    {"huber", Task::kRegression, LinkKind::kIdentity},
    {"fair", Task::kRegression, LinkKind::kIdentity},
    {"quantile", Task::kRegression, LinkKind::kIdentity},
    {"mape", Task::kRegression, LinkKind::kIdentity},
    {"poisson", Task::kRegression, LinkKind::kExp},
    {"gamma", Task::kRegression, LinkKind::kExp},
    {"tweedie", Task::kRegression, LinkKind::kExp},
    {"cross_entropy", Task::kRegression, LinkKind::kLgbSigmoid},
    {"cross_entropy_lambda", Task::kRegression, LinkKind::kLog1pExp},
    {"binary", Task::kBinary, LinkKind::kLgbSigmoid},
    {"multiclass", Task::kMulticlass, LinkKind::kLgbSoftmax},
    {"multiclassova", Task::kMulticlass, LinkKind::kLgbSigmoid},
    {"lambdarank", Task::kRanking, LinkKind::kIdentity},
    {"rank_xendcg", Task::kRanking, LinkKind::kIdentity},
    {"custom", Task::kRegression, LinkKind::kIdentity},
    {"none", Task::kRegression, LinkKind::kIdentity},
}};

// Digits as LightGBM's own reader adds them up: whole part plus fraction / 10^n, times the
// exponent. Correctly rounded parsing would differ in the last bit for numbers such as 1.23.
std::optional<double> read_as_lightgbm(std::string_view text) {
  size_t at = 0;
  const auto digits = [&](double start, int& count) {
    double value = start;
    for (count = 0; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at, ++count)
      value = value * 10.0 + (text[at] - '0');
    return value;
  };
  int whole_count = 0, fraction_count = 0, exponent_count = 0;
  double value = digits(0, whole_count);
  if (at < text.size() && text[at] == '.') {
    ++at;
    const double fraction = digits(0, fraction_count);
    value += fraction / std::pow(10.0, fraction_count);
  }
  if (whole_count + fraction_count == 0) return std::nullopt;
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    ++at;
    const bool negative = at < text.size() && text[at] == '-';
    if (at < text.size() && (text[at] == '-' || text[at] == '+')) ++at;
    const double exponent = digits(0, exponent_count);
    if (exponent_count == 0 || exponent > 308) return std::nullopt;
    const double scale = std::pow(10.0, exponent);
    value = negative ? value / scale : value * scale;
  }
  if (at != text.size()) return std::nullopt;
  return value;
}

Status read_parameter(std::string_view word, size_t n_outputs, Output& output) {
  const size_t colon = word.find(':');
  const std::string_view key = word.substr(0, colon);
  const std::string_view value =
      colon == std::string_view::npos ? std::string_view() : word.substr(colon + 1);
  if (key == "sqrt") {
    // Huber and the exponential ones drop reg_sqrt when they read it back.
    const bool keeps = output.link.kind == LinkKind::kIdentity && output.objective != "huber";
    if (keeps && output.task == Task::kRegression) output.link.kind = LinkKind::kSignedSquare;
  } else if (key == "sigmoid") {
    const std::optional<double> sigmoid = read_as_lightgbm(value);
    if (!sigmoid || !(*sigmoid > 0))
      return corrupt("objective: sigmoid " + quoted(value) + " is not a positive number");
    output.link.parameter = *sigmoid;
  } else if (key == "num_class") {
    SPINNEY_TRY(parse_integer({"objective", "num_class"}, value, static_cast<int64_t>(n_outputs),
                              static_cast<int64_t>(n_outputs)));
  }
  return {};
}

Labels numbered_labels(size_t n) {
  std::vector<int64_t> values(n);
  std::iota(values.begin(), values.end(), int64_t{0});
  Labels labels;
  labels.values = std::move(values);
  return labels;
}

}  // namespace

Result<Output> parse_objective(std::string_view text, size_t n_outputs) {
  const std::vector<std::string> words = split_words(text);
  Output output;
  output.objective = words.empty() ? "custom" : words[0];
  output.value_type = NumberType::kFloat64;
  const Kind* found = nullptr;
  for (const Kind& kind : kKinds)
    if (kind.name == output.objective) found = &kind;
  if (!found)
    return unsupported("header: objective " + quoted(output.objective) +
                       " is unknown to this reader; please report it with the model's version");
  output.task = found->task;
  output.link.kind = found->link;
  for (size_t i = 1; i < words.size(); ++i)
    SPINNEY_TRY(read_parameter(words[i], n_outputs, output));
  if (output.task != Task::kMulticlass && output.objective != "custom" && n_outputs != 1)
    return corrupt("header: objective " + output.objective + " has one output, the model " +
                   std::to_string(n_outputs));
  if (output.task == Task::kBinary || output.task == Task::kMulticlass) {
    output.has_probabilities = true;
    output.labels = {numbered_labels(output.task == Task::kBinary ? 2 : n_outputs)};
  }
  return output;
}

}  // namespace spinney::load::lightgbm
