#include "spinney/load/pickle/models_within.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <optional>
#include <set>
#include <string_view>

#include "spinney/load/file/budget.h"
#include "spinney/load/pickle/array_values.h"

namespace spinney::load {
namespace {

constexpr size_t kDepthMax = 8;        // containers within containers, on the way to a model
constexpr size_t kModelsMax = 4096;    // that one file may hold in containers
constexpr size_t kPathsNamed = 20;     // in a message
constexpr size_t kPathBytesMax = 200;  // of one path in a message
constexpr size_t kItemsMax = 100'000;  // of a list or dict beside a model
constexpr size_t kArrayBytesMax = 1 << 20;

// A dict's entries or a list's items under one roof; instances of subclasses (Bunch) included.
class Container {
 public:
  explicit Container(const Value& value) {
    dict_ = value.dict();
    list_ = value.list();
    if (const NdArray* array = value.array(); array && array->objects) list_ = array->objects;
    const Record* record = value.record();
    if (record && !record->entries.items.empty()) dict_ = &record->entries;
    if (record && !record->items.empty()) list_ = &record->items;
  }
  explicit operator bool() const { return dict_ || list_; }
  const void* address() const {
    return dict_ ? static_cast<const void*>(dict_) : static_cast<const void*>(list_);
  }
  bool is_dict() const { return dict_ != nullptr; }
  size_t size() const { return dict_ ? dict_->items.size() : list_->size(); }
  const Value& item(size_t i) const { return dict_ ? dict_->items[i].second : (*list_)[i]; }
  const Value& key(size_t i) const { return dict_->items[i].first; }

  // What a path calls item i.
  std::string name(size_t i) const {
    if (!dict_) return std::to_string(i);
    if (const auto text = text_of(key(i))) return *text;
    if (const auto number = key(i).integer()) return std::to_string(*number);
    return std::string("#").append(std::to_string(i));
  }

  static std::optional<std::string> text_of(const Value& value) {
    if (const auto text = value.string()) return std::string(*text);
    const NdArray* array = value.array();
    if (array && array->shape.empty() && array->dtype.is_text()) return text_at(*array, 0);
    return std::nullopt;
  }

 private:
  const Dict* dict_ = nullptr;
  const List* list_ = nullptr;
};

class Finder {
 public:
  explicit Finder(IsModel is_model) : is_model_(is_model) {}

  Status look_into(const Container& container, const std::string& path) {
    const size_t depth = steps_.size(), found_before = models.size();
    if (depth >= kDepthMax) return {};  // what lies deeper, or within itself, is no model
    // A file may name one container again and again.
    const auto known = fruitless_.find(container.address());
    if (known != fruitless_.end() && known->second <= depth) return {};
    SPINNEY_TRY(spend("a container of models", container.size(), 1, 1 + container.size() / 8));
    for (size_t i = 0; i < container.size(); ++i) {
      const Value& item = container.item(i);
      const Record* record = item.record();
      const bool found = record && is_model_(*record);
      const Container inner(item);
      if (!found && !inner) continue;
      const std::string below = path.empty() ? container.name(i) : path + "." + container.name(i);
      SPINNEY_TRY(spend("the path of a model", 1, below.size(), 1));
      steps_.push_back(i);
      if (found) {
        models.push_back({below, steps_, record});
        if (models.size() > kModelsMax) return too_large("the file holds more than 4,096 models");
      } else {
        SPINNEY_TRY(look_into(inner, below));
      }
      steps_.pop_back();
    }
    if (models.size() == found_before) fruitless_[container.address()] = depth;
    return {};
  }

  std::vector<ModelWithin> models;

