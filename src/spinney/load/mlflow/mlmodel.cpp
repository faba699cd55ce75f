// MLmodel is YAML; its signature is JSON within.
#include <yaml-cpp/yaml.h>

#include <array>
#include <exception>
#include <string_view>

#include "spinney/load/document/document.h"
#include "spinney/load/mlflow/mlflow.h"

namespace spinney::load {
namespace {

constexpr size_t kTextMax = 4096;   // of a name or path
constexpr size_t kNestingMax = 64;  // of brackets, each of which the parser recurses into
constexpr size_t kIndentMax = 256;

// The parser recurses with the text's depth, by brackets and by indentation.
Status check_depth(std::string_view text) {
  size_t depth = 0, indent = 0, dashes = 0;
  bool at_start = true;
  for (const char c : text) {
    if (c == '\n') {
      at_start = true;
      indent = dashes = 0;
      continue;
    }
    if (c == '[' || c == '{') ++depth;
    if ((c == ']' || c == '}') && depth > 0) --depth;
    if (at_start && c == ' ') ++indent;
    // "- - - - x" and "? ? ? x" nest without indentation.
    if (at_start && (c == '-' || c == '?' || c == ':')) ++dashes;
    if (c != ' ' && c != '-' && c != '?' && c != ':') at_start = false;
    if (depth > kNestingMax || indent > kIndentMax || dashes > kNestingMax)
      return corrupt("MLmodel is nested more deeply than MLflow writes it");
  }
  return {};
}

// A scalar's text; empty if the key is absent. Never follows more than it is asked.
Result<std::string> text_of(const YAML::Node& map, const char* key) {
  const YAML::Node node = map[key];
  if (!node || node.IsNull()) return std::string();
  if (!node.IsScalar() || node.Scalar().size() > kTextMax)
    return corrupt(std::string("MLmodel: ") + key + " is no text");
  return node.Scalar();
}

Status check_path(const std::string& data) {
  if (data.empty()) return corrupt("MLmodel names no file for the model");
  const std::string slashed = "/" + data + "/";
  if (data[0] == '/' || data.find('\\') != std::string::npos ||
      data.find('\0') != std::string::npos || slashed.find("/../") != std::string::npos)
    return corrupt("MLmodel: the model's file " + in_quotes(data) +
                   " is no path within the folder");
  return {};
}

Status read_flavor(const YAML::Node& flavors, MlflowModel& model) {
  constexpr std::array kFlavors = {"sklearn", "xgboost", "lightgbm", "catboost"};
  for (const char* name : kFlavors) {
    const YAML::Node flavor = flavors[name];
    if (!flavor || !flavor.IsMap()) continue;
    model.flavor = name;
    SPINNEY_ASSIGN(model.data,
                   text_of(flavor, model.flavor == "sklearn" ? "pickled_model" : "data"));
    if (model.flavor == "sklearn") return check_path(model.data);
    if (model.flavor == "catboost") {
      SPINNEY_ASSIGN(const std::string kind, text_of(flavor, "model_type"));
      model.is_booster = kind == "CatBoost";
      return check_path(model.data);
    }
    // Without a class, as older versions of MLflow have it, it is a Booster.
    SPINNEY_ASSIGN(const std::string kind, text_of(flavor, "model_class"));
    model.is_booster = kind.empty() || kind.ends_with(".Booster");
    return check_path(model.data);
  }
  std::string named;
  for (const auto& flavor : flavors) {
    if (!flavor.first.IsScalar() || named.size() > kTextMax) continue;
    named += (named.empty() ? "" : ", ") + flavor.first.Scalar().substr(0, kTextMax);
  }
  return unsupported("this MLflow folder has the flavours " + named +
                     "; sklearn, xgboost, lightgbm and catboost are read");
}

// [{"type": "double", "name": "a", "required": true}, …], or tensors, which have no columns.
Status read_inputs(const std::string& json, MlflowModel& model) {
  SPINNEY_ASSIGN(const Document document, parse_json(json));
  std::vector<std::string> names, texts;
  for (const Field& column : document.root().children()) {
    const Field name = column.find("name"), type = column.find("type");
    if (!name.is_string() || type.raw() == "tensor") return {};
    SPINNEY_ASSIGN(std::string read, name.string("name"));
    if (type.raw() == "string") texts.push_back(read);
    names.push_back(std::move(read));
  }
  model.names = std::move(names);
  model.text_columns = std::move(texts);
  return {};
}

Result<MlflowModel> read(const std::string& text) {
  const YAML::Node root = YAML::Load(text);
  if (!root.IsMap()) return corrupt("MLmodel is no YAML of keys and values");
  const YAML::Node flavors = root["flavors"];
  if (!flavors || !flavors.IsMap()) return corrupt("MLmodel names no flavors");
  MlflowModel model;
  SPINNEY_TRY(read_flavor(flavors, model));
  const YAML::Node signature = root["signature"];
  if (!signature || !signature.IsMap()) return model;
  const YAML::Node inputs = signature["inputs"];
  if (!inputs || !inputs.IsScalar()) return model;
  const Status read = read_inputs(inputs.Scalar(), model);
  if (!read.ok()) return Error{read.error().code, "MLmodel's signature: " + read.error().message};
  return model;
}

}  // namespace

Result<MlflowModel> read_mlmodel(std::span<const char> bytes) {
  if (bytes.size() > kMlmodelBytesMax) return too_large("MLmodel is larger than 4 MiB");
  const std::string text(bytes.data(), bytes.size());
  SPINNEY_TRY(check_depth(text));
  try {
    return read(text);
  } catch (const YAML::Exception& error) {
    return corrupt(std::string("MLmodel is no YAML: ") + error.what());
  } catch (const std::exception&) {
    return too_large("MLmodel needs more memory than there is");
  }
}

}  // namespace spinney::load
