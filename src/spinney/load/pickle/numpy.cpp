// numpy's arrays, scalars and dtypes as pickles hold them, and joblib's arrays beside the pickle.
// Numbers stay as the file has them: every array is a checked view.
#include <algorithm>

#include "spinney/base/checked_size.h"
#include "spinney/load/pickle/machine.h"

namespace spinney::load {
namespace {

constexpr size_t kAxesMax = 64;    // numpy 2
constexpr size_t kFieldsMax = 64;  // scikit-learn's nodes have up to 12

const Value* element(const List* list, size_t i) {
  return list && i < list->size() ? &(*list)[i] : nullptr;
}

std::string_view text_or_empty(const Value* value) {
  return value ? value->string().value_or("") : "";
}

}  // namespace

// A dtype is numpy.dtype("f8", False, True) with the state (version, byte order, subarray, names,
// fields, item size, ...), or a type of another package, whose elements nobody here reads.
Result<Dtype> PickleMachine::plain_dtype(const Record& record) {
  const Value* code = element(record.arguments, 0);
  if (record.name != "dtype" || !code || !code->string()) {
    Dtype other;
    other.text = "a type that numpy alone does not know";
    return other;
  }
  const std::string_view order = text_or_empty(element(record.state.list(), 1));
  std::optional<Dtype> dtype = parse_dtype(*code->string(), order);
  if (!dtype)
    return fail("a dtype is \"" + std::string(order) + std::string(*code->string()) +
                "\", which numpy never writes");
  return *std::move(dtype);
}

Status PickleMachine::describe_dtype(const Value& dtype, NdArray& array) {
  const Record* record = dtype.record();
  if (!record || record->package() != "numpy") return fail("a dtype is " + dtype.what());
  SPINNEY_ASSIGN(array.dtype, plain_dtype(*record));
  array.fields.clear();
  const List* state = record->state.list();
  const Value* names = element(state, 3);
  if (names && names->list()) return describe_fields(*state, array);
  return {};
}

Status PickleMachine::describe_fields(const List& state, NdArray& array) {
  const List& names = *state[3].list();
  const Value* fields = element(&state, 4);
  const Value* size = element(&state, 5);
  const std::optional<size_t> item_size = as_size(size ? size->integer().value_or(-1) : -1);
  if (!fields || !fields->dict() || !item_size || *item_size > kItemSizeMax ||
      names.size() > kFieldsMax || fields->dict()->items.size() > 2 * kFieldsMax)
    return fail("a structured dtype lacks its fields or their size, or has too many");
  // numpy.record and its like come by their class, the plain ones as "V64".
  if (array.dtype.kind != 0 && (array.dtype.kind != 'V' || array.dtype.item_size != *item_size))
    return fail("a structured dtype of " + std::to_string(*item_size) +
                " bytes an item calls itself " + array.dtype.text);
  SPINNEY_TRY(charge(names.size(), sizeof(NdArray::Field)));
  for (const Value& name : names) {
    SPINNEY_ASSIGN(NdArray::Field field, describe_field(name, *fields->dict(), *item_size));
    array.fields.push_back(std::move(field));
  }
  array.dtype.kind = 'V';
  array.dtype.swapped = false;
  array.dtype.item_size = *item_size;
  array.dtype.text = "|V" + std::to_string(*item_size);
  return {};
}

Result<NdArray::Field> PickleMachine::describe_field(const Value& name, const Dict& fields,
                                                     size_t item_size) {
  const Value* field = name.string() ? fields.find(*name.string()) : nullptr;
  const List* parts = field ? field->list() : nullptr;
  if (!parts || parts->size() < 2 || !(*parts)[0].record())
    return fail("a structured dtype's field is not described");
  NdArray::Field described;
  SPINNEY_TRY(charge(1, name.string()->size()));
  described.name = *name.string();
  SPINNEY_ASSIGN(described.dtype, plain_dtype(*(*parts)[0].record()));
  const std::optional<size_t> offset = as_size((*parts)[1].integer().value_or(-1));
  const std::optional<size_t> end =
      offset ? checked_sum(*offset, described.dtype.item_size) : std::nullopt;
  if (!end || *end > item_size)
    return fail("field " + described.name + " lies outside its " + std::to_string(item_size) +
                "-byte record");
  described.offset = *offset;
  return described;
}

Status PickleMachine::set_shape(const Value& shape, NdArray& array) {
  array.shape.clear();
  const List* extents = shape.list();
  if (!extents || extents->size() > kAxesMax) return fail("an array's shape is " + shape.what());
  SPINNEY_TRY(charge(extents->size(), sizeof(int64_t)));
  for (const Value& extent : *extents) {
    const int64_t n = extent.integer().value_or(-1);
    if (n < 0) return fail("an array's shape holds " + extent.what());
    array.shape.push_back(n);
  }
  if (!checked_product(std::span<const int64_t>(array.shape)))
    return fail("an array's shape has more elements than memory can hold");
  return {};
}

// How many bytes the elements take; more elements than the file has bytes are none.
Result<size_t> PickleMachine::array_bytes(const NdArray& array) const {
  const std::optional<size_t> bytes = checked_product(array.size(), array.dtype.item_size);
  if (!bytes || array.size() > bytes_.size())
    return fail("an array of " + std::to_string(array.size()) + " elements of " + array.dtype.text +
                " is larger than the file");
  return *bytes;
}

// Takes `data` for the array's elements if it holds exactly as many as the shape says.
Status PickleMachine::set_data(const Value& data, NdArray& array) {
  array.objects = nullptr;
  array.bytes = {};
  SPINNEY_ASSIGN(const size_t wanted, array_bytes(array));
  if (array.dtype.kind == 0) return {};
  const size_t count = array.size();
  if (array.dtype.is_object()) {
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
  if (bytes->size() != wanted)
    return fail("an array of " + std::to_string(count) + " elements of " + array.dtype.text +
                " holds " + std::to_string(bytes->size()) + " bytes");
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
  if (array->dtype.is_object()) return push(data);
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
  if (array->dtype.is_object()) {
    if (nested_ >= 4) return fail("pickles lie within pickles too deeply");
    PickleMachine inner(bytes_, position_, pickle_, nested_ + 1);
    auto held = inner.run();
    position_ = inner.position();
    return held;
  }
  if (array->dtype.kind == 0)
    return unsupported("joblib's array is of " + array->dtype.text + ", so its size is unknown");
  const Value* alignment = wrapper.find("numpy_array_alignment_bytes");
  if (alignment && !alignment->is_none()) {
    SPINNEY_ASSIGN(const uint8_t padding, take_number<uint8_t>());
    SPINNEY_TRY(take(padding));
  }
  array->fortran_order = order->string() == "F";
  SPINNEY_ASSIGN(const size_t bytes, array_bytes(*array));
  SPINNEY_ASSIGN(array->bytes, take(bytes));
  return Value(array);
}

}  // namespace spinney::load
