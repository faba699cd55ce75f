// What calls and states in a pickle become. Every call is a Record of its name and arguments, save
// the few whose result is plain data: numpy's arrays and dtypes, containers and byte strings.
#include <algorithm>
#include <array>

#include "spinney/load/pickle/machine.h"
#include "spinney/load/pickle/text.h"

namespace spinney::load {
namespace {

bool is_builtins(std::string_view module) {
  return module == "builtins" || module == "__builtin__";
}
bool is_copyreg(std::string_view module) { return module == "copyreg" || module == "copy_reg"; }

bool is_multiarray(std::string_view module) {
  return module == "numpy.core.multiarray" || module == "numpy._core.multiarray";
}
bool is_numeric(std::string_view module) {
  return module == "numpy.core.numeric" || module == "numpy._core.numeric";
}

bool is_dill(std::string_view module) { return module == "dill._dill" || module == "dill.dill"; }
bool is_cloudpickle(std::string_view module) {
  return module == "cloudpickle.cloudpickle" || module == "cloudpickle.cloudpickle_fast";
}

// cloudpickle and dill write classes that nobody can import as calls of (type, name, bases,
// attributes, ...).
bool is_made_class(const Record* record) {
  if (!record || !record->arguments || record->arguments->size() < 4) return false;
  return (is_cloudpickle(record->module) && record->name == "_make_skeleton_class") ||
         (is_dill(record->module) && record->name == "_create_type");
}

std::string_view module_of(const Record& made_class) {
  const Dict* attributes = (*made_class.arguments)[3].dict();
  const Value* module = attributes ? attributes->find("__module__") : nullptr;
  return module ? module->string().value_or("") : "";
}

}  // namespace

Status PickleMachine::push_instance(const Value& callable, const Value& arguments,
                                    const Dict* keywords) {
  const List* list = arguments.list();
  if (!list) return fail("a call's arguments are " + arguments.what());
  const Value::Global* global = callable.global();
  if (global && !keywords) {
    SPINNEY_ASSIGN(const bool known, push_known_call(*global, *list));
    if (known) return {};
  }
  // A call of something that is itself the result of a call has no name; it stays inert all the
  // same, and no reader knows it, save instances of a class that the file itself describes.
  SPINNEY_ASSIGN(Record* const record,
                 new_record(global ? global->module : "", global ? global->name : "(a result)"));
  if (const Record* made = callable.record(); is_made_class(made)) {
    record->made_class = made;
    record->module = module_of(*made);
    record->name = (*made->arguments)[1].string().value_or(record->name);
  }
  record->arguments = list;
  record->keywords = keywords;
  return push(Value(record));
}

Result<bool> PickleMachine::push_known_call(const Value::Global& f, const List& arguments) {
  const auto done = [](const Status& status) -> Result<bool> {
    if (!status.ok()) return status.error();
    return true;
  };
  if (is_multiarray(f.module) && f.name == "_reconstruct") {
    SPINNEY_ASSIGN(NdArray* const array, new_array());
    return done(push(Value(array)));
  }
  if (is_multiarray(f.module) && f.name == "scalar") return done(push_scalar(arguments));
  if (is_numeric(f.module) && f.name == "_frombuffer") return done(push_from_buffer(arguments));
  if (f.module == "_codecs" && f.name == "encode") return done(push_bytes_call(arguments));
  if (f.module == "collections" && (f.name == "OrderedDict" || f.name == "defaultdict"))
    return done(push_dict_call(f.name == "OrderedDict" ? arguments : List()));
  if (is_builtins(f.module)) {
    if (f.name == "bytes" || f.name == "bytearray") {
      if (arguments.size() <= 2) return done(push_bytes_call(arguments));
    } else if (f.name == "set" || f.name == "frozenset" || f.name == "list" || f.name == "tuple") {
      if (arguments.empty()) return done(op_empty_list());
      if (arguments.size() == 1 && arguments[0].list()) return done(push(Value(arguments[0])));
    }
    return false;
  }
  if (is_dill(f.module)) return push_dill_call(f.name, arguments);
  if (is_cloudpickle(f.module) && f.name == "_class_setstate" && arguments.size() == 2) {
    if (auto* const* held = std::get_if<Record*>(&arguments[0].storage))
      (*held)->state = arguments[1];
    return done(push(arguments[0]));
  }
  if (!is_copyreg(f.module) || arguments.empty()) return false;
  if (const Record* made = arguments[0].record(); is_made_class(made)) {
    SPINNEY_ASSIGN(List* const none, new_list());
    return done(push_instance(arguments[0], Value(none), nullptr));
  }
  if (!arguments[0].global()) return false;
  // copyreg's ways to say "an instance of the first argument".
  if (f.name != "_reconstructor" && f.name != "__newobj__" && f.name != "__newobj_ex__")
    return false;
  const Value::Global& made = *arguments[0].global();
  SPINNEY_ASSIGN(Record* const record, new_record(made.module, made.name));
  SPINNEY_ASSIGN(List* const rest, new_list());
  SPINNEY_TRY(charge(arguments.size(), sizeof(Value)));
  rest->assign(arguments.begin() + 1, arguments.end());
  record->arguments = rest;
  return done(push(Value(record)));
}

// dill's own ways to write numpy's arrays and the names of Python's types.
Result<bool> PickleMachine::push_dill_call(std::string_view name, const List& arguments) {
  const auto done = [](const Status& status) -> Result<bool> {
    if (!status.ok()) return status.error();
    return true;
  };
  if (name == "_load_type" && arguments.size() == 1 && arguments[0].string())
    return done(push_global("builtins", *arguments[0].string()));
  // (numpy's _reconstruct, its arguments, the array's state, attributes of a subclass)
  if (name != "_create_array" || arguments.size() < 3 || !arguments[2].list()) return false;
  SPINNEY_ASSIGN(NdArray* const array, new_array());
  SPINNEY_TRY(build_array(*arguments[2].list(), *array));
  return done(push(Value(array)));
}

// bytes(), bytearray(b"..."), _codecs.encode("...", "latin1"): how old protocols write bytes.
Status PickleMachine::push_bytes_call(const List& arguments) {
  if (arguments.empty()) return push(Value(Value::ByteString{}));
  if (arguments[0].bytes()) return push(Value(arguments[0]));
  const auto text = arguments[0].string();
  const auto encoding = arguments.size() > 1 ? arguments[1].string() : std::nullopt;
  if (!text || !encoding || (*encoding != "latin1" && *encoding != "latin-1"))
    return fail("bytes are made in a way that no pickler uses");
  std::optional<std::string> encoded = encode_latin1(*text);
  if (!encoded) return fail("bytes are written as text that is not Latin-1");
  SPINNEY_ASSIGN(const std::string_view kept, keep(*std::move(encoded)));
  return push(Value(Value::ByteString{kept}));
}

Status PickleMachine::push_dict_call(const List& arguments) {
  SPINNEY_ASSIGN(Dict* const dict, new_dict());
  const List* pairs = arguments.empty() ? nullptr : arguments[0].list();
  for (size_t i = 0; pairs && i < pairs->size(); ++i) {
    const List* pair = (*pairs)[i].list();
    if (!pair || pair->size() != 2) return fail("an OrderedDict holds something but pairs");
    SPINNEY_TRY(charge(2, sizeof(Value)));
    dict->items.emplace_back((*pair)[0], (*pair)[1]);
  }
  return push(Value(dict));
}

Status PickleMachine::build(Value& target, const Value& state) {
  if (auto* const* array = std::get_if<NdArray*>(&target.storage)) {
    if (!state.list()) return fail("a numpy array's state is " + state.what());
    return build_array(*state.list(), **array);
  }
  if (auto* const* held = std::get_if<Record*>(&target.storage)) {
    Record& record = **held;
    record.state = state;
    const bool joblib = record.module.ends_with("joblib.numpy_pickle") ||
                        record.module.ends_with("joblib.numpy_pickle_compat");
    if (joblib && record.name == "NumpyArrayWrapper") {
      SPINNEY_ASSIGN(target, read_joblib_array(record));
    } else if (joblib && (record.name == "NDArrayWrapper" || record.name == "ZNDArrayWrapper")) {
      return unsupported(
          "this file is from joblib before 0.10, which kept arrays in separate "
          "files; load it with Python and save it again with a newer joblib");
    }
    return {};
  }
  if (target.global()) return fail("it sets the state of a class");
  return {};  // attributes beside a plain container's contents: nothing reads them
}

}  // namespace spinney::load
