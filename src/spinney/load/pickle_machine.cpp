#include "spinney/load/pickle_machine.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>

#include "spinney/load/pickle_text.h"

namespace spinney::load {

// Reading ------------------------------------------------------------------------------------

Error PickleMachine::fail(const std::string& what) const {
  return corrupt("the pickle is damaged at byte " + std::to_string(position_) + ": " + what);
}

Result<std::span<const char>> PickleMachine::take(size_t n) {
  if (n > bytes_.size() - position_)
    return fail("it declares " + std::to_string(n) + " more bytes, but only " +
                std::to_string(bytes_.size() - position_) + " follow");
  const auto taken = bytes_.subspan(position_, n);
  position_ += n;
  return taken;
}

Result<std::string_view> PickleMachine::take_line() {
  const std::string_view rest(bytes_.data() + position_, bytes_.size() - position_);
  const size_t end = rest.find('\n');
  if (end == std::string_view::npos) return fail("a line does not end");
  position_ += end + 1;
  return rest.substr(0, end);
}

template <typename T>
Result<T> PickleMachine::take_number() {
  SPINNEY_ASSIGN(const auto taken, take(sizeof(T)));
  T value;
  std::memcpy(&value, taken.data(), sizeof(T));
  return value;
}

// Memory -------------------------------------------------------------------------------------

Status PickleMachine::charge(size_t bytes) {
  if (bytes > *bytes_left_)
    return too_large(
        "the pickle needs far more memory than a file of its size holds data for "
        "(stopped at byte " +
        std::to_string(position_) + ")");
  *bytes_left_ -= bytes;
  return {};
}

Result<List*> PickleMachine::new_list() {
  SPINNEY_TRY(charge(sizeof(List)));
  return &arena_.lists.emplace_back();
}

Result<Dict*> PickleMachine::new_dict() {
  SPINNEY_TRY(charge(sizeof(Dict)));
  return &arena_.dicts.emplace_back();
}

Result<Record*> PickleMachine::new_record(std::string_view module, std::string_view name) {
  SPINNEY_TRY(charge(sizeof(Record)));
  Record& record = arena_.records.emplace_back();
  record.module = module;
  record.name = name;
  return &record;
}

Result<NdArray*> PickleMachine::new_array() {
  SPINNEY_TRY(charge(sizeof(NdArray)));
  return &arena_.arrays.emplace_back();
}

Result<std::string_view> PickleMachine::keep(std::string text) {
  SPINNEY_TRY(charge(sizeof(std::string) + text.size()));
  return std::string_view(arena_.texts.emplace_back(std::move(text)));
}

// The stack ----------------------------------------------------------------------------------

Status PickleMachine::push(Value value) {
  stack_.push_back(std::move(value));
  return {};
}

Result<Value> PickleMachine::pop() {
  if (stack_.size() <= (marks_.empty() ? 0 : marks_.back())) return fail("its stack is empty");
  const Value value = stack_.back();
  stack_.pop_back();
  return value;
}

Result<Value*> PickleMachine::top() {
  if (stack_.size() <= (marks_.empty() ? 0 : marks_.back())) return fail("its stack is empty");
  return &stack_.back();
}

Result<size_t> PickleMachine::pop_mark() {
  if (marks_.empty()) return fail("no mark is set");
  const size_t first = marks_.back();
  marks_.pop_back();
  return first;
}

Result<List*> PickleMachine::list_from(size_t first) {
  SPINNEY_ASSIGN(List* const list, new_list());
  SPINNEY_TRY(charge((stack_.size() - first) * sizeof(Value)));
  list->assign(stack_.begin() + static_cast<ptrdiff_t>(first), stack_.end());
  stack_.resize(first);
  return list;
}

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

// Opcodes: containers ------------------------------------------------------------------------

Status PickleMachine::op_mark() {
  marks_.push_back(stack_.size());
  return {};
}

Status PickleMachine::op_pop() {
  if (!marks_.empty() && marks_.back() == stack_.size()) {
    marks_.pop_back();
    return {};
  }
  SPINNEY_TRY(pop());
  return {};
}

Status PickleMachine::op_pop_mark() {
  SPINNEY_ASSIGN(const size_t first, pop_mark());
  stack_.resize(first);
  return {};
}

Status PickleMachine::op_dup() {
  SPINNEY_ASSIGN(const Value* const value, top());
  return push(Value(*value));
}

Status PickleMachine::op_list() {
  SPINNEY_ASSIGN(const size_t first, pop_mark());
  SPINNEY_ASSIGN(List* const list, list_from(first));
  return push(Value(list));
}

template <size_t kCount>
Status PickleMachine::op_tuple_of() {
  if (stack_.size() < (marks_.empty() ? 0 : marks_.back()) + kCount)
    return fail("its stack is empty");
  SPINNEY_ASSIGN(List* const list, list_from(stack_.size() - kCount));
  return push(Value(list));
}

Status PickleMachine::op_empty_list() {
  SPINNEY_ASSIGN(List* const list, new_list());
  return push(Value(list));
}

Status PickleMachine::op_empty_dict() {
  SPINNEY_ASSIGN(Dict* const dict, new_dict());
  return push(Value(dict));
}

Status PickleMachine::op_dict() {
  SPINNEY_ASSIGN(const size_t first, pop_mark());
  SPINNEY_ASSIGN(Dict* const dict, new_dict());
  SPINNEY_TRY(set_items(Value(dict), first));
  return push(Value(dict));
}

Status PickleMachine::extend(const Value& target, size_t first) {
  List* list = nullptr;
  if (auto* const* held = std::get_if<List*>(&target.storage)) list = *held;
  if (auto* const* held = std::get_if<Record*>(&target.storage)) list = &(*held)->items;
  if (!list) return fail("it appends to " + target.what());
  SPINNEY_TRY(charge((stack_.size() - first) * sizeof(Value)));
  list->insert(list->end(), stack_.begin() + static_cast<ptrdiff_t>(first), stack_.end());
  stack_.resize(first);
  return {};
}

Status PickleMachine::set_items(const Value& target, size_t first) {
  Dict* dict = nullptr;
  if (auto* const* held = std::get_if<Dict*>(&target.storage)) dict = *held;
  if (auto* const* held = std::get_if<Record*>(&target.storage)) dict = &(*held)->entries;
  if (!dict) return fail("it sets items of " + target.what());
  if ((stack_.size() - first) % 2 != 0) return fail("a key has no value");
  SPINNEY_TRY(charge((stack_.size() - first) * sizeof(Value)));
  for (size_t i = first; i < stack_.size(); i += 2)
    dict->items.emplace_back(stack_[i], stack_[i + 1]);
  stack_.resize(first);
  return {};
}

Status PickleMachine::op_append() {
  if (stack_.size() < (marks_.empty() ? 0 : marks_.back()) + 2) return fail("its stack is empty");
  return extend(stack_[stack_.size() - 2], stack_.size() - 1);
}

Status PickleMachine::op_appends() {
  SPINNEY_ASSIGN(const size_t first, pop_mark());
  if (first == 0) return fail("its stack is empty");
  return extend(stack_[first - 1], first);
}

Status PickleMachine::op_setitem() {
  if (stack_.size() < (marks_.empty() ? 0 : marks_.back()) + 3) return fail("its stack is empty");
  return set_items(stack_[stack_.size() - 3], stack_.size() - 2);
}

Status PickleMachine::op_setitems() {
  SPINNEY_ASSIGN(const size_t first, pop_mark());
  if (first == 0) return fail("its stack is empty");
  return set_items(stack_[first - 1], first);
}

// Opcodes: the memo --------------------------------------------------------------------------

Status PickleMachine::remember(size_t index) {
  SPINNEY_ASSIGN(const Value* const value, top());
  // Picklers number the memo from 0 or 1 without gaps; a wild index would only cost memory.
  if (index > memo_.size() + 1024)
    return fail("memo entry " + std::to_string(index) + " is far beyond the " +
                std::to_string(memo_.size()) + " in use");
  if (index >= memo_.size()) memo_.resize(index + 1);
  memo_[index] = *value;
  return {};
}

Status PickleMachine::recall(size_t index) {
  if (index >= memo_.size())
    return fail("memo entry " + std::to_string(index) + " was never stored");
  return push(Value(memo_[index]));
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

Status PickleMachine::op_memoize() { return remember(memo_.size()); }

namespace {

std::optional<size_t> parse_index(std::string_view line) {
  size_t index = 0;
  const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), index);
  if (error != std::errc() || end != line.data() + line.size()) return std::nullopt;
  return index;
}

}  // namespace

