// The tables of a .cbm file as FlatBuffers lays them out, checked by its own Verifier.
//
// Field numbers are those of CatBoost's schemas (model, features, ctr_data). Only fields that
// prediction needs are declared, and only those are verified: nothing else is ever looked at.
// Arrays are copied out byte by byte, since the Verifier does not look at their elements' places.
#pragma once

#include <flatbuffers/flatbuffers.h>

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

namespace spinney::load::catboost::flat {

using flatbuffers::Offset;
using flatbuffers::String;
using flatbuffers::Vector;
using flatbuffers::Verifier;

constexpr flatbuffers::voffset_t slot(unsigned field) {
  return static_cast<flatbuffers::voffset_t>(4 + 2 * field);
}

// What every table below is: fields by their numbers.
class Fields : protected flatbuffers::Table {
 protected:
  template <typename T>
  T number(unsigned field, T otherwise) const {
    return GetField<T>(slot(field), otherwise);
  }
  std::string text(unsigned field) const {
    const auto* found = GetPointer<const String*>(slot(field));
    return found ? found->str() : std::string();
  }
  template <typename T>
  std::vector<T> array(unsigned field) const {
    const auto* found = GetPointer<const Vector<T>*>(slot(field));
    std::vector<T> out(found ? found->size() : 0);
    if (!out.empty()) std::memcpy(out.data(), found->Data(), out.size() * sizeof(T));
    return out;
  }
  template <typename T>
  const Vector<Offset<T>>* tables(unsigned field) const {
    return GetPointer<const Vector<Offset<T>>*>(slot(field));
  }
  template <typename T>
  const T* table(unsigned field) const {
    return GetPointer<const T*>(slot(field));
  }

