#include "spinney/load/skops/skops.h"

#include <charconv>
#include <map>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

#include "spinney/base/utf8.h"
#include "spinney/load/document/document.h"
#include "spinney/load/document/real_text.h"
#include "spinney/load/file/budget.h"
#include "spinney/load/skops/npy.h"

namespace spinney::load {
namespace {

constexpr char kSchema[] = "schema.json";
constexpr int64_t kProtocolMax = 2;
constexpr unsigned kDepthMax = 64;  // nodes within nodes

class SchemaReader {
 public:
  SchemaReader(Archive& archive, Pickle& pickle) : archive_(archive), pickle_(pickle) {}

  Result<Value> node(const Field& field) {
    if (!field.is_object()) return corrupt("schema.json: a node is no object");
    if (depth_ >= kDepthMax) return too_large("schema.json: nodes lie within nodes too deeply");
    ++depth_;
    auto value = read(field);
    --depth_;
    return value;
  }

 private:
  using Reader = Result<Value> (SchemaReader::*)(const Field&);

  Result<Value> read(const Field& field) {
    static const std::map<std::string_view, Reader> kReaders = {
        {"JsonNode", &SchemaReader::scalar},
        {"DictNode", &SchemaReader::dict},
        {"DefaultDictNode", &SchemaReader::default_dict},
        {"ListNode", &SchemaReader::list},
        {"TupleNode", &SchemaReader::list},
        {"SetNode", &SchemaReader::list},
        {"NdArrayNode", &SchemaReader::array},
        {"BytesNode", &SchemaReader::bytes},
        {"BytearrayNode", &SchemaReader::bytes},
        {"TypeNode", &SchemaReader::name},
        {"FunctionNode", &SchemaReader::name},
        {"ConstructorFromReduceNode", &SchemaReader::call},
    };
    SPINNEY_ASSIGN(const std::string_view loader, text(field, "__loader__"));
    const auto found = kReaders.find(loader);
    return (this->*(found == kReaders.end() ? &SchemaReader::object : found->second))(field);
  }

  // Texts are views of the schema or of the arena, as those of a pickle are of its bytes.
  Result<std::string_view> keep(std::string text) {
    if (!is_utf8(text)) return corrupt("schema.json: a text is not UTF-8");
    SPINNEY_TRY(spend("schema.json", 1, sizeof(std::string) + text.size(), 1));
    return std::string_view(pickle_.arena->texts.emplace_back(std::move(text)));
  }
  Result<std::string_view> text(const Field& field, std::string_view key) {
    SPINNEY_ASSIGN(const Field held, field.at(key, "schema.json: a node"));
    SPINNEY_ASSIGN(std::string read, held.string(key));
    return keep(std::move(read));
  }

  // JSON within a text: "null", "0.5", "\"gini\"".
  Result<Value> scalar(const Field& field) {
    SPINNEY_ASSIGN(const std::string_view json, text(field, "content"));
    if (json == "null") return Value();
    if (json == "true" || json == "false") return Value(json == "true");
    if (json == "NaN") return Value(std::numeric_limits<double>::quiet_NaN());
    if (json == "Infinity") return Value(std::numeric_limits<double>::infinity());
    if (json == "-Infinity") return Value(-std::numeric_limits<double>::infinity());
    if (json.size() >= 2 && json.starts_with('"') && json.ends_with('"')) {
      SPINNEY_ASSIGN(std::string inside, unescape_json(json.substr(1, json.size() - 2), "content"));
      SPINNEY_ASSIGN(const std::string_view kept, keep(std::move(inside)));
      return Value(Value::Text{kept});
    }
    return number(json);
  }

  Result<Value> number(std::string_view json) {
    const char* end = json.data() + json.size();
    int64_t whole = 0;
    const auto exact = std::from_chars(json.data(), end, whole);
    if (exact.ec == std::errc() && exact.ptr == end) return Value(whole);
    double real = 0;
    const auto parsed = std::from_chars(json.data(), end, real);
    if (json.empty() || parsed.ptr != end ||
        (parsed.ec != std::errc() && parsed.ec != std::errc::result_out_of_range))
      return corrupt("schema.json: a value is neither a number, a text nor a constant");
    return Value(parsed.ec == std::errc() ? real : out_of_range<double>(json));
  }

  Result<Value> list(const Field& field) {
    SPINNEY_ASSIGN(List* const items, list_of(field));
    return Value(items);
  }

  Result<List*> list_of(const Field& field) {
    SPINNEY_ASSIGN(const Field content, field.at("content", "schema.json: a list"));
    if (!content.is_array()) return corrupt("schema.json: a list's content is no list");
    const std::vector<Field> nodes = content.children();
    SPINNEY_TRY(spend("schema.json", nodes.size(), sizeof(Value), 1));
    List& items = pickle_.arena->lists.emplace_back();
    for (const Field& one : nodes) {
      SPINNEY_ASSIGN(const Value value, node(one));
      items.push_back(value);
    }
    return &items;
  }

