// The pickle machine: a stack, marks and a memo, as CPython's pickletools documents them, over
// Values instead of live objects. pickle_calls.cpp says what calls and states become.
#pragma once

#include <algorithm>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "spinney/load/pickle/pickle.h"

namespace spinney::load {

class PickleMachine {
 public:
  PickleMachine(std::span<const char> bytes, size_t position, Pickle& pickle, unsigned nested)
      : bytes_(bytes),
        position_(position),
        pickle_(pickle),
        arena_(*pickle.arena),
        nested_(nested) {}

  // Runs to the STOP that belongs to where it began.
  Result<Value> run();
  size_t position() const { return position_; }

 private:
  using Handler = Status (PickleMachine::*)();
  struct Opcodes;
  friend struct Opcodes;

  // Reading: everything is checked against the bytes that are really there.
  Error fail(const std::string& what) const;
  Result<std::span<const char>> take(size_t n);
  Result<std::string_view> take_line();
  template <typename T>
  Result<T> take_number();

  // Memory: everything made is charged to the file's budget.
  Status charge(size_t count, size_t item_bytes, size_t objects = 0);
  template <typename T>
  Status charge_growth(const std::vector<T>& values, size_t wanted);
  Result<List*> new_list();
  Result<Dict*> new_dict();
  Result<Record*> new_record(std::string_view module, std::string_view name);
  Result<NdArray*> new_array();
  Result<std::string_view> keep(std::string text);

  // The stack.
  Status push(Value value);
  Result<Value> pop();
  Result<Value*> top();
  Result<size_t> pop_mark();
  Result<List*> list_from(size_t first);

  // Opcodes.
  template <Value (*kMake)()>
  Status op_constant();
  template <typename T>
  Status op_integer();
  template <typename Length>
  Status op_text();
  template <typename Length>
  Status op_bytes();
  template <typename Length>
  Status op_long();
  template <size_t kCount>
  Status op_tuple_of();
  template <typename Index>
  Status op_get();
  template <typename Index>
  Status op_put();
  Status op_proto();
  Status op_frame();
  Status op_mark();
  Status op_pop();
  Status op_pop_mark();
  Status op_dup();
  Status op_int_line();
  Status op_long_line();
  Status op_float_line();
  Status op_float();
  Status op_string_line();
  Status op_unicode_line();
  Status op_list();
  Status op_empty_list();
  Status op_empty_dict();
  Status op_dict();
  Status op_append();
  Status op_appends();
  Status op_setitem();
  Status op_setitems();
  Status op_get_line();
  Status op_put_line();
  Status op_memoize();
  Status op_global();
  Status op_stack_global();
  Status op_inst();
  Status op_obj();
  Status op_reduce();
  Status op_new();
  Status op_new_with_keywords();
  Status op_build();
  Status op_persistent();
  Status op_extension();
  Status op_buffer();

  Status push_text(std::string_view text);
  Status push_global(std::string_view module, std::string_view name);
  Status remember(size_t index);
  Status recall(size_t index);
  Status extend(const Value& target, size_t first);
  Status set_items(const Value& target, size_t first);

  // Calls and states (pickle_calls.cpp).
  Status push_instance(const Value& callable, const Value& arguments, const Dict* keywords);
  Result<bool> push_known_call(const Value::Global& callable, const List& arguments);
  Result<bool> push_dill_call(std::string_view name, const List& arguments);
  Status push_bytes_call(const List& arguments);
  Status push_dict_call(const List& arguments);
  Status build(Value& target, const Value& state);

  // numpy and joblib (pickle_numpy.cpp).
  Result<Dtype> plain_dtype(const Record& record);
  Status describe_dtype(const Value& dtype, NdArray& array);
  Status describe_fields(const List& state, NdArray& array);
  Result<NdArray::Field> describe_field(const Value& name, const Dict& fields, size_t item_size);
  Result<size_t> array_bytes(const NdArray& array) const;
  Status set_shape(const Value& shape, NdArray& array);
  Status set_data(const Value& data, NdArray& array);
  Status build_array(const List& state, NdArray& array);
  Status push_scalar(const List& arguments);
  Status push_from_buffer(const List& arguments);
  Result<Value> read_joblib_array(const Record& wrapper);

  std::span<const char> bytes_;
  size_t position_;
  Pickle& pickle_;
  Pickle::Arena& arena_;
  unsigned nested_;
  std::vector<Value> stack_;
  std::vector<size_t> marks_;
  std::vector<Value> memo_;
};

// The next doubling of a vector is paid for when it comes, so that the usual push costs nothing.
template <typename T>
Status PickleMachine::charge_growth(const std::vector<T>& values, size_t wanted) {
  if (wanted <= values.capacity()) return {};
  return charge(std::max(wanted, 2 * values.capacity()) - values.capacity(), sizeof(T));
}

template <typename T>
Result<T> PickleMachine::take_number() {
  SPINNEY_ASSIGN(const auto taken, take(sizeof(T)));
  T value;
  std::memcpy(&value, taken.data(), sizeof(T));
  return value;
}

}  // namespace spinney::load
