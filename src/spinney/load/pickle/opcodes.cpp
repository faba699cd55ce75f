// The pickle machine's opcodes for plain values, the table of all opcodes, and the loop over it.
#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>

#include "spinney/base/utf8.h"
#include "spinney/load/pickle/machine.h"
#include "spinney/load/pickle/text.h"

namespace spinney::load {

// Opcodes: plain values ----------------------------------------------------------------------

template <Value (*kMake)()>
Status PickleMachine::op_constant() {
  return push(kMake());
}

template <typename T>
Status PickleMachine::op_integer() {
  SPINNEY_ASSIGN(const T value, take_number<T>());
  return push(Value(int64_t{value}));
}

template <typename Length>
Status PickleMachine::op_text() {
  SPINNEY_ASSIGN(const Length length, take_number<Length>());
  SPINNEY_ASSIGN(const auto taken, take(length));
  return push_text({taken.data(), taken.size()});
}

template <typename Length>
Status PickleMachine::op_bytes() {
  SPINNEY_ASSIGN(const Length length, take_number<Length>());
  SPINNEY_ASSIGN(const auto taken, take(length));
  return push(Value(Value::ByteString{taken}));
}

template <typename Length>
Status PickleMachine::op_long() {
  SPINNEY_ASSIGN(const Length length, take_number<Length>());
  SPINNEY_ASSIGN(const auto taken, take(length));
  if (length > 8) return push(Value(Value::BigInteger{taken}));
  const bool negative = length > 0 && (taken[length - 1] & 0x80);
  uint64_t value = negative ? ~uint64_t{0} : 0;
  std::memcpy(&value, taken.data(), taken.size());
  return push(Value(static_cast<int64_t>(value)));
}

Status PickleMachine::op_int_line() {
  SPINNEY_ASSIGN(const std::string_view line, take_line());
  if (line == "00") return push(Value(false));
  if (line == "01") return push(Value(true));
  int64_t value = 0;
  const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), value);
  if (error != std::errc() || end != line.data() + line.size()) return fail("not an integer");
  return push(Value(value));
}

Status PickleMachine::op_long_line() {
  SPINNEY_ASSIGN(std::string_view line, take_line());
  if (line.ends_with('L')) line.remove_suffix(1);
  int64_t value = 0;
  const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), value);
  if (error == std::errc::result_out_of_range) return push(Value(Value::BigInteger{line}));
  if (error != std::errc() || end != line.data() + line.size()) return fail("not an integer");
  return push(Value(value));
}

Status PickleMachine::op_float_line() {
  SPINNEY_ASSIGN(const std::string_view line, take_line());
  double value = 0;
  const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), value);
  if (error != std::errc() || end != line.data() + line.size()) return fail("not a float");
  return push(Value(value));
}

Status PickleMachine::op_float() {
  SPINNEY_ASSIGN(const auto taken, take(8));
  char reversed[8];
  std::reverse_copy(taken.begin(), taken.end(), reversed);
  double value;
  std::memcpy(&value, reversed, 8);
  return push(Value(value));
}

Status PickleMachine::op_string_line() {
  SPINNEY_ASSIGN(const std::string_view line, take_line());
  std::optional<std::string> text = unquote(line);
  if (!text) return fail("a quoted string does not end or holds an unknown escape");
  SPINNEY_ASSIGN(const std::string_view kept, keep(*std::move(text)));
  return push_text(kept);
}

Status PickleMachine::op_unicode_line() {
  SPINNEY_ASSIGN(const std::string_view line, take_line());
  std::optional<std::string> text = decode_raw_unicode_escape(line);
  if (!text) return fail("a unicode line holds an unknown escape");
  SPINNEY_ASSIGN(const std::string_view kept, keep(*std::move(text)));
  return push_text(kept);
}

Status PickleMachine::push_text(std::string_view text) {
  // Python 2 strings and lone surrogates are no text; as bytes they stay readable.
  if (!is_utf8(text)) return push(Value(Value::ByteString{text}));
  return push(Value(Value::Text{text}));
}

template <typename Index>
Status PickleMachine::op_get() {
  SPINNEY_ASSIGN(const Index index, take_number<Index>());
  return recall(index);
}

template <typename Index>
Status PickleMachine::op_put() {
  SPINNEY_ASSIGN(const Index index, take_number<Index>());
  return remember(index);
}

