// Loads a model file, reads rows of numbers from standard input (commas between them, nothing for a
// missing value) and writes each row's raw scores.
//
//   score_csv model.json < rows.csv
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

#include "spinney/spinney.h"

namespace {

std::vector<double> parse_row(const std::string& line) {
  std::vector<double> row;
  for (size_t start = 0; start <= line.size();) {
    const size_t end = std::min(line.find(',', start), line.size());
    const std::string field = line.substr(start, end - start);
    row.push_back(field.empty() ? std::nan("") : std::strtod(field.c_str(), nullptr));
    start = end + 1;
  }
  return row;
}

template <typename Number>
void print(const std::vector<Number>& scores, size_t columns) {
  for (size_t i = 0; i < scores.size(); ++i) {
    std::printf("%.17g%c", static_cast<double>(scores[i]), (i + 1) % columns == 0 ? '\n' : ',');
  }
}

template <typename Number>
bool score(const spinney::Model& model, const spinney::Rows& rows, size_t count) {
  std::vector<Number> scores(count * model.n_outputs());
  const spinney::Status status = model.predict_raw(rows, scores.data());
  if (!status) {
    std::cerr << status.error().message << '\n';
    return false;
  }
  print(scores, model.n_outputs());
  return true;
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 2) {
    std::cerr << "usage: score_csv MODEL < ROWS.csv\n";
    return 2;
  }
  auto model = spinney::Model::load(arguments[1]);
  if (!model) {
    std::cerr << model.error().message << '\n';
    return 1;
  }
  std::vector<double> values;
  size_t n_rows = 0;
  for (std::string line; std::getline(std::cin, line); ++n_rows) {
    const std::vector<double> row = parse_row(line);
    if (row.size() != model->n_features()) {
      std::cerr << "line " << n_rows + 1 << ": expected " << model->n_features()
                << " values, found " << row.size() << '\n';
      return 1;
    }
    values.insert(values.end(), row.begin(), row.end());
  }
  const auto rows = spinney::dense_rows(values.data(), n_rows, model->n_features());
  const bool narrow = model->description().score_type() == spinney::NumberType::kFloat32;
  const bool ok = narrow ? score<float>(*model, rows, n_rows) : score<double>(*model, rows, n_rows);
  return ok ? 0 : 1;
}
