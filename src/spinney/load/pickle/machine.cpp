#include "spinney/load/pickle/machine.h"

#include <algorithm>

#include "spinney/base/checked_size.h"

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

// Memory -------------------------------------------------------------------------------------

Status PickleMachine::charge(size_t count, size_t item_bytes, size_t objects) {
  const std::optional<size_t> bytes = checked_product(count, item_bytes);
  if (bytes && pickle_.budget.take(*bytes, objects)) return {};
  return too_large(
      "the pickle needs far more memory or objects than a file of its size holds data for "
      "(stopped at byte " +
      std::to_string(position_) + ")");
}

Result<List*> PickleMachine::new_list() {
  SPINNEY_TRY(charge(1, sizeof(List), 1));
  return &arena_.lists.emplace_back();
}

Result<Dict*> PickleMachine::new_dict() {
  SPINNEY_TRY(charge(1, sizeof(Dict), 1));
  return &arena_.dicts.emplace_back();
}

Result<Record*> PickleMachine::new_record(std::string_view module, std::string_view name) {
  SPINNEY_TRY(charge(1, sizeof(Record), 1));
  Record& record = arena_.records.emplace_back();
  record.module = module;
  record.name = name;
  return &record;
}

Result<NdArray*> PickleMachine::new_array() {
  SPINNEY_TRY(charge(1, sizeof(NdArray), 1));
  return &arena_.arrays.emplace_back();
}

Result<std::string_view> PickleMachine::keep(std::string text) {
  SPINNEY_TRY(charge(1, sizeof(std::string) + text.size(), 1));
  return std::string_view(arena_.texts.emplace_back(std::move(text)));
}

// The stack ----------------------------------------------------------------------------------

Status PickleMachine::push(Value value) {
  SPINNEY_TRY(charge_growth(stack_, stack_.size() + 1));
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
  SPINNEY_TRY(charge(stack_.size() - first, sizeof(Value)));
  list->assign(stack_.begin() + static_cast<ptrdiff_t>(first), stack_.end());
  stack_.resize(first);
  return list;
}

}  // namespace spinney::load