Status PickleMachine::op_get_line() {
  SPINNEY_ASSIGN(const std::string_view line, take_line());
  const std::optional<size_t> index = parse_index(line);
  return index ? recall(*index) : Status(fail("not a memo index"));
}

Status PickleMachine::op_put_line() {
  SPINNEY_ASSIGN(const std::string_view line, take_line());
  const std::optional<size_t> index = parse_index(line);
  return index ? remember(*index) : Status(fail("not a memo index"));
}

// Opcodes: names, calls and states -----------------------------------------------------------

Status PickleMachine::push_global(std::string_view module, std::string_view name) {
  if (!is_utf8(module) || !is_utf8(name)) return fail("the name of a class is not UTF-8");
  SPINNEY_TRY(charge(sizeof(Value::Global)));
  const Value::Global& global = arena_.globals.emplace_back(Value::Global{module, name});
  return push(Value(&global));
}

Status PickleMachine::op_global() {
  SPINNEY_ASSIGN(const std::string_view module, take_line());
  SPINNEY_ASSIGN(const std::string_view name, take_line());
  return push_global(module, name);
}

Status PickleMachine::op_stack_global() {
  SPINNEY_ASSIGN(const Value name, pop());
  SPINNEY_ASSIGN(const Value module, pop());
  if (!name.string() || !module.string()) return fail("the name of a class is no str");
  return push_global(*module.string(), *name.string());
}