 private:
  IsModel is_model_;
  std::vector<size_t> steps_;
  std::map<const void*, size_t> fruitless_;  // containers without a model, and how deep they lay
};

std::string shortened(const std::string& path) {
  return path.size() <= kPathBytesMax ? path : path.substr(0, kPathBytesMax) + "…";
}

std::string listed(const std::vector<ModelWithin>& models) {
  std::string text;
  for (size_t m = 0; m < models.size() && m < kPathsNamed; ++m)
    text += (m ? ", " : "") + shortened(models[m].path) + " (" +
            std::string(models[m].record->name.substr(0, kPathBytesMax)) + ")";
  if (models.size() > kPathsNamed)
    text += " and " + std::to_string(models.size() - kPathsNamed) + " more";
  return text;
}

// Whether the model lies in the container of that path.
bool lies_in(const std::string& path, std::string_view container) {
  return path.size() > container.size() && path.starts_with(container) &&
         path[container.size()] == '.';
}

class Beside {
 public:
  Beside(const std::vector<ModelWithin>& models, std::vector<std::string>& unread)
      : unread_(unread) {
    for (const ModelWithin& model : models) {
      models_.insert(model.steps);
      for (Steps way = model.steps; !way.empty(); way.pop_back()) ways_.insert(way);
    }
  }

  // The container without the ways that lead to a model, which are looked into one by one.
  PlainDict around(const Container& container, size_t depth, const std::string& path) {
    PlainDict dict;
    for (size_t i = 0; i < container.size() && dict.keys.size() < kItemsMax; ++i) {
      const std::string below = path.empty() ? container.name(i) : path + "." + container.name(i);
      steps_.resize(depth);
      steps_.push_back(i);
      PlainValue value;
      if (models_.contains(steps_)) continue;
      if (ways_.contains(steps_)) {
        PlainDict inner = around(Container(container.item(i)), depth + 1, below);
        if (inner.keys.empty()) continue;
        value.value = std::move(inner);
      } else {
        value = plain(container.item(i), 0, below);
      }
      dict.keys.push_back(key(container, i));
      dict.values.push_back(std::move(value));
    }
    return dict;
  }

 private:
  static PlainValue key(const Container& container, size_t i) {
    if (!container.is_dict()) return {static_cast<int64_t>(i)};
    const Value& key = container.key(i);
    if (const auto* flag = std::get_if<bool>(&key.storage)) return {*flag};
    if (const auto* whole = std::get_if<int64_t>(&key.storage)) return {*whole};
    if (const auto* real = std::get_if<double>(&key.storage)) return {*real};
    return {container.name(i)};
  }

  PlainValue not_read(const std::string& what) { return {"<" + what + ", not read>"}; }

  PlainValue unread_object(const Value& value, const std::string& path) {
    const std::string what = value.what();
    if (unread_.size() < kPathsNamed) unread_.push_back(shortened(path) + " (" + what + ")");
    return not_read(what);
  }

  PlainValue plain(const Value& value, size_t depth, const std::string& path) {
    if (!try_spend(1, sizeof(PlainValue), 1)) return not_read("more than the file has room for");
    if (value.is_none()) return {};
    if (const auto* flag = std::get_if<bool>(&value.storage)) return {*flag};
    if (const auto* whole = std::get_if<int64_t>(&value.storage)) return {*whole};
    if (const auto* real = std::get_if<double>(&value.storage)) return {*real};
    if (auto text = Container::text_of(value)) {
      if (!try_spend(1, text->size())) return not_read("a text");
      return {*std::move(text)};
    }
    if (const Value* data = index_data(value)) return plain(*data, depth + 1, path);
    if (const NdArray* array = value.array(); array && !array->objects) return of_array(*array);
    const Container container(value);
    if (!container) return unread_object(value, path);
    if (container.size() > kItemsMax || depth > kDepthMax)
      return not_read(value.what() + " of " + std::to_string(container.size()) + " items");
    return of_container(container, depth, path);
  }

  PlainValue of_container(const Container& container, size_t depth, const std::string& path) {
    if (!container.is_dict()) {
      PlainList list;
      for (size_t i = 0; i < container.size(); ++i)
        list.items.push_back(plain(container.item(i), depth + 1, path));
      return {std::move(list)};
    }
    PlainDict dict;
    for (size_t i = 0; i < container.size(); ++i) {
      dict.keys.push_back(key(container, i));
      dict.values.push_back(plain(container.item(i), depth + 1, path));
    }
    return {std::move(dict)};
  }