  template <typename T>
  bool holds_number(const Verifier& verifier, unsigned field) const {
    return VerifyField<T>(verifier, slot(field), sizeof(T));
  }
  bool holds_text(const Verifier& verifier, unsigned field) const {
    return VerifyOffset(verifier, slot(field)) &&
           verifier.VerifyString(GetPointer<const String*>(slot(field)));
  }
  template <typename T>
  bool holds_array(const Verifier& verifier, unsigned field) const {
    return VerifyOffset(verifier, slot(field)) &&
           verifier.VerifyVector(GetPointer<const Vector<T>*>(slot(field)));
  }
  template <typename T>
  bool holds_tables(Verifier& verifier, unsigned field) const {
    return VerifyOffset(verifier, slot(field)) && verifier.VerifyVector(tables<T>(field)) &&
           verifier.VerifyVectorOfTables(tables<T>(field));
  }
  bool holds_texts(const Verifier& verifier, unsigned field) const {
    if (!VerifyOffset(verifier, slot(field))) return false;
    const auto* found = GetPointer<const Vector<Offset<String>>*>(slot(field));
    return verifier.VerifyVector(found) && verifier.VerifyVectorOfStrings(found);
  }
  template <typename T>
  bool holds_table(Verifier& verifier, unsigned field) const {
    return VerifyOffset(verifier, slot(field)) && verifier.VerifyTable(table<T>(field));
  }
};

// Verify() is the name by which FlatBuffers calls what its own compiler would generate.
struct FloatFeature : Fields {
  bool has_nans() const { return number<uint8_t>(0, 0) != 0; }
  int32_t index() const { return number<int32_t>(1, -1); }
  int32_t flat_index() const { return number<int32_t>(2, -1); }
  std::vector<float> borders() const { return array<float>(3); }
  std::string name() const { return text(4); }
  int8_t nan_treatment() const { return number<int8_t>(5, 0); }
  bool Verify(Verifier& verifier) const {
    return VerifyTableStart(verifier) && holds_number<uint8_t>(verifier, 0) &&
           holds_number<int32_t>(verifier, 1) && holds_number<int32_t>(verifier, 2) &&
           holds_array<float>(verifier, 3) && holds_text(verifier, 4) &&
           holds_number<int8_t>(verifier, 5) && verifier.EndTable();
  }
};

// A categorical, text or embedding feature: an index among its kind, one among all, and a name.
struct NamedFeature : Fields {
  int32_t index() const { return number<int32_t>(0, -1); }
  int32_t flat_index() const { return number<int32_t>(1, -1); }
  std::string name() const { return text(2); }
  bool Verify(Verifier& verifier) const {
    return VerifyTableStart(verifier) && holds_number<int32_t>(verifier, 0) &&
           holds_number<int32_t>(verifier, 1) && holds_text(verifier, 2) && verifier.EndTable();
  }
};

// A feature that CatBoost computes from text or embeddings: only whether there are any counts.
struct EstimatedFeature : Fields {
  bool Verify(Verifier& verifier) const {
    return VerifyTableStart(verifier) && verifier.EndTable();
  }
};

struct OneHotFeature : Fields {
  int32_t index() const { return number<int32_t>(0, -1); }
  std::vector<int32_t> values() const { return array<int32_t>(1); }
  bool Verify(Verifier& verifier) const {
    return VerifyTableStart(verifier) && holds_number<int32_t>(verifier, 0) &&
           holds_array<int32_t>(verifier, 1) && verifier.EndTable();
  }
};

// Pairs of 4-byte numbers, which FlatBuffers has as structures: a feature and a border or value.
using Pair = uint64_t;

struct Combination : Fields {
  std::vector<int32_t> categories() const { return array<int32_t>(0); }
  std::vector<Pair> float_tests() const { return array<Pair>(1); }
  std::vector<Pair> one_hot_tests() const { return array<Pair>(2); }
  bool Verify(Verifier& verifier) const {
    return VerifyTableStart(verifier) && holds_array<int32_t>(verifier, 0) &&
           holds_array<Pair>(verifier, 1) && holds_array<Pair>(verifier, 2) && verifier.EndTable();
  }
};

struct CtrBase : Fields {
  const Combination* combination() const { return table<Combination>(0); }
  int8_t type() const { return number<int8_t>(1, 0); }
  int32_t classifier() const { return number<int32_t>(2, 0); }  // by which targets were cut
  bool Verify(Verifier& verifier) const {
    return VerifyTableStart(verifier) && holds_table<Combination>(verifier, 0) &&
           holds_number<int8_t>(verifier, 1) && holds_number<int32_t>(verifier, 2) &&
           verifier.EndTable();
  }
};

struct Ctr : Fields {
  const CtrBase* base() const { return table<CtrBase>(0); }
  int32_t target_border() const { return number<int32_t>(1, 0); }
  float prior() const { return number<float>(2, 0); }
  float prior_denominator() const { return number<float>(3, 1); }
  float shift() const { return number<float>(4, 0); }
  float scale() const { return number<float>(5, 1); }
  bool Verify(Verifier& verifier) const {
    return VerifyTableStart(verifier) && holds_table<CtrBase>(verifier, 0) &&
           holds_number<int32_t>(verifier, 1) && holds_number<float>(verifier, 2) &&
           holds_number<float>(verifier, 3) && holds_number<float>(verifier, 4) &&
           holds_number<float>(verifier, 5) && verifier.EndTable();
  }
};

struct CtrFeature : Fields {
  const Ctr* ctr() const { return table<Ctr>(0); }
  std::vector<float> borders() const { return array<float>(1); }
  bool Verify(Verifier& verifier) const {
    return VerifyTableStart(verifier) && holds_table<Ctr>(verifier, 0) &&
           holds_array<float>(verifier, 1) && verifier.EndTable();
  }
};

// The root of one table of counts, a FlatBuffer of its own behind the model's.
struct CtrTable : Fields {
  const CtrBase* base() const { return table<CtrBase>(0); }
  std::vector<uint8_t> buckets() const { return array<uint8_t>(1); }
  std::vector<uint8_t> counts() const { return array<uint8_t>(2); }
  int32_t denominator() const { return number<int32_t>(3, 0); }
  int32_t n_classes() const { return number<int32_t>(4, 0); }
  bool Verify(Verifier& verifier) const {
    return VerifyTableStart(verifier) && holds_table<CtrBase>(verifier, 0) &&
           holds_array<uint8_t>(verifier, 1) && holds_array<uint8_t>(verifier, 2) &&
           holds_number<int32_t>(verifier, 3) && holds_number<int32_t>(verifier, 4) &&
           verifier.EndTable();
  }
};

struct Trees : Fields {
  int32_t dimension() const { return number<int32_t>(0, 0); }
  std::vector<int32_t> splits() const { return array<int32_t>(1); }
  std::vector<int32_t> sizes() const { return array<int32_t>(2); }
  std::vector<int32_t> starts() const { return array<int32_t>(3); }
  const Vector<Offset<NamedFeature>>* categories() const { return tables<NamedFeature>(4); }
  const Vector<Offset<FloatFeature>>* floats() const { return tables<FloatFeature>(5); }
  const Vector<Offset<OneHotFeature>>* one_hots() const { return tables<OneHotFeature>(6); }
  const Vector<Offset<CtrFeature>>* ctrs() const { return tables<CtrFeature>(7); }
  std::vector<double> leaf_values() const { return array<double>(8); }
  std::vector<uint32_t> steps() const { return array<uint32_t>(10); }  // left | right << 16
  std::vector<uint32_t> leaf_of_node() const { return array<uint32_t>(11); }
  const Vector<Offset<NamedFeature>>* texts() const { return tables<NamedFeature>(12); }
  const Vector<Offset<EstimatedFeature>>* estimated() const { return tables<EstimatedFeature>(13); }
  double scale() const { return number<double>(14, 1); }
  double bias() const { return number<double>(15, 0); }
  std::vector<double> biases() const { return array<double>(16); }
  const Vector<Offset<NamedFeature>>* embeddings() const { return tables<NamedFeature>(18); }
  bool Verify(Verifier& verifier) const {
    return VerifyTableStart(verifier) && holds_number<int32_t>(verifier, 0) &&
           holds_array<int32_t>(verifier, 1) && holds_array<int32_t>(verifier, 2) &&
           holds_array<int32_t>(verifier, 3) && holds_tables<NamedFeature>(verifier, 4) &&
           holds_tables<FloatFeature>(verifier, 5) && holds_tables<OneHotFeature>(verifier, 6) &&
           holds_tables<CtrFeature>(verifier, 7) && holds_array<double>(verifier, 8) &&
           holds_array<uint32_t>(verifier, 10) && holds_array<uint32_t>(verifier, 11) &&
           holds_tables<NamedFeature>(verifier, 12) &&
           holds_tables<EstimatedFeature>(verifier, 13) && holds_number<double>(verifier, 14) &&
           holds_number<double>(verifier, 15) && holds_array<double>(verifier, 16) &&
           holds_tables<NamedFeature>(verifier, 18) && verifier.EndTable();
  }
};

struct KeyValue : Fields {
  std::string key() const { return text(0); }
  std::string value() const { return text(1); }
  bool Verify(Verifier& verifier) const {
    return VerifyTableStart(verifier) && holds_text(verifier, 0) && holds_text(verifier, 1) &&
           verifier.EndTable();
  }
};

struct Core : Fields {
  std::string format_version() const { return text(0); }
  const Trees* trees() const { return table<Trees>(1); }
  const Vector<Offset<KeyValue>>* info() const { return tables<KeyValue>(2); }
  const Vector<Offset<String>>* parts() const {
    return GetPointer<const Vector<Offset<String>>*>(slot(3));
  }
  bool Verify(Verifier& verifier) const {
    return VerifyTableStart(verifier) && holds_text(verifier, 0) &&
           holds_table<Trees>(verifier, 1) && holds_tables<KeyValue>(verifier, 2) &&
           holds_texts(verifier, 3) && verifier.EndTable();
  }
};

}  // namespace spinney::load::catboost::flat