Status PickleMachine::op_inst() {
  SPINNEY_TRY(op_global());
  SPINNEY_ASSIGN(const Value callable, pop());
  SPINNEY_ASSIGN(const size_t first, pop_mark());
  SPINNEY_ASSIGN(List* const arguments, list_from(first));
  return push_instance(callable, Value(arguments), nullptr);
}

Status PickleMachine::op_obj() {
  SPINNEY_ASSIGN(const size_t first, pop_mark());
  if (stack_.size() <= first) return fail("its stack is empty");
  const Value callable = stack_[first];
  SPINNEY_ASSIGN(List* const arguments, list_from(first + 1));
  stack_.pop_back();
  return push_instance(callable, Value(arguments), nullptr);
}

Status PickleMachine::op_reduce() {
  SPINNEY_ASSIGN(const Value arguments, pop());
  SPINNEY_ASSIGN(const Value callable, pop());
  return push_instance(callable, arguments, nullptr);
}

Status PickleMachine::op_new() { return op_reduce(); }

Status PickleMachine::op_new_with_keywords() {
  SPINNEY_ASSIGN(const Value keywords, pop());
  SPINNEY_ASSIGN(const Value arguments, pop());
  SPINNEY_ASSIGN(const Value callable, pop());
  if (!keywords.dict()) return fail("keywords are " + keywords.what());
  return push_instance(callable, arguments, keywords.dict());
}

Status PickleMachine::op_build() {
  SPINNEY_ASSIGN(const Value state, pop());
  SPINNEY_ASSIGN(Value* const target, top());
  return build(*target, state);
}

Status PickleMachine::op_persistent() {
  return unsupported("the pickle refers to objects outside itself (a persistent id at byte " +
                     std::to_string(position_) +
                     "), as torch.save does; save the estimator with "
                     "pickle or joblib");
}

Status PickleMachine::op_extension() {
  return unsupported("the pickle uses copyreg's extension registry (byte " +
                     std::to_string(position_) + "), which is not part of the file");
}

Status PickleMachine::op_buffer() {
  return unsupported(
      "the pickle was written with a buffer_callback and leaves its arrays out of "
      "the file (byte " +
      std::to_string(position_) + "); save it without one");
}

Status PickleMachine::op_proto() {
  SPINNEY_ASSIGN(const uint8_t protocol, take_number<uint8_t>());
  if (protocol > 5)
    return unsupported("pickle protocol " + std::to_string(protocol) +
                       "; save with protocol 5 or less");
  return {};
}

// Frames only say how far to read ahead; their contents are checked as they come.
Status PickleMachine::op_frame() {
  SPINNEY_ASSIGN(const uint64_t length, take_number<uint64_t>());
  if (length > bytes_.size() - position_) return take(length).error();
  return {};
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

  void set(unsigned char opcode, Handler handler) { handlers[opcode] = handler; }

  void set_values() {
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

  void set_containers() {
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

  void set_the_rest() {
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

  Opcodes() {
    set_values();
    set_containers();
    set_the_rest();
  }
};

Result<Value> PickleMachine::run() {
  static const Opcodes kOpcodes;
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