  // pandas writes an index of columns as _new_Index(class, {"data": array, "name": …}).
  static const Value* index_data(const Value& value) {
    const Record* record = value.record();
    if (!record || record->package() != "pandas" || record->name != "_new_Index") return nullptr;
    const List* arguments = record->arguments;
    const Dict* made = arguments && arguments->size() == 2 ? (*arguments)[1].dict() : nullptr;
    const Value* data = made ? made->find("data") : nullptr;
    return data && (data->array() || data->list()) ? data : nullptr;
  }

  PlainValue of_array(const NdArray& array) {
    const NumberReader reader(array.dtype);
    const std::string what =
        "a numpy array of " + std::to_string(array.size()) + " elements of " + array.dtype.text;
    if (array.shape.empty() && reader.is_number()) {
      if (array.dtype.kind == 'b') return {*reader.whole(array.bytes.data()) != 0};
      if (const auto whole = reader.whole(array.bytes.data())) return {*whole};
      if (const auto real = reader.real(array.bytes.data())) return {*real};
    }
    if (array.bytes.size() > kArrayBytesMax || !try_spend(1, array.bytes.size()))
      return not_read(what);
    if (array.dtype.is_text() && array.shape.size() == 1) return texts(array, what);
    if (!reader.is_number()) return not_read(what);
    return {PlainArray{array.dtype.text,
                       array.shape,
                       array.fortran_order,
                       {array.bytes.begin(), array.bytes.end()}}};
  }

  PlainValue texts(const NdArray& array, const std::string& what) {
    PlainList list;
    if (!try_spend(array.size(), sizeof(PlainValue))) return not_read(what);
    for (size_t i = 0; i < array.size(); ++i) {
      std::optional<std::string> text = text_at(array, i);
      if (!text) return not_read(what);
      list.items.push_back({*std::move(text)});
    }
    return {std::move(list)};
  }

  using Steps = std::vector<size_t>;
  std::vector<std::string>& unread_;
  std::set<Steps> models_, ways_;  // ways: to a model or to a container on the way to one
  Steps steps_;
};

}  // namespace

bool holds_values(const Value& value) { return static_cast<bool>(Container(value)); }

Result<std::vector<ModelWithin>> models_within(const Value& root, IsModel is_model) {
  Finder finder(is_model);
  SPINNEY_TRY(finder.look_into(Container(root), ""));
  return std::move(finder.models);
}

Result<std::vector<ModelWithin>> choose_models(const std::vector<ModelWithin>& all,
                                               const std::string& member) {
  if (member.empty()) {
    if (all.size() == 1) return all;
    return invalid_argument("it holds " + std::to_string(all.size()) + " models: " + listed(all) +
                            ". Say which is meant: member=\"" + shortened(all[0].path) +
                            "\"; member=\"*\" takes all of them for an ensemble");
  }
  const bool every = member == "*" || member.ends_with(".*");
  const std::string_view container =
      member == "*" ? "" : std::string_view(member).substr(0, member.size() - (every ? 2 : 0));
  std::vector<ModelWithin> chosen;
  if (!every)
    std::copy_if(all.begin(), all.end(), std::back_inserter(chosen),
                 [&](const ModelWithin& model) { return model.path == member; });
  if (chosen.empty())
    std::copy_if(all.begin(), all.end(), std::back_inserter(chosen), [&](const ModelWithin& model) {
      return container.empty() || lies_in(model.path, container);
    });
  if (chosen.empty() || (!every && chosen.size() > 1))
    return invalid_argument("member is \"" + shortened(member) + "\", which " +
                            (chosen.empty() ? "is none of its models: " : "means several: ") +
                            listed(chosen.empty() ? all : chosen));
  return chosen;
}

PlainValue beside_model(const Value& root, const std::vector<ModelWithin>& models,
                        std::vector<std::string>& unread) {
  return {Beside(models, unread).around(Container(root), 0, "")};
}

}  // namespace spinney::load
