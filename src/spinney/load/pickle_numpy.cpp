// numpy's arrays, scalars and dtypes as pickles hold them, and joblib's arrays beside the pickle.
// Numbers stay as the file has them: every array is a checked view.
#include <algorithm>

#include "spinney/load/array_values.h"
#include "spinney/load/pickle_machine.h"

namespace spinney::load {
namespace {

constexpr int64_t kExtentMax = int64_t{1} << 40;
constexpr size_t kFieldsMax = 64;  // scikit-learn's nodes have up to 12

const Value* element(const List* list, size_t i) {
  return list && i < list->size() ? &(*list)[i] : nullptr;
}

std::string_view text_or_empty(const Value* value) {
  return value ? value->string().value_or("") : "";
}

// "f8" with byte order "<" -> "<f8"; object and single-byte types have no byte order.
std::string spell_dtype(std::string_view code, std::string_view order) {
  if (!code.empty() && std::string_view("<>|=").find(code[0]) != std::string_view::npos) {
    order = code.substr(0, 1);
    code.remove_prefix(1);
  }
  if (code == "O8" || code == "O4") code = "O";
  if (code == "?") code = "b1";
  const bool no_order = code == "O" || code == "b1" || code == "i1" || code == "u1" ||
                        code.starts_with('S') || code.starts_with('V');
  if (order.empty() || order == "=") order = "<";
  return std::string(no_order ? "|" : order) + std::string(code);
}

}  // namespace

// A dtype is numpy.dtype("f8", False, True) with the state (version, byte order, subarray, names,
// fields, item size, ...). Kinds that no reader needs keep an item size of zero.
Status PickleMachine::describe_dtype(const Value& dtype, NdArray& array) {
  const Record* record = dtype.record();
  if (!record || record->package() != "numpy") return fail("a dtype is " + dtype.what());
  const List* state = record->state.list();
  array.dtype =
      spell_dtype(text_or_empty(element(record->arguments, 0)), text_or_empty(element(state, 1)));
  array.item_size = item_size_of(array.dtype);
  array.fields.clear();
  const Value* names = element(state, 3);
  if (names && names->list()) return describe_fields(*state, array);
  return {};
}

Status PickleMachine::describe_fields(const List& state, NdArray& array) {
  const List& names = *state[3].list();
  const Value* fields = element(&state, 4);
  const Value* size = element(&state, 5);
  const int64_t item_size = size ? size->integer().value_or(-1) : -1;
  if (!fields || !fields->dict() || item_size < 0 || item_size > kExtentMax ||
      names.size() > kFieldsMax || fields->dict()->items.size() > 2 * kFieldsMax)
    return fail("a structured dtype lacks its fields or their size, or has too many");
  SPINNEY_TRY(charge(names.size() * sizeof(NdArray::Field)));
  for (const Value& name : names) {
    const Value* field = name.string() ? fields->dict()->find(*name.string()) : nullptr;
    const List* parts = field ? field->list() : nullptr;
    if (!parts || parts->size() < 2 || !(*parts)[0].record())
      return fail("a structured dtype's field is not described");
    const Record& inner = *(*parts)[0].record();
    const List* inner_state = inner.state.list();
    NdArray::Field described;
    described.name = *name.string();
    described.dtype = spell_dtype(text_or_empty(element(inner.arguments, 0)),
                                  text_or_empty(element(inner_state, 1)));
    const int64_t offset = (*parts)[1].integer().value_or(-1);
    const size_t width = item_size_of(described.dtype);
    if (offset < 0 || width > static_cast<size_t>(item_size) ||
        static_cast<size_t>(offset) > static_cast<size_t>(item_size) - width)
      return fail("field " + described.name + " lies outside its " + std::to_string(item_size) +
                  "-byte record");
    described.offset = static_cast<size_t>(offset);
    array.fields.push_back(std::move(described));
  }
  array.item_size = static_cast<size_t>(item_size);
  array.dtype = "|V" + std::to_string(item_size);  // never a number's, whose size may be another
  return {};
}

Status PickleMachine::set_shape(const Value& shape, NdArray& array) {
  array.shape.clear();
  const List* extents = shape.list();
  if (!extents || extents->size() > 64) return fail("an array's shape is " + shape.what());
  int64_t product = 1;
  for (const Value& extent : *extents) {
    const int64_t n = extent.integer().value_or(-1);
    if (n < 0 || n > kExtentMax) return fail("an array's shape holds " + extent.what());
    if (n > 0 && product > kExtentMax / n) return fail("an array has too many elements");
    product *= std::max<int64_t>(n, 1);
    array.shape.push_back(n);
  }
  return {};
}

// Takes `data` for the array's elements if it holds exactly as many as the shape says.
Status PickleMachine::set_data(const Value& data, NdArray& array) {
  const size_t count = array.size();
  array.objects = nullptr;
  array.bytes = {};
  if (array.dtype == "|O") {
    if (!data.list() || data.list()->size() != count)
      return fail("an object array of " + std::to_string(count) + " elements holds " + data.what());
    array.objects = data.list();
    return {};
  }
  const auto bytes = data.bytes();
  if (!bytes)
    return fail("an array's data is " + data.what() +
                (data.string() ? ", as Python 2 wrote it; "
                                 "load it with Python 3 and save it again"
                               : ""));
  // Elements without a size (empty strings, unknown kinds) must not be counted without end.
  const bool known = array.item_size > 0 && count <= bytes_.size();
  if (array.item_size == 0 && count > bytes_.size()) return fail("an array is too large");
  if (array.item_size > 0 && (!known || bytes->size() != count * array.item_size))
    return fail("an array of " + std::to_string(count) + " elements of " + array.dtype + " holds " +
                std::to_string(bytes->size()) + " bytes");
  array.bytes = *bytes;
  return {};
}

// (version, shape, dtype, is_fortran, data), or without the version as old numpy wrote it.
Status PickleMachine::build_array(const List& state, NdArray& array) {
  const size_t skip = state.size() == 5 ? 1 : 0;
  if (state.size() != 4 + skip) return fail("a numpy array's state has another length");
  SPINNEY_TRY(set_shape(state[skip], array));
  SPINNEY_TRY(describe_dtype(state[skip + 1], array));
  const Value& fortran = state[skip + 2];
  array.fortran_order = fortran.integer().value_or(0) != 0;
  return set_data(state[skip + 3], array);
}

Status PickleMachine::push_scalar(const List& arguments) {
  if (arguments.empty() || arguments.size() > 2) return fail("a numpy scalar lacks its dtype");
  SPINNEY_ASSIGN(NdArray* const array, new_array());
  SPINNEY_TRY(describe_dtype(arguments[0], *array));
  const Value data = arguments.size() == 2 ? arguments[1] : Value(Value::ByteString{});
  if (array->dtype == "|O") return push(data);
  SPINNEY_TRY(set_data(data, *array));
  return push(Value(array));
}

// _frombuffer(buffer, dtype, shape, order[, axis_order]): protocol 5's contiguous arrays.
Status PickleMachine::push_from_buffer(const List& arguments) {
  if (arguments.size() < 4) return fail("a numpy array lacks its shape or order");
  SPINNEY_ASSIGN(NdArray* const array, new_array());
  SPINNEY_TRY(set_shape(arguments[2], *array));
  SPINNEY_TRY(describe_dtype(arguments[1], *array));
  const std::string_view order = text_or_empty(&arguments[3]);
  if (order != "C" && order != "F" && order != "A")
    return unsupported("an array is stored with its axes in the order " + std::string(order) +
                       "; save the model with pickle protocol 4");
  array->fortran_order = order == "F";
  SPINNEY_TRY(set_data(arguments[0], *array));
  return push(Value(array));
}

// joblib writes a NumpyArrayWrapper, then the array itself behind the opcode that builds it:
// padding and raw elements, or for objects another pickle.
Result<Value> PickleMachine::read_joblib_array(const Record& wrapper) {
  pickle_.is_joblib = true;
  const Value* shape = wrapper.find("shape");
  const Value* dtype = wrapper.find("dtype");
  const Value* order = wrapper.find("order");
  if (!shape || !dtype || !order) return fail("joblib's array lacks its shape, dtype or order");
  SPINNEY_ASSIGN(NdArray* const array, new_array());
  SPINNEY_TRY(set_shape(*shape, *array));
  SPINNEY_TRY(describe_dtype(*dtype, *array));
  if (array->dtype == "|O") {
    if (nested_ >= 4) return fail("pickles lie within pickles too deeply");
    PickleMachine inner(bytes_, position_, pickle_, bytes_left_, nested_ + 1);
    auto held = inner.run();
    position_ = inner.position();
    return held;
  }
  if (array->item_size == 0 && array->size() > 0)
    return unsupported("joblib's array is of dtype " + array->dtype + ", whose size is unknown");
  const Value* alignment = wrapper.find("numpy_array_alignment_bytes");
  if (alignment && !alignment->is_none()) {
    SPINNEY_ASSIGN(const uint8_t padding, take_number<uint8_t>());
    SPINNEY_TRY(take(padding));
  }
  array->fortran_order = order->string() == "F";
  if (array->size() > bytes_.size()) return fail("an array is larger than the file");
  SPINNEY_ASSIGN(array->bytes, take(array->size() * array->item_size));
  return Value(array);
}

}  // namespace spinney::load
