// Reading a fitted estimator's attributes: each function names the class and attribute in its
// error.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "spinney/base/result.h"
#include "spinney/load/pickle/record.h"
#include "spinney/model/description.h"

namespace spinney::load {

// The attribute's value; nullptr if it is absent or None.
const Value* optional_attribute(const Record& record, std::string_view name);

// The attribute, or an error if it is absent, None or of another kind.
Result<const Value*> attribute(const Record& record, std::string_view name);
Result<double> number_attribute(const Record& record, std::string_view name);
Result<int64_t> integer_attribute(const Record& record, std::string_view name);
// The same, within [0, max].
Result<uint32_t> count_attribute(const Record& record, std::string_view name,
                                 uint32_t max = 1u << 24);
Result<std::string> text_attribute(const Record& record, std::string_view name);
Result<const Record*> record_attribute(const Record& record, std::string_view name);
Result<const NdArray*> array_attribute(const Record& record, std::string_view name);
// Elements of a list, tuple or object array.
Result<const List*> list_attribute(const Record& record, std::string_view name);

// Elements in row-major order of a numeric array (any order and type), list or single number.
// `what` stands in the error message.
Result<std::vector<double>> to_doubles(const Value& value, const std::string& what);
Result<std::vector<int64_t>> to_integers(const Value& value, const std::string& what);
// Strings of a list, a "<U5" array or an object array.
Result<std::vector<std::string>> to_texts(const Value& value, const std::string& what);
// A classifier's labels of one target: `classes_`, whatever their type.
Result<Labels> to_labels(const Value& value, const std::string& what);
// Of a classifier of two classes that was trained on one of them: its score is still that of a
// second class, which has no name. That one gets the first one's, which no library gives twice.
void name_second_class(Labels& labels);

// "sklearn.ensemble._forest.RandomForestClassifier.n_features_in_"
std::string place(const Record& record, std::string_view attribute);

// Library, class, and the version that wrote it, with a warning where that is beyond those tested.
Status read_sklearn_source(const Record& record, DescriptionParts& description);
// Whether the record says that scikit-learn before major.minor wrote it.
bool written_before(const Record& record, int major, int minor);
// feature_names_in_, if there.
Status read_feature_names(const Record& record, uint32_t n_features, DescriptionParts& description);
// Both of these and the number of features: n_features_in_, or n_features_ before 1.0.
Status read_sklearn_common(const Record& record, DescriptionParts& description,
                           uint32_t& n_features);

}  // namespace spinney::load