  Result<Value> dict(const Field& field) {
    SPINNEY_ASSIGN(const Field content, field.at("content", "schema.json: a dict"));
    if (!content.is_object()) return corrupt("schema.json: a dict's content is no object");
    const auto members = content.members();
    SPINNEY_TRY(spend("schema.json", members.size(), 2 * sizeof(Value), 1));
    const std::vector<Field> types = field.find("key_types").find("content").children();
    Dict& made = pickle_.arena->dicts.emplace_back();
    for (size_t i = 0; i < members.size(); ++i) {
      SPINNEY_ASSIGN(const std::string_view raw, keep(members[i].first));
      const Field type = i < types.size() ? types[i].find("__class__") : Field();
      SPINNEY_ASSIGN(const Value value, node(members[i].second));
      SPINNEY_ASSIGN(const Value key, key_of(raw, type.raw()));
      made.items.emplace_back(key, value);
    }
    return Value(&made);
  }

  // JSON's keys are texts; what they were, "key_types" says.
  Result<Value> key_of(std::string_view raw, std::string_view type) {
    if (type == "int" || type == "float") {
      const auto value = number(raw);
      if (value.ok()) return value;
    }
    if (raw.find('\\') == std::string_view::npos) return Value(Value::Text{raw});
    SPINNEY_ASSIGN(std::string plain, unescape_json(raw, "a key"));
    SPINNEY_ASSIGN(const std::string_view kept, keep(std::move(plain)));
    return Value(Value::Text{kept});
  }

  Result<Value> default_dict(const Field& field) {
    SPINNEY_ASSIGN(const Field main, field.find("content").at("main", "schema.json: a dict"));
    return node(main);
  }

  Result<std::span<const char>> file(const Field& field) {
    SPINNEY_ASSIGN(const std::string_view name, text(field, "file"));
    const ArchiveEntry* entry = archive_.find(std::string(name));
    if (!entry) return corrupt("the archive has no entry " + in_quotes(name.substr(0, 200)));
    auto& held = files_[entry];
    if (!held) {
      SPINNEY_ASSIGN(Expanded contents, archive_.read(*entry));
      SPINNEY_TRY(spend("the entries of the archive", 1, sizeof(Expanded), 1));
      if (contents.owner) owners().push_back(contents.owner);
      held = contents.bytes;
    }
    return *held;
  }

  using Owners = std::vector<std::shared_ptr<const void>>;
  Owners& owners() {
    if (!owners_) {
      owners_ = std::make_shared<Owners>();
      pickle_.arena->expanded = owners_;
    }
    return *owners_;
  }

  Result<Value> bytes(const Field& field) {
    SPINNEY_ASSIGN(const auto contents, file(field));
    // LightGBM's model is text that pickles keep as such; skops keeps texts in the schema.
    return Value(Value::ByteString{contents});
  }

  Result<Value> array(const Field& field) {
    SPINNEY_ASSIGN(const std::string_view type, text(field, "type"));
    SPINNEY_TRY(spend("schema.json", 1, sizeof(NdArray), 1));
    if (type == "json") return objects(field);
    if (type != "numpy") return corrupt("schema.json: an array is stored as " + in_quotes(type));
    SPINNEY_ASSIGN(const auto contents, file(field));
    auto read = skops::read_npy(contents);
    if (!read.ok())
      return Error{read.error().code,
                   std::string(field.find("file").raw()) + ": " + read.error().message};
    return Value(&pickle_.arena->arrays.emplace_back(*std::move(read)));
  }

  // An array of objects: a list, whose first level alone is said to be in the shape's order.
  Result<Value> objects(const Field& field) {
    SPINNEY_ASSIGN(List * items, list_of(field));
    SPINNEY_ASSIGN(const Field shape, field.at("shape", "schema.json: an array"));
    SPINNEY_ASSIGN(const Value extents, node(shape));
    NdArray& made = pickle_.arena->arrays.emplace_back();
    made.dtype = *parse_dtype("O", "");
    size_t count = 1;
    if (!extents.list() || extents.list()->size() > 64)
      return corrupt("schema.json: an array's shape is " + extents.what());
    for (const Value& extent : *extents.list()) {
      const int64_t n = extent.integer().value_or(-1);
      if (n < 0 || (n > 0 && count > (size_t{1} << 31) / static_cast<size_t>(n)))
        return corrupt("schema.json: an array's shape holds " + extent.what());
      made.shape.push_back(n);
      count *= static_cast<size_t>(n);
    }
    SPINNEY_TRY(flatten(items, made.shape.size()));
    if (items->size() != count)
      return corrupt("schema.json: an array of " + std::to_string(count) + " objects holds " +
                     std::to_string(items->size()));
    made.objects = items;
    return Value(&made);
  }

