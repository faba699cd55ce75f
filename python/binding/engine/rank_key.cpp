#include "binding/engine/rank_key.h"

#include <nanobind/nanobind.h>
#include <nanobind/stl/unique_ptr.h>

#include <memory>
#include <string>
#include <utility>
#include <variant>

#include "binding/model/input.h"
#include "binding/model/model.h"
#include "spinney/base/checked_size.h"
#include "spinney/rank/row_key.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace spinney::binding {
namespace {

class RankKey {
 public:
  RankKey(nb::object model, const BoundModel& bound, std::shared_ptr<const rank::RowKey> key)
      : model_(std::move(model)), bound_(bound), key_(std::move(key)) {}

  // None for rows that are not dense numbers: their caller has another key to use.
  nb::object of(nb::handle x) const {
    Input input;
    if (!read_input(model_.ptr(), bound_, x.ptr(), input)) throw nb::python_error();
    if (input.kind == Input::Kind::kSparse || input.by_matrix) return nb::none();
    if (input.width != bound_.model.n_features()) {
      raise(invalid_argument("rows have " + std::to_string(input.width) +
                             " columns; the model has " +
                             std::to_string(bound_.model.n_features()) + " features"));
      throw nb::python_error();
    }
    const auto row_bytes = static_cast<Py_ssize_t>(key_->bytes());
    const auto count = static_cast<Py_ssize_t>(input.count);
    const std::optional<size_t> all_bytes = checked_product(count, row_bytes);
    if (!all_bytes) return nb::none();
    // A forest without splits has keys of no bytes, and the number of rows tells nothing then.
    if (row_bytes == 0) return nb::none();
    nb::object bytes =
        nb::steal(PyBytes_FromStringAndSize(nullptr, static_cast<Py_ssize_t>(*all_bytes)));
    if (!bytes.is_valid()) throw nb::python_error();
    auto* out = reinterpret_cast<uint8_t*>(PyBytes_AS_STRING(bytes.ptr()));
    const bool done = run(bound_, input, [&](const auto& rows, size_t first) -> Status {
      if constexpr (std::is_same_v<std::decay_t<decltype(rows)>, Rows>)
        for (size_t r = 0; r < rows.count; ++r)
          key_->write(rows, r, out + (first + r) * key_->bytes());
      return {};
    });
    if (!done) throw nb::python_error();
    return bytes;
  }
  size_t row_bytes() const { return key_->bytes(); }
  const std::shared_ptr<const rank::RowKey>& key() const { return key_; }

 private:
  nb::object model_;  // keeps bound_
  const BoundModel& bound_;
  std::shared_ptr<const rank::RowKey> key_;
};

// None if the model's answers are no function of ranks.
std::unique_ptr<RankKey> make(nb::object model) {
  const auto& bound = nb::cast<const BoundModel&>(model);
  const Description& description = bound.model.description();
  const auto* forest = std::get_if<Forest>(&description.scorer);
  if (!forest || !description.number_codes.empty() || description.category_tables) return nullptr;
  if (bound.wide) return nullptr;  // its answers depend on the rows' number type as well
  auto key = rank::RowKey::make(*forest);
  if (!key.ok()) return nullptr;
  return std::make_unique<RankKey>(std::move(model), bound, std::move(key).value());
}

}  // namespace

engine::RowKeys row_keys_of(PyObject* rank_key) {
  const std::shared_ptr<const rank::RowKey>& key =
      nb::cast<const RankKey&>(nb::handle(rank_key)).key();
  return {key->bytes(),
          [key](const Rows& rows, size_t row, uint8_t* to) { key->write(rows, row, to); }};
}

void define_rank_key(nb::module_& module) {
  nb::class_<RankKey>(module, "RankKey",
                      "Rows as bytes that are equal only if the model's answers are.")
      .def_static("make", &make, "model"_a,
                  "None for a model whose answers are no function of its thresholds' outcomes.")
      .def("of", &RankKey::of, "x"_a,
           "The key of dense rows, None for others. Not for strict=True, which looks at values.")
      .def_prop_ro("row_bytes", &RankKey::row_bytes, "Bytes of the key of one row.");
}

}  // namespace spinney::binding