template <size_t kCount>
Status PickleMachine::op_tuple_of() {
  if (stack_.size() < (marks_.empty() ? 0 : marks_.back()) + kCount)
    return fail("its stack is empty");
  SPINNEY_ASSIGN(List* const list, list_from(stack_.size() - kCount));
  return push(Value(list));
}

// The table ----------------------------------------------------------------------------------

namespace {

Value none() { return Value(); }
Value yes() { return Value(true); }
Value no() { return Value(false); }

}  // namespace

struct PickleMachine::Opcodes {
  using M = PickleMachine;
  std::array<Handler, 256> handlers{};

  constexpr void set(unsigned char opcode, Handler handler) { handlers[opcode] = handler; }

  constexpr void set_values() {
    set('N', &M::op_constant<none>);
    set(0x88, &M::op_constant<yes>);
    set(0x89, &M::op_constant<no>);
    set('I', &M::op_int_line);
    set('J', &M::op_integer<int32_t>);
    set('K', &M::op_integer<uint8_t>);
    set('M', &M::op_integer<uint16_t>);
    set('L', &M::op_long_line);
    set(0x8a, &M::op_long<uint8_t>);
    set(0x8b, &M::op_long<uint32_t>);
    set('F', &M::op_float_line);
    set('G', &M::op_float);
    set('S', &M::op_string_line);
    set('T', &M::op_text<uint32_t>);
    set('U', &M::op_text<uint8_t>);
    set('V', &M::op_unicode_line);
    set('X', &M::op_text<uint32_t>);
    set(0x8c, &M::op_text<uint8_t>);
    set(0x8d, &M::op_text<uint64_t>);
    set('B', &M::op_bytes<uint32_t>);
    set('C', &M::op_bytes<uint8_t>);
    set(0x8e, &M::op_bytes<uint64_t>);
    set(0x96, &M::op_bytes<uint64_t>);
  }

  constexpr void set_containers() {
    set('(', &M::op_mark);
    set('0', &M::op_pop);
    set('1', &M::op_pop_mark);
    set('2', &M::op_dup);
    set('l', &M::op_list);
    set('t', &M::op_list);
    set(0x91, &M::op_list);  // frozenset
    set(')', &M::op_empty_list);
    set(']', &M::op_empty_list);
    set(0x8f, &M::op_empty_list);  // set
    set(0x85, &M::op_tuple_of<1>);
    set(0x86, &M::op_tuple_of<2>);
    set(0x87, &M::op_tuple_of<3>);
    set('}', &M::op_empty_dict);
    set('d', &M::op_dict);
    set('a', &M::op_append);
    set('e', &M::op_appends);
    set(0x90, &M::op_appends);  // to a set
    set('s', &M::op_setitem);
    set('u', &M::op_setitems);
  }

  constexpr void set_the_rest() {
    set('g', &M::op_get_line);
    set('h', &M::op_get<uint8_t>);
    set('j', &M::op_get<uint32_t>);
    set('p', &M::op_put_line);
    set('q', &M::op_put<uint8_t>);
    set('r', &M::op_put<uint32_t>);
    set(0x94, &M::op_memoize);
    set('c', &M::op_global);
    set(0x93, &M::op_stack_global);
    set('i', &M::op_inst);
    set('o', &M::op_obj);
    set('R', &M::op_reduce);
    set(0x81, &M::op_new);
    set(0x92, &M::op_new_with_keywords);
    set('b', &M::op_build);
    set('P', &M::op_persistent);
    set('Q', &M::op_persistent);
    for (const unsigned char code : {0x82, 0x83, 0x84}) set(code, &M::op_extension);
    for (const unsigned char code : {0x97, 0x98}) set(code, &M::op_buffer);
    set(0x80, &M::op_proto);
    set(0x95, &M::op_frame);
  }

  constexpr Opcodes() {
    set_values();
    set_containers();
    set_the_rest();
  }
};

Result<Value> PickleMachine::run() {
  static constexpr Opcodes kOpcodes;
  for (;;) {
    SPINNEY_ASSIGN(const auto opcode, take_number<uint8_t>());
    if (opcode == '.') break;
    const Handler handler = kOpcodes.handlers[opcode];
    if (!handler) {
      --position_;
      return fail("unknown opcode " + std::to_string(opcode));
    }
    SPINNEY_TRY((this->*handler)());
  }
  if (!marks_.empty()) return fail("it stops inside a list or tuple");
  return pop();
}

}  // namespace spinney::load
