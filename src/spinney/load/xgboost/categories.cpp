#include "spinney/load/xgboost/categories.h"

namespace spinney::load::xgboost {
namespace {

std::string column(size_t feature) { return "the categories of column " + std::to_string(feature); }

// Texts lie in one array of bytes, cut by offsets.
Result<std::vector<std::string>> read_texts(const Field& encoding, size_t feature) {
  std::vector<int64_t> offsets, bytes;
  SPINNEY_TRY(encoding.find("offsets").read(offsets, "offsets"));
  SPINNEY_ASSIGN(const Field values, encoding.at("values", column(feature)));
  SPINNEY_TRY(values.read(bytes, "values"));
  std::vector<std::string> texts;
  for (size_t k = 1; k < offsets.size(); ++k) {
    const int64_t first = offsets[k - 1], behind = offsets[k];
    if (first < 0 || behind < first || behind > static_cast<int64_t>(bytes.size()))
      return corrupt(column(feature) + ": the text of category " + std::to_string(k - 1) +
                     " lies outside those stored");
    std::string text;
    for (int64_t i = first; i < behind; ++i)
      text += static_cast<char>(static_cast<unsigned char>(bytes[static_cast<size_t>(i)] & 0xFF));
    texts.push_back(std::move(text));
  }
  return texts;
}

}  // namespace

Status read_categories(const Field& model, int64_t n_features,
                       std::vector<ColumnCategories>& categories) {
  const Field list = model.find("cats").find("enc");
  if (!list) return {};
  const std::vector<Field> columns = list.children();
  if (static_cast<int64_t>(columns.size()) > n_features)
    return corrupt("the model has categories for " + std::to_string(columns.size()) +
                   " columns, but " + std::to_string(n_features) + " features");
  for (size_t feature = 0; feature < columns.size(); ++feature) {
    const Field encoding = columns[feature];
    ColumnCategories found;
    found.feature = static_cast<uint32_t>(feature);
    if (encoding.find("offsets")) {
      SPINNEY_ASSIGN(found.values, read_texts(encoding, feature));
    } else {
      SPINNEY_ASSIGN(const Field values, encoding.at("values", column(feature)));
      std::vector<int64_t> numbers;
      SPINNEY_TRY(values.read(numbers, "values"));
      found.values = std::move(numbers);
    }
    const size_t size = std::visit([](const auto& v) { return v.size(); }, found.values);
    if (size != 0) categories.push_back(std::move(found));  // a numeric column has none
  }
  return {};
}

}  // namespace spinney::load::xgboost