  // Lists within lists, as many levels as the array has axes.
  Status flatten(List*& items, size_t axes) {
    for (size_t axis = 1; axis < axes; ++axis) {
      List& flat = pickle_.arena->lists.emplace_back();
      for (const Value& row : *items) {
        if (!row.list()) return corrupt("schema.json: an array's rows are no lists");
        SPINNEY_TRY(spend("schema.json", row.list()->size(), sizeof(Value), 1));
        flat.insert(flat.end(), row.list()->begin(), row.list()->end());
      }
      items = &flat;
    }
    return {};
  }

  Result<Value> name(const Field& field) {
    SPINNEY_ASSIGN(const std::string_view module, text(field, "__module__"));
    SPINNEY_ASSIGN(const std::string_view name, text(field, "__class__"));
    SPINNEY_TRY(spend("schema.json", 1, sizeof(Value::Global), 1));
    return Value(&pickle_.arena->globals.emplace_back(Value::Global{module, name}));
  }

  Result<Record*> record(const Field& field) {
    SPINNEY_ASSIGN(const std::string_view module, text(field, "__module__"));
    SPINNEY_ASSIGN(const std::string_view name, text(field, "__class__"));
    SPINNEY_TRY(spend("schema.json", 1, sizeof(Record), 1));
    Record& made = pickle_.arena->records.emplace_back();
    made.module = module;
    made.name = name;
    return &made;
  }

  Result<Value> call(const Field& field) {
    SPINNEY_ASSIGN(Record* const made, record(field));
    SPINNEY_ASSIGN(const Field content, field.at("content", "schema.json: a call"));
    SPINNEY_ASSIGN(const Value arguments, node(content));
    made->arguments = arguments.list();
    return Value(made);
  }

  // ObjectNode, and those of scikit-learn's trees and losses, which say how they were made besides.
  // Of others (random states, masked arrays, methods) no reader looks into what they hold.
  Result<Value> object(const Field& field) {
    SPINNEY_ASSIGN(Record* const made, record(field));
    const Field content = field.find("content");
    if (content && content.find("__loader__")) {
      SPINNEY_ASSIGN(made->state, node(content));
    }
    if (const Field arguments = field.find("__reduce__").find("args")) {
      SPINNEY_ASSIGN(const Value list, node(arguments));
      made->arguments = list.list();
    }
    return Value(made);
  }

  Archive& archive_;
  Pickle& pickle_;
  std::map<const ArchiveEntry*, std::optional<std::span<const char>>> files_;
  std::shared_ptr<Owners> owners_;
  unsigned depth_ = 0;
};

Status check_protocol(const Field& root) {
  SPINNEY_ASSIGN(const Field field, root.at("protocol", "schema.json"));
  SPINNEY_ASSIGN(const int64_t protocol, field.integer("protocol"));
  if (protocol < 0 || protocol > kProtocolMax)
    return unsupported("the file is of skops' protocol " + std::to_string(protocol) +
                       "; 0 to 2 are read, which skops up to 0.16 writes");
  return {};
}

Result<Pickle> read(Archive& archive, size_t file_bytes) {
  const ArchiveEntry* entry = archive.find(kSchema);
  if (!entry) return corrupt("the archive has no schema.json, as files of skops do");
  SPINNEY_ASSIGN(const Expanded schema, archive.read(*entry));
  size_t expanded = 0;
  for (const ArchiveEntry& one : archive.entries()) expanded += one.size;
  Pickle pickle;
  pickle.budget = Budget(file_bytes, expanded, BudgetLimits{});
  Budget budget = pickle.budget;
  {
    const BudgetInUse in_use(budget);
    SPINNEY_ASSIGN(const Document document, parse_json(schema.bytes));
    SPINNEY_TRY(check_protocol(document.root()));
    SchemaReader reader(archive, pickle);
    SPINNEY_ASSIGN(pickle.root, reader.node(document.root()));
  }
  pickle.budget = budget;
  return pickle;
}

}  // namespace

bool is_skops(const Archive& archive) { return archive.find(kSchema) != nullptr; }

Result<Pickle> read_skops(Archive& archive, size_t file_bytes) try {
  return read(archive, file_bytes);
} catch (const std::bad_alloc&) {
  return too_large("the file needs more memory than there is");
} catch (const std::length_error&) {
  return too_large("the file declares a size beyond what memory can hold");
}

}  // namespace spinney::load
