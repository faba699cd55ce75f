#include "spinney/load/xgboost/xgboost.h"

#include <new>
#include <stdexcept>

#include "spinney/load/document/document.h"
#include "spinney/load/file/budget.h"
#include "spinney/load/xgboost/binary.h"
#include "spinney/load/xgboost/model.h"

namespace spinney::load {
namespace {

// Memory running out is the one exception that reading can meet.
template <typename Read>
Result<Description> guarded(size_t file_bytes, Read&& read) {
  try {
    const BudgetOfFile budget(file_bytes);
    return read();
  } catch (const std::bad_alloc&) {
    return too_large("the model does not fit in memory");
  } catch (const std::length_error&) {
    return too_large("the model does not fit in memory");
  }
}

}  // namespace

Result<Description> read_xgboost_json(std::span<const char> bytes, const Choice& choice) {
  return guarded(bytes.size(), [&]() -> Result<Description> {
    SPINNEY_TRY(refuse_member(choice, "XGBoost's JSON"));
    SPINNEY_ASSIGN(const Document document, parse_json(bytes));
    SPINNEY_ASSIGN(DescriptionParts model,
                   xgboost::describe_file(document.root(), {"json", bytes.size(), choice, {}}));
    return make_description(std::move(model));
  });
}

Result<Description> read_xgboost_ubjson(std::span<const char> bytes, const Choice& choice) {
  return guarded(bytes.size(), [&]() -> Result<Description> {
    SPINNEY_TRY(refuse_member(choice, "XGBoost's UBJSON"));
    SPINNEY_ASSIGN(const Document document, parse_ubjson(bytes));
    SPINNEY_ASSIGN(DescriptionParts model,
                   xgboost::describe_file(document.root(), {"ubj", bytes.size(), choice, {}}));
    return make_description(std::move(model));
  });
}

Result<Description> read_xgboost_binary(std::span<const char> bytes, const Choice& choice) {
  return guarded(bytes.size(), [&]() -> Result<Description> {
    SPINNEY_TRY(refuse_member(choice, "XGBoost's binary format"));
    SPINNEY_ASSIGN(const xgboost::BinaryModel binary, xgboost::read_binary(bytes));
    SPINNEY_ASSIGN(const Document document, parse_ubjson(binary.ubjson));
    xgboost::ModelOptions options{"binary", bytes.size(), choice, {}};
    options.base_is_margin = binary.base_is_margin;
    SPINNEY_ASSIGN(DescriptionParts model,
                   xgboost::describe_file(document.root(), std::move(options)));
    return make_description(std::move(model));
  });
}

}  // namespace spinney::load
