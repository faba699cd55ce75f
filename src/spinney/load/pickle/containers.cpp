// The pickle machine's opcodes that build containers, remember, name, call and set states.
#include <charconv>

#include "spinney/base/utf8.h"
#include "spinney/load/pickle/machine.h"
#include "spinney/load/pickle/text.h"

namespace spinney::load {

// Opcodes: containers ------------------------------------------------------------------------

Status PickleMachine::op_mark() {
  SPINNEY_TRY(charge_growth(marks_, marks_.size() + 1));
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
  SPINNEY_TRY(charge_growth(*list, list->size() + stack_.size() - first));
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
  SPINNEY_TRY(charge_growth(dict->items, dict->items.size() + (stack_.size() - first) / 2));
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
  SPINNEY_TRY(charge_growth(memo_, index + 1));
  if (index >= memo_.size()) memo_.resize(index + 1);
  memo_[index] = *value;
  return {};
}

Status PickleMachine::recall(size_t index) {
  if (index >= memo_.size())
    return fail("memo entry " + std::to_string(index) + " was never stored");
  return push(Value(memo_[index]));
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
  SPINNEY_TRY(charge(1, sizeof(Value::Global), 1));
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

}  // namespace spinney::load
